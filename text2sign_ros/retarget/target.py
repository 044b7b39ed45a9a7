"""What a frame of keypoints asks of a robot: differences of its points, each with a wanted value and a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.errors import Text2SignError
from text2sign_ros.motion import frames
from text2sign_ros.motion.kinematics import unit
from text2sign_ros.retarget.body import MIDDLE_KNUCKLE, THUMB_BASE, Body, Hand
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.skeleton import INDEX

_FAR = 2.5
"""Metres from the shoulders within which keypoints can be."""
_PINCH, _BESIDE, _TOUCH = (0.018, 0.035), (0.05, 0.08), (0.03, 0.07)
"""Metres between thumb and finger, neighbouring fingertips, hand and hand or face: it matters below the first, and not
above the second."""
_MOST_TOUCHES = 6
_FACE = np.r_[skeleton.HEAD, skeleton.GROUPS["face"]]
_MOST_ROWS = 256
MODEL, PALMS, HEAD = 0, (1, 2), 3
"""Numbers of frames: the model's own, the left and the right palm's, the head's."""
THUMBS, FREE = (2, 3), 4
"""Which joints are moved: see ``Target.movers``."""


class KeypointError(Text2SignError):
    """Keypoints are none of a person; the message says which and why."""


@dataclass(frozen=True)
class Tolerances:
    """How much of each difference hardly matters: the weights, by meaning. ``experiments/retarget.py`` measures them.

    Attributes:
        wrist: metres.
        palm: of the palm's axes, radians, as for the next four.
        finger: of a phalanx.
        thumb: likewise, of the thumb's outer two; its first one turns about other axes on every robot.
        thumb_tip: metres, of the thumb's tip from the middle finger's knuckle.
        arm: of the upper arm; only which way the elbow points.
        head: of the head's axes.
        pinch: metres, of the thumb's tip to a part of a finger that it is near.
        beside: metres, of neighbouring fingertips that are near each other.
        touch: metres, of a hand to the other, or to the face.
        apart: metres that parts may come too near.
        still: radians from the frame before; keeps joints still that do not matter.
        rest: radians from the rest pose; keeps arms, wrists and head from the ends of their ranges, from where the next
            poses might be out of reach.
        finger_rest: likewise, of fingers.
        waist: radians from the rest pose, of the waist, which moves only where the arms do not reach.
    """

    wrist: float = 0.012
    palm: float = 0.14
    finger: float = 0.15
    thumb: float = 0.3
    thumb_tip: float = 0.015
    arm: float = 0.5
    head: float = 0.15
    pinch: float = 0.006
    beside: float = 0.005
    touch: float = 0.01
    apart: float = 0.0015
    still: float = 1.2
    rest: float = 1.5
    finger_rest: float = 6.0
    waist: float = 0.03


class Target:
    """One frame of keypoints, as a robot is to show it: rows ``weight * (a difference of two points - wanted)``.

    Args:
        body: the robot.
        keypoints: (79, 3) metres in frame ``signer``.
        tolerances: the weights.

    Attributes:
        wrists: by side, (3,) metres in the model's frame, within reach.
        wrist_rows: by side, the number of the row that asks for it.
        palms: by side, (3, 3), the palm's axes as columns, in the model's frame.
        upper_arms: by side, (3,) metres from the shoulder to the elbow, in the model's frame.
        ways: by side, (phalanges, 3) unit vectors along ``Hand.inner`` to ``Hand.outer``, in the palm's frame.
        head: (3, 3) the head's axes, likewise in the model's frame.
        plus, minus: (rows,) numbers of the robot's points; the one after the last is the model's origin.
        frame: (rows,) the frame that the wanted difference is given in, of ``Body.frames``.
        wanted: (rows, 3) metres.
        weight: (rows,) 1/m.
        movers: (rows,) which joints are moved for it: 0 or 1, the left or the right hand's fingers; ``THUMBS``, only
            its thumb; FREE, all.

    Raises:
        KeypointError: the shape is wrong, a number is not finite, or no person has such keypoints.
    """

    def __init__(self, body: Body, keypoints: np.ndarray, tolerances: Tolerances) -> None:
        keypoints = _checked(keypoints)
        space, numbers = body.space, body.numbers
        head, *palms = frames.rotations(keypoints)
        self.head = space.axes @ head
        self.wrists: dict[str, np.ndarray] = {}
        self.wrist_rows: dict[str, int] = {}
        self.palms: dict[str, np.ndarray] = {}
        self.upper_arms: dict[str, np.ndarray] = {}
        self.ways: dict[str, np.ndarray] = {}
        self._count = 0
        self.plus, self.minus, self.frame, self.movers = np.zeros((4, _MOST_ROWS), int)
        self.wanted, self.weight = np.zeros((_MOST_ROWS, 3)), np.zeros(_MOST_ROWS)
        for number, side in enumerate(SIDES):
            hand = body.hands[side]
            positions = keypoints[skeleton.HAND[side]]
            # The middle finger's knuckle, not the wrist, goes where the person's is: hands differ in length.
            self.palms[side] = space.axes @ palms[number]
            wrist = space.to_robot(positions[MIDDLE_KNUCKLE]) - self.palms[side] @ hand.knuckle
            self.wrists[side] = space.within_reach(wrist, space.shoulders[number])
            self.wrist_rows[side] = self._count
            self._add([hand.wrist], len(body.bodies), self.wrists[side], 1 / tolerances.wrist)
            axes = numbers[f"{side}_palm_x"] + np.arange(3)
            self._add(axes, hand.wrist, self.palms[side].T, 1 / tolerances.palm)
            if f"{side}_elbow" in numbers:
                elbow, shoulder = (numbers[f"{side}_{part}"] for part in ("elbow", "shoulder"))
                way = unit(keypoints[INDEX[f"{side}_elbow"]] - keypoints[INDEX[f"{side}_shoulder"]])
                length = body.upper_arms[side]
                self.upper_arms[side] = length * space.axes @ way
                self._add([elbow], shoulder, self.upper_arms[side], 1 / (length * tolerances.arm))
            local = positions[hand.keypoints] @ palms[number]
            self.ways[side] = unit(local[hand.outer] - local[hand.inner])
            self._add_shape(hand, number, local, tolerances)
        if "head" in numbers:
            self._add(numbers["head_x"] + np.arange(3), numbers["head"], self.head.T, 1 / tolerances.head)
        self._add_touches(body, keypoints, head, tolerances.touch)
        for name in ("plus", "minus", "frame", "movers", "wanted", "weight"):
            setattr(self, name, getattr(self, name)[: self._count])

    def _add(
        self,
        plus: Sequence[int] | np.ndarray,
        minus: int | np.ndarray,
        wanted: np.ndarray,
        weight: float | np.ndarray,
        frame: int = MODEL,
        movers: int | np.ndarray = FREE,
    ) -> None:
        rows = slice(self._count, self._count + len(plus))
        self._count = rows.stop
        self.plus[rows], self.minus[rows], self.frame[rows], self.movers[rows] = plus, minus, frame, movers
        self.wanted[rows], self.weight[rows] = wanted, weight

    def _add_shape(self, hand: Hand, number: int, local: np.ndarray, tolerances: Tolerances) -> None:
        """Phalanges, the thumb's tip and contacts of fingers, in the frame of the palm."""
        palm = PALMS[number]
        shaped = np.flatnonzero(hand.keypoints[hand.inner] != THUMB_BASE)
        inner, outer, lengths = hand.inner[shaped], hand.outer[shaped], hand.lengths[shaped]
        tolerance = np.where(hand.thumb[shaped], tolerances.thumb, tolerances.finger)
        ways = lengths[:, None] * unit(local[outer] - local[inner])
        self._add(hand.points[outer], hand.points[inner], ways, 1 / (lengths * tolerance), palm, number)
        tip, knuckle = hand.thumb_tip, hand.middle_knuckle
        wanted = hand.scale * (local[tip] - local[knuckle])
        self._add(hand.points[[tip]], hand.points[knuckle], wanted, 1 / tolerances.thumb_tip, palm, THUMBS[number])
        between = local[hand.first] - local[hand.second]
        distance = np.linalg.norm(between, axis=1)
        pinch = _nearness(distance, _PINCH) / tolerances.pinch
        weight = np.where(hand.pinch, pinch, _nearness(distance, _BESIDE) / tolerances.beside)
        near = np.flatnonzero(weight)
        first, second = hand.first[near], hand.second[near]
        # Tips meet half-way; to any other part of a finger the thumb goes, and leaves the finger's shape as it is.
        movers = np.where(hand.keypoints[second] % 4 == 0, number, THUMBS[number])
        self._add(hand.points[first], hand.points[second], hand.scale * between[near], weight[near], palm, movers)

    def _add_touches(self, body: Body, keypoints: np.ndarray, head: np.ndarray, tolerance: float) -> None:
        """Pairs of points of both hands, and of hands and head, that are near each other."""
        hands = [body.hands[side] for side in SIDES]
        left, right = (keypoints[skeleton.HAND[side]][body.hands[side].keypoints] for side in SIDES)
        distance = _distances(left, right).ravel()
        near = _nearest(distance)
        i, j = np.divmod(near, len(right))
        scale = (hands[0].scale + hands[1].scale) / 2
        way = scale * (left[i] - right[j]) @ body.space.axes.T
        self._add(hands[0].points[i], hands[1].points[j], way, _nearness(distance[near], _TOUCH) / tolerance)
        if "head" not in body.numbers:
            return
        face, ears = keypoints[_FACE], keypoints[skeleton.EARS].mean(axis=0)
        for hand, points in zip(hands, (left, right), strict=True):
            distance = _distances(points, face).min(axis=1)
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


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, 3) and (m, 3) -> (n, m)."""
    way = a[:, None] - b[None]
    return np.sqrt(np.einsum("ijk,ijk->ij", way, way))


def _nearness(distance: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """1 below the first distance of ``span``, 0 above the second, smooth between."""
    t = np.minimum(np.maximum((span[1] - distance) / (span[1] - span[0]), 0.0), 1.0)
    return t * t * (3 - 2 * t)


def _nearest(distance: np.ndarray) -> np.ndarray:
    """Indices of the few smallest distances that are a contact."""
    near = np.flatnonzero(distance < _TOUCH[1])
    return near[np.argsort(distance[near])[:_MOST_TOUCHES]]
