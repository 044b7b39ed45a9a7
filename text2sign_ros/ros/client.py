"""SignerClient: a signer as an application sees it, over the topics and services that any ROS 2 machine has."""

from __future__ import annotations

import atexit
import os
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import rclpy
from action_msgs.msg import GoalStatusArray
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import TransitionEvent
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.clip import SignClip
from text2sign_ros.errors import Text2SignError
from text2sign_ros.ros import qos
from text2sign_ros.skeleton import KEYPOINTS
from text2sign_ros.wire import diagnosis, trajectory
from text2sign_ros.wire.captions import Captions, CaptionsError
from text2sign_ros.wire.layout import Layout, LayoutError
from text2sign_ros.wire.textlog import quote
from text2sign_ros.wire.tracker import Arrival, GoalState, Status, Track, Tracker, gaps
from text2sign_ros.wire.trajectory import Trajectory, TrajectoryError

T = TypeVar("T")

SETTLE = 0.3
"""Seconds that everything must have been found for before something is sent: the signer may find this node a moment
after this node has found the signer, and what is sent before that is lost."""
QUIET = 1.0
"""Seconds after which a text that has ended, and of which no more comes, is taken to be all here, though its motion is
not at rest: it was cut off with the node that signed it."""
SILENCE = 10.0
"""Seconds without diagnostics, which come once a second, after which the signer is taken to be gone."""
_LOOK, _POLL = 0.2, 0.05  # seconds between looks at what sends no message: the graph, silence
_CHUNKS = QoSProfile(depth=1000)  # all of a text at once, where lead_time is long
_LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class ClientError(Text2SignError):
    """The signer can't be used as asked; the base class of all that follow."""


class RefusedError(ClientError):
    """The signer refuses a transition, a parameter or a request; the message has its reason."""


class SignerGoneError(ClientError):
    """The signer has ended, or another process has taken its place, before the text ended: it has to be sent again."""


class Cause(Enum):
    """What most likely keeps the client waiting."""

    NOT_FOUND = "not found"
    """No such node: not started, or of another name, namespace or ROS domain."""
    SILENT = "silent"
    """It was there, and nothing comes from it any more."""
    NOT_ACTIVE = "not active"
    """It is in another state of its lifecycle."""
    CLOCK = "clock"
    """Its clock shows no time, or stands still."""
    PAUSED = "paused"
    NOT_SPUN = "not spun"
    """Nothing spins the node that this client was given."""
    BUSY = "busy"
    """None of these: it takes longer, and the message has what its diagnostics say."""


class WaitError(ClientError, TimeoutError):
    """What was waited for did not come in time; the message says what that was, and the likely cause.

    Attributes:
        cause: the likely one.
    """

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.cause = cause


class Level(IntEnum):
    """Of diagnostics, as in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Diagnostics:
    """The signer's status on ``/diagnostics``, which docs/node.md explains.

    Attributes:
        level, message: the assessment, and one sentence.
        values: the figures by name, as text.
        hardware: what runs the networks; empty before the signer is configured.
    """

    level: Level
    message: str
    values: Mapping[str, str]
    hardware: str = ""

    @property
    def state(self) -> str:
        """Of the lifecycle."""
        return self.values.get("state", "")

    def number(self, name: str) -> float | None:
        """The figure ``name``; None where nothing was measured yet."""
        value = self.values.get(name, "-")
        return None if value == "-" else float(value)


@dataclass(frozen=True)
class Result:
    """How a text ended.

    Attributes:
        status: SUCCEEDED (all of it was sent), CANCELED or ABORTED.
        reason: why it was canceled or aborted, as far as the signer tells.
        warnings: what could not be signed as written.
    """

    status: Status
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether all of it was sent."""
        return self.status is Status.SUCCEEDED


class Goal:
    """A text that was submitted: one goal on ``~/status``. Thread-safe.

    ``SignerClient.submit`` makes it; it stays readable after it has ended, and after the client was closed.

    Attributes:
        text: as submitted.
        sent_at: when it was published, by ``time.perf_counter``.
    """

    def __init__(self, client: SignerClient, track: Track) -> None:
        self._client, self._track = client, track
        self.text, self.sent_at = track.text, time.perf_counter()
        self._end: Result | ClientError | None = None
        self._ended_at = 0.0  # by time.monotonic, when it was first seen that it has ended; 0 before
        self._callbacks: list[Callable[[Goal], object]] = []

    @property
    def id(self) -> uuid.UUID | None:
        """Of the goal; None until the signer has told it."""
        return self._track.id

    @property
    def status(self) -> Status:
        """How it stands: UNKNOWN until the signer has told."""
        return self._track.status

    @property
    def done(self) -> bool:
        """Whether it has ended and all its chunks are here, or the signer is gone."""
        return self._end is not None

    @property
    def captions(self) -> Captions | None:
        """The last captions: its parts with frames and stamps, warnings, how it ended; None where none have come."""
        return self._track.captions

    @property
    def stamp_ns(self) -> int:
        """When its first chunk is to be played, in nanoseconds of the ROS clock; 0 before it has begun."""
        return self._track.stamp_ns

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Its chunks so far, with when they came; of a text that began again after a pause only those since then."""
        with self._client._changed:
            return tuple(self._track.current)

    @property
    def chunks(self) -> tuple[Trajectory, ...]:
        """The same without when they came."""
        return tuple(arrival.chunk for arrival in self.arrivals)

    @property
    def frames(self) -> int:
        """How many frames these have."""
        return sum(len(chunk.positions) for chunk in self.chunks)

    @property
    def late(self) -> int:
        """How many of these came after their stamp, by the clock of this client's node."""
        return sum(arrival.late for arrival in self.arrivals)

    def gaps(self) -> list[int]:
        """Nanoseconds between the end of each chunk and the stamp of the next: zeros in a motion without a break.

        Raises:
            WaitError: the signer has not told its frames per second.
        """
        return gaps(self.chunks, self._client.layout().fps)

    def result(self, timeout: float = 60.0) -> Result:
        """How it ended, once it has, and all its chunks are here.

        Raises:
            WaitError: that takes more than ``timeout`` seconds.
            SignerGoneError: the signer has ended before the text.
        """
        self._client.wait_for(lambda: self._end, timeout, f"the end of {quote(self.text)}")
        assert self._end is not None
        if isinstance(self._end, ClientError):
            raise self._end
        return self._end

    def follow(self, timeout: float = 20.0) -> Iterator[Arrival]:
        """Its chunks as they come, to the last; after a pause the text begins again from its first chunk.

        Raises:
            WaitError: no chunk came for ``timeout`` seconds.
            SignerGoneError: the signer has ended before the text.
            ClientError: the client gets no motion.
        """
        self._client._needs_motion()
        seen = 0
        while True:

            def more(seen: int = seen) -> bool:
                return len(self._track.arrivals) > seen or self._end is not None

            self._client.wait_for(more, timeout, f"the next chunk of {quote(self.text)}")
            with self._client._changed:
                new, end = self._track.arrivals[seen:], self._end
            if not new:
                if isinstance(end, ClientError):
                    raise end
                return
            yield from new
            seen += len(new)

    def clip(self, timeout: float = 60.0) -> SignClip:
        """Its motion, once it has ended; of a canceled text what was sent of it, and the way back to rest.

        Raises:
            ClientError: nothing of it was signed, and the message has the reason; or the client gets no motion.
            WaitError, SignerGoneError: as ``result``.
        """
        self._client._needs_motion()
        result, chunks = self.result(timeout), self.chunks
        if not chunks:
            raise ClientError(f"nothing of {quote(self.text)} was signed: {result.reason or result.status.name}")
        positions = np.concatenate([chunk.positions for chunk in chunks])
        return SignClip(positions, np.ones(positions.shape[:2], np.float32), self._client.layout().fps)

    def add_done_callback(self, callback: Callable[[Goal], object]) -> None:
        """Call ``callback(goal)`` once it is done: at once if it is, else in the thread that spins the node.

        What it raises there is logged.
        """
        with self._client._changed:
            if self._end is None:
                self._callbacks.append(callback)
                return
        callback(self)


@dataclass
class _Calls:
    """A service: its client, and since when it is known to be there (``time.monotonic``)."""

    client: Any
    since: float = field(default=0.0)


class SignerClient:
    """Texts to a signer, and what becomes of them. Thread-safe.

    Without ``node`` it has a node, a context and a thread of its own; use it as a context manager, or ``close`` it:

        with SignerClient() as signer:
            print(signer.submit("hello").result().status)

    With ``node`` it adds its publisher, subscriptions and clients to that, and you spin it: methods that wait must be
    called from another thread than the one that spins, or from a callback of another group in a MultiThreadedExecutor.
    In a callback use ``submit`` when ``connected``, and ``Goal.add_done_callback``.

    Which goal on ``~/status`` is which text, and which chunks are its, is found out as ``wire.tracker.Tracker`` says,
    with its limits. Everything that waits raises a ``WaitError`` that names the likely cause; KeyboardInterrupt gets
    through, and after a shutdown of the context rclpy's ExternalShutdownException is raised.

    Args:
        signer: name of the signer's node: in full ("/robot/signer"), or within the namespace of this client's node.
        node: to use; None makes one.
        name: of a node of its own; None makes one up.
        use_sim_time: of a node of its own: whether ``Arrival.clock_ns`` is on the clock of ``/clock``.
        motion: whether it receives the motion; without, goals have no chunks, and who only sends texts saves their
            transport.
        check: called again and again while something is waited for; what it raises ends the wait.

    Attributes:
        node: that it uses.
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
        self._changed = threading.Condition()  # guards all below
        self._tracker, self._live = Tracker(), list[Goal]()
        self._goals: tuple[GoalState, ...] | None = None
        self._diagnostics: Diagnostics | None = None
        self._layout: Layout | None = None
        self._state, self._others = "", set[str]()
        self._services: dict[str, _Calls] = {}
        self._found: float | None = None  # since when the signer and this node know each other (time.monotonic)
        self._present = False
        self._chunk_at = 0.0  # when a chunk came last (time.monotonic)
        self._looks = 0  # at the graph, while the node is spun
        self._silent = self._absent = 0  # looks since there were diagnostics, and since the signer's topics are gone
        self._closed = False
        with ExitStack() as stack:
            self._thread: threading.Thread | None = None
            self.node = self._own_node(stack, name, use_sim_time) if node is None else node
            namespace = self.node.get_namespace().rstrip("/")
            self.signer = signer if signer.startswith("/") else f"{namespace}/{signer}"
            self._open(stack)
            if node is None:
                self._start(stack)
            self._stack = stack.pop_all()

    def _own_node(self, stack: ExitStack, name: str | None, use_sim_time: bool) -> Node:
        context = rclpy.Context()
        # Signals stay Python's own: Ctrl-C raises KeyboardInterrupt in whatever waits.
        rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown, context=context)
        node = rclpy.create_node(
            name or f"signer_client_{secrets.token_hex(3)}",
            context=context,
            parameter_overrides=[Parameter("use_sim_time", value=use_sim_time)],
        )
        stack.callback(node.destroy_node)
        return node

    def _open(self, stack: ExitStack) -> None:
        node, group = self.node, MutuallyExclusiveCallbackGroup()

        def subscribe(kind: type, topic: str, callback: Callable[[Any], None], profile: QoSProfile, raw: bool = False):
            made = node.create_subscription(kind, topic, callback, profile, callback_group=group, raw=raw)
            stack.callback(node.destroy_subscription, made)
            return made.topic_name  # as it is remapped

        self._group = group
        # The status first, and only its last message: executors look at subscriptions in this order, and so a chunk is
        # seldom seen before the status that was sent before it.
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
        executor = SingleThreadedExecutor(context=self.node.context)
        stack.callback(executor.shutdown)
        executor.add_node(self.node)
        stopping = threading.Event()

        def spin() -> None:
            while not stopping.is_set() and self.node.context.ok():
                try:
                    executor.spin_once(timeout_sec=0.1)
                except Exception as error:  # noqa: PERF203  as rclpy's own does at a /clock below zero
                    self._failed(error)

        self._thread = threading.Thread(target=spin, name="signer client", daemon=True)
        stack.callback(self._thread.join)
        stack.callback(stopping.set)
        self._thread.start()
        atexit.register(self.close)  # a thread that spins while Python ends aborts the process
        stack.callback(atexit.unregister, self.close)

    def _failed(self, error: Exception) -> None:
        if self.node.context.ok():
            self.node.get_logger().error(f"a callback failed: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Give back all that it has made, and join its thread; who waits in other threads gets a ClientError.

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
        """Send a text, once the signer and this client know each other.

        The signer need not be active: it refuses the text then, and the goal is aborted.

        Raises:
            WaitError: they do not within ``timeout`` seconds.
            ClientError: the text can't be sent: it has lone surrogates, which are no characters.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ClientError(f"{quote(text)} can't be sent: {error}") from error
        self.wait_for(lambda: self.connected, timeout, "the signer to be there for texts")
        with self._changed:
            captioned = self.node.count_publishers(self._captions_topic) > 0
            goal = Goal(self, self._tracker.send(text, captioned=captioned))
            self._live.append(goal)
            self._texts.publish(String(data=text))
        return goal

    def cancel(self, timeout: float = 10.0) -> str:
        """End all texts, also those of others; what the signer says to it.

        Raises:
            RefusedError: it is not active.
            WaitError: there is no answer within ``timeout`` seconds.
        """
        return self._trigger("cancel", timeout)

    def pause(self, timeout: float = 10.0) -> str:
        """Come to rest and keep the texts; an interrupted one begins again at ``resume``. As ``cancel``."""
        return self._trigger("pause", timeout)

    def resume(self, timeout: float = 10.0) -> str:
        """Go on after ``pause``. As ``cancel``."""
        return self._trigger("resume", timeout)

    def _trigger(self, name: str, timeout: float) -> str:
        response = self.call(Trigger, name, Trigger.Request(), timeout)
        if not response.success:
            raise RefusedError(f"{self.signer}/{name} is refused: {response.message}")
        return response.message

    # What the signer says of itself

    @property
    def connected(self) -> bool:
        """Whether the signer takes texts of this client, and the client hears what becomes of them."""
        with self._changed:
            self._find()
            return self._found is not None and time.monotonic() - self._found >= SETTLE

    @property
    def present(self) -> bool:
        """Whether there is a signer of that name that has been configured."""
        return self.node.count_publishers(self._status_topic) > 0

    @property
    def state(self) -> str:
        """Of the signer's lifecycle: unconfigured, inactive, active, …; empty where it is not known."""
        return self._state

    @property
    def diagnostics(self) -> Diagnostics | None:
        """The signer's last ones, which come once a second and on change; None before."""
        return self._diagnostics

    @property
    def goals(self) -> tuple[GoalState, ...]:
        """All texts that the signer tells of, also those of others: first those that ended, the last hundred."""
        return self._goals or ()

    def layout(self, timeout: float = 10.0) -> Layout:
        """Names, groups and bones of the keypoints, rest pose and frames per second.

        Raises:
            WaitError: the signer does not tell within ``timeout`` seconds; it does once it is configured.
        """
        return self.wait_for(lambda: self._layout, timeout, "the layout of the motion")

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Return when the signer is active, and this client knows it and is known to it.

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
        said = self._diagnostics
        raise RefusedError(f"{self.signer} does not {transition}: {said.message if said else 'it says nothing'}")

    def set_parameters(self, timeout: float = 10.0, **values: Any) -> None:
        """Set parameters of the signer, each for itself.

        Raises:
            RefusedError: some are refused; the message has each with its reason. The others are set.
            WaitError: there is no answer within ``timeout`` seconds.
        """
        request = SetParameters.Request()
        request.parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        results = self.call(SetParameters, "set_parameters", request, timeout).results
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
        values = self.call(GetParameters, "get_parameters", request, timeout).values
        if len(values) != len(names) or any(value.type == Parameter.Type.NOT_SET.value for value in values):
            raise RefusedError(f"{self.signer} has not all of the parameters {', '.join(names)}")
        messages = (ParameterMessage(name=name, value=value) for name, value in zip(names, values, strict=True))
        return {message.name: Parameter.from_parameter_msg(message).value for message in messages}

    def call(self, kind: type, name: str, request: Any, timeout: float = 10.0) -> Any:
        """The answer of the signer's service ``~/name``, which is of type ``kind``, whatever it is.

        Raises:
            WaitError: there is none within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            if name not in self._services:
                client = self.node.create_client(kind, f"{self.signer}/{name}", callback_group=self._group)
                self._services[name] = _Calls(client)
            service = self._services[name]

        def found() -> bool:
            # What comes from the signer shows that it has found this node, which may take longer than being found.
            heard = self._diagnostics is not None or self._goals is not None
            if not heard or not service.client.service_is_ready():
                service.since = 0.0
                return False
            service.since = service.since or time.monotonic()
            return time.monotonic() - service.since >= SETTLE

        self.wait_for(found, timeout, f"the service {self.signer}/{name}")
        future = service.client.call_async(request)
        future.add_done_callback(lambda _: self._notify())
        try:
            self.wait_for(future.done, max(deadline - time.monotonic(), 0.0), f"an answer of {self.signer}/{name}")
        except BaseException:
            service.client.remove_pending_request(future)
            raise
        return future.result()

    # Waiting

    def wait_for(self, condition: Callable[[], T | None], timeout: float, what: str) -> T:
        """Wait until ``condition()``, which is asked whenever something has come, is something; that.

        Args:
            condition: anything that this client tells.
            timeout: seconds.
            what: is waited for, for the error's message.

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
                    raise ClientError("a callback of the client can't wait for what it hears: do so in another thread")
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
        """What most likely keeps it from coming, and what helps; ``spun`` says whether callbacks ran meanwhile."""
        told, name = self._diagnostics, self.signer
        if not spun:
            return Cause.NOT_SPUN, "nothing spins the client's node; do so in another thread than the one that waits"
        if not self._state and not self.present:
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
            others = f"; there is {', '.join(sorted(self._others))}" if self._others else ""
            return Cause.NOT_FOUND, f"no node {name} in ROS domain {domain}: start it, or compare names{others}"
        if self._silent * _LOOK > SILENCE / 2:
            return Cause.SILENT, f"nothing comes from {name} any more: its process has ended or hangs"
        if self._state != "active":
            return Cause.NOT_ACTIVE, f"{name} is {told.message if told else self._state}"
        if told is None:
            return Cause.BUSY, f"{name} publishes no diagnostics that say why"
        if told.message in (diagnosis.NO_TIME, diagnosis.CLOCK_STOPPED):
            return Cause.CLOCK, f"{name}: {told.message}"
        if told.values.get("paused") == "True":
            return Cause.PAUSED, f"{name}: {told.message}"
        return Cause.BUSY, f"{name} says: {told.message}"

    # What comes, in the thread that spins

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
            return  # of a later version, or not the signer's
        with self._changed:
            self._tracker.captions(captions)
        self._advance()

    def _on_chunk(self, data: bytes) -> None:
        at, clock = time.perf_counter(), self.node.get_clock().now().nanoseconds
        try:
            chunk = trajectory.decode(data)
        except TrajectoryError:
            return  # of someone else, on a topic that anyone may publish on
        if chunk.joint_names != KEYPOINTS or not len(chunk.positions):
            return
        with self._changed:
            self._chunk_at = time.monotonic()
            self._tracker.chunk(Arrival(chunk, at, clock))
        self._advance()

    def _on_layout(self, message: String) -> None:
        with suppress(LayoutError):  # it is not the signer's
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
            values = {pair.key: pair.value for pair in status.values}
            level = Level(int.from_bytes(status.level, "little"))
            self._diagnostics = Diagnostics(level, status.message, values, status.hardware_id)
            self._state, self._silent = self._diagnostics.state, 0
        self._notify()

    def _needs_motion(self) -> None:
        if not self._motion:
            raise ClientError("this client does not receive the motion: make it with motion=True")

    def _look(self) -> None:
        """See what sends no message: whether the signer is there, and how long it has been silent."""
        with self._changed:
            self._find()
            present = self.present
            if self._present and not present:
                self._state = ""  # what comes is of the next process
            self._present, self._absent = present, 0 if present else self._absent + 1
            self._looks, self._silent = self._looks + 1, self._silent + 1
        self._advance()

    def _find(self) -> None:
        """Note since when the signer and this node know each other."""
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
        """End the goals that have, and tell whoever waits."""
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
            except Exception as error:  # noqa: PERF203  one that fails must not silence the others
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
            told = track.captions
            return Result(track.status, told.reason, tuple(told.warnings)) if told is not None else Result(track.status)
        if track.skipped and track.id is None:
            goal._ended_at = goal._ended_at or now
            if now - goal._ended_at > QUIET:
                return RefusedError(f"{self.signer} has taken no notice of {quote(track.text)}: {self._unnoticed()}")
        again = f"before the end of {quote(track.text)}; send it again"
        if track.lost:
            return SignerGoneError(f"{self.signer} was started anew {again}")
        if self._absent * _LOOK > QUIET:
            return SignerGoneError(f"{self.signer} has ended {again}")
        if self._silent * _LOOK > SILENCE:
            return SignerGoneError(f"nothing has come from {self.signer} for {SILENCE:g} s {again}")
        return None

    def _unnoticed(self) -> str:
        """Why a text may have no goal."""
        told = self._diagnostics
        rate_limited = told is not None and told.number("of them refused for max_rate")
        return "texts come faster than max_rate" if rate_limited else "it was lost on its way; send it again"
