"""Two hands from a model of one: the second is the first one's mirror image."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from text2sign_ros.retarget.pair import SLIDES, TURNS, pair

_HAND = """
<mujoco><worldbody><body name="forearm"><joint name="wrist" axis="1 0 0"/><geom size="0.02" mass="1"/>
  <body name="palm" pos="0 0 0.1"><joint name="tilt" axis="1 0 0"/><geom type="box" size="0.04 0.01 0.05" mass="0.2"/>
    <body name="finger" pos="0.03 0.005 0.09" euler="0 20 10">
      <joint name="spread" axis="0 1 0" range="-20 30"/><joint name="bend" axis="1 0 0" range="0 90"/>
      <geom type="capsule" size="0.01 0.02" pos="0.003 0 0.02" euler="5 0 0" mass="0.02"/>
      <geom type="mesh" mesh="wedge" pos="0 0.01 0.01" euler="0 30 0" mass="0"/>
      <site name="tip" pos="0.001 0 0.05"/>
    </body></body></body></worldbody>
  <asset><mesh name="wedge" vertex="0 0 0  0.03 0 0  0 0.02 0  0 0 0.01"/></asset>
</mujoco>"""
MIRROR = np.array((-1.0, 1.0, 1.0))


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_other_hand_is_the_mirror_image(side: str) -> None:
    hand = mujoco.MjModel.from_xml_string(_HAND)
    mj = pair(hand, "palm", side).compile()
    names = [f"{name}_{joint}" for name in ("left", "right") for joint in (*SLIDES, *TURNS, "spread", "bend")]
    assert sorted(mj.joint(i).name for i in range(mj.njnt)) == sorted(names)
    data = mujoco.MjData(mj)
    for bend, spread in ((0.0, 0.0), (1.0, 0.0), (0.4, 0.5)):
        for name in ("left", "right"):
            data.qpos[mj.joint(f"{name}_bend").qposadr] = bend
            data.qpos[mj.joint(f"{name}_spread").qposadr] = spread
        mujoco.mj_kinematics(mj, data)
        tips = [data.site(f"{name}_tip").xpos - data.body(f"{name}_palm").xpos for name in ("left", "right")]
        assert tips[0] == pytest.approx(tips[1] * MIRROR)
        corners = []
        for name in ("left", "right"):
            geoms = [g for g in range(mj.ngeom) if mj.geom_bodyid[g] == mj.body(f"{name}_finger").id]
            mesh = next(g for g in geoms if mj.geom_type[g] == mujoco.mjtGeom.mjGEOM_MESH)
            number = mj.geom_dataid[mesh]
            of_mesh = mj.mesh_vert[mj.mesh_vertadr[number] : mj.mesh_vertadr[number] + mj.mesh_vertnum[number]]
            placed = of_mesh @ data.geom_xmat[mesh].reshape(3, 3).T + data.geom_xpos[mesh]
            corners.append(placed - data.body(f"{name}_palm").xpos)
        apart = np.linalg.norm(corners[0][:, None] - corners[1][None] * MIRROR, axis=-1)
        assert apart.min(axis=1) == pytest.approx(0.0, abs=1e-6)


def test_the_hand_itself_is_as_it_was() -> None:
    hand = mujoco.MjModel.from_xml_string(_HAND)
    mj = pair(hand, "palm", "right").compile()
    data, of_hand = mujoco.MjData(mj), mujoco.MjData(hand)
    for joint, value in (("bend", 0.8), ("spread", -0.2)):
        data.qpos[mj.joint(f"right_{joint}").qposadr] = value
        of_hand.qpos[hand.joint(joint).qposadr] = value
    mujoco.mj_kinematics(mj, data)
    mujoco.mj_kinematics(hand, of_hand)
    tip = data.site("right_tip").xpos - data.body("right_palm").xpos
    assert tip == pytest.approx(of_hand.site("tip").xpos - of_hand.body("palm").xpos)
    assert mj.body("right_finger").mass == pytest.approx(hand.body("finger").mass)
