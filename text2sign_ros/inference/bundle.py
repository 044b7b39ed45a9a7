"""The bundle: a folder with everything a node needs to sign, verified before anything runs."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.errors import Text2SignError
from text2sign_ros.text import encoder

FORMAT = 3
DESCRIPTION = "bundle.json"
REQUIRED = (
    *(*encoder.FILES, encoder.PHRASES),
    *(
        "duration.onnx",
        "duration.weights",
        "step.onnx",
        "unet.weights",
        "decoder.onnx",
        "decoder.weights",
        "fused.onnx",
    ),
)
"""Files without which a bundle can't sign, all of them listed with their hash."""
LARGEST = 16_000_000
"""Bytes of the largest ``bundle.json`` that is read."""
_MOST = {"latent_dim": 1000, "stride": 100, "prefix_codes": 1000, "max_tokens": 1000, "text_dim": 10_000}
_MOST |= {"timesteps": 100_000, "max_units": 1000, "frames_per_sign": 10_000, "frames_per_letter": 10_000}
_MOST_FRAMES, _MOST_FPS = 10_000, 1000
"""What memory is allocated by has a bound: far beyond any model, and what every machine can bear."""


class BundleError(Text2SignError):
    """A bundle is missing, damaged, or of a format that this version does not read."""


@dataclass(frozen=True)
class Bundle:
    """What ``bundle.json`` says.

    Attributes:
        name: of the bundle.
        fps: frames per second of the motion.
        latent_dim: D, numbers in a code.
        stride: frames per code.
        buckets: lengths in frames that the model is run on; what is shorter is padded to the next one.
        prefix_codes: codes of what went before that each segment starts from.
        max_tokens: L, tokens that the model takes at once.
        text_dim: width of their embeddings.
        timesteps, beta_start, beta_end: noise schedule (see ``samplers.alphas_cumprod``).
        presets: name -> sampling steps, all of them measured.
        preset: the one to use unless told otherwise.
        guidance: classifier-free guidance that the distilled network took over from its teacher.
        signs, letters: the vocabulary; other words are spelled.
        max_units: signs and letters generated at once.
        frames_per_sign, frames_per_letter: generous estimates to cut segments by.
        rest_code: (D,) the code of the rest pose.
        face: how the face moves, in words.
        keypoints: names, in order.
        files: name -> sha256 of every other file in the folder.
    """

    name: str
    fps: float
    latent_dim: int
    stride: int
    buckets: list[int]
    prefix_codes: int
    max_tokens: int
    text_dim: int
    timesteps: int
    beta_start: float
    beta_end: float
    presets: dict[str, int]
    preset: str
    guidance: float
    signs: list[str]
    letters: list[str]
    max_units: int
    frames_per_sign: int
    frames_per_letter: int
    rest_code: list[float]
    face: str
    keypoints: list[str]
    files: dict[str, str]

    def save(self, folder: Path) -> None:
        """Write ``bundle.json``."""
        with write_whole(folder / DESCRIPTION) as file:
            file.write(json.dumps({"format": FORMAT} | asdict(self), indent=1).encode() + b"\n")

    @classmethod
    def load(cls, folder: str | Path, *, copy_to: Path | None = None) -> Bundle:
        """Read the description and verify the hash of every file.

        Args:
            folder: of the bundle.
            copy_to: folder that gets what was verified, byte for byte, of the files in ``REQUIRED``.

        Raises:
            BundleError: names the file at fault and what to do.
        """
        folder = Path(folder)
        values = _read(folder / DESCRIPTION)
        if values.pop("format", None) != FORMAT:
            raise BundleError(
                f"{folder / DESCRIPTION} is not of bundle format {FORMAT}; export it anew with this version"
            )
        expected = {f.name: str(f.type) for f in fields(cls)}
        if wrong := sorted(expected.keys() ^ values.keys()):
            raise BundleError(f"{folder / DESCRIPTION} has missing or unknown entries: {', '.join(wrong)}")
        for name, kind in expected.items():
            if not _is(values[name], kind):
                raise BundleError(f"{folder / DESCRIPTION}: {name} must be {kind}, not {str(values[name])[:60]}")
        bundle = cls(**values)
        if problem := bundle._problem():
            raise BundleError(f"{folder / DESCRIPTION}: {problem}; export it anew")
        for name, digest in bundle.files.items():
            path = folder / name
            if Path(name).name != name:
                raise BundleError(f"{folder / DESCRIPTION} names a file outside its folder: {name}")
            if not path.is_file():
                raise BundleError(f"{path} is missing; copy the bundle again, whole")
            if sha256(path, copy_to / name if copy_to and name in REQUIRED else None) != digest:
                raise BundleError(f"{path} is damaged (its sha256 is not that of {DESCRIPTION}); copy it again")
        return bundle

    def _problem(self) -> str:
        """What makes these values unusable; empty if nothing does."""
        missing = [name for name in REQUIRED if name not in self.files]
        odd = [name for name, most in _MOST.items() if not 1 <= getattr(self, name) <= most]
        longest = self.buckets[-1] - self.prefix_codes * self.stride if self.buckets else 0
        problems = {
            f"{', '.join(f'{name} must be from 1 to {_MOST[name]}' for name in odd)}": bool(odd),
            "presets must be numbers of steps, and preset the name of one": self.preset not in self.presets
            or not 1 <= min(self.presets.values()) <= max(self.presets.values()) <= self.timesteps,
            f"fps must be positive and at most {_MOST_FPS}": not 0 < self.fps <= _MOST_FPS,
            "beta_start and beta_end must grow between 0 and 1": not 0 < self.beta_start <= self.beta_end < 1,
            f"buckets must grow, from 1 to at most {_MOST_FRAMES}": sorted(set(self.buckets)) != self.buckets
            or not all(1 <= bucket <= _MOST_FRAMES for bucket in self.buckets),
            "the longest bucket must hold the prefix and a sign": longest < self.frames_per_sign,
            "the keypoints are not the 79 known": tuple(self.keypoints) != skeleton.KEYPOINTS,
            f"rest_code must be {self.latent_dim} finite numbers": len(self.rest_code) != self.latent_dim
            or not np.isfinite(self.rest_code).all(),
            f"files lacks {', '.join(missing)}": bool(missing),
        }
        return next((problem for problem, is_one in problems.items() if is_one), "")


def _is(value: Any, kind: str) -> bool:
    """Whether a JSON value is of the type that a field's annotation names."""
    if kind.startswith("list["):
        return isinstance(value, list) and all(_is(item, kind[5:-1]) for item in value)
    if kind.startswith("dict[str, "):
        return isinstance(value, dict) and all(_is(item, kind[10:-1]) for item in value.values())
    if kind == "float":
        return type(value) in (int, float)
    return type(value).__name__ == kind


def _read(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():  # reading a pipe or a device would not end
            raise FileNotFoundError
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        values = json.loads(content)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; name the folder of a bundle, such as models/asl_cafe") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} can't be read: {error}") from error
    if not isinstance(values, dict):
        raise BundleError(f"{path} must hold a JSON object")
    return values


@contextmanager
def open_bundle(folder: Path) -> Iterator[tuple[Bundle, Path]]:
    """A bundle, verified, and a folder with a copy that nobody else writes to; load it there before leaving.

    ONNX Runtime maps weights into memory rather than reading them. A file cut short later would end the process
    (SIGBUS), one written over would change the motion. What is mapped outlives the folder, which leaving removes.

    Raises:
        BundleError: as ``Bundle.load``, or there is no room for the copy.
    """
    with ExitStack() as stack:
        try:
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="text2sign_")))
            bundle = Bundle.load(folder, copy_to=copy)
        except OSError as error:
            raise BundleError(
                f"{folder} can't be read and copied to the folder for temporary files: {error}; make room there, or "
                "name another by TMPDIR"
            ) from error
        yield bundle, copy


def sha256(path: Path, copy: Path | None = None) -> str:
    """Hex digest of a file; what was read is written to ``copy``."""
    digest = hashlib.sha256()
    with path.open("rb") as file, open(copy or os.devnull, "wb") as written:
        while block := file.read(1 << 20):
            digest.update(block)
            written.write(block)
    return digest.hexdigest()
