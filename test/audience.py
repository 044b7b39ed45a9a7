"""A companion node of tests with several signers: a client of each by its namespace, and what each sends."""

from __future__ import annotations

from conftest import Companion, keep
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory
from visualization_msgs.msg import MarkerArray

from text2sign_ros.ros.client import Goal, SignerClient
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.layout import Layout
from text2sign_ros.wire.tracker import Status

EXECUTING, SIGNED, CANCELED = Status.EXECUTING, Status.SUCCEEDED, Status.CANCELED
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Audience(Companion):
    """Keeps clients, all chunks and the frames of what is sent by namespace, and the names of what is diagnosed."""

    def __init__(self) -> None:
        super().__init__("audience")
        self.clients: dict[str, SignerClient] = {}
        self.chunks: dict[str, list[trajectory.Trajectory]] = {}
        self.frames: dict[str, set[str]] = {}  # of the markers
        self.chunk_frames: dict[str, set[str]] = {}
        self.layout_frames: dict[str, set[str]] = {}
        self.diagnosed: set[str] = set()
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnosed |= {status.name for status in message.status}

    def attend(self, namespace: str) -> None:
        def on_chunk(data: bytes) -> None:
            keep(self.chunks[namespace], trajectory.decode(data))
            self.chunk_frames[namespace].add(deserialize_message(data, MultiDOFJointTrajectory).header.frame_id)

        def on_markers(message: MarkerArray) -> None:
            self.frames[namespace] |= {marker.header.frame_id for marker in message.markers}

        def on_layout(message: String) -> None:
            self.layout_frames[namespace].add(Layout.parse(message.data).frame)

        self.chunks[namespace] = []
        for frames in (self.frames, self.chunk_frames, self.layout_frames):
            frames[namespace] = set()
        create, topic = self.node.create_subscription, f"{namespace}/signer/trajectory"
        create(MultiDOFJointTrajectory, topic, on_chunk, QoSProfile(depth=1000), raw=True)
        create(MarkerArray, f"{namespace}/player/markers", on_markers, LATCHED)
        create(String, f"{namespace}/signer/layout", on_layout, LATCHED)
        client = SignerClient(f"{namespace}/signer", node=self.node, motion=False)
        self.clients[namespace] = self.held.enter_context(client)

    @property
    def goals(self) -> dict[str, list[Status]]:
        """Status of the texts of each."""
        return {name: [goal.status for goal in client.goals] for name, client in self.clients.items()}

    def submit(self, namespace: str, text: str) -> Goal:
        return self.clients[namespace].submit(text, timeout=60.0)

    def situation(self) -> str:
        return f"goals {self.goals}, frames {self.frames}"
