"""Where points of a robot are and how they move with its joints."""

from __future__ import annotations

import mujoco
import numpy as np

from text2sign_ros.retarget.model import RobotModel


class Pose:
    """Positions and Jacobians of points fixed to bodies of a robot, at one position of its joints.

    Args:
        model: the robot.
        bodies: (points,) numbers of bodies.
        local: (points, 3) metres, in the frames of the bodies.
    """

    def __init__(self, model: RobotModel, bodies: np.ndarray, local: np.ndarray) -> None:
        self.model = model
        self.data = mujoco.MjData(model.mj)
        self._bodies, self._local = bodies, local
        mj = model.mj
        self._slides = mj.jnt_type[mj.dof_jntid] == mujoco.mjtJoint.mjJNT_SLIDE
        self._moves = np.zeros((mj.nbody, mj.nv), bool)  # which bodies a joint moves
        for body in range(1, mj.nbody):
            self._moves[body] = self._moves[mj.body_parentid[body]]
            first = mj.body_dofadr[body]
            if first >= 0:
                self._moves[body, first : first + mj.body_dofnum[body]] = True
        self._mask = self._moves[bodies].astype(float)
        self._direct = mj.nv == len(model.joints)

    def move(self, joints: np.ndarray) -> None:
        """Put the robot at these positions of the joints to move (n,)."""
        self.data.qpos[:] = self.model.full(joints)
        mujoco.mj_kinematics(self.model.mj, self.data)
        numbers = self.model.mj.dof_jntid
        self._axis, self._anchor = self.data.xaxis[numbers], self.data.xanchor[numbers]

    def points(self) -> np.ndarray:
        """(points, 3) metres in the model's frame."""
        turned = (self.data.xmat[self._bodies].reshape(-1, 3, 3) @ self._local[:, :, None])[:, :, 0]
        return self.data.xpos[self._bodies] + turned

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """(3, points, n) derivatives of ``points()`` by the joints to move."""
        return self._moved(points, self._mask)

    def parting(self, first: np.ndarray, second: np.ndarray, points: np.ndarray) -> np.ndarray:
        """(3, k, n) derivatives of how points (k, 3), metres in the model's frame, fixed to the second bodies (k,) move
        away from the same points fixed to the first."""
        return self._moved(points, self._moves[second].astype(float) - self._moves[first])

    def _moved(self, points: np.ndarray, mask: np.ndarray) -> np.ndarray:
        way = points.T[:, :, None] - self._anchor.T[:, None, :]  # (3, points, nv)
        axis = self._axis.T[:, None, :]
        moved = np.empty_like(way)
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):  # axis × way; np.cross takes five times as long
            np.multiply(axis[j], way[k], out=moved[i])
            moved[i] -= axis[k] * way[j]
        if self._slides.any():
            moved[:, :, self._slides] = axis[:, :, self._slides]
        moved *= mask
        return moved[:, :, self.model.dof] if self._direct else moved @ self.model.spread
