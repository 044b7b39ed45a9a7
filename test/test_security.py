"""Security: the SROS2 policy is exactly the graph of the running nodes, and nothing that is signed with runs code."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, Companion, Process
from rclpy.node import Node, NodeNameNonExistentError

PACKAGE = ROOT / "text2sign_ros"
POLICY = ROOT / "config" / "security" / "text2sign.policy.xml"
Access = dict[str, set[str]]


@pytest.fixture
def companion() -> Iterator[Companion]:
    companion = Companion("auditor")
    yield companion
    companion.close()


def allowed(enclave: str) -> Access:
    """What the policy lets an enclave do, by the attribute that says so; names in full."""
    profile = ElementTree.parse(POLICY).find(f"enclaves/enclave[@path='{enclave}']/profiles/profile")
    assert profile is not None
    namespace, node = profile.attrib["ns"], profile.attrib["node"]
    access: Access = {kind: set() for kind in ("subscribe", "publish", "reply", "request")}
    for group in profile:
        assert set(group.attrib.values()) == {"ALLOW"}
        for entry in group:
            name = (entry.text or "").replace("~", f"{namespace}{node}")
            for kind in group.attrib:
                access[kind].add(name if name.startswith("/") else namespace + name)
    return access


def seen(observer: Node, name: str) -> Access:
    """What a running node has open, as another node sees it; nothing before it sees that node."""
    questions = {
        "subscribe": observer.get_subscriber_names_and_types_by_node,
        "publish": observer.get_publisher_names_and_types_by_node,
        "reply": observer.get_service_names_and_types_by_node,
        "request": observer.get_client_names_and_types_by_node,
    }
    try:
        return {kind: {topic for topic, _ in ask(name, "/")} for kind, ask in questions.items()}
    except NodeNameNonExistentError:
        return {}


@pytest.mark.parametrize("name", ["signer", "player"])
def test_the_policy_allows_what_the_node_has_open_and_no_more(
    name: str, run_module: Callable[..., Process], companion: Companion
) -> None:
    process = run_module(f"text2sign_ros.ros.{name}_node", "--ros-args", "-p", "use_sim_time:=true")
    process.wait_for("ready: ")
    wanted = allowed(f"/{name}")
    if find_spec("type_description_interfaces") is None:  # before Iron
        wanted["reply"].discard(f"/{name}/get_type_description")
    if find_spec("tf2_msgs") is None:
        wanted["publish"].discard("/tf")
    deadline = time.monotonic() + 20.0  # discovery takes its time
    while seen(companion.node, name) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen(companion.node, name) == wanted


def test_every_node_has_its_enclave() -> None:
    enclaves = {enclave.attrib["path"] for enclave in ElementTree.parse(POLICY).iter("enclave")}
    assert enclaves == {f"/{path.stem.removesuffix('_node')}" for path in PACKAGE.glob("ros/*_node.py")}


def test_a_node_that_is_told_to_be_secure_does_not_run_without(
    run_module: Callable[..., Process], tmp_path: Path
) -> None:
    """Without keys here; with keys, the wheels' Fast DDS says that it was built without security, and that is fatal."""
    secure = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce", "ROS_SECURITY_KEYSTORE": str(tmp_path)}
    process = run_module("text2sign_ros.ros.signer_node", "--ros-args", "--enclave", "/signer", env=secure)
    assert process.wait(30.0) == 1
    assert any("signer: " in line and "SECURITY ERROR" in line for line in process.log), process.log
    assert not any("Traceback" in line or "ready" in line for line in process.log)
