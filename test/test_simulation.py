"""A robot in physics: it follows, its limits hold, its links do not pass through each other."""

from __future__ import annotations

import numpy as np
import pytest

from text2sign_ros.retarget import description
from text2sign_ros.retarget.follower import Command, Point, State, TrajectoryFollower
from text2sign_ros.retarget.recording import JointLog, Tracking
from text2sign_ros.retarget.simulation import DEEP, STEP, Simulation

SECOND = 10**9
GR3 = description.load("gr3")


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(GR3, time=1_700_000_000 * SECOND)


def pose(simulation: Simulation, **joints: float) -> np.ndarray:
    """The rest pose with some joints elsewhere; ``elbow_pitch`` is both arms', outward and inward alike."""
    robot = simulation.robot
    result = robot.rest.copy()
    for name, value in joints.items():
        for side, sign in (("left", 1.0), ("right", -1.0)):
            mirrored = sign if name.endswith(("yaw", "roll")) else 1.0
            result[robot.joints.index(f"{side}_{name}_joint")] = mirrored * value
    return result


def raised(simulation: Simulation, yaw: float = 0.0) -> np.ndarray:
    """Both hands before the chest; ``yaw`` turns them outward."""
    return pose(simulation, shoulder_pitch=-0.6, shoulder_roll=0.1, shoulder_yaw=yaw, elbow_pitch=-1.6)


def follow(simulation: Simulation, *poses: np.ndarray, seconds: float = 0.8, hold: float = 0.5) -> Tracking:
    """Go through poses, at rest in each, and hold the last."""
    robot, begin, zero = simulation.robot, simulation.time, np.zeros(len(simulation.robot.joints))
    following = TrajectoryFollower(robot.joints, simulation.positions)
    points = [Point(round(k * seconds * SECOND), to, zero, zero) for k, to in enumerate(poses, 1)]
    following.accept(Command(robot.joints, points, begin), begin)
    log = JointLog(robot.joints)
    while simulation.time < following.end + hold * SECOND:
        simulation.advance(following.sample, simulation.time + 5 * STEP)
        log.add(simulation.time, simulation.positions, following.sample(simulation.time).positions)
        assert np.all(np.abs(simulation.torques) <= robot.effort)
    result = log.recording().tracking()
    assert result is not None
    return result


def test_follows_within_a_degree(simulation: Simulation) -> None:
    robot = simulation.robot
    fist = raised(simulation)
    for group in ("left_hand", "right_hand"):
        fist[robot.groups[group]] = 0.6 * (robot.lower + robot.upper)[robot.groups[group]]
    found = follow(simulation, raised(simulation), fist, raised(simulation, 0.5), robot.rest)
    assert found.rms < 0.5 and found.worst[1] < 1.0 and found.lag < 0.02, found
    assert simulation.saturated == 0 and simulation.steps == round((4 * 0.8 + 0.5) * SECOND / STEP)
    np.testing.assert_allclose(simulation.positions, robot.rest, atol=np.radians(1.0))
    assert all(touch.depth < DEEP for touch in simulation.touches.values()), simulation.touches


def test_holds_against_gravity(simulation: Simulation) -> None:
    out = pose(simulation, shoulder_roll=1.4)
    follow(simulation, out, seconds=1.5, hold=2.0)
    np.testing.assert_allclose(simulation.positions, out, atol=np.radians(1.0))
    assert np.abs(simulation.torques).max() > 3.0, "Nm: a stretched arm is heavy"


def test_hands_that_meet_do_not_pass_through_each_other(simulation: Simulation) -> None:
    follow(simulation, raised(simulation), raised(simulation, -1.2), seconds=1.0, hold=1.0)
    between = {pair: touch for pair, touch in simulation.touches.items() if {name[0] for name in pair} == {"L", "R"}}
    assert between, "they met"
    assert max(touch.depth for touch in simulation.touches.values()) < DEEP, simulation.touches
    assert simulation.end("left_middle_0")[1] > simulation.end("right_middle_0")[1], "each on its side"
    assert np.abs(simulation.velocities).max() < 0.1, "they came to rest"


def test_a_blow_is_counted(simulation: Simulation) -> None:
    """Nothing but torque holds back links that are driven together in no time."""
    robot = simulation.robot
    simulation.place(raised(simulation))
    zero = np.zeros(len(robot.joints))
    to = raised(simulation, -1.2)
    simulation.advance(lambda _: State(to, zero, zero), simulation.time + SECOND)
    assert simulation.saturated > 0
    deep = {pair: touch for pair, touch in simulation.touches.items() if touch.depth > DEEP}
    assert deep and all(touch.steps > 0 for touch in deep.values())
    assert all(touch.steps == 0 for pair, touch in simulation.touches.items() if pair not in deep)


def test_time_goes_in_whole_steps(simulation: Simulation) -> None:
    begin, asked = simulation.time, []

    def path(time: int) -> State:
        asked.append(time - begin)
        return State(simulation.robot.rest, *np.zeros((2, len(simulation.robot.joints))))

    simulation.advance(path, begin + STEP - 1)
    assert not asked and simulation.time == begin
    simulation.advance(path, begin + 3 * STEP + 1)
    assert asked == [0, STEP, 2 * STEP] and simulation.time == begin + 3 * STEP
    simulation.advance(path, begin)
    assert simulation.steps == 3, "never backwards"


def test_where_parts_are(simulation: Simulation) -> None:
    rest = {name: simulation.end(name) for name in ("left_wrist", "right_wrist", "head")}
    np.testing.assert_allclose(rest["left_wrist"], rest["right_wrist"] * (1, -1, 1), atol=5e-3)
    simulation.place(raised(simulation))
    assert simulation.end("left_wrist")[2] > rest["left_wrist"][2] + 0.3
    np.testing.assert_array_equal(simulation.end("head"), rest["head"])
