"""The parameters of the nodes: one table each, from which they are declared, checked and documented."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from text2sign_ros.inference.backends import NAMES
from text2sign_ros.inference.engine import Policy
from text2sign_ros.ros.overrides import warn_of_unknown
from text2sign_ros.wire.trajectory import FRAME_ID


def _frame_problem(frame: object) -> str:
    """Why tf2 would not take ``frame``; empty if it would."""
    frame = str(frame)
    if not frame or frame.startswith("/") or frame.split() != [frame]:
        return f"frame is {frame!r}; it must be a name without blanks and without a leading slash, such as left/signer"
    return ""


@dataclass(frozen=True)
class Setting:
    """One parameter.

    Attributes:
        name, default, description: as in ROS 2; the default's type is the parameter's.
        limits: smallest and largest value.
        choices: the only values allowed, if any are named.
        problem: what is wrong with a value, empty if nothing is; for what limits and choices can't express.
        when: it can be set: "always", "unconfigured" (what ``configure`` depends on), or "start" (only from outside,
            when the node starts).
    """

    name: str
    default: str | int | float | bool
    description: str
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    when: Literal["always", "unconfigured", "start"] = "always"
    problem: Callable[[object], str] = lambda value: ""

    def descriptor(self) -> ParameterDescriptor:
        """What ``ros2 param describe`` shows, and what rclpy checks values against."""
        descriptor = ParameterDescriptor(
            name=self.name,
            description=self.description,
            additional_constraints=f"one of {', '.join(self.choices)}" if self.choices else "",
            read_only=self.when == "start",
        )
        if self.limits is not None:
            kind = type(self.default)  # an int in a float field would be serialised as another number
            low, high, step = kind(self.limits[0]), kind(self.limits[1]), kind(0)
            if kind is int:
                descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=step)]
            else:
                descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=step)]
        return descriptor


SIGNER = (
    Setting("autostart", True, "Configure and activate without a lifecycle manager.", when="start"),
    Setting("bundle", "", "Folder of the model bundle; empty: models/asl of this package.", when="unconfigured"),
    Setting(
        "preset",
        "",
        "Sampling steps: fastest (1), fast (2), best (4); empty: the bundle's choice.",
        when="unconfigured",
    ),
    Setting("backend", "auto", "What runs the networks.", choices=NAMES, when="unconfigured"),
    Setting(
        "cache_dir",
        "",
        "Folder for TensorRT's engines; empty: ~/.cache/text2sign_ros, or as XDG_CACHE_HOME says.",
        when="unconfigured",
    ),
    Setting("threads", 1, "Threads of the inference engine on a CPU.", (1, 64), when="unconfigured"),
    Setting(
        "senses",
        False,
        "Choose among several signs of a word by its sentence, where the bundle has any; takes another 75 MB.",
        when="unconfigured",
    ),
    Setting("queue_size", 10, "Texts that may wait.", (1, 1000), when="unconfigured"),
    Setting(
        "policy",
        "queue",
        "What a new text does while others are there: it waits, or is refused if queue_size wait (queue); cancels them "
        "all (replace); or waits, and if queue_size wait the oldest is dropped (drop_oldest).",
        choices=tuple(policy.value for policy in Policy),
    ),
    Setting(
        "max_wait", 0.0, "Seconds after which a text that is still waiting is dropped; 0 is no limit.", (0, 86_400)
    ),
    Setting("seed", 0, "Seed of the noise; the same text with the same seed is the same motion.", (0, 2**31 - 1)),
    Setting("max_characters", 100_000, "A longer text is refused.", (1, 10_000_000)),
    Setting(
        "max_rate",
        10.0,
        "Texts a second in the long run; more are refused unread, with no status of their own; 0 is no limit.",
        (0, 1e6),
    ),
    Setting(
        "speech",
        "final",
        "Which results on ~/speech (it exists if hri_msgs is installed) to sign: final ones, incremental ones as well, "
        "or none.",
        choices=("none", "final", "incremental"),
        when="unconfigured",
    ),
    Setting(
        "speech_results", 3, "Incremental results in a row that must agree on a word before it is signed.", (1, 100)
    ),
    Setting("speech_confidence", 0.0, "Final results of less confidence are refused; 0 is no limit.", (0, 1)),
    Setting(
        "frame",
        FRAME_ID,
        "Frame of all positions, in ~/trajectory and ~/layout.",
        when="unconfigured",
        problem=_frame_problem,
    ),
    Setting("chunk_frames", 8, "Frames in one message.", (1, 60)),
    Setting(
        "max_velocity",
        0.0,
        "Limit for any keypoint, m/s: where it applies, signing slows down; 0 is no limit.",
        (0, 1e6),
    ),
    Setting("max_acceleration", 0.0, "The same in m/s^2.", (0, 1e6)),
    Setting("max_jerk", 0.0, "The same in m/s^3.", (0, 1e6)),
    Setting("lead_time", 0.2, "Seconds that a chunk is sent ahead of its stamp.", (0.05, 60)),
    Setting("start_delay", 0.1, "Seconds from the first chunk being ready to its stamp.", (0, 10)),
)

PLAYER = (
    Setting("rate", 50.0, "Poses a second, on the ROS clock.", (5, 200), when="start"),
    Setting(
        "frame",
        FRAME_ID,
        "Frame of the markers; on /tf also the parent of head and wrists, whose frames are named after it.",
        when="start",
        problem=_frame_problem,
    ),
)

PLAY = (
    Setting("lead_time", 0.2, "Seconds that a chunk is sent ahead of its stamp.", (0.05, 60), when="start"),
    Setting(
        "start_delay",
        1.0,
        "Seconds from when somebody receives the motion to its start, for others to find it too.",
        (0, 60),
        when="start",
    ),
)

SIMULATED_ROBOT = (
    Setting("robot", "gr3", "Its description: a file, or the name of one in config/robots.", when="start"),
    Setting("topic", "", "Topic of the trajectories; empty: the controller's, by the description.", when="start"),
    Setting("rate", 100.0, "Joint states a second.", (10, 500), when="start"),
    Setting(
        "clock",
        False,
        "Be the source of simulated time: publish /clock, which goes like real time, or more slowly where the "
        "processor can't keep up.",
        when="start",
    ),
    Setting(
        "clock_speed",
        1.0,
        "Seconds of that time in a second at most: fewer where other nodes are to have enough of the processor.",
        (0.01, 1),
        when="start",
    ),
    Setting(
        "clock_patience",
        0.0,
        "Seconds for which that time may stand still, while the robot moves, until a sender that streams trajectories "
        "has sent one of the last 0.15 s of it.",
        (0, 600),
        when="start",
    ),
    Setting("record", "", "Folder in which joints.npz is written at the end; empty: none is.", when="start"),
    Setting(
        "allow_partial_joints_goal",
        False,
        "As joint_trajectory_controller: a trajectory may leave joints out.",
        when="start",
    ),
    Setting(
        "allow_nonzero_velocity_at_trajectory_end",
        False,
        "As joint_trajectory_controller: a trajectory may end in motion; it stops there all the same.",
        when="start",
    ),
    Setting(
        "allow_trajectory_replacement",
        True,
        "As joint_trajectory_controller: the older trajectory is followed until the stamp of the newer one. Without "
        "it, as on Humble, Jazzy and Kilted, the newer one counts from its arrival.",
        when="start",
    ),
)

RETARGET = (
    Setting("autostart", True, "Configure and activate without a lifecycle manager.", when="start"),
    Setting("robot", "gr3", "Its description: a file, or the name of one in config/robots.", when="unconfigured"),
    Setting(
        "topic", "", "Topic of the trajectories; empty: the controller's, by the description.", when="unconfigured"
    ),
    Setting("rate", 100.0, "Points of a trajectory a second.", (25, 250), when="unconfigured"),
    Setting("every", 4, "Points after which a trajectory is sent.", (1, 20), when="unconfigured"),
    Setting(
        "horizon",
        0.1,
        "Seconds ahead of which points no longer change, so that they arrive in time.",
        (0.02, 1),
        when="unconfigured",
    ),
    Setting(
        "delay",
        0.4,
        "Seconds by which the joints are later than the keypoints. The more is known ahead, the less the motion must "
        "be slowed: the signer's lead_time and this add up.",
        (0, 10),
        when="unconfigured",
    ),
)

VIEWER = (
    Setting("host", "127.0.0.1", "Address that the page is bound to; 0.0.0.0 is all of this machine's.", when="start"),
    Setting("port", 8080, "Its port.", (1, 65_535), when="start"),
    Setting("rate", 25.0, "Poses a second.", (5, 60), when="start"),
    Setting(
        "robot",
        "",
        "A robot to show beside the avatar, as its `joint_states` say: its description, or the name of one in "
        "config/robots; empty: none.",
        when="start",
    ),
    Setting("max_characters", 1000, "A longer text is not sent.", (1, 100_000), when="start"),
    Setting(
        "max_rate",
        0.5,
        "Texts a second in the long run, of all browsers together; more are not sent.",
        (0.01, 100),
        when="start",
    ),
)


def check(settings: Iterable[Setting], changed: Iterable[Parameter], *, unconfigured: bool) -> SetParametersResult:
    """Refuse what a descriptor can't express; for ``Node.add_on_set_parameters_callback``."""
    known = {setting.name: setting for setting in settings}
    reasons = (_refusal(known[p.name], p.value, unconfigured) for p in changed if p.name in known)
    reason = next(filter(None, reasons), "")
    return SetParametersResult(successful=not reason, reason=reason)


def _refusal(setting: Setting, value: object, unconfigured: bool) -> str:
    """Why a parameter can't be set to ``value``; empty if it can."""
    name = setting.name
    if setting.choices and value not in setting.choices:
        return f"{name} is {value!r}; it must be one of {', '.join(setting.choices)}"
    if problem := setting.problem(value):
        return problem
    if setting.when == "unconfigured" and not unconfigured:
        return f"{name} can only be set while the node is unconfigured; deactivate it and clean it up before"
    return ""


def declare(node: Node, settings: Iterable[Setting]) -> dict[str, Any]:
    """Declare ``settings``; rclpy then refuses values out of range, read-only or of another type, with the reason.

    A warning names the parameters given from outside that are not among them.

    Returns:
        Name -> value.

    Raises:
        rclpy.exceptions.ParameterException: a value given from outside has another type or is out of range.
    """
    settings = tuple(settings)
    warn_of_unknown(node, [setting.name for setting in settings])
    return {s.name: node.declare_parameter(s.name, s.default, s.descriptor()).value for s in settings}


def table(settings: Iterable[Setting]) -> str:
    """``settings`` as a table in Markdown, as in the documentation."""
    when = {"always": "at any time", "unconfigured": "unconfigured", "start": "at the start"}
    rows = ["| parameter | default | allowed | can be set | |", "|---|---|---|---|---|"]
    for setting in settings:
        allowed = ", ".join(f"`{choice}`" for choice in setting.choices)
        if setting.limits is not None:
            allowed = "{:,} to {:,}".format(*map(type(setting.default), setting.limits))
        default = json.dumps(setting.default)
        rows.append(f"| `{setting.name}` | `{default}` | {allowed} | {when[setting.when]} | {setting.description} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(SIGNER), table(PLAYER), table(PLAY), table(SIMULATED_ROBOT), table(RETARGET), table(VIEWER), sep="\n")
