"""The readers by the name that configurations use."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

from text2sign_ros.corpora import asl_cafe, clips, galt, holistic, mska, openpose, skels
from text2sign_ros.corpora.base import CorpusError, Example, PublishedReader, Reader
from text2sign_ros.corpora.lifting import LIFTS, example
from text2sign_ros.progress import progress_bar

PUBLISHED: dict[str, PublishedReader] = {"skels": skels, "mska": mska, "openpose": openpose, "holistic": holistic}
"""Readers of formats in which corpora are published."""
READERS: dict[str, Reader | PublishedReader] = {"asl_cafe": asl_cafe, "clips": clips, "galt": galt, **PUBLISHED}


def reader(name: str) -> Reader | PublishedReader:
    """The reader of that name.

    Raises:
        CorpusError: the name is unknown.
    """
    if name not in READERS:
        raise CorpusError(f"there is no reader {name!r}; known are {', '.join(READERS)}")
    return READERS[name]


def read(name: str, folder: Path, *, lift: str = "", fps: float = 0.0, progress: bool = True) -> list[Example]:
    """All examples of a corpus.

    Args:
        lift: one of ``lifting.LIFTS``; "" is the first.
        fps: of a corpus whose files do not say; 0 takes what its reader assumes.

    Raises:
        CorpusError: no such reader; the corpus is missing or damaged; ``lift`` or ``fps`` is given to a reader that
        knows both by itself.
    """
    if name in PUBLISHED:
        about = PUBLISHED[name]
        found = progress_bar(about.recordings(folder, fps=fps), desc=folder.name, show=progress)
        return [example(recording, lift or LIFTS[0], about.SOURCE, about.LICENCE) for recording in found]
    if lift or fps:
        raise CorpusError(f"the reader {name} takes no lift and no fps; those of {', '.join(PUBLISHED)} do")
    return cast(Reader, reader(name)).read(folder, progress=progress)


def digest(name: str, folder: Path) -> str:
    """A hash of the names and bytes of the files that the reader reads, independent of where the folder is.

    Raises:
        CorpusError: no such reader, or a file is missing.
    """
    hashed = hashlib.sha256()
    for path in reader(name).files(folder):
        content = hashlib.sha256()
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                content.update(part)
        hashed.update(f"{path.relative_to(folder)}\0{content.hexdigest()}\n".encode())
    return hashed.hexdigest()
