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

import mujoco
import numpy as np

from text2sign_ros.retarget.arm import Arm, Branches
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
_HELD, _BETTER, _PATIENCE = (10.0, 2.0), 0.9, 2
"""An arm is held where its squared residuals are more than the first and this many times those of the pose that it
would have if nothing were in its way; which part of the cost another pose must have; every how many frames one is
tried."""
_HASTE = 2.0
"""Part of the joints' velocities with which an arm changes to another pose: frames are few in which a hand looks odd.
Pacing slows the motion there."""
_BLOCKED = 0.02
"""Metres off beyond which a wrist's place counts as if it were so far off, in the frame after: where the robot's body
is in the way, the palm is still turned as it should be."""
_DAMPING, _LEAST_DAMPING, _EASE = 1.0, 0.02, 3.0
"""First and least damping, 1/rad², and the factor by which it goes down after a good step; up by its square after a bad
one."""


@dataclass(frozen=True)
class _State:
    """Residuals where the robot is.

    Attributes:
        cost: sum of all squares.
        points: (points, 3) metres.
        error: (rows, 3) of the target, weighted.
        missing: of clearance, as ``Clearance.missing``.
    """

    cost: float
    points: np.ndarray
    error: np.ndarray
    missing: np.ndarray


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
        with_elbow = [side for side in SIDES if side in self.body.upper_arms]
        self._branches = [Branches(Arm(self.body, side, self._tolerances)) for side in with_elbow]
        self._nothing = np.zeros(0), np.zeros((0, len(model.joints)))
        count = len(model.joints)
        self._factor, self._unheld = np.zeros((count, count + 7)), np.zeros(count, np.int32)  # for mju_boxQP
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
        self._late = np.zeros(len(self.model.joints))  # from the pose found to the one that is shown
        self._followed, self._held = False, 0
        self._off: dict[str, float] = {}

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
        for side, off in self._off.items():
            target.weight[target.wrist_rows[side]] *= min(1.0, _BLOCKED / max(off, _BLOCKED)) ** 0.5
        if self._joints is None or not self._followed:
            if self._joints is None:
                self._joints = self._first(target)
            else:
                self._joints, _ = self._descend(target, self._joints, _STEPS)
            for branches in self._branches:
                branches.reset(self._joints[branches.arm.columns])
            self._followed = True
            return self._joints.copy()
        shown = self._joints + self._late
        state = self._free(target, self._follow(target))
        for side, row in target.wrist_rows.items():
            self._off[side] = float(np.linalg.norm(state.error[row]) / target.weight[row])
        if self._late.any():
            self._late = self._less_late(shown)
        return self._joints + self._late

    def _follow(self, target: Target) -> _State:
        """Go on from the frame before, with another pose of an arm where that leads on."""
        assert self._joints is not None
        start, moved = self._joints.copy(), self._joints.copy()
        for branches in self._branches:
            columns = branches.arm.columns
            step, another = branches.follow(target)
            if another:
                start[columns] = moved[columns] = branches.pose
            else:
                moved[columns] += step
        self._late += self._joints - start
        moved = np.clip(moved, self.model.lower, self.model.upper)
        self._joints, state = self._descend(target, start, _STEPS, moved)
        return state

    def _free(self, target: Target, state: _State) -> _State:
        """Where an arm is held by what is in its way, go on from the pose beyond that if it is better."""
        assert self._joints is not None
        costs = self._costs(target, state.error)
        held = [b for b in self._branches if costs[b.arm.number] > _HELD[0] + _HELD[1] * b.cost]
        self._held = self._held + 1 if held else 0
        if self._held % _PATIENCE != 1:
            return state
        start = self._joints.copy()
        for branches in held:
            start[branches.arm.columns] = branches.pose
        beyond, there = self._descend(target, start, _STEPS)
        if there.cost < _BETTER * state.cost:
            self._late += self._joints - beyond
            self._joints = beyond
            return there
        return state

    def _less_late(self, shown: np.ndarray) -> np.ndarray:
        """How far from the pose found the one shown next is, since velocities are limited and parts are in the way."""
        assert self._joints is not None
        most = _HASTE * self.model.velocity / FPS
        late = np.sign(self._late) * np.maximum(np.abs(self._late) - most, 0.0)
        end = self._joints + late
        if self._clearance is not None and late.any():
            self._pose.move(shown)
            wanted = end - shown
            push = self._step(np.eye(len(shown)), -wanted, 0.0, shown, *self._clearance.rows()) - wanted
            end = end + np.clip(push, -most, most)
        return np.clip(end, self.model.lower, self.model.upper) - self._joints

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

    def _descend(
        self, target: Target, start: np.ndarray, steps: int, guess: np.ndarray | None = None
    ) -> tuple[np.ndarray, _State]:
        """Positions of the joints after at most so many steps, none of which makes it worse, and what is left.

        The first may be to ``guess``.
        """
        model, damping, accepted = self.model, _DAMPING, True
        joints, state = start, self._state(target, start, start)
        if guess is not None:
            guessed = self._state(target, guess, start)
            if guessed.cost < state.cost:
                joints, state = guess, guessed
            else:
                self._state(target, start, start)  # the robot is put back
        for _ in range(steps):
            if accepted:
                hessian, gradient = self._linearised(target, joints, start, state)
                apart = self._apart()
            step = self._step(hessian, gradient, damping, joints, state.missing, apart)
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
        self,
        hessian: np.ndarray,
        gradient: np.ndarray,
        damping: float,
        joints: np.ndarray,
        missing: np.ndarray,
        apart: np.ndarray,
    ) -> np.ndarray:
        """The damped step, which counts parts that are too near, and those that it would bring too near."""
        hessian = hessian.copy()
        hessian[np.diag_indices_from(hessian)] += damping
        rows, lacking = apart / self._tolerances.apart, missing / self._tolerances.apart
        counted, step = np.zeros(len(missing), bool), np.zeros(len(joints))
        near = lacking > 0
        for _ in range(2):
            new = near & ~counted
            hessian += rows[new].T @ rows[new]
            gradient = gradient + rows[new].T @ lacking[new]
            counted |= near
            lower, upper = self.model.lower - joints, self.model.upper - joints
            rank = mujoco.mju_boxQP(step, self._factor, self._unheld, hessian, gradient, lower, upper)
            assert rank >= 0, "the damping makes the matrix positive definite"
            near = lacking + rows @ step > 0
            if not (near & ~counted).any():
                break
        return step

    def _apart(self) -> np.ndarray:
        """Derivatives of the state that was computed last, which is where the robot is."""
        return self._nothing[1] if self._clearance is None else self._clearance.derivatives()

    def _state(self, target: Target, joints: np.ndarray, start: np.ndarray) -> _State:
        """Residuals at these positions of the joints, where the robot is put."""
        tolerances = self._tolerances
        self._pose.move(joints)
        points = self._pose.points()
        error = self._error(target, points)
        missing = self._clearance.missing() if self._clearance is not None else self._nothing[0]
        lacking = np.maximum(missing, 0.0) / tolerances.apart
        pulled = joints - self.model.rest, (joints - start) / tolerances.still
        cost = np.vdot(error, error) + lacking @ lacking + self._pull @ pulled[0] ** 2 + pulled[1] @ pulled[1]
        return _State(float(cost), points, error, missing)

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
