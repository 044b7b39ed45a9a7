"""Reader for galt: some 1,300 ASL signs by one signer, motion capture that was tracked again from its renders (CC0)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import CorpusError, Example, Kind, Unit
from text2sign_ros.corpora.galt_labels import UNSUITABLE, labels
from text2sign_ros.corpora.mediapipe import fill, lift
from text2sign_ros.corpora.resampling import resample
from text2sign_ros.corpora.sides import OTHER, mirror, rest
from text2sign_ros.progress import progress_bar

SIGNER = "galt"
SOURCE = "StudioGalt, Sign-Language-Mocap-Archive; tracked with MediaPipe Holistic"
LICENCE = "CC0"
NOSE_HEIGHT = 0.83
"""How far the avatar's nose is above its shoulders, in shoulder widths (median; people's is 0.59 in asl_cafe)."""
HAND_DEPTH = 2.0
"""Factor from a hand's z to the unit of its x: with it the bones of raised hands keep their proportions best."""

_ARM = {"left": (11, 15, 23), "right": (12, 16, 24)}  # shoulder, wrist and hip of MediaPipe Pose
_RAISED, _LOW = 0.3, 0.12  # how far up from hip to shoulder a wrist is that signs; the same for signs at the waist
_AROUND = 4  # frames kept before a hand is raised and after the last one has sunk
_SEEN_ENOUGH = 0.75  # share of a sign's frames in which the signing hand must be seen
_APART = 0.45  # shoulder widths from the body's wrist to the root of a hand that can't be its hand
_FEWEST = 8  # frames of a sign
_MEDIAN, _SMOOTH = 5, 1.0  # pictures over which the shape of a hand is steadied


def files(folder: Path) -> list[Path]:
    """The files signs-0.npz, signs-1.npz, ...

    Raises:
        CorpusError: there are none.
    """
    found = sorted(folder.glob("signs-*.npz"))
    if not found:
        raise CorpusError(f"{folder} has no signs-*.npz; give the folder that holds the files of galt")
    return found


def read(folder: Path, *, progress: bool = True) -> list[Example]:
    """Read all usable clips; each shows one sign. ``left_out`` says which are not.

    A clip is trimmed to the frames in which a hand is raised, with a little of the way there and back. A hand that was
    lost, or that is not where the body's wrist is (the tracker took the other one), is masked: its confidence is 0,
    and its shape interpolated. The tracker's jitter is smoothed away. An arm that is never raised gets the rest pose.
    Of usable clips with the same label one is the default, and all others are alternatives (``galt_labels``). All clips
    are for training: nearly all signs have one.

    Raises:
        CorpusError: a file is missing or does not hold the expected arrays.
    """
    usable = [(described, clip) for described, clip in _clips(folder, progress) if isinstance(clip, SignClip)]
    every = labels(*zip(*(described for described, _ in usable), strict=True)) if usable else []
    return [
        Example(
            label.text, clip, (Unit(label.text, Kind.SIGN, label.alternative),), SIGNER, name, "train", SOURCE, LICENCE
        )
        for label, ((*_, name), clip) in zip(every, usable, strict=True)
    ]


def left_out(folder: Path, *, progress: bool = True) -> dict[str, str]:
    """Why a clip is not used, by its name.

    Raises:
        CorpusError: as ``read``.
    """
    return {name: clip for (*_, name), clip in _clips(folder, progress) if isinstance(clip, str)}


def _clips(folder: Path, progress: bool) -> Iterator[tuple[tuple[str, ...], SignClip | str]]:
    """Gloss, sense, flags and name of each recording, and the clip or why it can't be used."""
    for part in [_load(path) for path in files(folder)]:
        described = zip(*(part[column].tolist() for column in ("gloss", "sense", "flags", "name")), strict=True)
        spans = list(pairwise(part["starts"].tolist()))
        for row, (begin, end) in zip(described, progress_bar(spans, desc="galt", show=progress), strict=True):
            if row[0] in UNSUITABLE:
                yield row, "its label is not suitable"
                continue
            hands = {side: part[f"{side}_hand"][begin:end].astype(float) for side in OTHER}
            yield row, _clip(part["pose"][begin:end].astype(float), hands, float(part["fps"]))


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as data:
            wanted = ("pose", "left_hand", "right_hand", "starts", "gloss", "sense", "flags", "name", "fps")
            return {name: data[name] for name in wanted}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CorpusError(f"{path} is not a file of galt: {error}") from error


def _clip(pose: np.ndarray, hands: dict[str, np.ndarray], fps: float) -> SignClip | str:
    """The sign of one clip, or why it can't be used."""
    visible = np.isfinite(pose).all(axis=(1, 2))
    if visible.mean() < _SEEN_ENOUGH:
        return "the body is hardly seen"
    for height in (_RAISED, _LOW):
        raised = {side: visible & (_height(pose, side) > height) for side in OTHER}
        either = np.flatnonzero(raised["left"] | raised["right"])
        if len(either) >= _FEWEST:
            break
    else:
        return "no hand is raised"
    span = slice(max(either[0] - _AROUND, 0), either[-1] + 1 + _AROUND)
    pose = np.nan_to_num(pose[span])
    hands = {side: _steady(_own(hand[span], pose, side)) for side, hand in hands.items()}
    main = "right" if raised["right"].sum() > 0.7 * raised["left"].sum() else "left"  # the signer is right-handed
    seen = (np.abs(hands[main]).sum(axis=(1, 2)) > 0)[raised[main][span]]
    if seen.mean() < _SEEN_ENOUGH:
        return f"the {main} hand is seen in {seen.mean():.0%} of the frames in which it is raised"
    clip = lift(pose, hands, aspect=1.0, hand_depth=HAND_DEPTH, fps=fps, nose_height=NOSE_HEIGHT)
    if raised[OTHER[main]].sum() < _FEWEST:
        clip = rest(clip, OTHER[main])
    return resample(clip if main == "right" else mirror(clip))


def _height(pose: np.ndarray, side: str) -> np.ndarray:
    """(T,) height of a wrist: 0 at the hip, 1 at the shoulder; y grows downward."""
    shoulder, wrist, hip = (pose[:, landmark, 1] for landmark in _ARM[side])
    return (hip - wrist) / np.maximum(hip - shoulder, 1e-6)


def _own(hand: np.ndarray, pose: np.ndarray, side: str) -> np.ndarray:
    """The hand (T, 21, 3) with zeros where it was lost, or is not at its own wrist."""
    width = np.median(np.linalg.norm(pose[:, 11, :2] - pose[:, 12, :2], axis=-1))
    to_own, to_other = (
        np.linalg.norm(hand[:, 0, :2] - pose[:, _ARM[each][1], :2], axis=-1) for each in (side, OTHER[side])
    )
    # Where the hands touch, both wrists are near; where a hand is the other one, its own wrist is not.
    good = np.isfinite(hand).all(axis=(1, 2)) & (to_own < _APART * width) & (to_own < to_other + _APART * width / 2)
    return np.where(good[:, None, None], hand, 0.0)


def _steady(hand: np.ndarray) -> np.ndarray:
    """The hand (T, 21, 3), zeros where it is lost, without the tracker's jitter.

    Every picture was tracked as if it were alone: the palm turns by 17 degrees from one to the next on average, and is
    upside down in one of thirty. A median over five pictures and a little smoothing leave 7 degrees and one of three
    hundred; of fingers that wiggle five times a second they leave half.
    """
    seen = np.abs(hand).sum(axis=(1, 2)) > 0
    if seen.any():
        shape = fill(hand - hand[:, :1], seen)
        shape = median_filter(shape, size=(_MEDIAN, 1, 1), mode="nearest")
        hand = hand[:, :1] + gaussian_filter1d(shape, _SMOOTH, axis=0, mode="nearest")
    return np.where(seen[:, None, None], hand, 0.0)
