"""What is said of robots: limits as they hold, and what fingers can do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import robots
from PIL import Image

from text2sign_ros import palette
from text2sign_ros.cli import main
from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.inspection import POSTURES, abilities, posture
from text2sign_ros.retarget.pose import Pose


def test_fingers_of_gr3() -> None:
    model = robots.robot("gr3")
    for side in ("left", "right"):
        of = {ability.finger: ability for ability in abilities(model, side)}
        assert [*of] == ["thumb", "index", "middle", "ring", "little"]
        assert 10 < of["index"].spread < 25, "0.295 rad"
        for finger in ("middle", "ring", "little"):
            assert of[finger].spread < 5 and of[finger].flexion == pytest.approx(166, abs=3), "1.4172 + 1.4835 rad"
        assert of["thumb"].opposition is None
        assert of["index"].opposition is not None and of["index"].opposition < 10


def test_coupled_fingers_bend_as_one() -> None:
    of = {ability.finger: ability for ability in abilities(robots.robot("gr3_6dof"), "right")}
    assert of["index"].flexion == pytest.approx(180, abs=4), "1.592 rad, and 0.975 times that"
    assert of["index"].spread < 3


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.yaml").write_text(robots.yaml("topic: robot_description"))
    (tmp_path / "small.urdf").write_text(robots.urdf())
    assert main(["robot", "inspect", str(tmp_path / "small.yaml"), "--urdf", str(tmp_path / "small.urdf")]) == 0
    shown = capsys.readouterr().out
    assert "small: 12 joints to move, 6 that follow them" in shown
    assert "not described: head" in shown and "waist: none" in shown
    assert "left_arm: left_upper_joint" in shown and "-3.00 to 3.00" in shown
    assert "right hand" in shown and "ring" not in shown
    assert main(["robot", "inspect", str(tmp_path / "small.yaml")]) == 1
    assert "give its text" in capsys.readouterr().err


def test_postures_of_a_hand() -> None:
    model = robots.robot("gr3")
    body = Body(model)
    pose, hand = Pose(model, body.bodies, body.local), body.hands["right"]
    tip = {}
    for name in POSTURES:
        joints = posture(model, "right", name)
        assert ((joints >= model.lower) & (joints <= model.upper)).all()
        others = np.setdiff1d(np.arange(len(joints)), hand.columns)
        assert np.array_equal(joints[others], model.rest[others]), "only the hand moves"
        pose.move(joints)
        points = pose.points()
        tip[name] = {k: points[hand.points[list(hand.keypoints).index(k)]] - points[hand.wrist] for k in (8, 12, 20)}
    for k in (8, 12, 20):
        assert np.linalg.norm(tip["closed"][k]) < 0.75 * np.linalg.norm(tip["open"][k])
    moved = {k: float(np.linalg.norm(tip["spread"][k] - tip["open"][k])) for k in (8, 12, 20)}
    assert moved[8] > 0.015 and moved[12] == moved[20] == 0, "its index finger alone spreads"


def test_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    robots.robot("gr3")  # skips without its model
    path = tmp_path / "gr3.png"
    assert main(["robot", "inspect", "gr3", "--out", str(path)]) == 0
    assert "right hand" in capsys.readouterr().out
    assert Image.open(path).convert("RGB").getpixel((0, 0)) == palette.rgb(palette.PAPER)
    rows = np.asarray(Image.open(path).convert("L")).min(axis=0) < 200
    quarters = np.array_split(rows, 4)
    assert all(part.any() for part in quarters), "body from the front and the side, and both hands"
