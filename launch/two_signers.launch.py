"""An example to copy: two signers side by side, each with its own namespace, frame and bundle.

Texts go to /left/signer/text and /right/signer/text.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

NAMES = ("left", "right")


def generate_launch_description() -> LaunchDescription:
    """text2sign.launch.py twice, each in its own scope: otherwise arguments of one would leak into the other."""
    file = PathJoinSubstitution([FindPackageShare("text2sign_ros"), "launch", "text2sign.launch.py"])
    actions = []
    for name in NAMES:
        bundle = f"{name}_bundle"
        arguments = {"namespace": name, "frame": f"{name}/signer", "bundle": LaunchConfiguration(bundle)}
        include = IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=arguments.items())
        actions += [
            DeclareLaunchArgument(bundle, default_value="", description=f"Model bundle of /{name}/signer."),
            GroupAction([include]),
        ]
    return LaunchDescription(actions)
