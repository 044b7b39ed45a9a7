"""Keypoints of a person to positions of a robot's joints, frame by frame: damped least squares.

What is matched is what signs are read by: the directions of phalanges in the frame of the palm, which need no scale;
how the palm is turned; where the hand is, in a signing space of the robot's size; and contacts: of the thumb with
fingers, of hands with each other and with the face. All are residuals of one least-squares problem, each divided by how
much of it hardly matters (``target.Tolerances``), which is linearised a few times per frame (Levenberg 1944, Marquardt
1963) and solved within the joints' limits. A robot's hands may be larger than the person's: parts that come nearer than
they may are pushed apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.clearance import Clearance
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.retarget.model import RobotModel
from text2sign_ros.retarget.pose import Pose
from text2sign_ros.retarget.target import FREE, THUMBS, Target, Tolerances

FPS = 25.0
"""Frames per second that are expected."""
_STEPS, _FIRST_STEPS = 4, 40
_SEEDS = 8
_ENOUGH = 4e-3
"""Radians: a smaller step is the last."""
_LONGEST = 0.35
"""Radians: largest step of a joint."""
_STUCK, _BETTER, _PATIENCE = 25.0, 0.4, 6
"""Squared residuals of an arm above which another pose is looked for, what part of it that must have, and for how many
frames one is tried."""
_HASTE = 0.8
"""Part of the joints' velocities with which an arm changes to another pose."""
_LEAST_DAMPING, _EASE = 0.02, 3.0
"""Least damping, 1/rad², and the factor by which it goes down after a good step; up by its square after a bad one."""


@dataclass(frozen=True)
class _State:
    """Residuals where the robot is.

    Attributes:
        cost: sum of all squares.
        points: (points, 3) metres.
        error: (rows, 3) of the target, weighted.
        missing, apart: of clearance, as ``Clearance.rows``.
    """

    cost: float
    points: np.ndarray
    error: np.ndarray
    missing: np.ndarray
    apart: np.ndarray


class Retargeter:
    """Follows a person's keypoints with a robot's joints.

    Args:
        model: the robot.
        tolerances: the weights; None: those that its makers found best.
        clearance: keep parts apart; off only to measure what it costs.

    Attributes:
        model: the robot.
        body: its points that stand for a person's.
    """

    def __init__(self, model: RobotModel, tolerances: Tolerances | None = None, *, clearance: bool = True) -> None:
        self.model = model
        self.body = Body(model)
        self._tolerances = tolerances or Tolerances()
        with_origin = np.append(self.body.bodies, 0), np.vstack((self.body.local, np.zeros(3)))
        self._pose = Pose(model, *with_origin)
        self._clearance = Clearance(self.body, self._pose) if clearance else None
        self._arms = [np.concatenate([model.groups[f"{side}_{part}"] for part in ("arm", "wrist")]) for side in SIDES]
        self._nothing = np.zeros(0), np.zeros((0, len(model.joints)))
        self.reset()
        self._columns = np.zeros((FREE + 1, len(model.joints)))  # which joints are moved for Target.movers
        self._columns[FREE] = 1.0
        for number, side in enumerate(SIDES):
            self._columns[number, self.body.hands[side].columns] = 1.0
            self._columns[THUMBS[number], self.body.hands[side].thumb_columns] = 1.0
        self._pull = np.full(len(model.joints), 1 / self._tolerances.rest**2)
        for side in SIDES:
            self._pull[self.body.hands[side].columns] = 1 / self._tolerances.finger_rest**2
        self._pull[model.groups["waist"]] = 1 / self._tolerances.waist**2

    def reset(self, joints: np.ndarray | None = None) -> None:
        """Forget the frame before: the next one is looked for from several starts, or from these positions (n,)."""
        self._joints = None if joints is None else np.clip(joints, self.model.lower, self.model.upper)
        self._shown = self._joints
        self._scout: np.ndarray | None = None
        self._scouted = 0

    def target(self, keypoints: np.ndarray) -> Target:
        """What keypoints (79, 3), metres in frame ``signer``, ask of the robot.

        Raises:
            KeypointError: the shape is wrong, a number is not finite, or no person has such keypoints.
        """
        return Target(self.body, keypoints, self._tolerances)

    def solve(self, keypoints: np.ndarray) -> np.ndarray:
        """The positions of the joints for one frame, near those of the frame before.

        Args:
            keypoints: (79, 3) metres in frame ``signer``.

        Returns:
            (n,) radians within the joints' limits, in the order of ``RobotModel.joints``; what can't be reached is
            approached as near as possible.

        Raises:
            KeypointError: as ``target``; the frame before is kept.
        """
        target = self.target(keypoints)
        if self._joints is None or self._shown is None:
            self._joints = self._shown = self._first(target)
            return self._joints.copy()
        self._joints, state = self._descend(target, self._joints, _STEPS)
        switched = self._look_around(target, self._costs(target, state.error))
        if switched or self._shown is not self._joints:
            self._shown = self._toward(self._shown)
        return self._shown.copy()

    def _look_around(self, target: Target, costs: list[float]) -> bool:
        """Whether an arm that is stuck could be freed: another pose, followed beside the present one, is much better.

        On the way from one sign to another, an arm may come to the end of a joint's range, where the way on is through
        its other end.
        """
        assert self._joints is not None
        stuck = [number for number in range(len(SIDES)) if costs[number] > _STUCK]
        if not stuck:
            self._scout, self._scouted = None, 0
            return False
        if self._scout is None or self._scouted % _PATIENCE == 0:
            rng = np.random.default_rng(self._scouted)
            self._scout = self._joints.copy()
            for number in stuck:
                columns = self._arms[number]
                self._scout[columns] = rng.uniform(self.model.lower[columns], self.model.upper[columns])
        else:
            fingers = np.setdiff1d(np.arange(len(self._joints)), np.concatenate(self._arms))
            self._scout[fingers] = self._joints[fingers]
        self._scouted += 1
        self._scout, state = self._descend(target, self._scout, _STEPS)
        others = self._costs(target, state.error)
        better = [number for number in stuck if others[number] < _BETTER * costs[number]]
        if not better:
            return False
        self._joints = self._joints.copy()
        for number in better:
            self._joints[self._arms[number]] = self._scout[self._arms[number]]
        self._scout = None
        return True

    def _toward(self, shown: np.ndarray) -> np.ndarray:
        """From a pose toward the one found, as far as velocities allow in a frame, past what is in the way."""
        assert self._joints is not None
        most = _HASTE * self.model.velocity / FPS
        way = self._joints - shown
        if (np.abs(way) <= most).all():
            return self._joints
        joints = shown + np.clip(way, -most, most)
        if self._clearance is None:
            return joints
        for _ in range(_STEPS):
            self._pose.move(joints)
            missing, apart = self._clearance.rows()
            near = missing > 0
            if not near.any():
                break
            hessian = apart[near].T @ apart[near] + self._tolerances.apart**2 * np.eye(len(joints))
            step = _within(hessian, apart[near].T @ missing[near], joints, self.model.lower, self.model.upper)
            joints = np.clip(joints + step, self.model.lower, self.model.upper)
        return joints

    def _first(self, target: Target) -> np.ndarray:
        """The best of several starts, chosen for each arm and each hand: one alone may end in a mirrored pose."""
        model = self.model
        rng = np.random.default_rng(0)
        middle = (model.lower + model.upper) / 2
        starts = [model.rest, (model.rest + middle) / 2]
        starts += [rng.uniform(model.lower, model.upper) for _ in range(_SEEDS - len(starts))]
        for start in starts:
            start[model.groups["waist"]] = model.rest[model.groups["waist"]]
        found = [self._descend(target, start, _FIRST_STEPS) for start in starts]
        ends, costs = [end for end, _ in found], [self._costs(target, state.error) for _, state in found]
        best = ends[int(np.argmin([sum(cost) for cost in costs]))].copy()
        for number, side in enumerate(SIDES):
            for groups, part in (((f"{side}_arm", f"{side}_wrist"), number), ((f"{side}_hand",), number + len(SIDES))):
                chosen = ends[int(np.argmin([cost[part] for cost in costs]))]
                for group in groups:
                    best[model.groups[group]] = chosen[model.groups[group]]
        return self._descend(target, best, _FIRST_STEPS)[0]

    def _descend(self, target: Target, start: np.ndarray, steps: int) -> tuple[np.ndarray, _State]:
        """Positions of the joints after at most so many steps, none of which makes it worse, and what is left."""
        model, damping, accepted = self.model, 1.0, True
        joints, state = start, self._state(target, start, start)
        for _ in range(steps):
            if accepted:
                hessian, gradient = self._linearised(target, joints, start, state)
            step = self._step(hessian, gradient, damping, joints, state)
            longest = np.abs(step).max()
            tried = np.clip(joints + step * min(1.0, _LONGEST / max(longest, _ENOUGH)), model.lower, model.upper)
            new = self._state(target, tried, start)
            accepted = new.cost < state.cost
            if accepted:
                joints, state = tried, new
                damping = max(damping / _EASE, _LEAST_DAMPING)
            else:
                damping *= _EASE**2
            if longest < _ENOUGH:
                break
        return joints, state

    def _step(
        self, hessian: np.ndarray, gradient: np.ndarray, damping: float, joints: np.ndarray, state: _State
    ) -> np.ndarray:
        """The damped step, which counts parts that are too near, and those that it would bring too near."""
        hessian = hessian.copy()
        hessian[np.diag_indices_from(hessian)] += damping
        counted = np.zeros(len(state.missing), bool)
        near = state.missing > 0
        for _ in range(2):
            apart = state.apart[near & ~counted] / self._tolerances.apart
            hessian += apart.T @ apart
            gradient = gradient + apart.T @ (state.missing[near & ~counted] / self._tolerances.apart)
            counted |= near
            step = _within(hessian, gradient, joints, self.model.lower, self.model.upper)
            near = state.missing + state.apart @ step > 0
            if not (near & ~counted).any():
                break
        return step

    def _state(self, target: Target, joints: np.ndarray, start: np.ndarray) -> _State:
        """Residuals at these positions of the joints, where the robot is put."""
        tolerances = self._tolerances
        self._pose.move(joints)
        points = self._pose.points()
        error = self._error(target, points)
        missing, apart = self._clearance.rows() if self._clearance is not None else self._nothing
        lacking = np.maximum(missing, 0.0) / tolerances.apart
        pulled = joints - self.model.rest, (joints - start) / tolerances.still
        cost = np.vdot(error, error) + lacking @ lacking + self._pull @ pulled[0] ** 2 + pulled[1] @ pulled[1]
        return _State(float(cost), points, error, missing, apart)

    def _linearised(
        self, target: Target, joints: np.ndarray, start: np.ndarray, state: _State
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gauss-Newton's approximation of the second derivatives, (n, n), and the gradient, (n,)."""
        still = 1 / self._tolerances.still**2
        jacobian = self._pose.jacobian(state.points)
        moved = (jacobian[:, target.plus] - jacobian[:, target.minus]) * target.weight[:, None]
        moved *= self._columns[target.movers]
        matrix = moved.reshape(-1, len(joints))
        residual = state.error.T.reshape(-1)
        hessian = matrix.T @ matrix
        hessian[np.diag_indices_from(hessian)] += self._pull + still
        gradient = matrix.T @ residual + self._pull * (joints - self.model.rest) + still * (joints - start)
        return hessian, gradient

    def _error(self, target: Target, points: np.ndarray) -> np.ndarray:
        """(rows, 3) weighted residuals."""
        turned = self.body.frames(points)[target.frame]
        wanted = (turned @ target.wanted[:, :, None])[:, :, 0]
        return (points[target.plus] - points[target.minus] - wanted) * target.weight[:, None]

    def _costs(self, target: Target, error: np.ndarray) -> list[float]:
        """Squared residuals of left and right arm, and of left and right hand."""
        squares = (error**2).sum(axis=1)
        costs = []
        for side in SIDES:
            numbers, wrist = self.body.numbers, self.body.hands[side].wrist
            of_arm = (target.plus == wrist) | (target.minus == wrist) | (target.plus == numbers.get(f"{side}_elbow"))
            costs.append(float(squares[of_arm & (target.movers == FREE)].sum()))
        of_hands = [np.isin(target.movers, (number, thumb)) for number, thumb in enumerate(THUMBS)]
        return costs + [float(squares[of_hand].sum()) for of_hand in of_hands]


def _within(
    hessian: np.ndarray, gradient: np.ndarray, joints: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """The Gauss-Newton step within the limits: joints that would pass one stop there, and the others make up for it."""
    step = np.linalg.solve(hessian, -gradient)
    for _ in range(2):
        end = joints + step
        held = (end < lower) | (end > upper)
        if not held.any():
            break
        step[held] = np.clip(end, lower, upper)[held] - joints[held]
        free = ~held
        left = -gradient[free] - hessian[np.ix_(free, held)] @ step[held]
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], left)
    return step
