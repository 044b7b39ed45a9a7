"""The launch file: its arguments reach the node. Needs `launch_ros`, which exists only with a ROS 2 installation."""

from __future__ import annotations

import importlib.util

import pytest
from conftest import ROOT

pytest.importorskip("launch_ros", reason="launch files need an installed ROS 2: launch and launch_ros have no wheels")


def _description():
    spec = importlib.util.spec_from_file_location("signer_launch", ROOT / "launch" / "signer.launch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def _nodes(**arguments: str):
    from launch import LaunchContext
    from launch.actions import DeclareLaunchArgument

    context = LaunchContext()
    context.launch_configurations.update(arguments, params_file=str(ROOT / "config" / "signer.yaml"))
    nodes = []
    for entity in _description().entities:
        result = entity.visit(context)
        if not isinstance(entity, DeclareLaunchArgument):
            nodes += result
    return nodes, context


def test_arguments() -> None:
    declared = {argument.name for argument in _description().get_launch_arguments()}
    assert declared == {"bundle", "backend", "namespace", "params_file", "use_sim_time", "log_level"}


@pytest.mark.parametrize(("bundle", "backend"), [("", ""), ("/some/where/1.0", "cpu")])
def test_node(bundle: str, backend: str) -> None:
    (node,), context = _nodes(bundle=bundle, backend=backend, namespace="robot", use_sim_time="true", log_level="debug")
    node._perform_substitutions(context)
    assert node.node_name == "/robot/signer"
    from launch_ros.utilities import evaluate_parameters

    file, *values = evaluate_parameters(context, node._Node__parameters)
    assert str(file) == str(ROOT / "config" / "signer.yaml")
    given = {"bundle": bundle, "backend": backend}
    expected = {"use_sim_time": True} | {name: value for name, value in given.items() if value}
    assert {name: value for part in values for name, value in part.items()} == expected
