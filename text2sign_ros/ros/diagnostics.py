"""A assessment and values as diagnostic_msgs/DiagnosticArray, to publish and as received."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.time import Time

from text2sign_ros.wire.diagnosis import Assessment, Level


def array(
    name: str, stamp: int, assessment: Assessment, values: Mapping[str, str], hardware: str = ""
) -> DiagnosticArray:
    """The message; ``stamp`` in nanoseconds of the node's clock, ``hardware`` what runs the networks."""
    status = DiagnosticStatus(name=name, message=assessment.message, hardware_id=hardware)
    status.level = bytes([assessment.level])
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    result = DiagnosticArray(status=[status])
    result.header.stamp = Time(nanoseconds=stamp).to_msg()
    return result


@dataclass(frozen=True)
class Diagnostics:
    """The signer's status on ``/diagnostics``, which docs/node.md explains.

    Attributes:
        level, message: the assessment, in one sentence.
        values: the values by name, as text.
        hardware: what runs the networks; empty before the signer is configured.
    """

    level: Level
    message: str
    values: Mapping[str, str]
    hardware: str = ""

    @property
    def state(self) -> str:
        """State of the lifecycle."""
        return self.values.get("state", "")

    def number(self, name: str) -> float | None:
        """The value ``name`` as a number; None if nothing was measured yet."""
        value = self.values.get(name, "-")
        return None if value == "-" else float(value)

    @classmethod
    def from_message(cls, status: DiagnosticStatus) -> Diagnostics:
        """One entry of a received message."""
        values = {pair.key: pair.value for pair in status.values}
        return cls(Level(int.from_bytes(status.level, "little")), status.message, values, status.hardware_id)
