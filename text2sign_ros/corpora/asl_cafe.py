"""Reader for asl_cafe: real takes of ASL words and letters, as MediaPipe arrays.

``prepare_asl_cafe`` makes the files from two public repositories, both MIT-licensed.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import FPS, CorpusError, Example, Kind, Unit
from text2sign_ros.corpora.mediapipe import lift
from text2sign_ros.corpora.resampling import resample
from text2sign_ros.corpora.sides import OTHER, mirror, rest
from text2sign_ros.progress import progress_bar

SOURCE_FPS = 15.0
"""Assumed: the frame rate was not recorded, and the recorder ran as fast as webcam and tracker allowed."""


@dataclass(frozen=True)
class Source:
    """Where one file comes from, and its properties.

    Attributes:
        file: its name, without suffix.
        origin, licence: the repository and its licence notice.
        aspect: height of the image over its width.
        hand_depth: factor that converts a hand's z to the unit of its x.
        first_frame: the first usable frame of a take.
        block_takes: how many takes were recorded in one session.
    """

    file: str
    origin: str
    licence: str
    aspect: float
    hand_depth: float
    first_frame: int
    block_takes: int


_TRADUTTORE = ("github.com/traduttore/traduttore-model", "MIT, Copyright (c) 2022 traduttore")
_SIGNWISH = ("github.com/tamtridung/ASL_SignWish", "MIT, Copyright (c) 2021 Tam_Tran")
SOURCES = (
    # The recorder waited two seconds after the first frame of each take.
    Source("words_and_letters", *_TRADUTTORE, aspect=0.5625, hand_depth=2.0, first_frame=1, block_takes=30),
    Source("letters_hands", *_TRADUTTORE, aspect=0.5625, hand_depth=2.0, first_frame=1, block_takes=15),
    Source("greetings", *_SIGNWISH, aspect=0.75, hand_depth=1.6, first_frame=0, block_takes=16),
)
_NOT_SIGNS = ("-", "space")
_LETTERS = frozenset(ascii_lowercase)
_SEEN_ENOUGH = 0.75
"""Share of frames in which the signing hand must be seen for a take to be usable."""


def files(folder: Path) -> list[Path]:
    """The three files.

    Raises:
        CorpusError: one is missing.
    """
    return [_file(source, folder) for source in SOURCES]


def _file(source: Source, folder: Path) -> Path:
    path = folder / f"{source.file}.npz"
    if not path.is_file():
        raise CorpusError(
            f"{path} is missing; give the folder that holds the files of asl_cafe, or make them: text2sign corpus "
            f"prepare asl_cafe --traduttore DIR --signwish DIR --out {folder} (README.md, Train your own)"
        )
    return path


def read(folder: Path, *, progress: bool = True) -> list[Example]:
    """Read all usable takes; each shows one sign or letter.

    One-handed signs made with the left hand are mirrored, so that the right hand is always the dominant one.
    An arm whose hand is out of view is nearly always at rest: it gets the rest pose. Letters recorded without a body
    borrow the arm and head of another letter's take of the same split.

    Raises:
        CorpusError: a file is missing or does not hold the expected arrays.
    """
    takes: list[Example] = []
    for source in SOURCES:
        path = _file(source, folder)
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {name: data[name] for name in data.files}
            labels, numbers = arrays["label"], arrays["take"]
            hands = {side: arrays[f"{side}_hand"] for side in ("left", "right")}
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise CorpusError(f"{path} is not an asl_cafe file: {error}") from error
        splits = _splits(source, labels, numbers)
        bodies = [take for take in takes if _kind(take.text) == Kind.LETTER] if "pose" not in arrays else []
        for i in progress_bar(range(len(labels)), desc=source.file, show=progress):
            label = str(labels[i])
            if label in _NOT_SIGNS:
                continue
            block = _block(source, label, int(numbers[i]))
            pair = {side: hands[side][i, source.first_frame :] for side in hands}
            if "pose" in arrays:
                clip = _with_body(source, arrays["pose"][i, source.first_frame :], pair)
            else:
                same_split = [body for body in bodies if body.split == splits[block]]
                clip = _without_body(source, pair, same_split[zlib.crc32(f"{block}{i}".encode()) % len(same_split)])
            if clip is not None:
                text = label.replace("-", " ")
                units = (Unit(text, _kind(label)),)
                takes.append(Example(text, clip, units, "", block, splits[block], source.origin, source.licence))
    return takes


def _kind(label: str) -> Kind:
    return Kind.LETTER if label in _LETTERS else Kind.SIGN


def _block(source: Source, label: str, take: int) -> str:
    # Letters with 45 takes were recorded 15 at a time; the words 30 at a time.
    size = 15 if _kind(label) == Kind.LETTER and label not in "ai" else source.block_takes
    return f"{source.file}/{label}/{take // size}"


def _splits(source: Source, labels: np.ndarray, numbers: np.ndarray) -> dict[str, str]:
    """Assign whole blocks to splits, per label: about a fifth to test and a fifth to val, at least one each."""
    splits: dict[str, str] = {}
    for label in np.unique(labels):
        blocks = sorted({_block(source, str(label), int(n)) for n in numbers[labels == label]})
        blocks.sort(key=lambda block: zlib.crc32(block.encode()))
        held = max(1, round(len(blocks) / 5))
        for i, block in enumerate(blocks):
            splits[block] = "test" if i < held else "val" if i < 2 * held else "train"
    return splits


def _with_body(source: Source, pose: np.ndarray, hands: dict[str, np.ndarray]) -> SignClip | None:
    seen = {side: float((np.abs(hand).sum(axis=(1, 2)) > 0).mean()) for side, hand in hands.items()}
    if max(seen.values()) < _SEEN_ENOUGH or not (np.abs(pose).sum(axis=(1, 2)) > 0).all():
        return None
    clip = lift(pose, hands, aspect=source.aspect, hand_depth=source.hand_depth, fps=SOURCE_FPS)
    if seen["right"] < 0.5:
        clip, seen = mirror(clip), {"left": seen["right"], "right": seen["left"]}
    if seen["right"] < _SEEN_ENOUGH:
        return None
    if seen["left"] < 0.5:
        clip = rest(clip, "left")
    return resample(clip)


def _without_body(source: Source, hands: dict[str, np.ndarray], body: Example) -> SignClip | None:
    """Attach the hand of a take without a body to the arm of a take that has one."""
    side = max(hands, key=lambda s: float(np.abs(hands[s]).sum()))
    hand = hands[side].astype(float)
    seen = np.abs(hand).sum(axis=(1, 2)) > 0
    if seen.mean() < _SEEN_ENOUGH:
        return None
    # lift() needs a body: give it a made-up one, and use only the hand of the result.
    pose = np.zeros((len(hand), 25, 4))
    pose[..., 0], pose[:, 11, 0], pose[:, 12, 0] = 0.5, 0.6, 0.4
    lifted = lift(
        pose, {side: hand, OTHER[side]: np.zeros_like(hand)}, aspect=source.aspect,
        hand_depth=source.hand_depth, fps=SOURCE_FPS,
    )  # fmt: skip
    lifted = resample(lifted if side == "right" else mirror(lifted))
    group, wrist = skeleton.GROUPS["right_hand"], skeleton.INDEX["right_wrist"]
    at = np.linspace(0, len(body.clip) - 1, len(lifted)).round().astype(int)
    positions, confidence = body.clip.positions[at].copy(), body.clip.confidence[at].copy()
    shape = lifted.positions[:, group] - lifted.positions[:, wrist : wrist + 1]
    positions[:, group] = positions[:, wrist : wrist + 1] + shape
    confidence[:, group] = lifted.confidence[:, group]
    return SignClip(positions, confidence, FPS)
