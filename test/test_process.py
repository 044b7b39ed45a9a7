"""What the processes of both nodes do alike: signals while they start, broken parameters and parameters files."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Companion, Process
from std_msgs.msg import String

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
    group = SideGroup() if sys.argv[1] == "side" else None
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


executor = {"executor": SideExecutor} if sys.argv[1] == "side" else {}
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


@pytest.mark.parametrize(("node", "settings"), [("signer", parameters.SIGNER), ("player", parameters.PLAYER)])
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
