"""The node `player`: chunks of motion in, the pose at a fixed rate out, as markers and transforms."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from visualization_msgs.msg import MarkerArray

from text2sign_ros.motion import frames
from text2sign_ros.ros import parameters, process, qos
from text2sign_ros.ros.input import TrajectoryInput
from text2sign_ros.ros.markers import Skeleton
from text2sign_ros.ros.overrides import warn_of_unknown_qos

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # part of ROS 2, but has no wheel
    TFMessage = None


class PlayerNode(Node):
    """Plays ``signer/trajectory`` on ``~/markers`` and ``/tf`` at ``rate`` on the ROS clock.

    One thread: the executor's. Received chunks go to a ``Listener``, which checks and limits them; a timer asks it for
    the pose. When chunks stop coming in mid-motion the figure goes to rest, and a warning says so once.
    """

    def __init__(self, **options: Any) -> None:
        """Open the topics and start playing.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
            QosError: a QoS override is invalid.
        """
        super().__init__("player", **options)
        self.add_on_set_parameters_callback(partial(parameters.check, parameters.PLAYER, unconfigured=True))
        parameters.declare(self, parameters.PLAYER)
        self._frame = self.get_parameter("frame").value
        self._skeleton = Skeleton(self._frame)
        self._markers = qos.publisher(self, MarkerArray, "~/markers", qos.LATEST)
        self._transforms = None
        if TFMessage is not None:
            self._transforms = qos.publisher(self, TFMessage, "/tf", qos.TF)
        self._input = TrajectoryInput(self, values=self._values)
        warn_of_unknown_qos(self)
        rate = self.get_parameter("rate").value
        self._timer = self.create_timer(1.0 / rate, self._show)
        self._show()  # a clock that has stopped, or not started, fires no timer
        also = "and /tf" if self._transforms else "(not on /tf: tf2_msgs is not installed)"
        self.get_logger().info(f"ready: plays {self._input.topic} at {rate:g} Hz on {self._markers.topic_name} {also}")

    def _show(self) -> None:
        now, moment = self._input.sample()
        self._markers.publish(self._skeleton.message(now, moment.positions))
        if self._transforms is not None and now:  # a transform of time 0 would be taken for one of any time
            self._transforms.publish(TFMessage(transforms=self._turned(now, moment.positions)))

    def _values(self) -> dict[str, str]:
        return {"subscribers of ~/markers": str(self._markers.get_subscription_count())}

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


def main() -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    return process.run("player", _make, about=__doc__, settings=parameters.PLAYER)


if __name__ == "__main__":
    sys.exit(main())
