"""The lifecycle of the node `retarget`, and a robot's model that comes on a topic, over DDS."""

from __future__ import annotations

import importlib.util
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Process
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from robots import robot
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from test_playback import motion
from test_retarget_node import ELBOW, GR3, SECOND, Watcher, check_limits
from trajectory_msgs.msg import JointTrajectory

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.forward import Forward
from text2sign_ros.ros import qos
from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.wire.diagnosis import Level


class Manager(Watcher):
    """Drives the node as a lifecycle manager would."""

    def call(self, kind: type, name: str, request: object) -> object:
        client = self.node.create_client(kind, f"/retarget/{name}")
        assert client.wait_for_service(20.0)
        future = client.call_async(request)
        self.until(future.done, f"the answer of {name}", timeout=60.0)
        return future.result()

    def change(self, label: str) -> bool:
        identity = getattr(Transition, f"TRANSITION_{label.upper()}")
        return self.call(ChangeState, "change_state", ChangeState.Request(transition=Transition(id=identity))).success

    def shut_down(self) -> bool:
        labels = [Transition.TRANSITION_ACTIVE_SHUTDOWN, Transition.TRANSITION_INACTIVE_SHUTDOWN]
        return any(
            self.call(ChangeState, "change_state", ChangeState.Request(transition=Transition(id=each))).success
            for each in labels
        )

    def state(self) -> str:
        return self.call(GetState, "get_state", GetState.Request()).current_state.label

    def set(self, name: str, value: str) -> tuple[bool, str]:
        given = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        request = SetParameters.Request(parameters=[Parameter(name=name, value=given)])
        (result,) = self.call(SetParameters, "set_parameters", request).results
        return result.successful, result.reason

    def until_said(self, level: Level, words: str) -> None:
        self.until(lambda: self.says(words) and self.said[-1].level == bytes([level]), f"{level.name} {words!r}")

    def listeners(self) -> tuple[int, int]:
        return (self.node.count_subscribers("/signer/trajectory"), self.node.count_subscribers("/joint_states"))

    def sign(self) -> None:
        """The whole motion, until the robot stands again."""
        before, origin = len(self.sent), time.time_ns() + SECOND
        self.send(motion(), origin)
        self.until_it_stands(origin + 3 * SECOND)
        times = [time for time, _ in self.sent[before:]]
        assert times, "it moved"


@pytest.fixture
def watcher() -> Iterator[Manager]:
    manager = Manager()
    yield manager
    manager.close()


@pytest.mark.slow  # several motions
def test_all_transitions_and_the_diagnostics_of_each_state(run_node: Callable[..., Process], watcher: Manager) -> None:
    process = run_node("retarget", autostart=False)
    process.wait_for("INFO.*unconfigured: call the transition configure, then activate")
    watcher.until_said(Level.STALE, "unconfigured")
    assert watcher.state() == "unconfigured" and not watcher.change("activate")
    watcher.stand()
    assert watcher.listeners() == (0, 1), "only the watcher itself"
    assert watcher.change("configure")
    assert watcher.state() == "inactive"
    assert any("configuring: building the model of gr3" in status.message for status in watcher.said)
    process.wait_for("INFO.*inactive: call the transition activate")
    watcher.until_said(Level.WARN, "inactive")
    assert watcher.listeners() == (0, 1), "an inactive node is nobody who signs"
    done, reason = watcher.set("robot", "gr1t2")
    assert not done and "only be set while the node is unconfigured" in reason

    assert watcher.change("activate")
    process.wait_for("INFO.*ready: gr3")
    watcher.until_said(Level.OK, "at rest")
    watcher.until(lambda: watcher.listeners() == (1, 2), "its topics")
    for left in (2, 1, 0):  # diagnostics come once a second: on a busy machine they may miss the motion
        watcher.send(motion(), time.time_ns() + SECOND)
        try:
            watcher.until(lambda: watcher.says("signing"), "signing", timeout=6.0)
            break
        except AssertionError:
            if not left:
                raise
    assert watcher.said[-1].level == bytes([Level.OK])
    watcher.until(lambda: watcher.sent and max(map(abs, watcher.sent[-1][1].points[0].velocities)) > 0.5, "motion")
    assert watcher.change("deactivate")
    count, now = len(watcher.sent), time.time_ns()
    check_limits(watcher)
    _, positions, velocities, _ = watcher.commanded()
    assert not velocities[-1].any() and np.ptp(positions[:, ELBOW]) > 0.1
    keypoints = Forward(Body(robot("gr3"))).keypoints(positions[-1:])[0]
    wrists = [INDEX["left_wrist"], INDEX["right_wrist"]]
    assert np.linalg.norm(keypoints[wrists] - REST_POSE[wrists], axis=1).max() < 0.1, "at rest, not just stopped"
    last = watcher.sent[-1][1]
    end = last.header.stamp.sec * SECOND + last.header.stamp.nanosec + last.points[-1].time_from_start.nanosec
    assert end <= now, "it had come to rest before the transition ended"
    assert watcher.listeners() == (0, 1)
    watcher.send(motion(), time.time_ns() + SECOND)
    time.sleep(2.0)
    assert len(watcher.sent) == count, "an inactive node commands nothing"

    watcher.pose = positions[-1].copy()
    assert watcher.change("activate")
    watcher.until(lambda: watcher.chunks.get_subscription_count(), "the node to listen")
    watcher.until_said(Level.OK, "at rest")
    watcher.sign()
    check_limits(watcher)
    assert watcher.change("deactivate") and watcher.change("cleanup")
    watcher.until_said(Level.STALE, "unconfigured")
    watcher.until(lambda: watcher.node.count_publishers(GR3.controller) == 0, "the topics to be gone")
    assert watcher.set("robot", "gr1t2")[0]
    assert watcher.change("configure") and watcher.change("activate")
    process.wait_for("ready: gr1t2")
    assert watcher.shut_down()
    watcher.until_said(Level.STALE, "finalized")
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    wrong = [line for line in process.log if "Traceback" in line or "ERROR" in line or "WARN" in line]
    assert all("ransition 3" in line or "transition matching 3" in line for line in wrong), wrong  # the impossible one


def test_a_faulty_robot_is_reported_and_can_be_mended(run_node: Callable[..., Process], watcher: Manager) -> None:
    process = run_node("retarget", autostart=False, robot="gr9")
    assert not watcher.change("configure")
    assert "there is no robot 'gr9'" in process.wait_for("ERROR.*configuring failed")
    assert watcher.state() == "unconfigured"
    watcher.until_said(Level.ERROR, "unconfigured: there is no robot 'gr9'")
    assert watcher.set("robot", "gr3_6dof")[0]
    assert watcher.change("configure") and watcher.change("activate")
    assert "gr3_6dof" in process.wait_for("ready: ")


@pytest.mark.slow  # several motions
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_motion(run_node: Callable[..., Process], watcher: Manager, number: int) -> None:
    process = run_node("retarget")
    watcher.stand()
    watcher.connect(process)
    watcher.until(lambda: watcher.says("at rest"), "joint states")
    watcher.send(motion(), time.time_ns() + SECOND)
    watcher.until(lambda: watcher.sent and max(map(abs, watcher.sent[-1][1].points[0].velocities)) > 0.5, "motion")
    process.signal(number)
    assert process.wait() == 0
    check_limits(watcher)  # each trajectory ends at a standstill
    assert not [line for line in process.log if "INFO" not in line], process.log


class Publisher:
    """As robot_state_publisher: one text, for those who come later too."""

    def __init__(self, watcher: Manager) -> None:
        self._topic = watcher.node.create_publisher(String, "/robot_description", qos.LATEST)

    def tell(self, text: str) -> None:
        self._topic.publish(String(data=text))


def gr3_urdf() -> tuple[str, Path]:
    """GR3's URDF, and the folder that its meshes are named from."""
    robot("gr3")  # skips where it is not installed
    spec = importlib.util.find_spec(GR3.source.package)
    path = Path(next(iter(spec.submodule_search_locations))) / GR3.source.file
    return path.read_text(), path.parents[1]


def from_topic(folder: Path) -> Path:
    """GR3's description with the model on a topic."""
    text = (ROOT / "config" / "robots" / "gr3.yaml").read_text()
    source = "source: {topic: robot_description}\n"
    (folder / "gr3.yaml").write_text(re.sub(r"source:\n(  .*\n)+", source, text))
    return folder / "gr3.yaml"


HOSTILE = {
    "": "the URDF is not XML",
    "rosrun xacro": "the URDF is not XML",
    "<html/>": "the URDF is not a model",
    '<robot name="other"><link name="arm"/></robot>': "the model has no",
    '<!DOCTYPE r [<!ENTITY a "aaaa">]><robot name="&a;"/>': "the URDF has a DOCTYPE",
    "<a>" * 50_000 + "</a>" * 50_000: "the URDF is not a model",
    f"<robot>{'x' * 10_000_001}</robot>": "more than 10,000,000 are no robot",
}


@pytest.mark.slow  # several motions
def test_a_model_on_a_topic(run_node: Callable[..., Process], watcher: Manager, tmp_path: Path) -> None:
    text, _ = gr3_urdf()
    process = run_node("retarget", robot=from_topic(tmp_path))
    process.wait_for("waiting for the robot's model on /robot_description")
    watcher.stand()
    watcher.until_said(Level.WARN, "no robot model on /robot_description: start robot_state_publisher")
    publisher = Publisher(watcher)
    for hostile, words in HOSTILE.items():
        publisher.tell(hostile)
        line = process.wait_for("ERROR.*the model on /robot_description is not usable")
        assert words in line and len(line) < 400, line
        watcher.until_said(Level.ERROR, words)
    assert not watcher.sent and watcher.state() == "active"

    publisher.tell(text)  # its meshes are named relative to a folder that nobody knows here
    process.wait_for("WARN.*shapes are missing of 42 links, such as .*: collisions of these are not avoided")
    process.wait_for("ready: gr3")
    watcher.until_said(Level.WARN, "no shapes of 42 links, whose collisions are not avoided; at rest")
    watcher.until(lambda: watcher.chunks.get_subscription_count(), "the node to listen")
    watcher.sign()
    check_limits(watcher)
    publisher.tell(text.replace("gr3", "other"))
    process.wait_for("WARN.*another model has come on /robot_description")
    watcher.until_said(Level.WARN, "another robot model came on /robot_description: clean the node up")
    watcher.sign()

    # The one that is there when it is configured again.
    assert watcher.change("deactivate") and watcher.change("cleanup") and watcher.change("configure")
    assert watcher.change("activate")
    process.wait_for("ready: gr3")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert "Traceback" not in "\n".join(process.log)


def test_a_model_whose_meshes_are_in_a_ros_package(
    run_module: Callable[..., Process], watcher: Manager, tmp_path: Path
) -> None:
    text, folder = gr3_urdf()
    package = tmp_path / "prefix" / "share" / "gr3_description"
    package.parent.mkdir(parents=True)
    package.symlink_to(folder)
    publisher = Publisher(watcher)
    publisher.tell(text.replace('filename="../', 'filename="package://gr3_description/'))
    given = ("--ros-args", "-p", f"robot:={from_topic(tmp_path)}")
    process = run_module("text2sign_ros.ros.retarget_node", *given, env={"AMENT_PREFIX_PATH": str(tmp_path / "prefix")})
    watcher.stand()
    process.wait_for("ready: gr3")
    watcher.until_said(Level.OK, "at rest")
    assert not [line for line in process.log if "WARN" in line or "ERROR" in line]


WRONG = {
    "of nan": (lambda m: m.position.__setitem__(3, float("nan")), "the position of head_yaw_joint is nan"),
    "of inf": (lambda m: m.position.__setitem__(0, float("inf")), "the position of waist_yaw_joint is inf"),
    "cut": (lambda m: m.position.pop(), "43 names, 42 positions and 43 velocities do not match"),
    "velocities": (lambda m: m.velocity.pop(), "43 names, 43 positions and 42 velocities do not match"),
    "twice": (lambda m: m.name.__setitem__(1, m.name[0]), "waist_yaw_joint is named twice"),
}


def test_joint_states_that_are_not_usable(run_node: Callable[..., Process], watcher: Manager) -> None:
    process = run_node("retarget")
    watcher.connect(process)
    topic = watcher.node.create_publisher(JointState, "/joint_states", 10)
    joints = list(GR3.controlled)
    watcher.until(topic.get_subscription_count, "the node to listen")

    def state() -> JointState:
        rest = robot("gr3").rest
        return JointState(name=list(joints), position=rest.tolist(), velocity=[0.0] * len(joints))

    def keep_telling(message: JointState, level: Level, words: str) -> None:
        until = time.monotonic() + 20.0
        while not (watcher.says(words) and watcher.said[-1].level == bytes([level])):
            assert time.monotonic() < until, f"{words}; {watcher.situation()}"
            topic.publish(message)
            time.sleep(0.02)

    some = JointState(name=joints[:40], position=[0.0] * 40)
    keep_telling(some, Level.WARN, f"joint states lack {', '.join(joints[40:43])}: is this the robot?")
    moving = state()
    moving.velocity[ELBOW] = 1.0
    keep_telling(moving, Level.WARN, f"the robot moves: waiting until {joints[ELBOW]} stands")
    beyond = state()
    beyond.position[ELBOW] = -9.0
    keep_telling(beyond, Level.WARN, f"the present pose is not allowed: the position of {joints[ELBOW]} is -9.000")
    for spoil, words in WRONG.values():
        wrong = state()
        spoil(wrong)
        keep_telling(wrong, Level.WARN, f"joint states are not usable: {words}")
    old = state()
    old.header.stamp.sec = int(time.time()) - 60
    keep_telling(old, Level.WARN, "joint states are stamped 6")
    unknown = state()
    unknown.velocity = [float("nan")] * len(joints)  # of a controller without that interface
    keep_telling(unknown, Level.OK, "at rest")
    assert not watcher.sent
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


def test_what_the_clock_and_a_missing_controller_do(run_node: Callable[..., Process], watcher: Manager) -> None:
    process = run_node("retarget", use_sim_time=True, topic="/elsewhere")
    process.wait_for("ready: ")
    watcher.stand()
    watcher.until_said(Level.WARN, "no time on the clock")
    shift, began = 1000.0, time.monotonic()
    timer = watcher.node.create_timer(0.01, lambda: watcher.set_clock(shift + time.monotonic() - began))
    watcher.until_said(Level.WARN, "nobody subscribes to /elsewhere: start the controller")
    watcher.node.create_subscription(JointTrajectory, "/elsewhere", lambda _: None, 10)
    watcher.until_said(Level.OK, "at rest")
    shift = 900.0
    process.wait_for("WARN.*the clock jumped; the robot begins anew")
    watcher.until_said(Level.WARN, "the clock jumped: the robot began anew")
    timer.cancel()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
