"""Signing space: shoulders, head and hands of a person come to lie where a robot has them, and back again."""

from __future__ import annotations

import copy
import dataclasses
from functools import cache

import mujoco
import numpy as np
import pytest
import robots
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import skeleton
from text2sign_ros.retarget.description import names
from text2sign_ros.retarget.signing_space import SigningSpace

EARS = skeleton.REST_POSE[skeleton.EARS].mean(axis=0).astype(float)
_gr3 = cache(lambda: SigningSpace(robots.robot("gr3")))
places = st.tuples(st.floats(-0.1, 0.6), st.floats(-0.6, 0.6), st.floats(-0.6, 0.5)).map(np.array)


@pytest.mark.parametrize("name", names())
def test_the_way_back(name: str) -> None:
    space = SigningSpace(robots.robot(name))
    points = np.random.default_rng(0).uniform((-0.1, -0.6, -0.6), (0.6, 0.6, 0.5), (500, 3))
    assert np.abs(space.to_signer(space.to_robot(points)) - points).max() < 1e-3


@given(a=places, b=places)
@settings(max_examples=200, deadline=None)
def test_near_points_stay_near_and_apart(a: np.ndarray, b: np.ndarray) -> None:
    """The map neither tears nor folds: its scale is nowhere far from a person's."""
    space = _gr3()
    apart = np.linalg.norm(a - b)
    mapped = np.linalg.norm(space.to_robot(a) - space.to_robot(b))
    most = 1.6 if min(a[2], b[2]) > -0.35 else 3.0  # beside the hips
    assert 0.4 * apart - 1e-9 <= mapped <= most * apart + 1e-9


def test_hanging_hands_keep_clear_of_the_hips() -> None:
    space = _gr3()
    wrists = skeleton.REST_POSE[[skeleton.INDEX[f"{side}_wrist"] for side in ("left", "right")]].astype(float)
    hang = (space.to_robot(wrists) - space.origin)[:, 1]
    clearance = robots.robot("gr3").description.hip_clearance
    model = copy.copy(robots.robot("gr3"))
    model.description = dataclasses.replace(model.description, hip_clearance=0.0)
    bare = SigningSpace(model)
    assert np.abs(hang) - np.abs((bare.to_robot(wrists) - bare.origin)[:, 1]) == pytest.approx(clearance, abs=5e-3)
    signing = np.array(((0.3, 0.2, -0.34), (0.3, -0.1, -0.2)))
    assert space.to_robot(signing) == pytest.approx(bare.to_robot(signing), abs=1e-9), "where signs are, nothing moves"


def test_the_head_comes_to_lie_on_the_head_and_the_middle_in_the_middle() -> None:
    model = robots.robot("gr3")
    space = SigningSpace(model)
    data = mujoco.MjData(model.mj)
    data.qpos[:] = model.full(model.rest)
    mujoco.mj_kinematics(model.mj, data)
    assert space.to_robot(EARS) == pytest.approx(data.site_xpos[model.ends["head"]], abs=1e-6)
    near = EARS + np.array((0.02, 0.01, -0.02))
    assert space.to_robot(near) - space.to_robot(EARS) == pytest.approx(near - EARS, abs=3e-3), "a person's scale"
    middle = space.to_robot(np.array((0.35, 0.0, -0.2)))
    assert middle[1] == pytest.approx(space.origin[1], abs=1e-3)
    assert space.to_robot(np.array((0.3, 0.18, -0.3)))[1] == pytest.approx(space.shoulders[0, 1], abs=2e-3)


def test_a_wrist_stays_within_reach() -> None:
    space = SigningSpace(robots.robot("gr3"))
    nearest, farthest = space.reach
    assert 0.1 < nearest < 0.3 < farthest < 0.7
    shoulder, way = space.shoulders[0], np.array((0.6, 0.0, -0.8))
    distances = np.linspace(0.0, 1.5, 200)
    got = np.array([np.linalg.norm(space.within_reach(shoulder + d * way, shoulder) - shoulder) for d in distances[1:]])
    assert (got > nearest - 1e-6).all() and (got < farthest).all()
    assert (np.diff(got) >= 0).all() and np.diff(got).max() < 1.01 * distances[1], "no jump, never faster than asked"
    inside = (distances[1:] > nearest + 0.1) & (distances[1:] < farthest - 0.1)
    assert got[inside] == pytest.approx(distances[1:][inside])
