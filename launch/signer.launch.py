"""Starts the node `signer`: `ros2 launch text2sign_ros signer.launch.py`, or included by another launch file."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch.utilities.type_utils import perform_typed_substitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def _signer(context: LaunchContext) -> list[RegisterEventHandler | LifecycleNode]:
    parameters = [
        LaunchConfiguration("params_file"),
        {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)},
    ]
    for name, kind in (("bundle", str), ("backend", str), ("frame", str), ("autostart", bool)):
        if LaunchConfiguration(name).perform(context):  # an empty argument must not override the file
            parameters.append({name: ParameterValue(LaunchConfiguration(name), value_type=kind)})
    respawn = perform_typed_substitution(context, [LaunchConfiguration("respawn")], bool)
    signer = LifecycleNode(  # a plain Node would do; this lets an including launch file trigger transitions
        package="text2sign_ros",
        executable="signer",
        name="signer",
        namespace=LaunchConfiguration("namespace"),
        parameters=parameters,
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="screen",
        emulate_tty=True,
        respawn=respawn,
        respawn_delay=2.0,
    )

    def exited(event: ProcessExited, _: LaunchContext) -> list[Shutdown]:
        # A signal stops only this node; an error, such as a wrong bundle, has to be fixed before the next launch.
        if event.returncode <= 0 or respawn:
            return []
        return [Shutdown(reason=f"the signer ended with code {event.returncode}; the reason is logged above")]

    return [RegisterEventHandler(OnProcessExit(target_action=signer, on_exit=exited)), signer]


def generate_launch_description() -> LaunchDescription:
    """The node with its arguments."""
    config = PathJoinSubstitution([FindPackageShare("text2sign_ros"), "config", "signer.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("bundle", default_value="", description="Model bundle; empty: as params_file says."),
            DeclareLaunchArgument("backend", default_value="", description="Backend; empty: as params_file says."),
            DeclareLaunchArgument(
                "autostart", default_value="", description="true, false: start without a lifecycle manager."
            ),
            DeclareLaunchArgument("frame", default_value="", description="Frame of positions; empty: the file's."),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
            DeclareLaunchArgument("params_file", default_value=config, description="Parameters of the node."),
            DeclareLaunchArgument("respawn", default_value="false", description="Start the node again if it dies."),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            OpaqueFunction(function=_signer),
        ]
    )
