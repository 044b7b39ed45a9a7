"""Reader for the pickles of MSKA (Guan et al. 2024): HRNet's COCO-WholeBody-133 for PHOENIX14T, PHOENIX14 and
CSL-Daily.

A folder with one pickle a split, named after it (``Phoenix-2014T.train``, ``.dev``, ``.test``, or ``train.pkl`` and
so on, compressed or not): a dictionary by name of dictionaries with ``keypoint`` (T, 133, 3) = x, y in pixels and
confidence, ``text``, ``gloss`` and ``name``. The authors' code calls ``keypoint.permute``, so that the published
arrays are PyTorch tensors; NumPy arrays are read as well. A pickle is never executed (``safe_pickle``), but is in
memory as a whole. The terms are those of the corpora: PHOENIX14T is CC BY-NC-SA.

The pixels are taken as square, of a picture that is not mirrored; MSKA's own normalisation, which is not isotropic,
comes later in its code. No file was at hand: the format was read in the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros.corpora import safe_pickle
from text2sign_ros.corpora.base import CorpusError, Depth, Recording
from text2sign_ros.corpora.wholebody import COUNT, of_pixels

ABOUT = "MSKA's pickles: HRNet, COCO-WholeBody-133"
SOURCE = "HRNet COCO-WholeBody-133 as published with MSKA"
LICENCE = "as the corpus; PHOENIX14T: CC BY-NC-SA"
FPS = 25.0
"""Of PHOENIX14T."""

_SPLITS = {"train": "train", "dev": "val", "val": "val", "test": "test"}


def holds(folder: Path) -> bool:
    """Whether a file named after a split begins as pickles do."""
    return bool(_files(folder))


def files(folder: Path) -> list[Path]:
    """The pickles.

    Raises:
        CorpusError: there are none.
    """
    found = [path for path, _ in _files(folder)]
    if not found:
        raise CorpusError(f"{folder} has no pickle named after a split, such as Phoenix-2014T.train or train.pkl")
    return found


def recordings(folder: Path, *, fps: float = 0.0, notes: list[str] | None = None) -> Iterator[Recording]:
    """The sentences in the order of the splits and of the pickles.

    Raises:
        CorpusError: there is no pickle; one is damaged, holds something other than arrays and plain containers, or
            does not follow the format.
    """
    files(folder)
    for path, split in _files(folder):
        content = safe_pickle.load(path)
        if not isinstance(content, dict) or not content:
            raise CorpusError(f"{path} holds {type(content).__name__}; a dictionary of recordings is expected")
        for key, sample in content.items():
            yield _recording(path, str(key), sample, split, fps or FPS)


def _recording(path: Path, key: str, sample: Any, split: str, fps: float) -> Recording:
    where = f"{path}, {key!r}"
    if not isinstance(sample, dict) or not {"keypoint", "text"} <= set(sample):
        raise CorpusError(f"{where} has no keypoint and text")
    found, text, gloss = np.asarray(sample["keypoint"]), sample["text"], sample.get("gloss", "")
    if found.ndim != 3 or found.shape[1:] != (COUNT, 3) or not len(found) or found.dtype.kind != "f":
        raise CorpusError(
            f"{where} has keypoints of shape {found.shape} and type {found.dtype}; (frames, {COUNT}, 3) is expected"
        )
    if "num_frames" in sample and sample["num_frames"] != len(found):
        raise CorpusError(f"{where} claims {sample['num_frames']} frames and has {len(found)}")
    if not isinstance(text, str) or not text.strip():
        raise CorpusError(f"{where} has no text")
    gloss = gloss if isinstance(gloss, str) else " ".join(map(str, gloss))
    try:
        points, confidence = of_pixels(found)
    except CorpusError as error:
        raise CorpusError(f"{where}: {error}") from error
    return Recording(
        key, text.strip(), gloss, str(sample.get("signer", "")), key, split, points, confidence, fps, Depth.NONE
    )


def _files(folder: Path) -> list[tuple[Path, str]]:
    """The pickles with their splits, train before val before test."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        parts = path.name.lower().replace("-", ".").replace("_", ".").split(".")
        split = next((_SPLITS[part] for part in reversed(parts) if part in _SPLITS), None)
        if (
            split
            and path.is_file()
            and path.suffix not in (".skels", ".text", ".files", ".gloss", ".npz", ".csv", ".tsv", ".pose")
        ):
            with open(path, "rb") as file:
                start = file.read(2)
            if any(start.startswith(magic) for magic in safe_pickle.MAGIC):
                found.append((path, split))
    order = list(dict.fromkeys(_SPLITS.values()))
    return sorted(found, key=lambda item: order.index(item[1]))
