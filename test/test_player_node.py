"""The node `player` as a process of its own over DDS, fed with chunks of our own and once by the signer."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, Companion, Process
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from interfaces import build
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from test_playback import motion
from trajectory_msgs.msg import MultiDOFJointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from text2sign_ros import skeleton
from text2sign_ros.motion import frames
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.ros import parameters, player_node
from text2sign_ros.ros.markers import Skeleton
from text2sign_ros.skeleton import KEYPOINTS, REST_POSE
from text2sign_ros.wire import trajectory

MARKERS_QOS = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
END = 41  # frames of motion()


def stamp_ns(message: MarkerArray) -> int:
    stamp = message.markers[0].header.stamp
    return stamp.sec * 10**9 + stamp.nanosec


def positions(message: MarkerArray) -> np.ndarray:
    """The 79 keypoints as the balls show them."""
    balls = [marker for marker in message.markers if marker.ns.endswith("_joints")]
    return np.array([(p.x, p.y, p.z) for marker in balls for p in marker.points])


def farthest(messages: Sequence[MarkerArray]) -> float:
    """Metres from rest, of any keypoint along any axis."""
    return max(float(np.abs(positions(message) - REST_POSE).max()) for message in tuple(messages))


class Client(Companion):
    """Publishes chunks; keeps the markers."""

    def __init__(self) -> None:
        super().__init__("client")
        self.shown: list[MarkerArray] = []
        self.node.create_subscription(MarkerArray, "/player/markers", self.shown.append, MARKERS_QOS)
        self.chunks = self.node.create_publisher(MultiDOFJointTrajectory, "/signer/trajectory", QoSProfile(depth=100))

    def connect(self, process: Process) -> None:
        process.wait_for("ready: ")
        self.until(
            lambda: self.chunks.get_subscription_count() and self.node.count_publishers("/player/markers"), "topics"
        )
        time.sleep(0.3)

    def situation(self) -> str:
        return f"{len(self.shown)} poses came"

    def send(self, parts: list[Chunk], origin: int) -> None:
        for chunk in parts:
            self.chunks.publish(trajectory.encode(chunk, origin + chunk.start_time))

    def run_clock(self, begin: float, end: float) -> None:
        """Five times as fast as the clock on the wall."""
        for now in np.arange(begin, end, 0.02):
            self.set_clock(float(now))
            time.sleep(0.004)


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


def now_ns() -> int:
    return time.time_ns()


def test_plays_at_its_rate_what_the_chunks_say(run_player: Callable[..., Process], client: Client) -> None:
    process = run_player()
    client.connect(process)
    client.until(lambda: client.shown)
    np.testing.assert_allclose(positions(client.shown[0]), REST_POSE, atol=1e-7)
    origin = now_ns() + 10**9
    client.send(motion(), origin)
    client.until(lambda: stamp_ns(client.shown[-1]) > origin + 2 * 10**9)

    shown = [
        message for message in tuple(client.shown) if origin <= stamp_ns(message) <= origin + (END - 1) * 40_000_000
    ]
    assert 20 < len(shown) <= 82, "50 Hz on a busy machine"
    path = np.concatenate([chunk.positions for chunk in motion()])
    for message in shown:
        place = (stamp_ns(message) - origin) / 4e7
        before, part = int(place), place % 1
        between = path[before] + part * (path[min(before + 1, END - 1)] - path[before])
        np.testing.assert_allclose(positions(message), between, atol=6e-3)  # a cubic is not far from the chord
    np.testing.assert_allclose(positions(client.shown[-1]), REST_POSE, atol=1e-6)
    assert not [line for line in process.log if "WARN" in line]


def test_late_joiners_see_the_figure(run_player: Callable[..., Process], client: Client) -> None:
    process = run_player(use_sim_time="true")  # no clock: the node publishes once, before anyone is there
    process.wait_for("ready: ")
    client.until(lambda: client.shown)
    time.sleep(0.3)
    (message,) = client.shown
    assert stamp_ns(message) == 0
    np.testing.assert_allclose(positions(message), REST_POSE, atol=1e-7)


def test_a_motion_that_breaks_off(run_player: Callable[..., Process], client: Client) -> None:
    process = run_player()
    client.connect(process)
    origin = now_ns() + 10**9
    client.send(motion()[:2], origin)
    assert "WARN" in process.wait_for("the motion broke off")
    client.until(lambda: stamp_ns(client.shown[-1]) > origin + 3 * 10**9)
    shown = tuple(client.shown)
    np.testing.assert_allclose(positions(shown[-1]), REST_POSE, atol=1e-6)
    assert farthest(shown) > 0.05
    poses, times = np.array([*map(positions, shown)]), np.array([*map(stamp_ns, shown)])
    speeds = np.linalg.norm(np.diff(poses, axis=0), axis=-1).max(axis=1) / np.diff(times) * 1e9
    assert speeds.max() < 4.0, "m/s: no jump"
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert len([line for line in process.log if "broke off" in line]) == 1


def test_diagnostics_say_why_nothing_moves(run_player: Callable[..., Process]) -> None:
    process, monitor, client = run_player(), Companion("monitor"), None
    said: list[DiagnosticStatus] = []

    def says(words: str) -> bool:
        return bool(said) and words in said[-1].message

    try:
        monitor.node.create_subscription(DiagnosticArray, "/diagnostics", lambda m: said.extend(m.status), 10)
        monitor.until(lambda: says("nobody publishes /signer/trajectory"), "diagnostics")
        assert said[-1].name == "player: playing" and said[-1].level == DiagnosticStatus.WARN
        client = Client()
        client.connect(process)
        monitor.until(lambda: says("at rest: waiting for motion"), "diagnostics")
        assert said[-1].level == DiagnosticStatus.OK
        client.send(motion()[:2], now_ns() + 3 * 10**9)
        monitor.until(lambda: says("playing"), "diagnostics")
        monitor.until(lambda: says("broke off"), "diagnostics")
        client.send(motion()[:1], now_ns() - 10**10)
        monitor.until(lambda: says("not played: a chunk arrived"), "diagnostics")
        values = {pair.key: pair.value for pair in said[-1].values}
        assert (values["chunks played"], values["chunks refused"], values["motions broken off"]) == ("2", "1", "1")
    finally:
        monitor.close()
        if client is not None:
            client.close()


def test_what_can_not_be_played_is_refused_and_the_node_lives_on(
    run_player: Callable[..., Process], client: Client
) -> None:
    process = run_player()
    client.connect(process)
    good = motion()
    nan = good[0].positions.copy()
    nan[3, 50] = np.nan
    swapped = trajectory.encode(good[0], now_ns()).replace(b"left_eye\0", b"left_ear\0", 1)
    vandal = Client()
    try:
        vandal.until(vandal.chunks.get_subscription_count)
        time.sleep(0.3)
        for data in (b"\0\1\0\0" + bytes(8), b"\xff" * 1000, swapped[:5000], swapped):
            vandal.chunks.publish(data)
        vandal.send([Chunk(0, nan, good[0].velocities, 25.0, False)], now_ns())
        vandal.send(good, now_ns() - 10**13)
        vandal.send(good, now_ns() + 10**15)
        vandal.chunks.publish(b"")  # after which the transport delivers nothing more of this publisher
        assert "WARN" in process.wait_for("not played: ")
        time.sleep(0.3)
    finally:
        vandal.close()
    assert farthest(client.shown) < 1e-6
    origin = now_ns() + 10**9
    client.send(good, origin)
    client.until(lambda: stamp_ns(client.shown[-1]) > origin + 10**9)
    assert farthest(client.shown) > 0.05, "and the good ones are played"
    assert np.isfinite([positions(message) for message in tuple(client.shown)]).all()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert 1 <= len([line for line in process.log if "not played" in line]) <= 4, "throttled"


def test_two_signers_at_once(run_player: Callable[..., Process], client: Client) -> None:
    process = run_player()
    client.connect(process)
    other = Client()
    try:
        other.until(other.chunks.get_subscription_count)
        client.until(lambda: client.node.count_publishers("/signer/trajectory") == 2)
        time.sleep(0.3)
        origin = now_ns() + 10**9
        client.send(motion(), origin)
        time.sleep(0.3)
        other.send(motion(), origin + 250_000_000)
        assert "several nodes publish" in process.wait_for("not played: ")
        client.until(lambda: stamp_ns(client.shown[-1]) > origin + 17 * 10**8)
        last = next(m for m in tuple(client.shown) if stamp_ns(m) >= origin + (END - 1) * 40_000_000)
        np.testing.assert_allclose(positions(last), REST_POSE, atol=1e-6, err_msg="the first motion ends undisturbed")
    finally:
        other.close()


def cpu_seconds(process: Process) -> float:
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_simulated_time(run_player: Callable[..., Process], client: Client) -> None:
    process = run_player(use_sim_time="true")
    client.connect(process)
    client.until(client.clock.get_subscription_count, "the player to receive the clock")
    client.run_clock(100.0, 100.1)
    client.until(lambda: len(client.shown) > 1)
    client.send(motion(), 100_300_000_000)
    time.sleep(0.3)
    client.run_clock(100.1, 101.0)
    client.until(lambda: stamp_ns(client.shown[-1]) >= 100_900_000_000)
    time.sleep(0.3)
    count, used = len(client.shown), cpu_seconds(process)
    held = positions(client.shown[-1])
    assert np.abs(held - REST_POSE).max() > 0.05
    time.sleep(1.0)
    assert len(client.shown) == count, "the clock stands"
    assert cpu_seconds(process) - used < 0.3, "and the node sleeps"

    client.run_clock(5.0, 7.0)  # back
    process.wait_for("broke off")
    client.until(lambda: stamp_ns(client.shown[-1]) > 6_500_000_000)
    back = [m for m in client.shown[count:] if stamp_ns(m) < 50 * 10**9]
    assert np.abs(positions(back[0]) - held).max() < 0.05, "the figure does not jump"
    np.testing.assert_allclose(positions(back[-1]), REST_POSE, atol=1e-6)
    client.send(motion(), 7_300_000_000)
    time.sleep(0.3)
    client.run_clock(7.0, 8.0)
    client.until(lambda: np.abs(positions(client.shown[-1]) - REST_POSE).max() > 0.05)


def test_plays_the_signer(
    run_player: Callable[..., Process], run_signer: Callable[..., Process], client: Client
) -> None:
    signer, player = run_signer(), run_player()
    signer.wait_for("ready: ")
    client.connect(player)
    client.until(client.texts.get_subscription_count)
    time.sleep(0.3)
    client.texts.publish(String(data="hello"))
    signer.wait_for("signed 'hello'")
    end = now_ns() + 10**9
    client.until(lambda: stamp_ns(client.shown[-1]) > end)
    assert farthest(client.shown) > 0.2 and farthest(client.shown[-1:]) < 0.01
    player.signal(signal.SIGTERM)
    assert player.wait() == 0
    assert not [line for line in player.log if "not played" in line or "ERROR" in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop(run_player: Callable[..., Process], number: signal.Signals) -> None:
    process = run_player()
    process.wait_for("ready: ")
    process.signal(number)
    assert process.wait() == 0
    assert not [line for line in process.log if "Traceback" in line or "Error" in line]


def test_qos_is_what_is_documented_and_can_be_overridden(run_player: Callable[..., Process], client: Client) -> None:
    process = run_player(
        **{
            "qos_overrides./player/markers.publisher.reliability": "best_effort",
            "qos_overrides./player/markers.publisher.durability": "volatile",
            "qos_overrides./signer/trajectory.subscription.durability": "transient_local",
        }
    )
    process.wait_for("ready: ")
    client.until(lambda: client.node.count_publishers("/player/markers"))
    client.until(lambda: client.node.count_subscribers("/signer/trajectory"))
    (markers,) = client.node.get_publishers_info_by_topic("/player/markers")
    (chunks,) = client.node.get_subscriptions_info_by_topic("/signer/trajectory")
    assert markers.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert markers.qos_profile.durability == DurabilityPolicy.VOLATILE
    assert chunks.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert chunks.qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_namespace_and_remapped_topic(local_node) -> None:
    node = local_node(player_node.PlayerNode, "-r", "__ns:=/robot/left", "-r", "signer/trajectory:=/elsewhere")
    assert node.get_fully_qualified_name() == "/robot/left/player"
    assert node._input.topic == "/elsewhere"
    assert node._markers.topic_name == "/robot/left/player/markers"
    assert all(node.describe_parameter(setting.name).description for setting in parameters.PLAYER)


# As tf2_msgs has it in every distribution since Humble.
TF_MESSAGE = """#include "geometry_msgs/msg/TransformStamped.idl"
module tf2_msgs { module msg {
  struct TFMessage {
    sequence<geometry_msgs::msg::TransformStamped> transforms;
  };
}; };
"""


def test_transforms_where_tf2_msgs_is_there(
    run_player: Callable[..., Process], client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("tf2_msgs") is None:
        build(tmp_path, "tf2_msgs", "msg/TFMessage", TF_MESSAGE, ("geometry_msgs", "std_msgs", "builtin_interfaces"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    from tf2_msgs.msg import TFMessage

    process, sent = run_player(frame="left"), []
    client.node.create_subscription(TFMessage, "/tf", sent.append, 10)
    assert "and /tf" in process.wait_for("ready: ")
    client.until(lambda: sent, "a transform")
    message = sent[0]
    assert [t.child_frame_id for t in message.transforms] == ["left/head", "left/left_wrist", "left/right_wrist"]
    origins, quaternions = frames.frames(REST_POSE)
    for transform, origin, quaternion in zip(message.transforms, origins, quaternions, strict=True):
        assert transform.header.frame_id == "left" and transform.header.stamp.sec > 0
        place, turn = transform.transform.translation, transform.transform.rotation
        np.testing.assert_allclose((place.x, place.y, place.z), origin)
        np.testing.assert_allclose((turn.x, turn.y, turn.z, turn.w), quaternion, atol=1e-7)


def test_the_message_is_the_skeleton() -> None:
    pose = np.random.default_rng(0).normal(size=(79, 3))
    message = Skeleton("somewhere").message(12_000_000_034, pose)
    groups = ("body", "face", "left_hand", "right_hand")
    assert [m.ns for m in message.markers] == [name for group in groups for name in (f"{group}_joints", group)]
    np.testing.assert_array_equal(positions(message), pose)
    drawn, colours = [], set()
    for marker in message.markers:
        assert marker.header.frame_id == "somewhere" and marker.action == Marker.ADD
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (12, 34)
        assert marker.color.a == 1.0 and marker.scale.x > 0 and marker.pose.orientation.w == 1.0
        if marker.type == Marker.LINE_LIST:
            colours.add((marker.color.r, marker.color.g, marker.color.b))
            ends = np.array([(p.x, p.y, p.z) for p in marker.points]).reshape(-1, 2, 3)
            drawn += [tuple(int(np.flatnonzero((pose == end).all(axis=1))[0]) for end in line) for line in ends]
            span = skeleton.GROUPS[marker.ns]
            assert all(span.start <= end < span.stop for line in drawn[-len(ends) :] for end in line)
        else:
            assert marker.type == Marker.SPHERE_LIST
    assert len(colours) == 4
    wrists = {
        tuple(sorted((skeleton.INDEX[f"{s}_wrist"], skeleton.INDEX[f"{s}_hand_root"]))) for s in ("left", "right")
    }
    assert {tuple(sorted(line)) for line in drawn} == {tuple(sorted(bone)) for bone in skeleton.BONES} - wrists


def test_rviz_and_foxglove_show_what_the_node_sends(local_node) -> None:
    node = local_node(player_node.PlayerNode)
    rviz = yaml.safe_load((ROOT / "config" / "player.rviz").read_text())["Visualization Manager"]
    display = next(d for d in rviz["Displays"] if d["Class"].endswith("/MarkerArray"))
    assert display["Topic"]["Value"] == node._markers.topic_name
    assert display["Topic"]["Durability Policy"] == "Transient Local"
    assert rviz["Global Options"]["Fixed Frame"] == node.get_parameter("frame").value
    message = Skeleton("signer").message(0, REST_POSE)
    assert set(display["Namespaces"]) == {marker.ns for marker in message.markers}

    layout = json.loads((ROOT / "config" / "foxglove.json").read_text())
    panels = layout["configById"]

    def leaves(part):
        return [part] if isinstance(part, str) else leaves(part["first"]) + leaves(part["second"])

    assert set(leaves(layout["layout"])) == set(panels)
    assert node._markers.topic_name in panels["3D!signer"]["topics"]
    paths = [path for panel in panels.values() for path in panel.get("paths", ())]
    assert len(paths) == 8
    for path in paths:
        pattern = re.escape(node._markers.topic_name) + r"\.markers\[(\d+)\]\.points\[(\d+)\]\.([xyz])"
        marker, point, axis = re.fullmatch(pattern, path["value"]).groups()
        name, labelled = path["label"].split()
        assert labelled == axis
        value = getattr(message.markers[int(marker)].points[int(point)], axis)
        assert value == pytest.approx(REST_POSE[KEYPOINTS.index(name), "xyz".index(axis)])
