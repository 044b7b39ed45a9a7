"""The node `signer`: text in, timed motion of 79 keypoints out."""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.resources import share
from text2sign_ros.ros import parameters, trajectory
from text2sign_ros.ros.schedule import Schedule
from text2sign_ros.text import TextError

_T = TypeVar("_T")

POLL = 0.02
"""Seconds between looks at the clock while waiting: it may be simulated, and stop or jump at any time."""

TEXT_QOS = QoSProfile(depth=100)
TRAJECTORY_QOS = QoSProfile(depth=100)
"""Both reliable and volatile (rclpy's defaults); deep enough that a burst is not overwritten before it is taken."""


@dataclass(frozen=True)
class Report:
    """What is logged about a signed text.

    ``first_chunk_ms`` and ``real_time_factor`` (time the signer needed / duration of the motion) count the signer's own
    work, not the waiting for the time to send.
    """

    text: str
    segments: int
    frames: int
    first_chunk_ms: float
    real_time_factor: float

    def __str__(self) -> str:
        return (
            f"signed {quote(self.text)}: segments {self.segments}, frames {self.frames}, "
            f"first chunk ready after {self.first_chunk_ms:.0f} ms, real-time factor {self.real_time_factor:.3f}"
        )


def quote(text: str, limit: int = 60) -> str:
    """``text`` on one line, at most ``limit`` characters of it."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


class SignerNode(Node):
    """Signs the texts of ``~/text`` one after another on ``~/trajectory``.

    Two threads. The executor's runs the callback, which only queues a text. The worker's alone takes from the
    queue, runs the model, owns the schedule and publishes; it makes a chunk when the one before has been sent, so that
    stopping takes no longer than an idle wait or the generation of one piece. The queue is bounded: a text that
    finds it full is refused with a warning, never lost silently. ``stop`` joins the worker; destroy the node after it.
    """

    def __init__(self, **options: Any) -> None:
        """Declares the parameters; ``start`` does the rest.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
        """
        super().__init__("signer", **options)
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._work, name="signer", daemon=True)
        self._schedule = Schedule()
        parameters.declare(self, parameters.SIGNER)
        self._texts: queue.Queue[str] = queue.Queue(self._value("queue_size"))

    def start(self) -> None:
        """Load the bundle, open the topics and begin to work.

        Raises:
            Text2SignError: (BundleError and kin) the bundle can't be used.
        """
        bundle = self._value("bundle") or share() / "models" / "asl_cafe"
        self._signer = Signer(
            bundle,
            preset=self._value("preset") or None,
            threads=self._value("threads"),
        )
        self._signer.warm_up()
        self._publisher = self.create_publisher(MultiDOFJointTrajectory, "~/trajectory", TRAJECTORY_QOS)
        self.create_subscription(String, "~/text", self._on_text, TEXT_QOS)
        self._worker.start()
        signer = self._signer
        self.get_logger().info(f"ready: {bundle} at {signer.fps:g} fps in {signer.steps} steps on {signer.provider}")

    def stop(self) -> None:
        """End the work, in mid-sentence if need be, and wait until it has ended."""
        self._stopping.set()
        if self._worker.is_alive():
            self._worker.join()

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _on_text(self, message: String) -> None:
        text = message.data
        try:
            self._texts.put_nowait(text)
        except queue.Full:
            self.get_logger().warning(
                f"{quote(text)} is refused: {self._texts.maxsize} texts are waiting; send it later or raise queue_size"
            )

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                text = self._texts.get(timeout=0.2)  # then see whether to stop
            except queue.Empty:
                continue
            try:
                self._sign(text)
            except TextError as error:
                self.get_logger().warning(f"{quote(text)} is refused: {error}")
            except Exception as error:
                # One text that fails must not silence the robot; a context that is gone is only the shutdown.
                if self.context.ok():
                    self.get_logger().error(f"{quote(text)} was given up: {type(error).__name__}: {error}")

    def _sign(self, text: str) -> None:
        began = time.perf_counter()
        plan = self._signer.plan(text, max_characters=self._value("max_characters"))
        for warning in plan.warnings:
            self.get_logger().warning(f"{quote(text)}: {warning}")
        pieces = self._signer.stream(plan, seed=self._value("seed"))
        stopwatch = _Stopwatch(chunks(pieces, self._signer.fps, self._value("chunk_frames")))
        stopwatch.seconds = time.perf_counter() - began
        first_chunk = 0.0
        frames = 0
        self._schedule.begin()
        for chunk in stopwatch:
            first_chunk = first_chunk or stopwatch.seconds
            frames += len(chunk)
            if not self._send(chunk):
                return
        factor = stopwatch.seconds * self._signer.fps / max(frames, 1)
        self.get_logger().info(str(Report(text, len(plan.segments), frames, first_chunk * 1e3, factor)))

    def _send(self, chunk: Chunk) -> bool:
        """Publish ``chunk`` when it is due; False when the node stops before that."""
        due_after = self._schedule.end
        while not self._stopping.is_set() and self.context.ok():
            now = self.get_clock().now().nanoseconds
            wait = POLL
            if now > 0:  # a simulated clock shows zero until it starts
                stamp = self._schedule.stamp(chunk.start_time, now, self._nanoseconds("start_delay"))
                wait = (stamp - self._nanoseconds("lead_time") - now) / 1e9
                if wait <= 0:
                    self._publisher.publish(trajectory.encode(chunk, stamp))
                    self._schedule.sent(chunk.end_time)
                    if chunk.start and stamp != due_after:
                        self.get_logger().warning(
                            f"the motion continues at {stamp / 1e9:.3f} s instead of {due_after / 1e9:.3f} s: "
                            "the clock jumped, or signing is slower than real time"
                        )
                    return True
            self._stopping.wait(min(wait, POLL))
        return False

    def _nanoseconds(self, name: str) -> int:
        return round(self._value(name) * 1e9)


class _Stopwatch(Iterator[_T]):
    """An iterator that counts the ``seconds`` its items took to make."""

    def __init__(self, items: Iterable[_T]) -> None:
        self._items = iter(items)
        self.seconds = 0.0

    def __next__(self) -> _T:
        began = time.perf_counter()
        try:
            return next(self._items)
        finally:
            self.seconds += time.perf_counter() - began


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    node = None
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # rclpy's RCLError: arguments or a parameters file that can't be read
        print(f"signer: {error}", file=sys.stderr)
        return 1
    try:
        # Made before the long start: where SIGTERM comes first, rclpy prints a traceback from a half-made executor.
        executor = SingleThreadedExecutor()
        try:
            node = SignerNode()
            node.start()
        except (Text2SignError, ParameterException) as error:
            rclpy.logging.get_logger("signer").fatal(str(error))
            return 1
        rclpy.spin(node, executor=executor)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():
            raise
        # else SIGTERM came while the node was starting, and what failed is that its context is gone
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut the cleaning up
        if node is not None:
            node.stop()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
