"""The node `play`: a recording in, its messages out with new stamps, as if the signer sent them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from action_msgs.msg import GoalStatusArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.ros import parameters, process, qos
from text2sign_ros.ros.overrides import warn_of_unknown_qos
from text2sign_ros.wire import recording, trajectory
from text2sign_ros.wire.recording import Message
from text2sign_ros.wire.schedule import Schedule
from text2sign_ros.wire.sender import POLL

_KINDS = {
    "layout": (String, qos.LATEST),
    "status": (GoalStatusArray, qos.LATEST),
    "captions": (String, qos.CAPTIONS),
    "trajectory": (MultiDOFJointTrajectory, qos.TRAJECTORY),
}
_AFTER = 500_000_000
"""Nanoseconds from the last message to the end of the process, for the middleware to deliver it."""

Reader = Callable[[], Iterator[Message]]
"""Reads a recording from its start."""


class PlayNode(Node):
    """Publishes a recording on ``signer/trajectory``, ``…/captions``, ``…/status`` and ``…/layout``.

    It begins when somebody receives the motion. Stamps are those of a signer that signs now, on the ROS clock: chunks
    come ``lead_time`` ahead, keep their distances, and are rescheduled where the clock jumps. What is not motion comes
    as long after the chunk before it as in the recording. One thread: the executor's.
    """

    def __init__(self, read: Reader, *, loop: bool = False, **options: Any) -> None:
        """Open the topics.

        Args:
            read: the recording, which ``recording.check`` has found to be sound.
            loop: start again at the end.
            options: of ``Node``.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
            QosError: a QoS override is invalid.
        """
        super().__init__("play", **options)
        values = parameters.declare(self, parameters.PLAY)
        self._lead, self._delay = (round(values[name] * 1e9) for name in ("lead_time", "start_delay"))
        self._read, self._loop = read, loop
        self._publishers_of = {
            topic: qos.publisher(self, kind, f"signer/{topic}", profile) for topic, (kind, profile) in _KINDS.items()
        }
        warn_of_unknown_qos(self)
        self._schedule = Schedule()
        self._chunks = self._publishers_of["trajectory"]
        self._started = False
        self._begin()
        # On a steady clock: that of the stamps may be simulated, and stop.
        self.create_timer(POLL, self._advance, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"ready: waits for somebody to receive {self._chunks.topic_name}")

    def _begin(self) -> None:
        self._schedule.begin()
        self._messages = self._read()
        self._next: Message | None = next(self._messages, None)
        self._first: int | None = None  # stamp of the first chunk in the recording
        self._recorded = self._due = self._end = 0  # of the last chunk: when it was sent, and is now; when it ends
        self._moved = 0  # by how much stamps are later than in the recording

    def _advance(self) -> None:
        now = self.get_clock().now().nanoseconds
        self._schedule.jumped_back(now)
        if not now or not (self._started or self._chunks.get_subscription_count()):
            return
        if not self._started:
            self._started = True
            if self.count_publishers(self._chunks.topic_name) > 1:
                self.get_logger().warning(
                    f"another node publishes {self._chunks.topic_name} too, such as a signer: stop it, or consumers "
                    "will refuse what does not continue the motion that they play"
                )
            self.get_logger().info("plays")
        while self._next is not None and self._send(self._next, now):
            self._next = next(self._messages, None)
        if self._next is None and now >= self._end + _AFTER:
            if self._loop:
                self._begin()
            else:
                self.get_logger().info("played to the end")
                self.context.try_shutdown()

    def _send(self, message: Message, now: int) -> bool:
        """Send a message if it is due; returns whether it was."""
        if message.topic != "trajectory":
            due = self._due + max(message.time_ns - self._recorded, 0) if self._first is not None else now
            if due > now:
                return False
            self._publishers_of[message.topic].publish(recording.moved(message, self._moved))
            self._end = max(self._end, due)
            return True
        chunk = trajectory.decode(message.data)
        stamp, times = chunk.stamp_ns, chunk.time_from_start
        first = stamp if self._first is None else self._first
        new = self._schedule.stamp(stamp - first, now, self._delay)
        if new - self._lead > now:
            return False
        self._chunks.publish(trajectory.restamped(message.data, new))
        length = int(times[-1]) + (int(times[-1] - times[-2]) if len(times) > 1 else 0)  # until the next chunk
        self._schedule.sent(stamp - first + length)
        self._first, self._moved = first, new - stamp
        self._recorded, self._due, self._end = message.time_ns, new - self._lead, new + length
        return True


def run(read: Reader, arguments: Sequence[str], *, loop: bool = False) -> int:
    """Play a recording until its end, SIGINT or SIGTERM (exit code 0); 1 when the node can't start.

    Args:
        read: the recording, which ``recording.check`` has found to be sound.
        arguments: of ROS 2, such as ``["--ros-args", "-p", "use_sim_time:=true"]``.
        loop: start again at the end.
    """

    def make(stack: ExitStack) -> PlayNode:
        node = PlayNode(read, loop=loop)
        stack.callback(node.destroy_node)
        return node

    return process.run("play", make, about=__doc__, settings=parameters.PLAY, arguments=["play", *arguments])
