"""Schedule: contiguous within a text, texts apart, never in the past, whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from text2sign_ros.wire.schedule import JUMP, Schedule

MS = 10**6
DELAY, CHUNK = 100 * MS, 320 * MS


def test_chunks_follow_one_another_and_texts_wait_for_the_one_before() -> None:
    schedule = Schedule()
    first = schedule.stamp(0, 1000 * MS, DELAY)
    assert first == 1100 * MS
    schedule.sent(CHUNK)
    assert schedule.stamp(CHUNK, 1020 * MS, DELAY) == first + CHUNK
    schedule.sent(2 * CHUNK)
    schedule.begin()
    assert schedule.stamp(0, 1030 * MS, DELAY) == first + 2 * CHUNK
    schedule.begin()
    assert schedule.stamp(0, 60_000 * MS, DELAY) == 60_100 * MS


def test_late_chunk_moves_the_rest() -> None:
    schedule = Schedule()
    first = schedule.stamp(0, 1000 * MS, DELAY)
    schedule.sent(CHUNK)
    now = first + CHUNK + 1
    assert schedule.stamp(CHUNK, now, DELAY) == now + DELAY
    schedule.sent(2 * CHUNK)
    assert schedule.stamp(2 * CHUNK, now, DELAY) == now + DELAY + CHUNK


def test_clock_that_goes_back() -> None:
    schedule = Schedule()
    assert not schedule.jumped_back(50_000 * MS)
    schedule.stamp(0, 50_000 * MS, DELAY)
    schedule.sent(CHUNK)
    assert not schedule.jumped_back(50_000 * MS - JUMP)
    small = schedule.stamp(CHUNK, 50_000 * MS - JUMP, DELAY)
    assert small == 50_100 * MS + CHUNK, "a correction of the clock is waited out"
    assert schedule.jumped_back(10 * MS) and not schedule.jumped_back(10 * MS)
    assert schedule.stamp(CHUNK, 10 * MS, DELAY) == 110 * MS
    schedule.sent(2 * CHUNK)
    schedule.begin()
    assert schedule.stamp(0, 5000 * MS, DELAY) == 5100 * MS, "the end of a text in the old time means nothing now"


@given(st.lists(st.tuples(st.integers(-2000, 2000), st.booleans()), min_size=1, max_size=60))
def test_invariants(steps: list[tuple[int, bool]]) -> None:
    schedule, now, start, end = Schedule(), 10_000 * MS, 0, 0
    for step, new_text in steps:
        now = max(now + step * MS, 1)
        if new_text:
            schedule.begin()
            start = 0
        back = schedule.jumped_back(now)
        stamp = schedule.stamp(start, now, DELAY)
        assert stamp >= now
        assert back or stamp >= end or step < 0
        if start and not back and now <= end and step >= 0:
            assert stamp == end
        start += CHUNK
        schedule.sent(start)
        end = stamp + CHUNK
