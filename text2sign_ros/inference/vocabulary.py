"""The table of a bundle's vocabulary: which signs there are, where they come from, and how well they can be read."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from text2sign_ros.clip import write_whole
from text2sign_ros.inference.bundle import VOCABULARY, BundleError
from text2sign_ros.naming import named


@dataclass(frozen=True)
class Entry:
    """A sign, an alternative of one, or a letter; the attributes are the columns of the file.

    Attributes:
        text: label of the sign, or the letter.
        alternative: which of several signs with this text; "" is the default.
        kind: "sign" or "letter".
        corpus, licence, signer, source: where its recordings come from; several are separated by "; ".
        takes: number of recordings that the model learnt it from.
        read_rate: share of its generated motions that are read correctly; None if not measured.
    """

    text: str
    alternative: str
    kind: str
    corpus: str
    licence: str
    signer: str
    source: str
    takes: int
    read_rate: float | None = None

    @property
    def name(self) -> str:
        """What the model is told to sign: "alert (person)"."""
        return named(self.text, self.alternative)


_COLUMNS = tuple(f.name for f in fields(Entry))


def save(entries: Iterable[Entry], folder: Path) -> None:
    """Write the table into the folder of a bundle."""
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(_COLUMNS)
    rows.writerows(astuple(entry) for entry in entries)  # None is written as an empty cell
    with write_whole(folder / VOCABULARY) as file:
        file.write(table.getvalue().encode())


def load(folder: Path) -> list[Entry]:
    """Read the table of a bundle, which ``Bundle.load`` has verified.

    Raises:
        BundleError: the bundle has none, or it is not such a table.
    """
    path = folder / VOCABULARY
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if tuple(rows.fieldnames or ()) != _COLUMNS:
                raise ValueError(f"its columns must be {', '.join(_COLUMNS)}")
            return [_entry(row) for row in rows]
    except FileNotFoundError:
        raise BundleError(f"{folder} holds no {VOCABULARY}, which lists its signs; export it again") from None
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise BundleError(f"{path} can't be read: {error}; export the bundle again") from error


def _entry(row: dict[str, str]) -> Entry:
    rate = float(row["read_rate"]) if row["read_rate"] else None
    if rate is not None and not 0 <= rate <= 1:
        raise ValueError(f"read_rate of {row['text']!r} is {rate}; it must be from 0 to 1")
    texts = {name: row[name] for name in _COLUMNS[:-2]}
    return Entry(**texts, takes=int(row["takes"]), read_rate=rate)


_FOUND = ("exact", "inflected", "prefix", "part", "near")
_MOST_NEAR, _NEAR = 5, 0.75
"""Most words that are found because they look alike, and how much alike (``difflib``'s ratio) they must be."""


def search(entries: Sequence[Entry], words: str, forms: Mapping[str, str]) -> list[tuple[Entry, str]]:
    """The signs that words may mean, and how each was found, the best first.

    It is "exact" (the text of the sign), "inflected" (a form of it), "prefix" (the sign starts with the words), "part"
    (it has them among others) or, if there is none of these, "near" (it looks alike).

    Args:
        entries: the vocabulary.
        words: at least one, in any case.
        forms: see ``text.units.Vocabulary``.
    """
    sought = " ".join(words.lower().split())
    base = " ".join(forms.get(word, word) for word in sought.split())
    texts = {entry.text: "part" for entry in entries if f" {sought} " in f" {entry.text} "}
    texts |= {entry.text: "prefix" for entry in entries if entry.text.startswith(sought)}
    texts |= {base: "inflected"} | {sought: "exact"}
    found = [(entry, texts[entry.text]) for entry in entries if entry.text in texts]
    if not found:
        near = difflib.get_close_matches(sought, {entry.text for entry in entries}, _MOST_NEAR, _NEAR)
        found = [(entry, "near") for text in near for entry in entries if entry.text == text]
    return sorted(found, key=lambda pair: _FOUND.index(pair[1]))
