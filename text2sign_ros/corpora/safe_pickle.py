"""Pickles of arrays, read without running anything: plain containers, NumPy arrays and PyTorch's tensors on a CPU.

A pickle is a program. Here its every import is replaced by a few functions of this module that check what they are
given, and any other import is refused; PyTorch is not needed. Tensors are read as ``pickle.dump`` writes them, which
is in PyTorch's old format.
"""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from text2sign_ros.corpora.base import CorpusError

GZIP = b"\x1f\x8b"
MAGIC = (b"\x80", GZIP)
"""First bytes of a pickle, and of one that is compressed."""
_KINDS = "biuf"  # bool, int, unsigned, float
_TORCH = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
_TORCH |= {"ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?"}
_ERRORS = (
    *(pickle.UnpicklingError, EOFError, OSError, zlib.error, ValueError, TypeError, LookupError, AttributeError),
    *(MemoryError, OverflowError, RecursionError, ImportError),
)
"""What damaged pickles make ``pickle`` and NumPy raise."""


def load(path: Path) -> Any:
    """The content of a file.

    Raises:
        CorpusError: it is no pickle, is cut short, or holds something other than plain containers and arrays of
        numbers.
    """
    with open(path, "rb") as file:
        start = file.read(2)
    if not any(start.startswith(magic) for magic in MAGIC):
        raise CorpusError(f"{path} is no pickle: it begins with {start!r}")
    try:
        with gzip.open(path, "rb") if start == GZIP else open(path, "rb") as file:
            return _plain(_Unpickler(file).load())
    except CorpusError as error:
        raise CorpusError(f"{path} is not read: {error}") from error
    except _ERRORS as error:
        raise CorpusError(f"{path} is damaged, or no pickle of arrays: {error or type(error).__name__}") from error


class _Array:
    """Becomes a NumPy array once its state is known."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, content = state
        kind = _dtype_of(dtype)
        if not isinstance(content, bytes | bytearray):
            raise CorpusError("it holds an array of objects")
        order = "F" if fortran else "C"
        self.value = np.frombuffer(bytes(content), kind).reshape(tuple(map(int, shape)), order=order)  # type: ignore[call-overload]


class _Dtype:
    """A NumPy dtype; its state brings the byte order."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.order = str(name), "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "="


def _dtype_of(dtype: object) -> np.dtype:
    if not isinstance(dtype, _Dtype) or dtype.name[:1] not in _KINDS:
        raise CorpusError(f"it holds an array of {getattr(dtype, 'name', dtype)!r}, not of numbers")
    return np.dtype(dtype.order + dtype.name)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How bytes are written in the older protocols."""
    if encoding not in ("latin1", "latin-1"):
        raise CorpusError(f"it encodes text as {encoding}")
    return text.encode("latin1")


def _scalar(dtype: object, content: bytes = b"") -> Any:
    return np.frombuffer(content, _dtype_of(dtype))[0].item()


def _from_buffer(content: bytes | bytearray, dtype: object, shape: tuple[int, ...], order: str) -> np.ndarray:
    """How arrays are written in protocol 5."""
    return np.frombuffer(bytes(content), _dtype_of(dtype)).reshape(tuple(map(int, shape)), order=order)  # type: ignore[call-overload]


class _Named:
    """A name that is only passed on, such as the class of an array that is made, or of a storage."""

    def __init__(self, name: str) -> None:
        self.name = name


def _tensor(storage: object, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> np.ndarray:
    if not isinstance(storage, np.ndarray) or storage.ndim != 1:
        raise CorpusError("a tensor has no storage")
    size, stride, offset = tuple(map(int, size)), tuple(map(int, stride)), int(offset)
    if len(size) != len(stride) or min((*size, *stride, offset), default=0) < 0:
        raise CorpusError("a tensor has an impossible shape")
    if 0 in size:
        return np.zeros(size, storage.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= len(storage) or int(np.prod(size, dtype=object)) > len(storage):
        raise CorpusError(f"a tensor claims {size} numbers, and its storage has {len(storage)}")
    strides = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides).copy()


def _storage(content: bytes) -> np.ndarray:
    """The storage that PyTorch's old format holds: five pickles, then the numbers."""
    file = io.BytesIO(content)
    for _ in range(3):  # magic number, protocol, what the machine was
        _Unpickler(file).load()
    declared = _Unpickler(file, persistent=True).load()
    _Unpickler(file).load()  # the keys of the storages, of which there is one
    kind, count = declared
    (claimed,) = np.frombuffer(file.read(8), "<i8")
    numbers = np.frombuffer(file.read(), kind)
    if not count == claimed == len(numbers):
        raise CorpusError(f"a tensor's storage claims {count} numbers and has {len(numbers)}")
    return numbers


_NUMPY_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
_KNOWN: dict[tuple[str, str], Callable[..., Any] | _Named] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): _Named("ndarray"),
    ("numpy", "dtype"): _Dtype,
    **{(module, "_reconstruct"): lambda *_: _Array() for module in _NUMPY_CORE},
    **{(module, "scalar"): _scalar for module in _NUMPY_CORE},
    **{(module, "_frombuffer"): _from_buffer for module in ("numpy.core.numeric", "numpy._core.numeric")},
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
    **{("torch", name): _Named(name) for name in _TORCH},
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes] | gzip.GzipFile, persistent: bool = False) -> None:
        super().__init__(file)
        self._persistent = persistent

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise CorpusError(f"it wants to use {module}.{name}; only arrays and plain containers are read")
        return _KNOWN[module, name]

    def persistent_load(self, told: Any) -> tuple[np.dtype, int]:
        if not self._persistent or told[0] != "storage" or told[3] != "cpu":
            raise CorpusError("it refers to something outside itself")
        return np.dtype(_TORCH[told[1].name]), int(told[4])


def _plain(value: Any) -> Any:
    """The value with arrays in place of what stands for them."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value
