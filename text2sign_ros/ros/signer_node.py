"""The node `signer`: text in, timed motion of 79 keypoints out."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from action_msgs.msg import GoalStatus, GoalStatusArray
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.engine import Outcome, Policy, QueueFullError, SigningEngine, Style, Utterance
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.limits import Limits, LimitsError
from text2sign_ros.resources import share
from text2sign_ros.ros import diagnostics, parameters, process, qos
from text2sign_ros.ros.diagnostics import Verdict
from text2sign_ros.ros.executor import SideExecutor, SideGroup
from text2sign_ros.ros.layout import layout
from text2sign_ros.ros.lifecycle import ManagedNode
from text2sign_ros.ros.monitor import Monitor
from text2sign_ros.ros.rosout import Rosout, capture_logs, count, forward, quote
from text2sign_ros.ros.status import Goals
from text2sign_ros.text.speech import LANGUAGE, Transcript, is_understood, plain
from text2sign_ros.wire.bucket import TokenBucket
from text2sign_ros.wire.schedule import Schedule
from text2sign_ros.wire.sender import Sender

try:
    from hri_msgs.msg import LiveSpeech
except ImportError:  # ROS4HRI is no part of ROS 2
    LiveSpeech = None

_LIMITS = ("max_velocity", "max_acceleration", "max_jerk")
_STATUS = {
    Outcome.SIGNED: GoalStatus.STATUS_SUCCEEDED,
    Outcome.CANCELED: GoalStatus.STATUS_CANCELED,
    Outcome.REFUSED: GoalStatus.STATUS_ABORTED,
    Outcome.DROPPED: GoalStatus.STATUS_ABORTED,
    Outcome.FAILED: GoalStatus.STATUS_ABORTED,
}
BURST = 100
"""Texts that may come at once whatever ``max_rate`` is; ``queue_size`` of them where that is more."""


class StartError(Text2SignError):
    """The node can't be configured or activated."""


class SignerNode(ManagedNode):
    """Signs the texts of ``~/text`` on ``~/trajectory``, while it is active; says on ``~/status`` what became of each.

    Where hri_msgs is installed it signs the speech of ``~/speech`` as well.

    Transitions, each of which creates what the opposite one destroys:
        - configure loads and verifies the bundle, opens the backend (which may build engines for minutes;
          ``/diagnostics`` tells how far it is) and warms up. Then the topics and services are there. If that fails the
          node stays unconfigured.
        - activate starts the engine and the sender; deactivate cancels all texts, and returns when the way back to rest
          has been sent. Texts that come while the node is inactive are refused with a warning and a status.
        - cleanup and shutdown give everything back, shutdown after coming to rest.

    Services: ``~/cancel`` ends all texts; ``~/pause`` brings the motion to rest and keeps the texts, the interrupted
    one begins again at ``~/resume``.

    Threads. The executor's: transitions, texts and services run one after another in one callback group; the clock and
    the parameters have another, so that time goes on during a transition: spin the node with a ``SideExecutor``. The
    engine's signs, ahead of time and within bounds (see ``SigningEngine``). The sender's publishes each chunk when it
    is due. Another publishes ``/diagnostics`` once a second and on change, whatever the others do, for as long as the
    node lives. ``stop`` joins them; destroy the node after it.
    """

    def __init__(self, **options: Any) -> None:
        """Declares the parameters and begins with ``/diagnostics``.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
        """
        self._group = SideGroup()
        self._progress = ""
        self._signer: Signer | None = None
        self._engine: SigningEngine | None = None
        self._figures = diagnostics.Figures()
        super().__init__("signer", self._group, **options)
        self._rosout = Rosout(self.get_logger())
        self.add_on_set_parameters_callback(self._check)
        parameters.declare(self, parameters.SIGNER)
        self._diagnostics = qos.publisher(self, DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        self._monitor = Monitor(self, self._assess, self._diagnose)
        self._monitor.start()

    def stop(self) -> None:
        """End the work, in mid-sentence if need be, and wait until it has ended."""
        self.release()
        self._monitor.stop()

    # Transitions

    def configure(self) -> ExitStack:
        """Load, open, warm up; topics and services."""
        with capture_logs(lambda record: self._advance(record.getMessage()), logging.INFO), ExitStack() as stack:
            self._bundle = str(self._value("bundle") or share() / "models" / "asl_cafe")
            self._advance(f"loading {self._bundle}")
            signer = Signer(
                self._bundle,
                preset=self._value("preset") or None,
                backend=self._value("backend"),
                threads=self._value("threads"),
            )
            stack.callback(signer.close)
            self._advance("warming up")
            signer.warm_up()
            self._open(stack, signer)
            return stack.pop_all()

    def _open(self, stack: ExitStack, signer: Signer) -> None:
        """Create topics and services."""

        def publisher(kind: type, name: str, profile: QoSProfile) -> Any:
            made = qos.publisher(self, kind, name, profile)
            stack.callback(self.destroy_publisher, made)
            return made

        self._publisher = publisher(MultiDOFJointTrajectory, "~/trajectory", qos.TRAJECTORY)
        self._status = publisher(GoalStatusArray, "~/status", qos.LATEST)
        publisher(String, "~/layout", qos.LATEST).publish(layout(signer.fps))
        self._goals, self._schedule = Goals(self._publish_status), Schedule()
        self._bucket = TokenBucket(max(BURST, self._value("queue_size")))
        stack.callback(self._goals.close)
        texts = qos.subscription(self, String, "~/text", self._on_text, qos.TEXT, callback_group=self._group)
        stack.callback(self.destroy_subscription, texts)
        self._transcript = Transcript(signer.phrases)
        self._speech = self._value("speech")
        if LiveSpeech is None and self._speech != "none":
            self._speech = "none: hri_msgs is not installed"
            self.get_logger().info("there is no ~/speech: hri_msgs is not installed")
        elif self._speech != "none":
            speech = qos.subscription(
                self, LiveSpeech, "~/speech", self._on_speech, qos.TEXT, callback_group=self._group
            )
            stack.callback(self.destroy_subscription, speech)
        for name, callback in (("cancel", self._on_cancel), ("pause", self._on_pause), ("resume", self._on_resume)):
            service = self.create_service(Trigger, f"~/{name}", callback, callback_group=self._group)
            stack.callback(self.destroy_service, service)
        self._signer = signer
        stack.callback(setattr, self, "_signer", None)

    def activate(self) -> ExitStack:
        """Begin to sign."""
        assert self._signer is not None
        with ExitStack() as stack:
            self._engine = SigningEngine(self._signer, max_waiting=self._value("queue_size"))
            stack.callback(setattr, self, "_engine", None)
            stack.callback(self._engine.close)
            self._sender = Sender(self._engine, self._schedule, self)
            stack.callback(self._sender.stop)
            self._figures.activated()
            self._sender.start()
            signer = self._signer
            self.get_logger().info(
                f"ready: {self._bundle} at {signer.fps:g} fps in {signer.steps} steps on {signer.backend}"
            )
            return stack.pop_all()

    def come_to_rest(self) -> None:
        """End all texts, and send the way back to rest."""
        assert self._engine is not None
        self._engine.cancel()
        if not self._sender.finish(self.context.ok) and self.context.ok():
            self.get_logger().warning("the motion could not be brought to rest: the clock stands still")

    def entered(self) -> None:
        """Tell it on ``/diagnostics``."""
        self._advance("")

    def _advance(self, progress: str) -> None:
        self._progress = progress
        self._monitor.wake()

    # Parameters

    def _check(self, changed: list[Parameter]) -> SetParametersResult:
        """Refuse what a range can't tell."""
        try:
            for parameter in changed:
                unconfigured = self.state == "unconfigured"
                reason = parameters.refusal(
                    parameters.SIGNER, parameter.name, parameter.value, unconfigured=unconfigured
                )
                if reason:
                    return SetParametersResult(successful=False, reason=reason)
                if parameter.name in _LIMITS:
                    Limits(**{parameter.name.removeprefix("max_"): parameter.value})
        except LimitsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _nanoseconds(self, name: str) -> int:
        return round(self._value(name) * 1e9)

    # Topics and services

    def _on_text(self, message: String) -> None:
        self._accept(message.data)

    def _on_speech(self, message: Any) -> None:
        """Sign what a final result of speech recognition has beyond what incremental ones before it had."""
        longest = max(message.final, message.incremental, key=len)
        if len(longest) > self._value("max_characters"):
            self._accept(longest)  # which refuses it
            return
        now, final = time.monotonic(), plain(message.final)
        locale = message.locale if hasattr(message, "locale") else message.language  # as hri_msgs called it to 2.0.0
        if not final:
            if self._engine is not None and self._speech == "incremental" and is_understood(locale):
                self._transcript.hear(plain(message.incremental), now)
                # While it signs, words come together to be signed in one go.
                if self._engine.idle and (words := self._transcript.take(self._value("speech_results"))):
                    self._accept(words)
            return
        refusal, least = "", self._value("speech_confidence")
        if not is_understood(locale):
            refusal = f"its locale is {quote(locale)}; this node signs {LANGUAGE}"
        elif least > 0 and not message.confidence >= least:
            refusal = f"its confidence is {message.confidence:.2f}, and speech_confidence {least:g}"
        rest = self._transcript.end(final, now)
        if rest.revised:
            self._rosout.revised(final)
        if rest.text:  # it must not take the place of its own beginning
            self._accept(rest.text, policy=Policy.QUEUE if rest.begun else None, refusal=refusal)

    def _accept(self, text: str, *, policy: Policy | None = None, refusal: str = "") -> None:
        """Queue a text, wherever it comes from, or refuse it: unread, without a status, where too many come.

        Args:
            text: to sign.
            policy: None is the parameter's.
            refusal: why it is not signed, if it is not.
        """
        self._figures.received()
        rate, most = self._value("max_rate"), self._value("max_characters")
        if not self._bucket.take(rate):
            reason = f"texts come faster than max_rate ({rate:g} a second)"
            self._figures.flooded(reason)
            self._rosout.flooded(reason)
            return
        id = uuid.uuid4()
        self._goals.accept(id)
        if self._engine is None or refusal:
            self._refuse(id, text, refusal or f"the node is {self.state}; activate it before")
            return
        if len(text) > most:  # also while it waits it would take memory
            self._refuse(id, text, f"it has {len(text)} characters; send it in parts, or raise max_characters ({most})")
            return
        limits = Limits(*(self._value(name) for name in _LIMITS))
        style = Style(self._value("seed"), most, self._value("chunk_frames"), limits)
        policy, max_wait = policy or Policy(self._value("policy")), self._value("max_wait")
        try:
            self._engine.submit(text, style, policy=policy, max_wait=max_wait, id=id)
        except QueueFullError as error:
            self._refuse(id, text, str(error))
        self._monitor.wake()

    def _refuse(self, id: uuid.UUID, text: str, reason: str) -> None:
        self._figures.refused(reason)
        self._goals.end(id, GoalStatus.STATUS_ABORTED)
        self._rosout.refused(text, reason)

    def _on_cancel(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def cancel(engine: SigningEngine) -> str:
            return f"canceled {count(engine.cancel())}"

        return self._serve(response, cancel)

    def _on_pause(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def pause(engine: SigningEngine) -> str:
            again = engine.pause()
            return f"paused: {count(again)} will begin again, {count(engine.waiting - again)} will follow"

        return self._serve(response, pause)

    def _on_resume(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def resume(engine: SigningEngine) -> str:
            engine.resume()
            return "resumed"

        return self._serve(response, resume)

    def _serve(self, response: Trigger.Response, act: Callable[[SigningEngine], str]) -> Trigger.Response:
        response.success = self._engine is not None
        if self._engine is None:
            response.message = f"the node is {self.state}; activate it before"
        else:
            response.message = act(self._engine)
            self._monitor.wake()
        return response

    # The stage of the sender, in its thread

    def now(self) -> int:
        return self.get_clock().now().nanoseconds

    def lead_time(self) -> int:
        return self._nanoseconds("lead_time")

    def start_delay(self) -> int:
        return self._nanoseconds("start_delay")

    def publish(self, data: bytes) -> None:
        self._publisher.publish(data)

    def begun(self, utterance: Utterance, stamp: int) -> None:
        self._goals.execute(utterance.id, stamp)

    def sent(self, late: bool) -> None:
        self._figures.sent(late)

    def moved(self, stamp: int, due: int) -> None:
        self.get_logger().warning(
            f"the motion continues at {stamp / 1e9:.3f} s instead of {due / 1e9:.3f} s: "
            "the clock jumped, or signing is slower than real time"
        )

    def broke(self, utterance: Utterance, error: Exception) -> None:
        if self.context.ok():  # else it is only the shutdown
            self.get_logger().error(f"a chunk of {quote(utterance.text)} can't be sent: {error}")

    def ended(self, utterance: Utterance) -> None:
        """Tell how a text ended, on ``/rosout``, ``/diagnostics`` and ``~/status``."""
        assert self._signer is not None and utterance.outcome is not None
        self._rosout.ended(utterance, self._signer.fps)
        self._figures.ended(utterance, self._signer.fps)
        self._goals.end(utterance.id, _STATUS[utterance.outcome])
        self._monitor.wake()

    def _publish_status(self, message: GoalStatusArray) -> None:
        if self.context.ok():
            self._status.publish(message)

    # Diagnostics, in their thread

    def _assess(self, now: int, standing: bool) -> Verdict:
        engine, signer = self._engine, self._signer
        condition = diagnostics.Condition(
            state=self.state,
            progress=self._progress,
            failure=self.failure,
            paused=engine is not None and engine.paused,
            time=now,
            standing=standing,
            subscribers=self.count_subscribers(self._topic) if signer is not None else 0,
            late=self._figures.late_recently(),
            flooded=self._figures.flooded_recently(),
            unsigned=self._figures.unsigned_recently(),
            busy=engine is not None and not engine.idle,
        )
        return diagnostics.assess(condition)

    def _diagnose(self, now: int, verdict: Verdict) -> None:
        signer, engine = self._signer, self._engine
        values = {"state": self.state}
        if signer is not None:
            values |= {
                "bundle": self._bundle,
                "preset": self._value("preset") or signer.bundle.preset,
                "steps": str(signer.steps),
                "backend": signer.backend,
                "speech": self._speech,
            }
        if engine is not None:
            values |= {"paused": str(engine.paused), "texts waiting": str(engine.waiting)}
        values |= {"queue_size": str(self._value("queue_size")), "policy": self._value("policy")}
        values |= {
            "publishers of ~/text": str(self.count_publishers(self.resolve_topic_name("~/text"))),
            "subscribers of ~/trajectory": str(self.count_subscribers(self._topic)),
        }
        values |= self._figures.values()
        name = self.get_fully_qualified_name().lstrip("/")
        hardware = signer.backend if signer is not None else ""
        self._diagnostics.publish(diagnostics.array(f"{name}: signing", now, *verdict, values, hardware))

    @property
    def _topic(self) -> str:
        return self.resolve_topic_name("~/trajectory")


def _make(stack: ExitStack) -> SignerNode:
    node = SignerNode()
    stack.callback(node.destroy_node)
    stack.callback(node.stop)
    stack.enter_context(capture_logs(forward(node.get_logger()), logging.DEBUG))
    if node.get_parameter("autostart").value and not node.start():
        raise StartError(node.failure)
    return node


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    return process.run("signer", _make, args, SideExecutor)


if __name__ == "__main__":
    sys.exit(main())
