"""A companion node that has texts signed by the action tts_msgs/action/TTS, and the interface, built if need be."""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent import futures
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from interfaces import build
from observer import Observer
from rclpy.action import ActionClient
from rclpy.task import Future
from std_msgs.msg import String
from unique_identifier_msgs.msg import UUID

from text2sign_ros.ros import qos
from text2sign_ros.wire.captions import Captions

INSTALLED = importlib.util.find_spec("tts_msgs") is not None
NEEDS = ("action_msgs", "unique_identifier_msgs", "service_msgs", "builtin_interfaces")
RESULTS = {"1.1": "string error_msg;", "newer": "string error_msg; string text;"}
"""The result in the versions of tts_msgs since the goal is as it is now."""


@cache
def tts_msgs(version: str = "newer") -> Path:
    """A folder with tts_msgs in it, for Python's path, which lives as long as this process.

    Only one version can be imported into a process. Empty where tts_msgs is installed; skips where it can't be built.
    """
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if not INSTALLED:
        # github.com/ros4hri/tts_msgs, action/TTS.action
        idl = f"""module tts_msgs {{ module action {{
          struct TTS_Goal {{ string input; string locale; string voice; }};
          struct TTS_Result {{ {RESULTS[version]} }};
          struct TTS_Feedback {{ string word; }};
        }}; }};
        """
        build(folder, "tts_msgs", "action/TTS", idl, NEEDS)
    return folder


T = TypeVar("T")


class Call:
    """One goal: whether it was accepted, each feedback with the time at which it came, and its results."""

    def __init__(self, id: uuid.UUID) -> None:
        self.id = id
        self.accepted: bool | None = None
        self.handle: Any = None
        self.words: list[str] = []
        self.times: list[int] = []
        self.results: list[Any] = []
        self.ended_at = 0  # by time.time_ns

    @property
    def status(self) -> int:
        return self.results[0].status if self.results else 0

    @property
    def error(self) -> str:
        return self.results[0].result.error_msg

    @property
    def text(self) -> str:
        return self.results[0].result.text


class Caller(Observer):
    """Calls the action; ``motion`` as for ``Observer``."""

    def __init__(self, own_name: str = "caller", *, motion: bool = True) -> None:
        from tts_msgs.action import TTS

        super().__init__(own_name, motion=motion)
        self._kind, self.calls = TTS, list[Call]()
        self.captions: dict[uuid.UUID, Captions] = {}
        deep = {f"{name}_service_qos_profile": qos.TEXT for name in ("goal", "result", "cancel")}  # lose none of many
        # In the thread that spins, which otherwise might find it half made.
        self.actions = self._spinning(lambda: ActionClient(self.node, TTS, "/signer/tts", **deep))
        self.node.create_subscription(String, "/signer/captions", self._on_captions, qos.CAPTIONS)
        self._motion = motion

    def _on_captions(self, message: String) -> None:
        captions = Captions.parse(message.data)
        self.captions[captions.id] = captions

    def connect(self) -> None:
        """Wait until the node is ready and both know each other."""
        self.client.wait_until_ready()
        self.until(self.actions.server_is_ready, "the action server")
        key = "subscribers of ~/trajectory"
        self.until(lambda: not self._motion or self.values.get(key, "0") != "0", "the node to find a subscriber")

    def call(
        self, text: str, *, locale: str = "", voice: str = "", id: uuid.UUID | None = None, ask: bool = True
    ) -> Call:
        """Send a goal, and once it is accepted ``ask`` for its result."""
        call = Call(id or uuid.uuid4())
        self.calls.append(call)

        def on_feedback(message: Any) -> None:
            call.words.append(message.feedback.word)
            call.times.append(self.node.get_clock().now().nanoseconds)

        def on_answer(future: Any) -> None:
            call.handle, call.accepted = future.result(), future.result().accepted
            if call.accepted and ask:
                self._ask(call)

        goal = self._kind.Goal(input=text, locale=locale, voice=voice)
        own = UUID(uuid=np.frombuffer(call.id.bytes, np.uint8))

        self._spinning(lambda: self.actions.send_goal_async(goal, on_feedback, own).add_done_callback(on_answer))
        return call

    def ask(self, call: Call) -> None:
        """Ask for the result of an accepted goal."""
        self._spinning(lambda: self._ask(call))

    def cancel(self, *calls: Call) -> list[Future]:
        """Ask to cancel accepted goals, one after another; the futures get the answers."""
        return self._spinning(lambda: [call.handle.cancel_goal_async() for call in calls])

    def _spinning(self, work: Callable[[], T]) -> T:
        """Do ``work`` in the thread that spins: rclpy misses an answer that comes before the request has returned."""
        done = futures.Future[T]()
        self._executor.create_task(lambda: done.set_result(work()))
        return done.result(20.0)  # Jazzy's executor begins with the newest task: one at a time keeps the order

    def _ask(self, call: Call) -> None:
        def on_result(future: Any) -> None:
            call.ended_at = time.time_ns()
            call.results.append(future.result())

        call.handle.get_result_async().add_done_callback(on_result)

    def ended(self, *calls: Call, timeout: float = 30.0) -> None:
        """Wait until each has a result."""
        self.until(lambda: all(call.results for call in calls), "the results", timeout)

    def situation(self) -> str:
        calls = [(call.accepted, call.status, call.words) for call in self.calls]
        return f"{calls}, {super().situation()}"
