"""The guarantees of docs/node.md, each with nodes that are processes of their own over DDS."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from conftest import ROOT, Companion, Process
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile
from test_player_node import farthest, positions, stamp_ns
from visualization_msgs.msg import MarkerArray

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.ros.client import Goal, SignerClient
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire.captions import State
from text2sign_ros.wire.tracker import Status

LONG = "can i get a large coffee please"  # 8 s
TURN = 160_000_000
"""Nanoseconds from a call to the first frame that is not played any more: start_delay, a look at the clock, a frame."""
SLACK = 300_000_000
"""Nanoseconds for a busy machine."""
LEAD_TIMES = [pytest.param(0.2, marks=pytest.mark.slow), 6.0]
"""What is sent long before it is played is the harder case."""


class Application(Companion):
    """Sends texts, keeps the log and what the player shows."""

    def __init__(self) -> None:
        super().__init__("application")
        self.signer = self.held.enter_context(SignerClient("/signer", node=self.node))
        self.log: list[tuple[int, str]] = []  # when it came, what
        self.shown: list[MarkerArray] = []
        latched = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(Log, "/rosout", self._on_log, latched)
        self.node.create_subscription(MarkerArray, "/player/markers", self.shown.append, QoSProfile(depth=1000))

    def _on_log(self, message: Log) -> None:
        self.log.append((time.time_ns(), message.msg))

    def connect(self, process: Process) -> None:
        self.signer.check = process.check
        self.signer.wait_until_ready()
        for name in ("cancel", "pause", "resume"):  # finds the services: what follows is to be fast
            getattr(self.signer, name)()
        self.signer.resume()

    def wait_until_played(self, goal: Goal, seconds: float) -> None:
        moment = round(seconds * 1e9)
        self.until(lambda: goal.stamp_ns and time.time_ns() > goal.stamp_ns + moment, f"{seconds} s of {goal.text!r}")


@pytest.fixture
def application() -> Iterator[Application]:
    application = Application()
    yield application
    application.close()


def end_of(goal: Goal) -> int:
    """When the last point of its motion is played, nanoseconds."""
    chunk = goal.chunks[-1]
    return chunk.stamp_ns + int(chunk.time_from_start[-1])


def assert_whole(goal: Goal) -> None:
    """What is played of it is one motion from rest to rest, and its captions are of that."""
    assert not any(goal.gaps())
    motion = np.concatenate([chunk.positions for chunk in goal.chunks])
    np.testing.assert_allclose(motion[[0, -1]], np.stack((REST_POSE, REST_POSE)), atol=5e-3)
    assert np.linalg.norm(np.diff(motion, axis=0), axis=-1).max() < 0.25, "signs reach 5 m/s"
    captions = goal.captions
    assert captions is not None and captions.frames == goal.frames and captions.start_stamp == goal.stamp_ns
    hands = [part for part in captions.parts if part.kind != "marker"]
    assert hands[0].start_frame == 0 and hands[-1].end_frame == goal.frames and hands[-1].kind == "rest"
    assert hands[-1].end_stamp == captions.end_stamp
    for part, following in itertools.pairwise(hands):
        assert (part.end_frame, part.end_stamp) == (following.start_frame, following.start_stamp)


ROWS = {
    "One goal, one outcome": ["test_contract.py::test_each_text_has_one_outcome", "faults/test_load.py"],
    "Refused when it comes": ["test_contract.py::test_a_text_is_refused_when_it_comes"],
    "Played, not sent": ["test_contract.py::test_a_text_succeeds_when_it_was_played"],
    "Seen": ["test_contract.py::test_a_text_that_nobody_received_did_not_succeed"],
    "Cancel, pause and `replace` reach what was sent": [
        "test_contract.py::test_the_motion_turns_back_from_what_was_sent",
        "faults/test_sent_motion.py",
    ],
    "One text at a time": [
        "test_contract.py::test_texts_follow_one_another_from_rest_to_rest",
        "test_tts_node.py::test_cancel_ends_its_own_goal_only",
    ],
    "At rest": ["test_contract.py::assert_whole", "faults/test_processes.py"],
    "Captions tell what is played": ["test_contract.py::test_captions_of_a_text_that_was_sent_and_not_begun"],
    "Each action goal has one result": ["test_tts_node.py", "faults/test_action_goals.py"],
    "Chunks are exact": ["test_signer_node.py::test_signs_in_time", "test_several_signers.py"],
}


def test_every_row_of_the_page_has_a_test() -> None:
    table = (ROOT / "docs" / "node.md").read_text().partition("### What is guaranteed")[2].partition("\n### ")[0]
    assert set(re.findall(r"^\| \*\*(.*?)\.?\*\*", table, re.MULTILINE)) == set(ROWS)
    for tests in ROWS.values():
        for test in tests:
            file, _, name = test.partition("::")
            assert f"def {name}" in (ROOT / "test" / file).read_text(), test


def test_each_text_has_one_outcome(run_signer: Callable[..., Process], application: Application) -> None:
    application.connect(run_signer(at_once=True, queue_size=4))
    texts = ("hello", "", "你好", "tea 🙂", "x" * 200_000, "no", "please", "bye")
    goals = [application.signer.submit(text) for text in texts]
    ends = [goal.result().status for goal in goals]
    bad = {"", "你好", "x" * 200_000}
    for text, end in zip(texts, ends, strict=True):
        assert end is (Status.ABORTED if text in bad else Status.SUCCEEDED), text
    assert len({goal.id for goal in goals}) == len(goals)
    assert sorted(goal.id or 0 for goal in goals) == sorted(state.id for state in application.signer.goals)


@pytest.mark.parametrize("bad", ["你好", "", "a" * 100_001])
def test_a_text_is_refused_when_it_comes(
    run_signer: Callable[..., Process], application: Application, bad: str
) -> None:
    application.connect(run_signer())
    first = application.signer.submit(LONG)
    application.wait_until_played(first, 0.2)
    sent_at = time.time_ns()
    refused = application.signer.submit(bad)
    assert refused.result(5.0).status is Status.ABORTED and first.status is Status.EXECUTING
    reason = refused.captions.reason if refused.captions else ""
    assert reason
    application.until(lambda: any(reason[:100] in line for _, line in application.log), "the warning")
    assert time.time_ns() - sent_at < 3e9, "the first has 8 s to go"
    application.signer.cancel()


@pytest.mark.parametrize("lead_time", LEAD_TIMES)
def test_a_text_succeeds_when_it_was_played(
    run_signer: Callable[..., Process], application: Application, lead_time: float
) -> None:
    application.connect(run_signer(lead_time=lead_time))
    goal = application.signer.submit("hello")
    assert goal.result().succeeded
    assert 0 <= time.time_ns() - end_of(goal) < SLACK
    assert_whole(goal)


def test_a_text_that_nobody_received_did_not_succeed(run_signer: Callable[..., Process]) -> None:
    lonely = Companion("lonely")
    signer = lonely.held.enter_context(SignerClient("/signer", node=lonely.node, motion=False))
    try:
        signer.check = run_signer(at_once=True).check
        signer.wait_until_ready()
        goal = signer.submit("hello")
        result = goal.result()
        assert result.status is Status.ABORTED and "nobody subscribed" in result.reason
        assert goal.captions is not None and goal.captions.outcome is Outcome.UNSEEN
        with SignerClient("/signer", use_sim_time=True) as robot:
            robot.wait_until_ready()
            assert signer.submit("tea").result().succeeded
    finally:
        lonely.close()


def turn(application: Application, goal: Goal, act: Callable[[], object]) -> tuple[int, int]:
    """Interrupt ``goal`` after 0.8 s by ``act``; returns the time before and after that."""
    application.wait_until_played(goal, 0.8)
    before = time.time_ns()
    act()
    return before, time.time_ns()


@pytest.mark.parametrize("lead_time", LEAD_TIMES)
@pytest.mark.parametrize("how", ["cancel", "pause", "replace"])
def test_the_motion_turns_back_from_what_was_sent(
    run_signer: Callable[..., Process],
    run_player: Callable[..., Process],
    application: Application,
    lead_time: float,
    how: str,
) -> None:
    run_player()
    application.connect(run_signer(lead_time=lead_time, policy="replace" if how == "replace" else "queue"))
    application.until(lambda: application.shown, "the player")
    goal = application.signer.submit(LONG)
    newer: list[Goal] = []
    acts = {
        "cancel": application.signer.cancel,
        "pause": application.signer.pause,
        "replace": lambda: newer.append(application.signer.submit("tea")),
    }
    before, after = turn(application, goal, acts[how])
    if how == "pause":
        application.until(lambda: goal.captions and goal.captions.parts[-1].kind == "rest", "the way back")
    else:
        assert goal.result().status is Status.CANCELED
        assert -40_000_000 < time.time_ns() - end_of(goal) < SLACK, "it ends at rest"
        assert_whole(goal)
    assert goal.captions is not None
    rest = goal.captions.parts[-1]
    assert rest.kind == "rest" and rest.end_stamp is not None
    assert before < rest.start_stamp < after + TURN + SLACK
    assert rest.end_stamp - rest.start_stamp < 1.2e9, "as long as a person would take"

    def last_shown(stamp: int) -> list[MarkerArray]:
        return [message for message in application.shown if stamp_ns(message) > stamp][:1]

    application.until(lambda: last_shown(rest.end_stamp or 0), "the figure at that time")
    near = 0.03 if how == "replace" else 1e-3  # metres; there the newer text begins
    assert farthest(last_shown(rest.end_stamp)) < near, "the player turned back with it"
    moved = [positions(message) for message in application.shown]
    assert max(np.abs(one - other).max() for one, other in itertools.pairwise(moved)) < 0.3, "without a jump"
    if how == "pause":
        assert goal.status is Status.EXECUTING
        application.signer.resume()
        application.until(lambda: goal.captions and goal.captions.attempt == 2, "it to start over")
    for text in newer:
        assert text.result().succeeded
        assert_whole(text)


def test_texts_follow_one_another_from_rest_to_rest(
    run_signer: Callable[..., Process], application: Application
) -> None:
    application.connect(run_signer(at_once=True))
    goals = [application.signer.submit(text) for text in ("hello", "tea please", "no")]
    for goal in goals:
        assert goal.result().succeeded
        assert_whole(goal)
    for one, following in itertools.pairwise(goals):
        assert one.captions is not None and one.captions.end_stamp is not None
        assert following.stamp_ns >= one.captions.end_stamp


def test_captions_of_a_text_that_was_sent_and_not_begun(
    run_signer: Callable[..., Process], application: Application
) -> None:
    application.connect(run_signer(lead_time=30.0))
    first, second = (application.signer.submit(text) for text in (LONG, "thank you"))
    application.until(lambda: second.status is Status.EXECUTING and first.captions, "both to be sent")
    turn(application, first, application.signer.pause)
    application.until(lambda: second.captions and not second.captions.parts, "it to be taken back")
    assert second.captions is not None and second.captions.state is State.EXECUTING and not second.captions.frames
    assert application.signer.cancel() == "canceled 2 texts"
    for goal in (first, second):
        assert goal.result().status is Status.CANCELED
    assert_whole(first)
    assert not second.chunks and second.captions.parts == []
