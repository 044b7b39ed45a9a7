"""The listener: what a consumer of chunks does, without ROS; what it says is what happened, once."""

from __future__ import annotations

import numpy as np
import pytest

from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.diagnosis import RECENT, Level
from text2sign_ros.wire.listener import Listener

FPS, FRAME, START = 25.0, 40_000_000, 10**12
COUNT = 40


def motion() -> list[Chunk]:
    up = np.sin(np.linspace(0, np.pi, COUNT))[:, None, None] ** 2 * np.array((0.0, 0.0, 0.2))
    return list(chunks([(REST_POSE + up).astype(np.float32)], FPS, 8))


class Consumer:
    """Hears and looks at a time of its own."""

    def __init__(self) -> None:
        self.seconds, self.now = 0.0, START
        self.listener = Listener("/signer/trajectory", clock=lambda: self.seconds)

    def receive(self, *sent: Chunk, publishers: int = 1, origin: int = START) -> list[str]:
        return [
            self.listener.receive(trajectory.encode(chunk, origin + chunk.start_time), self.now, publishers)
            for chunk in sent
        ]

    def watch(self, frames: int) -> int:
        """Look at so many moments, a frame apart; how many motions broke off."""
        broken = 0
        for _ in range(frames):
            self.now += FRAME
            broken += self.listener.sample(self.now).broke_off
        return broken

    def assessment(self, publishers: int = 1) -> tuple[Level, str]:
        return self.listener.assess(self.now, publishers)


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


def test_a_motion_is_played_from_rest_to_rest(consumer: Consumer) -> None:
    assert consumer.listener.sample(START).at_rest
    assert consumer.assessment() == (Level.OK, "at rest: waiting for motion")
    begin = START + 10**9
    assert consumer.receive(*motion(), origin=begin) == [""] * 5
    assert consumer.listener.ahead(begin) == pytest.approx((COUNT - 1) / FPS)
    assert not consumer.listener.sample(START).at_rest and consumer.assessment() == (Level.OK, "playing")
    whole = [np.concatenate([getattr(c, name) for c in motion()]) for name in ("positions", "velocities")]
    for frame in range(COUNT):
        moment = consumer.listener.sample(begin + frame * FRAME)
        np.testing.assert_allclose(moment.positions, whole[0][frame], atol=1e-6)
        np.testing.assert_allclose(moment.velocities, whole[1][frame], atol=1e-5)
        assert moment.positions.shape == moment.velocities.shape == (79, 3)
    assert moment.at_rest and not moment.broke_off
    values = consumer.listener.values(begin + COUNT * FRAME, 1)
    assert values["chunks played"] == "5" and values["motions broken off"] == "0"


def test_each_broken_motion_is_reported_once(consumer: Consumer) -> None:
    consumer.receive(*motion()[:2])
    assert consumer.watch(10) == 0
    assert consumer.watch(60) == 1 and consumer.listener.broken_off
    level, message = consumer.assessment()
    assert level is Level.WARN and "broke off" in message
    assert consumer.listener.sample(consumer.now).at_rest, "it has gone to rest"
    consumer.receive(*motion()[:2], origin=consumer.now + 10 * FRAME)
    assert not consumer.listener.broken_off and consumer.watch(80) == 1
    assert consumer.listener.values(consumer.now, 1)["motions broken off"] == "2"


def test_a_break_is_reported_even_if_the_next_motion_has_arrived_before_the_next_sample(consumer: Consumer) -> None:
    consumer.receive(*motion()[:2])
    consumer.watch(10)
    consumer.now += 20 * FRAME
    consumer.receive(*motion(), origin=consumer.now + 10 * FRAME)
    assert consumer.watch(1) == 1 and consumer.watch(60) == 0


def test_refusals_are_counted_and_reported_for_a_while(consumer: Consumer) -> None:
    assert "garbled" in consumer.listener.receive(b"\0\1\0\0" + bytes(4), START, 1)
    swapped = trajectory.encode(motion()[0], START).replace(b"left_eye\0", b"left_ear\0", 1)
    assert "joint_names" in consumer.listener.receive(swapped, START, 1)
    (late,) = consumer.receive(motion()[0], origin=START - 10**12)
    assert "arrived" in late
    assert consumer.assessment() == (Level.WARN, f"chunks are not played: {late}")
    values = consumer.listener.values(START, 1)
    assert (values["chunks refused"], values["chunks played"], values["last refusal"]) == ("3", "0", late)
    consumer.seconds = RECENT + 1
    assert consumer.assessment() == (Level.OK, "at rest: waiting for motion")


def test_of_two_publishers_the_motion_in_progress_is_played(consumer: Consumer) -> None:
    first, *others = motion()
    assert consumer.receive(first, publishers=2) == [""]
    (refusal,) = consumer.receive(first, publishers=2, origin=START + 2 * FRAME)
    assert "several nodes publish /signer/trajectory" in refusal
    assert consumer.receive(*others, publishers=2) == [""] * 4, "its continuation is"
    assert consumer.receive(first, publishers=1, origin=START + 5 * FRAME) == [""], "alone a signer may begin anew"


def test_diagnostics_name_what_is_missing_first(consumer: Consumer) -> None:
    level, message = consumer.assessment(publishers=0)
    assert level is Level.WARN and message.startswith("nobody publishes /signer/trajectory")
    consumer.now = 0
    assert "/clock" in consumer.assessment(publishers=0)[1]
    other = Listener("/t", doing="retargeting")
    other.receive(trajectory.encode(motion()[0], START), START, 1)
    assert other.assess(START, 1) == (Level.OK, "retargeting")
