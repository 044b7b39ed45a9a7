"""The node `simulated_robot` as a process of its own over DDS: it follows, is replaced, holds, refuses, records.

On a clock of its own nearly everywhere, which waits for the processor, so that a busy machine changes nothing.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import Companion, Process
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from text2sign_ros.retarget import description

GR3 = description.load("gr3")
JOINTS = GR3.controlled
REST = np.array([GR3.rest.get(name, 0.0) for name in JOINTS])
NEAR = np.radians(1.5)
SECOND = 10**9


def pose(elbow: float, head: float = 0.0) -> np.ndarray:
    """The rest pose with both elbows, and the head, elsewhere."""
    moved = {"left_elbow_pitch_joint": elbow, "right_elbow_pitch_joint": elbow, "head_yaw_joint": head}
    return np.array([moved.get(name, value) for name, value in zip(JOINTS, REST, strict=True)])


def trajectory(*poses: np.ndarray, seconds: float = 0.5, stamp: int = 0) -> JointTrajectory:
    """Through poses, at rest in each; ``seconds`` from one to the next."""
    message = JointTrajectory(joint_names=list(JOINTS))
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
    for number, positions in enumerate(poses, 1):
        point = JointTrajectoryPoint(positions=positions.tolist(), velocities=[0.0] * len(JOINTS))
        point.accelerations = [0.0] * len(JOINTS)
        sec, nanosec = divmod(round(number * seconds * SECOND), SECOND)
        point.time_from_start.sec, point.time_from_start.nanosec = sec, nanosec
        message.points.append(point)
    return message


def stamp_of(message: JointState) -> int:
    return message.header.stamp.sec * SECOND + message.header.stamp.nanosec


class Sender(Companion):
    """Publishes trajectories; keeps joint states and diagnostics."""

    def __init__(self) -> None:
        super().__init__("sender")
        self.states: list[JointState] = []
        self.said: list[DiagnosticStatus] = []
        self.node.create_subscription(JointState, "/joint_states", self.states.append, 100)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", lambda m: self.said.extend(m.status), 10)
        self.out = self.node.create_publisher(JointTrajectory, GR3.controller, 10)

    def situation(self) -> str:
        return f"{len(self.states)} joint states came; diagnostics: {self.said[-1].message if self.said else '-'}"

    def connect(self, process: Process) -> None:
        process.wait_for("ready: ")
        self.until(lambda: self.out.get_subscription_count() and self.states, "the robot")
        self.until(lambda: self.says("holding"), "the robot to see this publisher")

    def positions(self) -> np.ndarray:
        return np.array(self.states[-1].position)

    def is_at(self, positions: np.ndarray) -> bool:
        return bool(np.abs(self.positions() - positions).max() < NEAR and np.abs(self.states[-1].velocity).max() < 0.05)

    def says(self, words: str) -> bool:
        return bool(self.said) and words in self.said[-1].message

    def value(self, key: str) -> str:
        return {pair.key: pair.value for pair in self.said[-1].values}[key]


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = Sender()
    yield sender
    sender.close()


@pytest.fixture
def run_robot(run_node: Callable[..., Process]) -> Callable[..., Process]:
    return partial(run_node, "simulated_robot")


def test_follows_and_records(run_robot: Callable[..., Process], sender: Sender, tmp_path: Path) -> None:
    process = run_robot(clock=True, record=str(tmp_path / "out"))
    sender.connect(process)
    first = sender.states[0]
    assert tuple(first.name) == JOINTS and len(first.velocity) == len(first.effort) == len(JOINTS)
    assert stamp_of(first) > SECOND, "a time of 0 would be taken for none"
    np.testing.assert_allclose(first.position, REST, atol=NEAR)
    begin = stamp_of(sender.states[-1]) + SECOND // 2
    sender.out.publish(trajectory(pose(-1.5, 0.6), pose(-0.8, -0.4), stamp=begin))
    sender.until(lambda: stamp_of(sender.states[-1]) > begin + 1.5 * SECOND, "the end")
    assert sender.is_at(pose(-0.8, -0.4))
    states = list(sender.states)
    stamps = np.array([*map(stamp_of, states)])
    assert np.all(np.diff(stamps) > 0) and np.all(np.diff(stamps) % 2_000_000 == 0), "in steps of the physics"
    before = [state for state in states if stamp_of(state) <= begin]
    np.testing.assert_allclose([state.position for state in before], np.tile(REST, (len(before), 1)), atol=NEAR)
    (middle,) = [state for state in states if stamp_of(state) <= begin + SECOND // 2][-1:]
    if begin + SECOND // 2 - stamp_of(middle) < 20_000_000:  # a busy machine may tell of no time as near
        np.testing.assert_allclose(middle.position, pose(-1.5, 0.6), atol=2 * NEAR)
    sender.until(lambda: sender.says("holding"), "diagnostics")
    assert sender.said[-1].name == "simulated_robot: following"
    assert (sender.value("trajectories followed"), sender.value("trajectories refused")) == ("1", "0")

    process.signal(signal.SIGINT)
    assert process.wait() == 0
    assert any("wrote" in line and "° rms off" in line for line in process.log), process.log
    assert not [line for line in process.log if "WARN" in line], process.log
    with np.load(tmp_path / "out" / "joints.npz") as data:
        assert tuple(data["joints"]) == JOINTS
        at = np.searchsorted(data["stamps"], begin + SECOND // 2)
        np.testing.assert_allclose(data["wanted"][at], pose(-1.5, 0.6), atol=0.05)
        off = np.degrees(data["positions"] - data["wanted"])
        assert np.sqrt(np.mean(off**2)) < 1.0
        told = {stamp_of(state): np.array(state.position) for state in states}
        for stamp, row in zip(data["stamps"].tolist(), data["positions"], strict=True):
            if stamp in told:
                np.testing.assert_allclose(row, told[stamp], atol=1e-6)


def test_a_newer_trajectory_replaces_and_then_it_holds(run_robot: Callable[..., Process], sender: Sender) -> None:
    process, other = run_robot(clock=True), Sender()
    sender.connect(process)
    begin = stamp_of(sender.states[-1]) + SECOND // 2
    other.until(other.out.get_subscription_count, "the robot")
    other.out.publish(trajectory(pose(-1.0), pose(-1.6), pose(-0.4), seconds=1.0, stamp=begin))
    sender.until(lambda: sender.positions()[JOINTS.index("left_elbow_pitch_joint")] < -0.7, "the first one")
    other.close()  # whoever sent it is gone: what it sent is followed all the same
    sender.out.publish(trajectory(pose(-1.0, 0.5), seconds=1.0, stamp=begin + SECOND))
    sender.until(lambda: stamp_of(sender.states[-1]) > begin + 2.5 * SECOND, "the second one")
    assert sender.is_at(pose(-1.0, 0.5))
    elbow = [state.position[JOINTS.index("left_elbow_pitch_joint")] for state in sender.states]
    assert min(elbow) > -1.0 - NEAR, "the rest of the first one was not followed"
    speeds = np.array([state.velocity for state in sender.states])
    assert np.abs(speeds).max() < 3.0, "rad/s: no leap"
    later = stamp_of(sender.states[-1]) + SECOND
    sender.until(lambda: stamp_of(sender.states[-1]) > later, "a while")
    assert sender.is_at(pose(-1.0, 0.5)), "it holds"


def test_what_can_not_be_followed_is_refused(run_robot: Callable[..., Process], sender: Sender) -> None:
    process = run_robot(clock=True)
    sender.connect(process)
    assert sender.said[-1].level == DiagnosticStatus.OK
    wrong = trajectory(pose(-1.5))
    wrong.points[0].positions[3] = float("nan")
    sender.out.publish(wrong)
    process.wait_for(f"WARN.*not followed: point 0 has positions of nan for {JOINTS[3]}")
    sender.until(lambda: sender.says("a trajectory was refused: point 0 has positions of nan"), "diagnostics")
    assert sender.said[-1].level == DiagnosticStatus.WARN
    partly = trajectory(pose(-1.5))
    partly.joint_names, partly.points[0].positions = partly.joint_names[:3], partly.points[0].positions[:3]
    pushed = trajectory(pose(-1.5))
    pushed.points[0].effort = [1.0] * len(JOINTS)
    late = trajectory(pose(-1.5), stamp=1)
    for message, words in ((partly, "leaves out"), (pushed, "has efforts"), (late, "the trajectory ended ")):
        sender.out.publish(message)
        sender.until(partial(sender.says, words), words)
    assert sender.value("trajectories refused") == "4" and sender.is_at(REST)
    sender.out.publish(trajectory(pose(-1.5)))
    sender.until(lambda: sender.is_at(pose(-1.5)), "a good one")
    assert sender.value("trajectories followed") in ("0", "1"), "said once a second"


def test_a_leap_is_reported(run_robot: Callable[..., Process], sender: Sender) -> None:
    process = run_robot(clock=True)
    sender.connect(process)
    leap = trajectory(pose(-1.0))
    leap.points[0].time_from_start.nanosec = 0
    sender.out.publish(leap)
    process.wait_for("WARN.*began with a leap of 0.6 rad")
    sender.until(lambda: sender.says("a trajectory began with a leap of 0.6 rad"), "diagnostics")


def test_hands_in_each_others_way_are_reported(run_robot: Callable[..., Process], sender: Sender) -> None:
    """The elbows bend the forearms, turned inward, into each other: they stop there, and diagnostics say so."""
    process = run_robot(clock=True)
    sender.connect(process)
    inward = dict(zip(JOINTS, REST, strict=True))
    for side, sign in (("left", -1.0), ("right", 1.0)):
        inward |= {f"{side}_shoulder_pitch_joint": -0.6, f"{side}_elbow_pitch_joint": -1.6}
        inward |= {f"{side}_shoulder_yaw_joint": sign * 1.2}
    sender.out.publish(trajectory(np.array([inward[name] for name in JOINTS]), seconds=1.5))
    sender.until(lambda: sender.says("joints do not follow: "), "diagnostics")


def test_the_clock_of_its_own(run_robot: Callable[..., Process], sender: Sender) -> None:
    shown: list[int] = []
    best_effort = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
    sender.node.create_subscription(
        Clock, "/clock", lambda m: shown.append(m.clock.sec * SECOND + m.clock.nanosec), best_effort
    )
    process = run_robot(clock=True, rate=150.0)
    sender.connect(process)
    sender.until(lambda: shown and shown[-1] > 2 * SECOND, "the clock")
    steps = np.diff([stamp_of(state) for state in sender.states])
    assert {6_000_000, 8_000_000} <= {*steps.tolist()}, "whole steps of 2 ms, 6.7 ms in the mean"
    assert steps.min() == 6_000_000
    assert shown == sorted(shown) and shown[0] < 60 * SECOND, "it begins anew"
    begin = shown[-1] + SECOND
    sender.out.publish(trajectory(pose(-1.5), seconds=0.5, stamp=begin))
    sender.until(lambda: stamp_of(sender.states[-1]) > begin + SECOND, "the end")
    assert sender.is_at(pose(-1.5))
    assert {*map(stamp_of, sender.states)} & {*shown}, "both show one time"


def test_its_clock_waits_for_a_sender_that_is_late(run_robot: Callable[..., Process], sender: Sender) -> None:
    process = run_robot(clock=True, clock_patience=60.0)
    sender.connect(process)
    begin = stamp_of(sender.states[-1]) + SECOND // 10
    sender.out.publish(trajectory(pose(-1.5), seconds=1.0, stamp=begin))
    sender.until(lambda: stamp_of(sender.states[-1]) >= begin + 140_000_000, "the motion")
    time.sleep(0.5)
    count = len(sender.states)
    sender.until(lambda: len(sender.states) > count, "joint states of the time that stands still")
    assert stamp_of(sender.states[-1]) <= begin + 170_000_000
    sender.out.publish(trajectory(pose(-1.5), seconds=0.7, stamp=begin + 300_000_000))
    sender.until(lambda: stamp_of(sender.states[-1]) > begin + 400_000_000, "the time to go on")


def test_simulated_time_of_others(run_robot: Callable[..., Process], sender: Sender) -> None:
    process = run_robot(use_sim_time=True)
    process.wait_for("ready: ")
    sender.until(lambda: sender.says("no time on the clock"), "diagnostics")
    sender.out.publish(trajectory(pose(-1.5)))
    process.wait_for("not followed: the clock has not started")
    assert not sender.states

    def go(begin: float, end: float) -> None:
        for now in np.arange(begin, end, 0.02):
            sender.set_clock(float(now))
            time.sleep(0.01)

    go(100.0, 101.0)
    sender.until(lambda: sender.states, "joint states")
    sender.out.publish(trajectory(pose(-1.5), pose(-0.4), seconds=1.0))
    go(101.0, 102.0)
    sender.until(lambda: sender.says("the clock is not advancing"), "diagnostics", 60.0)
    stopped = sender.positions()
    assert stopped[JOINTS.index("left_elbow_pitch_joint")] < -0.6, "on its way"
    go(300.0, 301.0)
    process.wait_for(r"the clock jumped by \+19\d\.\d s; the robot holds")
    sender.until(lambda: stamp_of(sender.states[-1]) > 300.5 * SECOND, "the new time")
    np.testing.assert_allclose(sender.positions(), stopped, atol=0.3)
    go(50.0, 50.5)
    process.wait_for(r"the clock jumped by -25\d\.\d s")


def test_frozen_in_mid_motion_it_catches_up(run_robot: Callable[..., Process], sender: Sender) -> None:
    process = run_robot(use_sim_time=True)
    process.wait_for("ready: ")
    now = 100.0

    def go(until: float, told: float) -> None:
        """Let the clock go on, and wait until the robot tells of the time ``told``."""
        nonlocal now
        while now < until:
            now += 0.02
            sender.set_clock(now)
            time.sleep(0.01)
        sender.until(lambda: sender.states and stamp_of(sender.states[-1]) >= told * SECOND, f"{told} s")

    sender.until(sender.clock.get_subscription_count, "the robot")
    go(101.0, 100.9)
    sender.out.publish(trajectory(pose(-1.5), pose(-0.4), pose(-1.5), seconds=1.0, stamp=102 * SECOND))
    go(102.5, 102.4)
    process.signal(signal.SIGSTOP)
    go(104.0, 102.4)
    process.signal(signal.SIGCONT)
    go(106.0, 105.9)
    assert sender.is_at(pose(-1.5))
    assert np.abs([state.velocity for state in sender.states]).max() < 3.0, "rad/s: no leap"
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert not [line for line in process.log if "jumped" in line]


def test_the_clock_of_the_machine(run_robot: Callable[..., Process], sender: Sender) -> None:
    process = run_robot()
    sender.connect(process)
    assert abs(stamp_of(sender.states[-1]) - time.time_ns()) < 60 * SECOND
    sender.out.publish(trajectory(pose(-1.2)))
    sender.until(lambda: sender.is_at(pose(-1.2)), "the end")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"robot": "gr9"}, "there is no robot 'gr9'; known are .*gr3"),
        ({"clock": True, "use_sim_time": True}, "clock and use_sim_time are both true"),
        ({"rate": 1.0}, "rate"),
    ],
)
def test_what_it_can_not_start_with(run_robot: Callable[..., Process], values: dict[str, object], words: str) -> None:
    process = run_robot(**values)
    process.wait_for(f"FATAL.*{words}")
    assert process.wait() == 1
    assert "Traceback" not in "\n".join(process.log)


def test_garbage_on_the_topic_is_survived(run_robot: Callable[..., Process], sender: Sender) -> None:
    process = run_robot(clock=True, topic="commands")
    process.wait_for("ready: gr3, .* joints, follows /commands and publishes /joint_states at 100 Hz")
    raw = sender.node.create_publisher(JointTrajectory, "/commands", 10)
    sender.until(raw.get_subscription_count, "the robot")
    sender.until(lambda: sender.says("holding"), "the robot to see this publisher")
    for data in (b"\0\1\0\0", b"\0\1\0\0" + bytes(range(200)), b"\xff" * 400):
        raw.publish(data)
    process.wait_for("WARN.*not followed: the message can't be read as a JointTrajectory")
    raw.publish(trajectory(pose(-1.2)))
    sender.until(lambda: sender.states and sender.is_at(pose(-1.2)), "a good one after that")
    process.check()
