"""`text2sign play`: a file on the topics of a signer, which the player follows; and files that can't be played."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatusArray
from conftest import Companion, Process
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from test_player_node import positions, stamp_ns
from trajectory_msgs.msg import MultiDOFJointTrajectory
from visualization_msgs.msg import MarkerArray

from text2sign_ros import REST_POSE, clip, holistic
from text2sign_ros.cli import main
from text2sign_ros.clip import SignClip
from text2sign_ros.wire import bags, messages, trajectory
from text2sign_ros.wire.captions import Captions, State
from text2sign_ros.wire.recording import Message
from text2sign_ros.wire.tracker import Status

TEXT = "hello"
KINDS = {"trajectory": MultiDOFJointTrajectory, "captions": String, "status": GoalStatusArray, "layout": String}


class Audience(Companion):
    """Receives all that a signer sends, and what a player shows."""

    def __init__(self) -> None:
        super().__init__("audience")
        self.heard: list[Message] = []
        self.shown: list[MarkerArray] = []
        latched = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        for topic, kind in KINDS.items():

            def on_message(data: bytes, topic: str = topic) -> None:
                self.heard.append(Message(topic, time.time_ns(), bytes(data)))

            profile = QoSProfile(depth=1000) if topic == "trajectory" else latched
            self.node.create_subscription(kind, f"/signer/{topic}", on_message, profile, raw=True)
        self.node.create_subscription(MarkerArray, "/player/markers", self.shown.append, latched)

    def of(self, topic: str) -> list[Message]:
        return [message for message in tuple(self.heard) if message.topic == topic]

    def chunks(self) -> list[trajectory.Trajectory]:
        return [trajectory.decode(message.data) for message in self.of("trajectory")]

    def captions(self) -> list[Captions]:
        return [Captions.parse(messages.read_string(message.data)) for message in self.of("captions")]

    def statuses(self) -> list[list[Status]]:
        return [[goal.status for goal in messages.read_goals(message.data)] for message in self.of("status")]

    def situation(self) -> str:
        return f"{len(self.heard)} messages, {len(self.shown)} poses"


@pytest.fixture
def audience() -> Iterator[Audience]:
    made = Audience()
    yield made
    made.close()


@pytest.fixture(scope="module")
def files(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HELLO as hello.npz, hello.pose and hello.mcap."""
    folder = tmp_path_factory.mktemp("files")
    for suffix in ("npz", "pose", "mcap"):
        assert main(["sign", TEXT, "--out", str(folder / f"hello.{suffix}"), "--bundle", str(bundle)]) == 0
    return folder


@pytest.fixture
def play(run_module: Callable[..., Process]) -> Callable[..., Process]:
    def start(path: Path, *arguments: str) -> Process:
        return run_module("text2sign_ros.cli", "play", str(path), *arguments)

    return start


def timeless(captions: Captions) -> dict[str, Any]:
    """All but what differs from one signing to the next: id, times, and how long it took."""
    values = {**vars(captions), "parts": [{**vars(part)} for part in captions.parts]}
    for each in (values, *values["parts"]):
        origin = captions.start_stamp or 0
        each |= {name: each[name] and each[name] - origin for name in ("start_stamp", "end_stamp")}
    return {name: value for name, value in values.items() if name not in ("id", "first_chunk", "work")}


def test_a_bag_holds_what_the_node_sends(run_signer: Callable[..., Process], audience: Audience, files: Path) -> None:
    run_signer().wait_for("ready")
    audience.until(lambda: audience.node.count_publishers("/signer/trajectory"), "the signer")
    time.sleep(1.0)  # for the signer to find these subscriptions
    audience.say(TEXT)
    audience.until(lambda: [Status.SUCCEEDED] in audience.statuses(), "the end")
    audience.until(lambda: any(c.state is State.ENDED for c in audience.captions()), "the last captions")
    bag = list(bags.read(files / "hello.mcap"))
    for topic in KINDS:
        assert len(audience.of(topic)) == len([m for m in bag if m.topic == topic]), topic
    both = list(
        zip(audience.chunks(), [trajectory.decode(m.data) for m in bag if m.topic == "trajectory"], strict=True)
    )
    first = [pair.stamp_ns for pair in both[0]]
    for sent, kept in both:
        assert sent.stamp_ns - first[0] == kept.stamp_ns - first[1]
        assert sent.joint_names == kept.joint_names
        for name in ("positions", "velocities", "time_from_start"):
            np.testing.assert_array_equal(getattr(sent, name), getattr(kept, name), err_msg=name)
    kept = [Captions.parse(messages.read_string(m.data)) for m in bag if m.topic == "captions"]
    assert [timeless(captions) for captions in audience.captions()] == [timeless(captions) for captions in kept]
    goals = [[goal.status for goal in messages.read_goals(m.data)] for m in bag if m.topic == "status"]
    assert audience.statuses() == goals
    layouts = [audience.of("layout")[0], next(message for message in bag if message.topic == "layout")]
    assert messages.read_string(layouts[0].data) == messages.read_string(layouts[1].data)


@pytest.mark.parametrize("suffix", [pytest.param("pose", marks=pytest.mark.slow), "mcap"])
def test_the_player_follows(
    run_player: Callable[..., Process], play: Callable[..., Process], audience: Audience, files: Path, suffix: str
) -> None:
    player = run_player()
    player.wait_for("ready")
    playing = play(files / f"hello.{suffix}", "--ros-args", "-p", "start_delay:=3.0")  # for a busy machine's discovery
    playing.wait_for("played to the end")
    assert playing.wait() == 0
    signed, chunks = SignClip.load(files / "hello.npz"), audience.chunks()
    path = np.concatenate([chunk.positions for chunk in chunks])
    np.testing.assert_allclose(path, signed.positions, atol=1e-6)
    begin = chunks[0].stamp_ns
    times = np.concatenate([chunk.stamp_ns - begin + chunk.time_from_start for chunk in chunks])
    np.testing.assert_array_equal(times, 40_000_000 * np.arange(len(signed)))
    ahead = [(chunk.stamp_ns - m.time_ns) / 1e9 for chunk, m in zip(chunks, audience.of("trajectory"), strict=True)]
    assert 0.0 < np.median(ahead) < 0.21 and max(ahead) < 0.25, "lead_time ahead"
    within = [message for message in audience.shown if begin <= stamp_ns(message) < begin + times[-1]]
    assert len(within) > 20
    off = []
    for message in within:
        place = (stamp_ns(message) - begin) / 40_000_000
        before = int(place)
        chord = path[before] + (place - before) * (path[before + 1] - path[before])
        off.append(float(np.abs(positions(message) - chord).max()))
    assert np.quantile(off, 0.85) < 0.03, "where a busy machine delivers a chunk late, the player joins it"
    audience.until(lambda: np.abs(positions(audience.shown[-1]) - REST_POSE).max() < 1e-4, "rest")
    if suffix == "mcap":
        last = audience.captions()[-1]
        assert (last.text, last.state, last.start_stamp) == (TEXT, State.ENDED, begin)
        assert audience.statuses()[-1] == [Status.SUCCEEDED]
    else:
        assert not audience.of("captions") and len(audience.of("layout")) == 1


def test_simulated_time_a_loop_and_a_signal(play: Callable[..., Process], audience: Audience, files: Path) -> None:
    playing = play(files / "hello.mcap", "--loop", "--ros-args", "-p", "use_sim_time:=true", "-p", "start_delay:=0.1")
    playing.wait_for("waits for somebody")
    frames = len(SignClip.load(files / "hello.npz"))
    audience.until(audience.clock.get_subscription_count, "who goes by the clock")
    time.sleep(0.5)
    assert not audience.chunks(), "the clock has not started"
    now, count = 50.0, 0

    def run_until(condition: Callable[[], object], most: float) -> None:
        nonlocal now
        end = now + most
        while not condition():
            assert now < end, audience.situation()
            audience.set_clock(now)
            now += 0.1
            time.sleep(0.01)

    def received() -> int:
        return sum(len(chunk.positions) for chunk in audience.chunks())

    run_until(lambda: received() >= frames + 10, 60)
    chunks = audience.chunks()
    assert 50.0 <= chunks[0].stamp_ns / 1e9 < 55.0, "stamps are of the simulated clock"
    again = next(i for i, chunk in enumerate(chunks) if i and chunk.stamp_ns - chunks[i - 1].stamp_ns > 400_000_000)
    np.testing.assert_array_equal(chunks[again].positions, chunks[0].positions)
    count, now = received(), 20.0  # a jump back: what is left is given stamps of the new time
    run_until(lambda: received() > count + 10, 20)
    assert 20.0 <= audience.chunks()[-1].stamp_ns / 1e9 < 45.0
    playing.signal(signal.SIGINT)
    assert playing.wait() == 0
    assert not [line for line in playing.log if "Traceback" in line or "ERROR" in line]


def lifted(folder: Path) -> tuple[Path, np.ndarray]:
    """A file of MediaPipe Holistic that shows a known signer, and the signer (79, 3)."""
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions
    from test_mediapipe import _landmarks, _signer

    names, width, height = holistic.COMPONENTS, 640, 480
    components = [PoseHeaderComponent(name, list(points), [], [(0, 0, 0)], "XYZC") for name, points in names.items()]
    signer = _signer()
    body, hands = _landmarks(signer)
    body = np.concatenate((body[..., :3], np.full((len(body), 8, 3), 0.5)), axis=1)  # 33 landmarks
    face = np.full((len(body), len(names["FACE_LANDMARKS"]), 3), 0.5)
    data = np.concatenate((body, face, hands["left"], hands["right"]), axis=1) * (width, height, 1)
    pose = Pose(
        PoseHeader(0.2, PoseHeaderDimensions(width, height, 0), components),
        NumPyPoseBody(25.0, data[:, None].astype(np.float32), np.ones((len(data), 1, data.shape[1]), np.float32)),
    )
    with (folder / "holistic.pose").open("wb") as file:
        pose.write(file)
    return folder / "holistic.pose", signer


def test_a_file_of_mediapipe_is_lifted(tmp_path: Path) -> None:
    from text2sign_ros.corpora import pose_files

    path, signer = lifted(tmp_path)
    found = pose_files.read(path)
    assert found.fps == 25 and (found.confidence == 1).all()
    assert np.linalg.norm(found.positions - signer, axis=-1).max() < 0.03


def broken(name: str, files: Path, folder: Path) -> Path:
    """A file that can't be played."""
    path, arrays = folder / f"{name}.npz", dict(np.load(files / "hello.npz"))
    if name == "other_layout":
        arrays["keypoints"] = arrays["keypoints"][::-1]
    elif name == "nan":
        arrays["positions"][3, 4] = np.nan
    elif name == "no_fps":
        del arrays["fps"]
    elif name == "no_frames":
        arrays |= {"positions": arrays["positions"][:0], "confidence": arrays["confidence"][:0]}
    elif name == "millimetres":
        arrays["positions"] *= 1000
    elif name == "cut_bag":
        path = folder / "cut_bag.mcap"
        path.write_bytes((files / "hello.mcap").read_bytes()[:60_000])
        return path
    elif name == "wrong_type":
        return shutil.copy(files / "hello.npz", folder / "wrong_type.mcap")
    elif name in ("scaled", "reduced"):
        from pose_format import Pose
        from pose_format.utils.generic import reduce_holistic

        pose = Pose.read((files / "hello.pose").read_bytes())
        pose.header.dimensions.width = 512
        path = folder / f"{name}.pose"
        with path.open("wb") as file:
            (reduce_holistic(pose) if name == "reduced" else pose).write(file)
        return path
    elif name == "video":
        path = folder / "video.mp4"
        path.write_bytes(b"0")
        return path
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("other_layout", "other keypoints than the 79"),
        ("nan", "must be finite"),
        ("no_fps", "fps is not a file in the archive"),
        ("no_frames", "it has no motion"),
        ("millimetres", "beyond 10 m"),
        ("cut_bag", "not a readable bag"),
        ("wrong_type", "not a readable bag"),
        ("scaled", "MediaPipe Holistic as pose-format's estimation writes it"),
        ("reduced", "it lacks POSE_LANDMARKS NOSE"),
        ("video", "must be a folder or end in .npz, .pose, .mcap, .db3"),
    ],
)
def test_what_can_not_be_played_is_one_line(
    name: str, reason: str, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["play", str(broken(name, files, tmp_path))]) == 1
    output = capsys.readouterr()
    assert reason in output.err and name in output.err and output.err.count("\n") == 1, output.err
    assert not output.out


def test_a_file_that_unpacks_to_too_much(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clip, "MAX_BYTES", 60_000)
    for name in ("hello.npz", "hello.pose"):
        assert main(["play", str(files / name)]) == 1
        assert f"{name} holds 0.0 GB; a clip has at most" in capsys.readouterr().err


def test_options_that_do_not_fit(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", str(files / "hello.npz"), "--topic", "/a"]) == 1
    assert "--topic names a topic of a bag" in capsys.readouterr().err
    assert main(["play", str(files / "hello.mcap"), "--topic", "/a"]) == 1
    assert "no motion on /a; it has some on /signer/trajectory" in capsys.readouterr().err
    assert main(["play", str(files / "nowhere.npz")]) == 1
    assert "nowhere.npz" in capsys.readouterr().err
