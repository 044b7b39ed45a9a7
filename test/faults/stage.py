"""A stage for the fault suite: signer, retarget and a robot in physics as processes, on a clock of the test's own."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
from conftest import Process
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from robots import robot
from sensor_msgs.msg import JointState

from faults.witness import Witness
from text2sign_ros.retarget import description
from text2sign_ros.retarget.recording import Recording, violations
from text2sign_ros.retarget.stream import limits_of

SPEED = 0.6
"""Of the clock, relative to real time: four processes and a test share the processor, perhaps with others."""
HORIZON = 0.3
"""Seconds within which trajectories must arrive."""
_STANDS = 3e-3  # rad within which joints stand, as physics lets them
_MOVES = 0.3  # rad by which an elbow is bent in a sign
_LOOKS = 50  # joint states that say so
ELBOWS = tuple(description.load("gr3").controlled.index(f"{side}_elbow_pitch_joint") for side in ("left", "right"))


class RobotWitness(Witness):
    """Sees the joints too, and what retarget says; shows the time."""

    def __init__(self) -> None:
        self.states = 0
        self._recent: deque[np.ndarray] = deque(maxlen=_LOOKS)
        self.bent = 0.0  # rad by which an elbow has been bent, from this pose
        self._from: np.ndarray | None = None
        self.of_retarget: dict[str, str] = {}
        self.complaint = ""
        self._running = threading.Event()
        super().__init__()
        self.relay: Callable[[JointState], None] = lambda _: None
        self.node.create_subscription(JointState, "/joint_states", self._on_state, QoSProfile(depth=100))
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_retarget, QoSProfile(depth=100))
        self._shown, self._since = 1e6, time.monotonic()
        self._ticker = threading.Thread(target=self._tick)
        self._running.set()
        self._ticker.start()

    def _tick(self) -> None:
        while self._running.is_set():
            self.set_clock(self.seconds)
            time.sleep(0.01)

    @property
    def seconds(self) -> float:
        """What the clock shows."""
        return self._shown + SPEED * (time.monotonic() - self._since)

    @property
    def nanoseconds(self) -> int:
        """The same."""
        return round(self.seconds * 1e9)

    def forget_what_was_sent(self) -> None:
        """The signer was killed: who sent texts to it has to send them again."""
        self.sent = len(self.ended)
        self.accepted = dict(self.ended)

    def jump(self, seconds: float) -> None:
        """Of the clock."""
        self._shown += seconds

    def _on_state(self, message: JointState) -> None:
        if not message.header.stamp.sec:
            return  # not the robot's
        pose = np.array(message.position)
        self.states += 1
        self._recent.append(pose)
        if self._from is None:
            self._from = pose
        self.bent = max(self.bent, float(np.abs(pose - self._from)[list(ELBOWS)].max()))
        self.relay(message)

    def _on_retarget(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "retarget: signing":
                self.complaint = status.message
                self.of_retarget = {pair.key: pair.value for pair in status.values}

    def stands(self) -> bool:
        """By the last joint states, half a second of them or more."""
        return len(self._recent) == _LOOKS and float(np.ptp(np.array(self._recent), axis=0).max()) < _STANDS

    def is_ready(self) -> bool:
        """Whether retarget knows the robot and waits for motion, perhaps since one broke off."""
        return self.complaint.startswith(("at rest", "the motion broke off"))

    def look_again(self) -> None:
        """How far the elbows are bent from now on."""
        self._recent.clear()
        self.bent, self._from = 0.0, None

    def until_it_rests(self) -> None:
        """By joint states of later than now."""
        self._recent.clear()
        self.until(self.stands, "the robot to stand", timeout=90.0)

    def until_it_moves(self) -> None:
        """Both, the chunks and the arms."""
        seen = self.chunks
        self.look_again()
        self.until(lambda: self.chunks > seen and self.bent > _MOVES, "the arms to move", timeout=90.0)

    def signs_with_the_robot(self, text: str = "hello") -> None:
        """A text is signed, the arms move, and come to rest."""
        self.until(self.is_ready, "retarget to be ready", timeout=60.0)
        self.look_again()
        self.signs(text)
        self.until(lambda: self.bent > _MOVES, f"the arms to move; they did by {self.bent:.2f} rad", timeout=60.0)
        self.until_it_rests()

    def situation(self) -> str:
        return f"{super().situation()}; {self.states} joint states; retarget: {self.complaint} {self.of_retarget}"

    def close(self) -> None:
        self._running.clear()
        self._ticker.join()
        super().close()


class Stage:
    """Starts the three nodes, again if they were killed, and judges what the robot was told.

    Args:
        run_node: starts a node.
        witness: shows the time.
        folder: for recordings.
    """

    def __init__(self, run_node: Callable[..., Process], witness: RobotWitness, folder: Path) -> None:
        self._run_node, self._witness, self._folder = run_node, witness, folder
        self._recordings: list[Path] = []
        self.robot = self.start_robot()
        self.mover = self.start_mover()
        self.signer = self.start_signer()

    @property
    def processes(self) -> tuple[Process, Process, Process]:
        return self.signer, self.mover, self.robot

    def start_robot(self) -> Process:
        folder = self._folder / f"{len(self._recordings)}"
        folder.mkdir()
        self._recordings.append(folder / "joints.npz")
        self.robot = self._run_node("simulated_robot", use_sim_time=True, record=folder)
        self.robot.wait_for("ready: ", 90.0)
        return self.robot

    def start_mover(self, *arguments: str) -> Process:
        self._witness.complaint = ""
        self.mover = self._run_node("retarget", *arguments, use_sim_time=True, horizon=HORIZON)
        self.mover.wait_for("ready: ", 90.0)
        return self.mover

    def start_signer(self) -> Process:
        self.signer = self._run_node("signer", use_sim_time=True, preset="fastest", lead_time=0.6, max_rate=1000.0)
        self.signer.wait_for("ready: ", 90.0)
        self._witness.connect(self.signer)
        time.sleep(3.0)  # until those who know it know it: one that was killed counts as there for a while
        return self.signer

    def end(self) -> None:
        """End the nodes in order; the robot then writes its recording."""
        for process in self.processes:
            process.signal(signal.SIGTERM)
        for process in self.processes:
            assert process.wait(60.0) == 0, "\n".join(process.log)
            assert not [line for line in process.log if "Traceback" in line or "[FATAL]" in line], process.log

    def judged(self, since: int = 0, until: int = 2**62) -> tuple[int, dict[str, int]]:
        """How many points the robot was told from a time to another, ns, and at how many they exceed its limits.

        Of a robot that was killed nothing is known.
        """
        count, found = 0, dict[str, int]()
        for path in filter(Path.exists, self._recordings):
            whole = Recording.load(path)
            rows = (whole.stamps >= since) & (whole.stamps < until)
            part = Recording(whole.joints, whole.stamps[rows], whole.positions[rows], whole.wanted[rows])
            count += len(part)
            for kind, over in violations(part, limits_of(robot("gr3"))).items():
                found[kind] = found.get(kind, 0) + over
        return count, found
