"""The parameters of the nodes: the one table of each that they are declared, checked and documented from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


@dataclass(frozen=True)
class Setting:
    """One parameter; ``limits`` are inclusive, ``fixed`` means that it can only be set when the node starts."""

    name: str
    default: str | int | float
    description: str
    limits: tuple[float, float] | None = None
    fixed: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """What ``ros2 param describe`` shows, and what rclpy checks values by."""
        descriptor = ParameterDescriptor(name=self.name, description=self.description, read_only=self.fixed)
        if self.limits is not None:
            kind = type(self.default)  # an int in a float field would be sent as another number
            low, high, step = kind(self.limits[0]), kind(self.limits[1]), kind(0)
            if kind is int:
                descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=step)]
            else:
                descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=step)]
        return descriptor


SIGNER = (
    Setting("bundle", "", "Folder of the model bundle; empty: models/asl_cafe of this package.", fixed=True),
    Setting("preset", "", "Sampling steps: fastest (1), fast (2), best (4); empty: the bundle's choice.", fixed=True),
    Setting("backend", "auto", "auto, cpu, cuda, onnxruntime_tensorrt or tensorrt.", fixed=True),
    Setting("threads", 1, "Threads of the inference engine on a CPU.", (1, 64), fixed=True),
    Setting("queue_size", 10, "Texts that may wait; one more is refused.", (1, 1000), fixed=True),
    Setting("seed", 0, "Seed of the noise; the same text with the same seed is the same motion.", (0, 2**31 - 1)),
    Setting("max_characters", 100_000, "A longer text is refused.", (1, 10_000_000)),
    Setting("chunk_frames", 8, "Frames in one message.", (1, 60)),
    Setting("max_velocity", 0.0, "Of any keypoint, m/s; slower where it binds; 0 is no limit.", (0, 1e6)),
    Setting("max_acceleration", 0.0, "The same in m/s^2.", (0, 1e6)),
    Setting("max_jerk", 0.0, "The same in m/s^3.", (0, 1e6)),
    Setting("lead_time", 0.2, "Seconds that a chunk is sent ahead of its stamp.", (0.05, 86_400)),
    Setting("start_delay", 0.1, "Seconds from the first chunk being ready to its stamp.", (0, 10)),
)

PLAYER = (
    Setting("rate", 50.0, "Poses a second, on the ROS clock.", (5, 200), fixed=True),
    Setting("frame", "signer", "Frame of the markers and parent of <frame>/head and the wrists on /tf.", fixed=True),
)


def declare(node: Node, settings: Iterable[Setting]) -> None:
    """Declare ``settings``; rclpy then refuses, with the reason, what is out of range, fixed or of another type.

    Raises:
        rclpy.exceptions.ParameterException: a value given from outside has another type or is out of range.
    """
    for setting in settings:
        node.declare_parameter(setting.name, setting.default, setting.descriptor())
