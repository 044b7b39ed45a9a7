"""The launch files: their arguments reach the nodes. They need `launch_ros`: an installed ROS 2."""

from __future__ import annotations

import importlib.util

import pytest
from conftest import ROOT

pytest.importorskip("launch_ros", reason="launch files need an installed ROS 2: launch and launch_ros have no wheels")


def _description(name: str):
    spec = importlib.util.spec_from_file_location(f"{name}_launch", ROOT / "launch" / f"{name}.launch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def _nodes(name: str, **arguments: str):
    """The nodes that a launch file makes with ``arguments``, and their context."""
    from launch import LaunchContext
    from launch_ros.actions import Node

    context = LaunchContext()
    defaults = {"params_file": str(ROOT / "config" / f"{name}.yaml"), "respawn": "false"}
    context.launch_configurations.update(defaults | arguments)
    nodes = []
    for entity in _description(name).entities:
        nodes += [made for made in entity.visit(context) or [] if isinstance(made, Node)]
    return nodes, context


def test_arguments() -> None:
    declared = {argument.name for argument in _description("signer").get_launch_arguments()}
    common = {"namespace", "params_file", "respawn", "use_sim_time", "log_level"}
    assert declared == {"bundle", "backend", "frame", "autostart"} | common
    declared = {argument.name for argument in _description("player").get_launch_arguments()}
    assert declared == {"trajectory", "frame", "rviz"} | common
    declared = {argument.name for argument in _description("text2sign").get_launch_arguments()}
    files = {f"{name}_params_file" for name in ("signer", "player", "retarget", "simulated_robot")}
    of_nodes = {"bundle", "backend", "autostart", "frame", "viewer", "robot", "simulate"}
    assert declared == of_nodes | files | common - {"params_file"}
    declared = {argument.name for argument in _description("robot").get_launch_arguments()}
    files = {"retarget_params_file", "simulated_robot_params_file"}
    assert declared == {"robot", "simulate", "autostart"} | files | common - {"params_file"}


@pytest.mark.parametrize("simulate", [True, False])
@pytest.mark.parametrize("sim_time", [True, False])
def test_robot(simulate: bool, sim_time: bool) -> None:
    from launch_ros.utilities import evaluate_parameters

    files = {f"{name}_params_file": str(ROOT / "config" / f"{name}.yaml") for name in ("retarget", "simulated_robot")}
    given = {"robot": "gr1t2", "simulate": str(simulate).lower(), "use_sim_time": str(sim_time).lower()}
    nodes, context = _nodes("robot", **given, **files, autostart="false", namespace="left", log_level="debug")
    found = {}
    for node in nodes:
        node._perform_substitutions(context)
        file, values = evaluate_parameters(context, node._Node__parameters)
        assert str(file) == str(ROOT / "config" / f"{node.node_name.removeprefix('/left/')}.yaml")
        found[node.node_name] = values
    expected = {"/left/retarget": {"robot": "gr1t2", "use_sim_time": sim_time, "autostart": False}}
    if simulate:
        expected["/left/simulated_robot"] = {"robot": "gr1t2", "clock": sim_time}
    assert found == expected


@pytest.mark.parametrize(
    "given",
    [
        {"bundle": "", "backend": "", "frame": "", "autostart": ""},
        {"bundle": "/1.0", "backend": "cpu", "frame": "7", "autostart": "false"},
    ],
)
def test_node(given: dict[str, str]) -> None:
    (node,), context = _nodes("signer", **given, namespace="robot", use_sim_time="true", log_level="debug")
    node._perform_substitutions(context)
    assert node.node_name == "/robot/signer"
    from launch_ros.utilities import evaluate_parameters

    file, *values = evaluate_parameters(context, node._Node__parameters)
    assert str(file) == str(ROOT / "config" / "signer.yaml")
    expected = {"use_sim_time": True} | {name: value for name, value in given.items() if value}
    if given["autostart"]:
        expected["autostart"] = False
    assert {name: value for part in values for name, value in part.items()} == expected


@pytest.mark.parametrize(("frame", "trajectory"), [("", "signer/trajectory"), ("left", "/elsewhere")])
def test_player(frame: str, trajectory: str, monkeypatch) -> None:
    from launch.utilities import perform_substitutions
    from launch_ros.substitutions import FindPackageShare
    from launch_ros.utilities import evaluate_parameters

    monkeypatch.setattr(FindPackageShare, "find", lambda self, name: str(ROOT))
    monkeypatch.setattr("ament_index_python.packages.get_package_prefix", lambda name: str(ROOT))
    arguments = {"namespace": "robot", "use_sim_time": "true", "log_level": "debug", "rviz": "true"}
    (player, rviz), context = _nodes("player", frame=frame, trajectory=trajectory, **arguments)
    for node in (player, rviz):
        node._perform_substitutions(context)
    assert (player.node_name, rviz.node_name) == ("/robot/player", "/robot/rviz")
    assert player.expanded_remapping_rules == [("signer/trajectory", trajectory)]
    file, *values = evaluate_parameters(context, player._Node__parameters)
    assert str(file) == str(ROOT / "config" / "player.yaml")
    expected = {"use_sim_time": True} | ({"frame": frame} if frame else {})
    assert {name: value for part in values for name, value in part.items()} == expected
    expected = ["-d", str(ROOT / "config" / "player.rviz"), *(["-f", frame] if frame else [])]
    given = rviz.cmd[1 : 1 + len(expected)]
    assert [perform_substitutions(context, part) for part in given] == expected
    assert rviz.condition.evaluate(context)
    (_, rviz), context = _nodes("player", frame="", trajectory=trajectory, **(arguments | {"rviz": "false"}))
    assert not rviz.condition.evaluate(context)
