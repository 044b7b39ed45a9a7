"""Points of robots and their derivatives, against MuJoCo's own."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
import robots

from text2sign_ros.retarget.description import load, names
from text2sign_ros.retarget.model import RobotModel, build
from text2sign_ros.retarget.pose import Pose


def _check(model: RobotModel) -> None:
    rng = np.random.default_rng(0)
    sites = np.array([*model.ends.values()])
    bodies = model.mj.site_bodyid[sites]
    pose = Pose(model, bodies, model.mj.site_pos[sites])
    data = mujoco.MjData(model.mj)
    for _ in range(3):
        joints = rng.uniform(model.lower, model.upper)
        pose.move(joints)
        data.qpos[:] = model.full(joints)
        mujoco.mj_kinematics(model.mj, data)
        mujoco.mj_comPos(model.mj, data)
        points = pose.points()
        assert points == pytest.approx(data.site_xpos[sites], abs=1e-9)
        ours = pose.jacobian(points)
        theirs = np.zeros((3, model.mj.nv))
        for i, site in enumerate(sites):
            mujoco.mj_jacSite(model.mj, data, theirs, None, site)
            assert ours[:, i] == pytest.approx(theirs @ model.spread, abs=1e-9)
        assert pose.parting(np.zeros(4, int), bodies[:4], points[:4]) == pytest.approx(ours[:, :4])
        apart = pose.parting(bodies[4:8], bodies[:4], points[:4])
        assert apart == pytest.approx(-pose.parting(bodies[:4], bodies[4:8], points[:4]))


@pytest.mark.parametrize("name", names())
def test_robots_that_come_with_the_package(name: str) -> None:
    _check(robots.robot(name))


def test_coupled_joints(tmp_path: Path) -> None:
    (tmp_path / "small.urdf").write_text(robots.urdf())
    (tmp_path / "small.yaml").write_text(robots.yaml())
    _check(build(load(tmp_path / "small.yaml")))
