"""Reader for OpenPose's JSON folders with a table of sentences: How2Sign.

A folder per clip, a file per frame (``<clip>_000000000000_keypoints.json`` and so on) with BODY_25, 21 points of each
hand and 70 of the face in pixels. The clips' folders lie in the given folder, or in ``json`` or
``openpose_output/json`` below it, or below folders of its splits (as the archives of How2Sign unpack). Beside them
one or more tables of sentences: How2Sign's own (``how2sign_train.csv``, columns separated by tabs, with
``SENTENCE_NAME`` and ``SENTENCE``), or two columns without a heading: clip and sentence. A table or folder whose name
has train, val, dev or test in it is that split, any other is for training.

How2Sign's re-aligned tables (``how2sign_realigned_train.csv``) give other times than those the published clips were
cut at. Beside the original table of the same split they are used to cut the clips further; what lies outside a clip
is not there. Alone they are refused.

Points are two-dimensional. A point is missing where x, y and confidence are all 0. Hands are never missing: OpenPose
guesses them, and a low confidence is kept. Confidence exceeds 1 by up to 0.08, and is cut there. The frame rate is
not in the files: it follows from the table's times where it has any, else it is to be given, and otherwise taken as
25. Terms of How2Sign: CC BY-NC 4.0.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text2sign_ros.corpora.base import CorpusError, Depth, Recording
from text2sign_ros.corpora.wholebody import BODY_25, COUNT, of_pixels

ABOUT = "OpenPose JSON folders (How2Sign): BODY_25, hands and face"
SOURCE = "How2Sign, OpenPose keypoints"
LICENCE = "CC BY-NC 4.0"
FPS = 25.0
"""Assumed where neither the table nor the caller says."""

_PARTS = (
    ("pose_keypoints_2d", 25),
    ("face_keypoints_2d", 70),
    ("hand_left_keypoints_2d", 21),
    ("hand_right_keypoints_2d", 21),
)
_FRAME = re.compile(r".*_(\d{12})_keypoints\.json")
_SIGNER = re.compile(r".*-(\d+)-rgb_\w+")
_LARGEST = 1 << 20  # bytes of a frame's file, which has 9,000
_SPLITS = {"train": "train", "val": "val", "dev": "val", "test": "test"}
_BELOW = ("", "json", "openpose_output/json")


@dataclass(frozen=True)
class _Row:
    clip: str
    text: str
    split: str
    times: tuple[float, float] | None  # seconds of the video
    cut: tuple[float, float] | None = None


def holds(folder: Path) -> bool:
    """Whether there are tables, and folders with OpenPose's files."""
    return bool(_tables(folder)) and any(
        _FRAME.fullmatch(path.name)
        for root in _roots(folder)
        for clip in _first(path for path in sorted(root.iterdir()) if path.is_dir())
        for path in _first(sorted(clip.iterdir()))
    )


def files(folder: Path) -> list[Path]:
    """The tables, and the frames of all clips that they name.

    Raises:
        CorpusError: as ``recordings``, where tables and clips are concerned.
    """
    return [*_tables(folder), *(path for _, clip in _clips(folder, []) for path in _frames(clip))]


def recordings(folder: Path, *, fps: float = 0.0, notes: list[str] | None = None) -> Iterator[Recording]:
    """The clips in the order of the tables; those without a folder or without enough frames are left out, and noted.

    Raises:
        CorpusError: there is no table or none of its clips; a table or a frame does not follow the format; frames are
            missing; only a re-aligned table is there.
    """
    notes = [] if notes is None else notes
    clips = _clips(folder, notes)
    fps = fps or _rate(clips, notes)
    above = 0
    for row, clip in clips:
        found = np.stack([_frame(path) for path in _frames(clip)])
        above += int((found[..., 2] > 1).sum())
        if row.times and row.cut:
            first, last = (round((time - row.times[0]) * fps) for time in row.cut)
            found = found[max(first, 0) : max(last, 0)]
        if len(found) < 2:
            notes.append(f"{row.clip}: {len(found)} frames; left out")
            continue
        try:
            points, confidence = of_pixels(found)
        except CorpusError as error:
            raise CorpusError(f"{clip}: {error}") from error
        signer = _SIGNER.fullmatch(row.clip)
        video = (
            row.clip.rsplit("_", 1)[0]
            if signer is None
            else row.clip[: row.clip.rindex("_", 0, row.clip.rindex("-rgb"))]
        )
        yield Recording(
            row.clip, row.text, "", signer[1] if signer else "", video, row.split, points, confidence, fps, Depth.NONE
        )
    if above:
        notes.append(f"{above} confidences above 1, taken as 1")


def _first(paths) -> list[Path]:
    return [path for _, path in zip(range(1), paths, strict=False)]


def _split(name: str) -> str | None:
    words = re.split(r"[^a-z]+", name.lower())
    return next((_SPLITS[word] for word in words if word in _SPLITS), None)


def _tables(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.[ct]sv") if path.is_file()) if folder.is_dir() else []


def _roots(folder: Path) -> list[Path]:
    """Where folders of clips may lie."""
    starts = [folder, *(path for path in sorted(folder.iterdir()) if path.is_dir() and _split(path.name))]
    roots = [start / below for start in starts for below in _BELOW]
    return [root for root in roots if root.is_dir()]


def _clips(folder: Path, notes: list[str]) -> list[tuple[_Row, Path]]:
    tables = _tables(folder)
    if not tables:
        raise CorpusError(
            f"{folder} has no table of sentences (.csv or .tsv); put How2Sign's beside the folders of the clips"
        )
    rows = _aligned(tables)
    roots, clips, lost = _roots(folder), [], 0
    for row in rows:
        found = next((root / row.clip for root in roots if (root / row.clip).is_dir()), None)
        if found is None:
            lost += 1
        else:
            clips.append((row, found))
    if not clips:
        raise CorpusError(
            f"{folder} has none of the {len(rows)} clips that its tables name; a clip is a folder of that name"
        )
    if lost:
        notes.append(f"{lost} of {len(rows)} clips of the tables are not there")
    return clips


def _aligned(tables: list[Path]) -> list[_Row]:
    """The rows of the original tables; with those of re-aligned ones, where there are any, as times to cut at."""
    parsed = [(table, *_parse(table)) for table in tables]
    original = [row for _, realigned, rows in parsed if not realigned for row in rows]
    realigned = {row.clip: row for _, is_realigned, rows in parsed if is_realigned for row in rows}
    if realigned and not any(row.times for row in original):
        raise CorpusError(
            f"{tables[0].parent} has only a re-aligned table; the published clips are cut at the original times, so "
            "that the original table (how2sign_train.csv and so on) is needed beside it"
        )
    if not realigned:
        return original
    return [
        _Row(row.clip, realigned[row.clip].text, row.split, row.times, realigned[row.clip].times)
        for row in original
        if row.clip in realigned
    ]


def _parse(table: Path) -> tuple[bool, list[_Row]]:
    """Whether the table is re-aligned, and its rows."""
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table} can't be read as a table with columns separated by tabs: {error}") from error
    split = _split(table.stem) or "train"
    heading = [name.strip() for name in rows[0]] if rows else []
    realigned = "START_REALIGNED" in heading
    if "SENTENCE_NAME" in heading and "SENTENCE" in heading:
        start, end = ("START_REALIGNED", "END_REALIGNED") if realigned else ("START", "END")
        columns = {name: heading.index(name) for name in ("SENTENCE_NAME", "SENTENCE", start, end) if name in heading}
        body = rows[1:]
    else:
        columns, start, end, body = {"SENTENCE_NAME": 0, "SENTENCE": 1}, "", "", rows
    found = []
    for number, row in enumerate(body, start=1 + len(rows) - len(body)):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(columns.values()):
            raise CorpusError(
                f"{table}, line {number} has {len(row)} columns: a clip and a sentence, separated by a tab, are needed"
            )
        name, text = row[columns["SENTENCE_NAME"]].strip(), row[columns["SENTENCE"]].strip()
        if not text or not name or Path(name).name != name:
            raise CorpusError(f"{table}, line {number}: {name!r} is no name of a clip, or it has no sentence")
        times = None
        if start in columns and end in columns:
            try:
                times = (float(row[columns[start]]), float(row[columns[end]]))
            except ValueError as error:
                raise CorpusError(f"{table}, line {number}: its times are not numbers: {error}") from error
        found.append(_Row(name, text, split, times))
    if not found:
        raise CorpusError(f"{table} lists no clips")
    return realigned, found


def _rate(clips: list[tuple[_Row, Path]], notes: list[str]) -> float:
    """Frames per second, from the times of the table where it has any."""
    timed = [(row.times[1] - row.times[0], clip) for row, clip in clips if row.times and row.times[1] > row.times[0]][
        :50
    ]
    if not timed:
        notes.append(f"nothing says the frame rate; taken as {FPS:g}")
        return FPS
    rate = float(np.median([len(_frames(clip)) / seconds for seconds, clip in timed]))
    notes.append(f"{rate:.2f} frames a second, from the times of the table")
    return rate


def _frames(clip: Path) -> list[Path]:
    """The files of the frames in order.

    Raises:
        CorpusError: there are none, or one is missing.
    """
    numbered = {int(match[1]): path for path in clip.iterdir() if (match := _FRAME.fullmatch(path.name))}
    if not numbered:
        raise CorpusError(f"{clip} holds no files of OpenPose (…_000000000000_keypoints.json)")
    if missing := sorted(set(range(max(numbered) + 1)) - set(numbered)):
        raise CorpusError(f"{clip} lacks frame {missing[0]} of {max(numbered) + 1}; a file of every frame is needed")
    return [numbered[number] for number in range(len(numbered))]


def _frame(path: Path) -> np.ndarray:
    """(133, 3) COCO-WholeBody: pixels and confidence; zeros where nobody was found."""
    if path.stat().st_size > _LARGEST:
        raise CorpusError(f"{path} has {path.stat().st_size} bytes: it is no frame of OpenPose")
    found = np.zeros((COUNT, 3), np.float32)
    try:
        people = json.loads(path.read_text(encoding="utf-8"))["people"]
        if not people:
            return found
        body, face, left, right = (np.array(people[0][name], np.float64).reshape(count, 3) for name, count in _PARTS)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise CorpusError(f"{path} is no frame of OpenPose, or cut short: {type(error).__name__}: {error}") from error
    found[: len(BODY_25)], found[23 : 23 + 68] = body[list(BODY_25)], face[:68]
    found[91:112], found[112:133] = left, right
    return found
