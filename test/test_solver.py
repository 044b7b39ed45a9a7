"""Keypoints to joints: on GR3, with motion of the shipped model, with poses of its own, and with impossible ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import robots
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import Signer, skeleton
from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.clearance import Clearance
from text2sign_ros.retarget.description import load, names
from text2sign_ros.retarget.forward import Forward
from text2sign_ros.retarget.model import RobotModel, build
from text2sign_ros.retarget.pose import Pose
from text2sign_ros.retarget.solver import Retargeter
from text2sign_ros.retarget.target import KeypointError
from text2sign_ros.skeleton import INDEX, REST_POSE


@pytest.fixture(scope="module")
def motion(bundle: Path) -> np.ndarray:
    """A sign and a letter from rest to rest: (T, 79, 3)."""
    return Signer(bundle, steps=1).sign("hello b").positions


def _points(model: RobotModel, joints: np.ndarray) -> dict[str, np.ndarray]:
    body = Body(model)
    pose = Pose(model, body.bodies, body.local)
    pose.move(joints)
    return dict(zip(body.numbers, pose.points(), strict=False))


def _in_limits(model: RobotModel, joints: np.ndarray) -> bool:
    return bool(((model.lower <= joints) & (joints <= model.upper)).all())


def test_a_pose_of_the_robots_own_is_found_again() -> None:
    """Of joints that no others can stand in for: the fingers, and the place and turn of the hand."""
    model, rng = robots.robot("gr3"), np.random.default_rng(1)
    retargeter = Retargeter(model, clearance=False)
    for _ in range(3):
        true = robots.signing(model, rng, fingers=0.5)
        (keypoints,) = Forward(retargeter.body).keypoints(true[None])
        retargeter.reset(model.rest)
        for _ in range(12):
            found = retargeter.solve(keypoints)
        at, wanted = _points(model, found), _points(model, true)
        for side in ("left", "right"):
            assert at[f"{side}_wrist"] == pytest.approx(wanted[f"{side}_wrist"], abs=0.012)
            columns = model.groups[f"{side}_hand"]
            assert np.abs(found[columns] - true[columns]).mean() < 0.1


def test_motion_of_the_model_is_followed(motion: np.ndarray) -> None:
    model = robots.robot("gr3")
    retargeter = Retargeter(model)
    wrists, palms, fingers = [], [], []
    for keypoints in motion:
        joints = retargeter.solve(keypoints)
        assert _in_limits(model, joints)
        target, at = retargeter.target(keypoints), _points(model, joints)
        hand = retargeter.body.hands["right"]
        palm = np.stack([at[f"right_palm_{axis}"] - at["right_wrist"] for axis in "xyz"], axis=1)
        wrists.append(np.linalg.norm(at["right_wrist"] - target.wrists["right"]))
        palms.append(np.arccos(np.clip((np.trace(palm.T @ target.palms["right"]) - 1) / 2, -1, 1)))
        points = np.array([*at.values()])[hand.points]
        ways = (points[hand.outer] - points[hand.inner]) / hand.lengths[:, None]
        fingers.append(np.arccos(np.clip((ways * (target.ways["right"] @ palm.T)).sum(axis=1), -1, 1)))
    assert np.mean(wrists) < 0.025 and np.median(wrists) < 0.005, "for a third of a second the arm changes its pose"
    assert np.degrees(np.mean(palms)) < 12 and np.degrees(np.median(palms)) < 3, "though the arm changes its pose"
    assert np.degrees(np.mean(fingers)) < 25


def test_the_same_frames_give_the_same_joints_and_small_steps(motion: np.ndarray) -> None:
    model = robots.robot("gr3")
    runs = []
    for _ in range(2):
        retargeter = Retargeter(model)
        retargeter.reset(model.rest)
        runs.append(np.array([retargeter.solve(keypoints) for keypoints in motion[:20]]))
    assert (runs[0] == runs[1]).all()
    still = Retargeter(model)
    still.reset(runs[0][-1])
    steps = np.array([still.solve(motion[19]) for _ in range(40)])
    assert np.abs(np.diff(steps[-5:], axis=0)).max() < 0.005, "comes to rest where the person does"


def test_several_starts_find_what_one_misses(motion: np.ndarray) -> None:
    model = robots.robot("gr3")
    retargeter = Retargeter(model)
    raised = motion[len(motion) // 2]
    retargeter.solve(raised)
    for _ in range(10):
        joints = retargeter.solve(raised)
    target = retargeter.target(raised)
    assert np.linalg.norm(_points(model, joints)["right_wrist"] - target.wrists["right"]) < 0.05


@given(seed=st.integers(0, 10**6), size=st.sampled_from((0.02, 0.1, 0.4)))
@settings(max_examples=25, deadline=None)
def test_joints_stay_within_their_limits_whatever_is_asked(seed: int, size: float) -> None:
    """Keypoints thrown about, as by a tracker that has lost the person."""
    model = robots.robot("gr3")
    retargeter = _shared(model)
    rng = np.random.default_rng(seed)
    keypoints = REST_POSE + rng.normal(0, size, REST_POSE.shape)
    keypoints[skeleton.SHOULDERS] = REST_POSE[skeleton.SHOULDERS]
    retargeter.reset(model.rest)
    for _ in range(2):
        try:
            joints = retargeter.solve(keypoints)
        except KeypointError:
            return
        assert _in_limits(model, joints) and np.isfinite(joints).all()


_RETARGETERS: list[Retargeter] = []


def _shared(model: RobotModel) -> Retargeter:
    if not _RETARGETERS:
        _RETARGETERS.append(Retargeter(model))
    return _RETARGETERS[0]


def test_an_arm_stretches_toward_what_it_cannot_reach() -> None:
    model = robots.robot("gr3")
    retargeter = Retargeter(model)
    keypoints = REST_POSE.astype(float)
    away = np.array((1.2, -0.3, 0.0)) - keypoints[INDEX["right_wrist"]]
    keypoints[skeleton.HAND["right"]] += away
    keypoints[INDEX["right_wrist"]] += away
    keypoints[INDEX["right_elbow"]] = (0.6, -0.24, 0.0)
    for _ in range(15):
        joints = retargeter.solve(keypoints)
    at = _points(model, joints)
    way = at["right_wrist"] - at["right_shoulder"]
    assert way[0] / np.linalg.norm(way) > 0.9 and np.linalg.norm(way) > 0.85 * retargeter.body.space.reach[1]


def test_a_pinch_is_kept() -> None:
    model, rng = robots.robot("gr3"), np.random.default_rng(0)
    joints = robots.signing(model, rng, fingers=0.3)
    retargeter = Retargeter(model)
    (keypoints,) = Forward(retargeter.body).keypoints(joints[None])
    first = skeleton.HAND["right"].start
    gaps = []
    for touching in (False, True):
        asked = keypoints.astype(float)
        if touching:
            asked[first + 4] = asked[first + 8] + (0.0, 0.0, -0.008)
        retargeter.reset(joints)
        for _ in range(12):
            found = retargeter.solve(asked)
        at = _points(model, found)
        gaps.append(np.linalg.norm(at["right_thumb_3"] - at["right_index_2"]))
    assert gaps[1] < 0.6 * gaps[0] and gaps[1] < 0.045


def test_hands_that_touch_touch_and_are_not_in_each_other() -> None:
    model = robots.robot("gr3")
    retargeter = Retargeter(model)
    body = retargeter.body
    pose = Pose(model, body.bodies, body.local)
    clearance = Clearance(body, pose)
    for gap in (0.1, 0.05, 0.02, 0.0, -0.03):
        for _ in range(6):
            joints = retargeter.solve(robots.together(gap))
    pose.move(joints)
    missing, _ = clearance.rows()
    assert missing.max(initial=0.0) < 0.006, "4 mm of clearance may be missing, not more than 2 mm beyond"
    points = pose.points()
    between = points[body.hands["left"].points][:, None] - points[body.hands["right"].points][None]
    assert np.linalg.norm(between, axis=-1).min() < 0.06


@pytest.mark.parametrize("name", names())
def test_every_robot_follows(name: str, motion: np.ndarray) -> None:
    model = robots.robot(name)
    retargeter = Retargeter(model)
    retargeter.reset(model.rest)
    joints = np.array([retargeter.solve(keypoints) for keypoints in motion[:25]])
    assert all(_in_limits(model, row) for row in joints)
    columns = model.groups["right_arm"]
    assert np.abs(np.ptp(joints[:, columns], axis=0)).max() > 0.3, "the arm rises"


def test_a_robot_with_few_joints_and_no_head(tmp_path: Path, motion: np.ndarray) -> None:
    (tmp_path / "small.urdf").write_text(robots.urdf())
    (tmp_path / "small.yaml").write_text(robots.yaml())
    model = build(load(tmp_path / "small.yaml"))
    retargeter = Retargeter(model)
    for keypoints in motion[::9]:
        joints = retargeter.solve(keypoints)
        assert _in_limits(model, joints)


def test_a_frame_that_is_refused_leaves_the_one_before(motion: np.ndarray) -> None:
    model = robots.robot("gr3")
    retargeter, other = Retargeter(model), Retargeter(model)
    for one in (retargeter, other):
        one.reset(model.rest)
        one.solve(motion[0])
    with pytest.raises(KeypointError, match="not finite"):
        retargeter.solve(np.full((79, 3), np.nan))
    assert (retargeter.solve(motion[1]) == other.solve(motion[1])).all()
