"""What the launch files start, as processes over DDS. They need `launch_ros`: an installed ROS 2."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from audience import SIGNED, Audience
from conftest import ROOT, Process
from lifecycle_msgs.srv import GetState
from sensor_msgs.msg import JointState

pytest.importorskip("launch_ros", reason="launch files need an installed ROS 2: launch and launch_ros have no wheels")


@pytest.fixture
def launch_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Launch files of the package as colcon installs it, and viewers that only note how they were called."""
    prefix = tmp_path / "prefix"
    lines = ["import sys", "from text2sign_ros.ros.programs import {name}", "sys.exit({name}())"]
    noted = ["import pathlib, signal, sys", "signal.signal(signal.SIGINT, lambda *_: sys.exit())"]
    noted += ["given = [pathlib.Path(word).read_text() for word in sys.argv if 'launch_params_' in word]"]
    noted += [f"pathlib.Path('{tmp_path / 'called'}').write_text(repr(sys.argv + given))", "signal.pause()"]
    programs = {name: ("text2sign_ros", lines) for name in ("signer", "player", "retarget", "simulated_robot")}
    programs |= {name: (name, noted) for name in ("rviz2", "foxglove_bridge")}
    programs["static_transform_publisher"] = ("tf2_ros", noted)
    for name, (package, program) in programs.items():
        index = prefix / "share" / "ament_index" / "resource_index" / "packages" / package
        file = prefix / "lib" / package / name
        for path in (index, file):
            path.parent.mkdir(parents=True, exist_ok=True)
        index.touch()
        file.write_text("\n".join([f"#!{sys.executable}", *program]).replace("{name}", name))
        file.chmod(0o755)
    share = prefix / "share" / "text2sign_ros"
    share.mkdir()
    for folder in ("config", "launch", "models"):
        (share / folder).symlink_to(ROOT / folder)
    # Whatever is installed besides, as an installed ROS 2 has it in its environment and its wheels have not.
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{prefix}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', sys.prefix)}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "test"), prepend=os.pathsep)
    return share / "launch"


@pytest.fixture
def launch(run_module: Callable[..., Process]) -> Iterator[Callable[..., Process]]:
    """Starts ``ros2 launch`` as far as there is one; what a failed test leaves running is stopped as by Ctrl-C.

    SIGTERM, which ends other processes after a test, would leave the launched ones behind.
    """
    launched: list[Process] = []

    def start(file: Path, *arguments: str) -> Process:
        launched.append(run_module("launcher", str(file), *arguments))
        return launched[-1]

    yield start
    for process in launched:
        process.close(signal.SIGINT)


@pytest.fixture
def audience() -> Iterator[Audience]:
    audience = Audience()
    yield audience
    audience.close()


def stop(launched: Process, nodes: int) -> None:
    """All that was launched ends well at Ctrl-C."""
    launched.signal(signal.SIGINT)
    assert launched.wait(30.0) == 0, "\n".join(launched.log)
    log = "\n".join(launched.log)
    assert len(re.findall("process has finished cleanly", log)) == nodes, log
    assert "process has died" not in log and "Traceback" not in log, log


def test_all_of_it(launch_files: Path, launch: Callable[..., Process], audience: Audience, tmp_path: Path) -> None:
    for name, setting in (("signer", "chunk_frames: 16"), ("player", "rate: 20.0\n    frame: robot")):
        (tmp_path / f"{name}.yaml").write_text(f"/**/{name}:\n  ros__parameters:\n    {setting}\n")
    files = [f"{name}_params_file:={tmp_path / name}.yaml" for name in ("signer", "player")]
    launched = launch(launch_files / "text2sign.launch.py", "backend:=cpu", *files)
    audience.attend("")
    ready = [launched.wait_for("ready: ", timeout=60.0) for _ in range(2)]
    assert any("plays /signer/trajectory at 20 Hz on /player/markers" in line for line in ready), ready
    audience.submit("", "hello")
    audience.until(lambda: audience.goals[""] == [SIGNED], "the text to be signed", timeout=60.0)
    audience.until(lambda: audience.frames[""] == {"robot"}, "markers")
    assert len(audience.chunks[""][0].positions) == 16
    stop(launched, 2)


@pytest.mark.parametrize("sim_time", ["true", "false"])
def test_a_robot_signs(launch_files: Path, launch: Callable[..., Process], audience: Audience, sim_time: str) -> None:
    states: list[JointState] = []
    audience.node.create_subscription(JointState, "/joint_states", states.append, 1000)
    given = ("robot:=gr3", "simulate:=true", f"use_sim_time:={sim_time}", "backend:=cpu")
    launched = launch(launch_files / "text2sign.launch.py", *given)
    audience.attend("")
    ready = [launched.wait_for("ready: ", timeout=60.0) for _ in range(4)]
    assert sum("gr3, 43 joints" in line for line in ready) == 2, ready
    audience.until(lambda: states, "joint states")
    rest = np.array(states[-1].position)
    audience.submit("", "hello")
    audience.until(lambda: audience.goals[""] == [SIGNED], "the text to be signed", timeout=120.0)
    away = max(np.abs(np.array(state.position) - rest).max() for state in states)
    assert away > 0.5, "an arm was raised"
    assert (states[-1].header.stamp.sec < 10_000) == (sim_time == "true"), "whose time it is"
    stop(launched, 4)


def test_a_robot_waits_for_its_manager(launch_files: Path, launch: Callable[..., Process], audience: Audience) -> None:
    launched = launch(launch_files / "robot.launch.py", "robot:=gr3", "autostart:=false", "namespace:=left")
    launched.wait_for("unconfigured: call the transition configure, then activate", timeout=60.0)
    stop(launched, 1)


@pytest.mark.parametrize(
    ("file", "arguments", "words"),
    [
        ("text2sign", ["robot:=gr9"], "there is no robot 'gr9'; known are gr1t2, gr3"),
        ("robot", ["robot:=/nowhere.yaml"], "/nowhere.yaml"),
        ("text2sign", ["simulate:=true"], "simulate:=true needs to know which robot: add robot:=gr3"),
        ("text2sign", ["robot:=gr3", "simulate:=maybe"], "simulate.*maybe"),
        ("robot", ["robot:=gr3", "autostart:=maybe"], "maybe"),
    ],
)
def test_a_wrong_robot_starts_nothing(
    launch_files: Path, launch: Callable[..., Process], file: str, arguments: list[str], words: str
) -> None:
    launched = launch(launch_files / f"{file}.launch.py", *arguments)
    launched.wait_for(words)
    assert launched.wait(30.0) == 1
    assert not [line for line in launched.log if "process started" in line]


def test_a_robot_whose_model_is_missing_stops_all_of_it(
    launch_files: Path, launch: Callable[..., Process], tmp_path: Path
) -> None:
    text = (ROOT / "config" / "robots" / "gr3.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("package: fourier_robot_descriptions", "package: no_such_robot"))
    launched = launch(launch_files / "text2sign.launch.py", f"robot:={tmp_path / 'mine.yaml'}")
    launched.wait_for("FATAL.*the Python package no_such_robot is not installed", timeout=60.0)
    launched.wait(30.0)
    assert any("signer" in line and "process has finished cleanly" in line for line in launched.log), launched.log


def test_two_signers(launch_files: Path, launch: Callable[..., Process], audience: Audience, bundle: Path) -> None:
    launched = launch(launch_files / "two_signers.launch.py", f"left_bundle:={bundle}/.")
    for namespace in ("/left", "/right"):
        audience.attend(namespace)
    ready = sorted(launched.wait_for("ready: ", timeout=60.0) for _ in range(4))
    assert [f"{bundle}/. at" in line for line in ready if " at 25 fps" in line].count(True) == 1, ready
    audience.submit("/left", "hello")
    audience.until(lambda: audience.goals["/left"] == [SIGNED], "the left one to sign", timeout=60.0)
    assert audience.chunks["/left"] and not audience.chunks["/right"] and not audience.goals["/right"]
    audience.submit("/right", "thank you")
    audience.until(lambda: audience.goals["/right"] == [SIGNED], "the right one to sign", timeout=60.0)
    assert audience.goals["/left"] == [SIGNED]
    expected = {"/left": {"left/signer"}, "/right": {"right/signer"}}
    audience.until(lambda: audience.frames == expected, "markers")
    audience.until(lambda: audience.layout_frames == expected, "layouts")
    assert audience.chunk_frames == expected
    stop(launched, 4)


@pytest.mark.parametrize(
    ("viewer", "program", "words"),
    [
        ("rviz", "rviz2", ["player.rviz", "'-f', 'left/signer'", "/player/markers:=player/markers"]),
        ("foxglove", "foxglove_bridge", ["__ns:=/left", "address: 127.0.0.1"]),
    ],
)
def test_viewers(
    launch_files: Path, launch: Callable[..., Process], tmp_path: Path, viewer: str, program: str, words: list[str]
) -> None:
    arguments = ("namespace:=left", "frame:=left/signer", "autostart:=false", f"viewer:={viewer}")
    launched = launch(launch_files / "text2sign.launch.py", *arguments)
    launched.wait_for("plays /left/signer/trajectory", timeout=60.0)
    deadline = time.monotonic() + 60.0
    while not (tmp_path / "called").exists() or not (called := (tmp_path / "called").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert program in called and all(word in called for word in words), called
    stop(launched, 3)


@pytest.mark.parametrize(
    ("file", "argument", "package"),
    [
        ("text2sign", "viewer:=rviz", "rviz2"),
        ("text2sign", "viewer:=foxglove", "foxglove_bridge"),
        ("player", "rviz:=true", "rviz2"),
        ("mounted", "viewer:=foxglove", "foxglove_bridge"),
    ],
)
def test_a_viewer_that_is_not_installed_starts_nothing(
    launch_files: Path, launch: Callable[..., Process], tmp_path: Path, file: str, argument: str, package: str
) -> None:
    (tmp_path / "prefix" / "share" / "ament_index" / "resource_index" / "packages" / package).unlink()
    launched = launch(launch_files / f"{file}.launch.py", argument)
    launched.wait_for(f"{argument} needs the package {package}, .*apt install ros-.*-{package.replace('_', '-')}$")
    assert launched.wait(30.0) == 1
    assert not [line for line in launched.log if "process started" in line]


def test_mounted_on_a_robot(
    launch_files: Path, launch: Callable[..., Process], audience: Audience, tmp_path: Path
) -> None:
    launched = launch(launch_files / "mounted.launch.py", "frame:=gr1/signer", "z:=1.2", "yaw:=-1.57")
    audience.attend("")
    audience.submit("", "hello")
    audience.until(lambda: audience.goals[""] == [SIGNED], "the text to be signed", timeout=60.0)
    audience.until(lambda: audience.frames[""] == {"gr1/signer"}, "markers")
    assert audience.chunk_frames[""] == {"gr1/signer"}
    called = (tmp_path / "called").read_text()
    frames = "'--frame-id', 'base_link', '--child-frame-id', 'gr1/signer'"
    assert f"{frames}, '--x', '0.0', '--y', '0.0', '--z', '1.2', '--yaw', '-1.57'" in called
    stop(launched, 3)


def test_where_tf2_ros_is_not_installed_nothing_is_mounted(
    launch_files: Path, launch: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "prefix" / "share" / "ament_index" / "resource_index" / "packages" / "tf2_ros").unlink()
    launched = launch(launch_files / "mounted.launch.py")
    launched.wait_for("mounted.launch.py needs the package tf2_ros, .*apt install ros-.*-tf2-ros$")
    assert launched.wait(30.0) == 1
    assert not [line for line in launched.log if "process started" in line]


def test_a_wrong_bundle_stops_all_of_it(launch_files: Path, launch: Callable[..., Process]) -> None:
    launched = launch(launch_files / "text2sign.launch.py", "bundle:=/nowhere")
    launched.wait_for("FATAL.* /nowhere/bundle.json is missing", timeout=60.0)
    launched.wait(30.0)
    assert any("player-2]: process has finished cleanly" in line for line in launched.log), launched.log
    assert sum("/nowhere/bundle.json" in line for line in launched.log) == 1, "the reason, once"


def test_respawn(launch_files: Path, launch: Callable[..., Process], audience: Audience) -> None:
    launched = launch(launch_files / "text2sign.launch.py", "respawn:=true")
    pids = [int(re.search(r"pid \[(\d+)\]", launched.wait_for("process started"))[1]) for _ in range(2)]
    for _ in pids:
        launched.wait_for("ready: ", timeout=60.0)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for _ in pids:
        launched.wait_for("ready: ", timeout=60.0)
    audience.attend("")
    audience.submit("", "hello")
    audience.until(lambda: audience.goals[""] == [SIGNED], "the text to be signed", timeout=60.0)
    launched.signal(signal.SIGINT)
    assert launched.wait(30.0) == 0, "\n".join(launched.log)


DRIVEN = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, GroupAction, IncludeLaunchDescription, LogInfo
from launch.actions import RegisterEventHandler
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import PushRosNamespace
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events import matches_node_name
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

SIGNER = matches_node_name("/robot/signer")


def generate_launch_description():
    def change(transition):
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=SIGNER, transition_id=transition))

    file = PathJoinSubstitution([FindPackageShare("text2sign_ros"), "launch", "text2sign.launch.py"])
    source, arguments = PythonLaunchDescriptionSource(file), {"autostart": "false"}
    text2sign = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    configured = OnStateTransition(
        start_state="configuring", goal_state="inactive", entities=[change(Transition.TRANSITION_ACTIVATE)]
    )
    kept = LogInfo(msg=["kept ", LaunchConfiguration("params_file")])
    return LaunchDescription(
        [
            # What others call by these names is not meant for the signer.
            DeclareLaunchArgument("params_file", default_value="/nowhere.yaml"),
            DeclareLaunchArgument("trajectory", default_value="/nowhere"),
            RegisterEventHandler(configured),
            GroupAction([PushRosNamespace("robot"), text2sign, kept]),
            change(Transition.TRANSITION_CONFIGURE),
        ]
    )
"""


def test_an_including_file_makes_the_transitions(
    launch_files: Path, launch: Callable[..., Process], audience: Audience, tmp_path: Path
) -> None:
    (tmp_path / "driven.launch.py").write_text(DRIVEN)
    launched = launch(tmp_path / "driven.launch.py")
    audience.attend("/robot")
    launched.wait_for("kept /nowhere.yaml")
    launched.wait_for("plays /robot/signer/trajectory", timeout=60.0)
    launched.wait_for("ready: .* fps", timeout=60.0)
    audience.submit("/robot", "hello")
    audience.until(lambda: audience.goals["/robot"] == [SIGNED], "the text to be signed", timeout=60.0)

    signer = audience.clients["/robot"]
    signer.change("deactivate")
    time.sleep(1.0)  # for what would activate it
    state = signer.call(GetState, "get_state", GetState.Request()).current_state.label
    assert state == "inactive", "what was deactivated by hand is left so"
    stop(launched, 2)
