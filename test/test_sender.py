"""The sender without ROS: chunks in time by any clock, and each reported once it was sent."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest

from text2sign_ros.inference.engine import Item, Notice, Outcome, Style, Utterance
from text2sign_ros.inference.flight import Flight
from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire.schedule import Schedule
from text2sign_ros.wire.sender import Sender

FPS, LEAD, DELAY = 25.0, 200_000_000, 100_000_000


class Ready:
    """Stands in for the engine: all is signed."""

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.flight, self.seen = Flight[Utterance](), list[bool]()

    def put(self, text: str, frames: int = 20) -> Utterance:
        utterance = Utterance(text, Style(), outcome=Outcome.SIGNED)
        still = np.repeat(REST_POSE[None], frames, axis=0).astype(np.float32)
        self.items += [*((utterance, chunk) for chunk in chunks([still], FPS, 8)), (utterance, Notice.END)]
        return utterance

    def peek(self, timeout: float) -> Item | None:
        if self.items:
            return self.items[0]
        time.sleep(min(timeout, 0.01))
        return None

    def take(self, item: Item, stamp: int = 0, *, seen: bool = True) -> bool:
        assert self.items.popleft() is item
        utterance, chunk = item
        if isinstance(chunk, Chunk):
            utterance.origin = stamp - chunk.start_time
            self.flight.add(utterance, chunk, stamp, None)
            self.seen.append(seen)
        else:
            self.flight.end(utterance)
        return True

    def played(self, now: int) -> list[Utterance]:
        return self.flight.played(now)

    def forget(self) -> list[Utterance]:
        return self.flight.forget()

    @property
    def in_flight(self) -> bool:
        return len(self.flight) > 0

    @property
    def idle(self) -> bool:
        return not self.items and not self.in_flight


class Stand:
    """Sink and observer at once, with a clock that the test sets."""

    def __init__(self) -> None:
        self.time, self.reported = 10**12, list[tuple[object, ...]]()
        self.sent_at: list[tuple[int, int]] = []  # clock, stamp
        self.failing, self.ending, self.consumers = False, False, 1

    def now(self) -> int:
        return self.time

    def lead_time(self) -> int:
        return LEAD

    def start_delay(self) -> int:
        return DELAY

    def publish(self, chunk: Chunk, stamp: int) -> None:
        if self.failing:
            raise RuntimeError("no context")
        self.sent_at.append((self.time, stamp))

    def receivers(self) -> int:
        return self.consumers

    def closed(self) -> bool:
        return self.ending

    def sent(self, utterance: Utterance, chunk: Chunk, stamp: int, *, late: bool) -> None:
        assert stamp == self.sent_at[-1][1], "after it was published"
        self.reported.append(("sent", utterance.text, chunk.start, late))

    def moved(self, stamp: int, due: int) -> None:
        self.reported.append(("moved", stamp, due))

    def recalled(self, utterance: Utterance) -> None:
        self.reported.append(("recalled", utterance.text))

    def ended(self, utterance: Utterance) -> None:
        self.reported.append(("ended", utterance.text))

    def send_failed(self, utterance: Utterance, error: Exception) -> None:
        self.reported.append(("broke", utterance.text, str(error)))

    def until(self, count: int) -> None:
        deadline = time.monotonic() + 10.0
        while len(self.reported) < count:
            assert time.monotonic() < deadline, self.reported
            time.sleep(0.002)


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
def engine() -> Ready:
    return Ready()


@pytest.fixture
def sender(stand: Stand, engine: Ready) -> Iterator[Sender]:
    sender = Sender(engine, Schedule(), stand, stand)  # type: ignore[arg-type]
    yield sender
    sender.stop()


def test_chunks_are_sent_ahead_of_their_stamps_and_reported(sender: Sender, stand: Stand, engine: Ready) -> None:
    engine.put("tea")
    sender.start()
    stand.until(1)
    time.sleep(0.1)
    assert stand.reported == [("sent", "tea", 0, False)], "the next is not due"
    begin = stand.sent_at[0][1]
    assert begin == stand.time + DELAY
    stand.time = begin + 8 * 40_000_000 - LEAD
    stand.until(2)
    stand.time = begin + 16 * 40_000_000 - LEAD
    stand.until(3)
    stand.time = begin + 19 * 40_000_000 - 1
    time.sleep(0.1)
    assert stand.reported[1:] == [("sent", "tea", 8, False), ("sent", "tea", 16, False)], "it is not played yet"
    stand.time = begin + 19 * 40_000_000
    stand.until(4)
    assert stand.reported[3] == ("ended", "tea")
    assert [stamp - begin for _, stamp in stand.sent_at] == [0, 8 * 40_000_000, 16 * 40_000_000]
    assert all(at >= stamp - LEAD for at, stamp in stand.sent_at)


def test_a_clock_that_jumps_moves_the_rest_of_the_motion_and_that_is_reported(
    sender: Sender, stand: Stand, engine: Ready
) -> None:
    engine.put("tea")
    sender.start()
    stand.until(1)
    begin = stand.sent_at[0][1]
    due, stand.time = begin + 8 * 40_000_000, begin + 10**10
    stand.until(3)
    assert stand.reported[1:3] == [("sent", "tea", 8, True), ("moved", stand.sent_at[1][1], due)]


def test_a_chunk_that_can_not_be_sent_is_reported_and_the_next_is_sent(
    sender: Sender, stand: Stand, engine: Ready
) -> None:
    stand.failing = True
    engine.put("tea", frames=8)
    sender.start()
    stand.until(1)
    stand.time += 10**9
    stand.until(2)
    assert stand.reported == [("broke", "tea", "no context"), ("ended", "tea")]
    stand.failing = False
    engine.put("no", frames=8)
    stand.until(3)
    stand.time += 10**9
    stand.until(4)
    assert stand.reported[2:] == [("sent", "no", 0, False), ("ended", "no")]


def test_the_end_of_the_process_is_not_a_failure(sender: Sender, stand: Stand, engine: Ready) -> None:
    stand.failing = stand.ending = True
    engine.put("tea", frames=8)
    sender.start()
    deadline = time.monotonic() + 10.0
    while engine.items:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stand.time += 10**9
    stand.until(1)
    assert stand.reported == [("ended", "tea")]


def test_finish_waits_for_all_and_gives_up_if_the_clock_has_stopped(
    sender: Sender, stand: Stand, engine: Ready
) -> None:
    engine.put("tea")
    sender.start()
    stand.until(1)
    assert not sender.finish(lambda: True), "the clock stands"
    stopped, ticking = threading.Event(), threading.Thread(target=lambda: [tick() for _ in iter(stopped.is_set, True)])

    def tick() -> None:
        stand.time += 20_000_000
        time.sleep(0.002)

    ticking.start()
    try:
        assert sender.finish(lambda: True) and stand.reported[-1] == ("ended", "tea")
    finally:
        stopped.set()
        ticking.join()


def test_a_clock_that_jumps_back_ends_what_was_sent(sender: Sender, stand: Stand, engine: Ready) -> None:
    engine.put("tea", frames=8)
    sender.start()
    stand.until(1)
    stand.time = 10**9
    stand.until(2)
    assert stand.reported[1] == ("ended", "tea"), "its stamps will never come"
    engine.put("no", frames=8)
    stand.until(3)
    assert stand.sent_at[-1] == (10**9, 10**9 + DELAY)


def test_it_says_whether_anybody_receives_a_chunk(sender: Sender, stand: Stand, engine: Ready) -> None:
    stand.consumers = 0
    engine.put("tea", frames=8)
    sender.start()
    stand.until(1)
    stand.consumers = 2
    engine.put("no", frames=8)
    stand.time += 10**9
    stand.until(3)
    assert engine.seen == [False, True]
