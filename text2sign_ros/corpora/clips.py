"""Reader for clips of your own: a folder of clips and a table of what is signed in each.

The folder holds ``sentences.tsv``, UTF-8, columns separated by tabs, the first line their names, and the files that
it names, as ``SignClip.save`` writes them (``.npz`` or ``.pose``, the 79 keypoints, metres in frame ``signer``):

    file             text                    signer  block     split
    anna/0001.npz    my name is anna         anna    monday    train
    anna/0002.npz    can i get a coffee      anna    tuesday   val

``signer`` and ``block`` say who was recorded and in which go: all recordings of a block are in the same split ("train",
"val" or "test"), or validation would measure what was learnt by heart. ``train`` and ``val`` are needed to train.

Two more columns may be there. ``kind`` is "sign" or "letter" where a clip shows just one, whose name is the text;
sentences are then composed from them. Empty or missing, the clip is a sentence. ``licence`` says under which terms the
recording may be used.

Any frame rate will do. Bones get their canonical length. Keypoints that were not observed (confidence 0) are filled in
between the frames in which they were, and go on counting as not observed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import ClipError, SignClip
from text2sign_ros.corpora.base import FPS, CorpusError, Example, Kind, Unit
from text2sign_ros.corpora.resampling import resample
from text2sign_ros.motion import kinematics
from text2sign_ros.progress import progress_bar

TABLE = "sentences.tsv"
_COLUMNS = ("file", "text", "signer", "block", "split")
_KINDS = {"": None, "sign": Kind.SIGN, "letter": Kind.LETTER}


def files(folder: Path) -> list[Path]:
    """The table, and the clips in its order.

    Raises:
        CorpusError: the table is missing or not as described above, or a clip is missing.
    """
    return [folder / TABLE, *(path for path, _ in _rows(folder))]


def read(folder: Path, *, progress: bool = True) -> list[Example]:
    """All clips of the table, in its order.

    Raises:
        CorpusError: the table is missing or not as described above; a clip is missing, can't be read or is too short; a
            block is in two splits.
    """
    examples = []
    splits: dict[str, str] = {}
    for path, row in progress_bar(list(_rows(folder)), desc=folder.name, show=progress):
        if splits.setdefault(row["block"], row["split"]) != row["split"]:
            raise CorpusError(
                f"{folder / TABLE}: block {row['block']!r} is in {splits[row['block']]} and in {row['split']}; "
                "recordings of one go belong in one split"
            )
        try:
            clip = _prepared(SignClip.load(path))
            kind = _KINDS[row["kind"]]
            units = (Unit(row["text"], kind),) if kind else None
            examples.append(
                Example(row["text"], clip, units, row["signer"], row["block"], row["split"], str(path), row["licence"])
            )
        except (ClipError, CorpusError, OSError) as error:
            raise CorpusError(f"{path}: {error}; mend the clip, or take its line out of {TABLE}") from error
    return examples


def _rows(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Path of the clip, and its line of the table."""
    table = folder / TABLE
    try:
        text = table.read_text(encoding="utf-8-sig")  # spreadsheets put a byte order mark in front
        rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
        numbered = [(rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(
            f"{table} can't be read: {error}; it lists the clips (text2sign_ros/corpora/clips.py says how)"
        ) from error
    if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
        raise CorpusError(
            f"{table} has no column {', '.join(missing)}; columns are separated by tabs, and the first line names them"
        )
    if not numbered:
        raise CorpusError(f"{table} names no clips")
    for number, row in numbered:
        where = f"{table}, line {number}"
        if None in row:
            raise CorpusError(f"{where} has more columns than the first line names")
        row = {"kind": "", "licence": ""} | {name: value.strip() for name, value in row.items()}
        if lacking := [name for name in _COLUMNS if not row[name]]:
            raise CorpusError(f"{where} says nothing under {', '.join(lacking)}")
        if row["kind"] not in _KINDS:
            raise CorpusError(f"{where}: kind is {row['kind']!r}; it must be sign, letter or nothing")
        path = folder / row["file"]
        if not path.is_file():
            raise CorpusError(f"{path} is missing; {where} names it")
        yield path, row


def _prepared(clip: SignClip) -> SignClip:
    """At ``FPS``, with canonical bones and without holes."""
    if len(clip) < 2:
        raise CorpusError(f"the clip has {len(clip)} frames; at least 2 are needed")
    clip = SignClip(_filled(clip), clip.confidence, clip.fps)
    if clip.fps != FPS:
        return resample(clip)
    return SignClip(kinematics.with_canonical_lengths(clip.positions), clip.confidence, FPS)


def _filled(clip: SignClip) -> np.ndarray:
    """Positions (T, 79, 3) in which each keypoint moves evenly while it is not seen, and rests if it never is."""
    positions, frames = clip.positions.copy(), np.arange(len(clip))
    for keypoint in np.flatnonzero((clip.confidence == 0).any(axis=0)):
        seen = np.flatnonzero(clip.confidence[:, keypoint] > 0)
        if len(seen):
            for axis in range(3):
                positions[:, keypoint, axis] = np.interp(frames, seen, clip.positions[seen, keypoint, axis])
        else:
            positions[:, keypoint] = skeleton.REST_POSE[keypoint]
    return positions
