"""One format to another: `text2sign corpus convert`."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.corpora import skels
from text2sign_ros.corpora.base import CorpusError, Recording
from text2sign_ros.corpora.inspection import recognise, recordings
from text2sign_ros.corpora.lifting import lift
from text2sign_ros.progress import progress_bar

FORMATS = {
    "npz": "a folder of .npz clips and sentences.csv, for the reader clips",
    "pose": "the same with .pose files of the 79 keypoints",
    "skels": "Progressive Transformers' .skels, .text, .files and .gloss",
}
_STEMS = {"train": "train", "val": "dev", "test": "test"}
COLUMNS = ("file", "text", "signer", "block", "split", "kind", "licence", "gloss")


def convert(
    folder: Path, out: Path, to: str, *, how: str = "geometric", fps: float = 0.0, progress: bool = True
) -> dict[str, int]:
    """Write a corpus in another format to a new folder, whole or not at all; a recording is in memory at a time.

    Args:
        out: the folder to make.
        to: one of ``FORMATS``.
        how: the lift, one of ``lifting.LIFTS``.
        fps: as that of ``inspection.recordings``.

    Returns:
        the number of recordings by split.

    Raises:
        CorpusError: ``out`` exists and is not empty; the format is unknown, or cannot hold what the corpus has; the
        corpus is damaged.
        ModuleNotFoundError: ``.pose`` files need the extra ``files``.
    """
    if to not in FORMATS:
        raise CorpusError(f"there is no format {to!r} to write; known are {', '.join(FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CorpusError(f"{out} already exists; remove it, or choose another folder")
    name = recognise(folder)
    found = progress_bar(recordings(name, folder, fps=fps), desc=folder.name, show=progress)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        made = Path(temporary) / out.name
        made.mkdir()
        counts = _skels(found, made, how) if to == "skels" else _clips(found, made, how, to)
        if not counts:
            raise CorpusError(f"{folder} holds no recording that can be read")
        os.replace(made, out)
    return dict(counts)


def _clips(found: Iterable[Recording], folder: Path, how: str, suffix: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    with open(folder / "sentences.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for recording in found:
            # Names may be paths, and may differ in case only.
            name = re.sub(r"[^\w.-]+", "_", recording.name.rsplit("/", 1)[-1])[:80]
            path = Path(recording.split) / f"{counts.total():05d}_{name}.{suffix}"
            lift(recording, how).save(folder / path)
            block = recording.block or recording.name
            table.writerow(
                (
                    path.as_posix(),
                    recording.text,
                    recording.signer or "unknown",
                    block,
                    recording.split,
                    "",
                    "",
                    recording.gloss,
                )
            )
            counts[recording.split] += 1
    return counts


def _skels(found: Iterable[Recording], folder: Path, how: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    needed = list(skels.PLACES)
    with ExitStack() as stack:
        opened: dict[str, dict[str, object]] = {}
        for recording in found:
            _require(recording, needed)
            if recording.split not in opened:
                stem = _STEMS[recording.split]
                opened[recording.split] = {
                    suffix: stack.enter_context(open(folder / f"{stem}.{suffix}", "w", encoding="utf-8"))
                    for suffix in ("skels", "text", "files", "gloss")
                }
            line = skels.line_of(lift(recording, how).positions)
            said = (line, *(" ".join(text.split()) for text in (recording.text, recording.name, recording.gloss)))
            for file, text in zip(opened[recording.split].values(), said, strict=True):
                print(text, file=file)  # type: ignore[call-overload]
            counts[recording.split] += 1
    return counts


def _require(recording: Recording, needed: list[int]) -> None:
    """Refuse what .skels can't hold: they have no mark for what is missing, and one frame rate."""
    lost = (recording.confidence[:, needed] == 0).sum(axis=0)
    if lost.any():
        names = np.array(skeleton.KEYPOINTS)[np.array(needed)[lost > 0]].tolist()
        raise CorpusError(
            f"{recording.name}: {', '.join(names[:3])}{' and more' if len(names) > 3 else ''} are missing in up to "
            f"{lost.max()} of {len(recording.points)} frames; .skels has no mark for what is missing: convert to npz"
        )
    if recording.fps != skels.FPS:
        raise CorpusError(
            f"{recording.name} has {recording.fps:g} frames a second, and .skels has {skels.FPS:g}: convert to npz"
        )
