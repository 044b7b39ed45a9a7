"""Starts everything: `ros2 launch text2sign_ros text2sign.launch.py viewer:=rviz`, or included by another file.

With a robot that signs: `robot:=gr3`, and `simulate:=true` for one in physics.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from text2sign_ros.resources import require_ros_package
from text2sign_ros.settings import ConfigError

VIEWERS = {"rviz": "rviz2", "foxglove": "foxglove_bridge", "web": "text2sign_ros"}
"""Packages of the viewers."""


def _file(folder: str, name: str) -> PathJoinSubstitution:
    return PathJoinSubstitution([FindPackageShare("text2sign_ros"), folder, name])


def _include(name: str, **arguments: object) -> GroupAction:
    """Include another launch file in its own scope: otherwise its arguments would leak into files included later."""
    source = PythonLaunchDescriptionSource(_file("launch", f"{name}.launch.py"))
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))])


def _all(context: LaunchContext) -> list[GroupAction | Node]:
    given, viewer = LaunchConfiguration, LaunchConfiguration("viewer").perform(context)
    common = {name: given(name) for name in ("namespace", "respawn", "use_sim_time", "log_level")}
    if viewer in VIEWERS:
        require_ros_package(VIEWERS[viewer], f"viewer:={viewer}")
    robot, simulate = (given(name).perform(context) for name in ("robot", "simulate"))
    if simulate == "true" and not robot:
        raise ConfigError("simulate:=true needs to know which robot: add robot:=gr3, or a .yaml file")
    # All arguments of each are passed, so that they never take equally named ones of an including launch file.
    signer = {name: given(name) for name in ("bundle", "backend", "frame", "autostart")}
    player = {"trajectory": "signer/trajectory", "frame": given("frame"), "rviz": str(viewer == "rviz").lower()}
    actions = [
        _include("signer", **common, **signer, params_file=given("signer_params_file")),
        _include("player", **common, **player, params_file=given("player_params_file")),
    ]
    if robot:  # first: where its description is faulty, nothing starts
        files = {f"{name}_params_file": given(f"{name}_params_file") for name in ("retarget", "simulated_robot")}
        of_robot = {name: given(name) for name in ("robot", "simulate", "autostart")}
        actions.insert(0, _include("robot", **common, **of_robot, **files))
    if viewer == "foxglove":
        actions.append(
            Node(
                package="foxglove_bridge",
                executable="foxglove_bridge",
                namespace=given("namespace"),
                # Only from this machine: anyone who can reach the port can publish texts.
                parameters=[
                    {"address": "127.0.0.1", "port": 8765},
                    {"use_sim_time": ParameterValue(given("use_sim_time"), value_type=bool)},
                ],
                output="screen",
            )
        )
    if viewer == "web":
        actions.append(
            Node(
                package="text2sign_ros",
                executable="viewer",
                name="viewer",
                namespace=given("namespace"),
                parameters=[
                    _file("config", "viewer.yaml"),
                    {
                        "use_sim_time": ParameterValue(given("use_sim_time"), value_type=bool),
                        "robot": ParameterValue(given("robot"), value_type=str),
                    },
                ],
                output="screen",
                emulate_tty=True,
            )
        )
    return actions


def generate_launch_description() -> LaunchDescription:
    """Signer and player with their arguments, and a viewer and a robot if asked for."""
    viewer = "none, rviz, foxglove: foxglove_bridge at ws://localhost:8765, or web: a page at http://localhost:8080."
    robot = "A robot that signs: a .yaml file, or a name in config/robots, such as gr3; empty: none."
    simulate = "Start that robot in physics; with use_sim_time it publishes /clock."
    frame = "Frame of positions, markers and /tf; empty: as the files say. Several signers need different ones."
    return LaunchDescription(
        [
            DeclareLaunchArgument("bundle", default_value="", description="Model bundle; empty: as the file says."),
            DeclareLaunchArgument("backend", default_value="", description="Backend; empty: as the file says."),
            DeclareLaunchArgument("autostart", default_value="", description="true, false; empty: as the file says."),
            DeclareLaunchArgument("viewer", default_value="none", choices=["none", *VIEWERS], description=viewer),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of all nodes."),
            DeclareLaunchArgument("frame", default_value="", description=frame),
            DeclareLaunchArgument("robot", default_value="", description=robot),
            DeclareLaunchArgument("simulate", default_value="false", choices=["true", "false"], description=simulate),
            *(
                DeclareLaunchArgument(
                    f"{name}_params_file",
                    default_value=_file("config", f"{name}.yaml"),
                    description=f"Parameters of the node {name}.",
                )
                for name in ("signer", "player", "retarget", "simulated_robot")
            ),
            DeclareLaunchArgument("respawn", default_value="false", description="Start a node again that has died."),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            OpaqueFunction(function=_all),
        ]
    )
