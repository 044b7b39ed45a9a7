"""What a frame of keypoints asks of a robot: differences of its points, each with a wanted value and a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.errors import Text2SignError
from text2sign_ros.motion import frames
from text2sign_ros.motion.kinematics import unit
from text2sign_ros.retarget.body import MIDDLE_KNUCKLE, Body, Hand
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.skeleton import INDEX

_FAR = 2.5
"""Metres from the shoulders within which keypoints can be."""
_PINCH, _BESIDE, _TOUCH = (0.025, 0.05), (0.03, 0.06), (0.03, 0.07)
"""Metres between thumb and finger, neighbouring fingertips, hand and hand or face: it matters below the first, and not
above the second."""
_MOST_TOUCHES = 6
_FACE = np.r_[skeleton.HEAD, skeleton.GROUPS["face"]]
MODEL, PALMS, HEAD = 0, (1, 2), 3
"""Numbers of frames: the model's own, the left and the right palm's, the head's."""
FREE = -1
"""Of rows that any joint may be moved for."""


class KeypointError(Text2SignError):
    """Keypoints are none of a person; the message says which and why."""


@dataclass(frozen=True)
class Tolerances:
    """How much of each difference hardly matters: the weights, by meaning. ``experiments/retarget.py`` measures them.

    Attributes:
        wrist: metres.
        palm: of the palm's axes, radians, as for the next four.
        finger: of a phalanx.
        thumb: likewise, of the thumb.
        arm: of the upper arm; only which way the elbow points.
        head: of the head's axes.
        pinch: metres, of the thumb's tip to a part of a finger that it is near.
        beside: metres, of neighbouring fingertips that are near each other.
        touch: metres, of a hand to the other, or to the face.
        apart: metres that parts may come too near.
        still: radians from the frame before; keeps joints still that do not matter.
        rest: radians from the rest pose; likewise.
        waist: radians from the rest pose, of the waist, which moves only where the arms do not reach.
    """

    wrist: float = 0.012
    palm: float = 0.14
    finger: float = 0.2
    thumb: float = 0.25
    arm: float = 0.9
    head: float = 0.15
    pinch: float = 0.006
    beside: float = 0.01
    touch: float = 0.01
    apart: float = 0.0015
    still: float = 1.2
    rest: float = 6.0
    waist: float = 0.03


class Target:
    """One frame of keypoints, as a robot is to show it: rows ``weight * (a difference of two points - wanted)``.

    Args:
        body: the robot.
        keypoints: (79, 3) metres in frame ``signer``.
        tolerances: the weights.

    Attributes:
        wrists: by side, (3,) metres in the model's frame, within reach.
        palms: by side, (3, 3), the palm's axes as columns, in the model's frame.
        ways: by side, (phalanges, 3) unit vectors along ``Hand.inner`` to ``Hand.outer``, in the palm's frame.
        head: (3, 3) the head's axes, likewise in the model's frame.
        plus, minus: (rows,) numbers of the robot's points; the one after the last is the model's origin.
        frame: (rows,) the frame that the wanted difference is given in, of ``Body.frames``.
        wanted: (rows, 3) metres.
        weight: (rows,) 1/m.
        hand: (rows,) 0 or 1: of the shape of that hand, for which only its fingers are moved; FREE: for all joints.

    Raises:
        KeypointError: the shape is wrong, a number is not finite, or no person has such keypoints.
    """

    def __init__(self, body: Body, keypoints: np.ndarray, tolerances: Tolerances) -> None:
        keypoints = _checked(keypoints)
        space, numbers = body.space, body.numbers
        head, *palms = frames.rotations(keypoints)
        self.head = space.axes @ head
        self.wrists: dict[str, np.ndarray] = {}
        self.palms: dict[str, np.ndarray] = {}
        self.ways: dict[str, np.ndarray] = {}
        self._rows: list[tuple[np.ndarray, ...]] = []
        for number, side in enumerate(SIDES):
            hand = body.hands[side]
            positions = keypoints[skeleton.HAND[side]]
            # The middle finger's knuckle, not the wrist, goes where the person's is: hands differ in length.
            self.palms[side] = space.axes @ palms[number]
            wrist = space.to_robot(positions[MIDDLE_KNUCKLE]) - self.palms[side] @ hand.knuckle
            self.wrists[side] = space.within_reach(wrist, space.shoulders[number])
            self._add([hand.wrist], len(body.bodies), self.wrists[side], 1 / tolerances.wrist)
            axes = numbers[f"{side}_palm_x"] + np.arange(3)
            self._add(axes, hand.wrist, self.palms[side].T, 1 / tolerances.palm)
            if f"{side}_elbow" in numbers:
                elbow, shoulder = (numbers[f"{side}_{part}"] for part in ("elbow", "shoulder"))
                way = unit(keypoints[INDEX[f"{side}_elbow"]] - keypoints[INDEX[f"{side}_shoulder"]])
                length = body.upper_arms[side]
                self._add([elbow], shoulder, length * space.axes @ way, 1 / (length * tolerances.arm))
            self._add_shape(hand, number, positions[hand.keypoints] @ palms[number], tolerances)
            self.ways[side] = self._rows[-2][2] / hand.lengths[:, None]
        if "head" in numbers:
            self._add(numbers["head_x"] + np.arange(3), numbers["head"], self.head.T, 1 / tolerances.head)
        self._add_touches(body, keypoints, head, tolerances.touch)
        self.plus, self.minus, self.wanted, self.weight, self.frame, self.hand = (
            np.concatenate(part) for part in zip(*self._rows, strict=True)
        )

    def _add(
        self,
        plus: Sequence[int] | np.ndarray,
        minus: int | np.ndarray,
        wanted: np.ndarray,
        weight: float | np.ndarray,
        frame: int = MODEL,
        hand: int = FREE,
    ) -> None:
        count = len(plus)
        wanted = np.broadcast_to(wanted, (count, 3))
        rest = (np.broadcast_to(part, count) for part in (weight, frame, hand))
        self._rows.append((np.asarray(plus, int), np.broadcast_to(minus, count), wanted, *rest))

    def _add_shape(self, hand: Hand, number: int, local: np.ndarray, tolerances: Tolerances) -> None:
        """Phalanges and contacts of fingers, in the frame of the palm."""
        ways = unit(local[hand.outer] - local[hand.inner])
        tolerance = np.where(hand.thumb, tolerances.thumb, tolerances.finger)
        ends = hand.points[hand.outer], hand.points[hand.inner]
        self._add(*ends, hand.lengths[:, None] * ways, 1 / (hand.lengths * tolerance), PALMS[number], number)
        between = local[hand.first] - local[hand.second]
        distance = np.linalg.norm(between, axis=1)
        pinch = _nearness(distance, _PINCH) / tolerances.pinch
        weight = np.where(hand.pinch, pinch, _nearness(distance, _BESIDE) / tolerances.beside)
        near = np.flatnonzero(weight)
        ends = hand.points[hand.first[near]], hand.points[hand.second[near]]
        self._add(*ends, hand.scale * between[near], weight[near], PALMS[number], number)

    def _add_touches(self, body: Body, keypoints: np.ndarray, head: np.ndarray, tolerance: float) -> None:
        """Pairs of points of both hands, and of hands and head, that are near each other."""
        hands = [body.hands[side] for side in SIDES]
        left, right = (keypoints[skeleton.HAND[side]][body.hands[side].keypoints] for side in SIDES)
        distance = np.linalg.norm(left[:, None] - right[None], axis=-1).ravel()
        near = _nearest(distance)
        i, j = np.divmod(near, len(right))
        scale = (hands[0].scale + hands[1].scale) / 2
        way = scale * (left[i] - right[j]) @ body.space.axes.T
        self._add(hands[0].points[i], hands[1].points[j], way, _nearness(distance[near], _TOUCH) / tolerance)
        if "head" not in body.numbers:
            return
        face, ears = keypoints[_FACE], keypoints[skeleton.EARS].mean(axis=0)
        for hand, points in zip(hands, (left, right), strict=True):
            distance = np.linalg.norm(points[:, None] - face[None], axis=-1).min(axis=1)
            near = _nearest(distance)
            weight = _nearness(distance[near], _TOUCH) / tolerance
            self._add(hand.points[near], body.numbers["head"], (points[near] - ears) @ head, weight, HEAD)


def _checked(keypoints: np.ndarray) -> np.ndarray:
    keypoints = np.asarray(keypoints, float)
    if keypoints.shape != (skeleton.NUM_KEYPOINTS, 3):
        raise KeypointError(f"keypoints have shape {keypoints.shape}; give ({skeleton.NUM_KEYPOINTS}, 3)")
    if not np.isfinite(keypoints).all():
        bad = skeleton.KEYPOINTS[int(np.flatnonzero(~np.isfinite(keypoints).all(axis=1))[0])]
        raise KeypointError(f"keypoint {bad} is not finite; leave the frame out")
    far = np.linalg.norm(keypoints, axis=1)
    if far.max() > _FAR:
        worst = int(far.argmax())
        raise KeypointError(
            f"keypoint {skeleton.KEYPOINTS[worst]} is {far[worst]:.1f} m from the shoulders; give metres"
        )
    width = float(np.linalg.norm(np.subtract(*keypoints[skeleton.SHOULDERS])))
    if not 0.5 < width / skeleton.SHOULDER_WIDTH < 2:
        raise KeypointError(f"the shoulders are {width:.2f} m apart; scale the signer to {skeleton.SHOULDER_WIDTH} m")
    for side in SIDES:
        hand = keypoints[skeleton.HAND[side]]
        palm = float(np.linalg.norm(hand[MIDDLE_KNUCKLE] - hand[0]))
        if not 0.03 < palm < 0.3:
            raise KeypointError(f"the {side} palm is {1000 * palm:.0f} mm long, which no hand is; leave the frame out")
    return keypoints


def _nearness(distance: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """1 below the first distance of ``span``, 0 above the second, smooth between."""
    t = np.clip((span[1] - distance) / (span[1] - span[0]), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _nearest(distance: np.ndarray) -> np.ndarray:
    """Indices of the few smallest distances that are a contact."""
    near = np.flatnonzero(distance < _TOUCH[1])
    return near[np.argsort(distance[near])[:_MOST_TOUCHES]]
