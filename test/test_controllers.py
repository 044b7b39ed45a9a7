"""Parameters of ros2_control beside each robot."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from conftest import ROOT

from text2sign_ros.cli import main
from text2sign_ros.retarget.controllers import parameters
from text2sign_ros.retarget.description import load, names
from text2sign_ros.settings import ConfigError


@pytest.mark.parametrize("name", names())
def test_the_shipped_file_is_that_of_the_description(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "config" / "robots" / f"{name}.controllers.yaml"
    assert main(["robot", "controllers", name]) == 0
    assert path.read_text() == capsys.readouterr().out
    values = yaml.safe_load(path.read_text())
    controller = load(name).controller.strip("/").split("/")[0]
    assert values[controller]["ros__parameters"]["joints"] == list(load(name).controlled)
    assert controller in values["controller_manager"]["ros__parameters"]


def test_another_topic_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"controller is /arms; .* /arms/joint_trajectory"):
        parameters(replace(load("gr3"), controller="/arms"))
