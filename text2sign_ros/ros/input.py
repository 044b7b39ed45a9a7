"""TrajectoryInput: what all nodes that consume chunks share: subscription, warnings, diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.motion.playback import Playback
from text2sign_ros.ros import diagnostics, qos
from text2sign_ros.wire.diagnosis import Assessment
from text2sign_ros.wire.listener import Listener, Moment

TOPIC = "signer/trajectory"
"""Relative: in the same namespace signer and consumer need no remapping."""
_WARNING_PERIOD = 5.0  # seconds between warnings of one kind
_PERIOD = 1.0  # seconds between diagnostics


class TrajectoryInput:
    """Feeds a ``Listener`` with the chunks that a node receives, in the thread that spins the node.

    It subscribes to ``TOPIC``, warns on ``/rosout`` about chunks that are not played and motions that break off, and
    publishes ``/diagnostics`` once a second, as ``<node>: <doing>``; or leaves that to the node, which then asks it for
    ``assess`` and ``values``.

    Args:
        node: that consumes the chunks.
        doing: what the node does with a motion.
        values: further values of the node, for ``/diagnostics``.
        concern: what the node itself has to say in ``/diagnostics``, before how the input is; None: nothing.
        diagnose: whether to publish ``/diagnostics``.

    Raises:
        QosError: a QoS override is invalid.
    """

    def __init__(
        self,
        node: Node,
        *,
        doing: str = "playing",
        values: Callable[[], Mapping[str, str]] = dict,
        concern: Callable[[], Assessment | None] = lambda: None,
        diagnose: bool = True,
    ) -> None:
        self._node, self._doing, self._values, self._concern = node, doing, values, concern
        self._chunks = qos.subscription(node, MultiDOFJointTrajectory, TOPIC, self._on_chunk, qos.TRAJECTORY, raw=True)
        self.topic: str = self._chunks.topic_name
        """The topic's full name."""
        self._listener = Listener(self.topic, doing=doing)
        if not diagnose:
            return
        self._diagnostics = qos.publisher(node, DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        # On a steady clock: the clock of the poses may be stopped.
        node.create_timer(_PERIOD, self._diagnose, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """Receive no more chunks."""
        self._node.destroy_subscription(self._chunks)

    def assess(self) -> Assessment:
        """Whether the motion is played, and if not why."""
        return self._listener.assess(self.time, self._node.count_publishers(self.topic))

    def values(self) -> dict[str, str]:
        """Diagnostic values by name, formatted for people."""
        return self._listener.values(self.time, self._node.count_publishers(self.topic))

    @property
    def playback(self) -> Playback:
        """The motion to come."""
        return self._listener.playback

    def sample(self) -> tuple[int, Moment]:
        """The time on the node's clock in nanoseconds, and the signer's pose at that time."""
        now = self.time
        moment = self._listener.sample(now)
        if moment.broke_off:
            self._node.get_logger().warning(
                "the motion broke off before it came to rest: its next chunk did not come, or the clock jumped; "
                "the figure goes back to rest"
            )
        return now, moment

    @property
    def time(self) -> int:
        """Of the node's clock, nanoseconds; 0 if it has not started."""
        return self._node.get_clock().now().nanoseconds

    def _on_chunk(self, data: bytes) -> None:
        if refusal := self._listener.receive(data, self.time, self._node.count_publishers(self.topic)):
            self._node.get_logger().warning(f"not played: {refusal}", throttle_duration_sec=_WARNING_PERIOD)

    def _diagnose(self) -> None:
        name = f"{self._node.get_fully_qualified_name().lstrip('/')}: {self._doing}"
        assessment = self._concern() or self.assess()
        self._diagnostics.publish(diagnostics.array(name, self.time, assessment, {**self.values(), **self._values()}))
