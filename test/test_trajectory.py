"""Our CDR bytes are the message that rclpy would have sent; decode is the inverse of encode."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from conftest import ROOT
from geometry_msgs.msg import Quaternion, Transform, Twist, Vector3
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from trajectory_msgs.msg import MultiDOFJointTrajectory, MultiDOFJointTrajectoryPoint

from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.skeleton import KEYPOINTS
from text2sign_ros.wire.trajectory import TrajectoryError, decode, encode

values = st.floats(-1e3, 1e3, width=32)


@st.composite
def _chunks(draw: st.DrawFn) -> Chunk:
    shape = (draw(st.integers(1, 5)), 79, 3)
    positions, velocities = (draw(arrays.arrays(np.float32, shape, elements=values)) for _ in range(2))
    return Chunk(draw(st.integers(0, 10**6)), positions, velocities, draw(st.sampled_from([25.0, 29.97, 30.0])), False)


def _vector(xyz: np.ndarray) -> Vector3:
    x, y, z = map(float, xyz)
    return Vector3(x=x, y=y, z=z)


def _built_field_by_field(chunk: Chunk, stamp_ns: int, frame: str) -> MultiDOFJointTrajectory:
    stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    message = MultiDOFJointTrajectory(header=Header(stamp=stamp, frame_id=frame), joint_names=list(KEYPOINTS))
    origin = round(chunk.start * 1e9 / chunk.fps)
    for k, (positions, velocities) in enumerate(zip(chunk.positions, chunk.velocities, strict=True)):
        elapsed = round((chunk.start + k) * 1e9 / chunk.fps) - origin
        point = MultiDOFJointTrajectoryPoint()
        point.transforms = [Transform(translation=_vector(p), rotation=Quaternion(w=1.0)) for p in positions]
        point.velocities = [Twist(linear=_vector(v)) for v in velocities]
        point.time_from_start = Duration(sec=elapsed // 10**9, nanosec=elapsed % 10**9)
        message.points.append(point)
    return message


@given(_chunks(), st.integers(0, 2**31 * 10**9 - 1), st.sampled_from(["signer", "a", "left/signer", "кадр"]))
@settings(max_examples=40, deadline=None)
def test_equal_to_the_message_that_rclpy_builds(chunk: Chunk, stamp_ns: int, frame: str) -> None:
    data = encode(chunk, stamp_ns, frame)
    expected = _built_field_by_field(chunk, stamp_ns, frame)
    assert deserialize_message(data, MultiDOFJointTrajectory) == expected
    # and rclpy's own bytes, whatever they hold as padding, are read back the same
    for source in (data, serialize_message(expected)):
        stamp, positions, velocities, time_from_start, names = decode(source)
        assert stamp == stamp_ns and names == KEYPOINTS
        np.testing.assert_array_equal(positions, chunk.positions)
        np.testing.assert_array_equal(velocities, chunk.velocities)
        assert time_from_start.tolist() == [
            p.time_from_start.sec * 10**9 + p.time_from_start.nanosec for p in expected.points
        ]


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 60, 256])
def test_any_number_of_frames(frames: int) -> None:
    positions = np.random.default_rng(frames).normal(size=(frames, 79, 3)).astype(np.float32)
    chunk = Chunk(0, positions, 2 * positions, 25.0, True)
    message = deserialize_message(encode(chunk, 1), MultiDOFJointTrajectory)
    assert len(message.points) == frames
    last = message.points[-1]
    assert last.transforms[78].translation.z == chunk.positions[-1, 78, 2]
    assert last.velocities[78].linear.z == chunk.velocities[-1, 78, 2]
    assert not last.accelerations


def test_the_page_says_what_a_message_weighs() -> None:
    page = (ROOT / "docs" / "trajectory.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) kB \| (\d+) kB/s", page, re.MULTILINE)
    assert "8" in dict.fromkeys(frames for frames, _, _ in rows)
    for frames, kilobytes, rate in rows:
        positions = np.zeros((int(frames), 79, 3), np.float32)
        size = len(encode(Chunk(0, positions, positions, 25.0, True), 1)) / 1000
        assert f"{size:.1f}" == kilobytes and abs(size * 25 / int(frames) - int(rate)) < 0.01 * int(rate), frames


@given(st.integers(0, 40_000), st.binary(max_size=8))
def test_garbled_bytes_are_refused(cut: int, garbage: bytes) -> None:
    chunk = Chunk(0, np.ones((4, 79, 3), np.float32), np.ones((4, 79, 3), np.float32), 25.0, True)
    data = encode(chunk, 5)
    if cut < len(data):
        with pytest.raises(TrajectoryError):
            decode(data[:cut])
    with pytest.raises(TrajectoryError):
        decode(b"\x00\x00\x00\x00" + garbage)


def test_other_messages_are_refused() -> None:
    message = MultiDOFJointTrajectory(joint_names=["a", "b"], points=[MultiDOFJointTrajectoryPoint()])
    with pytest.raises(TrajectoryError):
        decode(serialize_message(message))


def test_encoding_is_quick() -> None:
    positions = np.zeros((256, 79, 3), np.float32)
    chunk = Chunk(0, positions, positions, 25.0, True)
    best = min(_seconds(encode, chunk, 0) for _ in range(5))
    assert best < 0.02, "building the message from Python objects takes 0.1 s; these bytes must take a fraction of that"


def _seconds(function, *args) -> float:
    began = time.perf_counter()
    function(*args)
    return time.perf_counter() - began
