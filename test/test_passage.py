"""Passage: joints go past what is in the way."""

from __future__ import annotations

import itertools

import mujoco
import numpy as np
import robots

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.model import RobotModel
from text2sign_ros.retarget.passage import Passage


def depth(model: RobotModel, poses: list[np.ndarray]) -> float:
    """Metres that links are in each other at most, on the straight ways from pose to pose."""
    data, deepest = mujoco.MjData(model.mj), 0.0
    for a, b in itertools.pairwise(poses):
        for part in np.linspace(0.0, 1.0, 6):
            data.qpos[:] = model.full(a + part * (b - a))
            mujoco.mj_kinematics(model.mj, data)
            mujoco.mj_collision(model.mj, data)
            deepest = max(deepest, -data.contact.dist[: data.ncon].min(initial=0.0))
    return deepest


def test_a_way_that_is_free_is_straight() -> None:
    model = robots.robot("gr3")
    passage = Passage(Body(model))
    passage.joints = robots.signing(model, np.random.default_rng(0), 0.0)
    goal = robots.signing(model, np.random.default_rng(1), 0.0)
    ((part, reached),) = passage.go(goal)
    assert part == 1.0 and reached is passage.joints
    np.testing.assert_allclose(reached, goal, atol=np.radians(2.0))


def test_fingers_and_thumb_do_not_pass_through_each_other() -> None:
    model = robots.robot("gr3")
    passage, rng = Passage(Body(model)), np.random.default_rng(3)
    passage.joints = robots.signing(model, rng, 0.0)
    straight, gone = [passage.joints], [passage.joints]
    parts = []
    for _ in range(8):
        straight.append(robots.signing(model, rng))
        way = passage.go(straight[-1])
        parts.append([part for part, _ in way])
        gone += [pose for _, pose in way]
    assert depth(model, straight) > 0.01, "else there was nothing in the way"
    assert depth(model, gone) < 0.004
    assert all((pose >= model.lower).all() and (pose <= model.upper).all() for pose in gone)
    assert any(len(way) > 1 for way in parts), "what leads round something is told"
    assert all(way[-1] == 1.0 and way[0] > 0 and (np.diff(way) > 0).all() for way in parts)
