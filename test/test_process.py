"""What the processes of both nodes do alike: command line, signals, broken parameters and parameters files."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Companion, Process
from std_msgs.msg import String

from text2sign_ros.resources import version
from text2sign_ros.ros import parameters

QOS = "qos_overrides./player/markers.publisher.reliability"


def assert_refused(process: Process, words: str) -> None:
    """It ended with one line, which has ``words``."""
    process.wait_for(words)
    assert process.wait() == 1
    assert "Traceback" not in "\n".join(process.log)


@pytest.mark.parametrize(
    ("node", "delay"), [("signer", 0.5), ("signer", 0.8), ("player", 0.3), ("player", 0.45), ("player", 0.6)]
)
def test_stop_while_starting(run_node: Callable[..., Process], node: str, delay: float) -> None:
    process = run_node(node)
    time.sleep(delay)
    process.signal(signal.SIGTERM)
    assert process.wait() in (0, -signal.SIGTERM)  # the latter before rclpy has taken the signal over
    assert "Traceback" not in "\n".join(process.log)


PROGRAM = """
import sys

from text2sign_ros.ros import programs, signals

signals.hold()
print("begun", flush=True)
sys.exit(getattr(programs, sys.argv.pop(1))())
"""


@pytest.fixture
def run_program(run_module: Callable[..., Process], tmp_path: Path) -> Callable[..., Process]:
    """Starts what `ros2 run` starts, and waits until signals can come."""
    (tmp_path / "program.py").write_text(PROGRAM)

    def start(*words: str) -> Process:
        process = run_module("program", *words, env={"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))})
        process.wait_for("begun")
        return process

    return start


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("node", ["signer", "player"])
def test_signals_at_random_times_end_it_quietly(run_program: Callable[..., Process], node: str, seed: int) -> None:
    chance = random.Random(f"{node} {seed}")
    process = run_program(node)
    time.sleep(chance.uniform(0.0, 1.5))  # while it imports, configures, or is ready
    for _ in range(3):
        process.signal(chance.choice([signal.SIGINT, signal.SIGTERM]))
        time.sleep(chance.uniform(0.0, 0.1))
    assert process.wait() == 0
    assert all("[INFO]" in line for line in process.log[1:]), "\n".join(process.log)


@pytest.mark.parametrize("node", ["signer", "player"])
def test_command_line(run_program: Callable[..., Process], node: str) -> None:
    process = run_program(node, "--help")
    process.wait_for(rf"usage: {node} ")
    process.wait_for("frame .'signer'.: ")
    assert process.wait() == 0
    process = run_program(node, "--ros-args", "-r", "__ns:=/left", "--", "--version")
    process.wait_for(f"^text2sign_ros {version()}$")
    assert process.wait() == 0
    process = run_program(node, "sign", "--ros-args", "-p", "frame:=left", "--", "--quickly")
    process.wait_for(f"{node}: error: unrecognized arguments: sign --quickly")
    assert process.wait() == 2


SHARED = """
/**:
  ros__parameters:
    robot: {ip: 10.0.0.1, arms: {left: 1}}
    use_sim_time: false
    max_velocity: 3.0
    strt_delay: 0.2
/*/signer:
  ros__parameters: {sed: 1, rate: 20.0}
/other:
  ros__parameters: {lead_tme: 3.0}
"""


def test_unknown_parameters_are_named_with_the_nearest(run_node: Callable[..., Process], tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text(SHARED)
    given = ("--params-file", str(tmp_path / "shared.yaml"), "-r", "__ns:=/left")
    qos = {"qos_overrides./left/signer/trajectory.publisher.depth": 7, "start_type_description_service": True}
    process = run_node("signer", *given, autostart=False, colour="red", max_velocty=2.0, **qos)
    unknown = "colour, max_velocty (did you mean max_velocity?), rate (did you mean max_rate?), "
    unknown += "sed (did you mean seed?), strt_delay (did you mean start_delay?)"
    line = process.wait_for("WARN")
    assert line.endswith(f"signer has no such parameters, and ignores them: {unknown}"), line
    process.wait_for("INFO.*unconfigured: call the transition configure, then activate")
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    good, bad = (f"qos_overrides./left/player/markers.publisher.{policy}" for policy in ("reliability", "relability"))
    process = run_node("player", *given, rte=30.0, use_sim_tme=True, **{bad: "best_effort"})
    unknown = "rte (did you mean rate?), use_sim_tme (did you mean use_sim_time?)"
    assert process.wait_for("WARN").endswith(f"and ignores them: {unknown}")
    line = process.wait_for("WARN")
    assert line.endswith(f"player has no such QoS overrides, and ignores them: {bad} (did you mean {good}?)"), line
    process.wait_for("ready")


def test_unknown_qos_overrides_of_the_signer_are_named(run_signer: Callable[..., Process]) -> None:
    good, bad = (f"qos_overrides./signer/{topic}.publisher.depth" for topic in ("trajectory", "trajectry"))
    process = run_signer(**{bad: 7})
    line = process.wait_for("WARN")
    assert line.endswith(f"signer has no such QoS overrides, and ignores them: {bad} (did you mean {good}?)"), line
    process.wait_for("ready")


@pytest.mark.parametrize("node", ["signer", "player"])
def test_known_parameters_are_not_warned_of(run_node: Callable[..., Process], node: str) -> None:
    process = run_node(node, use_sim_time=False)
    process.wait_for("ready")
    assert not [line for line in process.log if "WARN" in line]


def test_a_relative_bundle_that_is_missing_is_shown_absolute(run_node: Callable[..., Process]) -> None:
    assert_refused(run_node("signer", bundle="nowhere/bundle"), f"FATAL.* {Path.cwd()}/nowhere/bundle/bundle.json is")


@pytest.mark.parametrize("node", ["signer", "player"])
def test_missing_parameters_file(run_node: Callable[..., Process], node: str) -> None:
    assert_refused(run_node(node, "--params-file", "/no/such/file.yaml"), f"{node}: .*/no/such/file.yaml")


@pytest.mark.parametrize(
    ("node", "name", "value"),
    [
        ("signer", "lead_time", 1),
        ("signer", "chunk_frames", 0),
        ("signer", "start_delay", ".nan"),
        ("signer", "backend", "gpu"),
        ("signer", "max_velocity", 1e-9),
        ("player", "rate", 1),
        ("player", "rate", 1e9),
        ("player", "frame", 7),
        ("player", "frame", "/signer"),
        ("signer", "frame", "'left signer'"),
        ("signer", "frame", "''"),
        ("player", QOS, "sometimes"),
    ],
)
def test_invalid_parameters_are_named(run_node: Callable[..., Process], node: str, name: str, value: object) -> None:
    assert_refused(run_node(node, **{name: value}), f"FATAL.*{name.rsplit('.', 1)[-1]}")


NODE = """
import sys

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.time import Time
from std_msgs.msg import String

from text2sign_ros.errors import Text2SignError
from text2sign_ros.ros import process
from text2sign_ros.ros.executor import SideExecutor, SideGroup


def make(stack):
    node = Node("subject", parameter_overrides=[Parameter("use_sim_time", value=True)])
    group = SideGroup() if EXECUTOR == "side" else None
    node.create_subscription(String, "~/text", lambda message: work(node, message.data), 10, callback_group=group)
    return node


def work(node, text):
    if text == "a number":
        int(text)
    if text == "bad input":
        raise Text2SignError("this is bad input")
    if text == "a time":
        Time(seconds=-1)
    print("heard", text, flush=True)


EXECUTOR = sys.argv.pop()
executor = {"executor": SideExecutor} if EXECUTOR == "side" else {}
sys.exit(process.run("subject", make, **executor))
"""


@pytest.fixture(params=["single", "side"])
def subject(
    request: pytest.FixtureRequest, run_module: Callable[..., Process], tmp_path: Path
) -> Iterator[tuple[Process, Companion]]:
    """A node whose callback of ~/text raises what the text says, with each executor, and what talks to it."""
    (tmp_path / "subject.py").write_text(NODE)
    search = os.pathsep.join((str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")))
    companion = Companion("companion")
    companion.texts = companion.node.create_publisher(String, "/subject/text", 10)
    yield run_module("subject", request.param, env={"PYTHONPATH": search}), companion
    companion.close()


@pytest.mark.parametrize(
    ("text", "named"),
    [("a number", "invalid literal"), ("bad input", "this is bad input"), ("a time", "must not be negative")],
)
def test_a_value_error_raised_by_the_node_ends_it_with_a_traceback(
    subject: tuple[Process, Companion], text: str, named: str
) -> None:
    process, companion = subject
    companion.say(text)
    assert process.wait() == 1
    log = "\n".join(process.log)
    assert "Traceback" in log and named in log and "in work" in log


def test_what_rclpy_can_not_convert_is_ignored_with_a_warning(subject: tuple[Process, Companion]) -> None:
    process, companion = subject
    companion.say("hello")
    process.wait_for("heard hello")
    companion.until(companion.clock.get_subscription_count, "the node to listen to the clock")
    companion.set_clock(-1.0)
    process.wait_for("is ignored: .*must not be negative")
    companion.say("again")
    process.wait_for("heard again")
    assert "Traceback" not in "\n".join(process.log)


@pytest.mark.parametrize(
    ("node", "settings"),
    [
        ("signer", parameters.SIGNER),
        ("player", parameters.PLAYER),
        ("simulated_robot", parameters.SIMULATED_ROBOT),
        ("retarget", parameters.RETARGET),
        ("viewer", parameters.VIEWER),
    ],
)
def test_parameters_file_is_complete_and_holds_the_defaults(
    node: str, settings: tuple[parameters.Setting, ...]
) -> None:
    (name, content), *others = yaml.safe_load((ROOT / "config" / f"{node}.yaml").read_text()).items()
    assert name == f"/**/{node}" and not others
    assert content["ros__parameters"] == {setting.name: setting.default for setting in settings}


@pytest.mark.parametrize("node", ["signer", "player"])
def test_a_home_that_can_not_be_written_stops_no_node(
    run_module: Callable[..., Process], tmp_path: Path, node: str
) -> None:
    """ROS 2 makes its folder of log files there, and ends a process that can't."""
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    unset = dict.fromkeys(("ROS_HOME", "ROS_LOG_DIR"), "")
    process = run_module(
        f"text2sign_ros.ros.{node}_node",
        env={"HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "temporary"), **unset},
    )
    process.wait_for(
        f"{node}: log files can't be written to {tmp_path}/file/.ros/log .*: name a folder with ROS_LOG_DIR"
    )
    process.wait_for("ready")
    (folder,) = (tmp_path / "temporary").glob("text2sign_log_*")
    assert list(folder.iterdir()), "the log is there"
