"""The table of a bundle's vocabulary: made from what training saw, and completed with what evaluation measured."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from text2sign_ros.export.card import CARD
from text2sign_ros.export.writing import ExportError, write_bundle
from text2sign_ros.inference.bundle import DESCRIPTION, VOCABULARY, Bundle, UnitSettings, sha256
from text2sign_ros.inference.vocabulary import Entry, load, save
from text2sign_ros.naming import parts
from text2sign_ros.text import Vocabulary


def entries(vocabulary: Vocabulary, takes: np.ndarray) -> list[Entry]:
    """A row for each sign, followed by its alternatives, and each letter.

    Args:
        vocabulary: of the bundle.
        takes: as ``trained.Examples.takes``; those of other names are ignored.
    """
    rows: dict[tuple[str, str], list[list[str]]] = {}
    for name, kind, *provenance in takes.tolist():
        rows.setdefault((kind, name), []).append(provenance)
    found = []
    signs, letters = (("sign", name) for name in vocabulary.names), (("letter", name) for name in vocabulary.letters)
    for kind, name in (*signs, *letters):
        own = rows.get((kind, name), [])
        corpus, licence, signer, source = ("; ".join(sorted({row[i] for row in own} - {""})) for i in range(4))
        found.append(Entry(*parts(name), kind, corpus, licence, signer, source, len(own)))
    return found


def set_read_rates(bundle: Path, rates: Mapping[str, float]) -> None:
    """Write into a bundle's table how well its signs and letters are read; the bundle stays whole whatever happens.

    Args:
        bundle: its folder.
        rates: share of motions that are read correctly, 0 to 1, by name: "alert (person)", "g". Others stay as
            they are. With none this only tries whether they could be written.

    Raises:
        BundleError: the bundle or its table is missing or damaged.
        ExportError: the bundle signs whole sentences, or has no sign or letter of a name; a share is out of range; or
            the folder holds what belongs to no bundle.
        OSError: the bundle, or the folder that it lies in, can't be written to.
    """
    about = Bundle.load(bundle)
    if not isinstance(about.segmenter, UnitSettings):
        raise ExportError(f"{bundle} signs whole sentences: it has no vocabulary, and no read rates")
    table = load(bundle)
    if unknown := sorted(rates.keys() - {entry.name for entry in table}):
        raise ExportError(f"{bundle} has no sign or letter {', '.join(map(repr, unknown[:5]))}")
    if odd := [f"{name} {rate:g}" for name, rate in rates.items() if not 0 <= rate <= 1]:
        raise ExportError(f"read rates must be from 0 to 1: {', '.join(odd[:5])}")
    with write_bundle(bundle, source=None, card=bundle / CARD) as folder:
        for path in bundle.iterdir():
            if path.name not in (CARD, DESCRIPTION, VOCABULARY):
                shutil.copyfile(path, folder / path.name)
        save([replace(entry, read_rate=rates.get(entry.name, entry.read_rate)) for entry in table], folder)
        replace(about, files=about.files | {VOCABULARY: sha256(folder / VOCABULARY)}).save(folder)
