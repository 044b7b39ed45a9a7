"""The node `signer`: text in, timed motion of 79 keypoints out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from action_msgs.msg import GoalStatusArray
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.inference.engine import SigningEngine
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.limits import Limits, LimitsError
from text2sign_ros.resources import default_bundle
from text2sign_ros.ros import diagnostics, parameters, process, qos, signals
from text2sign_ros.ros.executor import SideExecutor, SideGroup
from text2sign_ros.ros.lifecycle import ManagedNode
from text2sign_ros.ros.monitor import Monitor
from text2sign_ros.ros.output import TrajectoryOutput
from text2sign_ros.ros.overrides import warn_of_unknown_qos
from text2sign_ros.ros.rosout import capture_logs, forward
from text2sign_ros.ros.speech import LiveSpeech, Speech
from text2sign_ros.ros.tts import TTS, TtsServer
from text2sign_ros.wire import messages
from text2sign_ros.wire.captions import Captioner, Captions
from text2sign_ros.wire.diagnosis import Assessment, Condition, assess
from text2sign_ros.wire.goals import Goals
from text2sign_ros.wire.intake import LIMITS, Intake
from text2sign_ros.wire.layout import layout
from text2sign_ros.wire.reports import Reports
from text2sign_ros.wire.schedule import Schedule
from text2sign_ros.wire.sender import Sender, edge
from text2sign_ros.wire.statistics import Statistics
from text2sign_ros.wire.textlog import TextLog, count


class SignerNode(ManagedNode):
    """Signs the texts of ``~/text`` on ``~/trajectory``, while it is active.

    The state of each text is on ``~/status``, and what is signed when on ``~/captions``.

    Where hri_msgs is installed it signs the speech of ``~/speech`` as well.

    Transitions, each of which creates what the opposite one destroys:
        - configure loads and verifies the bundle, opens the backend (which may build engines for minutes;
          ``/diagnostics`` shows the progress) and warms up. Then the topics and services exist. If that fails the
          node stays unconfigured.
        - activate starts the engine and the sender; deactivate cancels all texts, and returns when the return to rest
          has been played. Texts that come while the node is inactive are refused with a warning and a status.
        - cleanup and shutdown release everything, shutdown after coming to rest.

    Services: ``~/cancel`` ends all texts; ``~/pause`` brings the motion to rest and keeps the texts; the interrupted
    one starts again at ``~/resume``.

    Threads. The executor's: transitions, texts and services run one after another in one callback group; the clock and
    the parameters have another, so that time advances during a transition: spin the node with a ``SideExecutor``. The
    engine's signs, ahead of time and within bounds (see ``SigningEngine``). The sender's publishes each chunk when it
    is due. A fourth publishes ``/diagnostics`` once a second and on change, whatever the others do, for as long as the
    node lives. ``stop`` joins them; destroy the node after it.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters and start publishing ``/diagnostics``.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
        """
        self._group = SideGroup()
        self._progress = ""
        self._signer: Signer | None = None
        self._engine: SigningEngine | None = None
        self._statistics = Statistics()
        super().__init__("signer", self._group, **options)
        self._log = TextLog(self.get_logger())
        self.add_on_set_parameters_callback(self._check)
        parameters.declare(self, parameters.SIGNER)
        self._diagnostics = qos.publisher(self, DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        self._monitor = Monitor(self, self._assess, self._diagnose)
        self._monitor.start()

    def stop(self) -> None:
        """Stop working, in mid-sentence if need be, and wait until everything has stopped."""
        self.release()
        self._monitor.stop()

    # Transitions

    def configure(self) -> ExitStack:
        """Load the bundle, open the backend, warm up; create topics and services."""

        def advance(progress: str) -> None:
            signals.check()
            self._advance(progress)

        with capture_logs(lambda record: advance(record.getMessage()), logging.INFO), ExitStack() as stack:
            self._bundle = str(self._value("bundle") or default_bundle())
            advance(f"loading {self._bundle}")
            signer = Signer(
                self._bundle,
                preset=self._value("preset") or None,
                backend=self._value("backend"),
                cache=Path(cache) if (cache := self._value("cache_dir")) else None,
                threads=self._value("threads"),
                senses=self._value("senses"),
            )
            stack.callback(signer.close)
            advance("warming up")
            signer.warm_up()
            advance("opening topics and services")
            self._open(stack, signer)
            return stack.pop_all()

    def _open(self, stack: ExitStack, signer: Signer) -> None:
        """Create topics and services."""

        def publisher(kind: type, name: str, profile: QoSProfile) -> Any:
            made = qos.publisher(self, kind, name, profile)
            stack.callback(self.destroy_publisher, made)
            return made

        def latched(name: str, profile: QoSProfile) -> Callable[[str], None]:
            made = publisher(String, name, profile)
            return lambda data: made.publish(String(data=data)) if self.context.ok() else None

        chunks, frame = publisher(MultiDOFJointTrajectory, "~/trajectory", qos.TRAJECTORY), self._value("frame")
        self._output = TrajectoryOutput(self, chunks, frame)
        status = publisher(GoalStatusArray, "~/status", qos.LATEST)
        latched("~/layout", qos.LATEST)(layout(signer.fps, frame))
        tts, caption = self._open_tts(stack, signer), latched("~/captions", qos.CAPTIONS)

        def on_captions(changed: Captions) -> None:
            caption(changed.json())
            if tts is not None:
                tts.on_captions(changed)

        captions, self._schedule = Captioner(signer.fps, on_captions), Schedule()
        goals = Goals(lambda states: status.publish(messages.goals(states)) if self.context.ok() else None)
        stack.callback(goals.close)
        stack.callback(captions.close)
        self._reports = Reports(goals, captions, self._statistics, self._log, signer.fps, self._monitor.wake)
        self._intake = Intake(self._value, lambda: self.state, self._reports)
        if tts is not None:
            tts.intake = self._intake
        texts = qos.subscription(self, String, "~/text", self._on_text, qos.TEXT, callback_group=self._group)
        stack.callback(self.destroy_subscription, texts)
        self._speech = self._value("speech")
        if LiveSpeech is None and self._speech != "none":
            self._speech = "none: hri_msgs is not installed"
            self.get_logger().info("there is no ~/speech: hri_msgs is not installed")
        elif self._speech != "none":
            on_speech = Speech(self._value, self._intake, self._reports, signer.phrases, signer.forms).receive
            speech = qos.subscription(self, LiveSpeech, "~/speech", on_speech, qos.TEXT, callback_group=self._group)
            stack.callback(self.destroy_subscription, speech)
        for name, callback in (("cancel", self._on_cancel), ("pause", self._on_pause), ("resume", self._on_resume)):
            service = self.create_service(Trigger, f"~/{name}", callback, callback_group=self._group)
            stack.callback(self.destroy_service, service)
        warn_of_unknown_qos(self)
        self._signer = signer
        stack.callback(setattr, self, "_signer", None)

    def _open_tts(self, stack: ExitStack, signer: Signer) -> TtsServer | None:
        """Create the action server, where its interface is installed; it closes when the captions have."""
        if TTS is None:
            self.get_logger().info("there is no ~/tts: tts_msgs is not installed")
            return None
        voices = dict.fromkeys((signer.bundle.name, signer.bundle.folder.resolve().name))
        server = TtsServer(self, voices, lambda: self._value("max_characters"), self._log, self._group)
        stack.callback(server.close)
        return server

    def activate(self) -> ExitStack:
        """Start signing."""
        assert self._signer is not None
        with ExitStack() as stack:
            self._engine = SigningEngine(
                self._signer, max_waiting=self._value("queue_size"), edge=partial(edge, self._output)
            )
            stack.callback(setattr, self, "_engine", None)
            stack.callback(self._engine.close)
            self._sender = Sender(self._engine, self._schedule, self._output, self._reports)
            stack.callback(self._sender.stop)
            self._statistics.activated()
            self._sender.start()
            self._intake.engine = self._engine
            stack.callback(setattr, self._intake, "engine", None)
            signer = self._signer
            self.get_logger().info(
                f"ready: {self._bundle} at {signer.fps:g} fps in {signer.steps} steps on {signer.backend}"
            )
            return stack.pop_all()

    def come_to_rest(self) -> None:
        """End all texts, and play the return to rest."""
        assert self._engine is not None
        self._engine.cancel()
        if not self._sender.finish(self._goes_on) and self._goes_on():
            self.get_logger().warning("the motion could not be brought to rest: the clock is not advancing")

    def _goes_on(self) -> bool:
        return self.context.ok() and not signals.requested()

    def entered(self) -> None:
        """Publish the change on ``/diagnostics``."""
        self._advance("")

    def settled(self) -> None:
        """Log what the node waits for; ``activate`` has logged that it is ready."""
        if self.state != "active":
            self.get_logger().info(assess(Condition(self.state)).message)

    def _advance(self, progress: str) -> None:
        self._progress = progress
        self._monitor.wake()

    # Parameters

    def _check(self, changed: list[Parameter]) -> SetParametersResult:
        """Refuse values that a range can't express."""
        result = parameters.check(parameters.SIGNER, changed, unconfigured=self.state == "unconfigured")
        try:
            for parameter in changed:
                if result.successful and parameter.name in LIMITS:
                    Limits(**{parameter.name.removeprefix("max_"): parameter.value})
        except LimitsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return result

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    # Topics and services

    def _on_text(self, message: String) -> None:
        self._intake.submit(message.data)

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

    # Diagnostics, in the thread of the monitor

    def _assess(self, now: int, clock_stopped: bool) -> Assessment:
        engine = self._engine
        condition = Condition(
            state=self.state,
            progress=self._progress,
            failure=self.failure,
            paused=engine is not None and engine.paused,
            time=now,
            clock_stopped=clock_stopped,
            subscribers=self._output.receivers() if engine is not None else 0,
            late=self._statistics.late_recently(),
            rate_limited=self._statistics.rate_limited_recently(),
            not_signed=self._statistics.not_signed_recently(),
            busy=engine is not None and not engine.idle,
        )
        return assess(condition)

    def _diagnose(self, now: int, assessment: Assessment) -> None:
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
        values |= self._statistics.values()
        name = self.get_fully_qualified_name().lstrip("/")
        hardware = signer.backend if signer is not None else ""
        self._diagnostics.publish(diagnostics.array(f"{name}: signing", now, assessment, values, hardware))

    @property
    def _topic(self) -> str:
        return self.resolve_topic_name("~/trajectory")


def _make(stack: ExitStack) -> SignerNode:
    node = SignerNode()
    stack.callback(node.destroy_node)
    stack.callback(node.stop)
    stack.enter_context(capture_logs(forward(node.get_logger()), logging.DEBUG))
    node.autostart()
    return node


def main() -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    return process.run("signer", _make, SideExecutor, about=__doc__, settings=parameters.SIGNER)


if __name__ == "__main__":
    sys.exit(main())
