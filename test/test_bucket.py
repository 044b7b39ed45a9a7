"""TokenBucket: bursts pass, floods do not, and nothing goes uncounted."""

from __future__ import annotations

import threading

from text2sign_ros.wire.bucket import TokenBucket


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(50, clock)
    assert [bucket.take(10.0) for _ in range(60)] == [True] * 50 + [False] * 10
    assert bucket.missed() == 10 and bucket.missed() == 0
    clock.now += 0.5
    assert [bucket.take(10.0) for _ in range(6)] == [True] * 5 + [False]


def test_a_long_silence_saves_up_no_more_than_a_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(3, clock)
    clock.now += 1e6
    assert [bucket.take(10.0) for _ in range(4)] == [True] * 3 + [False]


def test_no_limit_and_a_rate_that_is_changed() -> None:
    clock = Clock()
    bucket = TokenBucket(1, clock)
    assert all(bucket.take(0.0) for _ in range(1000)) and not bucket.missed()
    assert bucket.take(1.0) and not bucket.take(1.0)
    clock.now += 0.1
    assert not bucket.take(1.0) and bucket.take(10.0 + 1e-6) is False
    clock.now += 0.1
    assert bucket.take(10.0)


def test_threads_share_what_there_is() -> None:
    bucket, passed = TokenBucket(1000, Clock()), []

    def take() -> None:
        passed.append(sum(bucket.take(1.0) for _ in range(500)))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 1000 and bucket.missed() == 1000
