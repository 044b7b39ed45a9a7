"""Poses of one arm for the hand's place and turn: several are followed at once, so that the way on is never unknown."""

from __future__ import annotations

import mujoco
import numpy as np

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.retarget.target import Target, Tolerances

_POSES, _STEPS = 8, 2
"""Poses that are followed, and steps of each in a frame."""
_MEMORY = 0.6
"""Part of the summed costs that remains from frame to frame."""
_NEW = 30.0
"""Summed cost that a new pose begins with, beyond the worst."""
_CHANGE = 15.0, 15.0
"""Summed cost by which another pose must be better: of any, and for each radian to it."""
_SAME = 0.25
"""Radians: poses nearer to each other than this are one."""
_DAMPING = 0.3
"""1/rad²."""
_LONGEST = 0.5
"""Radians: largest step of a joint."""


class Arm:
    """The joints from the shoulder to the palm, moved about axes that are known at one pose (Brockett 1984).

    Fingers, clearance and the other arm are left out, and the waist is where it rests. What is left are seven joints or
    so, of which many poses are computed at once.

    Args:
        body: the robot, with an elbow; all joints of its arms turn.
        side: ``left`` or ``right``.
        tolerances: the weights.

    Attributes:
        columns: (n,) the joints, among those of the model.
        lower, upper: (n,) rad.
    """

    def __init__(self, body: Body, side: str, tolerances: Tolerances) -> None:
        model, mj = body.model, body.model.mj
        self._side, self.number = side, SIDES.index(side)
        self.columns = np.concatenate([model.groups[f"{side}_{part}"] for part in ("arm", "wrist")])
        self.lower, self.upper = model.lower[self.columns], model.upper[self.columns]
        joints = model.rest.copy()
        self._zero = joints[self.columns] = np.clip(0.0, self.lower, self.upper)
        data = mujoco.MjData(mj)
        data.qpos[:] = model.full(joints)
        mujoco.mj_kinematics(mj, data)
        numbers = mj.dof_jntid[model.dof[self.columns]]
        self._axes, self._anchors = data.xaxis[numbers].copy(), data.xanchor[numbers].copy()
        self._across = np.swapaxes(_cross(self._axes[:, None], np.eye(3)[None]), 1, 2)
        self._twice = self._across @ self._across
        at = data.xpos[body.bodies] + (data.xmat[body.bodies].reshape(-1, 3, 3) @ body.local[:, :, None])[:, :, 0]
        elbow, first = body.numbers[f"{side}_elbow"], body.numbers[f"{side}_palm_x"]
        self._wrist, self._elbow = at[body.hands[side].wrist], at[elbow]
        self._palm = (at[first : first + 3] - self._wrist).T
        moved = {int(body.bodies[elbow])}
        while 0 not in moved:
            moved |= {int(mj.body_parentid[part]) for part in moved}
        self._bends = np.isin(mj.jnt_bodyid[numbers], list(moved)).astype(float)  # whether a joint moves the elbow
        self._shoulder = body.space.shoulders[self.number]
        self._rest = model.rest[self.columns]
        self._of_wrist, self._of_palm = tolerances.wrist**-2, tolerances.palm**-2
        self._of_elbow = (body.upper_arms[side] * tolerances.arm) ** -2
        self._of_rest = tolerances.rest**-2

    def step(self, target: Target, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One damped Gauss-Newton step of each pose toward what a frame asks of wrist, palm and elbow.

        Args:
            target: of the frame.
            poses: (m, n) rad.

        Returns:
            (m, n) rad within the limits; and (m,) the weighted squares where the steps began.
        """
        axes, anchors, wrist, palm, elbow = self._placed(poses)
        off = wrist - target.wrists[self._side]
        aside = elbow - self._shoulder - target.upper_arms[self._side]
        wanted, away = target.palms[self._side], poses - self._rest
        cost = self._of_wrist * (off**2).sum(axis=1) + self._of_palm * ((palm - wanted) ** 2).sum(axis=(1, 2))
        cost += self._of_elbow * (aside**2).sum(axis=1) + self._of_rest * (away**2).sum(axis=1)
        of_wrist = _cross(axes, wrist[:, None] - anchors)
        of_elbow = _cross(axes, elbow[:, None] - anchors) * self._bends[:, None]
        # The palm's axes are perpendicular: products of their derivatives sum up to twice those of the joints' axes.
        turn = _cross(palm, wanted[None], axis=1).sum(axis=2)
        gradient = self._of_wrist * (of_wrist @ off[:, :, None]) - self._of_palm * (axes @ turn[:, :, None])
        gradient = (gradient + self._of_elbow * (of_elbow @ aside[:, :, None]))[:, :, 0] + self._of_rest * away
        hessian = self._of_wrist * (of_wrist @ np.swapaxes(of_wrist, 1, 2))
        hessian += 2 * self._of_palm * (axes @ np.swapaxes(axes, 1, 2))
        hessian += self._of_elbow * (of_elbow @ np.swapaxes(of_elbow, 1, 2))
        diagonal = np.arange(poses.shape[1])
        hessian[:, diagonal, diagonal] += self._of_rest + _DAMPING
        held = ((poses <= self.lower) & (gradient > 0)) | ((poses >= self.upper) & (gradient < 0))
        hessian[held] = 0.0
        hessian[held, np.nonzero(held)[1]] = 1.0
        gradient[held] = 0.0
        steps = np.linalg.solve(hessian, -gradient[:, :, None])[:, :, 0]
        steps *= np.minimum(1.0, _LONGEST / np.maximum(np.abs(steps).max(axis=1), 1e-9))[:, None]
        return np.clip(poses + steps, self.lower, self.upper), cost

    def _placed(self, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Axes and anchors of the joints (m, n, 3), wrist (m, 3), palm (m, 3, 3) and elbow (m, 3)."""
        count, size = poses.shape
        angle = (poses - self._zero)[:, :, None, None]
        turns = np.eye(3) + np.sin(angle) * self._across + (1 - np.cos(angle)) * self._twice  # Rodrigues
        axes, anchors = np.empty((count, size, 3)), np.empty((count, size, 3))
        turned, moved = np.broadcast_to(np.eye(3), (count, 3, 3)), np.zeros((count, 3))
        elbow = moved
        for i in range(size):
            axes[:, i], anchors[:, i] = turned @ self._axes[i], turned @ self._anchors[i] + moved
            turned = turned @ turns[:, i]
            moved = anchors[:, i] - turned @ self._anchors[i]
            if self._bends[i]:
                elbow = turned @ self._elbow + moved
        return axes, anchors, turned @ self._wrist + moved, turned @ self._palm, elbow


class Branches:
    """Follows several poses of an arm through the frames, and says which leads on.

    On the way from one sign to another an arm may come to the end of a joint's range, where the way on is through its
    other end. Poses that differ are followed beside the present one; another takes its place when it has been better
    for a while, by more than the change costs. (To look up to 0.4 s ahead was tried, and made it no better.)

    Args:
        arm: the arm.

    Attributes:
        arm: the arm.
        pose: (n,) rad, the one that leads on.
        cost: its weighted squares.
    """

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.reset(arm.lower)

    def reset(self, pose: np.ndarray) -> None:
        """Begin anew at a pose (n,), rad."""
        self._rng = np.random.default_rng(0)
        self._poses = np.concatenate((pose[None], self._scattered(_POSES - 1)))
        self._sums = np.append(0.0, np.full(_POSES - 1, _NEW))
        self.pose, self.cost = pose, 0.0

    def follow(self, target: Target) -> tuple[np.ndarray, bool]:
        """Go on to the next frame.

        Returns:
            (n,) rad, the step of ``pose`` from the frame before; and whether it is another one than before, which has
            made that step.
        """
        poses = self._poses
        for _ in range(_STEPS):
            poses, costs = self.arm.step(target, poses)
        self._sums = _MEMORY * self._sums + costs
        change = _CHANGE[0] + _CHANGE[1] * np.abs(poses - poses[0]).max(axis=1)
        change[0] = 0.0
        best = int(np.argmin(self._sums + change))
        self.pose, self.cost, step = poses[best].copy(), float(costs[best]), (poses - self._poses)[best]
        for values in (poses, self._sums):
            values[[0, best]] = values[[best, 0]]
        self._poses = poses
        self._renew()
        return step, bool(best)

    def _renew(self) -> None:
        """Begin elsewhere with one of the poses, if two have become the same."""
        near = np.abs(self._poses[:, None] - self._poses[None]).max(axis=2) < _SAME
        doubled = np.flatnonzero(np.triu(near, 1).any(axis=0))
        if len(doubled):
            self._poses[doubled[0]] = self._scattered(1)[0]
            self._sums[doubled[0]] = self._sums.max() + _NEW

    def _scattered(self, count: int) -> np.ndarray:
        return self._rng.uniform(self.arm.lower, self.arm.upper, (count, len(self.arm.columns)))


def _cross(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """a × b along an axis; ``np.cross`` takes five times as long."""
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    out = np.stack((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))
    return np.moveaxis(out, 0, axis)
