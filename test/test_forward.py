"""Joints of a robot back to keypoints of a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import robots

from text2sign_ros import skeleton
from text2sign_ros.motion.kinematics import bone_lengths
from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.description import load, names
from text2sign_ros.retarget.forward import Forward
from text2sign_ros.retarget.model import build
from text2sign_ros.skeleton import INDEX, REST_POSE


@pytest.mark.parametrize("name", names())
def test_keypoints_of_a_person(name: str) -> None:
    model = robots.robot(name)
    keypoints = Forward(Body(model)).keypoints(np.stack((model.rest, model.rest)))
    assert keypoints.shape == (2, 79, 3) and keypoints.dtype == np.float32 and np.isfinite(keypoints).all()
    assert keypoints[0] == pytest.approx(keypoints[1])
    assert keypoints[0, skeleton.SHOULDERS] == pytest.approx(REST_POSE[skeleton.SHOULDERS])
    assert keypoints[0, INDEX["left_wrist"]] == pytest.approx(keypoints[0, INDEX["left_hand_root"]])
    for side in ("left", "right"):
        hand = keypoints[0, skeleton.HAND[side]]
        assert 0.15 < np.linalg.norm(np.diff(hand[[0, 9, 10, 11, 12]], axis=0), axis=1).sum() < 0.22
        assert np.linalg.norm(np.diff(hand.reshape(21, 3), axis=0), axis=1).min() > 0.005, "no two at one place"


def test_arms_have_a_persons_lengths_and_the_head_turns() -> None:
    model = robots.robot("gr3")
    joints = robots.signing(model, np.random.default_rng(0))
    joints[model.joints.index("head_yaw_joint")] = 0.5
    keypoints = Forward(Body(model)).keypoints(joints[None])
    assert bone_lengths(keypoints)[0, :4] == pytest.approx([0.32, 0.28] * 2, abs=1e-5)
    nose = keypoints[0, INDEX["nose"]] - keypoints[0, skeleton.EARS].mean(axis=0)
    assert np.arctan2(nose[1], nose[0]) == pytest.approx(0.5, abs=1e-3)


def test_a_hand_without_ring_and_little_finger(tmp_path: Path) -> None:
    (tmp_path / "small.urdf").write_text(robots.urdf())
    (tmp_path / "small.yaml").write_text(robots.yaml())
    model = build(load(tmp_path / "small.yaml"))
    hand = Forward(Body(model)).keypoints(model.rest[None])[0, skeleton.HAND["left"]]
    assert np.isfinite(hand).all()
    across = np.linalg.norm(hand[[13, 17]] - hand[[9, 13]], axis=1)
    assert ((across > 0.01) & (across < 0.03)).all(), "missing fingers lie beside the others"
