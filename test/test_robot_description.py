"""Descriptions of robots: those shipped load, and whatever is wrong in a file is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import robots
from conftest import ROOT

from text2sign_ros.retarget.description import RobotDescription, load, names
from text2sign_ros.settings import ConfigError


def _load(folder: Path, text: str) -> RobotDescription:
    path = folder / "small.yaml"
    path.write_text(text)
    return load(path)


def test_every_robot_that_comes_with_the_package_loads() -> None:
    assert "gr3" in names()
    for name in names():
        assert load(name).name == name
        assert load(ROOT / "config" / "robots" / f"{name}.yaml") == load(name)


def test_joints_in_order() -> None:
    robot = load("gr3")
    assert robot.controlled[:5] == (*robot.joints.waist, *robot.joints.neck)
    assert len(robot.controlled) == 43 and robot.controlled[-1] == "R_pinky_intermediate_joint"
    assert robot.kind("left_elbow_pitch_joint") == "arm" and robot.kind("R_thumb_distal_joint") == "hand"
    assert [*robot.left.fingers()] == ["thumb", "index", "middle", "ring", "little"]


def test_a_hand_may_lack_fingers_and_paths_start_at_the_file(tmp_path: Path) -> None:
    robot = _load(tmp_path, robots.yaml())
    assert [*robot.right.fingers()] == ["thumb", "index", "middle"]
    assert robot.source.urdf == str(tmp_path / "small.urdf")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("controller: /arms/joint_trajectory", "controler: /arms", "unknown key 'controler'"),
        ("controller: /arms/joint_trajectory", "controller: /", "controller is empty; name the topic"),
        ("urdf: small.urdf", "urdf: small.urdf, topic: robot_description", "source has urdf, topic; give package and"),
        ("urdf: small.urdf", "package: robots", "source has package; give package and file"),
        ("left_arm: [left_upper_joint, left_fore_joint]", "left_arm: []", "joints: left_arm is empty"),
        ("[left_palm_joint]", "[left_palm_joint, left_fore_joint]", "left_fore_joint is named 2 times"),
        ("left_index_tip]", "left_index_tip, a, b]", "left: index has 5 parts"),
        ("right_middle_inner, right_middle_outer, right_middle_tip", "", "right: middle is empty"),
        ("arm: {velocity: 4, acceleration: 40", "arm: {velocity: .nan, acceleration: 0", "arm: velocity is nan"),
        ("arm: {velocity: 4, acceleration: 40", "arm: {velocity: .nan, acceleration: 0", "acceleration is 0.0; it mus"),
        ("jerk: 2000, effort: 1}", "jerk: 2000}\n  toe: {acceleration: 1, jerk: 1}", "limits: unknown kind 'toe'"),
        ("  wrist: {acceleration: 60, jerk: 900}\n", "", "limits: wrist is missing"),
        ("rest:", "overrides: {knee: {velocity: 1}}\nrest:", "overrides: knee is not among joints"),
        ("left_fore_joint: -0.3", "left_fore_joint: .inf", "rest: left_fore_joint is inf"),
        ("at: [0, 0, -0.04]", "at: [0, 0]", "at is [0.0, 0.0]; it must be three numbers"),
        ("name: small", "name: small\nscale: 0", "scale is 0.0; it must be 0.1 to 10"),
        ("name: small", "name: small\nhip_clearance: 1", "hip_clearance is 1.0; it must be 0 to 0.3 m"),
    ],
)
def test_an_error_names_key_and_mend(old: str, new: str, named: str, tmp_path: Path) -> None:
    text = robots.yaml()
    assert old in text
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text.replace(old, new))
    assert named in str(caught.value) and "small.yaml" in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no robot 'gr9'; known are .*gr3.*or give a \.yaml file"):
        load("gr9")
