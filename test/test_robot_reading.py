"""How a robot's performance is measured: frames as it showed them, and how its hand differs, in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import robots

from experiments.robot_performance import Stage
from experiments.robot_shapes import Made, reasons
from text2sign_ros.clip import SignClip
from text2sign_ros.evaluation.hand_reader import with_order
from text2sign_ros.skeleton import HAND, INDEX, REST_POSE


def made(real: np.ndarray, robot: np.ndarray) -> Made:
    return Made("r", ["u"], real, robot, REST_POSE, np.zeros(0))


def test_fingers_that_do_not_cross() -> None:
    hand = np.repeat(REST_POSE[HAND["right"]][None].astype(np.float32), 3, axis=0)
    crossed, side_by_side = (with_order(hand, np.full(3, order)) for order in (-8.0, 15.0))
    stiff = {"index": 17.0, "middle": 0.0, "ring": 0.0, "little": 0.0}
    said = reasons(made(crossed, side_by_side), stiff)
    assert "index and middle do not cross (middle cannot move sideways)" in said
    assert not reasons(made(crossed, crossed), stiff)


@pytest.mark.slow  # physics of a robot for two seconds
def test_a_performance_is_the_motion_and_is_kept(tmp_path: Path) -> None:
    robots.robot("gr3")  # skips without its model
    way = (1 - np.cos(np.linspace(0, np.pi, 30))) / 2
    positions = np.repeat(REST_POSE[None].astype(float), 40, axis=0)
    raised = np.concatenate((way, np.ones(10)))[:, None, None] * np.array((0.2, 0.0, 0.25))
    moved = [*range(HAND["right"].start, HAND["right"].stop), INDEX["right_wrist"], INDEX["right_elbow"]]
    share = np.ones(len(moved))
    share[-1] = 0.3
    positions[:, moved] += raised * share[:, None]
    clip = SignClip(positions, np.ones(positions.shape[:2]), 25.0)
    stage = Stage("gr3", tmp_path)
    performed = stage.perform(clip, 38)
    assert len(performed.frames) == len(performed.shown) == 38 and performed.shown[0] == 0
    assert (np.diff(performed.shown) > 0).all() and len(performed.seen) >= 38
    wrist = stage.forward.keypoints(performed.frames[-1:])[0, INDEX["right_wrist"]]
    assert np.linalg.norm(wrist - positions[37, INDEX["right_wrist"]]) < 0.08
    again = stage.perform(clip, 38)
    assert np.array_equal(again.frames, performed.frames) and len(list(tmp_path.rglob("*.npz"))) == 1
