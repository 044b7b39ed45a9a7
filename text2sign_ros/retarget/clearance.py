"""Parts of a robot that come too near each other, and which way they move apart."""

from __future__ import annotations

import copy

import mujoco
import numpy as np

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.retarget.pose import Pose

CLEARANCE = 0.004
"""Metres that hands keep from each other, and arms, head and body from what they could hit; fingers of one hand may
touch."""
_AHEAD, _AHEAD_IN_HAND = 0.012, 0.0005
"""Metres more than that within which parts are looked at, since the next step may bring them too near; of one hand,
where fingers lie side by side, fewer."""


class Clearance:
    """Finds parts that are too near, by MuJoCo's collision detection.

    Args:
        body: the robot.
        pose: where it is.
    """

    def __init__(self, body: Body, pose: Pose) -> None:
        self._pose = pose
        self._mj = mj = copy.copy(pose.model.mj)
        mj.geom_margin[pose.model.colliding] = CLEARANCE + _AHEAD
        hand = np.zeros(mj.nbody, int)
        for number, side in enumerate(SIDES):
            hand[body.bodies[body.hands[side].wrist]] = number + 1
        for i in range(1, mj.nbody):
            hand[i] = hand[i] or hand[mj.body_parentid[i]]
        self._hand = hand[mj.geom_bodyid]

    def missing(self) -> np.ndarray:
        """(k,) metres that parts near each other lack, negative where there is more than enough."""
        mj, data = self._mj, self._pose.data
        mujoco.mj_collision(mj, data)
        count, contact = data.ncon, data.contact
        geoms = contact.geom[:count]
        hand = self._hand[geoms]
        within = (hand[:, 0] == hand[:, 1]) & (hand[:, 0] > 0)
        missing = np.where(within, 0.0, CLEARANCE) - contact.dist[:count]
        near = np.flatnonzero(missing > np.where(within, -_AHEAD_IN_HAND, -_AHEAD))
        self._near = mj.geom_bodyid[geoms[near]], contact.pos[near], contact.frame[near, :3]
        return missing[near]

    def derivatives(self) -> np.ndarray:
        """(k, n) by the joints to move, of what ``missing`` returned last; the pose must be the same."""
        bodies, at, normal = self._near
        return -np.einsum("ikn,ki->kn", self._pose.parting(bodies[:, 0], bodies[:, 1], at), normal)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """``missing`` and ``derivatives``."""
        return self.missing(), self.derivatives()
