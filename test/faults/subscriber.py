"""A subscriber in a process of its own: one line for each chunk, and the goals that a late joiner receives."""

from __future__ import annotations

import rclpy
from action_msgs.msg import GoalStatusArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.wire import trajectory


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("subscriber")

    def on_chunk(data: bytes) -> None:
        chunk = trajectory.decode(data)
        print("chunk", chunk.stamp_ns, chunk.stamp_ns + int(chunk.time_from_start[-1]) + 40_000_000, flush=True)

    def on_status(message: GoalStatusArray) -> None:
        print("goals", [goal.status for goal in message.status_list], flush=True)

    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(MultiDOFJointTrajectory, "/signer/trajectory", on_chunk, QoSProfile(depth=100), raw=True)
    node.create_subscription(GoalStatusArray, "/signer/status", on_status, latched)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
