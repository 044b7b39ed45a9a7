"""Starts the node `player`: `ros2 launch text2sign_ros player.launch.py rviz:=true`, or included by another file."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch.utilities.type_utils import perform_typed_substitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from text2sign_ros.resources import require_ros_package


def _config(name: str) -> PathJoinSubstitution:
    return PathJoinSubstitution([FindPackageShare("text2sign_ros"), "config", name])


def _player(context: LaunchContext) -> list[Node]:
    if perform_typed_substitution(context, [LaunchConfiguration("rviz")], bool):
        require_ros_package("rviz2", "rviz:=true")
    sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    parameters = [LaunchConfiguration("params_file"), sim_time]
    if frame := LaunchConfiguration("frame").perform(context):  # an empty argument must not override the file
        parameters.append({"frame": ParameterValue(frame, value_type=str)})
    player = Node(
        package="text2sign_ros",
        executable="player",
        name="player",
        namespace=LaunchConfiguration("namespace"),
        parameters=parameters,
        remappings=[("signer/trajectory", LaunchConfiguration("trajectory"))],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="screen",
        emulate_tty=True,
        respawn=perform_typed_substitution(context, [LaunchConfiguration("respawn")], bool),
        respawn_delay=2.0,
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        namespace=LaunchConfiguration("namespace"),
        parameters=[sim_time],
        remappings=[("/player/markers", "player/markers")],  # the topic in the RViz file, moved into the namespace
        arguments=["-d", _config("player.rviz")] + (["-f", frame] if frame else []),
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return [player, rviz]


def generate_launch_description() -> LaunchDescription:
    """The node with its arguments, and RViz if asked for."""
    trajectory = "Topic to play, relative to the namespace unless it begins with a slash."
    return LaunchDescription(
        [
            DeclareLaunchArgument("trajectory", default_value="signer/trajectory", description=trajectory),
            DeclareLaunchArgument("frame", default_value="", description="Frame of the markers; empty: the file's."),
            DeclareLaunchArgument("rviz", default_value="false", description="Start RViz as well."),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
            DeclareLaunchArgument("params_file", default_value=_config("player.yaml"), description="Parameters."),
            DeclareLaunchArgument("respawn", default_value="false", description="Start the node again if it dies."),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            OpaqueFunction(function=_player),
        ]
    )
