"""std_msgs/String and action_msgs/GoalStatusArray <-> CDR bytes, as ``trajectory`` does it for chunks."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable

from text2sign_ros.errors import Text2SignError
from text2sign_ros.wire.tracker import GoalState, Status

_ENCAPSULATION = b"\x00\x01\x00\x00"  # CDR, little-endian
_SECOND = 1_000_000_000
_GOAL_BYTES = 28  # from one goal's id, which needs no alignment, to the next: three bytes of padding before its stamp


class MessageError(Text2SignError):
    """Bytes that are not the message that they should be."""


def string(text: str) -> bytes:
    """std_msgs/String."""
    data = text.encode() + b"\0"
    return _ENCAPSULATION + struct.pack("<I", len(data)) + data


def read_string(data: bytes) -> str:
    """Inverse of ``string``.

    Raises:
        MessageError: it is something else.
    """
    try:
        (length,) = struct.unpack_from("<I", data, 4)
        if data[:4] != _ENCAPSULATION or not 1 <= length <= len(data) - 8:
            raise ValueError(f"a string of {length} bytes in a message of {len(data)}")
        return str(data[8 : 8 + length - 1], "utf-8")
    except (struct.error, ValueError) as error:
        raise MessageError(f"this is no std_msgs/String: {error}") from error


def goals(states: Iterable[GoalState]) -> bytes:
    """action_msgs/GoalStatusArray."""
    states = tuple(states)
    out = bytearray(_ENCAPSULATION + struct.pack("<I", len(states)))
    for state in states:
        out += state.id.bytes
        out += bytes(-len(out) % 4)
        out += struct.pack("<iIb", *divmod(state.stamp_ns, _SECOND), state.status)
    return bytes(out)


def read_goals(data: bytes) -> tuple[GoalState, ...]:
    """Inverse of ``goals``.

    Raises:
        MessageError: it is something else.
    """
    try:
        (count,) = struct.unpack_from("<I", data, 4)
        if data[:4] != _ENCAPSULATION or count * _GOAL_BYTES > len(data) + 4:
            raise ValueError(f"{count} goals in a message of {len(data)} bytes")
        states, at = [], 8
        for _ in range(count):
            id, at = uuid.UUID(bytes=bytes(data[at : at + 16])), (at + 16 + 3) // 4 * 4
            sec, nanosec, status = struct.unpack_from("<iIb", data, at)
            states.append(GoalState(id, Status(status), sec * _SECOND + nanosec))
            at += 9
        return tuple(states)
    except (struct.error, ValueError) as error:
        raise MessageError(f"this is no action_msgs/GoalStatusArray: {error}") from error
