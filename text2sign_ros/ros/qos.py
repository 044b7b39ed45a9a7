"""Quality of service of the topics: the defaults with their reasons, and how they are overridden."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from text2sign_ros.errors import Text2SignError

TEXT = QoSProfile(depth=100)
"""Reliable: a text that is lost is not signed. Volatile: texts from before the node started are outdated. Deep enough
that a burst is not overwritten before it is read."""
TRAJECTORY = QoSProfile(depth=100)
"""Reliable: a chunk that is lost is a break in the motion. Volatile: nobody joins a motion by its past chunks.
Deep, because chunks come in bursts when ``lead_time`` is long."""
LATEST = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Each message is complete: late joiners get the last one immediately. Reliable, as RViz requires."""
CAPTIONS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Each message is complete for one text: late joiners get those of the latest texts. Deep enough
that the captions of a burst of texts are not overwritten before they are sent."""
DIAGNOSTICS = QoSProfile(depth=10)
"""What aggregators and monitors expect; a message comes every second."""
STATES = QoSProfile(depth=10)
"""What joint_state_broadcaster offers."""
CLOCK = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""What subscribers of ``/clock`` request; only the newest time counts."""
TF = QoSProfile(depth=100)
"""What tf2's own broadcasters use; buffers keep history themselves."""

_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


class QosError(Text2SignError):
    """A QoS override is invalid."""


def publisher(node: Node, kind: type, topic: str, profile: QoSProfile) -> Publisher:
    """A publisher whose policies the parameters ``qos_overrides.<topic>.publisher.<policy>`` override.

    Policies are ``history``, ``depth``, ``reliability`` and ``durability``; ``<topic>`` is the full name.

    Raises:
        QosError: a policy has no such value.
        rclpy.exceptions.ParameterException: a value has another type.
    """
    with _named(node, topic):
        return node.create_publisher(kind, topic, **_overridable(profile))


def subscription(
    node: Node, kind: type, topic: str, callback: Any, profile: QoSProfile, **options: Any
) -> Subscription:
    """The same for a subscription: ``qos_overrides.<topic>.subscription.<policy>``."""
    with _named(node, topic):
        return node.create_subscription(kind, topic, callback, **_overridable(profile), **options)


def _overridable(profile: QoSProfile) -> dict[str, Any]:
    # rclpy changes the profile in place
    return {"qos_profile": copy(profile), "qos_overriding_options": QoSOverridingOptions(_POLICIES)}


@contextmanager
def _named(node: Node, topic: str) -> Iterator[None]:
    """Name the topic that has a bad override: rclpy's RuntimeError does not."""
    try:
        yield
    except RuntimeError as error:
        if not node.context.ok():
            raise
        raise QosError(f"qos_overrides.{node.resolve_topic_name(topic)}: {error}") from error
