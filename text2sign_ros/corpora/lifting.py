"""Published keypoints to metres in frame ``signer``: scale, gaps, and depth from bone lengths.

Most corpora have no depth, or one that cannot be used (``base.Depth``). Two lifts can be chosen:

"geometric": an arm's bone that looks shorter than it is points toward the viewer, as in front of a camera it nearly
always does. So does the hand at the wrist; fingers bend to the side of the palm, which the order of the knuckles in
the picture tells. The head turns as the canonical head must turn to look like the picture. What it cannot know: a
hand or an arm that points away from the viewer, a palm seen edge-on, and fingers bent backward.

"flat": no depth at all: arms and hands lie in the plane through the shoulders.

Either way the shoulders are ``skeleton.SHOULDER_WIDTH`` apart (median) and level, their middle is the origin of every
frame, and bones of arms and hands get their canonical length. Missing keypoints are interpolated, and keep confidence
0.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import FPS, CorpusError, Depth, Example, Recording
from text2sign_ros.corpora.mediapipe import fill, point_forward
from text2sign_ros.corpora.resampling import resample
from text2sign_ros.motion import kinematics

LIFTS = ("geometric", "flat")

_HEAD = np.r_[skeleton.HEAD, skeleton.GROUPS["face"]]
_TEMPLATE = skeleton.REST_POSE[_HEAD].astype(float)
_NOSE = skeleton.INDEX["nose"]
_FEWEST = 6
"""Keypoints of the head from which its rotation is found."""
_EDGE_ON = 0.002
"""Square metres: twice the area of wrist and outer knuckles in the picture, below which a palm's side is uncertain;
it is 0.0045 when the palm faces the viewer."""
_SLIM = 0.9
"""A finger is at least that long, relative to a canonical one on a palm of its size."""
_OWN = (0.7, 1.3)
"""A signer's own bone may be that much shorter or longer than the canonical one, relative to the shoulders."""


def example(recording: Recording, lift_by: str, source: str, licence: str) -> Example:
    """The recording as an example for training, at ``FPS``; its source says how it got its depth.

    Raises:
        CorpusError: as ``lift``; or the recording has no text or fewer than two frames.
    """
    clip = lift(recording, lift_by)
    if len(clip) < 2:
        raise CorpusError(f"the recording {recording.name!r} can't be used: it has one frame")
    if clip.fps != FPS:
        clip = resample(clip)
    told = source if recording.depth == Depth.FULL else f"{source}; depth: {lift_by}"
    return Example(
        recording.text, clip, None, recording.signer, recording.block, recording.split, told, licence
    )  # fmt: skip


def check(how: str) -> None:
    """Raise a ``CorpusError`` unless it is one of ``LIFTS``."""
    if how not in LIFTS:
        raise CorpusError(f"there is no lift {how!r}; known are {', '.join(LIFTS)}")


def lift(recording: Recording, how: str = "geometric") -> SignClip:
    """Turn a recording into metres; see above.

    Args:
        how: one of ``LIFTS``.

    Returns:
        a clip at the recording's own frame rate, with the recording's confidence.

    Raises:
        CorpusError: the lift is unknown, or both shoulders are not seen together in any frame.
    """
    check(how)
    points, seen = scaled(recording), recording.confidence > 0
    positions = np.tile(skeleton.REST_POSE.astype(float), (len(points), 1, 1))
    positions[:, _HEAD] = _head(points, seen)
    directions = kinematics.bone_directions(positions)
    number = {child: i for i, (_, child) in enumerate(kinematics.CHAIN)}
    for side, hand in skeleton.HAND.items():
        shoulder, elbow, wrist = (
            points[:, skeleton.INDEX[f"{side}_{joint}"]] for joint in ("shoulder", "elbow", "wrist")
        )
        rooted = seen[:, hand.start]
        if rooted.any():  # that of the hand is measured better; keep its correction through gaps
            wrist = wrist + fill(points[:, hand.start] - wrist, rooted)
        arm = ((elbow - shoulder, 0.7, skeleton.UPPER_ARM, "elbow"), (wrist - elbow, 0.5, skeleton.FOREARM, "wrist"))
        for bone, sigma, length, joint in arm:
            end = skeleton.INDEX[f"{side}_{joint}"]
            if seen[:, end].any() or (joint == "wrist" and rooted.any()):
                directions[:, number[end]] = _arm(_smooth(bone, sigma), length, recording.depth)
        if seen[:, hand].any():
            for child, direction in _hand(points[:, hand], seen[:, hand], side, recording.depth).items():
                directions[:, number[hand.start + child]] = direction
    if how == "flat":
        directions = kinematics.unit(directions * (0.0, 1.0, 1.0))
    return SignClip(kinematics.assemble(directions, positions), recording.confidence, recording.fps)


def scaled(recording: Recording) -> np.ndarray:
    """(T, 79, 3) metres: the keypoints with the shoulders at their canonical distance (median, in the picture) and
    their middle at the origin; missing ones are interpolated, those of a hand relative to its wrist.

    Raises:
        CorpusError: both shoulders are not seen together in any frame.
    """
    points, seen = recording.points.astype(float), recording.confidence > 0
    both = seen[:, skeleton.SHOULDERS].all(axis=1)
    width = 0.0
    if both.any():
        left, right = (points[both, shoulder] for shoulder in skeleton.SHOULDERS)
        width = float(np.median(np.linalg.norm((left - right)[:, 1:], axis=-1)))
    if width <= 0:
        raise CorpusError(f"the recording {recording.name!r} can't be used: its shoulders are never seen together")
    wrists = {side: skeleton.INDEX[f"{side}_wrist"] for side in skeleton.HAND}
    for side, hand in skeleton.HAND.items():  # a wrist that is missing is where the hand is
        lost = ~seen[:, wrists[side]] & seen[:, hand.start]
        points[lost, wrists[side]] = points[lost, hand.start]
        seen[lost, wrists[side]] = True
    points[:, : _BODY.stop] = _filled(points[:, : _BODY.stop], seen[:, : _BODY.stop])
    for side, hand in skeleton.HAND.items():
        wrist = points[:, [wrists[side]]]
        points[:, hand] = wrist + _filled(points[:, hand] - wrist, seen[:, hand])
    middle = points[:, skeleton.SHOULDERS].mean(axis=1, keepdims=True)
    return (points - middle) * (skeleton.SHOULDER_WIDTH / width)


_BODY = slice(0, skeleton.GROUPS["left_hand"].start)
"""Body and face."""


def _filled(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Each keypoint interpolated through the frames in which it is missing; one that is never seen stays as it is."""
    points = points.copy()
    for keypoint in np.flatnonzero((~seen).any(axis=0) & seen.any(axis=0)):
        points[:, keypoint] = fill(points[:, keypoint], seen[:, keypoint])
    return points


def _arm(bone: np.ndarray, length: float, depth: Depth) -> np.ndarray:
    """(T, 3) metres -> (T, 3) unit vectors along a bone of an arm."""
    if depth == Depth.FULL:
        return kinematics.unit(bone)
    if depth == Depth.UNSIGNED:
        return kinematics.unit(np.concatenate((np.abs(bone[:, :1]), bone[:, 1:]), axis=1))
    return point_forward(bone[:, 1:], _own_length(bone[:, 1:], length))


def _own_length(across: np.ndarray, canonical: float, least: float = _OWN[0]) -> float:
    """How long this signer's bone is: that of the frames in which it is seen at its longest.

    Args:
        across: (T, 2) metres, the bone in the picture.
        canonical: its canonical length, metres.
        least: the shortest that it may be, relative to the canonical one.
    """
    longest = np.percentile(np.linalg.norm(across, axis=-1), 95)
    return float(np.clip(longest, min(least, _OWN[1]) * canonical, _OWN[1] * canonical))


def _hand(points: np.ndarray, seen: np.ndarray, side: str, depth: Depth) -> dict[int, np.ndarray]:
    """(T, 3) unit vectors along the bone to each keypoint of a hand (T, 21, 3), metres."""
    root = skeleton.HAND[side].start
    parents = {b - root: a - root for a, b in kinematics.CHAIN if root <= a < root + 21}
    lengths = {b - root: float(n) for (_, b), n in zip(kinematics.CHAIN, kinematics.CANONICAL_LENGTHS, strict=True)}
    bones = {child: _smooth(points[:, child] - points[:, parent], 0.5) for child, parent in parents.items()}
    if depth in (Depth.HANDS, Depth.FULL):
        return {child: kinematics.unit(bone) for child, bone in bones.items()}
    palm, size = _palm(points, side), 0.0
    found = {}
    for child, bone in bones.items():  # those of the palm come first, and give the hand's size
        parent, across = parents[child], bone[:, 1:]
        hidden = np.abs(bone[:, 0])
        if depth == Depth.NONE:
            both = seen[:, child] & seen[:, parent]
            measured = across[both] if both.any() else across
            # A finger that is bent in every frame is as long as the palm says.
            own = _own_length(measured, lengths[child], _OWN[0] if parent == 0 else _SLIM * size)
            if parent == 0:
                size += own / lengths[child] / 5
            hidden = np.sqrt(np.maximum(_smooth(own**2 - np.square(across).sum(axis=-1), 1.5), 0.0))
        ahead = palm if parent > 0 or child == 1 else 1.0  # fingers and thumb bend to the palm's side
        found[child] = kinematics.unit(np.concatenate(((ahead * hidden)[:, None], across), axis=1))
    return found


def _palm(points: np.ndarray, side: str) -> np.ndarray:
    """(T,) 1 where the palm of a hand (T, 21, 3) faces the viewer, -1 where its back does, between them edge-on."""
    index, little = points[:, 5] - points[:, 0], points[:, 17] - points[:, 0]
    area = index[:, 1] * little[:, 2] - index[:, 2] * little[:, 1]
    return np.clip(_smooth(area if side == "right" else -area, 1.5) / _EDGE_ON, -1.0, 1.0)


def _head(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T, 37, 3) metres: the head's keypoints where they are in the picture, with the depth of the canonical head
    turned and scaled to look like it; keypoints that are never seen as the canonical head has them."""
    found, known = points[:, _HEAD], seen[:, _HEAD]
    ever = np.asarray(known.any(axis=0))
    if not ever.any():
        return np.tile(_TEMPLATE, (len(points), 1, 1))
    template = _TEMPLATE[ever]
    centre = template.mean(axis=0)
    picture = found[:, ever, 1:]
    middle = picture.mean(axis=1, keepdims=True)
    turn, size = np.tile(np.eye(3), (len(points), 1, 1)), np.ones(len(points))
    if ever.sum() >= _FEWEST:
        turn, size = _turned(_smooth(picture - middle, 1.5), template - centre)
    head = size[:, None, None] * ((_TEMPLATE - centre) @ np.swapaxes(turn, 1, 2))
    forward = head[..., 0] - head[:, [_NOSE], 0] + _TEMPLATE[_NOSE, 0]
    across = np.where(ever[:, None], found[..., 1:], head[..., 1:] + middle)
    return np.concatenate((forward[..., None], across), axis=-1)


def _turned(picture: np.ndarray, template: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (T, 3, 3) and sizes (T,) of the template (K, 3) that show the picture (T, K, 2), both centred: the
    affine map of least squares, drawn to one without rotation, made orthogonal."""
    spread = template.T @ template
    pull = 0.1 * np.trace(spread) / 3
    upright = np.array(((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    affine = (np.swapaxes(picture, 1, 2) @ template + pull * upright) @ np.linalg.inv(spread + pull * np.eye(3))
    u, sizes, v = np.linalg.svd(affine, full_matrices=False)
    rows = u @ v
    return np.concatenate((np.cross(rows[:, 0], rows[:, 1])[:, None], rows), axis=1), sizes.mean(axis=1)


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter1d(values, sigma, axis=0, mode="nearest")
