"""An example to copy: the figure mounted on a robot, `ros2 launch text2sign_ros mounted.launch.py z:=1.2`.

A static transform places the signer's frame on the robot; its origin is midway between the shoulders.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from text2sign_ros.resources import require_ros_package

PLACE = {"x": "0.0", "y": "0.0", "z": "0.0", "yaw": "0.0"}


def _all(context: LaunchContext) -> list[GroupAction | Node]:
    require_ros_package("tf2_ros", "mounted.launch.py")
    given = LaunchConfiguration
    file = PathJoinSubstitution([FindPackageShare("text2sign_ros"), "launch", "text2sign.launch.py"])
    arguments = {name: given(name) for name in ("frame", "viewer", "use_sim_time")}
    include = IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=arguments.items())
    frames = ["--frame-id", given("parent"), "--child-frame-id", given("frame")]
    place = [word for name in PLACE for word in (f"--{name}", given(name))]
    mount = Node(package="tf2_ros", executable="static_transform_publisher", arguments=[*frames, *place])
    return [GroupAction([include]), mount]  # in this order: where the viewer is missing, nothing starts


def generate_launch_description() -> LaunchDescription:
    """text2sign.launch.py, and the transform from the robot to the signer."""
    viewer = "none, rviz or foxglove, as in text2sign.launch.py."
    unit = {"yaw": "radians"}
    place = [
        DeclareLaunchArgument(name, default_value=value, description=f"Place in parent, {unit.get(name, 'metres')}.")
        for name, value in PLACE.items()
    ]
    return LaunchDescription(
        [
            DeclareLaunchArgument("parent", default_value="base_link", description="Frame of the robot."),
            *place,
            DeclareLaunchArgument("frame", default_value="signer", description="Frame of the signer."),
            DeclareLaunchArgument("viewer", default_value="none", description=viewer),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
            OpaqueFunction(function=_all),
        ]
    )
