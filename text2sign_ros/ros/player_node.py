"""The node `player`: chunks of motion in, the pose at a fixed rate out, as markers and transforms."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from trajectory_msgs.msg import MultiDOFJointTrajectory
from visualization_msgs.msg import MarkerArray

from text2sign_ros.motion import frames
from text2sign_ros.motion.playback import Piece, Playback, PlaybackError
from text2sign_ros.ros import diagnostics, parameters, process, qos
from text2sign_ros.ros.markers import Skeleton
from text2sign_ros.skeleton import KEYPOINTS
from text2sign_ros.wire import trajectory

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # it belongs to ROS 2, but has no wheel
    TFMessage = None

_SPAM = 5.0  # seconds between warnings of one kind


class PlayerNode(Node):
    """Plays ``signer/trajectory`` on ``~/markers`` and ``/tf`` at ``rate`` on the ROS clock.

    One thread: the executor's. What comes in is checked and kept in a ``Playback``, which bounds it; a timer asks that
    for the pose. When chunks stop coming in mid-motion the figure goes to rest, and a warning says so once.
    """

    def __init__(self, **options: Any) -> None:
        """Opens the topics and begins.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
            QosError: a QoS override is none.
        """
        super().__init__("player", **options)
        parameters.declare(self, parameters.PLAYER)
        self._frame = self.get_parameter("frame").value
        self._playback, self._skeleton = Playback(), Skeleton(self._frame)
        self._broken_off = False
        self._markers = qos.publisher(self, MarkerArray, "~/markers", qos.LATEST)
        self._transforms = None
        if TFMessage is not None:
            self._transforms = qos.publisher(self, TFMessage, "/tf", qos.TF)
        self._chunks = qos.subscription(
            self, MultiDOFJointTrajectory, "signer/trajectory", self._on_chunk, qos.TRAJECTORY, raw=True
        )
        self._diagnostics = qos.publisher(self, DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        self._counts: Counter[str] = Counter()
        self._refusal, self._refused_at = "", -diagnostics.RECENT
        # Of their own clock: that which poses go by may stand still.
        self._monitor = self.create_timer(1.0, self._diagnose, clock=Clock(clock_type=ClockType.STEADY_TIME))
        rate = self.get_parameter("rate").value
        self._timer = self.create_timer(1.0 / rate, self._show)
        self._show()  # a clock that stands, or has not begun, fires no timer
        also = "and /tf" if self._transforms else "(not on /tf: tf2_msgs is not installed)"
        self.get_logger().info(
            f"ready: plays {self._chunks.topic_name} at {rate:g} Hz on {self._markers.topic_name} {also}"
        )

    def _on_chunk(self, data: bytes) -> None:
        now = self.get_clock().now().nanoseconds
        try:
            chunk = trajectory.decode(data)
            if chunk.joint_names != KEYPOINTS:
                raise PlaybackError("a chunk's joint_names are not the 79 keypoints of text2sign_ros in their order")
            piece = Piece(chunk.stamp_ns + chunk.time_from_start, chunk.positions, chunk.velocities)
            if self._playback.interrupts(piece, now) and self.count_publishers(self._chunks.topic_name) > 1:
                raise PlaybackError(
                    f"several nodes publish {self._chunks.topic_name} at once; only the motion that is going on is "
                    "played: remap one of them"
                )
            self._playback.add(piece, now)
            self._counts["played"] += 1
        except (trajectory.TrajectoryError, PlaybackError) as error:
            self._counts["refused"] += 1
            self._refusal, self._refused_at = str(error), time.monotonic()
            self.get_logger().warning(f"not played: {error}", throttle_duration_sec=_SPAM)

    def _show(self) -> None:
        now = self.get_clock().now().nanoseconds
        positions = self._playback.pose(now)
        self._markers.publish(self._skeleton.message(now, positions))
        if self._transforms is not None and now:  # a transform of time 0 would be taken for one of any time
            self._transforms.publish(TFMessage(transforms=self._turned(now, positions)))
        if self._playback.broken_off and not self._broken_off:
            self._counts["broken off"] += 1
            self.get_logger().warning(
                "the motion broke off before it came to rest: its next chunk did not come, or the clock jumped; "
                "the figure goes back to rest"
            )
        self._broken_off = self._playback.broken_off

    def _diagnose(self) -> None:
        topic, now = self._chunks.topic_name, self.get_clock().now().nanoseconds
        publishers, ahead = self.count_publishers(topic), self._playback.ahead(now)
        level, message = DiagnosticStatus.WARN, ""
        if now == 0:
            message = diagnostics.NO_TIME
        elif publishers == 0:
            message = f"nobody publishes {topic}: start and activate the signer, or compare names and namespaces"
        elif diagnostics.is_recent(self._refused_at):
            message = f"chunks are not played: {self._refusal}"
        elif self._playback.broken_off:
            message = "the motion broke off before it came to rest: is the signer still there, and in time?"
        else:
            level, message = DiagnosticStatus.OK, "playing" if ahead else "at rest: waiting for motion"
        values = {f"chunks {name}": str(self._counts[name]) for name in ("played", "refused")}
        values |= {
            "motions broken off": str(self._counts["broken off"]),
            "motion ahead (s)": f"{ahead:.2f}",
            "publishers of the trajectory": str(publishers),
            "subscribers of ~/markers": str(self._markers.get_subscription_count()),
            "last refusal": self._refusal or "-",
        }
        name = f"{self.get_fully_qualified_name().lstrip('/')}: playing"
        self._diagnostics.publish(diagnostics.array(name, now, level, message, values))

    def _turned(self, stamp_ns: int, positions: Any) -> list[TransformStamped]:
        """Head and wrists in the signer's frame."""
        transforms = []
        for name, origin, rotation in zip(frames.NAMES, *map(list, frames.frames(positions)), strict=True):
            transform = TransformStamped(child_frame_id=f"{self._frame}/{name}")
            transform.header.frame_id = self._frame
            transform.header.stamp.sec, transform.header.stamp.nanosec = divmod(stamp_ns, 10**9)
            place, turn = transform.transform.translation, transform.transform.rotation
            place.x, place.y, place.z = origin.tolist()
            turn.x, turn.y, turn.z, turn.w = rotation.tolist()
            transforms.append(transform)
        return transforms


def _make(stack: ExitStack) -> PlayerNode:
    node = PlayerNode()
    stack.callback(node.destroy_node)
    return node


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    return process.run("player", _make, args)


if __name__ == "__main__":
    sys.exit(main())
