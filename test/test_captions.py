"""Captions without ROS: what is published for each text and when, with which frames and stamps, and never too much."""

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

from text2sign_ros.inference.engine import Notice, Outcome, SigningEngine, Style, Utterance
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk, frame_time
from text2sign_ros.motion.limits import Limits
from text2sign_ros.motion.timeline import MARKER, REST, Part
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire.captions import MAX_BYTES, MAX_PARTS, Captioner, Captions, CaptionsError, State, TimedPart

FPS, FRAME = 25.0, 40_000_000
START = 10**18


class Recording:
    """A captioner, and what it has published."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.captioner = Captioner(FPS, lambda captions: self.messages.append(captions.json()))

    @property
    def last(self) -> Captions:
        return Captions.parse(self.messages[-1])


@pytest.fixture
def recording() -> Recording:
    return Recording()


def chunk(start: int, *parts: Part, frames: int = 8) -> Chunk:
    still = np.repeat(REST_POSE[None], frames, axis=0).astype(np.float32)
    return Chunk(start, still, np.zeros_like(still), FPS, False, parts)


def started(recording: Recording, text: str = "tea please") -> Utterance:
    utterance = Utterance(text, Style())
    recording.captioner.accept(utterance.id, text)
    return utterance


def spans(captions: Captions) -> list[tuple[str, int, int | None]]:
    return [(part.text or part.kind, part.start_frame, part.end_frame) for part in captions.parts]


def times(captions: Captions) -> list[tuple[int, int | None]]:
    """Starts and ends in nanoseconds since ``START``."""
    return [(p.start_stamp - START, None if p.end_stamp is None else p.end_stamp - START) for p in captions.parts]


TEA, PLEASE = Part("sign", "tea", 0, 12, 0), Part("sign", "please", 12, 30, 1)


def test_a_text_from_acceptance_to_end(recording: Recording) -> None:
    utterance = started(recording)
    assert (recording.last.id, recording.last.text, recording.last.state) == (
        utterance.id,
        "tea please",
        State.ACCEPTED,
    )
    assert recording.last.start_stamp is recording.last.outcome is None and not recording.last.parts
    recording.captioner.sent(utterance, chunk(0, TEA), START)
    assert (recording.last.state, recording.last.frames, recording.last.start_stamp) == (State.EXECUTING, 8, START)
    assert spans(recording.last) == [("tea", 0, 12)] and times(recording.last) == [(0, 12 * FRAME)]
    recording.captioner.sent(utterance, chunk(8, PLEASE), START + 8 * FRAME)
    assert spans(recording.last) == [("tea", 0, 12), ("please", 12, 30)]
    assert times(recording.last) == [(0, 12 * FRAME), (12 * FRAME, 30 * FRAME)]
    count = len(recording.messages)
    recording.captioner.sent(utterance, chunk(16), START + 16 * FRAME)
    assert len(recording.messages) == count, "nothing new"
    utterance.first_chunk, utterance.work, utterance.warnings = 0.01, 0.1, ("left out",)
    recording.captioner.end(utterance.id, Outcome.SIGNED, "", utterance)
    end = recording.last
    assert (end.state, end.outcome, end.frames, end.end_stamp) == (State.ENDED, Outcome.SIGNED, 24, START + 24 * FRAME)
    assert (end.first_chunk, end.work, end.warnings, end.parts_started) == (0.01, 0.1, ["left out"], 2)


def test_a_rescheduled_motion_takes_the_stamps_that_were_sent(recording: Recording) -> None:
    utterance, later = started(recording), 7 * FRAME
    recording.captioner.sent(utterance, chunk(0, TEA), START)
    recording.captioner.sent(utterance, chunk(8, PLEASE), START + 8 * FRAME + later)
    assert times(recording.last) == [(0, 12 * FRAME + later), (12 * FRAME + later, 30 * FRAME + later)]
    count = len(recording.messages)
    recording.captioner.sent(utterance, chunk(16), START + 16 * FRAME + 2 * later)
    assert len(recording.messages) == count + 1, "a new end is published though no part starts"
    assert times(recording.last) == [(0, 12 * FRAME + later), (12 * FRAME + later, 30 * FRAME + 2 * later)]


def test_an_interrupted_part_ends_where_the_return_to_rest_starts(recording: Recording) -> None:
    utterance = started(recording)
    recording.captioner.sent(utterance, chunk(0, Part(MARKER, "question", 0, None), TEA), START)
    recording.captioner.sent(utterance, chunk(8, PLEASE), START + 8 * FRAME)
    # The way back is sent later than it was due.
    recording.captioner.sent(utterance, chunk(16, Part(REST, "", 16, 30)), START + 20 * FRAME)
    assert spans(recording.last) == [("question", 0, 16), ("tea", 0, 12), ("please", 12, 16), ("rest", 16, 30)]
    assert times(recording.last) == [
        (0, 16 * FRAME),
        (0, 12 * FRAME),
        (12 * FRAME, 16 * FRAME),
        (20 * FRAME, 34 * FRAME),
    ]
    recording.captioner.end(utterance.id, Outcome.CANCELED, "superseded by a newer text")
    assert (recording.last.outcome, recording.last.reason) == (Outcome.CANCELED, "superseded by a newer text")


def test_a_return_to_rest_that_replaces_another_is_one_part(recording: Recording) -> None:
    utterance = started(recording)
    recording.captioner.sent(utterance, chunk(0, replace(TEA, end=4), Part(REST, "", 4, 24)), START)
    recording.captioner.sent(utterance, chunk(8, Part(REST, "", 8, 20)), START + 8 * FRAME)
    assert spans(recording.last) == [("tea", 0, 4), ("rest", 4, 20)]
    assert times(recording.last)[-1] == (4 * FRAME, 20 * FRAME)


def test_a_restarted_text_gets_new_parts(recording: Recording) -> None:
    utterance = started(recording)
    recording.captioner.sent(utterance, chunk(0, TEA), START)
    recording.captioner.sent(utterance, chunk(8, Part(REST, "", 8, 20)), START + 8 * FRAME)
    recording.captioner.sent(utterance, chunk(0, TEA), START + 10**9)
    assert (recording.last.attempt, recording.last.parts_started, recording.last.start_stamp) == (2, 1, START + 10**9)
    assert spans(recording.last) == [("tea", 0, 12)] and times(recording.last) == [(10**9, 10**9 + 12 * FRAME)]


def test_an_unknown_end_is_published_once_it_is_known(recording: Recording) -> None:
    utterance = started(recording)
    recording.captioner.sent(utterance, chunk(0, replace(TEA, end=None)), START)
    assert spans(recording.last) == [("tea", 0, None)] and times(recording.last) == [(0, None)]
    recording.captioner.sent(
        utterance, chunk(8, replace(TEA, end=14), replace(PLEASE, start=14, end=None)), START + 8 * FRAME
    )
    assert spans(recording.last) == [("tea", 0, 14), ("please", 14, None)]
    assert times(recording.last) == [(0, 14 * FRAME), (14 * FRAME, None)]


def test_letters_are_joined_into_spelled_words(recording: Recording) -> None:
    utterance = started(recording)
    letters = [
        Part("letter", letter, k, k + 1, word)
        for k, (letter, word) in enumerate(zip("boeve", (3, 3, 4, 4, 4), strict=True))
    ]
    recording.captioner.sent(utterance, chunk(0, *letters, Part("sign", "tea", 5, 9, 5)), START)
    assert recording.last.spelled == ["bo", "eve"]


def test_markers_that_go_on_stay_in_a_long_text(recording: Recording) -> None:
    utterance = started(recording)
    for number in range(3 * MAX_PARTS):
        sign = Part("sign", "tea", 8 * number, 8 * number + 8, number)
        marker = (Part(MARKER, "question", 0, None),) if number == 0 else ()
        recording.captioner.sent(utterance, chunk(8 * number, *marker, sign), START + 8 * number * FRAME)
    captions = recording.last
    assert captions.parts_started == 3 * MAX_PARTS + 1
    assert [part.index for part in captions.parts] == [0, *range(2 * MAX_PARTS + 1, 3 * MAX_PARTS + 1)]
    assert captions.parts[0].text == "question" and captions.parts[0].end_frame is None


def test_texts_still_open_at_close_have_failed(recording: Recording) -> None:
    utterance = started(recording)
    recording.captioner.close()
    assert (recording.last.id, recording.last.outcome) == (
        utterance.id,
        Outcome.FAILED,
    ) and "stopped" in recording.last.reason
    count = len(recording.messages)
    started(recording)
    assert len(recording.messages) == count


@pytest.mark.parametrize("char", ["a", "\x01", '"', "\U0001f642", "\ud800", "ü"])
def test_no_text_makes_a_message_too_large(recording: Recording, char: str) -> None:
    """The most of everything, of the characters that take most room."""
    utterance = started(recording, char * 100_000)
    assert recording.last.shortened and recording.last.characters == 100_000 and len(recording.last.text) == 1000
    utterance.warnings = (char * 10_000,) * 100
    markers = [Part(MARKER, char * 200 + str(k), 0, None) for k in range(5)]
    recording.captioner.sent(utterance, chunk(0, *markers), START)
    for number in range(100):
        word = [Part("letter", char * 200, 8 * number + k, 8 * number + k + 1, number) for k in range(8)]
        recording.captioner.sent(utterance, chunk(8 * number, *word), START + 8 * number * FRAME)
    recording.captioner.end(utterance.id, Outcome.FAILED, char * 10_000, utterance)
    largest = max(len(message.encode()) for message in recording.messages)
    assert 20_000 < largest <= MAX_BYTES
    assert recording.last.text == (char * 1000).encode("utf-8", "replace").decode()


class Signing:
    """Texts that an engine signed, with what a sender sends: stamps without a gap."""

    def __init__(self, bundle: Path) -> None:
        self.recording, self.chunks, self.stamps = Recording(), list[Chunk](), list[int]()
        self.engine = SigningEngine(Signer(bundle, steps=1), max_waiting=3)
        self._end = START

    def submit(self, text: str, limits: Limits) -> Utterance:
        self.chunks, self.stamps = [], []
        id = uuid.uuid4()
        self.recording.captioner.accept(id, text)
        return self.engine.submit(text, Style(limits=limits), id=id)

    def take(self, most: int | None = None) -> None:
        """Chunks to the end of the text, or so many."""
        while most is None or len(self.chunks) < most:
            item = self.engine.peek(20.0)
            assert item is not None and self.engine.take(item)
            utterance, chunk = item
            if not isinstance(chunk, Chunk):
                assert chunk is Notice.END and self.engine.played(START) == [utterance]
                assert utterance.outcome is not None
                self.recording.captioner.end(utterance.id, utterance.outcome, str(utterance.error or ""), utterance)
                return
            self.chunks.append(chunk)
            self.stamps.append(self._end)
            self.recording.captioner.sent(utterance, chunk, self._end)
            self._end += chunk.end_time - chunk.start_time

    def check(self) -> None:
        """What was published last is what was sent."""
        captions, first = self.recording.last, max(k for k, chunk in enumerate(self.chunks) if chunk.start == 0)
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
def signing(bundle: Path) -> Iterator[Signing]:
    signing = Signing(bundle)
    yield signing
    signing.engine.close()


@pytest.mark.parametrize("limits", [Limits(), Limits(velocity=0.4)])
def test_captions_match_the_chunks_of_the_engine(signing: Signing, limits: Limits) -> None:
    signing.submit("hello bob, tea?", limits)
    signing.take()
    signing.check()
    assert [part.text for part in signing.recording.last.parts] == ["question", "hello", "b", "o", "b", "tea", ""]
    assert signing.recording.last.spelled == ["bob"]


@pytest.mark.parametrize("limits", [Limits(), Limits(velocity=0.4)])
@pytest.mark.parametrize("chunks", [1, 4, 9])
def test_captions_after_cancel(signing: Signing, limits: Limits, chunks: int) -> None:
    signing.submit("hello bob, tea? please", limits)
    signing.take(chunks)
    signing.engine.cancel()
    signing.take()
    signing.check()
    last = signing.recording.last
    assert last.outcome is Outcome.CANCELED
    rest = last.parts[-1]
    assert rest.start_frame == 8 * chunks and all((part.end_frame or 0) <= 8 * chunks for part in last.parts[:-1])


def test_captions_after_pause_and_resume(signing: Signing) -> None:
    signing.submit("hello bob, tea?", Limits())
    signing.take(5)
    signing.engine.pause()
    signing.engine.resume()  # before the way back was taken
    signing.take()
    signing.check()
    assert signing.recording.last.attempt == 2 and signing.recording.last.outcome is Outcome.SIGNED
    assert [part.text for part in signing.recording.last.parts] == ["question", "hello", "b", "o", "b", "tea", ""]


def test_a_very_long_text_keeps_its_captions_small(signing: Signing) -> None:
    text = ("[question]" + "tea bo, " * 12_500)[:100_000]
    signing.submit(text, Limits())
    signing.take(400)
    messages = signing.recording.messages
    assert max(len(message.encode()) for message in messages) < 20_000
    last = signing.recording.last
    assert last.parts_started > MAX_PARTS + 10 and len(last.parts) <= MAX_PARTS + 1
    assert last.parts[0].text == "question" and last.parts[-1].index == last.parts_started - 1
    signing.engine.cancel()
    signing.take()


def test_json_round_trip() -> None:
    part = TimedPart(3, "letter", "ü", 7, True, 4, None, START, None)
    captions = Captions(uuid.uuid4(), "grüß\n", 5, False, FPS, State.ENDED, Outcome.DROPPED, "why", ["w"], parts=[part])
    assert Captions.parse(captions.json()) == captions
    assert len(captions.json().splitlines()) == 1
    newer = json.loads(captions.json()) | {"colour": "blue", "fps": 25}
    newer["parts"][0]["colour"] = "blue"
    assert Captions.parse(json.dumps(newer)) == captions, "what a later version adds is passed over"


def test_a_message_from_before_said_and_alternative_is_read() -> None:
    part = TimedPart(3, "sign", "cat", 7, True, 4, None, START, None)
    captions = Captions(uuid.uuid4(), "cats", 4, False, FPS, parts=[part])
    older = json.loads(captions.json())
    for key in ("said", "alternative"):
        del older["parts"][0][key]
    assert Captions.parse(json.dumps(older)) == captions


GOOD = json.loads(Captions(uuid.uuid4(), "tea", 3, False, FPS).json())


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("", "JSON"),
        ("[]", "list"),
        ("[" * 100_000, "RecursionError"),
        ("{}", "version"),
        (json.dumps(GOOD | {"version": 2}), "version 2; this program reads version 1"),
        (json.dumps(GOOD | {"id": "tea"}), "hexadecimal"),
        (json.dumps(GOOD | {"text": 5}), "text is 5"),
        (json.dumps(GOOD | {"outcome": "lost"}), "lost"),
        (json.dumps(GOOD | {"parts": [{}]}), "index"),
        (
            json.dumps(GOOD | {"parts": [vars(TimedPart(0, "sign", "cat", 0, False, 0, 1, 0, 1)) | {"said": 1}]}),
            "said is 1",
        ),
        (json.dumps({key: value for key, value in GOOD.items() if key != "frames"}), "frames"),
    ],
)
def test_invalid_captions_are_refused(data: str, named: str) -> None:
    with pytest.raises(CaptionsError, match=named):
        Captions.parse(data)


def test_the_page_shows_what_is_sent() -> None:
    page = (ROOT / "docs" / "captions.md").read_text()
    example = Captions.parse(page.partition("```json")[2].partition("```")[0])
    for key in (*json.loads(example.json()), *vars(example.parts[0])):
        assert f"`{key}`" in page, f"docs/captions.md says nothing of {key}"
    assert f"{MAX_BYTES // 1000} kB" in page and f"latest {MAX_PARTS} parts" in page
    recording = Recording()
    utterance = Utterance(example.text, Style(), id=example.id)
    recording.captioner.accept(utterance.id, example.text)
    parts = [
        Part(p.kind, p.text, p.start_frame, p.end_frame, p.word, p.estimated, p.said, p.alternative)
        for p in example.parts
    ]
    sent = SimpleNamespace(id=example.id, warnings=(), return_frame=None)
    for start in range(0, example.frames, 8):
        own = [part for part in parts if start <= part.start < start + 8]
        recording.captioner.sent(sent, chunk(start, *own), (example.start_stamp or 0) + start * FRAME)  # type: ignore[arg-type]
    assert json.loads(recording.messages[-1]) == json.loads(example.json())
