"""Witness: a node that sends texts to the signer and keeps account of what the signer says became of them."""

from __future__ import annotations

import struct
import time
from collections import deque

import numpy as np
from action_msgs.msg import GoalStatusArray
from conftest import Process
from observer import ACCEPTED, SUCCEEDED, Observer
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.ros.client import Level
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.tracker import Status

LEAP = 0.15
"""Metres of ``Witness.leap`` that are no jump: in chunks of one frame, signing in one step sets off with up to 0.1."""
FPS = 25.0
MINUTE = 60 * 10**9
"""Nanoseconds that a chunk may be sent ahead."""


def cdr(data: bytes) -> bytes:
    """A std_msgs/String whose bytes need not be UTF-8, as a publisher in C or an attacker can send it."""
    return b"\x00\x01\x00\x00" + struct.pack("<I", len(data) + 1) + data + b"\x00"


class Witness(Observer):
    """Counts by goal id: ``accepted`` holds what the signer accepted, in order, ``ended`` how each ended.

    ``wrong`` is what must not be: a text that ends twice, or that vanishes from ``~/status`` before it ended.
    Continuity is watched as the chunks come: ``leap`` is the farthest that any keypoint went from the end of one chunk
    to the begin of the next beyond what the velocities there explain, in metres.
    """

    def __init__(self, name: str = "witness", namespace: str = "/signer") -> None:
        self.sent, self.frames, self.chunks, self.leap = 0, 0, 0, 0.0
        self.accepted: dict[bytes, int] = {}
        self.ended: dict[bytes, int] = {}
        self.wrong: list[str] = []
        rest = (0, REST_POSE, np.zeros_like(REST_POSE))
        self._held: deque[tuple[int, np.ndarray, np.ndarray]] = deque([rest], maxlen=2000)  # stamp, pose, velocity
        self.stamps: list[tuple[int, int, float]] = []  # of each chunk: stamp, its end (ns), when it came (s)
        self.kept: list[np.ndarray] | None = None  # positions, where a test wants them
        super().__init__(name, namespace)
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)  # every change, not only the last
        self.node.create_subscription(GoalStatusArray, f"{namespace}/status", self._on_status, latched)
        topic, qos = f"{namespace}/trajectory", QoSProfile(depth=1000)
        self.node.create_subscription(MultiDOFJointTrajectory, topic, self._on_chunk, qos, raw=True)

    def _on_status(self, message: GoalStatusArray) -> None:
        seen = set()
        for goal in message.status_list:
            id = goal.goal_info.goal_id.uuid.tobytes()
            seen.add(id)
            if id in self.ended:
                if goal.status != self.ended[id]:
                    self.wrong.append(f"a text ended with {self.ended[id]}, then with {goal.status}")
            elif Status(goal.status).final:
                self.accepted.setdefault(id, ACCEPTED)
                self.ended[id] = goal.status
            else:
                self.accepted[id] = goal.status
        if gone := [id for id in list(self.accepted)[-200:] if id not in seen and id not in self.ended]:
            self.wrong.append(f"{len(gone)} texts vanished before they ended")

    def _on_chunk(self, data: bytes) -> None:
        chunk, now = trajectory.decode(data), time.time()
        pose, velocity = self._held_before(chunk.stamp_ns)
        step, before, after = (
            np.linalg.norm(vector, axis=-1) for vector in (chunk.positions[0] - pose, velocity, chunk.velocities[0])
        )
        self.leap = max(self.leap, float((step - (before + after) / FPS).max()))
        times = (chunk.stamp_ns + chunk.time_from_start).tolist()
        self._held.extend(zip(times, chunk.positions, chunk.velocities, strict=True))
        self.frames += len(chunk.positions)
        self.chunks += 1
        self.stamps.append((chunk.stamp_ns, chunk.stamp_ns + int(chunk.time_from_start[-1]) + 40_000_000, now))
        if self.kept is not None:
            self.kept.append(chunk.positions)

    def _held_before(self, stamp: int) -> tuple[np.ndarray, np.ndarray]:
        """Pose and velocity at the last point before ``stamp``; what was received for later is forgotten."""
        while len(self._held) > 1 and self._held[-1][0] >= stamp:
            if self._held[-1][0] > stamp + MINUTE:
                break  # the clock has jumped back: the motion goes on from where it was
            self._held.pop()
        return self._held[-1][1:]

    @property
    def pose(self) -> np.ndarray:
        """The last pose of what was received."""
        return self._held[-1][1]

    def connect(self, process: Process) -> None:
        """Wait until the signer is ready and both sides know each other."""
        self.client.check = process.check
        self.client.wait_until_ready()
        self.until(lambda: self.node.count_publishers(f"{self._name}/trajectory"), "the motion")

    def send(self, *texts: str | bytes) -> None:
        """Texts; bytes go out as they are, in place of UTF-8."""
        for text in texts:
            self.texts.publish(String(data=text) if isinstance(text, str) else cdr(text))
            self.sent += 1

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until every text that was sent has ended, each once."""
        self.until(lambda: len(self.ended) >= self.sent, "every text to end", timeout)
        assert len(self.ended) == len(self.accepted) == self.sent and not self.wrong, (self.situation(), self.wrong)

    def outcomes(self, count: int) -> list[int]:
        """How the last ``count`` texts ended."""
        return [self.ended[id] for id in list(self.accepted)[-count:]]

    def signs(self, text: str = "hello", timeout: float = 60.0) -> None:
        """A good text is signed."""
        self.settle(timeout)
        self.send(text)
        self.settle(timeout)
        assert self.outcomes(1) == [SUCCEEDED], self.situation()

    def balanced(self, timeout: float = 30.0) -> dict[str, str]:
        """The values of ``/diagnostics`` once they count all that was sent."""

        def up_to_date() -> bool:
            values = self.values
            return values.get("texts received") == str(self.sent) and values.get("texts under way") == "0"

        self.until(up_to_date, f"/diagnostics to know of {self.sent} texts: {self.values}", timeout)
        return self.values

    def bring(self, *labels: str) -> None:
        """Through these transitions; what went wrong is said."""
        for label in labels:
            if not self.change(label):
                time.sleep(1.0)
                raise AssertionError(f"{label} failed: {self.message}")

    def is_broken(self) -> bool:
        return self.client.diagnostics is not None and self.client.diagnostics.level is Level.ERROR

    def at_rest(self) -> bool:
        return bool(np.abs(self.pose - REST_POSE).max() < 5e-3)

    def situation(self) -> str:
        late = [status for id, status in self.accepted.items() if id not in self.ended]
        return f"{self.sent} sent, {len(self.accepted)} accepted, {len(self.ended)} ended, {late[:5]}; {self.message}"


def memory(process: Process) -> float:
    """MB of resident memory."""
    import psutil  # here: without it this suite's conftest must still be importable

    return psutil.Process(process.pid).memory_info().rss / 1e6
