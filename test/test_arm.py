"""Poses of one arm: its own kinematics agree with MuJoCo's, and another pose is found where one leads no further."""

from __future__ import annotations

import numpy as np
import pytest
import robots

from text2sign_ros.retarget.arm import Arm, Branches
from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.retarget.forward import Forward
from text2sign_ros.retarget.pose import Pose
from text2sign_ros.retarget.target import Target, Tolerances

_ONLY_HAND = Tolerances(arm=1e3, rest=1e3)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", ["gr3", "gr1t2"])
def test_a_pose_of_the_robot_costs_nothing_where_it_is_asked_for(name: str, side: str) -> None:
    model, rng = robots.robot(name), np.random.default_rng(2)
    body = Body(model)
    arm = Arm(body, side, _ONLY_HAND)
    pose = Pose(model, body.bodies, body.local)
    for _ in range(5):
        joints = model.rest.copy()
        joints[arm.columns] = rng.uniform(arm.lower, arm.upper)
        pose.move(joints)
        points = pose.points()
        target = Target(body, Forward(body).keypoints(joints[None])[0], _ONLY_HAND)
        target.wrists[side] = points[body.hands[side].wrist]
        target.palms[side] = body.frames(points)[1 + SIDES.index(side)]
        stepped, cost = arm.step(target, joints[None, arm.columns])
        assert cost[0] == pytest.approx(0.0, abs=1e-4)
        assert stepped[0] == pytest.approx(joints[arm.columns], abs=1e-3)
        beside = np.clip(joints[arm.columns] + rng.uniform(-0.1, 0.1, len(arm.columns)), arm.lower, arm.upper)[None]
        costs = []
        for _ in range(15):
            beside, cost = arm.step(target, beside)
            costs.append(cost[0])
        assert costs[-1] < 0.01 * costs[0]
        assert (arm.lower <= beside).all() and (beside <= arm.upper).all()


def test_another_pose_takes_over_where_one_is_stuck() -> None:
    model = robots.robot("gr3")
    body = Body(model)
    arm = Arm(body, "right", Tolerances())
    target = Target(body, robots.together(0.1), Tolerances())
    stuck, rng = None, np.random.default_rng(0)
    while stuck is None:
        pose = rng.uniform(arm.lower, arm.upper, (1, len(arm.columns)))
        for _ in range(60):
            pose, cost = arm.step(target, pose)
        stuck = pose[0] if cost[0] > 60 else None
    branches = Branches(arm)
    branches.reset(stuck)
    changes = [branches.follow(target)[1] for _ in range(20)]
    assert any(changes) and not any(changes[10:]), "it changes soon, and stays"
    assert branches.cost < 10
