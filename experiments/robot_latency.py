"""From a text to the first command of a robot's joints that moves for it, over DDS; and the share of a core it takes.

Signer, `retarget` and `simulated_robot` run as processes of their own on the machine's clock. Each text is sent to an
idle system; what is timed ends when the trajectory is received in this process.

``python -m experiments.robot_latency`` prints median and p99 in milliseconds, of the first chunk and of the command.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message
from trajectory_msgs.msg import JointTrajectory

from text2sign_ros.bench.timing import percentiles
from text2sign_ros.child import start_node, start_signer
from text2sign_ros.retarget import description
from text2sign_ros.ros import environment
from text2sign_ros.ros.client import SignerClient

TEXTS = ("hello", "water", "please", "coffee", "thank you", "name", "large", "can", "get", "i")
WAIT = 120.0
"""Seconds for anything to come."""


class Ears:
    """When trajectories came, and what retarget says of itself."""

    def __init__(self, client: SignerClient, topic: str) -> None:
        self.came: list[tuple[float, bytes]] = []
        self.said: dict[str, str] = {}
        # Raw, since to read one takes longer than to send it.
        client.node.create_subscription(JointTrajectory, topic, self._on_trajectory, 100, raw=True)
        client.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)

    def _on_trajectory(self, data: bytes) -> None:
        self.came.append((time.perf_counter(), data))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "retarget: signing":
                self.said = {pair.key: pair.value for pair in status.values} | {"message": status.message}

    def rests(self) -> bool:
        """Whether the robot stands and the signer is at rest."""
        return self.said.get("joints") == "standing" and "at rest" in self.said.get("message", "")


def moves(data: bytes) -> bool:
    """Whether any point of a trajectory, as serialised, moves."""
    return any(np.any(point.velocities) for point in deserialize_message(data, JointTrajectory).points)


def measure(robot: str, texts: int) -> dict[str, object]:
    """Milliseconds from sending a text to its first chunk and its first command, and the parts of a core in motion."""
    environment.keep_to_this_machine()
    first, command, shares = [], [], []
    with contextlib.ExitStack() as stack:
        for name in ("simulated_robot", "retarget"):
            stack.enter_context(start_node(name, robot=robot))
        stack.enter_context(start_signer())
        client = stack.enter_context(SignerClient("/signer", name="robot_latency"))
        ears = Ears(client, description.load(robot).controller)
        client.wait_until_ready(WAIT)
        for number in range(texts + 1):
            client.wait_for(ears.rests, WAIT, "the robot to stand")
            time.sleep(0.5)
            ears.came.clear()
            goal = client.submit(TEXTS[number % len(TEXTS)])
            chunk = next(goal.follow(WAIT))
            client.wait_for(lambda: any(moves(data) for _, data in ears.came[:8]), WAIT, "a command")
            if number:  # the first one is not timed: all warm up
                first.append((chunk.at - goal.sent_at) * 1e3)
                at = next(at for at, data in ears.came if moves(data))
                command.append((at - goal.sent_at) * 1e3)
            goal.result(WAIT)
            shares.append(float(ears.said["part of a core"]))
            ears.said = {}
    found = {"first_chunk_ms": percentiles(np.array(first)), "first_command_ms": percentiles(np.array(command))}
    return {**found, "texts": texts, "part_of_a_core": {"median": float(np.median(shares)), "most": max(shares)}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.robot_latency", description=__doc__)
    parser.add_argument("--robot", default="gr3", help="its description: a file, or a name (%(default)s)")
    parser.add_argument("--texts", type=int, default=20, help="how many are timed (%(default)s)")
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.robot, arguments.texts), indent=2))


if __name__ == "__main__":
    main()
