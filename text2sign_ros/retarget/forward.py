"""A robot's joints back to keypoints of a person, so that what it signs can be read as what people sign is."""

from __future__ import annotations

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.retarget.body import MIDDLE_KNUCKLE, Body, Hand
from text2sign_ros.retarget.description import FINGERS, SIDES
from text2sign_ros.retarget.pose import Pose
from text2sign_ros.skeleton import FOREARM, INDEX, UPPER_ARM

_REST = skeleton.REST_POSE.astype(float)
_FACE = np.r_[skeleton.HEAD, skeleton.GROUPS["face"]]


class Forward:
    """Robot's joints -> keypoints of the canonical signer.

    Hands have the robot's proportions: palm, knuckles, joints and tips are where they are on the robot, scaled to the
    length of a person's hand, and turned as they are. They are where the signing space has them. Arms have the lengths
    of a person's, with the elbow on the side where the robot's is. The head turns with the robot's; a face does not
    move. What a hand has not is filled in: the outer joint of a finger of two phalanges lies on the line to its tip,
    and a missing finger is like its neighbour.

    Args:
        body: the robot.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._pose = Pose(body.model, body.bodies, body.local)

    def keypoints(self, joints: np.ndarray) -> np.ndarray:
        """(T, n) radians, in the order of ``RobotModel.joints`` -> (T, 79, 3) float32 metres in frame ``signer``."""
        return np.stack([self._frame(row) for row in joints]) if len(joints) else np.zeros((0, 79, 3), np.float32)

    def _frame(self, joints: np.ndarray) -> np.ndarray:
        body, space = self._body, self._body.space
        self._pose.move(joints)
        points = self._pose.points()
        frames = body.frames(points)
        keypoints = _REST.copy()
        for number, side in enumerate(SIDES):
            hand = body.hands[side]
            knuckle = points[hand.points[list(hand.keypoints).index(MIDDLE_KNUCKLE)]]
            local = np.full((21, 3), np.nan)
            local[0] = points[hand.wrist]
            local[hand.keypoints] = points[hand.points]
            local = (local - knuckle) @ frames[number + 1] / hand.scale  # in the palm's frame, a person's size
            _complete(local, hand, side)
            turn = space.axes.T @ frames[number + 1]
            keypoints[skeleton.HAND[side]] = space.to_signer(knuckle) + local @ turn.T
            wrist = keypoints[skeleton.HAND[side].start]
            keypoints[INDEX[f"{side}_wrist"]] = wrist
            bend = space.axes.T @ self._bend(points, side)
            keypoints[INDEX[f"{side}_elbow"]] = _elbow(keypoints[INDEX[f"{side}_shoulder"]], wrist, bend)
        if "head" in body.numbers:
            ears = _REST[skeleton.EARS].mean(axis=0)
            turn = space.axes.T @ frames[3]
            keypoints[_FACE] = space.to_signer(points[body.numbers["head"]]) + (_REST[_FACE] - ears) @ turn.T
        return keypoints.astype(np.float32)

    def _bend(self, points: np.ndarray, side: str) -> np.ndarray:
        """Which way the elbow lies from the line between shoulder and wrist, in the model's frame."""
        numbers = self._body.numbers
        if f"{side}_elbow" not in numbers:
            return self._body.space.axes @ np.array((-0.5, 0.0, -1.0))
        shoulder, elbow, wrist = (points[numbers[f"{side}_{part}"]] for part in ("shoulder", "elbow", "wrist"))
        line = wrist - shoulder
        return (elbow - shoulder) - line * ((elbow - shoulder) @ line) / max(line @ line, 1e-9)


def _elbow(shoulder: np.ndarray, wrist: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Where the elbow of a person's arm is, on the side ``bend`` (3,) of the line from shoulder to wrist."""
    line = wrist - shoulder
    distance = max(float(np.linalg.norm(line)), 1e-6)
    line = line / distance
    aside = bend - (bend @ line) * line
    aside = aside / max(float(np.linalg.norm(aside)), 1e-9)
    along = (UPPER_ARM**2 - FOREARM**2 + distance**2) / (2 * distance)
    along = float(np.clip(along, -UPPER_ARM, UPPER_ARM))
    return shoulder + along * line + np.sqrt(UPPER_ARM**2 - along**2) * aside


def _complete(local: np.ndarray, hand: Hand, side: str) -> None:
    """Fill in, in place, what a hand has not: (21, 3) in the palm's frame, NaN where nothing is known."""
    rest = _REST[skeleton.HAND[side]]
    for finger in FINGERS:
        first = 1 + 4 * FINGERS.index(finger)
        if np.isnan(local[first : first + 4]).all():
            # Knuckles of a person lie side by side: y is toward the left in the palm's frame.
            width = np.linalg.norm(rest[first] - rest[first - 4]) * (1 if side == "left" else -1)
            local[first : first + 4] = local[first - 4 : first] + np.array((0.0, width, 0.0))
        elif np.isnan(local[first + 2]).any():
            joint, tip = local[first + 1], local[first + 3]
            lengths = np.linalg.norm(np.diff(rest[first + 1 : first + 4], axis=0), axis=1)
            local[first + 2] = joint + (tip - joint) * lengths[0] / lengths.sum()
