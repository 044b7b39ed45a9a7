"""Captions: the state of each text, and which frames of its motion are which sign: docs/captions.md."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, get_origin, get_type_hints

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.engine import Outcome, Utterance
from text2sign_ros.motion.chunks import Chunk, frame_time
from text2sign_ros.motion.timeline import MARKER, REST, Part

VERSION = 1
MAX_BYTES = 100_000
"""No message is larger, whatever the text: that follows from the numbers below, at up to six bytes a character."""
MAX_PARTS, MAX_WARNINGS, MAX_SPELLED = 64, 12, 20
"""Most parts in a message, besides markers that are still open; most warnings; most spelled words."""
_ADDED = ("said", "alternative")
"""Keys that messages of earlier programs with this version do not have."""
_TEXT, _REASON, _WARNING, _LABEL, _WORD = 1000, 500, 350, 100, 60
"""Characters of a text, a reason, a warning, a part, a spelled word."""


class CaptionsError(Text2SignError):
    """What was read is not captions, or is of another version."""


class State(Enum):
    """How far a text has come."""

    ACCEPTED = "accepted"
    """It was received, and is waiting."""
    EXECUTING = "executing"
    """Its first chunk was sent."""
    ENDED = "ended"


@dataclass
class TimedPart:
    """A part of a text's motion, see ``timeline.Part``, with the times at which it is played.

    Attributes:
        index: number within the text.
        kind, text, word, estimated, said, alternative: as in ``timeline.Part``, the texts shortened to 100 characters.
        start_frame, end_frame: within the text's motion; None where the end is not known yet.
        start_stamp, end_stamp: nanoseconds of the signer's clock.
    """

    index: int
    kind: str
    text: str
    word: int | None
    estimated: bool
    start_frame: int
    end_frame: int | None
    start_stamp: int
    end_stamp: int | None
    said: str = ""
    alternative: str = ""


@dataclass
class Captions:
    """All that is known about one text. The attributes are the keys of the JSON, which docs/captions.md explains."""

    id: uuid.UUID
    text: str
    characters: int
    shortened: bool
    fps: float
    state: State = State.ACCEPTED
    outcome: Outcome | None = None
    reason: str = ""
    warnings: list[str] = field(default_factory=list)
    spelled: list[str] = field(default_factory=list)
    attempt: int = 0
    frames: int = 0
    start_stamp: int | None = None
    end_stamp: int | None = None
    first_chunk: float | None = None
    work: float | None = None
    parts_started: int = 0
    parts: list[TimedPart] = field(default_factory=list)

    def json(self) -> str:
        """The message: at most ``MAX_BYTES`` in UTF-8, if the ``Captioner`` made this."""
        values = {"version": VERSION, **vars(self), "id": self.id.hex, "state": self.state.value}
        values |= {"outcome": self.outcome and self.outcome.value, "parts": [vars(part) for part in self.parts]}
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def parse(cls, data: str) -> Captions:
        """The captions that a message holds; unknown keys are ignored.

        Raises:
            CaptionsError: it is not captions, or of another version.
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
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CaptionsError(f"not the captions of a text: {type(error).__name__}: {error}") from error


class Captioner:
    """Keeps the captions of all texts that have not ended, and publishes those of a text whenever they change.

    The parts of a text arrive with its chunks, as these are sent. Thread-safe; nothing is published after ``close``.

    Args:
        fps: frames per second.
        publish: called with the captions of the text that has changed, which it must not keep.
    """

    def __init__(self, fps: float, publish: Callable[[Captions], None]) -> None:
        self._fps, self._publish = fps, publish
        self._lock = threading.Lock()
        self._live: dict[uuid.UUID, _Live] = {}
        self._closed = False

    def accept(self, id: uuid.UUID, text: str) -> None:
        """A text was received."""
        with self._lock:
            shown = _short(text, _TEXT)
            live = _Live(Captions(id, shown, len(text), len(text) > _TEXT, self._fps))
            self._live[id] = live
            self._publish_captions(live)

    def queue(self, utterance: Utterance) -> None:
        """A text that was received will be signed."""
        with self._lock:
            live = self._live.get(utterance.id)  # it may have ended since
            if live is not None and utterance.warnings and live.captions.state is State.ACCEPTED:
                live.captions.warnings = _warnings(utterance)
                self._publish_captions(live)

    def sent(self, utterance: Utterance, chunk: Chunk, stamp: int) -> None:
        """A chunk of a text was sent, to be played at ``stamp`` (nanoseconds)."""
        with self._lock:
            live = self._live[utterance.id]
            live.captions.warnings = _warnings(utterance)
            if live.sent(chunk, stamp, returns=utterance.return_frame):
                self._publish_captions(live)

    def recall(self, id: uuid.UUID) -> None:
        """All that was sent of a text was taken back before it was played."""
        with self._lock:
            live = self._live[id]
            live.recall()
            self._publish_captions(live)

    def end(self, id: uuid.UUID, outcome: Outcome, reason: str = "", utterance: Utterance | None = None) -> None:
        """A text ended; ``utterance`` if it reached the engine."""
        with self._lock:
            live = self._live.pop(id)
            captions = live.captions
            captions.state, captions.outcome, captions.reason = State.ENDED, outcome, _short(reason, _REASON)
            if utterance is not None:
                captions.warnings = _warnings(utterance)
                if utterance.first_chunk:
                    captions.first_chunk, captions.work = round(utterance.first_chunk, 6), round(utterance.work, 6)
            self._publish_captions(live)

    def close(self) -> None:
        """End all texts that have not ended as failed, and publish no more."""
        for id in tuple(self._live):
            self.end(id, Outcome.FAILED, "the signer stopped before this text had ended")
        self._closed = True

    def _publish_captions(self, live: _Live) -> None:
        if not self._closed:
            self._publish(live.captions)


class _Live:
    """A text that has not ended."""

    def __init__(self, captions: Captions) -> None:
        self.captions = captions
        self._open: dict[tuple[str, str, int], TimedPart] = {}  # parts whose last frame has not been sent yet
        self._origin = 0  # stamp that frame 0 would have if all frames had the timing of the latest chunk
        self._word: int | None = None  # the last spelled word

    def sent(self, chunk: Chunk, stamp: int, returns: int | None) -> bool:
        """Note a chunk; returns whether a part started, or the end of one became known or changed.

        From frame ``returns`` on, if any, the motion returns to rest.
        """
        captions, before, self._origin = self.captions, self._origin, stamp - chunk.start_time
        if chunk.start == 0 and returns != 0:
            self.recall()
            captions.state, captions.start_stamp = State.EXECUTING, stamp
            captions.attempt += 1
        elif chunk.start < captions.frames:
            self._cut(chunk.start, before)
        captions.frames, captions.end_stamp = chunk.start + len(chunk), self._stamp(chunk.start + len(chunk))
        for part in chunk.parts:
            self._note(part)
        for key, open_part in tuple(self._open.items()):
            if open_part.end_frame is None:
                continue
            # An interrupted part ended before this chunk, which may have been rescheduled.
            open_part.end_stamp = (
                self._stamp(open_part.end_frame)
                if open_part.end_frame > chunk.start
                else before + int(frame_time(open_part.end_frame, captions.fps))
            )
            if open_part.end_frame <= captions.frames:
                del self._open[key]
        self._forget()
        return bool(chunk.parts) or chunk.start == 0 or before != self._origin

    def recall(self) -> None:
        """Nothing of it is played."""
        captions = self.captions
        captions.frames, captions.start_stamp, captions.end_stamp = 0, None, None
        captions.parts_started, captions.parts, captions.spelled = 0, [], []
        self._open, self._word = {}, None

    def _cut(self, frame: int, origin: int) -> None:
        """What was sent from ``frame`` on is replaced; ``origin`` is the stamp that frame 0 had by then."""
        captions = self.captions
        taken_back = [part for part in captions.parts if part.start_frame >= frame]
        captions.parts = [part for part in captions.parts if part.start_frame < frame]
        captions.parts_started -= len(taken_back)
        for part in captions.parts:
            if part.end_frame is None or part.end_frame > frame:
                part.end_frame, part.end_stamp = frame, origin + int(frame_time(frame, captions.fps))
        for part in reversed(taken_back):
            if part.kind == "letter" and captions.spelled:
                captions.spelled[-1] = captions.spelled[-1].removesuffix(part.text)
                captions.spelled = [word for word in captions.spelled if word]
        self._open = {}

    def _note(self, part: Part) -> None:
        if part.kind == REST:
            for open_part in self._open.values():
                if open_part.kind == REST and open_part.end_frame is not None and open_part.end_frame > part.start:
                    open_part.end_frame = part.end  # another return to rest replaces this one
                    return
                if open_part.end_frame is None or open_part.end_frame > part.start:
                    open_part.end_frame = part.start
        key = part.kind, part.text, part.start
        if key in self._open:
            self._open[key].end_frame = part.end
            return
        captions, label = self.captions, _short(part.text, _LABEL)
        timed = TimedPart(
            captions.parts_started,
            part.kind,
            label,
            part.word,
            part.estimated,
            part.start,
            part.end,
            self._stamp(part.start),
            None,
            _short(part.said, _LABEL),
            _short(part.alternative, _LABEL),
        )
        captions.parts_started += 1
        captions.parts.append(timed)
        self._open[key] = timed
        if part.kind == "letter":
            if part.word != self._word:
                captions.spelled = [*captions.spelled, ""][-MAX_SPELLED:]
            captions.spelled[-1] = (captions.spelled[-1] + label)[:_WORD]
        if part.kind != MARKER:
            self._word = part.word if part.kind == "letter" else None

    def _forget(self) -> None:
        parts, open_ids = self.captions.parts, [id(part) for part in self._open.values()]
        older = [part for part in parts[:-MAX_PARTS] if part.kind == MARKER and id(part) in open_ids]
        self.captions.parts = older + parts[-MAX_PARTS:]

    def _stamp(self, frame: int) -> int:
        return self._origin + int(frame_time(frame, self.captions.fps))


def seconds(parts: Iterable[Part], fps: float) -> list[dict[str, Any]]:
    """The parts of a motion as in the JSON, with seconds from its start (``start``, ``end``) instead of stamps."""
    return [
        {
            "index": index,
            "kind": part.kind,
            "text": part.text,
            "said": part.said,
            "alternative": part.alternative,
            "word": part.word,
            "estimated": part.estimated,
            "start_frame": part.start,
            "end_frame": part.end,
            "start": round(part.start / fps, 6),
            "end": None if part.end is None else round(part.end / fps, 6),
        }
        for index, part in enumerate(parts)
    ]


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """The values that a dataclass has attributes for, each checked for its type.

    What was added within the version may be missing, as in recorded messages.
    """
    hints = get_type_hints(kind).items()
    given = {name: (values[name], hint) for name, hint in hints if name in values or name not in _ADDED}
    for name, (value, hint) in given.items():
        if not isinstance(value, get_origin(hint) if get_origin(hint) is list else hint):
            raise TypeError(f"{name} is {value!r}")
    return {name: value for name, (value, _) in given.items()}


def _short(text: str, most: int) -> str:
    """The first ``most`` characters of ``text``, with what UTF-8 can't encode replaced."""
    return text[:most].encode("utf-8", "replace").decode()


def _warnings(utterance: Utterance) -> list[str]:
    return [_short(warning, _WARNING) for warning in utterance.warnings[:MAX_WARNINGS]]
