"""Points of a robot that stand for keypoints of a person, and the frames of its palms and head."""

from __future__ import annotations

import itertools

import mujoco
import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.motion import frames
from text2sign_ros.retarget.description import FINGERS, SIDES
from text2sign_ros.retarget.model import RobotModel
from text2sign_ros.retarget.signing_space import SigningSpace

THUMB_BASE, THUMB_TIP, MIDDLE_KNUCKLE = 1, 4, 9
"""Keypoints of a hand, in the order of ``skeleton.HAND``."""


class Hand:
    """One hand of a robot. Numbers are of ``Body.bodies``; keypoints are of a hand, 0 to 20.

    Attributes:
        wrist: number of the wrist's point.
        points, keypoints: (parts,) number of each part of a finger, and which keypoint it stands for.
        inner, outer: (phalanges,) where among the parts each phalanx begins and ends.
        lengths: (phalanges,) metres.
        thumb: (phalanges,) whether it is the thumb's.
        first, second: (pairs,) where among the parts two are whose distance matters if it is small.
        pinch: (pairs,) whether the first is the thumb's tip; otherwise both are tips of neighbouring fingers.
        columns: the joints of the fingers, among those to move.
        thumb_columns: those of them that move the thumb's tip.
        thumb_tip, middle_knuckle: where they are among the parts.
        knuckle: (3,) metres, the middle finger's knuckle in the palm's frame.
        scale: length of the hand relative to a person's, from the wrist to the tip of the straight middle finger.
    """

    def __init__(self, side: str, model: RobotModel, numbers: dict[str, int], at: np.ndarray, palm: np.ndarray) -> None:
        fingers = model.description.side(side).fingers()
        points: list[int] = []
        keypoints: list[int] = []
        phalanges: list[tuple[int, int, bool]] = []
        for finger, parts in fingers.items():
            first = 1 + 4 * FINGERS.index(finger)
            phalanges += [(len(points) + i, len(points) + i + 1, finger == "thumb") for i in range(len(parts) - 1)]
            points += [numbers[f"{side}_{finger}_{i}"] for i in range(len(parts))]
            keypoints += [first + i for i in ((0, 1, 2, 3) if len(parts) == 4 else (0, 1, 3))]
        self.wrist = numbers[f"{side}_wrist"]
        self.points, self.keypoints = np.array(points), np.array(keypoints)
        self.inner, self.outer, self.thumb = (np.array(column) for column in zip(*phalanges, strict=True))
        thumb = keypoints.index(THUMB_TIP)
        pairs = [(thumb, i, True) for i, keypoint in enumerate(keypoints) if keypoint > THUMB_TIP]
        tips = [i for i, keypoint in enumerate(keypoints) if keypoint % 4 == 0 and keypoint > THUMB_TIP]
        pairs += [(a, b, False) for a, b in itertools.pairwise(tips)]
        self.first, self.second, self.pinch = (np.array(column) for column in zip(*pairs, strict=True))
        self.lengths = np.linalg.norm(at[self.points[self.outer]] - at[self.points[self.inner]], axis=1)
        self.columns = model.groups[f"{side}_hand"]
        tip = int(model.mj.site_bodyid[model.ends[f"{side}_thumb_{len(fingers['thumb']) - 1}"]])
        moving = [int(model.mj.dof_bodyid[model.dof[column]]) for column in self.columns]
        self.thumb_columns = self.columns[np.isin(moving, _way(model.mj, tip))]
        self.thumb_tip, self.middle_knuckle = thumb, keypoints.index(MIDDLE_KNUCKLE)
        middle = [self.wrist, *(numbers[f"{side}_middle_{i}"] for i in range(len(fingers["middle"])))]
        self.knuckle = palm.T @ (at[middle[1]] - at[self.wrist])
        length = np.linalg.norm(np.diff(at[middle], axis=0), axis=1).sum()
        rest = skeleton.REST_POSE[skeleton.HAND[side]].astype(float)
        person = np.linalg.norm(np.diff(rest[[0, 9, 10, 11, 12]], axis=0), axis=1).sum()
        self.scale = float(length / person)


class Body:
    """The points of a robot that stand for a person's.

    Attributes:
        model: the robot.
        space: how a person's signing space is mapped onto its own.
        numbers: point by name: those of ``RobotModel.ends``, and for palms and head the ends of the axes of their
            frames, a metre from wrist or head: ``left_palm_x``, ``head_z``.
        bodies: (points,) numbers of the bodies that the points are fixed to.
        local: (points, 3) metres, where on them.
        hands: by side.
        upper_arms: by side, from the shoulder to the elbow, metres; without an elbow it is left out.
    """

    def __init__(self, model: RobotModel) -> None:
        self.model = model
        self.space = SigningSpace(model)
        straight = model.rest.copy()
        for side in SIDES:  # fingers as straight as they can be, from which the palm's frame and the hand's length are
            columns = model.groups[f"{side}_hand"]
            straight[columns] = np.clip(0.0, model.lower[columns], model.upper[columns])
        data = _placed(model, straight)
        sites = np.array([*model.ends.values()])
        self.numbers = {name: i for i, name in enumerate(model.ends)}
        at = [*data.site_xpos[sites].copy()]
        bodies = [int(body) for body in model.mj.site_bodyid[sites]]
        axes = {f"{side}_palm": self._palm(side, at) for side in SIDES}
        if "head" in self.numbers:  # its frame is that of the robot where its neck is at zero
            body = bodies[self.numbers["head"]]
            zero = np.clip(np.zeros(len(model.joints)), model.lower, model.upper)
            turned = _placed(model, zero).xmat[body].reshape(3, 3).T @ self.space.axes
            axes["head"] = data.xmat[body].reshape(3, 3) @ turned
        for name, of_part in axes.items():
            origin = self._origin(name)
            for k, axis in enumerate("xyz"):
                self.numbers[f"{name}_{axis}"] = len(at)
                at.append(at[origin] + of_part[:, k])
                bodies.append(bodies[origin])
        self.bodies = np.array(bodies)
        placed, turn = np.array(at), data.xmat[self.bodies].reshape(-1, 3, 3)
        self.local = (np.swapaxes(turn, 1, 2) @ (placed - data.xpos[self.bodies])[:, :, None])[:, :, 0]
        self.hands = {side: Hand(side, model, self.numbers, placed, axes[f"{side}_palm"]) for side in SIDES}
        self.upper_arms = {
            side: float(np.linalg.norm(at[self.numbers[f"{side}_elbow"]] - at[self.numbers[f"{side}_shoulder"]]))
            for side in SIDES
            if f"{side}_elbow" in self.numbers
        }

    def frames(self, points: np.ndarray) -> np.ndarray:
        """Axes, as columns, of the model's frame, left and right palm and head: (points, 3) metres -> (4, 3, 3).

        Without a head, the last are the model's axes that are a person's forward, left and up.
        """
        turned = [self._frame(points, f"{side}_palm") for side in SIDES]
        head = self._frame(points, "head") if "head" in self.numbers else self.space.axes
        return np.stack((np.eye(3), *turned, head))

    def _frame(self, points: np.ndarray, part: str) -> np.ndarray:
        first = self.numbers[f"{part}_x"]
        return (points[first : first + 3] - points[self._origin(part)]).T

    def _origin(self, part: str) -> int:
        return self.numbers[part.replace("palm", "wrist")]

    def _palm(self, side: str, at: list[np.ndarray]) -> np.ndarray:
        """The palm's axes as ``motion.frames`` has a person's, as columns, in the model's frame."""
        last = [*self.model.description.side(side).fingers()][-1]
        parts = ("wrist", "index_0", "middle_0", f"{last}_0")
        wrist, index, middle, outer = (at[self.numbers[f"{side}_{part}"]] for part in parts)
        left = outer - index if side == "left" else index - outer
        return frames.axes((middle - wrist)[None], left[None])[0]


def _way(mj: mujoco.MjModel, body: int) -> list[int]:
    """Bodies from this one to the base."""
    way = [body]
    while way[-1]:
        way.append(int(mj.body_parentid[way[-1]]))
    return way


def _placed(model: RobotModel, joints: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(model.mj)
    data.qpos[:] = model.full(joints)
    mujoco.mj_kinematics(model.mj, data)
    return data
