"""A companion node of tests with several signers: it talks to each by its namespace, and keeps what each says."""

from __future__ import annotations

from action_msgs.msg import GoalStatus, GoalStatusArray
from conftest import Companion
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory
from visualization_msgs.msg import MarkerArray

EXECUTING, SIGNED, CANCELED = GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_CANCELED
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Audience(Companion):
    """Keeps chunks, goals and the markers' frames by namespace, and the names of what is diagnosed."""

    def __init__(self) -> None:
        super().__init__("audience")
        self.chunks: dict[str, list[MultiDOFJointTrajectory]] = {}
        self.goals: dict[str, list[int]] = {}
        self.frames: dict[str, set[str]] = {}
        self.diagnosed: set[str] = set()
        self._publishers: dict[str, Publisher] = {}
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnosed |= {status.name for status in message.status}

    def attend(self, namespace: str) -> None:
        def on_chunk(message: MultiDOFJointTrajectory) -> None:
            self.chunks[namespace].append(message)

        def on_status(message: GoalStatusArray) -> None:
            self.goals[namespace] = [goal.status for goal in message.status_list]

        def on_markers(message: MarkerArray) -> None:
            self.frames[namespace] |= {marker.header.frame_id for marker in message.markers}

        self.chunks[namespace], self.goals[namespace], self.frames[namespace] = [], [], set()
        create = self.node.create_subscription
        create(MultiDOFJointTrajectory, f"{namespace}/signer/trajectory", on_chunk, QoSProfile(depth=1000))
        create(GoalStatusArray, f"{namespace}/signer/status", on_status, LATCHED)
        create(MarkerArray, f"{namespace}/player/markers", on_markers, LATCHED)
        self._publishers[namespace] = self.node.create_publisher(String, f"{namespace}/signer/text", 10)

    def tell(self, namespace: str, text: str) -> None:
        publisher = self._publishers[namespace]
        self.until(publisher.get_subscription_count, "the node to listen")
        publisher.publish(String(data=text))

    def situation(self) -> str:
        return f"goals {self.goals}, frames {self.frames}"
