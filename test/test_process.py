"""What the processes of both nodes do alike: signals while they start, broken parameters and parameters files."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
import yaml
from conftest import ROOT, Process

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
def test_parameters_file_that_is_not_there(run_node: Callable[..., Process], node: str) -> None:
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
def test_broken_parameters_are_named(run_node: Callable[..., Process], node: str, name: str, value: object) -> None:
    assert_refused(run_node(node, **{name: value}), f"FATAL.*{name.rsplit('.', 1)[-1]}")


@pytest.mark.parametrize(("node", "settings"), [("signer", parameters.SIGNER), ("player", parameters.PLAYER)])
def test_parameters_file_is_complete_and_holds_the_defaults(
    node: str, settings: tuple[parameters.Setting, ...]
) -> None:
    (name, content), *others = yaml.safe_load((ROOT / "config" / f"{node}.yaml").read_text()).items()
    assert name == f"/**/{node}" and not others
    assert content["ros__parameters"] == {setting.name: setting.default for setting in settings}
