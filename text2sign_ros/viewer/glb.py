"""Reads and writes binary glTF 2.0 (.glb): a JSON chunk that says what is in one binary chunk."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros.clip import write_whole
from text2sign_ros.errors import Text2SignError

_MAGIC, _VERSION, _JSON, _BINARY = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
_COMPONENTS = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
_DTYPES = {number: np.dtype("<" + name) for name, number in _COMPONENTS.items()}
_KINDS = {"SCALAR": (), "VEC2": (2,), "VEC3": (3,), "VEC4": (4,), "MAT4": (4, 4)}
VERTICES, INDICES = 34962, 34963
"""What a buffer view is for (``bufferView.target``)."""


class GlbError(Text2SignError):
    """A file is no GLB, or not one of those that are read here."""


class Glb:
    """A glTF asset in memory.

    Args:
        document: the JSON; None: an empty asset.
        binary: the buffer that it describes.

    Attributes:
        document: the JSON, to be changed by whoever makes an asset.
    """

    def __init__(self, document: dict[str, Any] | None = None, binary: bytes = b"") -> None:
        self.document: dict[str, Any] = document or {"asset": {"version": "2.0", "generator": "text2sign_ros"}}
        self._binary = bytearray(binary)

    @classmethod
    def load(cls, path: Path) -> Glb:
        """Read a file.

        Raises:
            GlbError: it is not glTF 2.0 with one binary chunk.
            OSError: it can't be read.
        """
        data = path.read_bytes()
        try:
            magic, version, length = struct.unpack_from("<III", data)
            size, kind = struct.unpack_from("<II", data, 12)
            after, second = struct.unpack_from("<II", data, 20 + size)
            if (magic, version, kind, second) != (_MAGIC, _VERSION, _JSON, _BINARY) or length > len(data):
                raise ValueError("its header is another one's")
            document, binary = json.loads(data[20 : 20 + size]), data[28 + size : 28 + size + after]
        except (ValueError, struct.error) as error:
            raise GlbError(f"{path} is not a binary glTF 2.0 file: {error}") from error
        return cls(document, binary)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: it can't be written.
        """
        document = self.document | {"buffers": [{"byteLength": len(self._binary)}]}
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + bytes(-len(self._binary) % 4)
        with write_whole(path) as file:
            file.write(struct.pack("<III", _MAGIC, _VERSION, 28 + len(text) + len(binary)))
            file.write(struct.pack("<II", len(text), _JSON) + text)
            file.write(struct.pack("<II", len(binary), _BINARY) + binary)

    def add(self, what: str, item: dict[str, Any]) -> int:
        """Append to one of the document's lists ("nodes", "meshes", …); returns its number there."""
        items = self.document.setdefault(what, [])
        items.append(item)
        return len(items) - 1

    def add_array(
        self,
        values: np.ndarray,
        kind: str,
        *,
        target: int | None = None,
        normalized: bool = False,
        bounds: bool = False,
    ) -> int:
        """Append an array to the buffer; returns the number of its accessor.

        Args:
            values: (n, …) of the shape of ``kind``, in a type of glTF's.
            kind: "SCALAR", "VEC3", …
            target: ``VERTICES`` or ``INDICES`` for what is drawn; None: anything else.
            normalized: whether integers stand for 0 to 1.
            bounds: whether to say between which numbers the values lie, as glTF wants for positions and times.
        """
        values = np.ascontiguousarray(values)
        self._binary += bytes(-len(self._binary) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": values.nbytes}
        if target is not None:
            view["target"] = target
        self._binary += values.tobytes()
        accessor: dict[str, Any] = {
            "bufferView": self.add("bufferViews", view),
            "componentType": _COMPONENTS[values.dtype.str[1:]],
            "count": len(values),
            "type": kind,
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            table = values.reshape(len(values), -1)
            accessor |= {"min": table.min(axis=0).tolist(), "max": table.max(axis=0).tolist()}
        return self.add("accessors", accessor)

    def array(self, accessor: int) -> np.ndarray:
        """The values of an accessor, in their own type.

        Raises:
            GlbError: they are interleaved or sparse.
        """
        about = self.document["accessors"][accessor]
        view = self.document["bufferViews"][about["bufferView"]]
        if "byteStride" in view or "sparse" in about:
            raise GlbError("interleaved and sparse arrays are not read")
        shape = (about["count"], *_KINDS[about["type"]])
        start = view.get("byteOffset", 0) + about.get("byteOffset", 0)
        dtype = _DTYPES[about["componentType"]]
        return np.frombuffer(self._binary, dtype, int(np.prod(shape)), start).reshape(shape).copy()
