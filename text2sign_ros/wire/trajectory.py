"""Chunk <-> trajectory_msgs/MultiDOFJointTrajectory as CDR bytes laid out by numpy.

Building the message from Python objects takes fifty times as long. The bytes are what ``Publisher.publish(bytes)``
sends and what a subscription with ``raw=True`` receives. Layout: XCDR version 1, little-endian; alignment counts from
the end of the four-byte encapsulation header.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from text2sign_ros.errors import Text2SignError
from text2sign_ros.motion.chunks import Chunk, frame_time
from text2sign_ros.skeleton import KEYPOINTS

FRAME_ID = "signer"
"""The frame unless a node is given another."""

_ENCAPSULATION = b"\x00\x01\x00\x00"  # CDR, little-endian
_SECOND = 1_000_000_000
_MOST_JOINTS = 1000  # a message with more is not read any further: no skeleton has more


class TrajectoryError(Text2SignError):
    """Bytes that are not a trajectory of keypoints with velocities."""


class Trajectory(NamedTuple):
    """A decoded message.

    ``stamp_ns`` of its first point, ``positions`` (n, joints, 3) float32 in metres and ``velocities`` in metres per
    second, ``time_from_start`` (n,) int64 nanoseconds, ``joint_names``.
    """

    stamp_ns: int
    positions: np.ndarray
    velocities: np.ndarray
    time_from_start: np.ndarray
    joint_names: tuple[str, ...]

    def before(self, stamp_ns: int) -> Trajectory:
        """The part that is played before ``stamp_ns``, which may have no points."""
        count = int(np.searchsorted(self.time_from_start, stamp_ns - self.stamp_ns))
        positions, velocities, times = self.positions[:count], self.velocities[:count], self.time_from_start[:count]
        return Trajectory(self.stamp_ns, positions, velocities, times, self.joint_names)


@lru_cache(4)  # the sender of a message chooses the number
def _points(joints: int) -> np.dtype:
    """One point of the trajectory, from its first transform to the length of the next point's transforms.

    Cut there, and not at the start of the point, every record is a multiple of 8 bytes long and so needs the same
    padding, wherever the first one starts.
    """
    return np.dtype(
        [
            ("transforms", "<f8", (joints, 7)),  # translation xyz, rotation xyzw
            ("num_velocities", "<u4"),
            ("pad", "<u4"),
            ("velocities", "<f8", (joints, 6)),  # linear xyz, angular xyz
            ("num_accelerations", "<u4"),
            ("sec", "<i4"),
            ("nanosec", "<u4"),
            ("num_transforms", "<u4"),  # of the next point
        ]
    )


@lru_cache(8)
def _names(frame: str, names: tuple[str, ...]) -> bytes:
    """frame_id and joint_names as they follow the stamp (which ends at offset 8)."""
    out = _string_bytes(frame) + struct.pack("<I", len(names))
    return out + b"".join(map(_string_bytes, names))


def _string_bytes(text: str) -> bytes:
    """Length, characters, a zero, and padding to the next multiple of four (which every length starts at)."""
    data = text.encode() + b"\0"
    return struct.pack("<I", len(data)) + data + b"\0" * (-len(data) % 4)


def encode(chunk: Chunk, stamp_ns: int, frame: str = FRAME_ID) -> bytes:
    """The message for ``chunk`` in ``frame``, to be played at ``stamp_ns`` (nanoseconds of the ROS clock).

    Each point has 79 transforms, 79 velocities and no accelerations. Keypoints have no orientation: rotations are the
    identity and angular velocities zero, which means that there are no such data. A point's time_from_start is the
    difference of two exact frame times, so that chunks are contiguous to the nanosecond.
    """
    n, joints = chunk.positions.shape[:2]
    head = struct.pack("<iI", *divmod(stamp_ns, _SECOND)) + _names(frame, KEYPOINTS) + struct.pack("<II", n, joints)
    head = _ENCAPSULATION + head + b"\0" * (-len(head) % 8)
    kind = _points(joints)
    data = np.zeros(len(head) + n * kind.itemsize, np.uint8)
    data[: len(head)] = np.frombuffer(head, np.uint8)

    points = data[len(head) :].view(kind)
    points["transforms"][..., :3] = chunk.positions
    points["transforms"][..., 6] = 1.0
    points["num_velocities"] = points["num_transforms"] = joints
    points["velocities"][..., :3] = chunk.velocities
    elapsed = frame_time(chunk.start + np.arange(n), chunk.fps) - chunk.start_time
    points["sec"], points["nanosec"] = np.divmod(elapsed, _SECOND)
    return data[:-4].tobytes()  # the last point has no next one, whose length would stand here


def decode(data: bytes) -> Trajectory:
    """Inverse of ``encode``, for a subscription with ``raw=True``.

    Raises:
        TrajectoryError: anything but a trajectory in which every point has one transform and one velocity per joint.
    """
    data = bytes(data)
    if data[:4] != _ENCAPSULATION:
        raise TrajectoryError(f"encapsulation {data[:4].hex()} is not little-endian CDR ({_ENCAPSULATION.hex()})")
    body = memoryview(data)[4:]
    try:
        sec, nanosec = struct.unpack_from("<iI", body)
        _, at = _string(body, 8)
        (joints,), at = struct.unpack_from("<I", body, at), at + 4
        if joints > _MOST_JOINTS:
            raise TrajectoryError(f"the message has {joints} joints, more than the {_MOST_JOINTS} that are read")
        names = []
        for _ in range(joints):
            name, at = _string(body, at)
            names.append(name)
        n, first = struct.unpack_from("<II", body, at)
        at = (at + 8 + 7) // 8 * 8
        kind = _points(joints)
        # The last record lacks the next point's length; its padding is never looked at.
        points = np.frombuffer(bytes(body[at : at + n * kind.itemsize - 4]) + bytes(4), kind)
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise TrajectoryError(f"the message is cut off or garbled: {error}") from error
    lengths = np.concatenate((points["num_velocities"], points["num_transforms"][:-1], [first]))
    if len(points) != n or (lengths != joints).any() or points["num_accelerations"].any():
        raise TrajectoryError("every point must have one transform and one velocity per joint, and no acceleration")
    return Trajectory(
        sec * _SECOND + nanosec,
        points["transforms"][..., :3].astype(np.float32),
        points["velocities"][..., :3].astype(np.float32),
        points["sec"].astype(np.int64) * _SECOND + points["nanosec"],
        tuple(names),
    )


def _string(body: memoryview, at: int) -> tuple[str, int]:
    """The string at the next multiple of four, and the aligned offset behind it."""
    (length,) = struct.unpack_from("<I", body, at)
    end = at + 4 + length
    if length < 1 or end > len(body):
        raise ValueError(f"a string of {length} bytes at offset {at}")
    return str(body[at + 4 : end - 1], "utf-8"), (end + 3) // 4 * 4


def stamp_of(data: bytes) -> int:
    """The stamp of an encoded message, in nanoseconds."""
    sec, nanosec = struct.unpack_from("<iI", data, len(_ENCAPSULATION))
    return sec * _SECOND + nanosec


def restamped(data: bytes, stamp_ns: int) -> bytes:
    """The same message with another stamp."""
    at = len(_ENCAPSULATION)
    return data[:at] + struct.pack("<iI", *divmod(stamp_ns, _SECOND)) + data[at + 8 :]
