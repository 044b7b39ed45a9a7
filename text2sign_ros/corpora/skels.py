"""Reader for Progressive Transformers' ``.skels``: PHOENIX14T as Saunders et al. (2020) prepared it.

A folder with ``train``, ``dev`` and ``test`` (or some of them), each ``.skels``, ``.text`` and ``.files``, and
``.gloss`` if there are glosses; parallel by line. A line of ``.skels`` is a sentence: for each frame 50 joints (x, y,
z) and a counter i / T, numbers separated by one space, 25 frames a second. The files come with the authors' code and
its forks; the terms are those of RWTH-PHOENIX-Weather 2014 T (CC BY-NC-SA).

What the numbers mean differs from what the authors' comments say of them. x grows to the signer's left: joints 2 to 4
and 29 to 49 are the left arm and hand (by OpenPose's names every signer would be left-handed). y grows downward. z
comes from the lengths of bones, and is made positive: that a bone points toward the viewer says nothing
(``Depth.UNSIGNED``). Nothing is marked as missing, joints that were not seen were interpolated by the authors' fit:
every joint has confidence 1. Of the 79 keypoints 49 are there: the nose, both arms and hands; eyes, ears and face have
confidence 0. The joint of the neck has no place.

Prompt2Sign's ``.skels`` look alike and are not: those with 151 numbers a frame have a counter that ends at 1 and
0.016 in the place of what is missing, those of 2025 have 385 numbers. Both are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, zip_longest
from pathlib import Path

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.corpora.base import CorpusError, Depth, Recording

ABOUT = "Progressive Transformers' .skels (PHOENIX14T): 50 joints and a counter"
SOURCE = "RWTH-PHOENIX-Weather 2014 T, joints of Progressive Transformers"
LICENCE = "CC BY-NC-SA"
FPS = 25.0
JOINTS, FRAME = 50, 151
"""Joints of a frame; numbers of a frame."""

_SPLITS = {"train": "train", "dev": "val", "test": "test"}
_ARM = {"left": (2, 3, 29), "right": (5, 6, 8)}  # shoulder, elbow, and the wrist as the hand has it (4 cm from 4 and 7)
_HAND = {"left": 29, "right": 8}
_LONGEST = 1 << 26
"""Bytes of the longest line: 50,000 frames of numbers as they are published."""
_COUNTER_ERROR = 1e-4  # it is written to four decimals
_MISSING_ELSEWHERE = 0.016
"""What Prompt2Sign writes for a number that is missing."""


def _joints() -> dict[int, int]:
    places = {skeleton.INDEX["nose"]: 0}
    for side, (shoulder, elbow, wrist) in _ARM.items():
        for name, joint in zip(("shoulder", "elbow", "wrist"), (shoulder, elbow, wrist), strict=True):
            places[skeleton.INDEX[f"{side}_{name}"]] = joint
        places |= {skeleton.HAND[side].start + k: _HAND[side] + k for k in range(21)}
    return places


PLACES: dict[int, int] = _joints()
"""Keypoint -> joint."""


def holds(folder: Path) -> bool:
    """Whether there is a ``.skels`` file."""
    return any(folder.glob("*.skels"))


def files(folder: Path) -> list[Path]:
    """All files of all splits.

    Raises:
        CorpusError: there is no ``.skels`` file, or one of those beside it is missing.
    """
    return [path for part in _parts(folder) for path in part.values()]


def recordings(folder: Path, *, fps: float = 0.0, notes: list[str] | None = None) -> Iterator[Recording]:
    """The sentences in the order of the splits and of the files, one line in memory at a time.

    Raises:
        CorpusError: a file is missing or is no text; the files of a split have different numbers of lines; a line is
            empty, too long, not numbers, or another format that is called ``.skels`` too.
    """
    for part in _parts(folder):
        split, names = _SPLITS[part["skels"].stem], list(part)
        readers = [_lines(part[name], _LONGEST if name == "skels" else 1 << 16) for name in names]
        for number, values in enumerate(zip_longest(*readers), start=1):
            if None in values:
                ended, longer = (
                    next(n for n, v in zip(names, values, strict=True) if (v is None) == missing)
                    for missing in (True, False)
                )
                raise CorpusError(
                    f"{part[ended]} has {number - 1} lines and {part[longer].name} has more; line by line they must "
                    "belong together"
                )
            line = dict(zip(names, values, strict=True))
            name = line["files"].strip()
            if not name or not line["text"].strip():
                raise CorpusError(f"line {number} of {part['text'] if name else part['files']} is empty")
            points = _points(line["skels"], f"{part['skels']}, line {number}")
            confidence = np.zeros(points.shape[:2], np.float32)
            confidence[:, list(PLACES)] = 1.0
            yield Recording(
                name,
                line["text"].strip(),
                line.get("gloss", "").strip(),
                "",
                name,
                split,
                points,
                confidence,
                fps or FPS,
                Depth.UNSIGNED,
            )


def _parts(folder: Path) -> list[dict[str, Path]]:
    """For each split its files by suffix."""
    stems = [stem for stem in _SPLITS if (folder / f"{stem}.skels").is_file()]
    if not stems:
        raise CorpusError(f"{folder} has no train.skels, dev.skels or test.skels; give the folder that holds them")
    parts = []
    for stem in stems:
        part = {suffix: folder / f"{stem}.{suffix}" for suffix in ("skels", "text", "files", "gloss")}
        if not part["gloss"].is_file():
            del part["gloss"]
        if missing := [path.name for path in part.values() if not path.is_file()]:
            raise CorpusError(f"{folder} has {stem}.skels but no {' and no '.join(missing)}; they belong together")
        parts.append(part)
    return parts


def _lines(path: Path, longest: int) -> Iterator[str]:
    with open(path, "rb") as file:
        for number in count(1):
            line = file.readline(longest)
            if not line:
                return
            if len(line) == longest and not line.endswith(b"\n"):
                raise CorpusError(
                    f"{path}, line {number} has more than {longest} bytes: this is no such file, or a damaged one"
                )
            try:
                yield line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise CorpusError(f"{path}, line {number} is not UTF-8 text: {error}") from error


def _points(line: str, where: str) -> np.ndarray:
    """(T, 79, 3): x toward the viewer, y to the signer's left, z up; zero where there is no joint."""
    try:
        numbers = np.array(line.split(), np.float64)
    except ValueError as error:
        raise CorpusError(f"{where} holds something other than numbers: {error}") from error
    if not len(numbers) or not np.isfinite(numbers).all():
        raise CorpusError(f"{where} {'holds NaN or infinity' if len(numbers) else 'is empty'}")
    if len(numbers) % FRAME:
        kind = (
            " It may be Prompt2Sign's format of 2025, with 385 numbers a frame (DWPose), which is not read."
            if not len(numbers) % 385
            else " The file may be cut short."
        )
        raise CorpusError(
            f"{where} has {len(numbers)} numbers, which is no multiple of {FRAME} (50 joints and a counter).{kind}"
        )
    frames = numbers.reshape(-1, FRAME)
    length = len(frames)
    expected = np.arange(length) / length
    if np.abs(frames[:, -1] - expected).max() > _COUNTER_ERROR:
        if np.abs(frames[:, -1] - (np.arange(length) + 1) / length).max() <= _COUNTER_ERROR:
            raise CorpusError(
                f"{where} has a counter that ends at 1: it is Prompt2Sign's, which writes {_MISSING_ELSEWHERE} for "
                "what is missing, drops frames and has another scale; it is not read, because what was never seen "
                "can't be told from what was"
            )
        raise CorpusError(
            f"{where} has a counter that is not i / {length} from 0 to {(length - 1) / length:.4f}: the line is "
            "damaged, or another format"
        )
    joints = frames[:, :-1].reshape(length, JOINTS, 3)
    points = np.zeros((length, skeleton.NUM_KEYPOINTS, 3), np.float32)
    keypoints, places = list(PLACES), list(PLACES.values())
    points[:, keypoints] = np.stack((joints[:, places, 2], joints[:, places, 0], -joints[:, places, 1]), axis=-1)
    return points


def line_of(positions: np.ndarray) -> str:
    """A line of ``.skels`` from positions (T, 79, 3), metres in frame ``signer``: as ``recordings`` reads it.

    The neck, which the 79 keypoints lack, is the middle of the shoulders, and the body's wrists are the hands'. In
    every frame the shoulders are a third apart in the picture, as in the published files.
    """
    joints = np.zeros((len(positions), JOINTS, 3))
    axes = np.stack((positions[..., 1], -positions[..., 2], positions[..., 0]), axis=-1).astype(float)
    joints[:, list(PLACES.values())] = axes[:, list(PLACES)]
    joints[:, 4], joints[:, 7] = joints[:, _HAND["left"]], joints[:, _HAND["right"]]
    neck = axes[:, skeleton.SHOULDERS].mean(axis=1)
    width = np.linalg.norm(axes[:, skeleton.SHOULDERS[0], :2] - axes[:, skeleton.SHOULDERS[1], :2], axis=-1)
    joints[:, 1] = neck
    joints = (joints - neck[:, None]) / (3 * width[:, None, None])
    counter = np.arange(len(positions)) / len(positions)
    return " ".join(
        " ".join([*(f"{value:.5f}" for value in frame.ravel()), f"{i:.4f}"])
        for frame, i in zip(joints, counter, strict=True)
    )
