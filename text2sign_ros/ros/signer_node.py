"""The node `signer`: text in, timed motion of 79 keypoints out."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import Any

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.engine import Outcome, Performance, QueueFullError, SigningEngine, Style
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.motion.limits import Limits, LimitsError
from text2sign_ros.resources import share
from text2sign_ros.ros import parameters, trajectory
from text2sign_ros.ros.schedule import Schedule

_LIMITS = ("max_velocity", "max_acceleration", "max_jerk")
POLL = 0.02
"""Seconds between looks at the clock while waiting: it may be simulated, and stop or jump at any time."""

TEXT_QOS = QoSProfile(depth=100)
TRAJECTORY_QOS = QoSProfile(depth=100)
"""Both reliable and volatile (rclpy's defaults); deep enough that a burst is not overwritten before it is taken."""


def quote(text: str, limit: int = 60) -> str:
    """``text`` on one line, at most ``limit`` characters of it."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


class SignerNode(Node):
    """Signs the texts of ``~/text`` one after another on ``~/trajectory``; ``~/cancel`` ends them.

    Three threads. The executor's runs the callbacks, which only hand on. The engine's signs, ahead of time and within
    bounds (see ``SigningEngine``). The sender's takes the chunks, owns the schedule and publishes each when it is due.
    A text that finds the queue full is refused with a warning, never lost silently. ``stop`` joins the threads; destroy
    the node after it.
    """

    def __init__(self, **options: Any) -> None:
        """Declares the parameters; ``start`` does the rest.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
        """
        super().__init__("signer", **options)
        self._stopping = threading.Event()
        self._engine: SigningEngine | None = None
        self._sender = threading.Thread(target=self._send_all, name="sender", daemon=True)
        self._schedule = Schedule()
        self.add_on_set_parameters_callback(self._check)
        parameters.declare(self, parameters.SIGNER)

    def start(self) -> None:
        """Load the bundle, open the topics and begin to work.

        Raises:
            Text2SignError: (BundleError and kin) the bundle can't be used.
        """
        bundle = self._value("bundle") or share() / "models" / "asl_cafe"
        signer = Signer(
            bundle,
            preset=self._value("preset") or None,
            backend=self._value("backend"),
            threads=self._value("threads"),
        )
        signer.warm_up()
        self._fps = signer.fps
        self._engine = SigningEngine(signer, max_waiting=self._value("queue_size"))
        self._publisher = self.create_publisher(MultiDOFJointTrajectory, "~/trajectory", TRAJECTORY_QOS)
        self.create_subscription(String, "~/text", self._on_text, TEXT_QOS)
        self.create_service(Trigger, "~/cancel", self._on_cancel)
        self._sender.start()
        self.get_logger().info(f"ready: {bundle} at {signer.fps:g} fps in {signer.steps} steps on {signer.backend}")

    def stop(self) -> None:
        """End the work, in mid-sentence if need be, and wait until it has ended."""
        self._stopping.set()
        if self._engine is not None:
            self._engine.close()
        if self._sender.is_alive():
            self._sender.join()

    def _check(self, changed: list[Parameter]) -> SetParametersResult:
        """Refuse what a range can't tell: the least limit above none."""
        try:
            for parameter in changed:
                if parameter.name in _LIMITS:
                    Limits(**{parameter.name.removeprefix("max_"): parameter.value})
        except LimitsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _on_text(self, message: String) -> None:
        assert self._engine is not None
        limits = Limits(*(self._value(name) for name in _LIMITS))
        style = Style(self._value("seed"), self._value("max_characters"), self._value("chunk_frames"), limits)
        try:
            self._engine.submit(message.data, style)
        except QueueFullError as error:
            self.get_logger().warning(f"{quote(message.data)} is refused: {error}")

    def _on_cancel(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        assert self._engine is not None
        count = self._engine.cancel()
        response.success = True
        response.message = f"canceled {count} {'text' if count == 1 else 'texts'}"
        return response

    def _send_all(self) -> None:
        assert self._engine is not None
        while not self._stopping.is_set():
            item = self._engine.take(timeout=0.2)  # then see whether to stop
            if item is None:
                continue
            performance, chunk = item
            try:
                if chunk is None:
                    self._report(performance)
                elif not self._send(chunk):
                    return
            except Exception as error:
                # What can't be sent must not silence the robot; a context that is gone is only the shutdown.
                if self.context.ok():
                    self.get_logger().error(f"a chunk of {quote(performance.text)} can't be sent: {error}")

    def _report(self, performance: Performance) -> None:
        """Log how a text ended."""
        log, text = self.get_logger(), quote(performance.text)
        for warning in performance.warnings:
            log.warning(f"{text}: {warning}")
        if performance.outcome is Outcome.SIGNED:
            factor = performance.work * self._fps / max(performance.frames, 1)
            log.info(
                f"signed {text}: frames {performance.frames}, first chunk ready after "
                f"{1e3 * performance.first_chunk:.0f} ms, real-time factor {factor:.4f}"
            )
        elif performance.outcome is Outcome.CANCELED:
            log.info(f"canceled {text}")
        elif performance.outcome is Outcome.REFUSED:
            log.warning(f"{text} is refused: {performance.error}")
        else:
            log.error(f"{text} was given up: {type(performance.error).__name__}: {performance.error}")

    def _send(self, chunk: Chunk) -> bool:
        """Publish ``chunk`` when it is due; False when the node stops before that."""
        if chunk.start == 0:
            self._schedule.begin()
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


class _ToRosout(logging.Handler):
    """Forwards what the library logs to a node's logger."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        methods = {logging.WARNING: "warning", logging.INFO: "info", logging.DEBUG: "debug"}
        getattr(self._logger, methods.get(record.levelno, "error"))(self.format(record))


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    node, library = None, logging.getLogger("text2sign_ros")
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
            library.setLevel(logging.DEBUG)  # what is shown is for the node's logger to say
            library.addHandler(_ToRosout(node.get_logger()))
            node.start()
        except (Text2SignError, ParameterException) as error:
            rclpy.logging.get_logger("signer").fatal(str(error))
            return 1
        executor.add_node(node)
        # Not rclpy.spin: one SIGTERM in thirty does not wake an executor that waits without a timeout.
        while rclpy.ok():
            executor.spin_once(timeout_sec=0.5)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():
            raise
        # else SIGTERM came while the node was starting, and what failed is that its context is gone
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut the cleaning up
        if node is not None:
            library.handlers.clear()
            node.stop()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
