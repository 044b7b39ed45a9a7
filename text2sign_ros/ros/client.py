"""SignerClient: how an application uses a signer: texts in; results, chunks and captions out."""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from action_msgs.msg import GoalStatusArray
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import TransitionEvent
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.ros import qos, standalone
from text2sign_ros.ros.diagnostics import Diagnostics
from text2sign_ros.ros.goal import Goal, Result
from text2sign_ros.skeleton import KEYPOINTS
from text2sign_ros.wire import diagnosis, trajectory
from text2sign_ros.wire.captions import Captions, CaptionsError
from text2sign_ros.wire.client_errors import Cause, ClientError, RefusedError, SignerGoneError, WaitError
from text2sign_ros.wire.diagnosis import Level
from text2sign_ros.wire.layout import Layout, LayoutError
from text2sign_ros.wire.textlog import quote
from text2sign_ros.wire.tracker import Arrival, GoalState, Status, Tracker
from text2sign_ros.wire.trajectory import TrajectoryError

__all__ = [
    "Cause",
    "ClientError",
    "Diagnostics",
    "Goal",
    "Level",
    "RefusedError",
    "Result",
    "SignerClient",
    "SignerGoneError",
    "WaitError",
]

T = TypeVar("T")

SETTLE = 0.3
"""Seconds to wait between discovering the signer and sending something: the signer may discover this node a moment
later, and what is sent before that is lost."""
QUIET = 1.0
"""Seconds without a chunk after which a text that has ended counts as complete, although its motion has not come to
rest: it was cut off when its node ended."""
SILENCE = 10.0
"""Seconds without diagnostics, which come once a second, after which the signer counts as gone."""
_REPEAT = 2.0  # seconds without a response after which parameters are sent, or asked for, again
_LOOK, _POLL = 0.2, 0.05  # seconds between checks of what sends no message: the ROS graph, silence
_CHUNKS = QoSProfile(depth=1000)  # a whole text in one burst, if lead_time is long
_LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass
class _Service:
    """A service: its client, and since when it has been available (``time.monotonic``)."""

    client: Any
    since: float = field(default=0.0)


class SignerClient:
    """Sends texts to a signer, and follows what becomes of them. Thread-safe.

    Without ``node`` it has a node, a context and a thread of its own; use it as a context manager, or ``close`` it:

        with SignerClient() as signer:
            print(signer.submit("hello").result().status)

    With ``node`` it adds its publisher, subscriptions and clients to that node, and you spin it: methods that wait must
    be called from a thread other than the one that spins, or in a MultiThreadedExecutor from a callback of another
    group.
    In a callback use ``submit`` when ``connected``, and ``Goal.add_done_callback``.

    ``wire.tracker.Tracker`` explains how the goal and the chunks of a text are found, and the limits of that. Methods
    that wait raise a ``WaitError`` that names the likely cause on a timeout, let KeyboardInterrupt through, and raise
    rclpy's ExternalShutdownException after a shutdown of the context.

    Args:
        signer: name of the signer's node: in full ("/robot/signer"), or within the namespace of this client's node.
        node: to use; None creates one.
        name: of the node that is created; None chooses one.
        use_sim_time: of the node that is created: whether ``Arrival.clock_ns`` is on the clock of ``/clock``.
        motion: whether to receive the motion; if not, goals have no chunks, and their transport is saved.
        check: called repeatedly while waiting; an exception that it raises ends the wait.

    Attributes:
        node: the node that it uses.
        signer: the signer's name in full.
        check: as given; may be replaced.
    """

    def __init__(
        self,
        signer: str = "signer",
        *,
        node: Node | None = None,
        name: str | None = None,
        use_sim_time: bool = False,
        motion: bool = True,
        check: Callable[[], object] | None = None,
    ) -> None:
        self.check, self._motion = check, motion
        self._changed = threading.Condition()  # guards everything below
        self._tracker, self._live = Tracker(), list[Goal]()
        self._goals: tuple[GoalState, ...] | None = None
        self._diagnostics: Diagnostics | None = None
        self._layout: Layout | None = None
        self._state, self._others = "", set[str]()
        self._services: dict[str, _Service] = {}
        self._found: float | None = None  # since when the signer and this node have known each other (time.monotonic)
        self._present = False
        self._chunk_at = 0.0  # when the latest chunk was received (time.monotonic)
        self._looks = 0  # at the ROS graph, while the node is spun
        self._silent = self._absent = 0  # looks since the latest diagnostics, and since the signer's topics have gone
        self._closed = False
        with ExitStack() as stack:
            self._thread: threading.Thread | None = None
            self.node = standalone.create_node(stack, name, use_sim_time) if node is None else node
            namespace = self.node.get_namespace().rstrip("/")
            self.signer = signer if signer.startswith("/") else f"{namespace}/{signer}"
            self._open(stack)
            if node is None:
                self._start(stack)
            self._stack = stack.pop_all()

    def _open(self, stack: ExitStack) -> None:
        node, group = self.node, MutuallyExclusiveCallbackGroup()

        def subscribe(kind: type, topic: str, callback: Callable[[Any], None], profile: QoSProfile, raw: bool = False):
            made = node.create_subscription(kind, topic, callback, profile, callback_group=group, raw=raw)
            stack.callback(node.destroy_subscription, made)
            return made.topic_name  # after remapping

        self._group = group
        # The status first, and only its last message: executors handle subscriptions in this order, so a chunk is
        # seldom handled before the status that was sent before it.
        self._status_topic = subscribe(GoalStatusArray, f"{self.signer}/status", self._on_status, qos.LATEST)
        self._captions_topic = subscribe(String, f"{self.signer}/captions", self._on_captions, _LATCHED)
        if self._motion:
            topic = f"{self.signer}/trajectory"
            self._chunks_topic = subscribe(MultiDOFJointTrajectory, topic, self._on_chunk, _CHUNKS, raw=True)
        subscribe(String, f"{self.signer}/layout", self._on_layout, qos.LATEST)
        subscribe(TransitionEvent, f"{self.signer}/transition_event", self._on_transition, QoSProfile(depth=10))
        subscribe(DiagnosticArray, "/diagnostics", self._on_diagnostics, QoSProfile(depth=100))
        self._texts = node.create_publisher(String, f"{self.signer}/text", qos.TEXT)
        stack.callback(node.destroy_publisher, self._texts)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        timer = node.create_timer(_LOOK, self._look, callback_group=group, clock=steady)
        stack.callback(node.destroy_timer, timer)

    def _start(self, stack: ExitStack) -> None:
        self._thread = standalone.spinner(stack, self.node, self._failed)
        self._thread.start()
        atexit.register(self.close)  # a thread that spins while Python ends aborts the process
        stack.callback(atexit.unregister, self.close)

    def _failed(self, error: Exception) -> None:
        if self.node.context.ok():
            self.node.get_logger().error(f"a callback failed: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Release everything that it has created, and join its thread; waits in other threads raise a ClientError.

        Raises:
            ClientError: this is called from a callback of the client's own thread.
        """
        if threading.current_thread() is self._thread:
            raise ClientError("a callback of the client can't close it: do so in another thread")
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            services, self._services = self._services, {}
        for service in services.values():
            self.node.destroy_client(service.client)
        self._stack.close()

    def __enter__(self) -> SignerClient:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # Texts

    def submit(self, text: str, timeout: float = 10.0) -> Goal:
        """Send a text, once the signer and this client have discovered each other.

        The signer need not be active: it refuses the text then, and the goal is aborted.

        Raises:
            WaitError: they have not within ``timeout`` seconds.
            ClientError: the text can't be sent: it has lone surrogates, which are not characters, or a NUL character,
                at which DDS would cut it.
        """
        if "\0" in text:
            raise ClientError(f"{quote(text)} can't be sent: it has a NUL character; leave it out")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ClientError(f"{quote(text)} can't be sent: {error}") from error
        self.wait_for(lambda: self.connected, timeout, "the signer to receive texts")
        with self._changed:
            captioned = self.node.count_publishers(self._captions_topic) > 0
            goal = Goal(self, self._tracker.send(text, captioned=captioned))
            self._live.append(goal)
            self._texts.publish(String(data=text))
        return goal

    def cancel(self, timeout: float = 10.0) -> str:
        """End all texts, also those of others; returns the signer's reply.

        Raises:
            RefusedError: it is not active.
            WaitError: there is no answer within ``timeout`` seconds.
        """
        return self._trigger("cancel", timeout)

    def pause(self, timeout: float = 10.0) -> str:
        """Come to rest and keep the texts; an interrupted one starts again at ``resume``. As ``cancel``."""
        return self._trigger("pause", timeout)

    def resume(self, timeout: float = 10.0) -> str:
        """Go on after ``pause``. As ``cancel``."""
        return self._trigger("resume", timeout)

    def _trigger(self, name: str, timeout: float) -> str:
        response = self.call(Trigger, name, Trigger.Request(), timeout)
        if not response.success:
            raise RefusedError(f"{self.signer}/{name} is refused: {response.message}")
        return response.message

    # State of the signer

    @property
    def connected(self) -> bool:
        """Whether signer and client have discovered each other, so that texts and their status get through."""
        with self._changed:
            self._find()
            return self._found is not None and time.monotonic() - self._found >= SETTLE

    @property
    def present(self) -> bool:
        """Whether a signer of that name exists and has been configured."""
        return self.node.count_publishers(self._status_topic) > 0

    @property
    def state(self) -> str:
        """Of the signer's lifecycle: unconfigured, inactive, active, …; empty if unknown."""
        return self._state

    @property
    def diagnostics(self) -> Diagnostics | None:
        """The signer's latest diagnostics, published once a second and on change; None before the first."""
        return self._diagnostics

    @property
    def goals(self) -> tuple[GoalState, ...]:
        """All texts on ``~/status``, also those of others: first the last hundred that ended."""
        return self._goals or ()

    def layout(self, timeout: float = 10.0) -> Layout:
        """Names, groups and bones of the keypoints, rest pose and frames per second.

        Raises:
            WaitError: the signer has not published it within ``timeout`` seconds; it does once it is configured.
        """
        return self.wait_for(lambda: self._layout, timeout, "the layout of the motion")

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Wait until the signer is active, and signer and client have discovered each other.

        Raises:
            WaitError: that takes more than ``timeout`` seconds.
        """
        self.wait_for(lambda: self.connected and self._state == "active", timeout, "the signer to be ready")

    # Lifecycle and parameters

    def change(self, transition: str, timeout: float = 60.0) -> None:
        """Make a transition: configure, activate, deactivate, cleanup or shutdown.

        Raises:
            RefusedError: it failed, or is not possible in this state.
            WaitError: there is no answer within ``timeout`` seconds; building engines takes minutes.
        """
        request = ChangeState.Request()
        request.transition.label = transition
        before = self._diagnostics
        if self.call(ChangeState, "change_state", request, timeout).success:
            return
        with suppress(WaitError):  # the answer has no reason, the diagnostics that follow have one
            self.wait_for(lambda: self._diagnostics is not before, 2.0, "diagnostics")
        latest = self._diagnostics
        raise RefusedError(
            f"{self.signer} does not {transition}: {latest.message if latest else 'no diagnostics were received'}"
        )

    def set_parameters(self, timeout: float = 10.0, **values: Any) -> None:
        """Set parameters of the signer, independently of each other.

        Raises:
            RefusedError: some are refused; the message has each with its reason. The others are set.
            WaitError: there is no answer within ``timeout`` seconds.
        """
        request = SetParameters.Request()
        request.parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        results = self.call(SetParameters, "set_parameters", request, timeout, repeat=_REPEAT).results
        refused = [f"{name}: {r.reason}" for name, r in zip(values, results, strict=True) if not r.successful]
        if refused:
            raise RefusedError(f"{self.signer} refuses {'; '.join(refused)}")

    def get_parameters(self, *names: str, timeout: float = 10.0) -> dict[str, Any]:
        """Parameters of the signer by name.

        Raises:
            RefusedError: the signer has no such parameter.
            WaitError: there is no answer within ``timeout`` seconds.
        """
        request = GetParameters.Request(names=list(names))
        values = self.call(GetParameters, "get_parameters", request, timeout, repeat=_REPEAT).values
        if len(values) != len(names) or any(value.type == Parameter.Type.NOT_SET.value for value in values):
            raise RefusedError(f"{self.signer} lacks some of the parameters {', '.join(names)}")
        messages = (ParameterMessage(name=name, value=value) for name, value in zip(names, values, strict=True))
        return {message.name: Parameter.from_parameter_msg(message).value for message in messages}

    def call(self, kind: type, name: str, request: Any, timeout: float = 10.0, *, repeat: float = math.inf) -> Any:
        """Call the signer's service ``~/name``, which is of type ``kind``; returns the response.

        Args:
            kind: of the service.
            name: below the signer's.
            request: to send.
            timeout: seconds to wait for the response.
            repeat: seconds after which the request is sent again, for services that may be called twice: now and then,
                on a busy machine, DDS loses a response.

        Raises:
            WaitError: there is no response within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            if name not in self._services:
                client = self.node.create_client(kind, f"{self.signer}/{name}", callback_group=self._group)
                self._services[name] = _Service(client)
            service = self._services[name]

        def found() -> bool:
            # A message from the signer shows that it has discovered this node, which may take longer than the reverse.
            received = self._diagnostics is not None or self._goals is not None
            if not received or not service.client.service_is_ready():
                service.since = 0.0
                return False
            service.since = service.since or time.monotonic()
            return time.monotonic() - service.since >= SETTLE

        self.wait_for(found, timeout, f"the service {self.signer}/{name}")
        while True:
            future = service.client.call_async(request)
            future.add_done_callback(lambda _: self._notify())
            left = max(deadline - time.monotonic(), 0.0)
            try:
                self.wait_for(future.done, min(left, repeat), f"an answer of {self.signer}/{name}")
                return future.result()
            except WaitError:
                if left <= repeat:
                    raise
            finally:
                service.client.remove_pending_request(future)

    # Waiting

    def wait_for(self, condition: Callable[[], T | None], timeout: float, what: str) -> T:
        """Wait until ``condition()``, which is called after every message received, is true; returns its value.

        Args:
            condition: of the state of this client.
            timeout: seconds.
            what: what is waited for, for the error message.

        Raises:
            WaitError: it takes longer.
            ClientError: this is called from a callback of the client's own thread, or the client is closed.
            ExternalShutdownException: the context is shut down.
        """
        deadline, looks = time.monotonic() + timeout, self._looks
        while True:
            with self._changed:
                if self._closed:
                    raise ClientError("the client is closed")
                if value := condition():
                    return value
                if threading.current_thread() is self._thread:
                    raise ClientError("a callback of the client can't wait for messages: do so in another thread")
                left = deadline - time.monotonic()
                if left <= 0:
                    spun = self._thread is not None or self._looks > looks or timeout < 3 * _LOOK
                    cause, sentence = self._explain(spun)
                    raise WaitError(f"waited {timeout:g} s for {what}: {sentence}", cause)
                self._changed.wait(min(left, _POLL))
            if not self.node.context.ok():
                raise ExternalShutdownException
            if self.check is not None:
                self.check()

    def _explain(self, spun: bool) -> tuple[Cause, str]:
        """The most likely cause of a timeout, and what to do; ``spun`` says whether callbacks ran meanwhile."""
        latest, name = self._diagnostics, self.signer
        if not spun:
            return Cause.NOT_SPUN, "nothing spins the client's node; do so in a thread other than the one that waits"
        if not self._state and not self.present:
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
            others = f"; there is {', '.join(sorted(self._others))}" if self._others else ""
            return Cause.NOT_FOUND, f"no node {name} in ROS domain {domain}: start it, or compare names{others}"
        if self._silent * _LOOK > SILENCE / 2:
            return Cause.SILENT, f"{name} no longer sends anything: its process has ended or hangs"
        if self._state != "active":
            return Cause.NOT_ACTIVE, f"{name} is {latest.message if latest else self._state}"
        if latest is None:
            return Cause.BUSY, f"{name} publishes no diagnostics"
        if latest.message in (diagnosis.NO_TIME, diagnosis.CLOCK_STOPPED):
            return Cause.CLOCK, f"{name}: {latest.message}"
        if latest.values.get("paused") == "True":
            return Cause.PAUSED, f"{name}: {latest.message}"
        return Cause.BUSY, f"{name} says: {latest.message}"

    # Callbacks, in the thread that spins

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _on_status(self, message: GoalStatusArray) -> None:
        self._goals = tuple(
            GoalState(
                uuid.UUID(bytes=goal.goal_info.goal_id.uuid.tobytes()),
                Status(goal.status),
                Time.from_msg(goal.goal_info.stamp).nanoseconds,
            )
            for goal in message.status_list
        )
        with self._changed:
            self._tracker.status(self._goals)
        self._advance()

    def _on_captions(self, message: String) -> None:
        try:
            captions = Captions.parse(message.data)
        except CaptionsError:
            return  # of a later version, or not from a signer
        with self._changed:
            self._tracker.captions(captions)
        self._advance()

    def _on_chunk(self, data: bytes) -> None:
        at, clock = time.perf_counter(), self.node.get_clock().now().nanoseconds
        try:
            chunk = trajectory.decode(data)
        except TrajectoryError:
            return  # not from a signer: anyone may publish on the topic
        if chunk.joint_names != KEYPOINTS or not len(chunk.positions):
            return
        with self._changed:
            self._chunk_at = time.monotonic()
            self._tracker.chunk(Arrival(chunk, at, clock))
        self._advance()

    def _on_layout(self, message: String) -> None:
        with suppress(LayoutError):  # not from a signer
            self._layout = Layout.parse(message.data)
        self._notify()

    def _on_transition(self, message: TransitionEvent) -> None:
        self._state = message.goal_state.label
        self._notify()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            node, _, kind = status.name.rpartition(": ")
            if kind != "signing":
                continue
            if node != self.signer.lstrip("/"):
                self._others.add(f"/{node}")
                continue
            self._diagnostics = Diagnostics.from_message(status)
            self._state, self._silent = self._diagnostics.state, 0
        self._notify()

    def _needs_motion(self) -> None:
        if not self._motion:
            raise ClientError("this client does not receive the motion: create it with motion=True")

    def _look(self) -> None:
        """Check what sends no message: whether the signer exists, and how long it has been silent."""
        with self._changed:
            if self._closed:  # in a node of the caller, this may be called while everything is being destroyed
                return
            self._find()
            present = self.present
            if self._present and not present:
                self._state = ""  # what follows is from the next process
            self._present, self._absent = present, 0 if present else self._absent + 1
            self._looks, self._silent = self._looks + 1, self._silent + 1
        self._advance()

    def _find(self) -> None:
        """Note since when the signer and this node have known each other."""
        known = (
            self._goals is not None
            and self.present
            and self._texts.get_subscription_count() > 0
            and (not self._motion or self.node.count_publishers(self._chunks_topic) > 0)
        )
        if not known:
            self._found = None
        elif self._found is None:
            self._found = time.monotonic()

    def _advance(self) -> None:
        """Finish the goals that have ended, and wake all waiting threads."""
        done = []
        with self._changed:
            for goal in tuple(self._live):
                goal._end = self._end_of(goal)
                if goal._end is not None:
                    self._live.remove(goal)
                    self._tracker.forget(goal._track)
                    done.append((goal, goal._callbacks))
            self._notify()
        for goal, callback in [(goal, callback) for goal, callbacks in done for callback in callbacks]:
            try:
                callback(goal)
            except Exception as error:  # noqa: PERF203  one that fails must not stop the others
                self._failed(error)

    def _end_of(self, goal: Goal) -> Result | ClientError | None:
        track, now = goal._track, time.monotonic()
        if track.status.final:
            goal._ended_at = goal._ended_at or now
            quiet = now - max(goal._ended_at, self._chunk_at) > QUIET
            if quiet:
                self._tracker.flush()
            elif (self._motion and not track.complete) or (track.captioned and not track.has_outcome):
                return None
            latest = track.captions
            return (
                Result(track.status, latest.reason, tuple(latest.warnings))
                if latest is not None
                else Result(track.status)
            )
        if track.skipped and track.id is None:
            goal._ended_at = goal._ended_at or now
            if now - goal._ended_at > QUIET:
                return RefusedError(f"{self.signer} has ignored {quote(track.text)}: {self._unnoticed()}")
        again = f"before the end of {quote(track.text)}; send it again"
        if track.lost:
            return SignerGoneError(f"{self.signer} was restarted {again}")
        if self._absent * _LOOK > QUIET:
            return SignerGoneError(f"{self.signer} has ended {again}")
        if self._silent * _LOOK > SILENCE:
            return SignerGoneError(f"nothing was received from {self.signer} for {SILENCE:g} s {again}")
        return None

    def _unnoticed(self) -> str:
        """Why a text may have no goal."""
        latest = self._diagnostics
        rate_limited = latest is not None and latest.number("of them refused for max_rate")
        return "texts come faster than max_rate" if rate_limited else "it was lost in transport; send it again"
