"""JointStream without ROS, on GR3: what it sends keeps the limits, agrees with what it has sent, and ends at rest."""

from __future__ import annotations

import numpy as np
import pytest
from robots import robot
from test_playback import LEAD, motion, piece

from text2sign_ros.motion.playback import Playback
from text2sign_ros.retarget.pacing import Command
from text2sign_ros.retarget.stream import JointStream

PERIOD, HORIZON, DELAY = 10_000_000, 100_000_000, 400_000_000
SECOND = 10**9


class Run:
    """Lets time go by in periods; keeps what a controller that follows every trajectory on arrival commands."""

    def __init__(self) -> None:
        self.model = robot("gr3")
        self.playback, self.now = Playback(), 100 * SECOND
        self.stream = JointStream(self.model, period=PERIOD, horizon=HORIZON, delay=DELAY)
        self.stream.start(self.now, self.model.rest)
        self.latest: list[Command] = []
        self.done: dict[int, Command] = {}
        self.sent = 0

    def go(self, seconds: float, frozen: float = 0.0, *, leave: bool = False) -> None:
        self.follow(round(frozen * SECOND))
        for turn in range(round(seconds * SECOND / PERIOD)):
            self.playback.knot(self.now)
            if leave:
                self.playback.leave(self.now)
            self.stream.advance(self.playback, self.now)
            if turn % 4 == 0 and (commands := self.stream.trajectory()):
                assert commands[0].time > self.now
                self.latest, self.sent = list(commands), self.sent + 1
            self.follow(PERIOD)

    def follow(self, span: int) -> None:
        self.now += span
        self.done |= {c.time: c for c in self.latest if self.now - span < c.time <= self.now}

    def check(self) -> None:
        limits = self.model
        times = np.array(sorted(self.done))
        assert (np.diff(times) == PERIOD).all()
        rows = [self.done[at] for at in times.tolist()]
        speeds = np.array([c.velocities for c in rows])
        pushes = np.array([c.accelerations for c in rows])
        assert (np.abs(speeds) <= limits.velocity + 1e-9).all()
        assert (np.abs(pushes) <= limits.acceleration + 1e-9).all()
        assert (np.abs(np.diff(pushes, axis=0)) / (PERIOD * 1e-9) <= limits.jerk + 1e-3).all(), (
            "one agrees with the next"
        )
        assert not rows[-1].velocities.any() and not rows[-1].accelerations.any()


def test_follows_and_comes_to_rest() -> None:
    run = Run()
    run.go(0.5)
    assert not run.sent, "no motion, no trajectory"
    begin = run.now + LEAD
    for chunk in motion():
        run.playback.add(piece(chunk, begin), run.now)
    run.go(4.5)
    assert run.stream.standing and run.stream.solved >= 41 and not run.stream.refused
    assert DELAY * 1e-9 <= run.stream.lag < 1.5
    run.check()


def test_a_freeze_in_mid_motion_is_made_up_for() -> None:
    run = Run()
    begin = run.now + LEAD
    for chunk in motion():
        run.playback.add(piece(chunk, begin), run.now)
    run.go(1.0)
    assert run.sent and not run.stream.standing
    run.go(4.0, frozen=0.8)
    assert run.stream.standing
    run.check()


def test_a_stop_in_mid_motion() -> None:
    run = Run()
    begin = run.now + LEAD
    for chunk in motion():
        run.playback.add(piece(chunk, begin), run.now)
    run.go(1.0)
    solved = run.stream.solved
    run.stream.stop()
    run.go(1.5)
    assert run.stream.standing and run.stream.stopped and run.stream.solved == solved
    run.check()


def test_every_frame_of_a_burst_is_solved() -> None:
    """As when messages have waited, or all of a text is sent at once: chunks come faster than frames are solved."""
    run = Run()
    run.go(0.05)
    begin = run.now + LEAD
    for chunk in motion():
        run.playback.add(piece(chunk, begin), run.now)
        run.go(PERIOD / SECOND)
    run.go(4.5)
    assert run.stream.standing and run.stream.solved >= 41
    run.check()


@pytest.mark.parametrize("after", [0.4, 0.5, 0.8])
def test_a_figure_that_leaves_its_motion_brings_the_robot_to_rest(after: float) -> None:
    run = Run()
    begin = run.now + LEAD
    for chunk in motion():
        run.playback.add(piece(chunk, begin), run.now)
    run.go(LEAD / SECOND + after)
    assert not run.playback.at_rest(run.now)
    run.go(9.0, leave=True)
    assert run.playback.at_rest(run.now) and run.stream.standing
    run.check()
    end = run.done[max(run.done)].positions
    assert np.abs(end[run.model.groups["waist"]]).max() < 0.05, "it did not stop on the way there"
