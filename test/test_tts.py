"""The action server without DDS: how goals end in races that no client can bring about, and how many are kept."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from caller import tts_msgs
from rclpy.action import CancelResponse, GoalResponse
from rclpy.node import Node

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.ros import tts
from text2sign_ros.ros.executor import SideGroup
from text2sign_ros.ros.tts import KEPT_FOR, MOST_KEPT, TtsServer
from text2sign_ros.wire.captions import Captions, State, TimedPart
from text2sign_ros.wire.textlog import TextLog


class Intake:
    """Takes down what is submitted and canceled, and stands for its own engine."""

    def __init__(self) -> None:
        self.submitted: list[tuple[uuid.UUID, str, str]] = []
        self.canceled: list[uuid.UUID] = []
        self.engine = self

    def submit(self, text: str, *, refusal: str, id: uuid.UUID) -> uuid.UUID:
        self.submitted.append((id, text, refusal))
        return id

    def cancel(self, *, only: uuid.UUID) -> int:
        self.canceled.append(only)
        return 1


class Handle:
    """A goal as rclpy hands it over; ``events`` is what was done with it."""

    def __init__(self, goal: Any, id: uuid.UUID | None = None) -> None:
        self.id = id or uuid.uuid4()
        self.goal_id = SimpleNamespace(uuid=np.frombuffer(self.id.bytes, np.uint8))
        self.request, self.is_cancel_requested, self.events = goal, False, list[str]()

    def publish_feedback(self, feedback: Any) -> None:
        self.events.append(feedback.word)

    def __getattr__(self, name: str) -> Callable[[], None]:
        assert name in ("execute", "succeed", "abort", "canceled")
        return lambda: self.events.append(name)


@pytest.fixture
def server(local_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch) -> TtsServer:
    monkeypatch.syspath_prepend(str(tts_msgs()))
    monkeypatch.setattr(tts, "TTS", importlib.import_module("tts_msgs.action").TTS)
    node = local_node(lambda context: Node("signer", context=context))
    server = TtsServer(node, ["asl"], lambda: 100, TextLog(node.get_logger()), SideGroup())
    server.intake = Intake()  # type: ignore[assignment]
    return server


def accept(server: TtsServer, text: str = "tea", **goal: str) -> Handle:
    """A goal that has come as far as the intake."""
    handle = Handle(tts.TTS.Goal(input=text, **goal))
    assert server._on_goal(handle.request) is GoalResponse.ACCEPT
    server._on_accepted(handle)
    server._work()
    return handle


def tell(server: TtsServer, handle: Handle, outcome: Outcome | None = None, reason: str = "", *starts: int) -> None:
    """Captions: a sign at each of ``starts`` (nanoseconds)."""
    parts = [TimedPart(n, "sign", f"s{n}", n, False, n, None, start, None) for n, start in enumerate(starts)]
    state = State.EXECUTING if outcome is None else State.ENDED
    server.on_captions(Captions(handle.id, "", 0, False, 25.0, state, outcome, reason, attempt=1, parts=parts))
    server._read()


def result(server: TtsServer, handle: Handle) -> Any:
    """The result of a goal."""
    future = server._goals[handle.id].result
    assert future.done()
    return future.result()


def test_a_goal_that_is_canceled_too_late_succeeds(server: TtsServer) -> None:
    handle = accept(server)
    tell(server, handle, None, "", 1, 2, 2**62)
    assert server._on_cancel(handle) is CancelResponse.ACCEPT
    handle.is_cancel_requested = True
    server._work()
    assert server.intake.canceled == [handle.id]  # type: ignore[attr-defined]
    tell(server, handle, Outcome.SIGNED, "", 1, 2, 3)
    assert handle.events == ["execute", "s0", "s1", "s2", "succeed"]
    assert (result(server, handle).error_msg, result(server, handle).text) == ("", "s0 s1 s2")


@pytest.mark.parametrize("requested", [True, False])
def test_a_goal_is_canceled_only_where_its_client_asked_for_it(server: TtsServer, requested: bool) -> None:
    handle = accept(server)
    handle.is_cancel_requested = requested
    tell(server, handle, Outcome.CANCELED)
    assert handle.events == ["execute", "canceled" if requested else "abort"]
    assert result(server, handle).error_msg == "canceled" and result(server, handle).text == ""


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.SIGNED])
def test_only_what_was_signed_succeeds(server: TtsServer, outcome: Outcome) -> None:
    handle = accept(server)
    tell(server, handle, outcome, "so it is")
    assert handle.events == ["execute", "abort"] and result(server, handle).error_msg == "so it is"


def test_a_goal_ends_once(server: TtsServer) -> None:
    handle = accept(server)
    tell(server, handle, Outcome.SIGNED)
    events = list(handle.events)
    tell(server, handle, Outcome.FAILED, "too late")
    tell(server, handle, None, "", 1, 2)
    server.close()
    assert handle.events == events and result(server, handle).error_msg == ""


def test_a_goal_that_no_text_came_of_ends_when_the_server_closes(server: TtsServer) -> None:
    handle = Handle(tts.TTS.Goal(input="tea"))
    server._on_accepted(handle)  # and before it is submitted
    played = accept(server)
    tell(server, played, None, "", 1, 2**62)
    server._jobs.append(lambda: pytest.fail("nothing is submitted any more"))
    server.close()
    server._work()
    for ended in (handle, played):
        assert ended.events[-1] == "abort" and result(server, ended).error_msg
    assert result(server, played).text == "s0"
    assert server._on_goal(None) is GoalResponse.REJECT


def test_a_request_is_not_kept(server: TtsServer) -> None:
    assert accept(server, "a" * 1000).request.input == ""


def test_no_more_goals_are_kept_than_a_flood_may_cost(server: TtsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10**18
    monkeypatch.setattr(server, "_now", lambda: now)
    handles = [accept(server) for _ in range(MOST_KEPT)]
    assert server._on_goal(None) is GoalResponse.REJECT
    for handle in handles:
        tell(server, handle, Outcome.REFUSED, "no")
        del server._goals[handle.id]  # as _execute does
    assert server._on_goal(None) is GoalResponse.REJECT, "rclpy keeps their results"
    now += KEPT_FOR * 10**9 + 1
    assert server._on_goal(None) is GoalResponse.ACCEPT
    now -= 10**15  # a simulated clock that was started again
    assert server._on_goal(None) is GoalResponse.ACCEPT
