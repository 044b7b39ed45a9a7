"""Parameters of ros2_control for a robot: a joint_trajectory_controller for all of its joints to move."""

from __future__ import annotations

import yaml

from text2sign_ros.retarget.description import RobotDescription
from text2sign_ros.settings import ConfigError

_RATE = 100
"""Hz, at which the controllers are updated, as often as points are sent."""


def parameters(description: RobotDescription) -> str:
    """A parameters file for controller_manager and the controller that the description names.

    Raises:
        ConfigError: the description's topic is not that of a joint_trajectory_controller.
    """
    *_, name, topic = ("", *description.controller.strip("/").split("/"))
    if topic != "joint_trajectory" or not name:
        raise ConfigError(
            f"{description.name}: controller is {description.controller}; a joint_trajectory_controller called arms "
            "has the topic /arms/joint_trajectory"
        )
    manager = {
        "update_rate": _RATE,
        "joint_state_broadcaster": {"type": "joint_state_broadcaster/JointStateBroadcaster"},
        name: {"type": "joint_trajectory_controller/JointTrajectoryController"},
    }
    controller = {
        "joints": list(description.controlled),
        "command_interfaces": ["position"],
        "state_interfaces": ["position", "velocity"],
        "interpolation_method": "splines",
        # Each message holds the next points of a motion that goes on, so that its last one is not at rest.
        "allow_nonzero_velocity_at_trajectory_end": True,
        "open_loop_control": False,
    }
    both = {"controller_manager": {"ros__parameters": manager}, name: {"ros__parameters": controller}}
    head = (
        f"# ros2_control for the robot {description.name}: text2sign robot controllers {description.name}\n"
        "# The hardware interface (the robot's maker has it) must offer position commands for these joints.\n"
    )
    return head + yaml.safe_dump(both, sort_keys=False)
