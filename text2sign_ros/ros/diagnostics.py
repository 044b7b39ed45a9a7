"""A assessment and figures as diagnostic_msgs/DiagnosticArray."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.time import Time

from text2sign_ros.wire.diagnosis import Assessment


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
