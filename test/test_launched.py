"""What the launch files start, as processes over DDS. They need `launch_ros`: an installed ROS 2."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from action_msgs.msg import GoalStatusArray
from conftest import ROOT, Companion, Process
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory
from visualization_msgs.msg import MarkerArray

pytest.importorskip("launch_ros", reason="launch files need an installed ROS 2: launch and launch_ros have no wheels")

SIGNED = 4
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Launch files of the package as colcon installs it, and viewers that only note how they were called."""
    prefix = tmp_path / "prefix"
    lines = ["import sys", "from text2sign_ros.ros.{name}_node import main", "sys.exit(main())"]
    noted = ["import pathlib, signal, sys", "signal.signal(signal.SIGINT, lambda *_: sys.exit())"]
    noted += [f"pathlib.Path('{tmp_path / 'called'}').write_text(repr(sys.argv))", "signal.pause()"]
    programs = {"signer": ("text2sign_ros", lines), "player": ("text2sign_ros", lines)}
    programs |= {name: (name, noted) for name in ("rviz2", "foxglove_bridge")}
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
    paths = [str(prefix), *filter(None, [os.environ.get("AMENT_PREFIX_PATH", sys.prefix)])]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(paths))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "test"), prepend=os.pathsep)
    return share / "launch"


class Audience(Companion):
    """Talks to signers by name and keeps what they and their players say."""

    def __init__(self) -> None:
        super().__init__("audience")
        self.chunks: dict[str, list[MultiDOFJointTrajectory]] = {}
        self.goals: dict[str, list[int]] = {}
        self.frames: dict[str, set[str]] = {}
        self._publishers: dict[str, object] = {}

    def attend(self, namespace: str) -> None:
        def on_chunk(message: MultiDOFJointTrajectory) -> None:
            self.chunks[namespace].append(message)

        def on_status(message: GoalStatusArray) -> None:
            self.goals[namespace] = [goal.status for goal in message.status_list]

        def on_markers(message: MarkerArray) -> None:
            self.frames[namespace] |= {marker.header.frame_id for marker in message.markers}

        self.chunks[namespace], self.goals[namespace], self.frames[namespace] = [], [], set()
        create = self.node.create_subscription
        create(MultiDOFJointTrajectory, f"{namespace}/signer/trajectory", on_chunk, QoSProfile(depth=1000))
        create(GoalStatusArray, f"{namespace}/signer/status", on_status, LATCHED)
        create(MarkerArray, f"{namespace}/player/markers", on_markers, LATCHED)
        self._publishers[namespace] = self.node.create_publisher(String, f"{namespace}/signer/text", 10)

    def tell(self, namespace: str, text: str) -> None:
        publisher = self._publishers[namespace]
        self.until(publisher.get_subscription_count, "the node to listen")
        publisher.publish(String(data=text))

    def call(self, kind: type, name: str, request: object) -> object:
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(30.0), name
        time.sleep(0.3)  # as in test_lifecycle
        future = client.call_async(request)
        self.until(future.done, f"an answer of {name}")
        return future.result()

    def situation(self) -> str:
        return f"goals {self.goals}, frames {self.frames}"


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


def test_all_of_it(prefix: Path, run_module: Callable[..., Process], audience: Audience, tmp_path: Path) -> None:
    for name, setting in (("signer", "chunk_frames: 16"), ("player", "rate: 20.0\n    frame: robot")):
        (tmp_path / f"{name}.yaml").write_text(f"/**/{name}:\n  ros__parameters:\n    {setting}\n")
    files = [f"{name}_params_file:={tmp_path / name}.yaml" for name in ("signer", "player")]
    launched = run_module("launcher", str(prefix / "text2sign.launch.py"), "backend:=cpu", *files)
    audience.attend("")
    ready = [launched.wait_for("ready: ", timeout=60.0) for _ in range(2)]
    assert any("plays /signer/trajectory at 20 Hz on /player/markers" in line for line in ready), ready
    audience.tell("", "hello")
    audience.until(lambda: audience.goals[""] == [SIGNED], "the text to be signed", timeout=60.0)
    audience.until(lambda: audience.frames[""] == {"robot"}, "markers")
    assert len(audience.chunks[""][0].points) == 16
    stop(launched, 2)


def test_two_signers(prefix: Path, run_module: Callable[..., Process], audience: Audience, bundle: Path) -> None:
    launched = run_module("launcher", str(prefix / "two_signers.launch.py"), f"left_bundle:={bundle}/.")
    for namespace in ("/left", "/right"):
        audience.attend(namespace)
    ready = sorted(launched.wait_for("ready: ", timeout=60.0) for _ in range(4))
    assert [f"{bundle}/. at" in line for line in ready if " at 25 fps" in line].count(True) == 1, ready
    audience.tell("/left", "hello")
    audience.until(lambda: audience.goals["/left"] == [SIGNED], "the left one to sign", timeout=60.0)
    assert audience.chunks["/left"] and not audience.chunks["/right"] and not audience.goals["/right"]
    audience.tell("/right", "thank you")
    audience.until(lambda: audience.goals["/right"] == [SIGNED], "the right one to sign", timeout=60.0)
    assert audience.goals["/left"] == [SIGNED]
    audience.until(lambda: audience.frames == {"/left": {"left/signer"}, "/right": {"right/signer"}}, "markers")
    stop(launched, 4)


@pytest.mark.parametrize(
    ("viewer", "program", "words"),
    [
        ("rviz", "rviz2", ["player.rviz", "'-f', 'left/signer'", "/player/markers:=player/markers"]),
        ("foxglove", "foxglove_bridge", ["__ns:=/left"]),
    ],
)
def test_viewers(
    prefix: Path, run_module: Callable[..., Process], tmp_path: Path, viewer: str, program: str, words: list[str]
) -> None:
    arguments = ("namespace:=left", "frame:=left/signer", "autostart:=false", f"viewer:={viewer}")
    launched = run_module("launcher", str(prefix / "text2sign.launch.py"), *arguments)
    launched.wait_for("plays /left/signer/trajectory", timeout=60.0)
    deadline = time.monotonic() + 60.0
    while not (tmp_path / "called").exists() or not (called := (tmp_path / "called").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert program in called and all(word in called for word in words), called
    stop(launched, 3)


DRIVEN = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, GroupAction, IncludeLaunchDescription, RegisterEventHandler
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
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
    return LaunchDescription(
        [
            # What others call by these names is not meant for the signer.
            DeclareLaunchArgument("params_file", default_value="/nowhere.yaml"),
            DeclareLaunchArgument("trajectory", default_value="/nowhere"),
            RegisterEventHandler(configured),
            GroupAction([PushRosNamespace("robot"), text2sign]),
            change(Transition.TRANSITION_CONFIGURE),
        ]
    )
"""


def test_an_including_file_makes_the_transitions(
    prefix: Path, run_module: Callable[..., Process], audience: Audience, tmp_path: Path
) -> None:
    (tmp_path / "driven.launch.py").write_text(DRIVEN)
    launched = run_module("launcher", str(tmp_path / "driven.launch.py"))
    audience.attend("/robot")
    launched.wait_for("plays /robot/signer/trajectory", timeout=60.0)
    launched.wait_for("ready: .* fps", timeout=60.0)
    audience.tell("/robot", "hello")
    audience.until(lambda: audience.goals["/robot"] == [SIGNED], "the text to be signed", timeout=60.0)

    request = ChangeState.Request()
    request.transition.label = "deactivate"
    assert audience.call(ChangeState, "/robot/signer/change_state", request).success
    time.sleep(1.0)
    state = audience.call(GetState, "/robot/signer/get_state", GetState.Request()).current_state.label
    assert state == "inactive", "what was deactivated by hand is left so"
    stop(launched, 2)
