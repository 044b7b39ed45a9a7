"""The node `retarget` over DDS, with the simulated robot or joint states of our own; fed with chunks of our own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from conftest import Companion, Process
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile
from robots import robot
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64
from test_playback import motion
from trajectory_msgs.msg import JointTrajectory, MultiDOFJointTrajectory

from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.motion.limits import Limits, to_rest
from text2sign_ros.retarget import description
from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.forward import Forward
from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.wire import trajectory

GR3 = description.load("gr3")
JOINTS = GR3.controlled
SECOND = 10**9
FRAME = 40_000_000
ELBOW = JOINTS.index("right_elbow_pitch_joint")


def nanoseconds(value: object) -> int:
    return value.sec * SECOND + value.nanosec


class Watcher(Companion):
    """Publishes chunks, and joint states if asked to; keeps trajectories, joint states and diagnostics."""

    def __init__(self) -> None:
        super().__init__("watcher")
        self.sent: list[tuple[int, JointTrajectory]] = []  # with the time of arrival
        self.states: list[JointState] = []
        self.said: list[DiagnosticStatus] = []
        self.lags: list[float] = []
        deep = QoSProfile(depth=1000)
        create = self.node.create_subscription
        create(JointTrajectory, GR3.controller, lambda m: self.sent.append((time.time_ns(), m)), deep)
        create(JointState, "/joint_states", self.states.append, deep)
        create(DiagnosticArray, "/diagnostics", self._on_diagnostics, deep)
        create(Float64, "/retarget/lag", lambda m: self.lags.append(m.data), deep)
        self.chunks = self.node.create_publisher(MultiDOFJointTrajectory, "/signer/trajectory", deep)
        self.poses = None
        self.pose = robot("gr3").rest.copy()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.said += [status for status in message.status if status.name == "retarget: signing"]

    def situation(self) -> str:
        words = f"{self.said[-1].message}; {self.values()}" if self.said else "-"
        return f"{len(self.sent)} trajectories, {len(self.states)} joint states came; diagnostics: {words}"

    def says(self, words: str) -> bool:
        return bool(self.said) and words in self.said[-1].message

    def values(self) -> dict[str, str]:
        return {pair.key: pair.value for pair in self.said[-1].values}

    def until_it_stands(self, after: int = 0) -> None:
        """By diagnostics of later than ``after``, ns, and later than now."""
        self.until(lambda: time.time_ns() > after, "the end", timeout=60.0)
        count = len(self.said)
        self.until(lambda: len(self.said) > count + 1 and self.values()["joints"] == "standing", "rest")

    def connect(self, process: Process) -> None:
        process.wait_for("ready: ")
        self.until(lambda: self.chunks.get_subscription_count() and self.said, "the node")
        self.until(lambda: self.node.count_publishers(GR3.controller), "the node")
        time.sleep(0.3)

    def stand(self) -> None:
        """Publish joint states from now on, at ``pose``."""
        publisher = self.node.create_publisher(JointState, "/joint_states", 10)

        def tell() -> None:
            message = JointState(name=list(JOINTS), position=self.pose.tolist())
            message.velocity = [0.0] * len(JOINTS)
            publisher.publish(message)

        self.poses = self.node.create_timer(0.02, tell)

    def send(self, parts: list[Chunk], origin: int) -> None:
        for chunk in parts:
            self.chunks.publish(trajectory.encode(chunk, origin + chunk.start_time))

    def commanded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What a controller that follows every trajectory from its arrival on commands: times, ns, and positions,
        velocities and accelerations (m, n) of the points that it reaches."""
        sent, rows = list(self.sent), {}
        for number, (arrival, message) in enumerate(sent):
            until = sent[number + 1][0] if number + 1 < len(sent) else 2**63
            begin = nanoseconds(message.header.stamp)
            for point in message.points:
                at = begin + nanoseconds(point.time_from_start)
                if arrival <= at < until:
                    rows[at] = (point.positions, point.velocities, point.accelerations)
        times = np.array(sorted(rows))
        values = np.array([rows[at] for at in times])
        return times, values[:, 0], values[:, 1], values[:, 2]


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher()
    yield watcher
    watcher.close()


def check_limits(watcher: Watcher) -> None:
    """Of all points that a controller reaches; and each trajectory ends at rest, and begins after its arrival."""
    model = robot("gr3")
    _, positions, velocities, accelerations = watcher.commanded()
    assert (positions >= model.lower - 1e-6).all() and (positions <= model.upper + 1e-6).all()
    assert (np.abs(velocities) <= model.velocity + 1e-6).all()
    assert (np.abs(accelerations) <= model.acceleration + 1e-6).all()
    for _, message in watcher.sent:
        times = [nanoseconds(point.time_from_start) for point in message.points]
        assert times[0] > 0 and (np.diff(times) == 10_000_000).all()
        assert not np.any(message.points[-1].velocities) and not np.any(message.points[-1].accelerations)


@pytest.mark.slow  # needs a processor that keeps up with real time
def test_the_simulated_robot_follows(run_node: Callable[..., Process], watcher: Watcher) -> None:
    body, process = run_node("simulated_robot"), run_node("retarget")
    body.wait_for("ready: ")
    watcher.connect(process)
    watcher.until(lambda: watcher.states and watcher.says("at rest"), "joint states")
    assert not watcher.sent, "no motion, no trajectory"
    rest = np.array(watcher.states[-1].position)
    origin = time.time_ns() + SECOND
    watcher.send(motion(), origin)
    end = origin + 41 * FRAME
    watcher.until_it_stands(end + SECOND)
    time.sleep(0.5)
    check_limits(watcher)
    path = np.array([state.position for state in watcher.states])
    assert path[:, ELBOW].min() < rest[ELBOW] - 0.3, "the arm was raised"
    keypoints = Forward(Body(robot("gr3"))).keypoints(path[-1:])[0]
    wrists = [INDEX["left_wrist"], INDEX["right_wrist"]]
    assert np.linalg.norm(keypoints[wrists] - REST_POSE[wrists], axis=1).max() < 0.05
    assert np.abs(watcher.states[-1].velocity).max() < 0.05
    speeds = np.abs([state.velocity for state in watcher.states]).max(axis=0)
    assert (speeds <= robot("gr3").velocity * 1.05).all()
    assert 0.4 <= max(watcher.lags) < 1.5
    for each in (process, body):
        each.signal(signal.SIGTERM)
        assert each.wait() == 0
        assert not [line for line in each.log if "WARN" in line or "Traceback" in line]


def raised(watcher: Watcher) -> float:
    """By how much the elbow was bent at most, rad, of what was commanded."""
    _, positions, _, _ = watcher.commanded()
    return float(np.ptp(positions[:, ELBOW]))


def test_no_motion_without_the_pose_and_a_stop_when_it_is_lost(
    run_node: Callable[..., Process], watcher: Watcher
) -> None:
    process = run_node("retarget")
    watcher.connect(process)
    watcher.until(lambda: watcher.says("no joint states on /joint_states"), "diagnostics")
    watcher.send(motion(), time.time_ns() + SECOND)
    watcher.until(lambda: int(watcher.values()["chunks played"]) == 6, "the chunks")
    time.sleep(3.5)
    assert not watcher.sent

    watcher.stand()
    watcher.until(lambda: watcher.says("at rest"), "joint states")
    watcher.send(motion(), time.time_ns() + SECOND)
    watcher.until(lambda: watcher.sent, "a trajectory")
    watcher.until(lambda: max(abs(v) for v in watcher.sent[-1][1].points[0].velocities) > 0.2, "motion")
    watcher.poses.cancel()
    assert "WARN" in process.wait_for("no joint states for 0.5 s: the robot is brought to rest")
    watcher.until(lambda: watcher.says("joint states have stopped"), "diagnostics")
    watcher.until(lambda: watcher.values()["joints"] == "standing", "rest")
    time.sleep(0.2)
    count = len(watcher.sent)
    check_limits(watcher)
    time.sleep(1.0)
    assert len(watcher.sent) == count, "nothing is sent to a robot that stands"
    assert not np.any(watcher.commanded()[2][-1])


def test_input_that_breaks_off(run_node: Callable[..., Process], watcher: Watcher) -> None:
    process = run_node("retarget")
    watcher.stand()
    watcher.connect(process)
    watcher.until(lambda: watcher.says("at rest"), "joint states")
    watcher.send(motion()[:2], time.time_ns() + SECOND)
    process.wait_for("WARN.*the motion broke off")
    watcher.until(lambda: watcher.values()["motions broken off"] == "1", "diagnostics")
    watcher.until(lambda: watcher.sent and watcher.values()["joints"] == "standing", "rest")
    time.sleep(0.2)
    check_limits(watcher)
    assert not np.any(watcher.commanded()[2][-1])


@pytest.mark.slow  # needs a processor that keeps up with real time
def test_a_motion_that_is_taken_back(run_node: Callable[..., Process], watcher: Watcher) -> None:
    process, parts = run_node("retarget"), motion()
    watcher.stand()
    watcher.connect(process)
    watcher.until(lambda: watcher.says("at rest"), "joint states")
    whole = np.concatenate([chunk.positions for chunk in parts])
    slopes = np.concatenate([chunk.velocities for chunk in parts])
    kept = Chunk(0, whole[:8], slopes[:8], 25.0, last=False)
    back = list(chunks([to_rest(whole[7], slopes[7], 25.0, Limits())], 25.0, 8, after=kept))
    origin = time.time_ns() + 2 * SECOND
    watcher.send(parts, origin)
    watcher.until(lambda: watcher.sent, "a trajectory")
    watcher.send(back, origin)
    watcher.until_it_stands(origin + 3 * SECOND)
    time.sleep(0.2)
    check_limits(watcher)
    assert watcher.values()["chunks refused"] == "0", watcher.values()
    taken_back = raised(watcher)
    frames = int(watcher.values()["frames solved"])
    watcher.send(parts, time.time_ns() + SECOND)
    watcher.until(lambda: int(watcher.values()["frames solved"]) > frames + 40, "the whole motion")
    watcher.until(lambda: watcher.values()["joints"] == "standing", "rest")
    assert raised(watcher) > taken_back + 0.1


def test_impossible_keypoints_are_refused(run_node: Callable[..., Process], watcher: Watcher) -> None:
    process = run_node("retarget")
    watcher.stand()
    watcher.connect(process)
    watcher.until(lambda: watcher.says("at rest"), "joint states")
    good = motion()[0]
    wrong = good.positions.copy()
    wrong[2, 50] = np.nan
    watcher.send([Chunk(0, wrong, good.velocities, 25.0, False)], time.time_ns() + SECOND)
    process.wait_for("WARN.*not played: a chunk has values beyond")
    giant = np.repeat(REST_POSE[None] * 4, 8, axis=0)
    watcher.send([Chunk(0, giant, np.zeros_like(giant), 25.0, True)], time.time_ns() + 4 * SECOND)
    process.wait_for("WARN.*a frame was refused: ")
    watcher.until(lambda: watcher.says("a frame was refused"), "diagnostics")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


@pytest.mark.parametrize(("values", "words"), [({"robot": "gr9"}, "there is no robot 'gr9'"), ({"rate": 1.0}, "rate")])
def test_what_it_can_not_start_with(run_node: Callable[..., Process], values: dict[str, object], words: str) -> None:
    process = run_node("retarget", **values)
    process.wait_for(f"FATAL.*{words}")
    assert process.wait() == 1
    assert "Traceback" not in "\n".join(process.log)
