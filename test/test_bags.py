"""Bags: what `text2sign sign` writes as MCAP, opened by rosbags and by mcap's own reader; and what can't be read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.inference.engine import Style, Utterance, sign
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.wire import bags, messages, recording, trajectory
from text2sign_ros.wire.bags import BagError
from text2sign_ros.wire.captions import Captions, State
from text2sign_ros.wire.recording import TYPES, Message, NotPlayableError
from text2sign_ros.wire.tracker import Status

START = 5_000_000_000
SECOND = 10**9


@pytest.fixture(scope="module")
def signed(bundle: Path) -> tuple[Utterance, list[Chunk]]:
    """HELLO BOB?: a sign, letters, and a marker."""
    signer = Signer(bundle)
    utterance = Utterance("hello bob?", Style())
    chunks = list(sign(signer, signer.plan(utterance.text), utterance.style))
    signer.close()
    return utterance, chunks


@pytest.fixture(scope="module")
def sent(signed: tuple[Utterance, list[Chunk]]) -> list[Message]:
    return recording.messages_of(*signed, START)


@pytest.fixture
def bag(sent: list[Message], tmp_path: Path) -> Path:
    bags.write(tmp_path / "hello.mcap", sent)
    assert [path.name for path in tmp_path.iterdir()] == ["hello.mcap"]
    return tmp_path / "hello.mcap"


def test_the_messages_come_as_from_the_node(signed: tuple[Utterance, list[Chunk]], sent: list[Message]) -> None:
    chunks = [trajectory.decode(message.data) for message in sent if message.topic == "trajectory"]
    positions = np.concatenate([chunk.positions for chunk in chunks])
    np.testing.assert_array_equal(positions, np.concatenate([chunk.positions for chunk in signed[1]]))
    for one, following in pairwise(chunks):
        assert following.stamp_ns == one.stamp_ns + 40_000_000 * len(one.positions)
    for message in sent:
        if message.topic == "trajectory":
            ahead = trajectory.stamp_of(message.data) - message.time_ns
            assert ahead == (100_000_000 if message.time_ns == START else 200_000_000)
    assert [message.time_ns for message in sent] == sorted(message.time_ns for message in sent)
    states = [messages.read_goals(message.data) for message in sent if message.topic == "status"]
    assert [[goal.status for goal in goals] for goals in states] == [
        [],
        [Status.ACCEPTED],
        [Status.EXECUTING],
        [Status.SUCCEEDED],
    ]
    assert {goal.stamp_ns for goal in states[-1]} == {chunks[0].stamp_ns}
    captions = [Captions.parse(messages.read_string(m.data)) for m in sent if m.topic == "captions"]
    assert captions[0].state is State.ACCEPTED and captions[-1].state is State.ENDED
    parts = [part for part in captions[-1].parts if part.kind != "marker"]
    assert [part.text for part in parts] == ["hello", "b", "o", "b", ""]
    assert parts[0].start_stamp == chunks[0].stamp_ns and captions[-1].frames == len(positions)


def test_rosbags_reads_it(bag: Path, sent: list[Message]) -> None:
    from rosbags.highlevel import AnyReader

    with AnyReader([bag]) as reader:
        found = [(c.topic, at, reader.deserialize(data, c.msgtype)) for c, at, data in reader.messages()]
        types = {connection.topic: connection.msgtype for connection in reader.connections}
    assert types == {f"/signer/{topic}": kind for topic, kind in TYPES.items()}
    assert [(topic, at) for topic, at, _ in found] == [(f"/signer/{m.topic}", m.time_ns) for m in sent]
    chunk = next(content for topic, _, content in found if topic == "/signer/trajectory")
    assert tuple(chunk.joint_names) == skeleton.KEYPOINTS and chunk.header.frame_id == "signer"
    assert chunk.header.stamp.sec == 5 and len(chunk.points) == 8
    head = chunk.points[3].transforms[0].translation
    ours = trajectory.decode(next(m.data for m in sent if m.topic == "trajectory")).positions[3, 0]
    np.testing.assert_allclose((head.x, head.y, head.z), ours, atol=1e-6)


def test_the_reader_of_mcap_itself_reads_it(bag: Path, sent: list[Message]) -> None:
    reader = pytest.importorskip("mcap.reader", reason="mcap is another's reader of the format")
    with bag.open("rb") as file:
        made = reader.make_reader(file, validate_crcs=True)
        assert made.get_header().profile == "ros2"
        summary = made.get_summary()
        assert summary.statistics.message_count == len(sent)
        definitions = {schema.name: schema.data.decode() for schema in summary.schemas.values()}
        found = [(channel.topic, message.log_time, message.data) for _, channel, message in made.iter_messages()]
        offered = {c.topic: yaml.safe_load(c.metadata["offered_qos_profiles"]) for c in summary.channels.values()}
    latched = {topic for topic, (profile,) in offered.items() if profile["durability"] == 1}
    assert latched == {"/signer/layout", "/signer/status", "/signer/captions"}, "transient local, by rmw's number"
    assert all(profile["reliability"] == 1 for (profile,) in offered.values())
    assert set(definitions) == set(TYPES.values())
    assert "MSG: geometry_msgs/Transform" in definitions[TYPES["trajectory"]], "what it is made of is there too"
    assert found == [(f"/signer/{m.topic}", m.time_ns, m.data) for m in sent]


def test_it_is_read_back(bag: Path, sent: list[Message]) -> None:
    assert list(bags.read(bag)) == sent
    seconds = recording.check(bags.read(bag))
    frames = sum(len(trajectory.decode(m.data).positions) for m in sent if m.topic == "trajectory")
    assert seconds == pytest.approx((frames - 1) / 25)


def rewritten(sent: list[Message], folder: Path, names: dict[str, str], plugin: str = "SQLITE3") -> Path:
    """As `ros2 bag record` does, with other names of topics: a folder."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    with Writer(folder, version=9, storage_plugin=StoragePlugin[plugin]) as writer:
        store = get_typestore(Stores.ROS2_JAZZY)
        made = {name: writer.add_connection(name, TYPES[topic], typestore=store) for name, topic in names.items()}
        for message in sent:
            for name, topic in names.items():
                if topic == message.topic:
                    writer.write(made[name], message.time_ns, message.data)
    return folder


@pytest.mark.parametrize("plugin", ["SQLITE3", "MCAP"])
def test_a_recorded_bag_with_other_names(sent: list[Message], tmp_path: Path, plugin: str) -> None:
    names = {"/left/motion": "trajectory", "/left/captions": "captions", "/right/status": "status"}
    folder = rewritten(sent, tmp_path / "bag", names, plugin)
    beside = [message for message in sent if message.topic in ("trajectory", "captions")]
    assert list(bags.read(folder)) == beside, "the only motion, and the captions beside it"
    (file,) = (path for path in folder.iterdir() if path.suffix in bags.SUFFIXES)
    assert list(bags.read(file)) == beside, "a file of it too"


def test_one_of_several_motions_is_named(sent: list[Message], tmp_path: Path) -> None:
    folder = rewritten(sent, tmp_path / "bag", {"/a/trajectory": "trajectory", "/b/trajectory": "trajectory"})
    with pytest.raises(BagError, match=r"several motions: /a/trajectory, /b/trajectory; name one with --topic"):
        list(bags.read(folder))
    assert len(list(bags.read(folder, "/b/trajectory"))) == len([m for m in sent if m.topic == "trajectory"])
    with pytest.raises(BagError, match="no motion on /c; it has some on /a/trajectory, /b/trajectory"):
        list(bags.read(folder, "/c"))


def test_a_bag_without_motion(sent: list[Message], tmp_path: Path) -> None:
    folder = rewritten(sent, tmp_path / "bag", {"/a/captions": "captions"})
    with pytest.raises(BagError, match="has no topic of type trajectory_msgs/msg/MultiDOFJointTrajectory, but /a/cap"):
        list(bags.read(folder))
    folder = rewritten([], tmp_path / "empty", {"/a/trajectory": "trajectory"})
    with pytest.raises(NotPlayableError, match="no motion"):
        recording.check(bags.read(folder))


@pytest.mark.parametrize("cut", [0, 5, 200, 0.5, -1, "text"])
@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_broken_bags_are_named(sent: list[Message], bag: Path, tmp_path: Path, cut: float | str, suffix: str) -> None:
    if suffix == ".db3":
        folder = rewritten(sent, tmp_path / "bag", {"/signer/trajectory": "trajectory"})
        bag = next(folder.glob("*.db3"))
    data = bag.read_bytes()
    broken = tmp_path / f"broken{suffix}"
    if isinstance(cut, str):
        broken.write_text("hello, this is no bag" * 100)
    else:
        broken.write_bytes(data[: round(cut * len(data)) if isinstance(cut, float) else cut])
    if suffix == ".db3" and cut == -1:
        return  # the last byte of a database is not looked at
    with pytest.raises((BagError, NotPlayableError), match=r"broken|no motion"):
        recording.check(bags.read(broken))
    with pytest.raises(BagError, match="does not exist"):
        list(bags.read(tmp_path / "nowhere.mcap"))


def test_a_folder_that_is_no_bag(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"is not a readable bag: .*metadata"):
        list(bags.read(tmp_path))


def test_other_joints_and_wild_values_are_refused(sent: list[Message]) -> None:
    chunk = next(message for message in sent if message.topic == "trajectory")
    other = chunk._replace(data=chunk.data.replace(b"left_eye\0", b"left_leg\0"))
    with pytest.raises(NotPlayableError, match="its 79 joints are not the 79 keypoints"):
        recording.check([other])
    with pytest.raises(NotPlayableError, match="cut off"):
        recording.check([chunk._replace(data=chunk.data[:500])])
    positions = np.repeat(skeleton.REST_POSE[None], 9, axis=0)
    for clip, reason in (
        (SignClip(positions * 1000, np.ones((9, 79)), 25), "beyond 10 m"),
        (SignClip(positions, np.ones((9, 79)), 2), "within 0.2 s"),
        (SignClip(positions[:0], np.ones((0, 79)), 25), "no motion"),
    ):
        with pytest.raises(NotPlayableError, match=reason):
            recording.check(recording.messages_of_clip(clip))


def test_what_a_clip_did_not_see_is_filled_in() -> None:
    positions = np.repeat(skeleton.REST_POSE[None], 10, axis=0)
    positions[:, 9] += np.linspace(0, 0.1, 10, dtype=np.float32)[:, None]
    confidence = np.ones((10, 79), np.float32)
    confidence[3:6, 9] = 0
    confidence[:, 40] = 0
    seen = positions.copy()
    positions[3:6, 9] = 5.0
    positions[:, 40] = -5.0
    found = list(recording.messages_of_clip(SignClip(positions, confidence, 25)))
    chunks = [trajectory.decode(message.data) for message in found[1:]]
    np.testing.assert_allclose(np.concatenate([chunk.positions for chunk in chunks]), seen, atol=1e-6)
    assert json.loads(messages.read_string(found[0].data))["fps"] == 25


def test_stamps_move_together(sent: list[Message]) -> None:
    by = 1234 * SECOND + 5
    for message in sent:
        data = recording.moved(message, by)
        if message.topic == "trajectory":
            before, after = trajectory.decode(message.data), trajectory.decode(data)
            assert after.stamp_ns == before.stamp_ns + by
            np.testing.assert_array_equal(after.positions, before.positions)
        elif message.topic == "status":
            both = zip(messages.read_goals(message.data), messages.read_goals(data), strict=True)
            assert all(a.stamp_ns == (b.stamp_ns and b.stamp_ns + by) and a.status is b.status for b, a in both)
        elif message.topic == "captions":
            one, two = (Captions.parse(messages.read_string(d)) for d in (message.data, data))
            assert two.text == one.text and (one.start_stamp is None) == (two.start_stamp is None)
            stamps = [(a.start_stamp, b.start_stamp) for a, b in zip(one.parts, two.parts, strict=True)]
            assert all(b == a + by for a, b in stamps)
            ends = [(a.end_stamp, b.end_stamp) for a, b in zip(one.parts, two.parts, strict=True)]
            assert all(b == (None if a is None else a + by) for a, b in ends)
        else:
            assert data == message.data


def test_a_failed_write_leaves_nothing(sent: list[Message], tmp_path: Path) -> None:
    def failing() -> Iterator[Message]:
        yield from sent[:5]
        raise RuntimeError("no more")

    (tmp_path / "a.mcap").write_bytes(b"old")
    with pytest.raises(RuntimeError, match="no more"):
        bags.write(tmp_path / "a.mcap", failing())
    assert (tmp_path / "a.mcap").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
    shutil.rmtree(tmp_path)
