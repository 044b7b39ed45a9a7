"""Captions: what the signer tells on ``~/captions`` of a text and of the signs in it, read from JSON."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, get_origin, get_type_hints

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.engine import Outcome

VERSION = 1


class CaptionsError(Text2SignError):
    """What was read is no captions, or of another version."""


class State(Enum):
    """How far a text is."""

    ACCEPTED = "accepted"
    EXECUTING = "executing"
    ENDED = "ended"


@dataclass
class TimedPart:
    """A sign, letter, clause, pause, marker, or the way back to rest; attributes are the keys of the JSON."""

    index: int
    kind: str
    text: str
    word: int | None
    estimated: bool
    start_frame: int
    end_frame: int | None
    start_stamp: int
    end_stamp: int | None


@dataclass
class Captions:
    """All that was known of a text at the time of the message; attributes are the keys of the JSON."""

    id: uuid.UUID
    text: str
    characters: int
    shortened: bool
    fps: float
    state: State = State.ACCEPTED
    outcome: Outcome | None = None
    reason: str = ""
    warnings: list[str] = field(default_factory=list)
    beginning: int = 0
    frames: int = 0
    start_stamp: int | None = None
    end_stamp: int | None = None
    first_chunk: float | None = None
    work: float | None = None
    parts: list[TimedPart] = field(default_factory=list)

    @classmethod
    def parse(cls, data: str) -> Captions:
        """The captions that a message holds; keys that are not known are passed over.

        Raises:
            CaptionsError: it holds none, or those of another version.
        """
        try:
            values = json.loads(data)
            if (version := values["version"]) != VERSION:
                raise CaptionsError(f"captions of version {version}; this program reads version {VERSION}")
            outcome = None if values["outcome"] is None else Outcome(values["outcome"])
            parts = [TimedPart(**_known(TimedPart, part)) for part in values["parts"]]
            values |= {"id": uuid.UUID(values["id"]), "state": State(values["state"]), "outcome": outcome}
            return cls(**_known(cls, {**values, "parts": parts, "fps": float(values["fps"])}))
        except CaptionsError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CaptionsError(f"not the captions of a text: {type(error).__name__}: {error}") from error


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """What a dataclass has attributes for, each of its type."""
    given = {name: (values[name], hint) for name, hint in get_type_hints(kind).items()}
    for name, (value, hint) in given.items():
        if not isinstance(value, get_origin(hint) if get_origin(hint) is list else hint):
            raise TypeError(f"{name} is {value!r}")
    return {name: value for name, (value, _) in given.items()}
