"""The bundle: a folder with everything a node needs to sign, verified before anything runs."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.noise import MOST_SMOOTHING
from text2sign_ros.text import Segmenter, SentenceSegmenter, UnitSegmenter, Vocabulary, VocabularyError, encoder
from text2sign_ros.text.sentences import Tokenizer

FORMAT = 6
DESCRIPTION = "bundle.json"
_ALWAYS_REQUIRED = (
    *encoder.FILES,
    *("duration.onnx", "duration.weights", "step.onnx", "unet.weights", "decoder.onnx", "decoder.weights"),
    "fused.onnx",
)
VOCABULARY = "vocabulary.csv"
"""Table of the signs and letters of a bundle that knows a vocabulary, see ``inference.vocabulary``."""
LEARNT, TRAINING = EVALUATION_FILES = ("learnt.pt", "training.yaml")
"""Files that only evaluation needs: the networks before distillation, and their training configuration."""
MAX_DESCRIPTION_BYTES = 16_000_000
"""Size limit of ``bundle.json``, bytes."""
_MOST = {"latent_dim": 1000, "stride": 100, "unet_levels": 10, "prefix_codes": 1000, "max_tokens": 1000}
_MOST |= {"text_dim": 10_000, "timesteps": 100_000}
MAX_UNITS, _MOST_FRAMES, _MOST_FPS = 1000, 10_000, 1000
"""Upper bounds for values that determine memory use: far beyond any model, harmless on any machine."""


class BundleError(Text2SignError):
    """A bundle is missing, damaged, or in a format that this version does not read."""


@dataclass(frozen=True)
class UnitSettings:
    """How texts are cut for a model that knows a vocabulary, see ``text.units``.

    Attributes:
        signs, letters: the vocabulary.
        max_units: signs and letters generated together.
        frames_per_sign, frames_per_letter: generous estimates for cutting segments.
        out_of_vocabulary: what to do with a word that has no sign: spell it.
        alternatives: of signs that have some: their names, in the order of their numbers, from 2 on.
        forms: inflected forms of words in signs -> these words.
    """

    signs: list[str]
    letters: list[str]
    max_units: int
    frames_per_sign: int
    frames_per_letter: int
    out_of_vocabulary: str = "spell"
    alternatives: dict[str, list[str]] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)

    @property
    def vocabulary(self) -> Vocabulary:
        """What the model can sign.

        Raises:
            VocabularyError: an entry could never be matched.
        """
        others = {sign: tuple(others) for sign, others in self.alternatives.items()}
        return Vocabulary(tuple(self.signs), tuple(self.letters), others, self.forms)

    def problem(self, longest: int) -> str:
        """What makes these values unusable where a segment has at most ``longest`` frames; empty if nothing does."""
        try:
            _ = self.vocabulary
        except VocabularyError as error:
            return str(error)
        most = {"max_units": MAX_UNITS, "frames_per_sign": _MOST_FRAMES, "frames_per_letter": _MOST_FRAMES}
        if odd := [name for name, limit in most.items() if not 1 <= getattr(self, name) <= limit]:
            return ", ".join(f"{name} must be from 1 to {most[name]}" for name in odd)
        if not self.signs + self.letters:
            return "signs and letters are both empty"
        if max(self.frames_per_sign, self.frames_per_letter) > longest:
            return "the longest bucket must hold the prefix and a sign"
        return "" if self.out_of_vocabulary == "spell" else "out_of_vocabulary must be 'spell' for units"

    def make(self, tokenizer: Tokenizer, *, max_tokens: int, longest: int) -> Segmenter:
        """The segmenter, for segments of at most ``longest`` frames."""
        return UnitSegmenter(self.vocabulary, self.max_units, longest, self.frames_per_sign, self.frames_per_letter)


@dataclass(frozen=True)
class SentenceSettings:
    """How texts are cut for a model that takes clauses as written, see ``text.sentences``.

    Attributes:
        max_frames: frames of the longest clause; a clause that is expected to take longer is cut.
        frames_per_character: a generous estimate of the frames for each character of a clause.
        out_of_vocabulary: what to do with a word not seen in training: the encoder's tokenizer takes any word, and it
            is signed as written, with whatever result.
    """

    max_frames: int
    frames_per_character: float
    out_of_vocabulary: str = "as written"

    def problem(self, longest: int) -> str:
        """What makes these values unusable where a segment has at most ``longest`` frames; empty if nothing does."""
        if not 1 <= self.max_frames <= longest:
            return f"max_frames must be from 1 to {longest}, the frames of the longest bucket without the prefix"
        if not 0 < self.frames_per_character <= _MOST_FRAMES:
            return f"frames_per_character must be positive and at most {_MOST_FRAMES}"
        return "" if self.out_of_vocabulary == "as written" else "out_of_vocabulary must be 'as written' for sentences"

    def make(self, tokenizer: Tokenizer, *, max_tokens: int, longest: int) -> Segmenter:
        """The segmenter."""
        return SentenceSegmenter(tokenizer, max_tokens, self.max_frames, self.frames_per_character)


SEGMENTERS: dict[str, type[UnitSettings] | type[SentenceSettings]] = {
    "units": UnitSettings,
    "sentences": SentenceSettings,
}
"""Settings of each segmenter, by its ``kind`` in ``bundle.json``."""


@dataclass(frozen=True)
class Bundle:
    """The contents of ``bundle.json``.

    Attributes:
        name: of the bundle.
        fps: frames per second of the motion.
        latent_dim: D, numbers in a code.
        stride: frames per code.
        unet_levels: of the U-Net, which halves its codes between levels and so takes multiples of ``code_multiple``.
        buckets: lengths in frames that the model is run on; shorter segments are padded to the next one.
        prefix_codes: number of preceding codes from which each segment continues.
        max_tokens: L, most tokens that the model takes.
        text_dim: width of their embeddings.
        timesteps, beta_start, beta_end: noise schedule (see ``samplers.alphas_cumprod``).
        presets: name -> sampling steps, all of them evaluated.
        preset: the default one.
        guidance: scale of the classifier-free guidance that was distilled into the network.
        temperature: standard deviation of the noise that a segment is made of: below 1, two seeds are more alike.
        noise_smoothing: codes over which this noise is smoothed, see ``noise.smooth_noise``.
        rest_code: (D,) the code of the rest pose.
        face: how the face moves, in words.
        keypoints: names, in order.
        segmenter: how texts are cut into segments.
        files: name -> sha256 of every file that signing needs.
        evaluation_files: the same for files that only evaluation needs; they may be absent, as on a robot.
        folder: where it was loaded from; not in the file.
    """

    name: str
    fps: float
    latent_dim: int
    stride: int
    unet_levels: int
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
    temperature: float
    noise_smoothing: float
    rest_code: list[float]
    face: str
    keypoints: list[str]
    segmenter: UnitSettings | SentenceSettings
    files: dict[str, str]
    evaluation_files: dict[str, str]
    folder: Path = field(default=Path(), compare=False)

    @property
    def code_multiple(self) -> int:
        """The U-Net takes numbers of codes that are multiples of this."""
        return 2 ** (self.unet_levels - 1)

    @property
    def longest_segment(self) -> int:
        """Frames of the longest segment: those of the longest bucket without the prefix."""
        return self.buckets[-1] - self.prefix_codes * self.stride

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the files without which this bundle can't sign."""
        return (*_ALWAYS_REQUIRED, *([encoder.PHRASES] if isinstance(self.segmenter, UnitSettings) else []))

    def evaluation_file(self, name: str) -> Path:
        """The path of a file that only evaluation needs, verified when the bundle was loaded.

        Raises:
            BundleError: the bundle was exported or installed without it.
        """
        path = self.folder / name
        if name not in self.evaluation_files:
            raise BundleError(f"{self.folder} holds no {name}, which evaluation needs; export it again")
        if not path.is_file():
            raise BundleError(
                f"{self.folder} was installed without {name}, which only evaluation needs; give the bundle's folder in "
                "the source tree"
            )
        return path

    def save(self, folder: Path) -> None:
        """Write ``bundle.json``."""
        values = {"format": FORMAT} | {f.name: getattr(self, f.name) for f in _written()}
        kind = next(name for name, settings in SEGMENTERS.items() if isinstance(self.segmenter, settings))
        values["segmenter"] = {"kind": kind} | asdict(self.segmenter)
        with write_whole(folder / DESCRIPTION) as file:
            file.write(json.dumps(values, indent=1).encode() + b"\n")

    @classmethod
    def load(cls, folder: str | Path, *, copy_to: Path | None = None) -> Bundle:
        """Read the description and verify the hash of every file.

        Args:
            folder: of the bundle.
            copy_to: folder for a copy of the files that signing needs, byte for byte as verified.

        Raises:
            BundleError: names the faulty file and the remedy.
        """
        folder = Path(folder)
        values = _read(folder / DESCRIPTION)
        if values.pop("format", None) != FORMAT:
            raise BundleError(
                f"{folder / DESCRIPTION} is not of bundle format {FORMAT}; export it again with this version"
            )
        settings: Any = values.get("segmenter")
        kind = settings.pop("kind", None) if isinstance(settings, dict) else None
        if not isinstance(kind, str) or kind not in SEGMENTERS:
            raise BundleError(
                f"{folder / DESCRIPTION}: segmenter must be an object whose kind is one of {', '.join(SEGMENTERS)}"
            )
        values["segmenter"] = _built(SEGMENTERS[kind], fields(SEGMENTERS[kind]), settings, folder, "segmenter: ")
        bundle: Bundle = _built(cls, _written(), values, folder)
        bundle = replace(bundle, folder=folder)
        if problem := bundle.problem() or bundle._files_problem():
            raise BundleError(f"{folder / DESCRIPTION}: {problem}; export it again")
        for name, digest in (bundle.files | bundle.evaluation_files).items():
            path = folder / name
            if Path(name).name != name:
                raise BundleError(f"{folder / DESCRIPTION} names a file outside its folder: {name}")
            if not path.is_file():
                if name in bundle.evaluation_files and not path.exists():
                    continue
                raise BundleError(f"{path} is missing; copy the bundle again, whole")
            if sha256(path, copy_to / name if copy_to and name in bundle.required else None) != digest:
                raise BundleError(f"{path} is damaged (its sha256 is not that of {DESCRIPTION}); copy it again")
        return bundle

    def _files_problem(self) -> str:
        """Which required files are not listed, or which are listed twice; empty if all is well."""
        if missing := [name for name in self.required if name not in self.files]:
            return f"files lacks {', '.join(missing)}"
        twice = sorted(self.files.keys() & self.evaluation_files.keys())
        return f"files and evaluation_files both name {', '.join(twice)}" if twice else ""

    def problem(self) -> str:
        """What makes these values unusable, apart from the files; empty if nothing does."""
        odd = [name for name, most in _MOST.items() if not 1 <= getattr(self, name) <= most]
        if odd:
            return ", ".join(f"{name} must be from 1 to {_MOST[name]}" for name in odd)
        multiple = self.stride * self.code_multiple
        problems = {
            "presets must be numbers of steps, and preset the name of one of them": self.preset not in self.presets
            or not 1 <= min(self.presets.values()) <= max(self.presets.values()) <= self.timesteps,
            f"fps must be positive and at most {_MOST_FPS}": not 0 < self.fps <= _MOST_FPS,
            "temperature must be above 0 and at most 1": not 0 < self.temperature <= 1,
            "beta_start and beta_end must grow between 0 and 1": not 0 < self.beta_start <= self.beta_end < 1,
            f"buckets must grow, from 1 to at most {_MOST_FRAMES}": sorted(set(self.buckets)) != self.buckets
            or not all(1 <= bucket <= _MOST_FRAMES for bucket in self.buckets),
            f"buckets must be multiples of {multiple}, the stride times the U-Net's reduction": any(
                bucket % multiple for bucket in self.buckets
            ),
            "buckets must not be empty": not self.buckets,
            "the keypoints are not the 79 known": tuple(self.keypoints) != skeleton.KEYPOINTS,
            f"noise_smoothing must be from 0 to {MOST_SMOOTHING:g}": not 0 <= self.noise_smoothing <= MOST_SMOOTHING,
            f"rest_code must be {self.latent_dim} finite numbers": len(self.rest_code) != self.latent_dim
            or not np.isfinite(self.rest_code).all(),
        }
        found = next((problem for problem, is_one in problems.items() if is_one), "")
        return found or self.segmenter.problem(self.longest_segment)


def _written() -> tuple[Field[Any], ...]:
    """The attributes of a bundle that are in its file."""
    return tuple(f for f in fields(Bundle) if f.name != "folder")


def _built(cls: type, expected: Iterable[Field[Any]], values: dict[str, Any], folder: Path, where: str = "") -> Any:
    """An object built from JSON values.

    Raises:
        BundleError: entries are missing, unknown or of another type.
    """
    kinds = {f.name: str(f.type) for f in expected}
    if wrong := sorted(kinds.keys() ^ values.keys()):
        raise BundleError(f"{folder / DESCRIPTION} has missing or unknown entries: {where}{', '.join(wrong)}")
    for name, kind in kinds.items():
        if name != "segmenter" and not _is(values[name], kind):  # that one is built already
            raise BundleError(f"{folder / DESCRIPTION}: {where}{name} must be {kind}, not {str(values[name])[:60]}")
    return cls(**values)


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
        if not path.is_file():  # reading a pipe or a device would never end
            raise FileNotFoundError
        with path.open("rb") as file:
            content = file.read(MAX_DESCRIPTION_BYTES + 1)
        if len(content) > MAX_DESCRIPTION_BYTES:
            raise ValueError(f"it has more than {MAX_DESCRIPTION_BYTES} bytes")
        values = json.loads(content)
    except FileNotFoundError:
        where = path.absolute()
        raise BundleError(f"{where} is missing; give the folder of a bundle, such as models/asl") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} can't be read: {error}") from error
    if not isinstance(values, dict):
        raise BundleError(f"{path} must hold a JSON object")
    return values


def is_bundle(folder: Path) -> bool:
    """Whether a folder holds the description of a bundle, of any format; nothing is verified."""
    try:
        values = _read(folder / DESCRIPTION)
    except BundleError:
        return False
    return type(values.get("format")) is int and isinstance(values.get("files"), dict)


@contextmanager
def open_bundle(folder: Path) -> Iterator[tuple[Bundle, Path]]:
    """A verified bundle and a folder with a private copy of it; load the files from there before the context ends.

    The copy has only the files that signing needs. ONNX Runtime maps weights into memory rather than reading them, so a
    file truncated later would kill the process (SIGBUS), and one overwritten would change the motion. The folder is
    removed when the context ends; what is mapped stays valid.

    Raises:
        BundleError: as for ``Bundle.load``, or there is no space for the copy.
    """
    with ExitStack() as stack:
        try:
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="text2sign_")))
            bundle = Bundle.load(folder, copy_to=copy)
        except OSError as error:
            raise BundleError(
                f"{folder} can't be read and copied to the folder for temporary files: {error}; free some space there, "
                "or set TMPDIR to another folder"
            ) from error
        yield bundle, copy


def sha256(path: Path, copy: Path | None = None) -> str:
    """Hex digest of a file, which is also copied to ``copy``."""
    digest = hashlib.sha256()
    with path.open("rb") as file, open(copy or os.devnull, "wb") as written:
        while block := file.read(1 << 20):
            digest.update(block)
            written.write(block)
    return digest.hexdigest()
