"""The signer's lifecycle, controls, status and diagnostics, over DDS and again and again."""

from __future__ import annotations

import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Process, keep
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from observer import ABORTED, ACCEPTED, CANCELED, EXECUTING, SUCCEEDED, Observer
from rclpy.qos import QoSProfile
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.ros import lifecycle, signer_node
from text2sign_ros.ros.client import Level
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire import trajectory

ALL_AT_ONCE = 60.0
LONG = "can i get a large coffee please"


class Manager(Observer):
    """Drives the node as a lifecycle manager would."""

    def __init__(self) -> None:
        super().__init__("manager", motion=False)
        self.chunks: list[trajectory.Trajectory] = []
        self.received = 0  # chunks, those that were replaced included

    def listen(self) -> None:
        """Subscribe to the motion, as a robot does."""

        def on_chunk(data: bytes) -> None:
            self.received += 1
            keep(self.chunks, trajectory.decode(data))

        qos = QoSProfile(depth=1000)
        self.node.create_subscription(MultiDOFJointTrajectory, "/signer/trajectory", on_chunk, qos, raw=True)

    def state(self) -> str:
        return self.client.call(GetState, "get_state", GetState.Request()).current_state.label

    def says(self, words: str) -> bool:
        """Whether that is what the last diagnostics say."""
        return words in self.message


@pytest.fixture
def manager() -> Iterator[Manager]:
    manager = Manager()
    yield manager
    manager.close()


def motion(chunks: list[trajectory.Trajectory]) -> np.ndarray:
    return np.concatenate([chunk.positions for chunk in chunks])


def assert_at_rest(chunks: list[trajectory.Trajectory]) -> None:
    np.testing.assert_allclose(chunks[-1].positions[-1], REST_POSE, atol=1e-6)
    assert not chunks[-1].velocities[-1].any()


def test_all_transitions_and_the_diagnostics_of_each_state(
    run_signer: Callable[..., Process], manager: Manager
) -> None:
    process = run_signer(autostart="false")
    manager.until(lambda: manager.says("unconfigured"), "diagnostics before configure")
    assert manager.client.diagnostics.level is Level.STALE
    assert manager.state() == "unconfigured"
    assert not manager.change("activate"), "not possible from here"
    assert manager.state() == "unconfigured", "and no harm done"
    assert manager.node.count_subscribers("/signer/text") == 0

    assert manager.change("configure")
    assert manager.state() == "inactive"
    assert any("configuring: loading" in message for message in manager.said), manager.said
    manager.until(lambda: manager.says("inactive"), "diagnostics")
    assert "onnxruntime" in manager.client.diagnostics.hardware
    manager.say("too early")
    process.wait_for("'too early' is refused: the node is inactive")
    manager.until(lambda: manager.goals == [ABORTED], "the status of a text refused")
    assert not manager.trigger("cancel").success

    assert manager.change("activate")
    process.wait_for("ready: ")
    manager.until(lambda: manager.says("nobody subscribes"), "diagnostics")
    assert manager.client.diagnostics.level is Level.WARN
    manager.listen()
    manager.until(lambda: manager.says("ready"), "diagnostics")
    assert manager.client.diagnostics.level is Level.OK
    results = manager.set(preset="fast", policy="replace", max_wait=-1.0)
    assert [result.successful for result in results] == [False, True, False]
    assert "unconfigured" in results[0].reason

    manager.say(LONG)
    manager.until(lambda: len(manager.chunks) > 2, "chunks")
    assert manager.says("signing")
    assert manager.change("deactivate")
    manager.until(lambda: manager.goals == [ABORTED, CANCELED], "its status")
    time.sleep(0.2)
    assert_at_rest(manager.chunks)
    assert manager.change("activate")
    process.wait_for("ready: ")
    count = len(manager.chunks)
    manager.say("a")
    manager.until(lambda: manager.goals == [ABORTED, CANCELED, SUCCEEDED], "the status of a text signed")
    manager.until(lambda: len(manager.chunks) > count, "its chunks")
    assert manager.client.goals[-1].stamp_ns == manager.chunks[count].stamp_ns
    manager.until(lambda: manager.values["texts signed"] == "1", "the count")
    assert [manager.values[f"texts {name}"] for name in ("received", "refused", "canceled")] == ["3", "1", "1"]
    assert float(manager.values["real-time factor"]) > 0 and manager.values["chunks sent"] == str(manager.received)

    assert manager.change("deactivate") and manager.change("cleanup")
    assert manager.state() == "unconfigured"
    manager.until(lambda: manager.node.count_subscribers("/signer/text") == 0, "the topics to be gone")
    assert all(result.successful for result in manager.set(preset="fastest"))
    assert manager.change("configure") and manager.change("activate")
    assert "in 1 steps" in process.wait_for("ready: ")
    assert manager.change("shutdown")
    manager.until(lambda: manager.says("finalized"), "diagnostics")
    process.signal(15)
    assert process.wait() == 0
    assert "Traceback" not in "\n".join(process.log)


def test_each_state_says_what_it_waits_for(run_signer: Callable[..., Process], manager: Manager) -> None:
    process = run_signer(autostart="false")
    unconfigured = "INFO.*unconfigured: call the transition configure, then activate"
    inactive = "INFO.*inactive: call the transition activate"
    process.wait_for(unconfigured)
    assert manager.change("configure")
    process.wait_for(inactive)
    assert manager.change("activate")
    process.wait_for("INFO.*ready: ")
    assert manager.change("deactivate")
    process.wait_for(inactive)
    assert manager.change("cleanup")
    process.wait_for(unconfigured)
    assert manager.change("shutdown")
    process.wait_for("INFO.*finalized: the node was shut down; start it again")
    process.signal(15)
    assert process.wait() == 0
    said = [line for line in process.log if "ready:" in line or "call the transition" in line or "finalized" in line]
    assert len(said) == 6, said


@pytest.mark.parametrize("seed", range(5))
def test_signals_while_a_manager_has_it_configured_end_it_quietly(
    run_signer: Callable[..., Process], manager: Manager, seed: int
) -> None:
    chance = random.Random(seed)
    process = run_signer(autostart="false")
    process.wait_for("unconfigured")
    client = manager.node.create_client(ChangeState, "/signer/change_state")
    assert client.wait_for_service(20.0)
    client.call_async(ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE)))
    time.sleep(chance.uniform(0.0, 0.6))
    for _ in range(3):
        process.signal(chance.choice([signal.SIGINT, signal.SIGTERM]))
        time.sleep(chance.uniform(0.0, 0.1))
    assert process.wait() == 0
    assert all("[INFO]" in line for line in process.log), "\n".join(process.log)


def test_a_bad_bundle_is_reported_and_can_be_mended(
    run_signer: Callable[..., Process], manager: Manager, bundle: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    (folder / "duration.onnx").write_bytes(b"no network")
    process = run_signer(autostart="false", bundle=folder)
    assert not manager.change("configure")
    assert "duration.onnx" in process.wait_for("ERROR")
    assert manager.state() == "unconfigured"
    manager.until(lambda: manager.says("duration.onnx"), "diagnostics")
    assert manager.client.diagnostics.level is Level.ERROR
    shutil.copy(bundle / "duration.onnx", folder)
    assert manager.change("configure") and manager.change("activate")


def test_pause_comes_to_rest_and_resume_starts_again(run_signer: Callable[..., Process], manager: Manager) -> None:
    process = run_signer()
    process.wait_for("ready: ")
    manager.listen()
    manager.until(lambda: manager.says("ready"), "diagnostics")
    manager.say("hello", "a")
    manager.until(lambda: len(manager.chunks) > 2, "chunks")
    response = manager.trigger("pause")
    assert response.success and response.message == "paused: 1 text will begin again, 1 text will follow"
    manager.until(lambda: manager.says("paused"), "diagnostics")
    seen = -1
    while seen != len(manager.chunks):
        seen = len(manager.chunks)
        time.sleep(1.0)
    assert_at_rest(manager.chunks)
    assert manager.goals == [EXECUTING, ACCEPTED]
    assert manager.set(lead_time=ALL_AT_ONCE)[0].successful
    assert manager.trigger("resume").success
    manager.until(lambda: manager.goals == [SUCCEEDED, SUCCEEDED], "both")
    again = manager.chunks[seen]
    np.testing.assert_allclose(motion(manager.chunks[seen:])[:16], motion(manager.chunks)[:16], atol=1e-6)
    assert manager.client.goals[0].stamp_ns == again.stamp_ns


def test_policies(run_signer: Callable[..., Process], manager: Manager) -> None:
    process = run_signer(policy="replace")
    process.wait_for("ready: ")
    manager.listen()
    manager.until(lambda: manager.says("ready"), "diagnostics")
    manager.say(LONG)
    manager.until(lambda: manager.goals == [EXECUTING], "the first")
    manager.say("a")
    process.wait_for("canceled 'can i get a large coffee please': superseded by a newer text")
    process.wait_for("signed 'a'")
    manager.until(lambda: manager.goals == [CANCELED, SUCCEEDED], "both")
    assert all(result.successful for result in manager.set(policy="queue", max_wait=0.3))
    manager.say(LONG, LONG)
    process.wait_for("is dropped: it waited longer than max_wait")
    manager.until(lambda: manager.goals[2:] == [ABORTED, EXECUTING], "one to be dropped, the other signed")
    assert manager.trigger("cancel").message == "canceled 1 text"


def test_deactivate_comes_to_rest_in_simulated_time(run_signer: Callable[..., Process], manager: Manager) -> None:
    process = run_signer(use_sim_time="true")
    process.wait_for("ready: ")
    manager.listen()
    manager.until(lambda: manager.says("no time on the clock"), "diagnostics")
    running, begin = threading.Event(), time.monotonic()
    running.set()

    def run_clock() -> None:
        while running.is_set():
            manager.set_clock(50.0 + time.monotonic() - begin)
            time.sleep(0.02)

    thread = threading.Thread(target=run_clock)
    thread.start()
    try:
        manager.until(lambda: manager.says("ready"), "diagnostics")
        manager.say(LONG)
        manager.until(lambda: len(manager.chunks) > 2, "chunks")
        assert manager.change("deactivate"), "time goes on meanwhile"
        time.sleep(0.2)
        assert_at_rest(manager.chunks)
        assert manager.change("activate")
        manager.say(LONG)
        manager.until(lambda: manager.says("signing"), "the next text")
    finally:
        running.clear()
        thread.join()
    manager.until(lambda: manager.says("not advancing"), "diagnostics")
    assert manager.change("deactivate"), "it gives up"
    process.wait_for("could not be brought to rest: the clock is not advancing")


def _entities(node) -> int:
    return sum(len(list(kind)) for kind in (node.publishers, node.subscriptions, node.services, node.timers))


@pytest.mark.parametrize("transition", ["configure", "activate"])
def test_an_error_releases_everything(local_node, monkeypatch, bundle: Path, transition: str) -> None:
    node = local_node(signer_node.SignerNode, "-p", f"bundle:={bundle}")
    entities, threads = _entities(node), threading.active_count()
    broken = "Goals" if transition == "configure" else "Sender"

    def fail(*_: object) -> None:
        raise RuntimeError("a wire came off")

    with monkeypatch.context() as patch:
        patch.setattr(signer_node, broken, fail)
        assert not node.start()
    assert node.failure == "RuntimeError: a wire came off" and node.state == "unconfigured"
    assert _entities(node) == entities and threading.active_count() == threads
    assert node.start(), "it can be configured again"


def test_a_transition_that_raises_does_not_end_the_node() -> None:
    def humble(request: object, response: ChangeState.Response) -> ChangeState.Response:
        raise RuntimeError("Transition is not registered.")

    response = lifecycle.answer_instead_of_raising(humble)(None, ChangeState.Response(success=True))
    assert response.success is False
