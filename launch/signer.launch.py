"""Starts the node `signer`: `ros2 launch text2sign_ros signer.launch.py`, or included by another launch file."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def _signer(context: LaunchContext) -> list[Node]:
    parameters = [
        LaunchConfiguration("params_file"),
        {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)},
    ]
    given = {name: LaunchConfiguration(name).perform(context) for name in ("bundle", "backend")}
    # An empty one must not hide what the parameters file says.
    parameters += [{name: ParameterValue(value, value_type=str)} for name, value in given.items() if value]
    return [
        Node(
            package="text2sign_ros",
            executable="signer",
            name="signer",
            namespace=LaunchConfiguration("namespace"),
            parameters=parameters,
            ros_arguments=["--log-level", LaunchConfiguration("log_level")],
            output="screen",
            emulate_tty=True,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """The node with its arguments."""
    config = PathJoinSubstitution([FindPackageShare("text2sign_ros"), "config", "signer.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("bundle", default_value="", description="Model bundle; empty: as params_file says."),
            DeclareLaunchArgument("backend", default_value="", description="What runs the networks; empty: the same."),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
            DeclareLaunchArgument("params_file", default_value=config, description="Parameters of the node."),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            OpaqueFunction(function=_signer),
        ]
    )
