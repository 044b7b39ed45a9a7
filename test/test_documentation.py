"""What docs/ says of the nodes is what they are: parameters, topics, services, diagnostics."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT

from text2sign_ros import cli
from text2sign_ros.ros import parameters
from text2sign_ros.ros.play_node import PlayNode
from text2sign_ros.ros.player_node import PlayerNode
from text2sign_ros.ros.retarget_node import RetargetNode
from text2sign_ros.ros.signer_node import SignerNode
from text2sign_ros.ros.simulated_robot_node import SimulatedRobotNode
from text2sign_ros.wire import bags, retarget_health, robot_health
from text2sign_ros.wire.diagnosis import Assessment, Condition, Level, assess
from text2sign_ros.wire.robot_health import Health

PAGES = {
    name: (ROOT / "docs" / f"{name}.md").read_text()
    for name in ("node", "player", "simulated_robot", "retarget_node", "files")
}
INACTIVE, ACTIVE = Condition("inactive"), Condition("active")


@pytest.mark.parametrize(
    ("page", "settings"),
    [
        ("node", parameters.SIGNER),
        ("player", parameters.PLAYER),
        ("files", parameters.PLAY),
        ("simulated_robot", parameters.SIMULATED_ROBOT),
        ("retarget_node", parameters.RETARGET),
    ],
)
def test_parameters(page: str, settings: tuple[parameters.Setting, ...]) -> None:
    table = parameters.table(settings)
    assert table in PAGES[page], f"docs/{page}.md is to hold `python -m text2sign_ros.ros.parameters`:\n{table}"


@pytest.mark.parametrize(
    "condition",
    [
        Condition(failure="a reason"),
        Condition(),
        Condition("configuring", progress="building"),
        INACTIVE,
        Condition("finalized"),
        Condition("deactivating"),
        replace(ACTIVE, time=0),
        replace(ACTIVE, clock_stopped=True),
        replace(ACTIVE, paused=True),
        replace(ACTIVE, subscribers=0),
        replace(ACTIVE, late=True),
        replace(ACTIVE, rate_limited=True),
        replace(ACTIVE, busy=True),
        replace(ACTIVE, not_signed="a reason"),
        ACTIVE,
    ],
)
def test_every_assessment_is_explained(condition: Condition) -> None:
    level, message = assess(condition)
    words = "<state>" if condition.failure else message.partition(":")[0][:24]
    rows = [row for row in PAGES["node"].splitlines() if row.startswith(f"| {level.name} | ")]
    assert any(f"`{words}" in row for row in rows), f"docs/node.md says nothing of {level.name} {message!r}"


def test_topics_and_services(local_node: Callable, bundle: Path) -> None:
    signer = local_node(SignerNode, "-p", f"bundle:={bundle}")
    assert signer.start(), signer.failure
    for name in _own(signer):
        assert f"`{name}`" in PAGES["node"], f"docs/node.md says nothing of {name}"


def test_topics_of_the_player(local_node: Callable) -> None:
    for name in _own(local_node(PlayerNode)):
        assert f"`{name}`" in PAGES["player"], f"docs/player.md says nothing of {name}"


def test_topics_of_the_simulated_robot(local_node: Callable) -> None:
    for name in _own(local_node(SimulatedRobotNode)):
        assert f"`{name}`" in PAGES["simulated_robot"], f"docs/simulated_robot.md says nothing of {name}"


def test_topics_of_play(local_node: Callable) -> None:
    for name in _own(local_node(lambda **options: PlayNode(lambda: iter(()), **options))):
        assert f"`{name.removeprefix('/')}`" in PAGES["files"], f"docs/files.md says nothing of {name}"


def test_the_suffixes_that_can_be_written_and_played() -> None:
    rows = set(re.findall(r"^\| `(\.\w+)`", PAGES["files"], re.MULTILINE))
    assert rows == {*cli._SUFFIXES, *bags.SUFFIXES}


@pytest.mark.parametrize(
    "change",
    [
        {"started": False},
        {"advanced": False},
        {"publishers": 0},
        {"refusal": "a reason"},
        {"jumped": -3.0},
        {"deep": ("left", "right", 0.003)},
        {"leap": 0.5},
        {"off": ("left_elbow", 7.0)},
        {"factor": 0.5},
        {"ahead": 1.0},
        {},
    ],
)
def test_every_assessment_of_the_simulated_robot_is_explained(change: dict) -> None:
    level, message = robot_health.assess(replace(Health("/topic"), **change))
    rows = [row for row in PAGES["simulated_robot"].splitlines() if row.startswith(f"| {level.name} | ")]
    words = re.split("[:/]", message)[0].split()[:3]
    assert any(f"`{' '.join(words)}" in row for row in rows), f"{level.name} {message!r} is not on the page"


def test_topics_of_retarget(local_node: Callable) -> None:
    node = local_node(RetargetNode)
    assert node.start(), node.failure
    for name in _own(node):
        assert f"`{name}`" in PAGES["retarget_node"], f"docs/retarget_node.md says nothing of {name}"


@pytest.mark.parametrize(
    "change",
    [
        {"came": False},
        {"unusable": "a reason"},
        {"lacking": ("left_elbow",)},
        {"off": 3.0},
        {"silent": True},
        {"unfit": "a reason"},
        {"moves": "left_elbow"},
        {"subscribers": 0},
        {"jumped": True},
        {"refusal": "a reason"},
    ],
)
def test_every_assessment_of_retarget_is_explained(change: dict) -> None:
    said = retarget_health.assess(replace(retarget_health.Health("/states", "/topic"), **change))
    assert said is not None
    rows = [row for row in PAGES["retarget_node"].splitlines() if row.startswith(f"| {said.level.name} | ")]
    words = re.split("[:/]", said.message)[0].split()[:3]
    assert any(f"`{' '.join(words)}" in row for row in rows), f"{said} is not on the page"


@pytest.mark.parametrize(
    "model", [{"faulty": "a reason"}, {"came": False}, {"replaced_at": time.monotonic()}, {"bare": ("arm", "hand")}]
)
def test_every_assessment_of_a_robots_model_is_explained(model: dict) -> None:
    health = retarget_health.ModelHealth("/robot_description", **model)
    said = retarget_health.assess_model(health) or retarget_health.with_bare(Assessment(Level.OK, "at rest"), health)
    rows = [row for row in PAGES["retarget_node"].splitlines() if row.startswith(f"| {said.level.name} | ")]
    assert any(f"`{' '.join(said.message.split()[:3])}" in row for row in rows), f"{said} is not on the page"


def _own(node: PlayerNode | PlayNode | SignerNode | SimulatedRobotNode | RetargetNode) -> set[str]:
    """Topics and services that are not those of every node."""
    entities = [*node.publishers, *node.subscriptions]
    names = {entity.topic_name for entity in entities} | {service.srv_name for service in node.services}
    short = {node.resolve_topic_name(name).replace(node.get_fully_qualified_name(), "~") for name in names}
    general = {"/rosout", "/parameter_events", "/clock", "~/transition_event", "~/change_state"}
    ours = {name for name in short - general if "parameter" not in name and not name.startswith("~/get_")}
    return {"signer/trajectory" if name == "/signer/trajectory" else name for name in ours}
