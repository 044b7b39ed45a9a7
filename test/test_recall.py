"""What was sent and is still to be played can be taken back: engine, sender and captions with a clock of the test."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_engine import Waving

from text2sign_ros.inference import engine
from text2sign_ros.inference.engine import Outcome, Policy, QueueFullError, SigningEngine, Style, Utterance
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.motion.playback import Piece, Playback
from text2sign_ros.motion.timeline import REST
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.captions import Captioner, Captions
from text2sign_ros.wire.schedule import Schedule
from text2sign_ros.wire.sender import Sender, edge

MS, FRAME = 10**6, 40 * 10**6
DELAY, START = 100 * MS, 10**12
STYLE = Style(frames_per_chunk=8)


class Stage:
    """An engine and its sender, advanced by a clock of the test, and a consumer that replaces what overlaps."""

    def __init__(self, lead: float = 0.2) -> None:
        self.time, self.lead, self.consumers = START, round(lead * 1e9), 1
        self.engine = SigningEngine(Waving(), max_waiting=5, edge=lambda: edge(self))  # type: ignore[arg-type]
        self.sender = Sender(self.engine, Schedule(), self, self)
        self.captions: dict[uuid.UUID, Captions] = {}
        self.captioner = Captioner(25.0, self._caption)
        self.playback = Playback()
        self.knots: list[tuple[int, np.ndarray, uuid.UUID, int]] = []  # time, positions, text, frame: as held
        self.order: list[uuid.UUID] = []
        self.ends: dict[uuid.UUID, int] = {}
        self.late, self.moves = 0, False  # whether a motion may go on later than it should

    def _caption(self, captions: Captions) -> None:
        self.captions[captions.id] = Captions.parse(captions.json())

    def submit(self, text: str, policy: Policy = Policy.QUEUE) -> Utterance:
        id = uuid.uuid4()
        self.captioner.accept(id, text)
        return self.engine.submit(text, STYLE, policy=policy, id=id)

    def run(self, seconds: float) -> None:
        """Let time pass, in steps of 20 ms, in each of which everything due is sent."""
        for _ in range(round(seconds / 0.02)):
            self.time += 20 * MS
            self.step()
            self.playback.pose(self.time)

    def step(self) -> None:
        for utterance in self.sender._ended(self.time):
            self.ended(utterance)
        while (item := self.engine.peek(5.0 if self._signing() else 0.0)) is not None:
            if self.sender._advance(item, self.time) > 0:
                return

    def _signing(self) -> bool:
        return self.engine._running is not None or (self.engine.waiting > 0 and not self.engine.paused)

    def finish(self) -> None:
        self.engine.resume()
        for _ in range(200):
            if self.engine.idle:
                return
            self.run(0.5)
        raise AssertionError("a text did not end")

    def played(self, utterance: Utterance) -> list[int]:
        """The frames of a text that were played, or will be if nothing changes."""
        return [frame for _, _, id, frame in self.knots if id == utterance.id]

    # As a sink

    def now(self) -> int:
        return self.time

    def lead_time(self) -> int:
        return self.lead

    def start_delay(self) -> int:
        return DELAY

    def receivers(self) -> int:
        return self.consumers

    def closed(self) -> bool:
        return False

    def publish(self, chunk: Chunk, stamp: int) -> None:
        self.chunk = trajectory.decode(trajectory.encode(chunk, stamp))

    # As an observer

    def sent(self, utterance: Utterance, chunk: Chunk, stamp: int, *, late: bool) -> None:
        assert stamp == self.chunk.stamp_ns > self.time, "what is played can't be replaced"
        self.knots = [knot for knot in self.knots if knot[0] < stamp]
        times = self.chunk.stamp_ns + self.chunk.time_from_start
        frames = chunk.start + np.arange(len(chunk))
        self.knots += zip(
            times.tolist(), chunk.positions, itertools.repeat(utterance.id), frames.tolist(), strict=False
        )
        self.playback.add(Piece(times, self.chunk.positions, self.chunk.velocities), self.time)
        self.late += late
        self.captioner.sent(utterance, chunk, stamp)

    def moved(self, stamp: int, due: int) -> None:
        assert self.moves, "nothing is late here"

    def recalled(self, utterance: Utterance) -> None:
        self.captioner.recall(utterance.id)

    def ended(self, utterance: Utterance) -> None:
        assert utterance.id not in self.ends and utterance.outcome is not None
        own = [time for time, _, id, _ in self.knots if id == utterance.id]
        assert all(time <= self.time for time in own), "it was not played yet"
        if utterance.outcome not in (Outcome.DROPPED, Outcome.CANCELED):  # which a pause may have interrupted long ago
            assert not own or self.time - own[-1] <= 20 * MS, "it was long over"
        self.ends[utterance.id] = self.time
        self.captioner.end(utterance.id, utterance.outcome, "", utterance)

    def send_failed(self, utterance: Utterance, error: Exception) -> None:
        raise error

    def check(self, *utterances: Utterance) -> None:
        """All has ended; what was played is one motion from rest to rest, and the captions are of it."""
        assert self.engine.idle and not self.late and set(self.ends) == {p.id for p in utterances}
        assert not self.playback.breaks and self.playback.at_rest(self.time)
        if self.knots:
            positions = np.stack([positions for _, positions, _, _ in self.knots])
            assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.1, "it leaps"
            np.testing.assert_allclose(positions[[0, -1]], np.stack((REST_POSE, REST_POSE)), atol=1e-5)
        for utterance in utterances:
            frames = self.played(utterance)
            attempt = frames[len(frames) - 1 - frames[::-1].index(0) :] if frames else []
            assert attempt == list(range(len(attempt))), "frames are missing"
            captions = self.captions[utterance.id]
            assert captions.outcome is utterance.outcome
            if utterance.outcome is Outcome.SIGNED:
                assert len(attempt) == 20 * int(utterance.text) + 3
            if captions.frames:
                # The first frame of the next text may replace the last one of a way back: both are at rest.
                replaced = captions.frames - len(attempt)
                assert replaced == 0 or (replaced == 1 and utterance.outcome is Outcome.CANCELED)
                hands = [part for part in captions.parts if part.kind != "marker"]
                assert hands[-1].kind == REST and hands[-1].end_frame == captions.frames
                first = next(time for time, _, id, frame in reversed(self.knots) if id == utterance.id and frame == 0)
                for part, following in itertools.pairwise(hands):
                    assert (part.end_frame, part.end_stamp) == (following.start_frame, following.start_stamp)
                    assert part.start_stamp == first + part.start_frame * FRAME

    def close(self) -> None:
        self.engine.close()


@pytest.fixture
def stages() -> Iterator[list[Stage]]:
    stages: list[Stage] = []
    yield stages
    for stage in stages:
        stage.close()


def stage(stages: list[Stage], lead: float) -> Stage:
    stages.append(Stage(lead))
    return stages[-1]


@pytest.mark.parametrize("lead", [0.2, 2.0, 60.0])
def test_a_text_ends_when_its_last_point_is_played(stages: list[Stage], lead: float) -> None:
    s = stage(stages, lead)
    utterance = s.submit("3")
    s.run(2.0)
    assert not s.ends, "63 frames take 2.6 s"
    s.run(0.6)
    assert utterance.id in s.ends and s.ends[utterance.id] - s.knots[-1][0] < 20 * MS
    s.check(utterance)


@pytest.mark.parametrize("lead", [0.2, 2.0, 60.0])
def test_cancel_reaches_what_was_sent(stages: list[Stage], lead: float) -> None:
    s = stage(stages, lead)
    first, second = s.submit("20"), s.submit("3")
    s.run(1.5)
    canceled_at = s.time
    assert s.engine.cancel() == 2
    s.run(2.0)
    s.check(first, second)
    rest = s.captions[first.id].parts[-1]
    assert rest.start_stamp is not None and rest.start_stamp - canceled_at <= DELAY + 20 * MS + FRAME
    assert s.ends[first.id] - canceled_at < 1.5e9 and not s.played(second) and s.captions[second.id].parts == []
    assert first.outcome is second.outcome is Outcome.CANCELED
    assert s.engine.cancel() == 0


@pytest.mark.parametrize("lead", [0.2, 60.0])
def test_pause_reaches_what_was_sent_and_the_texts_start_over(stages: list[Stage], lead: float) -> None:
    s = stage(stages, lead)
    texts = [s.submit(text) for text in ("5", "3", "2")]
    s.run(1.5)
    paused_at = s.time
    assert s.engine.pause() == (1 if lead < 1 else 3)
    s.run(10.0)
    assert not s.ends and max(time for time, *_ in s.knots) - paused_at < 1.5e9
    assert [s.captions[p.id].parts == [] for p in texts] == [False, True, True]
    s.finish()
    s.check(*texts)
    assert all(p.outcome is Outcome.SIGNED for p in texts)
    assert [s.captions[p.id].attempt for p in texts] == ([2, 1, 1] if lead < 1 else [2, 2, 2])


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("lead", [0.2, 60.0])
def test_one_text_is_canceled_and_the_others_are_signed(stages: list[Stage], lead: float, which: int) -> None:
    s = stage(stages, lead)
    texts = [s.submit(text) for text in ("3", "2", "1")]
    s.run(1.0)
    assert s.engine.cancel(only=texts[which].id) == 1
    assert s.engine.cancel(only=texts[which].id) == 0 == s.engine.cancel(only=uuid.uuid4())
    s.finish()
    s.check(*texts)
    outcomes = [Outcome.SIGNED] * 3
    outcomes[which] = Outcome.CANCELED
    assert [p.outcome for p in texts] == outcomes
    assert bool(s.played(texts[which])) == (which == 0 or lead > 1)


def test_replace_reaches_what_was_sent(stages: list[Stage]) -> None:
    s = stage(stages, 60.0)
    old = s.submit("20")
    s.run(1.0)
    new = s.submit("1", Policy.REPLACE)
    s.finish()
    s.check(old, new)
    assert len(s.played(old)) < 50 and new.outcome is Outcome.SIGNED
    assert s.time - START < 5 * 10**9


def slow(monkeypatch: pytest.MonkeyPatch, s: Stage, *delays: int) -> list[int]:
    """Let time pass while a way back is computed: milliseconds for each, and none after them. Returns those left."""
    left, to_rest = list(delays), engine.to_rest

    def compute(*arguments: object) -> np.ndarray:
        s.time += (left.pop(0) if left else 0) * MS
        return to_rest(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "to_rest", compute)
    return left


@pytest.mark.parametrize("delays", [(130,), (400,), (400, 500), (150, 400, 1000)])
@pytest.mark.parametrize("lead", [5.0, 60.0])
def test_a_way_back_that_comes_too_late_begins_where_the_motion_has_come_to(
    stages: list[Stage], monkeypatch: pytest.MonkeyPatch, delays: tuple[int, ...], lead: float
) -> None:
    s = stage(stages, lead)
    first, second = s.submit("20"), s.submit("3")
    s.run(1.5)
    left = slow(monkeypatch, s, *delays)
    assert s.engine.cancel() == 2
    s.finish()
    s.check(first, second)
    assert not left or len(delays) > 2, "with each try there is more time"
    assert not s.played(second) and s.captions[second.id].parts == []


def test_all_that_was_sent_is_over_before_the_way_back_is_there(
    stages: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage(stages, 0.2)
    text = s.submit("20")
    s.run(1.5)
    sent = len(s.played(text))
    slow(monkeypatch, s, 400)
    s.moves = True
    s.engine.cancel()
    s.finish()
    frames = s.played(text)
    assert frames == list(range(len(frames))) and len(frames) > sent, "all that was sent was played"
    captions = s.captions[text.id]
    assert captions.frames == len(frames) and captions.parts[-1].start_frame == sent
    assert np.linalg.norm(np.diff([knot[1] for knot in s.knots], axis=0), axis=-1).max() < 0.1, "it leaps"


def test_a_text_that_is_over_before_its_way_back_is_there(stages: list[Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    s = stage(stages, 60.0)
    first, second = s.submit("2"), s.submit("1")
    s.run(1.2)
    slow(monkeypatch, s, 400)
    assert s.engine.pause() == 2
    s.run(0.02)
    s.finish()
    s.check(first, second)
    assert first.outcome is second.outcome is Outcome.SIGNED


def test_a_text_before_its_first_frame(stages: list[Stage]) -> None:
    s = stage(stages, 60.0)
    text = s.submit("3")
    s.step()
    assert s.knots and s.knots[0][0] > s.time
    s.engine.cancel()
    s.finish()
    s.check(text)
    assert len(s.played(text)) < 5, "a consumer is told to stay at rest"


def test_a_text_that_only_returns_to_rest_is_signed_to_its_end(stages: list[Stage]) -> None:
    s = stage(stages, 60.0)
    text = s.submit("2")
    s.run(1.66)  # frame 40 of 43 is played at 1.72 s, as soon as the motion could turn back
    assert not s.ends and s.engine.cancel() == 0
    s.finish()
    s.check(text)
    assert text.outcome is Outcome.SIGNED


def test_a_text_that_nobody_receives_is_unseen(stages: list[Stage]) -> None:
    s = stage(stages, 0.2)
    s.consumers = 0
    alone = s.submit("2")
    s.finish()
    assert alone.outcome is Outcome.UNSEEN and "nobody" in str(alone.error)
    late = s.submit("3")
    s.run(1.0)
    s.consumers = 1
    s.finish()
    assert late.outcome is Outcome.SIGNED and "nobody subscribed to the trajectory for" in late.warnings[-1]


def test_a_clock_that_jumps_back_ends_what_was_sent(stages: list[Stage]) -> None:
    s = stage(stages, 60.0)
    text = s.submit("2")
    s.run(0.5)
    s.time, s.knots = 10**9, []  # a consumer discards what it has
    s.step()
    assert s.ends == {text.id: 10**9} and text.outcome is Outcome.SIGNED
    assert "jumped back" in text.warnings[-1] and s.engine.idle


commands = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.sampled_from([0, 1, 2, 4])),
        st.tuples(st.just("replace"), st.sampled_from([1, 3])),
        st.tuples(st.just("run"), st.sampled_from([0, 0.04, 0.2, 0.7, 2.0])),
        st.tuples(st.just("one"), st.integers(0, 5)),
        st.tuples(st.sampled_from(["cancel", "pause", "resume"]), st.just(0)),
    ),
    max_size=20,
)


@given(commands, st.sampled_from([0.05, 0.2, 1.0, 60.0]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_of_calls_is_played_without_a_leap(commands: list[tuple[str, float]], lead: float) -> None:
    s = Stage(lead)
    texts: list[Utterance] = []
    try:
        for command, argument in commands:
            if command in ("submit", "replace"):
                try:
                    policy = Policy.REPLACE if command == "replace" else Policy.QUEUE
                    texts.append(s.submit(str(int(argument)), policy))
                except QueueFullError:
                    assert s.engine.waiting >= 5
            elif command == "run":
                s.run(argument)
            elif command == "one":
                s.engine.cancel(only=texts[int(argument) % len(texts)].id if texts else uuid.uuid4())
            else:
                getattr(s.engine, command)()
        s.finish()
        s.check(*texts)
    finally:
        s.close()
