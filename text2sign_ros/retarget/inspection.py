"""What was understood of a robot: its chains, their limits, and what each finger can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from text2sign_ros.motion.kinematics import unit
from text2sign_ros.retarget.body import Body, Hand
from text2sign_ros.retarget.description import FINGERS, SIDES
from text2sign_ros.retarget.model import RobotModel
from text2sign_ros.retarget.pose import Pose

_TRIES, _STEPS = 200, 30
_FLAT, _BENDS, _BEGIN = 0.5, 0.1, 0.3
"""Of a direction's part out of the palm: how much it may have to count as in it, and how much it changes in the first
part of a joint's range if that bends the finger."""
POSTURES = ("open", "spread", "closed")
"""Of a hand, see ``posture``."""
_PLACES, _GAIN = 9, 0.003
"""How many places of a joint are tried for a posture, and metres that one must gain."""
_TOUCHES = 0.02
"""Metres between the points at the tips of thumb and finger below which they can touch: tips are about so thick."""


@dataclass(frozen=True)
class Ability:
    """What a finger can do.

    Attributes:
        finger: name.
        flexion: degrees from straight to bent, of its last phalanx.
        spread: degrees sideways, of its first phalanx.
        opposition: mm between its tip and the thumb's, where these come nearest; of the thumb, None.
    """

    finger: str
    flexion: float
    spread: float
    opposition: float | None


def abilities(model: RobotModel, side: str) -> list[Ability]:
    """What each finger of a hand can do, found by moving its joints."""
    body = Body(model)
    pose, hand = Pose(model, body.bodies, body.local), body.hands[side]
    straight = model.rest.copy()
    straight[hand.columns] = np.clip(0.0, model.lower[hand.columns], model.upper[hand.columns])
    found = []
    for finger in model.description.side(side).fingers():
        parts = np.flatnonzero((hand.keypoints - 1) // 4 == FINGERS.index(finger))
        phalanges = np.flatnonzero(np.isin(hand.inner, parts))
        first, last = (_ways(body, pose, hand, side, straight, phalanges[i]) for i in (0, -1))
        aside, bent = 0.0, 0.0
        for column in _moving(model, hand, parts):
            for end in (model.lower[column], model.upper[column]):
                joints = straight.copy()
                joints[column] = end
                moved = _ways(body, pose, hand, side, joints, phalanges[0])
                if abs(moved[2]) < _FLAT:  # a finger that points out of the palm has no angle in it
                    aside = max(aside, abs(_angle(first) - _angle(moved)))
                moved = _ways(body, pose, hand, side, joints, phalanges[-1])
                joints[column] = straight[column] + _BEGIN * (end - straight[column])
                begun = _ways(body, pose, hand, side, joints, phalanges[-1])
                if finger == "thumb" or abs(begun[2] - last[2]) > _BENDS:
                    bent += float(np.degrees(np.arccos(np.clip(moved @ last, -1.0, 1.0))))
        nearest = None if finger == "thumb" else 1000 * _nearest(model, pose, hand, int(hand.points[parts[-1]]))
        found.append(Ability(finger, bent, aside, nearest))
    return found


def posture(model: RobotModel, side: str, name: str) -> np.ndarray:
    """The robot at rest with one hand in one of ``POSTURES``: (n,) radians.

    Open fingers are straight. Spread ones lie as far aside of the middle finger as they come. The tips of closed ones
    are as near to the palm as they come, and the thumb's to the middle finger's second joint; each joint is moved by
    itself, from the base outward.
    """
    body = Body(model)
    pose, hand = Pose(model, body.bodies, body.local), body.hands[side]
    joints = model.rest.copy()
    joints[hand.columns] = np.clip(0.0, model.lower[hand.columns], model.upper[hand.columns])
    if name == "open":
        return joints
    of = {
        f: np.flatnonzero((hand.keypoints - 1) // 4 == FINGERS.index(f)) for f in model.description.side(side).fingers()
    }
    middle = hand.points[of["middle"]]

    def cost(finger: str, tried: np.ndarray) -> float:
        pose.move(tried)
        points = pose.points()
        tip = points[hand.points[of[finger][-1]]]
        if name == "spread":
            _, aside, out = np.abs((tip - points[middle[0]]) @ body.frames(points)[1 + SIDES.index(side)])
            return float(out / 2 - aside)  # a bent finger is no spread one
        goal = points[middle[1]] if finger == "thumb" else (points[hand.wrist] + points[middle[0]]) / 2
        return float(np.linalg.norm(tip - goal))

    fingers = [finger for finger in of if finger != "thumb" and (name == "closed" or finger != "middle")]
    for finger in (*fingers, "thumb"):  # it closes over the others
        for column in _moving(model, hand, of[finger]):
            places = np.linspace(model.lower[column], model.upper[column], _PLACES)
            tried = np.repeat(joints[None], _PLACES, axis=0)
            tried[:, column] = places
            costs = [cost(finger, row) for row in tried]
            if min(costs) < cost(finger, joints) - _GAIN:
                joints = tried[int(np.argmin(costs))]
    return joints


def _moving(model: RobotModel, hand: Hand, parts: np.ndarray) -> np.ndarray:
    """The joints that move the tip of a finger."""
    body = int(model.mj.site_bodyid[list(model.ends.values())[int(hand.points[parts[-1]])]])
    moved: list[int] = []
    while body:
        first = model.mj.body_dofadr[body]
        moved += range(first, first + model.mj.body_dofnum[body])
        body = int(model.mj.body_parentid[body])
    of_finger = np.flatnonzero(np.abs(model.spread[moved]).sum(axis=0))
    return np.intersect1d(of_finger, hand.columns)


def _ways(body: Body, pose: Pose, hand: Hand, side: str, joints: np.ndarray, phalanx: int) -> np.ndarray:
    """Direction of a phalanx in the frame of the palm."""
    pose.move(joints)
    points = pose.points()
    way = points[hand.points[hand.outer[phalanx]]] - points[hand.points[hand.inner[phalanx]]]
    return unit(way @ body.frames(points)[1 + SIDES.index(side)])


def _angle(way: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(way[1], way[0])))


def _nearest(model: RobotModel, pose: Pose, hand: Hand, tip: int) -> float:
    """Metres between the thumb's tip and another's, where they come nearest: the best of many poses, and on from it."""
    rng = np.random.default_rng(0)
    thumb, columns = int(hand.points[hand.thumb_tip]), hand.columns
    best, least = model.rest.copy(), np.inf
    for _ in range(_TRIES):
        joints = model.rest.copy()
        joints[columns] = rng.uniform(model.lower[columns], model.upper[columns])
        pose.move(joints)
        points = pose.points()
        gap = float(np.linalg.norm(points[thumb] - points[tip]))
        if gap < least:
            best, least = joints, gap
    for _ in range(_STEPS):
        pose.move(best)
        points = pose.points()
        jacobian = pose.jacobian(points)
        slope = (jacobian[:, thumb] - jacobian[:, tip])[:, columns]
        hessian = slope.T @ slope + 1e-4 * np.eye(len(columns))
        joints = best.copy()
        joints[columns] -= np.linalg.solve(hessian, slope.T @ (points[thumb] - points[tip]))
        joints = np.clip(joints, model.lower, model.upper)
        pose.move(joints)
        points = pose.points()
        gap = float(np.linalg.norm(points[thumb] - points[tip]))
        if gap >= least:
            break
        best, least = joints, gap
    return least


def report(model: RobotModel) -> Iterator[str]:
    """Lines for a person to check a description by."""
    description, space = model.description, Body(model).space
    nearest, farthest = space.reach
    reach = f"{nearest:.2f} to {farthest:.2f} m" if np.isfinite(farthest) else "everywhere"
    width = float(np.linalg.norm(np.subtract(*space.shoulders)))
    yield f"{description.name}: {len(model.joints)} joints to move, {model.mj.nv - len(model.joints)} that follow them"
    yield f"shoulders {width:.2f} m apart, a wrist reaches {reach} from its shoulder"
    yield f"signing space {space.scale:.2f} of a person's, {len(model.colliding)} shapes that collide"
    missing = [part for part in ("head", "left_elbow", "right_elbow") if part not in model.ends]
    if missing:
        yield f"not described: {', '.join(missing)}"
    yield ""
    yield f"{'joint':34}{'range':>16}{'at rest':>9}{'velocity':>10}{'acceleration':>14}{'jerk':>8}{'effort':>8}"
    for group, columns in model.groups.items():
        if not len(columns):
            yield f"{group}: none"
        for column in columns:
            span = f"{model.lower[column]:.2f} to {model.upper[column]:.2f}"
            limits = f"{model.velocity[column]:10.1f}{model.acceleration[column]:14.0f}{model.jerk[column]:8.0f}"
            name = f"{group}: {model.joints[column]}"
            yield f"{name:34}{span:>16}{model.rest[column]:9.2f}{limits}{model.effort[column]:8.1f}"
    for side in SIDES:
        yield ""
        yield f"{side + ' hand':14}{'bends':>8}{'spreads':>9}   to the thumb"
        for of in abilities(model, side):
            gap = "" if of.opposition is None else f"{of.opposition:6.0f} mm"
            touches = "" if of.opposition is None or of.opposition > 1000 * _TOUCHES else ", touches it"
            yield f"{of.finger:14}{of.flexion:7.0f}°{of.spread:8.0f}°{gap}{touches}"
