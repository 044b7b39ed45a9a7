"""Reader for your own clips: a folder of clips and a table of what is signed in each.

The folder holds ``sentences.tsv`` (UTF-8, columns separated by tabs, the first line their names) and the files that it
lists, as written by ``SignClip.save`` (``.npz`` or ``.pose``, the 79 keypoints, metres in frame ``signer``):

    file             text                    signer  block     split
    anna/0001.npz    my name is anna         anna    monday    train
    anna/0002.npz    can i get a coffee      anna    tuesday   val

``signer`` and ``block`` say who was recorded and in which session: all recordings of a block must be in the same split
("train", "val" or "test"), or validation would measure memorisation. Training needs ``train`` and ``val``.

``sentences.csv``, with commas and quotes as spreadsheets write them, is read in its place if there is no
``sentences.tsv``; ``text2sign corpus convert`` writes it.

Two more columns are optional. ``kind`` is "sign" or "letter" if a clip shows just one, whose name is the text;
sentences are then composed from these clips. If ``kind`` is empty or missing, the clip is a sentence. ``licence`` gives
the terms under which the recording may be used.

Any frame rate is accepted. Bones get their canonical length. Keypoints that were not observed (confidence 0) are
interpolated between the frames in which they were, and keep confidence 0.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from text2sign_ros.clip import ClipError, SignClip
from text2sign_ros.corpora.base import FPS, CorpusError, Example, Kind, Unit
from text2sign_ros.corpora.resampling import resample
from text2sign_ros.motion import kinematics
from text2sign_ros.progress import progress_bar

TABLE, COMMAS = "sentences.tsv", "sentences.csv"
_LARGEST = 1 << 31
"""Bytes that a clip may claim to unpack to: an hour has 150 MB."""
_COLUMNS = ("file", "text", "signer", "block", "split")
_LABELS = {"sign": re.compile("[a-z]+( [a-z]+)*"), "letter": re.compile("[a-z]")}
"""Labels by kind: what a normalised text can match (see ``text.units.Vocabulary``)."""
_KINDS = {"": None, "sign": Kind.SIGN, "letter": Kind.LETTER}


def files(folder: Path) -> list[Path]:
    """The table, then the clips in its order.

    Raises:
        CorpusError: the table is missing or not as described above, or a clip is missing.
    """
    return [_table(folder), *(path for path, _ in _rows(folder))]


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
                f"{_table(folder)}: block {row['block']!r} is in {splits[row['block']]} and in {row['split']}; "
                "recordings of one block belong in one split"
            )
        try:
            _check_size(path)
            clip = _prepared(SignClip.load(path))
            kind = _KINDS[row["kind"]]
            units = (Unit(row["text"], kind),) if kind else None
            examples.append(
                Example(
                    row["text"], clip, units, row["signer"], row["block"], row["split"], folder.name, row["licence"]
                )
            )
        except (ClipError, CorpusError, OSError) as error:
            raise CorpusError(
                f"{path}: {error}; mend the clip, or remove its line from {_table(folder).name}"
            ) from error
    return examples


def _table(folder: Path) -> Path:
    """The table: with tabs if there is one, else with commas."""
    with_commas = folder / COMMAS
    return with_commas if with_commas.is_file() and not (folder / TABLE).is_file() else folder / TABLE


def _check_size(path: Path) -> None:
    """Refuse a file that would fill the memory when it is unpacked."""
    if path.suffix == ".npz" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
    else:
        claimed = path.stat().st_size
    if claimed > _LARGEST:
        raise CorpusError(f"it claims {claimed / 1e9:.1f} GB; a clip has at most {_LARGEST / 1e9:.1f} GB")


def _rows(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Path of the clip, and its line of the table."""
    table = _table(folder)
    quoting: dict[str, Any] = (
        {"delimiter": ","} if table.name == COMMAS else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    )
    try:
        text = table.read_text(encoding="utf-8-sig")  # spreadsheets start with a byte order mark
        rows = csv.DictReader(io.StringIO(text, newline=""), restval="", **quoting)
        numbered = [(rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(
            f"{table} can't be read: {error}; it lists the clips (for its format see text2sign_ros/corpora/clips.py)"
        ) from error
    between = "commas" if table.name == COMMAS else "tabs"
    if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
        raise CorpusError(
            f"{table} has no column {', '.join(missing)}; columns are separated by {between}, and the first line names "
            "them"
        )
    if not numbered:
        raise CorpusError(f"{table} lists no clips")
    for number, row in numbered:
        where = f"{table}, line {number}"
        if None in row:
            raise CorpusError(f"{where} has more columns than the first line")
        row = {"kind": "", "licence": ""} | {name: value.strip() for name, value in row.items()}
        if lacking := [name for name in _COLUMNS if not row[name]]:
            raise CorpusError(f"{where} has no value for {', '.join(lacking)}")
        if row["kind"] not in _KINDS:
            raise CorpusError(f"{where}: kind is {row['kind']!r}; it must be sign, letter or empty")
        if row["kind"] and not _LABELS[row["kind"]].fullmatch(row["text"]):
            raise CorpusError(
                f"{where}: {row['text']!r} can't be the label of a {row['kind']}; a sign is words of the letters a to "
                'z in lower case with single spaces ("thank you"), a letter is one of them'
            )
        if Path(row["file"]).is_absolute() or ".." in Path(row["file"]).parts:
            raise CorpusError(f"{where}: {row['file']} must be a path within {folder}")
        path = folder / row["file"]
        if not path.is_file():
            raise CorpusError(f"{path} is missing; {where} refers to it")
        yield path, row


def _prepared(clip: SignClip) -> SignClip:
    """At ``FPS``, with canonical bone lengths and without gaps."""
    if len(clip) < 2:
        raise CorpusError(f"the clip has {len(clip)} frames; at least 2 are needed")
    clip = SignClip(clip.filled(), clip.confidence, clip.fps)
    if clip.fps != FPS:
        return resample(clip)
    return SignClip(kinematics.with_canonical_lengths(clip.positions), clip.confidence, FPS)
