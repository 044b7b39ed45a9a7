"""The recipe of docs/how_to/record_and_replay.md: a real signer is recorded, and a real player shows the recording.

`ros2 bag` has no wheel: what it does is done here with `rosbags`, which writes and reads the same files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from action_msgs.msg import GoalStatusArray
from conftest import ROOT, Companion, Process
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from test_player_node import farthest, positions, stamp_ns
from trajectory_msgs.msg import MultiDOFJointTrajectory
from visualization_msgs.msg import MarkerArray

from text2sign_ros import REST_POSE
from text2sign_ros.wire import trajectory

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="bags are written and read with rosbags")

TYPES = {
    "/signer/text": String,
    "/signer/trajectory": MultiDOFJointTrajectory,
    "/signer/captions": String,
    "/signer/status": GoalStatusArray,
    "/signer/layout": String,
    "/diagnostics": DiagnosticArray,
}
LATCHED = {"/signer/captions", "/signer/status", "/signer/layout"}
RATE = 100.0
"""Messages a second on /clock: `ros2 bag play --clock 100`."""


class Recorded(NamedTuple):
    """One message of a bag."""

    topic: str
    time_ns: int
    data: bytes


def qos(topic: str) -> QoSProfile:
    latched = DurabilityPolicy.TRANSIENT_LOCAL if topic in LATCHED else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=100, durability=latched)


class Bag(Companion):
    """Records topics to an MCAP file, and plays one with the clock of the recording."""

    def __init__(self) -> None:
        super().__init__("bag")
        self.heard: list[Recorded] = []
        self.shown: list[MarkerArray] = []
        self.said: dict[str, str] = {}

    def record(self) -> None:
        for topic, kind in TYPES.items():

            def on_message(data: bytes, topic: str = topic) -> None:
                self.heard.append(Recorded(topic, time.time_ns(), data))

            self.node.create_subscription(kind, topic, on_message, qos(topic), raw=True)

    def watch(self) -> None:
        profile = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(MarkerArray, "/player/markers", self.shown.append, profile)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "player: playing":
                self.said = {"message": status.message} | {value.key: value.value for value in status.values}

    def play(self, messages: Sequence[Recorded], rate: float = 1.0, clock: bool = True) -> None:
        """As `ros2 bag play [--clock 100] --rate RATE`: messages when they were received, by the recording's time."""
        topics = {message.topic for message in messages}
        publishers = {topic: self.node.create_publisher(TYPES[topic], topic, qos(topic)) for topic in topics}
        self.until(publishers["/signer/trajectory"].get_subscription_count, "the player")
        self.until(lambda: not clock or self.clock.get_subscription_count(), "who goes by the clock")
        begin, started, left = messages[0].time_ns, time.monotonic(), list(messages)
        while left:
            now = begin + round((time.monotonic() - started) * rate * 1e9)
            if clock:
                self.set_clock(now / 1e9)
            while left and left[0].time_ns <= now:
                message = left.pop(0)
                publishers[message.topic].publish(message.data)
            time.sleep(1 / RATE)
        for publisher in publishers.values():
            self.node.destroy_publisher(publisher)

    def situation(self) -> str:
        return f"{len(self.heard)} messages recorded, {len(self.shown)} poses shown, diagnostics {self.said}"


@pytest.fixture
def bag() -> Iterator[Bag]:
    bag = Bag()
    yield bag
    bag.close()


def write(folder: Path, messages: Sequence[Recorded]) -> None:
    """As `ros2 bag record --storage mcap`."""
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    with rosbag2.Writer(folder, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        names = {topic: f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}" for topic, kind in TYPES.items()}
        connections = {topic: writer.add_connection(topic, name, typestore=store) for topic, name in names.items()}
        for message in messages:
            writer.write(connections[message.topic], message.time_ns, message.data)


def read(folder: Path) -> list[Recorded]:
    with rosbag2.Reader(folder) as reader:
        return [Recorded(connection.topic, at, bytes(data)) for connection, at, data in reader.messages()]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Recorded]:
    """A bag of HELLO, recorded until two seconds after it was signed."""
    recorder, folder = Bag(), tmp_path_factory.mktemp("bag") / "hello"
    arguments = ("--ros-args", "--params-file", str(ROOT / "config" / "signer.yaml"))
    signer = Process("text2sign_ros.ros.signer_node", *arguments)
    try:
        recorder.record()
        signer.wait_for("ready")
        recorder.until(lambda: recorder.node.count_publishers("/signer/trajectory"), "the signer")
        time.sleep(1.0)  # for the signer to find the recorder's subscriptions
        recorder.say("hello")
        signer.wait_for("signed 'hello'")
        time.sleep(3.0)  # whatever "signed" means: until two seconds after the last point
    finally:
        signer.close()
        recorder.close()
    write(folder, recorder.heard)
    assert (folder / "hello.mcap").stat().st_size > 100_000
    return read(folder)


def chunks(messages: Sequence[Recorded]) -> list[trajectory.Trajectory]:
    return [trajectory.decode(message.data) for message in messages if message.topic == "/signer/trajectory"]


def test_the_recipe_records_these_topics() -> None:
    page = (ROOT / "docs" / "how_to" / "record_and_replay.md").read_text()
    (pattern,) = re.findall(r"^ros2 bag record .* --regex '(.*)'$", page, re.MULTILINE)
    others = {"/signer/transition_event", "/player/markers", "/rosout", "/left/signer/text"}
    assert {topic for topic in {*TYPES, *others} if re.search(pattern, topic)} == set(TYPES)
    assert all(f"`{topic}`" in page for topic in TYPES)


def test_the_bag_has_all_of_it(recorded: list[Recorded]) -> None:
    assert {message.topic for message in recorded} == set(TYPES)
    motion = chunks(recorded)
    assert sum(len(chunk.positions) for chunk in motion) > 50
    for chunk, following in pairwise(motion):
        assert following.stamp_ns == chunk.stamp_ns + len(chunk.positions) * 40_000_000
    # What the recipe says of the end: the bag outlasts the motion.
    assert recorded[-1].time_ns > motion[-1].stamp_ns + len(motion[-1].positions) * 40_000_000


def expected(motion: Sequence[trajectory.Trajectory], at_ns: int) -> np.ndarray:
    """Positions at a time within the motion, between points on the chord."""
    path = np.concatenate([chunk.positions for chunk in motion])
    place = (at_ns - motion[0].stamp_ns) / 40_000_000
    before = int(place)
    after = min(before + 1, len(path) - 1)
    return path[before] + (place - before) * (path[after] - path[before])


@pytest.mark.parametrize("rate", [1.0, pytest.param(0.5, marks=pytest.mark.slow)])
def test_a_player_on_the_clock_of_the_bag_shows_it(
    run_player: Callable[..., Process], bag: Bag, recorded: list[Recorded], rate: float
) -> None:
    player = run_player(use_sim_time="true")
    player.wait_for("ready")
    bag.watch()
    bag.play(recorded, rate)
    motion = chunks(recorded)
    begin = motion[0].stamp_ns
    end = begin + (sum(len(chunk.positions) for chunk in motion) - 1) * 40_000_000
    bag.until(lambda: bag.shown and stamp_ns(bag.shown[-1]) > end, "poses until the end")
    shown = [message for message in tuple(bag.shown) if begin <= stamp_ns(message) <= end]
    assert len(shown) > 40
    off = [float(np.abs(positions(message) - expected(motion, stamp_ns(message))).max()) for message in shown]
    # Where a busy machine delivers a chunk late, the player joins it on a path of its own.
    assert np.quantile(off, 0.85) < 0.03 and max(off) < 0.2, sorted(off)[-10:]
    assert farthest(shown) > 0.3, "a hand that was raised to the brow"
    np.testing.assert_allclose(positions(bag.shown[-1]), REST_POSE, atol=1e-5)
    assert not [line for line in player.log if "WARN" in line]


def test_it_can_be_looped(run_player: Callable[..., Process], bag: Bag, recorded: list[Recorded]) -> None:
    run_player(use_sim_time="true").wait_for("ready")
    bag.watch()
    for _ in range(2):
        before = len(bag.shown)
        bag.play(recorded, rate=2.0)
        bag.until(lambda before=before: farthest(bag.shown[before:]) > 0.3 if bag.shown[before:] else False, "HELLO")
    np.testing.assert_allclose(positions(bag.shown[-1]), REST_POSE, atol=1e-5)


def test_a_plain_replay_is_refused(run_player: Callable[..., Process], bag: Bag, recorded: list[Recorded]) -> None:
    """Why the recipe needs --clock and use_sim_time."""
    player = run_player()
    player.wait_for("ready")
    bag.watch()
    bag.play(recorded, rate=4.0, clock=False)
    assert "WARN" in player.wait_for("a chunk arrived .* s after its end; .* another clock")
    bag.until(lambda: bag.said.get("chunks refused") == str(len(chunks(recorded))), "all chunks to be refused")
    assert farthest(bag.shown) < 1e-5


def test_a_bag_that_ends_with_its_last_chunk(
    run_player: Callable[..., Process], bag: Bag, recorded: list[Recorded]
) -> None:
    """As the recipe warns: the clock ends before the motion does, and the pose stays."""
    run_player(use_sim_time="true").wait_for("ready")
    bag.watch()
    last = max(index for index, message in enumerate(recorded) if message.topic == "/signer/trajectory")
    bag.play(recorded[: last + 1])
    time.sleep(1.0)  # for a player that went on
    motion = chunks(recorded)
    assert stamp_ns(bag.shown[-1]) < motion[-1].stamp_ns, "nothing is played beyond the end of the clock"
    assert np.abs(positions(bag.shown[-1]) - REST_POSE).max() > 0.005
