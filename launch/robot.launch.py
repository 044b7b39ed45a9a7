"""Starts the node `retarget`, and a robot in physics if asked for: `robot.launch.py robot:=gr3 simulate:=true`.

It follows a signer in the same namespace; `text2sign.launch.py robot:=gr3 simulate:=true` starts that too.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch.utilities.type_utils import perform_typed_substitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from text2sign_ros.retarget import description


def _robot(context: LaunchContext) -> list[RegisterEventHandler | LifecycleNode | Node]:
    def flag(name: str) -> bool:
        return perform_typed_substitution(context, [LaunchConfiguration(name)], bool)

    robot, respawn, sim_time, simulate = (
        LaunchConfiguration("robot").perform(context),
        *(flag(name) for name in ("respawn", "use_sim_time", "simulate")),
    )
    description.load(robot)  # an error stops the launch before anything is started
    common = {
        "package": "text2sign_ros",
        "namespace": LaunchConfiguration("namespace"),
        "ros_arguments": ["--log-level", LaunchConfiguration("log_level")],
        "output": "screen",
        "emulate_tty": True,
        "respawn": respawn,
        "respawn_delay": 2.0,
    }
    of_robot = {"robot": ParameterValue(robot, value_type=str)}
    of_retarget = {**of_robot, "use_sim_time": sim_time}
    if LaunchConfiguration("autostart").perform(context):  # an empty argument must not override the file
        of_retarget["autostart"] = flag("autostart")
    retarget = LifecycleNode(
        executable="retarget",
        name="retarget",
        parameters=[LaunchConfiguration("retarget_params_file"), of_retarget],
        **common,
    )
    nodes = [retarget]
    if simulate:
        # With simulated time it is the source of the time that the others take.
        body = Node(
            executable="simulated_robot",
            name="simulated_robot",
            parameters=[LaunchConfiguration("simulated_robot_params_file"), {**of_robot, "clock": sim_time}],
            **common,
        )
        nodes.insert(0, body)

    def exited(event: ProcessExited, _: LaunchContext) -> list[Shutdown]:
        # A signal stops only this node; an error, such as a model that is missing, has to be fixed before.
        if event.returncode <= 0 or respawn:
            return []
        return [Shutdown(reason=f"{event.process_name} ended with code {event.returncode}; the reason is logged above")]

    handlers = [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=exited)) for node in nodes]
    return [*handlers, *nodes]


def generate_launch_description() -> LaunchDescription:
    """The nodes with their arguments."""
    folder = PathJoinSubstitution([FindPackageShare("text2sign_ros"), "config"])
    retarget, body = (PathJoinSubstitution([folder, f"{name}.yaml"]) for name in ("retarget", "simulated_robot"))
    switch = ["true", "false"]
    simulate = "Start a robot in physics too: it publishes /joint_states and follows the trajectories."
    sim_time = "Take the time from /clock; with simulate, which then publishes it."
    return LaunchDescription(
        [
            DeclareLaunchArgument("robot", description="Its description: a .yaml file, or a name in config/robots."),
            DeclareLaunchArgument("simulate", default_value="false", choices=switch, description=simulate),
            DeclareLaunchArgument(
                "autostart", default_value="", description="true, false: start retarget without a lifecycle manager."
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
            DeclareLaunchArgument(
                "retarget_params_file", default_value=retarget, description="Parameters of retarget."
            ),
            DeclareLaunchArgument(
                "simulated_robot_params_file", default_value=body, description="Parameters of the robot in physics."
            ),
            DeclareLaunchArgument("respawn", default_value="false", description="Start a node again that has died."),
            DeclareLaunchArgument("use_sim_time", default_value="false", description=sim_time),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            OpaqueFunction(function=_robot),
        ]
    )
