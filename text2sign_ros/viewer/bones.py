"""How the avatar stands for a frame of keypoints: a rotation for each of its bones, whose lengths never change.

Arms are solved as two bones with the wrist where the person's is, measured on the avatar (``Poser``), and the elbow on
the side where the person's is. Hands are turned as the palm is, fingers as each phalanx points in it; then fingers that
touch are brought together. Head and neck follow ears and nose; brows, jaw and the corners of the mouth the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.errors import Text2SignError
from text2sign_ros.motion import frames
from text2sign_ros.motion.kinematics import unit
from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.viewer.avatar import Avatar

SIDES = ("left", "right")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
"""As the avatar's bones are called, in the order of the keypoints."""

SHIFTED = tuple(f"{part}_{side[0]}" for side in SIDES for part in ("brow_inner", "brow_outer", "mouth"))
"""Bones of the face, which are moved and not turned."""

_FACE = np.r_[skeleton.HEAD, skeleton.GROUPS["face"]]
_KNUCKLES = np.array((5, 9, 13, 17))
_TIPS = np.array((4, 8, 12, 16, 20))
_FOREARM_ROOM = 0.995
"""Part of an arm's length that it is stretched to at most; the elbow needs a direction."""
_SHRUG, _BEND = np.radians(20.0), np.radians(35.0)
"""Most that a collarbone and the neck are turned."""
_RAISE = np.radians(10.0)
"""That a collarbone rises when the upper arm is raised from level to upright, as people's do."""
_FACE_REACH, _FACE_NEAR = 0.05, 0.08
"""Metres: how far round a point of the face its place on the avatar counts; from where on a hand is near the face."""
_TOUCH = (0.02, 0.05)
"""Metres between parts of hands, and of hands and face: it matters below the first, and not above the second."""
_SKIN = 0.012
"""Metres of flesh round the points of a hand, which keep so far from the chest."""
_PINCH = (0.018, 0.035)
"""The same between the tips of fingers, and between the thumb's and parts of other fingers."""
_PULL, _TURNS, _DAMPING = 1.5, 4, 0.05
"""Weight of contacts, per centimetre, against a radian of each phalanx; steps of Gauss-Newton; their damping."""
_OVER_PALM = 0.3
"""Weight of the thumb's place over the palm, against that of a contact."""
_FINGER_RANGES = ((-50.0, 120.0, 45.0), (-15.0, 130.0, 15.0), (-25.0, 110.0, 15.0))
_THUMB_RANGES = ((-90.0, 90.0, 90.0), (-60.0, 90.0, 40.0), (-60.0, 100.0, 30.0))
_RANGES = np.radians([_THUMB_RANGES, *[_FINGER_RANGES] * 4]).transpose(2, 0, 1)
"""Least and most bending from rest, and sway to either side: (3, fingers, joints) radians. What is outside
is no finger's, but the noise of a tracker or of a generated transition."""
_MOST_TWIST = np.radians(120.0)
"""Of a hand against its elbow, or an upper arm against its shoulder, that the skin between follows."""
_BROW_RANGE, _MOUTH_RANGE, _CORNER_RANGE = 0.012, 0.045, 0.012
_JAW_LEVER = 0.10
"""Metres from the jaw's hinge to the lower lip."""


class PoseError(Text2SignError):
    """Keypoints that no avatar can show; the message says why."""


@dataclass(frozen=True)
class Pose:
    """How the bones of an avatar are.

    Attributes:
        rotations: (bones, 3, 3) each bone's relative to its parent's; the identity at rest.
        shifts: (bones, 3) metres by which a joint has left its place in its parent's axes: those of brows and mouth
            only.
        targets: by side, (3,) metres, where the wrist was to be.
    """

    rotations: np.ndarray
    shifts: np.ndarray
    targets: dict[str, np.ndarray]


class Poser:
    """Turns keypoints into poses of an avatar, one frame after another.

    A keypoint that is not observed (confidence 0) stays where it was seen last, relative to the wrist or the nose where
    it is one of a hand or of the face; before, as in the rest pose. The avatar has its own proportions, so a wrist goes
    where the hand is at the same place of the avatar's body: all is measured from the middle between the shoulders;
    near the face, from the points of the face; and where a hand touches the face or the other hand, it is that part of
    the hand, not the wrist, which is brought there.

    Args:
        avatar: whose bones are turned; None: the package's.

    Raises:
        GlbError: the avatar lacks bones.
    """

    def __init__(self, avatar: Avatar | None = None) -> None:
        self.avatar = avatar or Avatar.load()
        self._bone = self.avatar.index
        self._arms = {side: _Arm(self.avatar, side) for side in SIDES}
        self.landmarks = _Landmarks(self.avatar)
        self._front = _Front(self.avatar)
        self._shown = REST_POSE.astype(float)

    def reset(self) -> None:
        """Forget what was seen."""
        self._shown = REST_POSE.astype(float)

    def pose(self, keypoints: np.ndarray, confidence: np.ndarray | None = None) -> Pose:
        """The pose for one frame.

        Args:
            keypoints: (79, 3) metres in frame ``signer``.
            confidence: (79,) 0 for those that are not observed; None: all are.

        Raises:
            PoseError: the shape is wrong, or a number that counts is not finite.
        """
        shown = self._filled(keypoints, confidence)
        count = len(self.avatar.names)
        local, shifts = np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3))
        middle = shown[skeleton.SHOULDERS].mean(axis=0)
        shown = shown - middle
        self._torso(shown, local)
        turned, at = self.avatar.joints(local)
        centre = (at[self._bone["upperarm_l"]] + at[self._bone["upperarm_r"]]) / 2
        shown = shown + centre
        head = frames.rotations(shown)[0]
        self._head(shown, head, local, turned, at)
        self._face(shown, head, local, shifts)
        turned, at = self.avatar.joints(local, shifts)
        face = self.landmarks.places(turned, at)
        hands = {side: arm.hand(shown[skeleton.HAND[side]]) for side, arm in self._arms.items()}
        targets = self._targets(shown, face, hands, at[self._bone["spine_03"]])
        for side, arm in self._arms.items():
            arm.solve(shown, targets[side], hands[side], local, turned, at)
        return Pose(local, shifts, {side: target - centre for side, target in targets.items()})

    def poses(self, positions: np.ndarray, confidence: np.ndarray | None = None) -> list[Pose]:
        """Those of a motion (T, 79, 3), begun anew; arguments and errors as for ``pose``."""
        self.reset()
        return [self.pose(p, None if confidence is None else confidence[i]) for i, p in enumerate(positions)]

    def keypoints(self, pose: Pose) -> np.ndarray:
        """(79, 3) metres, where the avatar's keypoints are in a pose, in frame ``signer``."""
        turned, at = self.avatar.joints(pose.rotations, pose.shifts)
        shown = np.empty((skeleton.NUM_KEYPOINTS, 3))
        shown[_FACE] = self.landmarks.places(turned, at)
        for side in SIDES:
            for joint, bone in (("shoulder", "upperarm"), ("elbow", "lowerarm"), ("wrist", "hand")):
                shown[INDEX[f"{side}_{joint}"]] = at[self._bone[f"{bone}_{side[0]}"]]
            shown[skeleton.HAND[side]] = self._arms[side].points(turned, at)
        return shown - shown[skeleton.SHOULDERS].mean(axis=0)

    def _filled(self, keypoints: np.ndarray, confidence: np.ndarray | None) -> np.ndarray:
        keypoints = np.asarray(keypoints, float)
        if keypoints.shape != REST_POSE.shape:
            raise PoseError(f"keypoints have shape {keypoints.shape}; give {REST_POSE.shape}")
        seen = np.ones(len(keypoints), bool) if confidence is None else np.asarray(confidence) > 0
        if not np.isfinite(keypoints[seen]).all():
            bad = np.flatnonzero(seen & ~np.isfinite(keypoints).all(axis=1))[0]
            raise PoseError(f"keypoint {skeleton.KEYPOINTS[bad]} is not finite; give it the confidence 0")
        shown, last = np.where(seen[:, None], keypoints, self._shown), self._shown
        for base, group in (
            (INDEX["nose"], _FACE),
            *((INDEX[f"{side}_wrist"], np.r_[skeleton.HAND[side]]) for side in SIDES),
        ):
            hidden = group[~seen[group]]
            shown[hidden] = shown[base] + last[hidden] - last[base]
        self._shown = shown
        return shown

    def _torso(self, shown: np.ndarray, local: np.ndarray) -> None:
        """Bend and turn the spine with the line through the shoulders, a third in each of its bones."""
        left, right = shown[skeleton.SHOULDERS]
        turn = rotation_vector(between(np.array((0.0, 1.0, 0.0)), unit(left - right)))
        for name in ("spine_01", "spine_02", "spine_03"):
            local[self._bone[name]] = from_vector(turn / 3)

    def _head(self, shown: np.ndarray, head: np.ndarray, local: np.ndarray, turned: np.ndarray, at: np.ndarray) -> None:
        """Neck and head: the head is turned as the person's, and brought where that one has moved to."""
        bone, heads = self._bone, self.avatar.heads
        neck, top, chest = bone["neck_01"], bone["head"], bone["spine_03"]
        ears = self.landmarks.rest[skeleton.EARS].mean(axis=0)
        moved = shown[skeleton.EARS].mean(axis=0) - REST_POSE[skeleton.EARS].mean(axis=0)
        goal = ears + moved - head @ (ears - heads[top])
        way = turned[chest].T @ (goal - at[neck])
        bend = _limited(rotation_vector(between(unit(heads[top] - heads[neck]), unit(way))), _BEND)
        inward = turned[chest].T @ head
        yaw = np.arctan2(inward[1, 0], inward[0, 0])
        local[neck] = from_vector(bend) @ from_vector(np.array((0, 0, yaw / 2)))
        local[top] = local[neck].T @ inward

    def _face(self, shown: np.ndarray, head: np.ndarray, local: np.ndarray, shifts: np.ndarray) -> None:
        """Brows up and down with their distance from the eyes; jaw and corners of the mouth with the lips."""
        now, rest = shown @ head, REST_POSE.astype(float)
        for side in SIDES:
            for part in ("inner", "outer"):
                brow, eye = INDEX[f"{side}_brow_{part}"], INDEX[f"{side}_eye_{part}"]
                raised = (now[brow] - now[eye])[2] - (rest[brow] - rest[eye])[2]
                shifts[self._bone[f"brow_{part}_{side[0]}"], 2] = np.clip(raised, -_BROW_RANGE, _BROW_RANGE)
            corner = (now - rest)[INDEX[f"mouth_{side}"]] - (now - rest)[INDEX["nose_base"]]
            shifts[self._bone[f"mouth_{side[0]}"], 1:] = np.clip(corner[1:], -_CORNER_RANGE, _CORNER_RANGE)
        upper, lower = INDEX["upper_lip_middle"], INDEX["lower_lip_middle"]
        opened = np.linalg.norm(now[upper] - now[lower]) - np.linalg.norm(rest[upper] - rest[lower])
        local[self._bone["jaw"]] = from_vector(np.array((0, np.clip(opened, 0, _MOUTH_RANGE) / _JAW_LEVER, 0)))

    def _targets(
        self, shown: np.ndarray, face: np.ndarray, hands: dict[str, _Hand], chest: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Where the wrists are to be: by side, (3,) metres."""
        persons = shown[_FACE]
        both = [shown[skeleton.HAND[side]] for side in SIDES]
        apart = _distances(*both)
        gaps = {"left": apart.min(axis=1), "right": apart.min(axis=0)}
        targets = {}
        for side, points in zip(SIDES, both, strict=True):
            distance = _distances(points, persons)
            counts = np.exp(-((distance / _FACE_REACH) ** 2))
            offset = counts @ (face - persons) / (counts.sum(axis=1, keepdims=True) + 0.3)
            weight = 5 * (_nearness(distance.min(axis=1), _TOUCH) + _nearness(gaps[side], _TOUCH))
            weight[_KNUCKLES[1]] += 1
            goals = points + offset - hands[side].points
            targets[side] = weight @ goals / weight.sum()
        # Out of the chest, and hands that touch go together.
        moved = chest - self.avatar.heads[self._bone["spine_03"]]
        deep = [self._front.depth(targets[side] + hands[side].points - moved, _SKIN) for side in SIDES]
        together = float(_nearness(apart.min(), _TOUCH))
        for side, own, other in zip(SIDES, deep, deep[::-1], strict=True):
            targets[side] = targets[side] + (max(own, together * other), 0, 0)
        return targets


class _Front:
    """How far forward the body reaches, at rest: a table over what is aside and what is up, of chest and belly."""

    _STEP, _LOW, _SHAPE, _NEAR = 0.02, np.array((-0.24, -0.56)), (25, 32), 0.035
    _BEHIND = -0.12  # metres, where there is no body

    def __init__(self, avatar: Avatar) -> None:
        names = ("Root", "pelvis", "spine", "clavicle", "thigh")
        trunk = [number for number, name in enumerate(avatar.names) if name.startswith(names)]
        vertices = np.concatenate(
            [
                surface.vertices[(surface.weights * np.isin(surface.joints, trunk)).sum(axis=1) > 0.5]
                for surface in avatar.surfaces
                if surface.name in ("shirt", "trousers")
            ]
        )
        grid = np.stack(np.meshgrid(*map(np.arange, self._SHAPE), indexing="ij"), axis=-1) * self._STEP + self._LOW
        near = np.linalg.norm(grid[:, :, None] - vertices[:, 1:], axis=-1) < self._NEAR
        self._table = np.where(near, vertices[:, 0], self._BEHIND).max(axis=-1)

    def depth(self, points: np.ndarray, room: float) -> float:
        """Metres by which the points (n, 3) must come forward to be ``room`` before the body.

        Less toward the flanks and the thighs, where hands hang and pass by.
        """
        at = (points[:, 1:] - self._LOW) / self._STEP
        inside = ((at >= 0) & (at < np.array(self._SHAPE) - 1)).all(axis=1)
        inside &= points[:, 0] > self._BEHIND + 0.05  # a hand at the back is none in the chest
        if not inside.any():
            return 0.0
        at, points = at[inside], points[inside]
        i, j = at.astype(int).T
        u, v = (at - at.astype(int)).T
        table = self._table
        front = (1 - u) * ((1 - v) * table[i, j] + v * table[i, j + 1])
        front += u * ((1 - v) * table[i + 1, j] + v * table[i + 1, j + 1])
        counts = _nearness(np.abs(points[:, 1]), (0.11, 0.19)) * _nearness(-points[:, 2], (0.40, 0.52))
        return float((counts * np.maximum(front + room - points[:, 0], 0)).max())


class _Landmarks:
    """Where the keypoints of head and face are on the avatar: the nearest places of its skin, at rest."""

    def __init__(self, avatar: Avatar) -> None:
        skin = [s for s in avatar.surfaces if s.name in ("skin", "lips")]
        vertices, joints, weights = (
            np.concatenate([getattr(s, n) for s in skin]) for n in ("vertices", "joints", "weights")
        )
        above = vertices[:, 2] > avatar.heads[avatar.index["neck_01"], 2]
        nose = vertices[np.where(above, vertices[:, 0], -1).argmax()]
        wanted = REST_POSE[_FACE] + nose - REST_POSE[INDEX["nose"]]
        nearest = _distances(wanted, vertices).argmin(axis=1)
        self._joints, self._weights, self._heads = joints[nearest], weights[nearest], avatar.heads
        self.rest = np.zeros((skeleton.NUM_KEYPOINTS, 3))
        self.rest[_FACE] = vertices[nearest]

    def places(self, turned: np.ndarray, at: np.ndarray) -> np.ndarray:
        """(head and face, 3) metres, for bones that ``Avatar.joints`` returns."""
        local = self.rest[_FACE][:, None] - self._heads[self._joints]
        moved = np.einsum("nkij,nkj->nki", turned[self._joints], local) + at[self._joints]
        return np.einsum("nk,nki->ni", self._weights, moved)


@dataclass(frozen=True)
class _Hand:
    """A hand as it is to be: its rotation in frame ``signer``, those of its phalanges relative to their parents' (5, 3,
    3, 3), and (21, 3) metres from the wrist to its points."""

    rotation: np.ndarray
    phalanges: np.ndarray
    points: np.ndarray


class _Arm:
    """Shoulder, arm and hand of one side."""

    def __init__(self, avatar: Avatar, side: str) -> None:
        letter, self._side, bone = side[0], side, avatar.index
        self._avatar = avatar
        self._clavicle, self._upper, self._lower, self._wrist = (
            bone[f"{name}_{letter}"] for name in ("clavicle", "upperarm", "lowerarm", "hand")
        )
        self._twists = {
            name: [bone[f"{name}_twist_0{number}_{letter}"] for number in (1, 2)] for name in ("upperarm", "lowerarm")
        }
        self._fingers = np.array([[bone[f"{finger}_0{n}_{letter}"] for n in (1, 2, 3)] for finger in FINGERS])
        self._tips = np.array([avatar.tips[f"{finger}_tip_{letter}"] for finger in FINGERS])
        heads = avatar.heads
        shoulder, elbow, wrist = heads[[self._upper, self._lower, self._wrist]]
        self._lengths = (float(np.linalg.norm(elbow - shoulder)), float(np.linalg.norm(wrist - elbow)))
        self._ways = (unit(elbow - shoulder), unit(wrist - elbow))
        hinge = unit(np.cross(*self._ways))
        self._rest = [_basis(way, hinge) for way in self._ways]
        joints = np.concatenate((heads[self._fingers], self._tips[:, None]), axis=1)  # (5, 4, 3)
        self._root = joints[:, 0] - wrist
        bones = np.diff(joints, axis=1)
        self._bone_lengths = np.linalg.norm(bones, axis=-1)
        self._bone_ways = bones / self._bone_lengths[..., None]
        self._palm = unit(self._root[1:])
        # Fingers bend about the line across the palm, the thumb toward the ring finger.
        across = np.tile(unit(self._root[4] - self._root[1]) * (1.0 if side == "left" else -1.0), (5, 3, 1))
        across[0] = np.cross(self._bone_ways[0], self._root[3] - joints[0, 1:] + wrist)
        self._hinges = np.stack(
            [[_basis(*pair) for pair in zip(*rows, strict=True)] for rows in zip(self._bone_ways, across, strict=True)]
        )

    def points(self, turned: np.ndarray, at: np.ndarray) -> np.ndarray:
        """(21, 3) metres, the hand's keypoints, for bones that ``Avatar.joints`` returns."""
        last = self._fingers[:, 2]
        tips = at[last] + np.einsum("fij,fj->fi", turned[last], self._tips - self._avatar.heads[last])
        joints = np.concatenate((at[self._fingers], tips[:, None]), axis=1).reshape(-1, 3)
        return np.concatenate((at[[self._wrist]], joints))

    def hand(self, points: np.ndarray) -> _Hand:
        """The hand that is like the person's (21, 3)."""
        # The rotation that best takes the palm's rays to where the knuckles are seen (Kabsch).
        u, _, v = np.linalg.svd(self._palm.T @ unit(points[_KNUCKLES] - points[0]))
        turn = (u @ np.diag((1.0, 1.0, np.linalg.det(u @ v))) @ v).T
        joints = points[1:].reshape(5, 4, 3)
        ways = unit(np.diff(joints, axis=1)) @ turn
        ways = self._closed((points - points[0]) @ turn, ways)
        phalanges = np.empty((5, 3, 3, 3))
        whole = np.tile(_EYE, (5, 1, 1))
        for n in range(3):
            inward = (ways[:, None, n] @ whole)[:, 0]
            phalanges[:, n] = _hinged(self._hinges[:, n], inward, *_RANGES[:, :, n])
            whole = whole @ phalanges[:, n]
            ways[:, n] = (whole @ self._bone_ways[:, n, :, None])[..., 0]
        return _Hand(turn, phalanges, self._shape(ways) @ turn.T)

    def _shape(self, ways: np.ndarray) -> np.ndarray:
        """(21, 3) metres from the wrist, for directions (5, 3, 3) of the phalanges, all in the hand's axes."""
        steps = np.concatenate((self._root[:, None], ways * self._bone_lengths[..., None]), axis=1)
        return np.concatenate((np.zeros((1, 3)), np.cumsum(steps, axis=1).reshape(-1, 3)))

    def _closed(self, person: np.ndarray, ways: np.ndarray) -> np.ndarray:
        """Directions (5, 3, 3) that are nearly ``ways``, with fingers that touch as the ``person``'s (21, 3) do."""
        scale = np.linalg.norm(self._root[2]) / max(float(np.linalg.norm(person[9])), 1e-3)
        first, second = _PAIRS
        wanted = person[first] - person[second]
        near = np.where(_FIXED, _OVER_PALM, _nearness(np.linalg.norm(wanted, axis=1), _PINCH))
        chosen = np.flatnonzero(near)
        first, second, pull = first[chosen], second[chosen], _PULL * 100 * near[chosen]
        wanted = min(scale, 1.2) * wanted[chosen]
        begun = ways
        for _ in range(_TURNS):
            shape = self._shape(ways)
            rows = (pull[:, None] * (shape[first] - shape[second] - wanted)).ravel()
            # A phalanx that turns by a small vector r moves all that comes after it in its finger by r × (its way).
            table = np.zeros((len(chosen), 3, 5, 3, 3))
            for sign, ends in ((1, first), (-1, second)):
                finger, joint = np.divmod(ends - 1, 4)
                for n in range(3):
                    much = (sign * pull * (joint > n))[:, None, None]
                    arm = self._bone_lengths[finger, n, None] * ways[finger, n]
                    table[np.arange(len(chosen)), :, finger, n] -= much * _cross_matrix(arm)
            moves = table.reshape(3 * len(chosen), 45)
            # How far each way has left where it began, about which axis.
            back = (_cross_matrix(begun) @ ways[..., None]).reshape(45)
            matrix = moves.T @ moves + (1 + _DAMPING) * np.eye(45)
            step = np.linalg.solve(matrix, -(moves.T @ rows) - back).reshape(5, 3, 3)
            ways = unit(ways + (_cross_matrix(step) @ ways[..., None])[..., 0])
        return ways

    def solve(
        self,
        shown: np.ndarray,
        target: np.ndarray,
        hand: _Hand,
        local: np.ndarray,
        turned: np.ndarray,
        at: np.ndarray,
    ) -> None:
        """Turn the arm's bones, in ``local``, so that the wrist is at the target (3,)."""
        shoulder, elbow = (shown[INDEX[f"{self._side}_{joint}"]] for joint in ("shoulder", "elbow"))
        parent = turned[self._avatar.parents[self._clavicle]]
        start, collar = at[self._upper], at[self._clavicle]
        raised = np.clip(unit(elbow - shoulder)[2], 0, 1) * _RAISE
        forward = np.array((1.0 if self._side == "left" else -1.0, 0.0, 0.0))
        shrug = between(unit(start - collar), unit(shoulder - collar))
        lift = from_vector(_limited(rotation_vector(shrug) + raised * forward, _SHRUG))
        local[self._clavicle] = parent.T @ lift @ parent
        clavicle = lift @ parent
        start = collar + lift @ (start - collar)

        upper, lower = self._lengths
        way = target - start
        far = min(float(np.linalg.norm(way)), _FOREARM_ROOM * (upper + lower))
        far = max(far, abs(upper - lower) + 0.02)
        way = unit(way)
        pole = elbow - shoulder
        # Where the arm is nearly straight its plane is noise: the elbow then points down, back and outwards.
        aside = 1.0 if self._side == "left" else -1.0
        pole = pole - (pole @ way) * way + 0.03 * np.array((-0.3, 0.4 * aside, -1.0))
        pole = unit(pole - (pole @ way) * way)
        along = (far * far + upper * upper - lower * lower) / (2 * far)
        aside_by = np.sqrt(max(upper * upper - along * along, 0.0))
        bend = start + along * way + aside_by * pole
        hinge = np.cross(pole, way)
        turns = [
            _basis(unit(end - begin), hinge) @ rest.T
            for begin, end, rest in zip((start, bend), (bend, start + far * way), self._rest, strict=True)
        ]
        local[self._upper] = clavicle.T @ turns[0]
        local[self._lower] = turns[0].T @ turns[1]
        local[self._wrist] = turns[1].T @ hand.rotation
        local[self._fingers] = hand.phalanges
        # The skin between shoulder and elbow, elbow and wrist takes its part of the twist.
        for bones, turn, axis, sign in (
            (self._twists["upperarm"], local[self._upper], self._ways[0], -1),
            (self._twists["lowerarm"], local[self._wrist], self._ways[1], 1),
        ):
            angle = sign * _twist(turn, axis)
            # Half of it, but back to none where half a turn this way and the other way are the same.
            half = np.copysign(min(abs(angle), _MOST_TWIST, 2 * (np.pi - abs(angle))) / 2, angle)
            local[bones[0]], local[bones[1]] = from_vector(half * axis), from_vector(angle * axis)


def _pairs() -> tuple[np.ndarray, np.ndarray]:
    """Points of a hand that belong together: the thumb's tip and other fingers' joints, and tips of neighbours."""
    pairs = [(4, point) for point in range(5, 21)] + [(8, 12), (12, 16), (16, 20)]
    first, second = np.array(pairs).T
    return first, second


_PAIRS = _pairs()
_FIXED = np.isin(_PAIRS[1], _KNUCKLES)
"""Those of the thumb's tip and a knuckle, which count at any distance: what the thumb covers tells M from N."""
_EYE = np.eye(3)
_CROSS = -np.array([[np.cross(a, b) for b in np.eye(3)] for a in np.eye(3)]).reshape(3, 9)


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotations (..., 3, 3) that take the unit vectors ``a`` (..., 3) to ``b``."""
    k = _cross_matrix((_cross_matrix(a) @ b[..., None])[..., 0])
    cosine = (a * b).sum(axis=-1)[..., None, None]
    turn = _EYE + k + k @ k / np.maximum(1 + cosine, 1e-9)
    if (cosine > -0.9999).all():
        return turn
    across = unit(np.cross(a, np.eye(3)[np.abs(a).argmin(axis=-1)]))  # half a turn, about any axis across
    return np.where(cosine > -0.9999, turn, 2 * across[..., :, None] * across[..., None, :] - _EYE)


def from_vector(vector: np.ndarray) -> np.ndarray:
    """Axis times angle in radians (3,) -> rotation (3, 3)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-9:
        return np.eye(3)
    k = _cross_matrix(vector / angle)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) -> axis times angle in radians (3,)."""
    w, x, y, z = quaternions(rotation[None])[0]
    sine = float(np.linalg.norm((x, y, z)))
    return np.array((x, y, z)) * (2 * np.arctan2(sine, w) / sine if sine > 1e-9 else 2.0)


def quaternions(rotations: np.ndarray) -> np.ndarray:
    """(n, 3, 3) rotations -> (n, 4) unit quaternions w x y z, w >= 0 (Bar-Itzhack 2000 without its eigenvectors:
    each by its largest component, Shepperd 1978)."""
    m = rotations
    diagonal = np.diagonal(m, axis1=1, axis2=2)
    trace = diagonal.sum(axis=1)
    squares = 1 + np.column_stack((trace, 2 * diagonal - trace[:, None]))  # four times each component squared
    crossed = np.stack((m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]), axis=1)
    table = np.empty((len(m), 4, 4))
    table[:, 0, 0] = squares[:, 0]
    table[:, 0, 1:] = table[:, 1:, 0] = crossed
    table[:, 1:, 1:] = m + m.transpose(0, 2, 1)
    for i in range(3):
        table[:, 1 + i, 1 + i] = squares[:, 1 + i]
    found = table[np.arange(len(m)), squares.argmax(axis=1)]
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(found[:, :1] < 0, -found, found)


def _twist(rotation: np.ndarray, axis: np.ndarray) -> float:
    """The angle in radians by which a rotation (3, 3) turns about an axis (3,), of its swing and twist."""
    w, *vector = quaternions(rotation[None])[0]
    return float(2 * np.arctan2(np.dot(vector, axis), w))


def _basis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed axes as columns: the first way, then the second made perpendicular to it."""
    second = unit(second - (second @ first) * first)
    return np.column_stack((first, second, np.cross(first, second)))


def _hinged(hinges: np.ndarray, ways: np.ndarray, least: np.ndarray, most: np.ndarray, sway: np.ndarray) -> np.ndarray:
    """Rotations that take bones to where they point, by bending and then swaying: no roll, however far they bend.

    Args:
        hinges: (n, 3, 3) as columns the bone's way at rest, the axis about which it bends, and what is perpendicular.
        ways: (n, 3) unit vectors.
        least, most: (n,) radians of bending.
        sway: (n,) radians to either side.

    Returns:
        (n, 3, 3)
    """
    x, y, z = np.moveaxis((ways[:, None] @ hinges)[:, 0], -1, 0)
    bend, aside = np.arctan2(-z, x), np.arctan2(y, np.hypot(x, z))
    # Half a turn from the middle of its range a joint bends either way.
    middle = (least + most) / 2
    bend = middle + (bend - middle + np.pi) % (2 * np.pi) - np.pi
    bend, aside = np.clip(bend, least, most), np.clip(aside, -sway, sway)
    zero, one = np.zeros_like(x), np.ones_like(x)
    cos, sin = np.cos(bend), np.sin(bend)
    bent = np.moveaxis(np.array(((cos, zero, sin), (zero, one, zero), (-sin, zero, cos))), -1, 0)
    cos, sin = np.cos(aside), np.sin(aside)
    swayed = np.moveaxis(np.array(((cos, -sin, zero), (sin, cos, zero), (zero, zero, one))), -1, 0)
    return hinges @ bent @ swayed @ hinges.transpose(0, 2, 1)


def _limited(vector: np.ndarray, most: float) -> np.ndarray:
    return vector * min(1.0, most / max(float(np.linalg.norm(vector)), 1e-9))


def _cross_matrix(vector: np.ndarray) -> np.ndarray:
    """(..., 3) -> (..., 3, 3) matrices that multiply as the cross product with the vector does."""
    return (vector @ _CROSS).reshape(*vector.shape, 3)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, 3) and (m, 3) -> (n, m)."""
    way = a[:, None] - b[None]
    return np.sqrt(np.einsum("ijk,ijk->ij", way, way))


def _nearness(distance: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """1 below the first distance of ``span``, 0 above the second, smooth between."""
    t = np.clip((span[1] - distance) / (span[1] - span[0]), 0.0, 1.0)
    return t * t * (3 - 2 * t)
