"""The way to the robot: whatever dies, freezes, jumps or floods, its joints stay in their limits and come to rest."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Process
from robots import robot
from sensor_msgs.msg import JointState

from faults.ledger import LONG, TIMEOUT, Ledger
from faults.stage import RobotWitness, Stage
from text2sign_ros.retarget import description

TEXT = "hello thank you"
ROUNDS = 8 if LONG else 1
JOINTS = list(description.load("gr3").controlled)
NAMES = {"signer": "signer", "mover": "retarget", "robot": "simulated robot"}


@pytest.fixture
def watcher() -> Iterator[RobotWitness]:
    robot("gr3")
    witness = RobotWitness()
    yield witness
    witness.close()


@pytest.fixture
def stage(run_node: Callable[..., Process], watcher: RobotWitness, tmp_path: Path) -> Stage:
    stage = Stage(run_node, watcher, tmp_path)
    watcher.signs_with_the_robot()
    return stage


def begin(watcher: RobotWitness, text: str = TEXT) -> None:
    """A text, until the arms are in the middle of it: so the robot works, whatever was before."""
    watcher.until(watcher.is_ready, "retarget to be ready", timeout=90.0)
    watcher.send(text)
    watcher.until_it_moves()
    time.sleep(random.uniform(0.0, 1.0) if LONG else 0.3)


def end(watcher: RobotWitness) -> None:
    """What was sent has ended, once, and the robot stands."""
    watcher.settle()
    watcher.until_it_rests()


def cancel(stage: Stage, watcher: RobotWitness) -> None:
    begin(watcher)
    assert watcher.trigger("cancel").success
    end(watcher)


def pause(stage: Stage, watcher: RobotWitness) -> None:
    begin(watcher)
    assert watcher.trigger("pause").success
    watcher.until_it_rests()
    assert watcher.trigger("resume").success
    watcher.until_it_moves()
    end(watcher)


def replace(stage: Stage, watcher: RobotWitness) -> None:
    begin(watcher)
    assert watcher.set(policy="replace")[0].successful
    watcher.send("no")
    watcher.settle()
    assert watcher.set(policy="queue")[0].successful
    end(watcher)


def freeze(which: str) -> Callable[[Stage, RobotWitness], None]:
    def scenario(stage: Stage, watcher: RobotWitness) -> None:
        begin(watcher)
        process: Process = getattr(stage, which)
        process.signal(signal.SIGSTOP)
        time.sleep(2.0)
        process.signal(signal.SIGCONT)
        end(watcher)

    return scenario


def kill_retarget(stage: Stage, watcher: RobotWitness) -> None:
    begin(watcher)
    stage.mover.signal(signal.SIGKILL)
    assert stage.mover.wait() == -signal.SIGKILL
    watcher.until_it_rests()
    stage.start_mover()
    end(watcher)


def end_retarget(stage: Stage, watcher: RobotWitness) -> None:
    begin(watcher)
    stage.mover.signal(signal.SIGTERM)
    assert stage.mover.wait() == 0
    watcher.until_it_rests()
    stage.start_mover()
    end(watcher)


def kill_signer(stage: Stage, watcher: RobotWitness) -> None:
    begin(watcher)
    stage.signer.signal(signal.SIGKILL)
    assert stage.signer.wait() == -signal.SIGKILL
    watcher.until_it_rests()
    watcher.forget_what_was_sent()
    stage.start_signer()
    watcher.until_it_rests()


def flood_of_texts(stage: Stage, watcher: RobotWitness) -> None:
    begin(watcher)
    watcher.send(*["a " * 1000] * 10, *["no"] * 50)
    time.sleep(1.0)
    assert watcher.trigger("cancel").success
    end(watcher)


def flood_of_joint_states(stage: Stage, watcher: RobotWitness) -> None:
    """None of a robot's at 1 kHz, among the good ones."""
    topic = watcher.node.create_publisher(JointState, "/joint_states", 1000)
    messages, flooding = [hostile(kind) for kind in KINDS], threading.Event()
    flooding.set()

    def flood() -> None:
        began, count = time.monotonic(), 0
        while flooding.is_set():
            due = int((time.monotonic() - began) * 1000)
            while count < due:
                topic.publish(messages[count % len(messages)])
                count += 1
            time.sleep(0.002)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        begin(watcher)
        end(watcher)
    finally:
        flooding.clear()
        thread.join()
        time.sleep(0.5)


def joint_states_stop(stage: Stage, watcher: RobotWitness) -> None:
    """Retarget hears them by way of the test, which falls silent; the robot goes on."""
    stage.mover.signal(signal.SIGTERM)
    assert stage.mover.wait(30.0) == 0
    topic = watcher.node.create_publisher(JointState, "/relayed", 10)
    watcher.relay = topic.publish
    stage.start_mover("-r", "/joint_states:=/relayed")
    begin(watcher)
    watcher.relay = lambda _: None
    stage.mover.wait_for("no joint states for 0.5 s: the robot is brought to rest")
    watcher.until_it_rests()
    watcher.until(lambda: watcher.complaint.startswith("joint states have stopped"), "diagnostics")
    end(watcher)
    watcher.relay = topic.publish


SCENARIOS = {
    "canceled": cancel,
    "paused and resumed": pause,
    "replaced by another text": replace,
    **{f"{NAMES[which]} frozen for 2 s": freeze(which) for which in NAMES},
    "retarget killed, and started again": kill_retarget,
    "retarget ended by SIGTERM, and started again": end_retarget,
    "a flood of texts": flood_of_texts,
    "hostile joint states at 1 kHz": flood_of_joint_states,
    "joint states stop": joint_states_stop,
    "signer killed, and started again": kill_signer,
}


@pytest.mark.timeout(3 * TIMEOUT)
def test_the_way_to_the_robot(stage: Stage, watcher: RobotWitness, ledger: Ledger) -> None:
    """In each the robot moves, by another text, and comes to rest; and is told nothing beyond a limit."""
    spans, began = [], time.monotonic()
    for name, scenario in SCENARIOS.items():
        since, sent = watcher.nanoseconds, watcher.sent
        for _ in range(ROUNDS):
            scenario(stage, watcher)
        spans.append((name, watcher.sent - sent, since, watcher.nanoseconds))
        print(f"  {name}: came to rest, {time.monotonic() - began:.0f} s", flush=True)
    watcher.signs_with_the_robot()
    stage.end()
    judged = [(name, texts, *stage.judged(since, until)) for name, texts, since, until in spans]
    for name, texts, rows, found in judged:
        ledger.robot(name, ROUNDS, texts, rows, found)
    assert all(rows > 100 and not any(found.values()) for _, _, rows, found in judged), judged


@pytest.mark.timeout(3 * TIMEOUT)
def test_the_robot_is_killed_and_the_clock_jumps(stage: Stage, watcher: RobotWitness, ledger: Ledger) -> None:
    for _ in range(max(ROUNDS // 4, 1)):
        begin(watcher)
        stage.robot.signal(signal.SIGKILL)
        assert stage.robot.wait() == -signal.SIGKILL
        stage.mover.wait_for("no joint states for 0.5 s: the robot is brought to rest")
        watcher.settle()
        stage.start_robot()
        watcher.until_it_rests()
    for seconds in (30.0, -30.0, 0.5, -0.5) * ROUNDS:
        begin(watcher)
        watcher.jump(seconds)
        end(watcher)
    watcher.signs_with_the_robot()
    stage.end()
    rows, found = stage.judged()
    ledger.robot(
        "robot killed and started again; clock jumps by 30 and 0.5 s, both ways", ROUNDS, watcher.sent, rows, found
    )
    assert rows > 100 and not any(found.values()), found


def hostile(kind: str) -> JointState:
    """A message that no robot sends."""
    rest = robot("gr3").rest.tolist()
    message = JointState(name=list(JOINTS), position=rest, velocity=[0.0] * len(rest))
    if kind == "nan":
        message.position = [float("nan")] * len(rest)
    elif kind == "names":
        message.name = [f"{name}_of_another" for name in JOINTS]
    elif kind == "missing":
        message.name, message.position, message.velocity = JOINTS[:20], rest[:20], [0.0] * 20
        message.position[3] = float("inf")
    elif kind == "lengths":
        message.position = rest[:7]
    elif kind == "empty":
        message = JointState()
    return message


KINDS = ("nan", "names", "missing", "lengths", "empty")
