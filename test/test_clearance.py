"""Parts that are too near, and which way they move apart."""

from __future__ import annotations

import numpy as np
import robots

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.clearance import CLEARANCE, Clearance
from text2sign_ros.retarget.pose import Pose
from text2sign_ros.retarget.solver import Retargeter


def test_nothing_is_missing_at_rest_nor_is_the_robots_model_changed() -> None:
    model = robots.robot("gr3")
    body = Body(model)
    pose = Pose(model, body.bodies, body.local)
    clearance = Clearance(body, pose)
    pose.move(model.rest)
    missing, apart = clearance.rows()
    assert (missing <= 0).all() and apart.shape == (len(missing), len(model.joints))
    assert (model.mj.geom_margin == 0).all()


def test_a_step_along_the_derivatives_gives_the_missing_distance() -> None:
    model = robots.robot("gr3")
    close = Retargeter(model, clearance=False).solve(robots.together(-0.03))
    body = Body(model)
    pose = Pose(model, body.bodies, body.local)
    clearance = Clearance(body, pose)
    pose.move(close)
    missing, apart = clearance.rows()
    assert missing.max() > CLEARANCE, "the hands are in each other"
    deepest = int(missing.argmax())
    way = apart[deepest] / np.linalg.norm(apart[deepest])
    pose.move(close - 1e-4 * way)
    gained = missing.max() - clearance.rows()[0].max()
    assert 0.5e-4 * np.linalg.norm(apart[deepest]) < gained
