"""What differs between the distributions of ROS 2: Humble's API is all that is used, and the environment is theirs."""

from __future__ import annotations

import ast
import os
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT

from text2sign_ros.ros import environment

# Names that the package imports, each looked up in Humble's branches of ros2/rclpy, launch, launch_ros,
# common_interfaces, rcl_interfaces, geometry2 and unique_identifier_msgs. What the package uses of the messages is the
# same in all distributions.
HUMBLE = {
    "action_msgs.msg": {"GoalInfo", "GoalStatus", "GoalStatusArray"},
    "builtin_interfaces.msg": {"Duration", "Time"},
    "diagnostic_msgs.msg": {"DiagnosticArray", "DiagnosticStatus", "KeyValue"},
    "geometry_msgs.msg": {"Point", "TransformStamped", "Vector3"},
    "launch": {"LaunchContext", "LaunchDescription"},
    "launch.actions": {
        *("DeclareLaunchArgument", "GroupAction", "IncludeLaunchDescription", "OpaqueFunction", "RegisterEventHandler"),
        "Shutdown",
    },
    "launch.conditions": {"IfCondition"},
    "launch.event_handlers": {"OnProcessExit"},
    "launch.events.process": {"ProcessExited"},
    "launch.launch_description_sources": {"PythonLaunchDescriptionSource"},
    "launch.utilities.type_utils": {"perform_typed_substitution"},
    "launch.substitutions": {"LaunchConfiguration", "PathJoinSubstitution"},
    "launch_ros.actions": {"LifecycleNode", "Node"},
    "launch_ros.parameter_descriptions": {"ParameterValue"},
    "launch_ros.substitutions": {"FindPackageShare"},
    "lifecycle_msgs.msg": {"TransitionEvent"},
    "lifecycle_msgs.srv": {"ChangeState"},
    "rcl_interfaces.msg": {
        *("FloatingPointRange", "IntegerRange", "Parameter", "ParameterDescriptor", "SetParametersResult"),
    },
    "rcl_interfaces.srv": {"GetParameters", "SetParameters"},
    "rclpy": {"Context", "create_node", "init", "logging", "ok", "try_shutdown"},
    "rclpy.action": {"ActionServer", "CancelResponse", "GoalResponse"},
    "rclpy.callback_groups": {"CallbackGroup", "MutuallyExclusiveCallbackGroup"},
    "rclpy.clock": {"Clock", "ClockType"},
    "rclpy.context": {"Context"},
    "rclpy.exceptions": {"InvalidHandle", "ParameterException"},
    "rclpy.executors": {
        *("Executor", "ExternalShutdownException", "ShutdownException", "SingleThreadedExecutor", "TimeoutException"),
    },
    "rclpy.impl.rcutils_logger": {"RcutilsLogger"},
    "rclpy.lifecycle": {"LifecycleNodeMixin", "LifecycleState", "TransitionCallbackReturn"},
    "rclpy.guard_condition": {"GuardCondition"},
    "rclpy.node": {"Node"},
    "rclpy.parameter": {"Parameter"},
    "rclpy.publisher": {"Publisher"},
    "rclpy.qos": {"DurabilityPolicy", "QoSPolicyKind", "QoSProfile", "ReliabilityPolicy"},
    "rclpy.qos_overriding_options": {"QoSOverridingOptions"},
    "rclpy.serialization": {"deserialize_message"},
    "rclpy.signals": {"SignalHandlerOptions"},
    "rclpy.subscription": {"Subscription"},
    "rclpy.task": {"Future"},
    "rclpy.time": {"Time"},
    "rclpy.utilities": {"remove_ros_args"},
    "rosgraph_msgs.msg": {"Clock"},
    "sensor_msgs.msg": {"JointState"},
    "std_msgs.msg": {"ColorRGBA", "Float64", "String"},
    "std_srvs.srv": {"Trigger"},
    "tf2_msgs.msg": {"TFMessage"},
    "trajectory_msgs.msg": {"JointTrajectory", "JointTrajectoryPoint", "MultiDOFJointTrajectory"},
    "unique_identifier_msgs.msg": {"UUID"},
    "visualization_msgs.msg": {"Marker", "MarkerArray"},
}
# Imported only where it is installed.
OPTIONAL = {"hri_msgs.msg", "tts_msgs.action"}
_ROS = re.compile(r"(rclpy|launch|launch_ros|\w+_(msgs|srvs|interfaces))(\.|$)")


def used(path: Path) -> set[tuple[str, str]]:
    """Module and name of all that a file takes from ROS 2."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {(alias.name, "") for alias in node.names if "." in alias.name}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rclpy":
            names.add(("rclpy", node.attr))
    return {(module, name) for module, name in names if _ROS.match(module) and module not in OPTIONAL}


def test_only_what_humble_has_is_used() -> None:
    paths = [*(ROOT / "text2sign_ros").rglob("*.py"), *(ROOT / "launch").rglob("*.py")]
    everything = set().union(*map(used, paths))
    assert ("rclpy.node", "Node") in everything and ("launch_ros.actions", "Node") in everything
    new = {(module, name) for module, name in everything if name not in HUMBLE.get(module, ())}
    assert not new, f"look these up in ROS 2 Humble, guard what it lacks, and add them to HUMBLE: {new}"


def test_what_humble_lacks_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "later.py"
    path.write_text("from rclpy.event_handler import PublisherEventCallbacks\nrclpy.get_logger\nimport os.path\n")
    assert used(path) == {("rclpy.event_handler", "PublisherEventCallbacks"), ("rclpy", "get_logger")}


@pytest.mark.parametrize(("version", "distro"), [("7.1.6", "jazzy"), ("9.1.2", "kilted"), ("99.0", "rclpy 99")])
def test_wheels_get_the_environment_of_their_distribution(monkeypatch, tmp_path: Path, version: str, distro: str):
    variables: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", variables)
    monkeypatch.setattr(metadata, "version", {"ros-rclpy": version}.__getitem__)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    environment.complete()
    assert not variables, "there are no wheels in this prefix"
    (tmp_path / "share" / "ament_index").mkdir(parents=True)
    environment.complete()
    assert variables == {"AMENT_PREFIX_PATH": str(tmp_path), "ROS_DISTRO": distro}
    variables.update(AMENT_PREFIX_PATH="/opt/ros/humble", ROS_DISTRO="humble")
    environment.complete()
    assert variables == {"AMENT_PREFIX_PATH": "/opt/ros/humble", "ROS_DISTRO": "humble"}, "a sourced ROS 2 stays"


@pytest.mark.parametrize("distro", ["humble", "jazzy", "kilted"])
def test_each_distribution_is_kept_to_this_machine_in_its_way(monkeypatch, distro: str) -> None:
    monkeypatch.setattr(os, "environ", {"ROS_DISTRO": distro})
    environment.keep_to_this_machine()
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST" and os.environ["ROS_DOMAIN_ID"]
    assert ("ROS_LOCALHOST_ONLY" in os.environ) == (distro == "humble")
    mine = os.environ["ROS_DOMAIN_ID"]
    environment.keep_to_this_machine()
    assert os.environ["ROS_DOMAIN_ID"] == mine


def test_no_two_processes_have_one_domain(monkeypatch) -> None:
    monkeypatch.setattr(environment, "_reserved", [])
    domains = [environment._reserved_domain() for _ in range(40)]
    assert len(set(domains)) == 40 and min(domains) >= 1 and max(domains) <= 100
    for port in environment._reserved:
        port.close()
