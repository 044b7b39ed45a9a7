"""The demo: a signer node in a process of its own signs one text; what a subscriber receives becomes pictures."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.clip import SignClip, write_whole
from text2sign_ros.drawing import contact_sheet, video
from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import frame_time
from text2sign_ros.resources import share
from text2sign_ros.ros import environment
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.textlog import quote

T = TypeVar("T")

TEXT = "hello can i get a large coffee please thank you"
LEAD_TIME = 3600.0
"""The node's lead_time in the demo, seconds: chunks come as fast as they are signed, so that one need not wait for the
motion to play. Stamps are the same as ever."""
START_TIMEOUT, SILENCE_TIMEOUT = 60.0, 20.0  # seconds


class DemoError(Text2SignError):
    """The demo can't go on; the message says why."""


@dataclass(frozen=True)
class Summary:
    """summary.json.

    Attributes:
        text: as given.
        segments: captions of the signed segments in order.
        frames, fps, keypoints: size of the motion received.
        first_chunk_ms: from publishing the text to receiving the first chunk, both in the demo's process.
        total_ms: from publishing the text to receiving the last chunk. The node runs with ``lead_time_s``, so this is
            the time that signing and transport took, not the time that the motion takes to play.
        real_time_factor: time the node needed for making the motion / duration of the motion, as the node logs it.
        backend, steps: as the node says it uses them.
        gaps: chunks whose stamp is not the end of the chunk before, to the nanosecond.
        late_chunks: chunks received after their stamp.
        ros_distro: distribution of ROS 2.
        warnings: what could not be signed as written.
    """

    text: str
    segments: list[str]
    frames: int
    fps: float
    keypoints: int
    duration_s: float
    chunks: int
    first_chunk_ms: float
    total_ms: float
    real_time_factor: float
    backend: str
    steps: int
    gaps: int
    late_chunks: int
    lead_time_s: float
    ros_distro: str
    warnings: list[str] = field(default_factory=list)


class SignerProcess:
    """The node as a child process that dies with this one; its log is kept."""

    def __init__(self, bundle: Path | None) -> None:
        command = [sys.executable, "-m", "text2sign_ros.ros.signer_node", "--ros-args"]
        command += ["--params-file", str(share() / "config" / "signer.yaml"), "-p", f"lead_time:={LEAD_TIME}"]
        if bundle is not None:
            command += ["-p", f"bundle:={json.dumps(str(bundle.resolve()))}"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "RCUTILS_COLORIZED_OUTPUT": "0", "PYTHONUNBUFFERED": "1"},
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log.append(line.rstrip())

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first line of the log that ``pattern`` is found in."""
        return next(filter(None, (re.search(pattern, line) for line in tuple(self.log))), None)

    def check(self) -> None:
        """Raises DemoError if the node has ended, or refused or gave up the text."""
        if refusal := self.find(r"'.* (is refused|was given up): .*"):
            raise DemoError(refusal[0])
        if self._process.poll() is not None:
            self._reader.join(1.0)
            raise DemoError(f"the node ended with code {self._process.returncode}; its last words:\n{self.tail()}")

    def tail(self) -> str:
        """The end of the log, indented."""
        return "\n".join(f"    {line}" for line in self.log[-8:]) or "    (none)"

    def close(self) -> None:
        """Stop the node and wait until it is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


def _die_with_parent() -> None:
    """In the child: SIGTERM when the parent is gone, even by SIGKILL."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG


@dataclass
class Reception:
    """What has been received, chunk by chunk."""

    positions: list[np.ndarray] = field(default_factory=list)
    frames: int = 0
    gaps: int = 0
    late: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    _expected: int | None = None

    def add(self, data: bytes, now_ns: int, fps: float) -> None:
        chunk = trajectory.decode(data)
        self.last_at = time.perf_counter()
        self.first_at = self.first_at or self.last_at
        self.gaps += self._expected is not None and chunk.stamp_ns != self._expected
        self.late += now_ns > chunk.stamp_ns
        self.positions.append(chunk.positions)
        begin, self.frames = self.frames, self.frames + len(chunk.positions)
        self._expected = chunk.stamp_ns + int(frame_time(self.frames, fps) - frame_time(begin, fps))


def run(text: str, out: Path, bundle: Path | None = None) -> Summary:
    """Sign ``text`` by a node of its own; trajectory.npz, contact_sheet.png, motion.mp4 and summary.json go to ``out``.

    Raises:
        Text2SignError: (TextError, BundleError, DemoError) the text, the bundle or the node is at fault.
    """
    with contextlib.ExitStack() as stack:
        node_process = SignerProcess(bundle)
        stack.callback(node_process.close)
        # While the node starts: what has to come. The node loads the bundle for itself.
        signer = Signer(bundle or share() / "models" / "asl_cafe")
        plan = signer.plan(text)
        captions = signer.timeline(plan)
        total = sum(frames for _, frames in captions)
        node = stack.enter_context(_node())
        reception, sent_at = _receive(node, node_process, text, signer.fps, total)
        ready = node_process.find(r"ready: .* in (\d+) steps on (.+)")
        factor = _wait(node, node_process, lambda: node_process.find(r"real-time factor ([\d.]+)"), 5.0, "its report")
    assert ready is not None  # _receive waited for it

    positions = np.concatenate(reception.positions)
    clip = SignClip(positions, np.ones(positions.shape[:2], np.float32), signer.fps)
    summary = Summary(
        text=text,
        segments=[caption for caption, _ in captions if caption],
        frames=len(clip),
        fps=clip.fps,
        keypoints=positions.shape[1],
        duration_s=round(clip.duration, 3),
        chunks=len(reception.positions),
        first_chunk_ms=round((reception.first_at - sent_at) * 1e3, 1),
        total_ms=round((reception.last_at - sent_at) * 1e3, 1),
        real_time_factor=float(factor[1]),
        backend=ready[2],
        steps=int(ready[1]),
        gaps=reception.gaps,
        late_chunks=reception.late,
        lead_time_s=LEAD_TIME,
        ros_distro=os.environ.get("ROS_DISTRO", "unknown"),
        warnings=list(plan.warnings),
    )
    clip.save(out / "trajectory.npz")
    contact_sheet(clip, captions, out / "contact_sheet.png")
    video(clip, captions, out / "motion.mp4")
    with write_whole(out / "summary.json") as file:
        file.write(json.dumps(asdict(summary), indent=2, ensure_ascii=False).encode() + b"\n")
    return summary


@contextlib.contextmanager
def _node() -> Iterator[Node]:
    # Signals stay Python's own here: they must end the demo in whatever it is doing, drawing included.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = Node("signer_demo")
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _receive(node: Node, process: SignerProcess, text: str, fps: float, total: int) -> tuple[Reception, float]:
    """Publish ``text``; collect chunks until ``total`` frames are there. Also returns when it was published."""
    reception = Reception()

    def on_chunk(data: bytes) -> None:
        reception.add(data, node.get_clock().now().nanoseconds, fps)

    topic = "/signer/trajectory"
    node.create_subscription(MultiDOFJointTrajectory, topic, on_chunk, QoSProfile(depth=1000), raw=True)
    publisher = node.create_publisher(String, "/signer/text", QoSProfile(depth=10))

    def connected() -> object:
        matched = publisher.get_subscription_count() > 0 and node.count_publishers(topic) > 0
        return process.find("ready: ") if matched else None

    def more() -> object:
        return reception if reception.frames > before else None

    _wait(node, process, connected, START_TIMEOUT, "the node to be ready")
    # The node may see our subscription a moment after we see its publisher.
    time.sleep(0.2)

    sent_at = time.perf_counter()
    publisher.publish(String(data=text))
    while (before := reception.frames) < total:
        _wait(node, process, more, SILENCE_TIMEOUT, "the next chunk")
    if reception.frames > total:
        raise DemoError(f"{reception.frames} frames were received; the text has {total}")
    return reception, sent_at


def _wait(node: Node, process: SignerProcess, condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """Spin until ``condition()`` is something; that."""
    deadline = time.monotonic() + seconds
    while (value := condition()) is None:
        process.check()
        if time.monotonic() > deadline:
            raise DemoError(f"waited {seconds:g} s for {what}, in vain; the node's last words:\n{process.tail()}")
        rclpy.spin_once(node, timeout_sec=0.05)
    return value


def main() -> int:
    """Command line; exit codes: 0 done, 1 something is wrong (one line says what), 130 and 143 stopped by a signal."""
    parser = argparse.ArgumentParser(prog="python -m text2sign_ros.ros.demo", description=__doc__)
    parser.add_argument("text", nargs="?", default=TEXT, help=f"the text to sign; default: {TEXT!r}")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the results (%(default)s)")
    parser.add_argument("--bundle", type=Path, help="model bundle (default: the one in the package)")
    arguments = parser.parse_args()
    environment.keep_to_this_machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        summary = run(arguments.text, arguments.out, arguments.bundle)
    except KeyboardInterrupt:
        return 130
    except Text2SignError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    for warning in summary.warnings:
        print(f"warning: {warning}")
    print(
        f"signed {quote(summary.text)}: {summary.frames} frames ({summary.duration_s:.1f} s) "
        f"in {summary.chunks} chunks, {summary.gaps} gaps\n"
        f"first chunk after {summary.first_chunk_ms:.0f} ms, everything after {summary.total_ms / 1e3:.1f} s, "
        f"real-time factor {summary.real_time_factor:.4f} "
        f"({summary.steps} steps on {summary.backend})\n"
        f"{arguments.out}: trajectory.npz, contact_sheet.png, motion.mp4, summary.json"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
