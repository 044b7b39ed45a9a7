"""The panels of config/foxglove.json that act on the signer name what the signer has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from conftest import ROOT
from rcl_interfaces.msg import Log
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from text2sign_ros.ros.signer_node import SignerNode

LAYOUT = json.loads((ROOT / "config" / "foxglove.json").read_text())
PANELS = LAYOUT["configById"]


def of(kind: str) -> list[dict]:
    """Settings of the panels of a kind."""
    return [settings for name, settings in PANELS.items() if name.partition("!")[0] == kind]


def type_name(kind: type) -> str:
    """As foxglove_bridge calls it: std_msgs/msg/String."""
    return "/".join([*kind.__module__.split(".")[:2], kind.__name__])


def test_panels(local_node: Callable[..., Node], bundle: Path) -> None:
    signer = local_node(SignerNode, "-p", f"bundle:={bundle}")
    assert signer.start(), signer.failure

    (publish,) = of("Publish")
    taken = {subscription.topic_name: subscription.msg_type for subscription in signer.subscriptions}
    assert taken[publish["topicName"]] is String and publish["datatype"] == type_name(String)
    assert String(**json.loads(publish["value"])).data

    services = {signer.resolve_service_name(service.srv_name): service.srv_type for service in signer.services}
    called = of("CallService")
    assert {panel["serviceName"] for panel in called} == {"/signer/cancel", "/signer/pause", "/signer/resume"}
    for panel in called:
        assert services[panel["serviceName"]] is Trigger
        assert Trigger.Request(**json.loads(panel["requestPayload"])) == Trigger.Request()
        assert panel["buttonText"].lower() == panel["serviceName"].rpartition("/")[2]

    sent = {publisher.topic_name: publisher.msg_type for publisher in signer.publishers}
    (log,) = of("RosOut")
    assert log["topicToRender"] == "/rosout" and 1 <= log["minLogLevel"] <= 3, "warnings are shown"
    assert sent.get("/rosout", Log) is Log
    (diagnostics,) = of("DiagnosticSummary")
    assert diagnostics["topicToRender"] in sent


def test_every_panel_has_its_place() -> None:
    def leaves(part: str | dict) -> list[str]:
        return [part] if isinstance(part, str) else leaves(part["first"]) + leaves(part["second"])

    placed = leaves(LAYOUT["layout"])
    assert sorted(placed) == sorted(PANELS), "each panel once"
