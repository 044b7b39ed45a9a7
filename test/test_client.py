"""The client: with real signers over DDS, and with a stand-in for what a real one does not do on command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rclpy
from action_msgs.msg import GoalInfo, GoalStatus, GoalStatusArray
from conftest import ROOT, Companion, Process
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from test_tracker import arrival
from trajectory_msgs.msg import MultiDOFJointTrajectory
from unique_identifier_msgs.msg import UUID

from text2sign_ros.child import ChildError, start_signer
from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.engine import Outcome
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.ros import client as client_module
from text2sign_ros.ros.client import (
    Cause,
    ClientError,
    Goal,
    Level,
    RefusedError,
    SignerClient,
    SignerGoneError,
    WaitError,
)
from text2sign_ros.skeleton import BONES, GROUPS, KEYPOINTS, REST_POSE
from text2sign_ros.wire import diagnosis, trajectory
from text2sign_ros.wire.layout import Layout, LayoutError, layout
from text2sign_ros.wire.tracker import Status

LONG = "can i get a large coffee please"
ALL_AT_ONCE = 60.0


@pytest.fixture
def client() -> Iterator[SignerClient]:
    with SignerClient() as client:
        yield client


def frames(bundle: Path, text: str) -> int:
    signer = Signer(bundle)
    return sum(frames for _, frames in signer.timeline(signer.plan(text)))


def spinning() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


# With a real signer


def test_a_text_from_start_to_end(run_signer: Callable[..., Process], client: SignerClient, bundle: Path) -> None:
    run_signer()
    client.wait_until_ready()
    assert client.state == "active" and client.diagnostics is not None and client.connected
    goal = client.submit("hello")
    came = list(goal.follow())
    result = goal.result()
    assert result.succeeded and result.status is goal.status is Status.SUCCEEDED and goal.done and not result.reason
    assert tuple(came) == goal.arrivals
    assert len(came) > 5 and came[0].at - goal.sent_at < came[-1].at - goal.sent_at - 1.0, "as they were sent"
    assert goal.gaps() == [0] * (len(came) - 1) and goal.late == 0
    assert goal.stamp_ns == goal.chunks[0].stamp_ns
    (state,) = client.goals
    assert (state.id, state.status, state.stamp_ns) == (goal.id, Status.SUCCEEDED, goal.stamp_ns)
    clip = goal.clip()
    assert len(clip) == goal.frames == frames(bundle, "hello") and clip.fps == 25.0
    np.testing.assert_allclose(clip.positions[[0, -1]], np.stack((REST_POSE, REST_POSE)), atol=5e-3)
    client.wait_for(lambda: client.diagnostics.number("texts signed") == 1, 5.0, "the figures")
    assert client.diagnostics.level is Level.OK and "onnxruntime" in client.diagnostics.hardware
    assert 0 < client.diagnostics.number("real-time factor") < 1


def test_texts_in_a_row_and_what_is_refused(
    run_signer: Callable[..., Process], client: SignerClient, bundle: Path
) -> None:
    run_signer(at_once=True)
    client.wait_until_ready()
    texts = ("hello please", "", "thank you", "hello please", "\U0001f642", "a" * 200_000)
    ended: list[Goal] = []
    goals = [client.submit(text) for text in texts]
    for goal in goals:
        goal.add_done_callback(ended.append)
    results = [goal.result() for goal in goals]
    wanted = [Status.SUCCEEDED, Status.ABORTED, Status.SUCCEEDED, Status.SUCCEEDED, Status.ABORTED, Status.ABORTED]
    assert [result.status for result in results] == wanted
    assert len({goal.id for goal in goals}) == len(texts)
    for goal in goals:
        if goal.status is Status.SUCCEEDED:
            assert goal.frames == frames(bundle, goal.text) and not any(goal.gaps())
        else:
            assert not goal.chunks and goal.stamp_ns == 0 and not list(goal.follow())
            with pytest.raises(ClientError, match=r"nothing of .* was signed"):
                goal.clip()
    np.testing.assert_array_equal(goals[0].clip().positions, goals[3].clip().positions)
    first, second = goals[0].chunks, goals[2].chunks
    assert second[0].stamp_ns == first[-1].stamp_ns + int(first[-1].time_from_start[-1]) + 40_000_000
    client.wait_for(lambda: len(ended) == len(goals), 5.0, "the callbacks")
    assert set(ended) == set(goals)
    goals[0].add_done_callback(ended.append)
    assert ended[-1] is goals[0], "at once"


def test_captions_have_reason_warnings_and_parts(run_signer: Callable[..., Process], client: SignerClient) -> None:
    run_signer(at_once=True)
    client.wait_until_ready()
    empty, warned = client.submit(""), client.submit("hello \U0001f642")
    empty.result()
    if empty.captions is None:
        pytest.skip("this signer has no captions yet")
    assert "empty" in empty.result().reason and empty.captions.outcome is Outcome.REFUSED
    assert warned.result().warnings and warned.captions.outcome is Outcome.SIGNED
    assert warned.captions.frames == warned.frames and warned.captions.work > 0
    assert [part.text for part in warned.captions.parts if part.kind == "sign"] == ["hello"]


def test_cancel_pause_and_resume(run_signer: Callable[..., Process], client: SignerClient) -> None:
    run_signer()
    client.wait_until_ready()
    goal, waiting = client.submit(LONG), client.submit("hello")
    client.wait_for(lambda: len(goal.chunks) > 2, 10.0, "chunks")
    assert client.pause() == "paused: 1 text will begin again, 1 text will follow"
    client.wait_for(lambda: client.diagnostics.values["paused"] == "True", 5.0, "diagnostics")
    with pytest.raises(WaitError, match="resume") as error:
        goal.result(0.5)
    assert error.value.cause is Cause.PAUSED and isinstance(error.value, TimeoutError)
    before = goal.stamp_ns
    following = goal.follow()
    assert client.resume() == "resumed"
    client.wait_for(lambda: goal.stamp_ns > before and goal.chunks, 10.0, "it to begin again")
    assert goal.chunks[0].stamp_ns == goal.stamp_ns and not any(goal.gaps())
    assert client.cancel() == "canceled 2 texts"
    assert goal.result().status is waiting.result().status is Status.CANCELED
    np.testing.assert_allclose(goal.clip().positions[-1], REST_POSE, atol=1e-6)
    stamps = [arrival.chunk.stamp_ns for arrival in following]
    assert before in stamps and stamps[-len(goal.chunks) :] == [chunk.stamp_ns for chunk in goal.chunks]
    assert not waiting.chunks


def test_lifecycle_and_parameters(run_signer: Callable[..., Process], client: SignerClient) -> None:
    run_signer(autostart="false")
    client.wait_for(lambda: client.state == "unconfigured", 20.0, "the node")
    with pytest.raises(WaitError, match="call the transition configure") as error:
        client.wait_until_ready(0.5)
    assert error.value.cause is Cause.NOT_ACTIVE
    with pytest.raises(RefusedError, match="does not activate: unconfigured"):
        client.change("activate")
    client.set_parameters(preset="fastest", lead_time=ALL_AT_ONCE)
    client.change("configure")
    early = client.submit("too early")
    assert early.result().status is Status.ABORTED
    with pytest.raises(RefusedError, match="cancel is refused: the node is inactive"):
        client.cancel()
    client.change("activate")
    client.wait_until_ready()
    assert client.submit("hello").result().succeeded
    assert client.get_parameters("preset", "lead_time", "seed") == {"preset": "fastest", "lead_time": 60.0, "seed": 0}
    with pytest.raises(RefusedError, match="policy is 'newest'") as refused:
        client.set_parameters(seed=7, policy="newest", preset="best")
    assert "preset can only be set while" in str(refused.value) and "seed" not in str(refused.value)
    assert client.get_parameters("seed") == {"seed": 7}
    with pytest.raises(RefusedError, match="nonsense"):
        client.get_parameters("seed", "nonsense")
    assert client.diagnostics.values["steps"] == "1"
    layout = client.layout()
    assert layout.keypoints == KEYPOINTS and layout.fps == 25.0
    client.change("deactivate")
    client.change("cleanup")
    client.wait_for(lambda: client.state == "unconfigured" and not client.connected, 5.0, "the topics to be gone")


def test_a_signer_in_a_namespace_beside_another(run_signer: Callable[..., Process]) -> None:
    run_signer("-r", "__ns:=/robot", at_once=True)
    with SignerClient("/robot/signer") as client, SignerClient() as nobody:
        client.wait_until_ready()
        goal = client.submit("hello")
        assert goal.result().succeeded and goal.chunks
        nobody.wait_for(lambda: nobody._others, 5.0, "diagnostics of the other")
        with pytest.raises(WaitError, match=r"no node /signer in ROS domain .*; there is /robot/signer") as error:
            nobody.submit("hello", timeout=0.2)
        assert error.value.cause is Cause.NOT_FOUND and nobody.goals == ()


def test_simulated_time(run_signer: Callable[..., Process]) -> None:
    run_signer(use_sim_time="true")
    clock, now, running = Companion("clock"), 100.0, threading.Event()

    def run_clock() -> None:
        nonlocal now
        while running.is_set():
            clock.set_clock(now)
            now += 0.05
            time.sleep(0.01)  # five times as fast as the wall clock

    thread = threading.Thread(target=run_clock)
    try:
        with SignerClient(use_sim_time=True) as client:
            client.wait_until_ready()
            client.wait_for(lambda: client.diagnostics.message == diagnosis.NO_TIME, 5.0, "diagnostics")
            goal = client.submit("hello")
            with pytest.raises(WaitError, match="nothing publishes /clock") as error:
                goal.result(0.5)
            assert error.value.cause is Cause.CLOCK
            running.set()
            thread.start()
            assert goal.result(20.0).succeeded
            assert 100e9 < goal.stamp_ns < 200e9 and goal.late == 0  # not by the wall clock, 1.8e18
            assert all(0 < a.chunk.stamp_ns - a.clock_ns < 1e9 for a in goal.arrivals), "both by that clock"
            running.clear()
            thread.join()
            client.wait_for(lambda: client.diagnostics.message == diagnosis.CLOCK_STOPPED, 10.0, "diagnostics")
            with pytest.raises(WaitError, match="paused") as error:
                client.submit("hello").result(1.0)
            assert error.value.cause is Cause.CLOCK
    finally:
        running.clear()
        if thread.ident is not None:
            thread.join()
        clock.close()


def test_a_signer_that_ends_meanwhile_and_the_next(run_signer: Callable[..., Process], client: SignerClient) -> None:
    process, failed = run_signer(), []
    client.wait_until_ready()
    goal, waiting = client.submit(LONG), client.submit("hello")
    waiting.add_done_callback(failed.append)
    client.wait_for(lambda: goal.chunks, 10.0, "chunks")
    process.signal(signal.SIGTERM)
    began = time.monotonic()
    for one in (goal, waiting):
        with pytest.raises(SignerGoneError, match="has ended before the end of"):
            one.result(15.0)
    assert time.monotonic() - began < 10.0 and failed == [waiting]
    client.wait_for(lambda: not client.present and not client.state, 5.0, "it to be gone")
    with pytest.raises(WaitError) as error:
        client.wait_until_ready(0.2)
    assert error.value.cause is Cause.NOT_FOUND
    run_signer(at_once=True)
    client.wait_until_ready()
    assert client.submit("hello").result().succeeded


def test_a_signer_that_is_killed(run_signer: Callable[..., Process], client: SignerClient, monkeypatch) -> None:
    monkeypatch.setattr(client_module, "SILENCE", 3.0)
    process = run_signer()
    client.wait_until_ready()
    goal = client.submit(LONG)
    client.wait_for(lambda: goal.chunks, 10.0, "chunks")
    process.signal(signal.SIGKILL)
    with pytest.raises(WaitError):
        goal.result(0.5)
    with pytest.raises(SignerGoneError, match=r"was received from /signer for 3 s|has ended"):
        list(goal.follow())
    with pytest.raises(WaitError) as error:
        client.cancel(timeout=1.0)
    assert error.value.cause in (Cause.SILENT, Cause.NOT_FOUND)


def test_a_child_that_can_not_start_is_reported(tmp_path: Path, client: SignerClient) -> None:
    with start_signer(tmp_path / "nothing") as process:
        client.check = process.check
        with pytest.raises(ChildError, match=r"the node ended with code 1(.|\n)*FATAL(.|\n)*nothing"):
            client.wait_until_ready(60.0)


@pytest.mark.parametrize("threads", [1, 2])
def test_with_the_users_own_node(run_signer: Callable[..., Process], threads: int) -> None:
    """Also from a callback of that node, where several threads spin it."""
    run_signer(at_once=True)
    context, said = Context(), []
    rclpy.init(context=context)
    node = rclpy.create_node("application", context=context, namespace="/elsewhere")
    kind = partial(MultiThreadedExecutor, threads) if threads > 1 else SingleThreadedExecutor
    executor = kind(context=context)
    client = SignerClient("/signer", node=node)
    with pytest.raises(WaitError, match="nothing spins") as error:
        client.wait_until_ready(1.0)
    assert error.value.cause is Cause.NOT_SPUN
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        client.wait_until_ready()
        goal = client.submit("hello")
        goal.add_done_callback(lambda goal: said.append(goal.status))
        assert goal.result().succeeded
        client.wait_for(lambda: said == [Status.SUCCEEDED], 5.0, "the callback")
        if threads > 1:
            timer = node.create_timer(0.01, lambda: (timer.cancel(), said.append(client.submit("hello").result())))
            client.wait_for(lambda: len(said) == 2, 10.0, "the callback that waits")
            assert said[1].succeeded
        entities = len([*node.subscriptions]), len([*node.publishers]), len([*node.clients]), len([*node.timers])
        client.pause()
        client.close()
        after = len([*node.subscriptions]), len([*node.publishers]), len([*node.clients]), len([*node.timers])
        assert np.subtract(entities, after).tolist() == [6, 1, 0, 1], "the service's client came after"
        assert after[2] == 0
        with pytest.raises(ClientError, match="closed"):
            client.submit("hello")
    finally:
        executor.shutdown()
        thread.join()
        client.close()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def test_ctrl_c_gets_through_and_the_thread_is_joined() -> None:
    code = (
        "from text2sign_ros.ros.client import SignerClient\n"
        "client = SignerClient()\n"
        "print('waiting', flush=True)\n"
        "client.wait_until_ready(30.0)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10.0)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT, "as Python ends after KeyboardInterrupt: it did not abort"
    assert errors.rstrip().endswith("KeyboardInterrupt")


# Without one


def test_a_missing_signer_is_reported_and_nothing_is_left(client: SignerClient) -> None:
    began = time.monotonic()
    for act in (
        client.wait_until_ready,
        client.cancel,
        client.layout,
        lambda timeout: client.submit("hello", timeout),
        lambda timeout: client.change("configure", timeout),
        lambda timeout: client.get_parameters("seed", timeout=timeout),
    ):
        with pytest.raises(WaitError, match=f"domain {os.environ['ROS_DOMAIN_ID']}") as error:
            act(timeout=0.1)
        assert error.value.cause is Cause.NOT_FOUND and isinstance(error.value, Text2SignError)
    assert time.monotonic() - began < 3.0
    assert client.diagnostics is None and client.state == "" and not client.present and not client.connected
    client.close()
    client.close()
    assert "signer client" not in spinning()
    with pytest.raises(ClientError, match="closed"):
        client.submit("hello")


def test_a_shutdown_ends_the_wait(client: SignerClient) -> None:
    threading.Timer(0.2, lambda: rclpy.try_shutdown(context=client.node.context)).start()
    with pytest.raises(ExternalShutdownException):
        client.wait_until_ready(20.0)


def test_an_exception_of_check_ends_the_wait(client: SignerClient) -> None:
    def check() -> None:
        raise RuntimeError("a wire came off")

    client.check = check
    with pytest.raises(RuntimeError, match="a wire"):
        client.wait_until_ready(20.0)


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"fps": "fast"}', '{"frame": "signer", "fps": 25.0}', "\x00"])
def test_invalid_layouts_are_refused(data: str) -> None:
    with pytest.raises(LayoutError):
        Layout.parse(data)


def test_layout_round_trip() -> None:
    read = Layout.parse(layout(25.0))
    assert (read.frame, read.fps, read.keypoints, read.groups) == ("signer", 25.0, KEYPOINTS, GROUPS)
    assert read.bones == tuple(map(tuple, BONES))
    np.testing.assert_allclose(read.rest_pose, REST_POSE, atol=1e-6)


# With a stand-in


class StandIn(Companion):
    """Publishes what a signer does, when the test asks for it; keeps the texts that come."""

    def __init__(self) -> None:
        super().__init__("signer")
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        captions_qos = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        create = self.node.create_publisher
        self.status, self.captions = (
            create(GoalStatusArray, "~/status", latched),
            create(String, "~/captions", captions_qos),
        )
        self.chunks = create(MultiDOFJointTrajectory, "~/trajectory", 100)
        create(String, "~/layout", latched).publish(String(data=layout(25.0)))
        self.diagnostics = create(DiagnosticArray, "/diagnostics", 10)
        self.received: list[str] = []
        self.goals: dict[uuid.UUID, tuple[int, int]] = {}
        self.values = {"state": "active", "of them refused for max_rate": "0"}
        self.node.create_subscription(String, "~/text", lambda message: self.received.append(message.data), 10)
        self.node.create_timer(0.2, self.diagnose)
        self.publish_status()

    def diagnose(self) -> None:
        status = DiagnosticStatus(name="signer: signing", level=DiagnosticStatus.OK, message="all is well")
        status.values = [KeyValue(key=key, value=value) for key, value in self.values.items()]
        self.diagnostics.publish(DiagnosticArray(status=[status]))

    def publish_status(self, id: uuid.UUID | None = None, status: int = 0, stamp_ns: int = 0) -> None:
        """``~/status``, in which a goal stands so."""
        if id is not None:
            self.goals[id] = status, stamp_ns
        message = GoalStatusArray()
        for key, (how, stamp) in self.goals.items():
            info = GoalInfo(goal_id=UUID(uuid=np.frombuffer(key.bytes, np.uint8)))
            info.stamp.sec, info.stamp.nanosec = divmod(stamp, 10**9)
            message.status_list.append(GoalStatus(goal_info=info, status=how))
        self.status.publish(message)

    def caption(self, id: uuid.UUID, text: str, **values: object) -> None:
        """``~/captions``, as docs/captions.md has them."""
        nothing = dict.fromkeys(("outcome", "start_stamp", "end_stamp", "first_chunk", "work"))
        message = {
            "version": 1,
            "id": id.hex,
            "text": text[:1000],
            "characters": len(text),
            "shortened": len(text) > 1000,
        }
        message |= {"state": "accepted", "reason": "", "warnings": [], "spelled": [], "fps": 25.0, "attempt": 0}
        message |= {"frames": 0, "parts_started": 0, "parts": [], **nothing, **values}
        self.captions.publish(String(data=json.dumps(message)))

    def perform(self, stamp_ns: int, **ends: bool) -> None:
        chunk = arrival(stamp_ns, **ends).chunk
        made = Chunk(0, chunk.positions, chunk.velocities, 25.0, last=ends.get("last", False))
        self.chunks.publish(trajectory.encode(made, stamp_ns))


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


SIGN = {"index": 0, "kind": "sign", "text": "hello", "word": 0, "estimated": False}
SIGN |= {"start_frame": 0, "end_frame": 8, "start_stamp": 1000, "end_stamp": None}


def test_captions_say_which_goal_is_which_text(stand_in: StandIn, client: SignerClient) -> None:
    client.wait_until_ready()
    mine, longer = client.submit("hello"), client.submit("hello " * 500)
    client.wait_for(lambda: len(stand_in.received) == 2, 5.0, "the texts")
    stranger, id, another = (uuid.uuid4() for _ in range(3))
    for one, text in ((stranger, "of someone else"), (another, "hello " * 500), (id, "hello")):
        stand_in.caption(one, text)
        stand_in.publish_status(one, GoalStatus.STATUS_ACCEPTED)
    client.wait_for(lambda: mine.status is longer.status is Status.ACCEPTED, 5.0, "the goals")
    assert (mine.id, longer.id) == (id, another)
    stand_in.captions.publish(String(data="no captions"))
    stand_in.perform(10**9, first=True)
    stand_in.publish_status(id, GoalStatus.STATUS_EXECUTING, 10**9)
    stand_in.caption(id, "hello", state="executing", parts=[SIGN | {"a later": "key"}], warnings=["a warning"])
    client.wait_for(lambda: mine.chunks and mine.captions.parts, 5.0, "its start")
    (part,) = mine.captions.parts
    assert (part.kind, part.text, part.start_frame, part.end_stamp) == ("sign", "hello", 0, None)
    stand_in.chunks.publish(b"\0\1\0\0 no chunk")
    stand_in.perform(10**9 + 160_000_000, last=True)
    stand_in.publish_status(id, GoalStatus.STATUS_SUCCEEDED, 10**9)
    time.sleep(0.3)
    assert not mine.done, "its captions are not complete"
    stand_in.caption(id, "hello", state="ended", outcome="signed", warnings=["a warning", "another"])
    assert mine.result(5.0).warnings == ("a warning", "another")
    assert mine.frames == 8 and mine.gaps() == [0] and not longer.done
    stand_in.caption(another, "hello " * 500, state="ended", outcome="dropped", reason="3 newer texts are waiting")
    stand_in.publish_status(another, GoalStatus.STATUS_ABORTED)
    result = longer.result(5.0)
    assert not result.succeeded and result.reason == "3 newer texts are waiting"
    with pytest.raises(ClientError, match="3 newer texts"):
        longer.clip()


def test_a_text_that_gets_no_goal(stand_in: StandIn, client: SignerClient) -> None:
    client.wait_until_ready()
    refused, taken = client.submit("one"), client.submit("two")
    stand_in.values["of them refused for max_rate"] = "1"
    with pytest.raises(WaitError, match="all is well") as error:
        refused.result(0.3)
    assert error.value.cause is Cause.BUSY
    stand_in.caption(uuid.uuid4(), "two")
    with pytest.raises(RefusedError, match=r"has ignored 'one': texts come faster than max_rate"):
        refused.result(5.0)
    assert taken.id is not None and not taken.done


def test_the_signer_is_replaced_by_another_process(stand_in: StandIn, client: SignerClient) -> None:
    client.wait_until_ready()
    goal, id = client.submit("hello"), uuid.uuid4()
    stand_in.caption(id, "hello")
    stand_in.publish_status(id, GoalStatus.STATUS_ACCEPTED)
    client.wait_for(lambda: goal.status is Status.ACCEPTED, 5.0, "the goal")
    stand_in.goals.clear()
    stand_in.publish_status()
    with pytest.raises(SignerGoneError, match="restarted before the end of 'hello'"):
        goal.result(5.0)


def test_a_motion_that_was_cut_off_is_not_waited_for(stand_in: StandIn, client: SignerClient) -> None:
    client.wait_until_ready()
    goal, id = client.submit("hello"), uuid.uuid4()
    stand_in.caption(id, "hello")
    stand_in.perform(10**9, first=True)
    stand_in.publish_status(id, GoalStatus.STATUS_EXECUTING, 10**9)
    client.wait_for(lambda: goal.chunks, 5.0, "a chunk")
    stand_in.publish_status(id, GoalStatus.STATUS_ABORTED, 10**9)
    began = time.monotonic()
    assert goal.result(5.0).status is Status.ABORTED and goal.frames == 4
    assert 0.8 < time.monotonic() - began < 3.0


def test_waiting_in_a_callback_is_an_error(stand_in: StandIn, client: SignerClient, capfd) -> None:
    client.wait_until_ready()
    goal, id, other = client.submit("hello"), uuid.uuid4(), client.submit("bye")
    goal.add_done_callback(lambda goal: (client.submit("from the callback"), client.close()))
    goal.add_done_callback(lambda goal: other.result())
    stand_in.caption(id, "hello", state="ended", outcome="refused")
    stand_in.publish_status(id, GoalStatus.STATUS_ABORTED)
    assert goal.result(5.0).status is Status.ABORTED
    said = ""
    deadline = time.monotonic() + 5.0
    while "can't close it" not in said or "can't wait for messages" not in said:
        assert time.monotonic() < deadline, said
        said += capfd.readouterr().err
        time.sleep(0.05)
    assert not other.done
    client.wait_for(lambda: "from the callback" in stand_in.received, 5.0, "the text, which need not wait")


def test_a_client_that_only_sends_texts(run_signer: Callable[..., Process]) -> None:
    run_signer(at_once=True)
    with SignerClient(motion=False) as client:
        client.wait_until_ready()
        client.wait_for(lambda: "nobody subscribes" in client.diagnostics.message, 5.0, "the diagnostics")
        goal = client.submit("hello")
        result = goal.result()
        assert result.status is Status.ABORTED and "nobody subscribed" in result.reason and not goal.chunks
        for use in (goal.clip, lambda: next(goal.follow())):
            with pytest.raises(ClientError, match="motion=True"):
                use()


def test_a_text_that_no_message_can_hold(stand_in: StandIn, client: SignerClient) -> None:
    client.wait_until_ready()
    with pytest.raises(ClientError, match="can't be sent"):
        client.submit("\ud800")
    with pytest.raises(ClientError, match="NUL character"):
        client.submit("hi\0there")
    client.submit("hello")
    client.wait_for(lambda: stand_in.received, 5.0, "the text")
    assert stand_in.received == ["hello"]


# The page


def test_the_example_of_the_page(run_signer: Callable[..., Process], tmp_path: Path) -> None:
    page = (ROOT / "docs" / "client.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert len(code.splitlines()) <= 15
    run_signer(at_once=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stderr
    assert "SUCCEEDED" in process.stdout and (tmp_path / "hello.npz").is_file()
