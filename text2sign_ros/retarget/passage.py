"""The way of a robot's joints from one pose to the next, past what is in the way."""

from __future__ import annotations

import mujoco
import numpy as np

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.clearance import Clearance
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.retarget.model import RobotModel
from text2sign_ros.retarget.pose import Pose

_FIXED, _HAND_GAP = -1.0, 0.0005
"""Metres to keep from what no joint moves, such as legs: that is left to where frames are solved, since arms that hang
beside legs stay behind there for seconds, and signs are not seen. And between fingers of one hand: more than where
frames are solved, since pacing rounds the way off."""
_AHEAD, _AHEAD_IN_HAND = 0.03, 0.012
"""Metres more within which parts are looked at: as much as they move in a step."""
_STEP, _STEP_IN_HAND, _MOST_STEPS = 0.06, 0.15, 16
"""rad that a joint moves in a step, that one of a hand does, and steps to a frame; they are longer where it is too far
for so many."""
_MOST_TOLD = 6
"""Poses on the way that are told: each takes pacing some time."""
_LONGEST, _PUSH = 0.2, 0.004
"""rad that a joint moves in a step at most beyond the straight way, and metres that a step moves parts away from each
other: where these are deep in each other, what is true to first order is not true farther on."""
_YIELD = 0.002
"""Metres nearer than allowed that weigh as much as a radian off the way."""
_PASSES = 3
"""How often it is looked which parts a step brings too near."""
_BESIDE, _DEEPER = 0.02, 0.002
"""rad off the straight way, and metres deeper on it, from which on the steps are told."""


class Passage:
    """Follows poses as nearly as parts of the robot let each other pass.

    Each frame that is solved has its parts apart, as nearly as may be; the way from one to the next need not: a thumb
    that is before a finger, and behind it in the next frame, would go through it. So a pose is approached in small
    steps. Each is the one nearest to the straight way that keeps parts apart, to first order, and joints in their
    ranges. What can't be reached so is waited before, and followed again when it can. Physics would do the same to a
    robot that is sent through itself, with force.

    Args:
        body: the robot.
    """

    def __init__(self, body: Body) -> None:
        self._model: RobotModel = body.model
        self._pose = Pose(body.model, body.bodies, body.local)
        self._clearance = Clearance(
            body, self._pose, fixed=_FIXED, within_hand=_HAND_GAP, ahead=_AHEAD, ahead_in_hand=_AHEAD_IN_HAND
        )
        self._touching = Clearance(body, self._pose, fixed=_FIXED, ahead=0.0, ahead_in_hand=0.0)
        self.joints = body.model.rest
        n = len(body.model.joints)
        self._long = np.full(n, _STEP)
        for side in SIDES:
            self._long[body.hands[side].columns] = _STEP_IN_HAND
        self._factor, self._free = np.zeros((n, n + 7)), np.zeros(n, np.int32)

    def go(self, goal: np.ndarray) -> list[tuple[float, np.ndarray]]:
        """Go on from ``joints`` to a pose, or as near to it as possible.

        Args:
            goal: (n,) rad within the joints' ranges.

        Returns:
            The pose that was reached, (n,) rad, which is ``joints`` from now on; if the straight way to it leads
            through something, those on the way before it. With each goes the part of the way, up to 1.
        """
        begin = here = self.joints
        count = min(max(int(np.ceil((np.abs(goal - begin) / self._long).max())), 1), _MOST_STEPS)
        way = []
        for left in range(count, 0, -1):
            here = self._step(here, (goal - here) / left)
            way.append(here)
        self.joints = here
        parts = np.arange(1, count + 1) / count
        straight = [begin + part * (here - begin) for part in parts]
        beside = [i for i in range(count - 1) if np.abs(straight[i] - way[i]).max() > _BESIDE]
        if any(self._depth(straight[i]) > max(self._depth(way[i]), 0.0) + _DEEPER for i in beside):
            told = slice((count - 1) % (every := -(-count // _MOST_TOLD)), None, every)
            return [*zip(parts[told].tolist(), way[told], strict=True)]
        return [(1.0, here)]

    def _step(self, joints: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """The pose nearest to ``joints + wanted`` that keeps parts apart: min |x - wanted|² + |lacking / yield|²."""
        model = self._model
        self._pose.move(joints)
        missing, apart = self._clearance.rows()
        missing = np.minimum(missing, _PUSH)
        hessian, gradient, step = np.eye(len(joints)), -wanted, wanted.copy()
        counted = np.zeros(len(missing), bool)
        for _ in range(_PASSES):
            near = (missing + apart @ step > 0) & ~counted
            if not near.any():
                break
            counted |= near
            rows = apart[near] / _YIELD
            hessian, gradient = hessian + rows.T @ rows, gradient + rows.T @ (missing[near] / _YIELD)
            lower = np.maximum(model.lower - joints, np.minimum(wanted, 0.0) - _LONGEST)
            upper = np.minimum(model.upper - joints, np.maximum(wanted, 0.0) + _LONGEST)
            rank = mujoco.mju_boxQP(step, self._factor, self._free, hessian, gradient, lower, upper)
            assert rank >= 0, "an identity matrix and squares are positive definite"
        return np.clip(joints + step, model.lower, model.upper)

    def _depth(self, joints: np.ndarray) -> float:
        """Metres that parts are nearer than they may."""
        self._pose.move(joints)
        return float(self._touching.missing().max(initial=0.0))
