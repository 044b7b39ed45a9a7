"""Recordings of a signer: its messages with their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from text2sign_ros.clip import SignClip
from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.engine import Outcome, Style, Utterance
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.motion.chunks import chunks as chunks_of
from text2sign_ros.motion.playback import Piece, PlaybackError
from text2sign_ros.skeleton import KEYPOINTS
from text2sign_ros.wire import messages, trajectory
from text2sign_ros.wire.captions import Captioner, Captions
from text2sign_ros.wire.goals import Goals
from text2sign_ros.wire.layout import layout

TYPES = {
    "layout": "std_msgs/msg/String",
    "status": "action_msgs/msg/GoalStatusArray",
    "captions": "std_msgs/msg/String",
    "trajectory": "trajectory_msgs/msg/MultiDOFJointTrajectory",
}
"""The topics of a signer that are recorded, by the last part of their names."""
_LEAD_TIME, _START_DELAY = 200_000_000, 100_000_000
"""Nanoseconds: the defaults of the node's parameters of these names."""
_FRAMES = Style().frames_per_chunk
_SECOND = 1_000_000_000


class NotPlayableError(Text2SignError):
    """A recording that can't be played; the message says why."""


class Message(NamedTuple):
    """One message of a signer.

    Attributes:
        topic: one of ``TYPES``.
        time_ns: when it is sent.
        data: CDR.
    """

    topic: str
    time_ns: int
    data: bytes


def messages_of(utterance: Utterance, chunks: Sequence[Chunk], start_ns: int) -> list[Message]:
    """What the node sends for a text that it receives at ``start_ns``, if nothing else is to be signed.

    Args:
        utterance: with the figures and the warnings that it has at its end.
        chunks: all of its motion.
        start_ns: nanoseconds of the clock of the stamps, not 0.
    """
    found: list[Message] = []
    now, fps = start_ns, chunks[0].fps

    def send(topic: str, data: bytes) -> None:
        found.append(Message(topic, now, data))

    goals = Goals(lambda states: send("status", messages.goals(states)))
    send("layout", messages.string(layout(fps)))
    captions = Captioner(fps, lambda changed: send("captions", messages.string(changed.json())))
    captions.accept(utterance.id, utterance.text)
    goals.accept(utterance.id)
    captions.queue(utterance)
    for chunk in chunks:
        stamp = start_ns + _START_DELAY + chunk.start_time
        now = max(start_ns, stamp - _LEAD_TIME)
        send("trajectory", trajectory.encode(chunk, stamp))
        captions.sent(utterance, chunk, stamp)
        if chunk.start == 0:
            goals.execute(utterance.id, stamp)
    now = start_ns + _START_DELAY + chunks[-1].end_time
    captions.end(utterance.id, Outcome.SIGNED, utterance=utterance)
    goals.end(utterance.id, Outcome.SIGNED)
    return found


def messages_of_clip(clip: SignClip) -> Iterator[Message]:
    """A clip as the motion of a signer that starts at 1 s; there are no captions and no goals.

    What was not observed is filled in: chunks have no confidence.
    """
    yield Message("layout", _SECOND, messages.string(layout(clip.fps)))
    for chunk in chunks_of([clip.filled()], clip.fps, _FRAMES):
        stamp = _SECOND + chunk.start_time
        yield Message("trajectory", max(_SECOND, stamp - _LEAD_TIME), trajectory.encode(chunk, stamp))


def check(sent: Iterable[Message]) -> float:
    """Read all of a recording, and see that it can be played.

    Returns:
        Seconds from its first point to its last.

    Raises:
        NotPlayableError: it has no motion, or one that no consumer would play.
    """
    first = last = None
    for message in sent:
        if message.topic != "trajectory":
            continue
        try:
            chunk = trajectory.decode(message.data)
            if chunk.joint_names != KEYPOINTS:
                raise NotPlayableError(
                    f"its {len(chunk.joint_names)} joints are not the {len(KEYPOINTS)} keypoints of text2sign_ros"
                )
            piece = Piece(chunk.stamp_ns + chunk.time_from_start, chunk.positions, chunk.velocities)
        except (trajectory.TrajectoryError, PlaybackError) as error:
            raise NotPlayableError(str(error)) from error
        first, last = piece.start if first is None else first, piece.end
    if first is None or last is None:
        raise NotPlayableError("it has no motion")
    return (last - first) / _SECOND


def moved(message: Message, by_ns: int) -> bytes:
    """The data of a message of which all stamps are later by ``by_ns``.

    Raises:
        MessageError, CaptionsError: it is not what its topic should have.
    """
    if message.topic == "trajectory":
        return trajectory.restamped(message.data, trajectory.stamp_of(message.data) + by_ns)
    if message.topic == "status":
        states = messages.read_goals(message.data)
        return messages.goals(s._replace(stamp_ns=s.stamp_ns + by_ns) if s.stamp_ns else s for s in states)
    if message.topic == "captions":
        captions = Captions.parse(messages.read_string(message.data))
        for owner in (captions, *captions.parts):
            for name in ("start_stamp", "end_stamp"):
                if (stamp := getattr(owner, name)) is not None:
                    setattr(owner, name, stamp + by_ns)
        return messages.string(captions.json())
    return message.data
