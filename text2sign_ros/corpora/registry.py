"""The readers by the name that configurations use."""

from __future__ import annotations

import hashlib
from pathlib import Path

from text2sign_ros.corpora import asl_cafe, clips, galt
from text2sign_ros.corpora.base import CorpusError, Reader

READERS: dict[str, Reader] = {"asl_cafe": asl_cafe, "clips": clips, "galt": galt}


def reader(name: str) -> Reader:
    """The reader of that name.

    Raises:
        CorpusError: the name is unknown.
    """
    if name not in READERS:
        raise CorpusError(f"there is no reader {name!r}; known are {', '.join(READERS)}")
    return READERS[name]


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
