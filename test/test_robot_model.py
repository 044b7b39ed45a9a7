"""Models of robots in MuJoCo: real ones, and a small one whose limits and couplings are known."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
import robots

from text2sign_ros.retarget.description import load, names
from text2sign_ros.retarget.model import RobotModel, build
from text2sign_ros.settings import ConfigError


def _small(folder: Path, text: str | None = None) -> RobotModel:
    (folder / "small.urdf").write_text(robots.urdf())
    (folder / "meshless.urdf").write_text(robots.urdf().replace('<sphere radius="0.01"/>', '<mesh filename="no.stl"/>'))
    (folder / "small.yaml").write_text(text or robots.yaml())
    return build(load(folder / "small.yaml"))


@pytest.mark.parametrize("name", names())
def test_every_robot_that_comes_with_the_package_is_built(name: str) -> None:
    model = robots.robot(name)
    assert model.joints == model.description.controlled
    assert [model.mj.joint(int(i)).name for i in model.mj.dof_jntid[model.dof]] == list(model.joints)
    assert (model.lower < model.upper).all()
    assert ((model.lower <= model.rest) & (model.rest <= model.upper)).all()
    for limit in (model.velocity, model.acceleration, model.jerk, model.effort):
        assert limit.shape == (len(model.joints),) and (limit > 0).all() and np.isfinite(limit).all()


@pytest.mark.parametrize("name", names())
def test_nothing_touches_at_rest(name: str) -> None:
    model = robots.robot(name)
    data = mujoco.MjData(model.mj)
    data.qpos[:] = model.full(model.rest)
    mujoco.mj_forward(model.mj, data)
    assert len(model.colliding) > 20 and data.ncon == 0


def test_the_hands_of_gr3_collide() -> None:
    """Both palms at one place, which no exclusion may hide."""
    model = robots.robot("gr3")
    data = mujoco.MjData(model.mj)
    joints = model.rest.copy()
    for name, value in (("shoulder_pitch", -0.9), ("elbow_pitch", -1.0)):
        for side in ("left", "right"):
            joints[model.joints.index(f"{side}_{name}_joint")] = value
    for side, sign in (("left", -1), ("right", 1)):
        joints[model.joints.index(f"{side}_shoulder_yaw_joint")] = 0.7 * sign
    data.qpos[:] = model.full(joints)
    mujoco.mj_forward(model.mj, data)
    touching = {
        frozenset(model.mj.body(int(model.mj.geom_bodyid[geom])).name[0] for geom in contact.geom)
        for contact in data.contact[: data.ncon]
    }
    assert frozenset("LR") in touching


def test_parts_of_gr3_lie_where_a_persons_do() -> None:
    model = robots.robot("gr3")
    data = mujoco.MjData(model.mj)
    data.qpos[:] = model.full(model.rest)
    mujoco.mj_forward(model.mj, data)
    at = {name: data.site_xpos[site] for name, site in model.ends.items()}
    assert at["left_shoulder"][1] > 0.15 > -0.15 > at["right_shoulder"][1]
    for side in ("left", "right"):
        order = [at[f"{side}_{part}"][2] for part in ("shoulder", "elbow", "wrist", "middle_0", "middle_2")]
        assert order == sorted(order, reverse=True), "an arm that hangs"
        assert at[f"{side}_thumb_3"][0] > at[f"{side}_little_2"][0], "the thumb is in front"
    assert at["head"][2] > at["left_shoulder"][2] + 0.1


def test_meshes_are_drawn_with_few_faces() -> None:
    bare, drawn = robots.robot("gr3"), build(load("gr3"), visual=True)
    assert drawn.mj.ngeom > bare.mj.ngeom and len(drawn.colliding) == len(bare.colliding)
    assert drawn.mj.nmeshface < 200_000 and drawn.mj.mesh_facenum.max() <= 1500


def test_limits_come_from_model_and_description(tmp_path: Path) -> None:
    text = robots.yaml().replace(
        "rest:", "overrides: {left_upper_joint: {upper: 1, jerk: 7}, right_palm_joint: {velocity: 9}}\nrest:"
    )
    model = _small(tmp_path, text)
    row = {name: i for i, name in enumerate(model.joints)}
    left, right, wrist = row["left_upper_joint"], row["right_upper_joint"], row["right_palm_joint"]
    assert (model.lower[left], model.upper[left], model.jerk[left]) == (-3, 1, 7)
    assert (model.upper[right], model.jerk[right]) == (3, 900)
    assert model.velocity[left] == 4, "the description's is lower than the model's 5"
    assert model.velocity[wrist] == 7, "the model's is lower than the override's"
    assert model.effort[left] == 40, "the description has none"
    assert model.effort[row["left_index_inner_joint"]] == 1, "0 in the model is none"
    assert model.rest[row["left_fore_joint"]] == -0.3


def test_coupled_joints_follow_and_stay_in_their_limits(tmp_path: Path) -> None:
    model = _small(tmp_path)
    assert model.mj.nq == 18 and len(model.joints) == 12
    index = model.joints.index("left_index_inner_joint")
    assert model.upper[index] == pytest.approx((0.7 - 0.1) / 0.5), "where the one that follows ends"
    joints = np.tile(model.rest, (2, 1))
    joints[1, index] = 1.0
    qpos = model.full(joints)
    follower = model.mj.joint("left_index_outer_joint").qposadr[0]
    assert qpos[:, follower] == pytest.approx([0.1 + 0.5 * joints[0, index], 0.6])
    step = np.zeros(12)
    step[index] = 1.0
    moved = (model.spread @ step)[model.mj.joint("left_index_outer_joint").dofadr[0]]
    assert moved == pytest.approx(0.5)


def test_the_text_of_a_topic(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(robots.yaml("topic: robot_description"))
    robot = load(tmp_path / "small.yaml")
    assert build(robot, robots.urdf()).joints == robot.controlled
    with pytest.raises(ConfigError, match="on the topic robot_description; give its text"):
        build(robot)


def test_what_a_simulation_adds_is_compiled(tmp_path: Path) -> None:
    (tmp_path / "small.urdf").write_text(robots.urdf())
    (tmp_path / "small.yaml").write_text(robots.yaml())
    model = build(load(tmp_path / "small.yaml"), prepare=lambda spec: spec.worldbody.add_camera(name="front"))
    assert model.mj.camera("front").id == 0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (
            "shoulder: left_upper",
            "shoulder: left_uper",
            "left: shoulder: the model has no body or site 'left_uper'",
        ),
        (
            "right_arm: [right_upper_joint",
            "right_arm: [elbow",
            "joints: right_arm: the model has no joint 'elbow'",
        ),
        ("left_thumb_inner_joint,", "left_thumb_outer_joint,", "left_thumb_outer_joint follows left_thumb_inner_joint"),
        ("body: left_index_outer", "body: left_toe", "points: left_index_tip: body: the model has no body 'left_toe'"),
        ("rest: {left_fore_joint", "rest: {left_knee", "rest: the model has no joint to move 'left_knee'"),
        ("hand: {velocity: 6,", "hand: {", "limits: hand: velocity is missing, and the model has none for left_thumb"),
        ("rest:", "overrides: {left_fore_joint: {lower: 1}}\nrest:", "left_fore_joint: no position is within 1 to 0"),
        ("urdf: small.urdf", "urdf: none.urdf", "none.urdf can't be read"),
        ("urdf: small.urdf", "urdf: meshless.urdf", "the model can't be built: "),
        ("urdf: small.urdf", "urdf: small.yaml", "the URDF is not XML"),
        (
            "urdf: small.urdf",
            "package: no_such_robots, file: a.urdf",
            "no_such_robots is not installed: pip ins",
        ),
    ],
)
def test_an_error_names_key_and_mend(old: str, new: str, named: str, tmp_path: Path) -> None:
    text = robots.yaml()
    assert old in text
    with pytest.raises(ConfigError) as caught:
        _small(tmp_path, text.replace(old, new))
    assert named in str(caught.value)
