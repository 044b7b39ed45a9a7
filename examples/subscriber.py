"""Receive the motion with nothing but rclpy and standard messages: for each chunk its time and the right wrist.

python examples/subscriber.py
"""

from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from trajectory_msgs.msg import MultiDOFJointTrajectory


class Subscriber(Node):
    def __init__(self) -> None:
        super().__init__("subscriber")
        self.create_subscription(MultiDOFJointTrajectory, "/signer/trajectory", self.on_chunk, 100)

    def on_chunk(self, chunk: MultiDOFJointTrajectory) -> None:
        begin = chunk.header.stamp.sec + 1e-9 * chunk.header.stamp.nanosec  # when the first point is due, ROS time
        wrist = chunk.joint_names.index("right_wrist")
        p = chunk.points[0].transforms[wrist].translation  # metres in frame "signer": to the viewer, to the left, up
        print(f"{begin:.2f} s: {len(chunk.points)} frames, right wrist at {p.x:.2f} {p.y:.2f} {p.z:.2f}", flush=True)


rclpy.init()
with suppress(KeyboardInterrupt, ExternalShutdownException):  # Ctrl-C, SIGTERM
    rclpy.spin(Subscriber())
rclpy.try_shutdown()
