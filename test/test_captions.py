"""Captions without ROS: what is told of each text when, with which frames and stamps, and never too much of it."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT

from text2sign_ros.inference.engine import Outcome, SigningEngine, Style, Utterance
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk, frame_time
from text2sign_ros.motion.limits import Limits
from text2sign_ros.motion.timeline import MARKER, REST, Part
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire.captions import MAX_BYTES, MAX_PARTS, Captioner, Captions, CaptionsError, State, TimedPart

FPS, FRAME = 25.0, 40_000_000
START = 10**18


class Told:
    """A captioner, and what it has told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.captioner = Captioner(FPS, self.messages.append)

    @property
    def last(self) -> Captions:
        return Captions.parse(self.messages[-1])


@pytest.fixture
def told() -> Told:
    return Told()


def chunk(start: int, *parts: Part, frames: int = 8) -> Chunk:
    still = np.repeat(REST_POSE[None], frames, axis=0).astype(np.float32)
    return Chunk(start, still, np.zeros_like(still), FPS, False, parts)


def begun(told: Told, text: str = "tea please") -> Utterance:
    utterance = Utterance(text, Style())
    told.captioner.accept(utterance.id, text)
    return utterance


def spans(captions: Captions) -> list[tuple[str, int, int | None]]:
    return [(part.text or part.kind, part.start_frame, part.end_frame) for part in captions.parts]


def times(captions: Captions) -> list[tuple[int, int | None]]:
    """Starts and ends in nanoseconds since ``START``."""
    return [(p.start_stamp - START, None if p.end_stamp is None else p.end_stamp - START) for p in captions.parts]


TEA, PLEASE = Part("sign", "tea", 0, 12, 0), Part("sign", "please", 12, 30, 1)


def test_a_text_from_its_coming_to_its_end(told: Told) -> None:
    utterance = begun(told)
    assert (told.last.id, told.last.text, told.last.state) == (utterance.id, "tea please", State.ACCEPTED)
    assert told.last.start_stamp is told.last.outcome is None and not told.last.parts
    told.captioner.sent(utterance, chunk(0, TEA), START)
    assert (told.last.state, told.last.frames, told.last.start_stamp) == (State.EXECUTING, 8, START)
    assert spans(told.last) == [("tea", 0, 12)] and times(told.last) == [(0, 12 * FRAME)]
    told.captioner.sent(utterance, chunk(8, PLEASE), START + 8 * FRAME)
    assert spans(told.last) == [("tea", 0, 12), ("please", 12, 30)]
    assert times(told.last) == [(0, 12 * FRAME), (12 * FRAME, 30 * FRAME)]
    count = len(told.messages)
    told.captioner.sent(utterance, chunk(16), START + 16 * FRAME)
    assert len(told.messages) == count, "nothing new"
    utterance.first_chunk, utterance.work, utterance.warnings = 0.01, 0.1, ("left out",)
    told.captioner.end(utterance.id, Outcome.SIGNED, "", utterance)
    end = told.last
    assert (end.state, end.outcome, end.frames, end.end_stamp) == (State.ENDED, Outcome.SIGNED, 24, START + 24 * FRAME)
    assert (end.first_chunk, end.work, end.warnings, end.begun) == (0.01, 0.1, ["left out"], 2)


def test_a_motion_that_moves_takes_the_stamps_that_were_sent(told: Told) -> None:
    utterance, later = begun(told), 7 * FRAME
    told.captioner.sent(utterance, chunk(0, TEA), START)
    told.captioner.sent(utterance, chunk(8, PLEASE), START + 8 * FRAME + later)
    assert times(told.last) == [(0, 12 * FRAME + later), (12 * FRAME + later, 30 * FRAME + later)]
    count = len(told.messages)
    told.captioner.sent(utterance, chunk(16), START + 16 * FRAME + 2 * later)
    assert len(told.messages) == count + 1, "a new end is told though nothing begins"
    assert times(told.last) == [(0, 12 * FRAME + later), (12 * FRAME + later, 30 * FRAME + 2 * later)]


def test_what_is_cut_off_ends_where_the_way_back_begins(told: Told) -> None:
    utterance = begun(told)
    told.captioner.sent(utterance, chunk(0, Part(MARKER, "question", 0, None), TEA), START)
    told.captioner.sent(utterance, chunk(8, PLEASE), START + 8 * FRAME)
    # The way back is sent later than it was due.
    told.captioner.sent(utterance, chunk(16, Part(REST, "", 16, 30)), START + 20 * FRAME)
    assert spans(told.last) == [("question", 0, 16), ("tea", 0, 12), ("please", 12, 16), ("rest", 16, 30)]
    assert times(told.last) == [
        (0, 16 * FRAME),
        (0, 12 * FRAME),
        (12 * FRAME, 16 * FRAME),
        (20 * FRAME, 34 * FRAME),
    ]
    told.captioner.end(utterance.id, Outcome.CANCELED, "superseded by a newer text")
    assert (told.last.outcome, told.last.reason) == (Outcome.CANCELED, "superseded by a newer text")


def test_a_way_back_that_takes_over_from_another_is_one(told: Told) -> None:
    utterance = begun(told)
    told.captioner.sent(utterance, chunk(0, replace(TEA, end=4), Part(REST, "", 4, 24)), START)
    told.captioner.sent(utterance, chunk(8, Part(REST, "", 8, 20)), START + 8 * FRAME)
    assert spans(told.last) == [("tea", 0, 4), ("rest", 4, 20)]
    assert times(told.last)[-1] == (4 * FRAME, 20 * FRAME)


def test_a_text_that_begins_again_is_told_anew(told: Told) -> None:
    utterance = begun(told)
    told.captioner.sent(utterance, chunk(0, TEA), START)
    told.captioner.sent(utterance, chunk(8, Part(REST, "", 8, 20)), START + 8 * FRAME)
    told.captioner.sent(utterance, chunk(0, TEA), START + 10**9)
    assert (told.last.beginning, told.last.begun, told.last.start_stamp) == (2, 1, START + 10**9)
    assert spans(told.last) == [("tea", 0, 12)] and times(told.last) == [(10**9, 10**9 + 12 * FRAME)]


def test_an_end_that_was_not_known_is_told_when_it_is(told: Told) -> None:
    utterance = begun(told)
    told.captioner.sent(utterance, chunk(0, replace(TEA, end=None)), START)
    assert spans(told.last) == [("tea", 0, None)] and times(told.last) == [(0, None)]
    told.captioner.sent(
        utterance, chunk(8, replace(TEA, end=14), replace(PLEASE, start=14, end=None)), START + 8 * FRAME
    )
    assert spans(told.last) == [("tea", 0, 14), ("please", 14, None)]
    assert times(told.last) == [(0, 14 * FRAME), (14 * FRAME, None)]


def test_spelled_words_are_put_together(told: Told) -> None:
    utterance = begun(told)
    letters = [
        Part("letter", letter, k, k + 1, word)
        for k, (letter, word) in enumerate(zip("boeve", (3, 3, 4, 4, 4), strict=True))
    ]
    told.captioner.sent(utterance, chunk(0, *letters, Part("sign", "tea", 5, 9, 5)), START)
    assert told.last.spelled == ["bo", "eve"]


def test_markers_that_go_on_stay_in_a_long_text(told: Told) -> None:
    utterance = begun(told)
    for number in range(3 * MAX_PARTS):
        sign = Part("sign", "tea", 8 * number, 8 * number + 8, number)
        marker = (Part(MARKER, "question", 0, None),) if number == 0 else ()
        told.captioner.sent(utterance, chunk(8 * number, *marker, sign), START + 8 * number * FRAME)
    captions = told.last
    assert captions.begun == 3 * MAX_PARTS + 1
    assert [part.index for part in captions.parts] == [0, *range(2 * MAX_PARTS + 1, 3 * MAX_PARTS + 1)]
    assert captions.parts[0].text == "question" and captions.parts[0].end_frame is None


def test_what_has_not_ended_at_the_close_has_failed(told: Told) -> None:
    utterance = begun(told)
    told.captioner.close()
    assert (told.last.id, told.last.outcome) == (utterance.id, Outcome.FAILED) and "stopped" in told.last.reason
    count = len(told.messages)
    begun(told)
    assert len(told.messages) == count


@pytest.mark.parametrize("char", ["a", "\x01", '"', "\U0001f642", "\ud800", "ü"])
def test_no_text_makes_a_message_too_large(told: Told, char: str) -> None:
    """The most of everything, of the characters that take most room."""
    utterance = begun(told, char * 100_000)
    assert told.last.shortened and told.last.characters == 100_000 and len(told.last.text) == 1000
    utterance.warnings = (char * 10_000,) * 100
    markers = [Part(MARKER, char * 200 + str(k), 0, None) for k in range(5)]
    told.captioner.sent(utterance, chunk(0, *markers), START)
    for number in range(100):
        word = [Part("letter", char * 200, 8 * number + k, 8 * number + k + 1, number) for k in range(8)]
        told.captioner.sent(utterance, chunk(8 * number, *word), START + 8 * number * FRAME)
    told.captioner.end(utterance.id, Outcome.FAILED, char * 10_000, utterance)
    largest = max(len(message.encode()) for message in told.messages)
    assert 20_000 < largest <= MAX_BYTES
    assert told.last.text == (char * 1000).encode("utf-8", "replace").decode()


class Performed:
    """Texts that an engine signed, with what a sender sends: stamps without a gap."""

    def __init__(self, bundle: Path) -> None:
        self.told, self.chunks, self.stamps = Told(), list[Chunk](), list[int]()
        self.engine = SigningEngine(Signer(bundle, steps=1), max_waiting=3)
        self._end = START

    def submit(self, text: str, limits: Limits) -> Utterance:
        self.chunks, self.stamps = [], []
        id = uuid.uuid4()
        self.told.captioner.accept(id, text)
        return self.engine.submit(text, Style(limits=limits), id=id)

    def take(self, most: int | None = None) -> None:
        """Chunks to the end of the text, or so many."""
        while most is None or len(self.chunks) < most:
            item = self.engine.take(20.0)
            assert item is not None
            utterance, chunk = item
            if chunk is None:
                assert utterance.outcome is not None
                self.told.captioner.end(utterance.id, utterance.outcome, str(utterance.error or ""), utterance)
                return
            self.chunks.append(chunk)
            self.stamps.append(self._end)
            self.told.captioner.sent(utterance, chunk, self._end)
            self._end += chunk.end_time - chunk.start_time

    def check(self) -> None:
        """What was told last is what was sent."""
        captions, first = self.told.last, max(k for k, chunk in enumerate(self.chunks) if chunk.start == 0)
        frames = sum(len(chunk) for chunk in self.chunks[first:])
        hands = [part for part in captions.parts if part.kind != MARKER]
        assert captions.frames == hands[-1].end_frame == frames and hands[-1].kind == REST
        assert captions.start_stamp == self.stamps[first]
        for part in captions.parts:
            assert part.end_frame is not None
            assert part.start_stamp == self.stamps[first] + frame_time(part.start_frame, FPS)
            assert part.end_stamp == self.stamps[first] + frame_time(part.end_frame, FPS)
        for one, following in itertools.pairwise(hands):
            assert (one.end_frame, one.end_stamp) == (following.start_frame, following.start_stamp)


@pytest.fixture(scope="module")
def performed(bundle: Path) -> Iterator[Performed]:
    performed = Performed(bundle)
    yield performed
    performed.engine.close()


@pytest.mark.parametrize("limits", [Limits(), Limits(velocity=0.4)])
def test_the_engine_s_chunks_carry_what_is_told(performed: Performed, limits: Limits) -> None:
    performed.submit("hello bob, tea?", limits)
    performed.take()
    performed.check()
    assert [part.text for part in performed.told.last.parts] == ["question", "hello", "b", "o", "b", "tea", ""]
    assert performed.told.last.spelled == ["bob"]


@pytest.mark.parametrize("limits", [Limits(), Limits(velocity=0.4)])
@pytest.mark.parametrize("chunks", [1, 4, 9])
def test_captions_after_cancel(performed: Performed, limits: Limits, chunks: int) -> None:
    performed.submit("hello bob, tea? please", limits)
    performed.take(chunks)
    performed.engine.cancel()
    performed.take()
    performed.check()
    last = performed.told.last
    assert last.outcome is Outcome.CANCELED
    rest = last.parts[-1]
    assert rest.start_frame == 8 * chunks and all((part.end_frame or 0) <= 8 * chunks for part in last.parts[:-1])


def test_captions_after_pause_and_resume(performed: Performed) -> None:
    performed.submit("hello bob, tea?", Limits())
    performed.take(5)
    performed.engine.pause()
    performed.engine.resume()  # before the way back was taken
    performed.take()
    performed.check()
    assert performed.told.last.beginning == 2 and performed.told.last.outcome is Outcome.SIGNED
    assert [part.text for part in performed.told.last.parts] == ["question", "hello", "b", "o", "b", "tea", ""]


def test_a_very_long_text_keeps_its_captions_small(performed: Performed) -> None:
    text = ("[question]" + "tea bo, " * 12_500)[:100_000]
    performed.submit(text, Limits())
    performed.take(400)
    messages = performed.told.messages
    assert max(len(message.encode()) for message in messages) < 20_000
    last = performed.told.last
    assert last.begun > MAX_PARTS + 10 and len(last.parts) <= MAX_PARTS + 1
    assert last.parts[0].text == "question" and last.parts[-1].index == last.begun - 1
    performed.engine.cancel()
    performed.take()


def test_what_is_written_is_read() -> None:
    part = TimedPart(3, "letter", "ü", 7, True, 4, None, START, None)
    captions = Captions(uuid.uuid4(), "grüß\n", 5, False, FPS, State.ENDED, Outcome.DROPPED, "why", ["w"], parts=[part])
    assert Captions.parse(captions.json()) == captions
    assert len(captions.json().splitlines()) == 1
    newer = json.loads(captions.json()) | {"colour": "blue", "fps": 25}
    newer["parts"][0]["colour"] = "blue"
    assert Captions.parse(json.dumps(newer)) == captions, "what a later version adds is passed over"


GOOD = json.loads(Captions(uuid.uuid4(), "tea", 3, False, FPS).json())


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("", "JSON"),
        ("[]", "list"),
        ("{}", "version"),
        (json.dumps(GOOD | {"version": 2}), "version 2; this program reads version 1"),
        (json.dumps(GOOD | {"id": "tea"}), "hexadecimal"),
        (json.dumps(GOOD | {"text": 5}), "text is 5"),
        (json.dumps(GOOD | {"outcome": "lost"}), "lost"),
        (json.dumps(GOOD | {"parts": [{}]}), "index"),
        (json.dumps({key: value for key, value in GOOD.items() if key != "frames"}), "frames"),
    ],
)
def test_what_is_no_captions_is_refused(data: str, named: str) -> None:
    with pytest.raises(CaptionsError, match=named):
        Captions.parse(data)


def test_the_page_shows_what_is_sent() -> None:
    page = (ROOT / "docs" / "captions.md").read_text()
    example = Captions.parse(page.partition("```json")[2].partition("```")[0])
    for key in (*json.loads(example.json()), *vars(example.parts[0])):
        assert f"`{key}`" in page, f"docs/captions.md says nothing of {key}"
    assert f"{MAX_BYTES // 1000} kB" in page and f"latest {MAX_PARTS} parts" in page
    told = Told()
    utterance = Utterance(example.text, Style(), id=example.id)
    told.captioner.accept(utterance.id, example.text)
    parts = [Part(p.kind, p.text, p.start_frame, p.end_frame, p.word, p.estimated) for p in example.parts]
    sent = SimpleNamespace(id=example.id, warnings=())
    for start in range(0, example.frames, 8):
        own = [part for part in parts if start <= part.start < start + 8]
        told.captioner.sent(sent, chunk(start, *own), (example.start_stamp or 0) + start * FRAME)  # type: ignore[arg-type]
    assert json.loads(told.messages[-1]) == json.loads(example.json())
