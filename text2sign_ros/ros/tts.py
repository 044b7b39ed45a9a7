"""Text to sign as text to speech: an action server of type tts_msgs/action/TTS, where that is installed."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.guard_condition import GuardCondition
from rclpy.node import Node
from rclpy.task import Future

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.ros import qos
from text2sign_ros.text.expression import without_tags
from text2sign_ros.text.speech import LANGUAGE, is_understood
from text2sign_ros.text.units import NumberedWords
from text2sign_ros.wire.captions import Captions, State
from text2sign_ros.wire.intake import Intake
from text2sign_ros.wire.textlog import TextLog, quote
from text2sign_ros.wire.words import Words

try:
    from tts_msgs.action import TTS
except ImportError:  # ROS4HRI is not part of ROS 2
    TTS = None

TICK = 0.02
"""Seconds between looks at the clock while words are played: it may be simulated, and stop or jump at any time."""
KEPT_FOR = 30
"""Seconds of the ROS clock, which may run fast in a simulation, for which rclpy keeps the result of a goal for a client
that has not asked for it yet."""
MOST_KEPT = 1000
"""Goals, results included, beyond which another goal is rejected: rclpy lists all of them whenever one changes."""
LINGER = 1.0
"""Seconds for which the server answers after the last goal came or ended, before it closes: a client asks for the
result when it knows that its goal is accepted."""
PATIENCE = 2.0
"""Seconds to wait for the thread that spins the node."""


@dataclass(eq=False)
class _Goal:
    """A goal whose result has not been handed to rclpy."""

    id: uuid.UUID
    handle: Any
    words: Words
    started: bool = False
    ended: bool = False
    result: Future = field(default_factory=Future)


class TtsServer:
    """Signs goals as texts: one text for each, with the goal's id.

    Every accepted goal ends with exactly one result, whose ``error_msg`` says why if not all of it was signed. Feedback
    comes when the start of a word is played, by the node's clock.

    Threads: the one that spins the node runs the callbacks of the action, ``_read`` and ``_tick``, and it alone touches
    the goals. ``_work`` runs in the group ``side``, one after another with everything else that submits texts.

    Args:
        node: spin it with a ``SideExecutor``.
        voices: names of the voice that there is; others are refused.
        longest: returns the most characters of a text.
        log: receives warnings about what is left out.
        side: the group in which texts are submitted.

    Attributes:
        intake: receives the texts; must be set before any callback in ``side`` runs.
    """

    intake: Intake

    def __init__(
        self, node: Node, voices: Collection[str], longest: Callable[[], int], log: TextLog, side: CallbackGroup
    ) -> None:
        self._node, self._voices, self._longest, self._log = node, voices, longest, log
        self._goals: dict[uuid.UUID, _Goal] = {}
        self._ended_at: deque[int] = deque()  # nanoseconds of the ROS clock
        self._live: set[uuid.UUID] = set()  # texts from any source that have not ended
        self._jobs: deque[Callable[[], object]] = deque()  # for ``_work``
        self._news: deque[Captions] = deque()  # for ``_read``
        self._busy_at = -LINGER  # monotonic time at which a goal last came or ended
        self._closing = False
        group = MutuallyExclusiveCallbackGroup()
        self._has_jobs = node.create_guard_condition(self._work, callback_group=side)
        self._has_news = node.create_guard_condition(self._read, callback_group=group)
        self._timer = node.create_timer(TICK, self._tick, group, Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()
        self._server: ActionServer | None = ActionServer(
            node,
            TTS,
            node.resolve_topic_name("~/tts"),  # so that one rule remaps it; rcl alone needs five of them before Kilted
            self._execute,
            callback_group=group,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
            goal_service_qos_profile=qos.TEXT,
            cancel_service_qos_profile=qos.TEXT,
            result_service_qos_profile=qos.TEXT,
            feedback_pub_qos_profile=qos.TEXT,
            result_timeout=KEPT_FOR,
        )

    def on_captions(self, captions: Captions) -> None:
        """A text has changed, of whatever source. Thread-safe; returns immediately."""
        if captions.state is State.ENDED:
            self._live.discard(captions.id)
        else:
            self._live.add(captions.id)
        if captions.id in self._goals:
            self._tell(replace(captions, parts=list(captions.parts)))

    def close(self) -> None:
        """End all goals, deliver their results, and destroy the server."""
        self._closing = True
        self._jobs.clear()
        self._in_spinning_thread(self._end_all)
        if self._is_spinning():
            time.sleep(max(self._busy_at + LINGER - time.monotonic(), 0.0))
        self._in_spinning_thread(self._destroy)

    # In the thread that spins

    def _on_goal(self, _: Any) -> GoalResponse:
        now = self._now()
        while self._ended_at and not 0 <= now - self._ended_at[0] <= KEPT_FOR * 10**9:
            self._ended_at.popleft()
        full = len(self._goals) + len(self._ended_at) >= MOST_KEPT
        return GoalResponse.REJECT if full or self._closing else GoalResponse.ACCEPT

    def _on_accepted(self, handle: Any) -> None:
        id, request = _id(handle), handle.request
        text, left_out = request.input, ""
        if len(text) <= self._longest():  # else it will be refused
            text, left_out = without_tags(text)
        self._goals[id] = _Goal(id, handle, Words(NumberedWords(text)))
        self._busy_at = time.monotonic()
        self._do(partial(self._submit, id, text, left_out, self._refusal(request.locale, request.voice)))
        request.input = ""  # rclpy keeps the request as long as the result

    def _refusal(self, locale: str, voice: str) -> str:
        if not is_understood(locale):
            return f"its locale is {quote(locale)}; this node signs {LANGUAGE}"
        if voice and voice not in self._voices:
            return f"its voice is {quote(voice)}; this node signs with {' or '.join(self._voices)}"
        return ""

    def _on_cancel(self, handle: Any) -> CancelResponse:
        if _id(handle) not in self._goals:
            return CancelResponse.REJECT
        self._do(partial(self._cancel, _id(handle)))
        return CancelResponse.ACCEPT

    async def _execute(self, handle: Any) -> Any:
        goal = self._goals[_id(handle)]
        result = await goal.result
        del self._goals[goal.id]
        return result

    def _read(self) -> None:
        while self._news:
            captions = self._news.popleft()
            goal = self._goals.get(captions.id)
            if goal is None or goal.ended:
                continue
            goal.words.update(captions)
            if captions.state is State.EXECUTING and not goal.started:
                self._start(goal)
            elif captions.state is State.ENDED:
                assert captions.outcome is not None
                self._end(goal, captions.outcome, captions.reason)
        self._tick()

    def _tick(self) -> None:
        now, waiting = self._now(), False
        for goal in self._goals.values():
            if goal.words.next_stamp is not None and not goal.ended:
                self._feed_back(goal, now)
                waiting |= goal.words.next_stamp is not None
        if not waiting:
            self._timer.cancel()
        elif self._timer.is_canceled():
            self._timer.reset()

    def _feed_back(self, goal: _Goal, now: int) -> None:
        for word in goal.words.take(now):
            goal.handle.publish_feedback(TTS.Feedback(word=word))

    def _start(self, goal: _Goal) -> None:
        goal.started = True
        goal.handle.execute()  # which runs _execute, and leaves a goal that is being canceled in that state

    def _end(self, goal: _Goal, outcome: Outcome, reason: str) -> None:
        goal.ended = True
        self._feed_back(goal, self._now())
        if not goal.started:
            self._start(goal)
        result = TTS.Result()
        if outcome is Outcome.SIGNED:
            goal.handle.succeed()
        elif outcome is Outcome.CANCELED and goal.handle.is_cancel_requested:
            goal.handle.canceled()
        else:  # ROS 2 has no other end for a goal that its client does not cancel
            goal.handle.abort()
        if outcome is not Outcome.SIGNED:
            result.error_msg = reason or outcome.value
        if hasattr(result, "text"):  # in newer versions of the interface
            result.text = goal.words.text
        self._ended_at.append(self._now())
        self._busy_at = time.monotonic()
        goal.result.set_result(result)
        if self._node.executor is not None:
            self._node.executor.wake()  # to resume _execute

    def _end_all(self) -> None:
        if not self._node.context.ok():  # then the process is ending, and nothing can be delivered
            return
        self._read()
        for goal in [goal for goal in self._goals.values() if not goal.ended]:
            self._end(goal, Outcome.FAILED, "the signer stopped before this text had ended")

    def _destroy(self) -> None:
        if self._server is None:
            return
        self._server.destroy()
        self._server = None
        self._node.destroy_timer(self._timer)
        for guard in (self._has_jobs, self._has_news):
            self._node.destroy_guard_condition(guard)

    # In the side thread

    def _work(self) -> None:
        while self._jobs:
            self._jobs.popleft()()

    def _submit(self, id: uuid.UUID, text: str, left_out: str, refusal: str) -> None:
        reason = ""
        if id in self._live:
            reason = "another text with this goal id has not ended"
        else:
            if left_out:
                self._log.left_out(text, left_out)
            if self.intake.submit(text, refusal=refusal, id=id) is None:
                reason = "goals and texts come faster than max_rate"
        if reason:
            self._tell(Captions(id, "", 0, False, 0.0, State.ENDED, Outcome.REFUSED, reason))

    def _cancel(self, id: uuid.UUID) -> None:
        if self.intake.engine is not None:
            self.intake.engine.cancel(only=id)

    # In any thread

    def _do(self, job: Callable[[], object]) -> None:
        self._jobs.append(job)
        self._wake(self._has_jobs)

    def _tell(self, captions: Captions) -> None:
        self._news.append(captions)
        self._wake(self._has_news)

    def _wake(self, condition: GuardCondition) -> None:
        if self._node.context.ok():  # when a signal ends the process, nothing is left to be woken
            condition.trigger()

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _is_spinning(self) -> bool:
        executor = self._node.executor
        return self._node.context.ok() and executor is not None and self._node in executor.get_nodes()

    def _in_spinning_thread(self, work: Callable[[], None]) -> None:
        """Do ``work`` there if there is one, and wait for it: rclpy must not be waiting for what is being destroyed."""
        if self._is_spinning():
            done = threading.Event()

            def task() -> None:
                work()
                done.set()

            self._node.executor.create_task(task)
            if done.wait(PATIENCE):
                return
        work()


def _id(handle: Any) -> uuid.UUID:
    return uuid.UUID(bytes=bytes(handle.goal_id.uuid))
