"""What a node needs to consume chunks: little more than saying what it does with a pose."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.motion.chunks import chunks
from text2sign_ros.ros.input import TOPIC, TrajectoryInput
from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.wire import trajectory


class Consumer(Node):
    """Follows the height of a wrist."""

    def __init__(self, **options) -> None:
        super().__init__("consumer", **options)
        self.heights: list[float] = []
        self._input = TrajectoryInput(self, doing="following", values=lambda: {"poses": str(len(self.heights))})
        self.create_timer(0.02, self._follow)

    def _follow(self) -> None:
        _, moment = self._input.sample()
        self.heights.append(float(moment.positions[INDEX["left_wrist"], 2]))


def test_a_node_that_consumes(local_node: Callable[..., Node], capfd) -> None:
    node, received = local_node(Consumer), list[DiagnosticStatus]()
    node.create_subscription(DiagnosticArray, "/diagnostics", lambda message: received.extend(message.status), 10)
    chunk_topic = node.create_publisher(MultiDOFJointTrajectory, TOPIC, QoSProfile(depth=100))
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)

    def until(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < deadline, received[-1:]
            executor.spin_once(timeout_sec=0.05)

    until(lambda: received and "at rest" in received[-1].message)
    assert received[-1].name == "consumer: following" and int(received[-1].values[-1].value) > 0
    up = np.linspace(0.0, 0.1, 40)[:, None, None] * np.array((0.0, 0.0, 1.0))
    chunk_topic.publish(b"garbage")
    origin = node.get_clock().now().nanoseconds + 500_000_000
    for chunk in list(chunks([(REST_POSE + up).astype(np.float32)], 25.0, 8))[:3]:  # and then nothing more
        chunk_topic.publish(trajectory.encode(chunk, origin + chunk.start_time))
    until(lambda: received[-1].level == DiagnosticStatus.WARN and "not played" in received[-1].message)
    rest = REST_POSE[INDEX["left_wrist"], 2]
    until(lambda: max(node.heights) > rest + 0.03)
    until(lambda: abs(node.heights[-1] - rest) < 1e-3)
    values = {pair.key: pair.value for pair in received[-1].values}
    assert (values["chunks played"], values["chunks refused"]) == ("3", "1")
    said = "".join(capfd.readouterr())
    assert said.count("not played: ") == 1 and said.count("the motion broke off") == 1
    executor.shutdown()
