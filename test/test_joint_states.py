"""JointStates: who publishes what, and from when a robot is known to stand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from text2sign_ros.retarget.joint_states import JointStates

JOINTS = ("shoulder", "elbow", "finger")


def test_each_joint_comes_from_whoever_tells_it() -> None:
    states = JointStates(JOINTS)
    assert not states.came and not states.complete
    states.receive(["knee", "elbow"], [9.0, 1.0], [0.0, 0.0], 1.0)
    assert states.came and states.lacking == ("shoulder", "finger")
    states.receive(["finger", "shoulder"], [3.0, 2.0], [0.0, 0.5], 1.0, stamp=7)
    assert states.complete and states.positions.tolist() == [2.0, 1.0, 3.0]
    assert states.fastest == ("shoulder", 0.5) and states.stamp is None, "the elbow's is not known"
    states.receive(["elbow"], [1.0], [], 1.1, stamp=5)
    assert states.stamp == 5
    states.wait(0.3)
    states.receive(["knee"], [0.0], [], 1.2)
    states.receive(["elbow"], [1.0], [0.0], 1.2)
    assert states.silence == pytest.approx(0.3), "of shoulder and finger"
    states.forget()
    assert states.lacking == JOINTS


@pytest.mark.parametrize(
    ("names", "positions", "velocities", "words"),
    [
        (JOINTS, [0.0, 0.0], [], "3 names, 2 positions and 0 velocities do not match"),
        (JOINTS, [0.0, 0.0, 0.0], [0.0], "3 names, 3 positions and 1 velocities do not match"),
        (JOINTS, [0.0, np.nan, 0.0], [], "the position of elbow is nan"),
        (JOINTS, [0.0, 0.0, -np.inf], [], "the position of finger is -inf"),
        (JOINTS, [1e300, 0.0, 0.0], [], r"the position of shoulder is 1e\+300"),
        (("elbow", "elbow", "finger"), [0.0, 0.0, 0.0], [], "elbow is named twice"),
    ],
)
def test_a_message_that_is_wrong_counts_for_nothing(
    names: tuple[str, ...], positions: list[float], velocities: list[float], words: str
) -> None:
    states = JointStates(JOINTS)
    states.receive(list(JOINTS), [1.0, 2.0, 3.0], [], 1.0)
    states.wait(0.2)
    states.receive(list(names), positions, velocities, 1.1)

    assert re.search(words, states.problem)
    assert states.positions.tolist() == [1.0, 2.0, 3.0] and states.silence == 0.2
    states.receive(list(JOINTS), [1.0, 2.0, 3.0], [], 1.2)
    assert not states.problem and states.silence == 0.0


@pytest.mark.parametrize("velocities", [[], [np.nan] * 3])
def test_without_velocities_they_are_told_from_positions(velocities: list[float]) -> None:
    states = JointStates(JOINTS)
    for k in range(50):
        at = k * 0.01
        states.receive(list(JOINTS), [0.0, 2.0 * at, 0.0], velocities, at)
        assert k >= 10 or states.fastest[1] == np.inf, "not known yet"
    assert states.fastest == ("elbow", pytest.approx(2.0))
    assert states.latest[0] == "elbow" and states.latest[1] < 0.02


def test_how_long_a_robot_has_stood() -> None:
    states, rng = JointStates(JOINTS), np.random.default_rng(0)
    for k in range(100):
        moving = np.array((0.0, 0.0, 0.01 * min(k, 40)))
        states.receive(list(JOINTS), (moving + rng.normal(0, 0.001, 3)).tolist(), [0.0] * 3, k * 0.01)
    joint, seconds = states.latest
    assert joint == "finger" and seconds == pytest.approx(0.6, abs=0.02)
