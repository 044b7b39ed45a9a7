"""A robot on the web page: its links as meshes, which follow the positions of its joints."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import viser

from text2sign_ros.retarget import model, picture
from text2sign_ros.retarget.description import RobotDescription
from text2sign_ros.retarget.signing_space import SigningSpace
from text2sign_ros.viewer.bones import quaternions

PLACE = np.array((0.0, -1.2, 0.0))
"""Metres in frame ``signer``, where the middle of the robot's shoulders is: to the avatar's right."""
_COLLIDES = 3  # group of geoms that are not drawn
_SAME = 1e-4  # metres, or parts of a turn, below which a link is not sent again


class RobotFigure:
    """The figure; the description's meshes are sent once, with fewer faces, and then only where links are.

    Args:
        scene: of the page.
        description: the robot.

    Attributes:
        joints: (n,) names of the joints that move it.
        frame: what it hangs on; ``visible`` hides it.

    Raises:
        ConfigError: there is no such model, or it comes from a topic.
    """

    def __init__(self, scene: viser.SceneApi, description: RobotDescription) -> None:
        robot = self._robot = model.build(description, visual=True)
        picture.colour(robot)
        self.joints = tuple(robot.joints)
        self._data = mujoco.MjData(robot.mj)
        space = SigningSpace(robot)
        turned = space.axes.T
        self.frame = scene.add_frame(
            "/robot",
            wxyz=quaternions(turned[None])[0],
            position=PLACE - turned @ space.origin,
            show_axes=False,
        )
        self._links: dict[int, Any] = {}
        for body in range(robot.mj.nbody):
            for geom in np.flatnonzero(robot.mj.geom_bodyid == body):
                shown = robot.mj.geom_group[geom] != _COLLIDES
                if shown and robot.mj.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
                    self._add(scene, body, int(geom))
        self._sent: dict[int, np.ndarray] = {}
        self.move(robot.rest)

    def _add(self, scene: viser.SceneApi, body: int, geom: int) -> None:
        mj = self._robot.mj
        if body not in self._links:
            self._links[body] = scene.add_frame(f"/robot/{body}", show_axes=False)
        mesh = int(mj.geom_dataid[geom])
        first, faces = int(mj.mesh_vertadr[mesh]), int(mj.mesh_faceadr[mesh])
        scene.add_mesh_simple(
            f"/robot/{body}/{geom}",
            mj.mesh_vert[first : first + int(mj.mesh_vertnum[mesh])],
            mj.mesh_face[faces : faces + int(mj.mesh_facenum[mesh])],
            color=np.round(255 * mj.geom_rgba[geom, :3]).astype(np.uint8),
            wxyz=mj.geom_quat[geom],
            position=mj.geom_pos[geom],
            flat_shading=True,
            side="double",
            cast_shadow=False,
            receive_shadow=False,
        )

    def move(self, joints: np.ndarray) -> None:
        """Move the links to positions of ``joints`` (n,), rad."""
        data = self._data
        data.qpos[:] = self._robot.full(joints)
        mujoco.mj_kinematics(self._robot.mj, data)
        for body, link in self._links.items():
            now = np.concatenate((data.xquat[body], data.xpos[body]))
            if body not in self._sent or np.abs(now - self._sent[body]).max() > _SAME:
                link.wxyz, link.position = now[:4], now[4:]
                self._sent[body] = now
