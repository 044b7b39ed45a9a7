"""The action server of the node `signer`, tts_msgs/action/TTS, over DDS and with rclpy's own client."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from action_msgs.msg import GoalStatus
from caller import INSTALLED, Caller, tts_msgs
from conftest import ROOT, Process
from observer import ABORTED as TEXT_ABORTED
from observer import CANCELED as TEXT_CANCELED
from observer import SUCCEEDED as TEXT_SUCCEEDED
from observer import Observer
from test_security import allowed, seen

from text2sign_ros.ros import environment

SUCCEEDED, CANCELED, ABORTED = (
    GoalStatus.STATUS_SUCCEEDED,
    GoalStatus.STATUS_CANCELED,
    GoalStatus.STATUS_ABORTED,
)
LONG = "can i get a large coffee please"
FRAME = 40_000_000
SLACK = 300_000_000
"""Nanoseconds that feedback and results may come late on a busy machine."""


@pytest.fixture
def with_tts_msgs(monkeypatch: pytest.MonkeyPatch) -> None:
    """For this test's process and those that it starts."""
    monkeypatch.syspath_prepend(str(tts_msgs()))
    monkeypatch.setenv("PYTHONPATH", str(tts_msgs()), prepend=":")


@pytest.fixture
def caller(with_tts_msgs: None) -> Iterator[Caller]:
    caller = Caller()
    yield caller
    caller.close()


def ends_in_order(process: Process) -> None:
    process.signal(signal.SIGTERM)
    code = process.wait()
    assert code == 0, "\n".join(process.log)
    wrong = ("Traceback", "[ERROR]", "[FATAL]", "never retrieved", "Warning")
    assert not [line for line in process.log if any(word in line for word in wrong)], process.log


def test_a_goal_is_signed_and_each_word_is_fed_back_when_it_is_played(
    run_signer: Callable[..., Process], caller: Caller
) -> None:
    process = run_signer()
    caller.connect()
    call = caller.call("<set expression(happy)> Hello, bo! <pause(0.2)> Thank you.", locale="en_GB", voice="asl")
    caller.ended(call)
    assert (call.accepted, call.status, call.error) == (True, SUCCEEDED, "")
    assert call.words == ["hello", "bo", "thank you"] and call.text == "hello bo thank you"
    caller.until(lambda: caller.goals == [TEXT_SUCCEEDED], "the same goal on ~/status")
    said = caller.captions[call.id]  # by the id of the goal
    assert said.text == "Hello, bo! [pause 0.2] Thank you."
    assert "left out 1 tag (<set expression(happy)>)" in process.wait_for("left out")
    assert [part.kind for part in said.parts] == ["sign", "letter", "letter", "pause", "sign", "rest"]
    starts = [part.start_stamp for part in said.parts if part.text in ("hello", "b", "thank you")]
    for start, came in zip(starts, call.times, strict=True):
        assert 0 <= came - start < SLACK
    assert said.end_stamp is not None
    assert 0 <= call.ended_at - (said.end_stamp - FRAME) < 2 * SLACK, "once its last point was played"

    wanted = {name for names in allowed("/signer").values() for name in names if "/_action/" in name}
    assert len(wanted) == 5, "what the security policy allows"

    def opened() -> set[str]:
        return {name for names in seen(caller.node, "signer").values() for name in names if "/_action/" in name}

    caller.until(lambda: opened() == wanted, "the graph to have it")


def test_what_cannot_be_signed_is_refused_with_the_reason(run_signer: Callable[..., Process], caller: Caller) -> None:
    process = run_signer(max_characters=100)
    caller.connect()
    for goal, reason in (
        ({"text": "hola", "locale": "es_ES"}, "its locale is 'es_ES'; this node signs en"),
        ({"text": "hello", "voice": "bob"}, "its voice is 'bob'; this node signs with asl"),
        ({"text": ""}, "the text is empty"),
        ({"text": "你好"}, "letters of other scripts"),
        ({"text": "<set expression(happy)>"}, "the text is empty"),
        ({"text": "a " * 60}, "more than the 100 allowed"),
    ):
        call = caller.call(**goal)
        caller.ended(call)
        assert (call.accepted, call.status, call.text, call.words) == (True, ABORTED, "", [])
        assert reason in call.error
        caller.until(lambda c=call: caller.captions[c.id].reason == c.error, "the same reason in the captions")
    process.wait_for("left out 1 tag")
    caller.until(lambda: caller.goals == [TEXT_ABORTED] * 6, "a status of each")


def test_cancel_ends_its_own_goal_only(run_signer: Callable[..., Process], caller: Caller) -> None:
    run_signer(lead_time=5.0, queue_size=20)
    caller.connect()
    first, second, third = caller.call(LONG), caller.call("thank you"), caller.call("tea")
    caller.until(lambda: len(first.words) == 2, "the second word")
    cancels = caller.cancel(second, first)  # one that waits, and one that is played
    caller.until(lambda: all(cancel.done() for cancel in cancels), "the answers")
    assert [len(cancel.result().goals_canceling) for cancel in cancels] == [1, 1]
    caller.ended(first, second, third)
    assert [call.status for call in (first, second, third)] == [CANCELED, CANCELED, SUCCEEDED]
    assert first.error and second.error and first.ended_at < third.ended_at
    assert first.text.split() == first.words == LONG.split()[: len(first.words)] and 2 <= len(first.words) < 5
    assert (second.words, second.text, third.words) == ([], "", ["tea"])
    caller.until(lambda: sorted(caller.goals) == sorted([TEXT_CANCELED] * 2 + [TEXT_SUCCEEDED]), "their status")
    (late,) = caller.cancel(first)
    caller.until(late.done, "the answer")
    assert not late.result().goals_canceling, "it has ended"


def test_goals_and_texts_share_one_queue(run_signer: Callable[..., Process], caller: Caller) -> None:
    process = run_signer(at_once=True, queue_size=3)
    caller.connect()
    other = Caller("other")
    try:
        other.connect()
        assert caller.trigger("pause").success
        first = caller.call("no")
        caller.until(lambda: len(caller.goals) == 1, "the first")
        caller.say("a")
        caller.until(lambda: len(caller.goals) == 2, "the text")
        (text,) = set(caller.captions) - {first.id}
        taken = caller.call("no", id=text)
        caller.ended(taken)
        assert (taken.status, taken.error) == (ABORTED, "another text with this goal id has not ended")
        twice = other.call("no", id=first.id)
        caller.until(lambda: twice.accepted is False, "a goal with the id of another to be rejected")
        second = other.call("no")
        caller.until(lambda: len(caller.goals) == 3, "the second goal")
        third = other.call("no")
        other.ended(third)
        assert (third.status, third.error) == (ABORTED, "3 texts are waiting; send it later or raise queue_size")
        assert caller.trigger("resume").success
        caller.ended(first)
        assert not second.words
        other.ended(second)
        shown = sorted((c for c in caller.captions.values() if c.start_stamp), key=lambda c: c.start_stamp or 0)
        assert [captions.text for captions in shown] == ["no", "a", "no"]
        assert [first.id, second.id] == [shown[0].id, shown[2].id]
        caller.until(lambda: sorted(caller.goals) == sorted([TEXT_SUCCEEDED] * 3 + [TEXT_ABORTED]), "all of them")
    finally:
        other.close()
    ends_in_order(process)


def test_others_cancel_pause_and_replace(run_signer: Callable[..., Process], caller: Caller) -> None:
    run_signer()
    caller.connect()
    call = caller.call("tea a")
    caller.until(lambda: call.words == ["tea"], "the first word")
    assert caller.trigger("pause").success
    assert caller.trigger("resume").success
    caller.ended(call)
    assert call.status == SUCCEEDED and call.words == ["tea", "tea", "a"], "it has started again"
    assert call.text == "tea a"
    canceled = caller.call(LONG)
    caller.until(lambda: canceled.words, "the first word")
    assert caller.trigger("cancel").success
    caller.ended(canceled)
    assert (canceled.status, canceled.error) == (ABORTED, "canceled"), "its client did not cancel it"

    assert caller.set(policy="replace")[0].successful
    older = caller.call(LONG)
    caller.until(lambda: older.words, "the first word")
    newer = caller.call("a")
    caller.ended(older, newer)
    assert (older.status, older.error, newer.status) == (ABORTED, "superseded by a newer text", SUCCEEDED)
    assert older.words[:1] == ["can"] and older.text.split() == older.words


def test_a_goal_ends_once_whatever_happens_to_the_node(run_signer: Callable[..., Process], caller: Caller) -> None:
    process = run_signer()
    caller.connect()
    signing, waiting = caller.call(LONG), caller.call("tea")
    caller.until(lambda: signing.words, "the first word")
    assert caller.change("deactivate")
    caller.ended(signing, waiting)
    assert {signing.status, waiting.status} == {ABORTED} and signing.error and waiting.error
    inactive = caller.call("tea")
    caller.ended(inactive)
    assert (inactive.status, inactive.error) == (ABORTED, "the node is inactive; activate it before")

    last = caller.call("no", ask=False)
    caller.until(lambda: last.accepted, "it to be accepted")
    asks = threading.Timer(0.1, caller.ask, (last,))  # when its server is about to go
    asks.start()
    assert caller.change("cleanup")
    asks.join()
    caller.ended(last)
    assert last.status == ABORTED and last.error
    # That its server is gone is not asked for: on Jazzy clients were seen to find it ready for 20 s and more.
    process.check()

    assert caller.change("configure") and caller.change("activate")
    caller.connect()
    again = caller.call("tea")
    caller.ended(again)
    assert again.status == SUCCEEDED
    leaving = caller.call(LONG)
    caller.until(lambda: leaving.words, "the first word")
    assert caller.change("shutdown")
    caller.ended(leaving)
    assert leaving.status == ABORTED and leaving.error
    assert all(len(call.results) == 1 for call in caller.calls)
    ends_in_order(process)


def test_a_signal_in_mid_sentence_ends_the_process_in_order(run_signer: Callable[..., Process], caller: Caller) -> None:
    process = run_signer()
    caller.connect()
    call = caller.call(LONG)
    caller.until(lambda: call.words, "the first word")
    ends_in_order(process)


def test_a_burst_of_goals(run_signer: Callable[..., Process], caller: Caller) -> None:
    process = run_signer(max_rate=0.001)
    caller.connect()
    calls = [caller.call("") for _ in range(100)]
    caller.ended(*calls)
    assert all((call.status, len(call.results)) == (ABORTED, 1) and "is empty" in call.error for call in calls)
    caller.until(lambda: caller.goals == [TEXT_ABORTED] * 100, "the status of each")
    fast = caller.call("")
    caller.ended(fast)
    assert (fast.status, fast.error) == (ABORTED, "goals and texts come faster than max_rate")
    assert "WARN" in process.wait_for("max_rate")


def test_the_clock_that_feedback_follows_is_the_nodes(run_signer: Callable[..., Process], caller: Caller) -> None:
    run_signer("-p", "use_sim_time:=true", lead_time=60.0)

    def at(seconds: float, condition: Callable[[], object], what: str) -> None:
        """Wait at this time on the clock."""

        def check() -> object:
            caller.set_clock(seconds)
            return condition()

        caller.until(check, what)

    caller.connect()
    call = caller.call("tea a")
    at(1000.0, lambda: call.id in caller.captions and len(caller.captions[call.id].parts) == 3, "all of it to be sent")
    assert call.words == [] and not call.results
    starts = [part.start_stamp / 1e9 for part in caller.captions[call.id].parts]
    for start, words in zip(starts, (["tea"], ["tea", "a"], ["tea", "a"]), strict=True):
        at(start + 0.01, lambda words=words: call.words == words, f"{words}")
        time.sleep(0.1)
        assert call.words == words and not call.results
    at(starts[-1] + 10.0, lambda: call.results, "the result")
    assert call.status == SUCCEEDED


def test_nobody_sees_it(run_signer: Callable[..., Process], with_tts_msgs: None) -> None:
    run_signer(lead_time=2.0)
    blind = Caller("blind", motion=False)
    try:
        blind.connect()
        call = blind.call("tea")
        blind.ended(call)
        assert call.status == ABORTED and call.error
    finally:
        blind.close()


@pytest.fixture
def say() -> Iterator[Callable[..., subprocess.Popen]]:
    """Runs the example as a process that the end of the test stops."""
    started: list[subprocess.Popen] = []

    def start(text: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, str(ROOT / "examples" / "say.py"), text, "--ros-args", *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_program_for_a_robots_voice_needs_only_a_remapping(
    run_signer: Callable[..., Process], say: Callable[..., subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the older version of the interface; all others of these tests have the newer."""
    monkeypatch.setenv("PYTHONPATH", str(tts_msgs("1.1")), prepend=":")
    run_signer("-r", "signer/tts:=/tts_engine/tts", at_once=True, speed=5.0).wait_for("ready: ")
    viewer = Observer("viewer")
    try:
        viewer.until(lambda: viewer.values.get("subscribers of ~/trajectory") == "1", "the node to find the viewer")
        said, _ = (good := say("no, bo", "-r", "tts:=/tts_engine/tts")).communicate(timeout=30.0)
        assert said.splitlines() == ["no", "bo", "all of it was signed"] and good.returncode == 0
        said, _ = (bad := say("\U0001f642", "-r", "tts:=/tts_engine/tts")).communicate(timeout=30.0)
        assert "left out 1 emoji" in said and bad.returncode == 1
    finally:
        viewer.close()


@pytest.mark.slow
def test_a_client_that_dies_takes_nothing_with_it(
    run_signer: Callable[..., Process], say: Callable[..., subprocess.Popen], caller: Caller
) -> None:
    process = run_signer()
    caller.connect()
    dying = say("tea please", "-r", "tts:=/signer/tts")
    assert dying.stdout is not None and dying.stdout.readline() == "tea\n"
    dying.kill()
    call = caller.call("no")
    caller.ended(call)
    assert call.status == SUCCEEDED
    caller.until(lambda: caller.goals == [TEXT_SUCCEEDED] * 2, "both")
    ends_in_order(process)


@pytest.mark.skipif(INSTALLED, reason="tts_msgs is installed")
def test_without_tts_msgs_the_node_signs_and_logs_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, run_signer: Callable[..., Process]
) -> None:
    # In a domain of its own: actions of nodes that ended before are in the graph of the other one for a while.
    monkeypatch.delenv("ROS_DOMAIN_ID")
    environment.keep_to_this_machine()
    process = run_signer()
    assert "INFO" in process.wait_for("there is no ~/tts: tts_msgs is not installed")
    process.wait_for("ready: ")
    listener = Observer("listener")
    try:
        listener.say("hello")
        listener.until(lambda: listener.goals, "the text")

        def opened() -> set[str]:
            # By topic, not by node: which node a topic belongs to comes by a message of its own, and may come late.
            topics, services = listener.node.get_topic_names_and_types(), listener.node.get_service_names_and_types()
            return {name for name, _ in (*topics, *services) if name.startswith("/signer/")}

        listener.until(lambda: opened() >= {"/signer/trajectory", "/signer/cancel"}, "the node to be found")
        assert not [name for name in opened() if "/_action/" in name]
    finally:
        listener.close()
