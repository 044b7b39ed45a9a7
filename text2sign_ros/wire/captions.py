"""Captions: what the signer tells on ``~/captions`` of a text and of the signs in it, read from JSON."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

from text2sign_ros.errors import Text2SignError

VERSION = 1


class CaptionsError(Text2SignError):
    """A message that holds no captions of this version."""


@dataclass(frozen=True)
class Part:
    """A sign, letter, clause, pause, marker, or the way back to rest; attributes are the keys of docs/captions.md."""

    index: int
    kind: str
    text: str
    word: int | None
    estimated: bool
    start_frame: int
    end_frame: int | None
    start_stamp: int
    end_stamp: int | None


@dataclass(frozen=True)
class Captions:
    """All that was known of a text at the time of the message; attributes are the keys of docs/captions.md."""

    id: uuid.UUID
    text: str
    characters: int
    shortened: bool
    state: str
    outcome: str | None
    reason: str
    warnings: tuple[str, ...]
    fps: float
    beginning: int
    frames: int
    start_stamp: int | None
    end_stamp: int | None
    first_chunk: float | None
    work: float | None
    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, data: str) -> Captions:
        """The captions that a message holds.

        Raises:
            CaptionsError: it holds none, or those of another version.
        """
        try:
            values = json.loads(data)
            if values["version"] != VERSION:
                raise CaptionsError(f"captions of version {values['version']!r}; this reads {VERSION}")
            parts = tuple(Part(*(part[name] for name in Part.__dataclass_fields__)) for part in values["parts"])
            values |= {"id": uuid.UUID(hex=values["id"]), "warnings": tuple(values["warnings"]), "parts": parts}
            return cls(*(values[name] for name in cls.__dataclass_fields__))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, CaptionsError):
                raise
            raise CaptionsError(f"captions that can't be read: {type(error).__name__}: {error}") from error
