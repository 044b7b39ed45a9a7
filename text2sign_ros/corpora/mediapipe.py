"""Lift MediaPipe Holistic landmarks (image fractions and a weak depth) to metres in frame ``signer``."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.motion import kinematics

# MediaPipe Pose: landmarks of the head that move rigidly with it, and the arms, left and right.
_HEAD = (0, 2, 5, 7, 8, 9, 10)  # nose, left eye, right eye, left ear, right ear, mouth left, mouth right
_HEAD_NAMES = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "mouth_left", "mouth_right")
_SHOULDERS, _ELBOWS, _WRISTS = (11, 12), (13, 14), (15, 16)
_HEAD_TEMPLATE = skeleton.REST_POSE[[skeleton.INDEX[name] for name in _HEAD_NAMES]].astype(float)
# MediaPipe's z puts the ears 0.38 m behind the nose; on a real head it is 0.115 m.
_HEAD_DEPTH = 0.3
_NECK_TO_NOSE = skeleton.REST_POSE[skeleton.INDEX["nose"]].astype(float)


def lift(
    pose: np.ndarray,
    hands: dict[str, np.ndarray],
    *,
    aspect: float,
    hand_depth: float,
    fps: float,
    nose_height: float | None = None,
) -> SignClip:
    """Turn one take into metres.

    The shoulder width in the image gives the scale. The arms' depth follows from foreshortening: a bone of known length
    that looks shorter points toward the camera or away from it, and in front of a camera arms point toward it.
    MediaPipe's own depth of the wrist is not used, because it throws the arms half a metre forward. Hands are attached
    to the wrists with their own depth. Every bone of arms and hands then gets its canonical length, the same in all
    frames of all signers.

    Args:
        pose: (T, 25, 4) MediaPipe Pose landmarks x, y (fractions of the image's width and height), z, visibility.
        hands: for "left" and "right", (T, 21, 3) MediaPipe Hands landmarks; all zeros where the hand was not seen.
        aspect: height of the image over its width.
        hand_depth: factor that converts a hand's z to the unit of its x.
        fps: frames per second of the recording.
        nose_height: how far the signer's nose is above the shoulders, in shoulder widths; None takes the recording as
            it is. Above the shoulders heights are scaled so that the nose is as high as the canonical one: a hand at
            the chin stays there, whatever neck a signer has.

    Returns:
        A clip whose face follows the head rigidly. Hands and whole frames that were not seen have confidence 0.

    Raises:
        ValueError: the body is not seen in any frame.
    """
    seen = np.abs(pose[..., :2]).sum(axis=(1, 2)) > 0
    if not seen.any():
        raise ValueError("the signer's body is not seen in any frame; leave the take out")
    pose = fill(pose.astype(float), seen)
    image = np.stack((pose[..., 0], -aspect * pose[..., 1]), axis=-1)  # signer's left is the image's right
    shoulders = image[:, _SHOULDERS]
    scale = skeleton.SHOULDER_WIDTH / np.median(np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1))
    image = (image - shoulders.mean(axis=1, keepdims=True)) * scale
    above = 1.0 if nose_height is None else _NECK_TO_NOSE[2] / (nose_height * skeleton.SHOULDER_WIDTH)

    frames = len(pose)
    positions = np.tile(skeleton.REST_POSE.astype(float), (frames, 1, 1))
    confidence = np.ones((frames, skeleton.NUM_KEYPOINTS), np.float32)
    rotation = _head_rotation(image[:, _HEAD], -_HEAD_DEPTH * pose[:, _HEAD, 2] * scale)
    head = [*range(skeleton.HEAD.start, skeleton.HEAD.stop), *range(*skeleton.GROUPS["face"].indices(79))]
    offsets = skeleton.REST_POSE[head] - _NECK_TO_NOSE
    image = _with_heights(image, above)
    nose = np.concatenate((np.full((frames, 1), _NECK_TO_NOSE[0]), _smooth(image[:, 0], 1.0)), axis=1)
    positions[:, head] = nose[:, None] + offsets @ np.swapaxes(rotation, 1, 2)

    directions = kinematics.bone_directions(positions)
    arm = {child: i for i, (_, child) in enumerate(kinematics.CHAIN)}
    for side, name in enumerate(("left", "right")):
        hand = hands[name].astype(float)
        hand_seen = np.abs(hand).sum(axis=(1, 2)) > 0
        wrist = image[:, _WRISTS[side]]
        if hand_seen.any():
            # The hand model locates the wrist better than the body model does; keep its correction through gaps.
            hand = fill(hand, hand_seen)
            root = (np.stack((hand[:, 0, 0], -aspect * hand[:, 0, 1]), axis=-1) - shoulders.mean(axis=1)) * scale
            root = _with_heights(root, above)
            wrist = wrist + fill(root - wrist, hand_seen)
            forward = -hand_depth * (hand[..., 2] - hand[:, :1, 2])
            points = np.stack((forward, hand[..., 0], -aspect * hand[..., 1]), axis=-1)
            group = skeleton.GROUPS[f"{name}_hand"]
            bones = [(parent, child) for parent, child in kinematics.CHAIN if group.start <= parent < group.stop]
            parents, children = np.array(bones).T
            along = points[:, children - group.start] - points[:, parents - group.start]
            directions[:, [arm[child] for _, child in bones]] = kinematics.unit(_smooth(along, 0.5))
        confidence[~hand_seen, skeleton.GROUPS[f"{name}_hand"]] = 0.0
        elbow = _smooth(image[:, _ELBOWS[side]] - image[:, _SHOULDERS[side]], 0.7)
        forearm = _smooth(wrist - image[:, _ELBOWS[side]], 0.5)
        directions[:, arm[skeleton.INDEX[f"{name}_elbow"]]] = point_forward(elbow, skeleton.UPPER_ARM)
        directions[:, arm[skeleton.INDEX[f"{name}_wrist"]]] = point_forward(forearm, skeleton.FOREARM)
    confidence[~seen] = 0.0
    return SignClip(kinematics.assemble(directions, positions), confidence, fps)


def _with_heights(points: np.ndarray, above: float) -> np.ndarray:
    """Points (..., 2) in the image plane, with heights above the shoulders scaled by ``above``."""
    return np.stack((points[..., 0], np.where(points[..., 1] > 0, above, 1.0) * points[..., 1]), axis=-1)


def point_forward(across: np.ndarray, length: float) -> np.ndarray:
    """(T, 2) metres in the image plane -> (T, 3) unit vectors of a bone of that length pointing toward the camera."""
    hidden = length**2 - np.square(across).sum(axis=-1)
    # Near full length the square root amplifies noise: smooth before taking it.
    forward = np.sqrt(np.maximum(gaussian_filter1d(hidden, 1.5, mode="nearest"), (0.1 * length) ** 2))
    return kinematics.unit(np.concatenate((forward[:, None], across), axis=1))


def _head_rotation(image: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Rotation (T, 3, 3) of the canonical head that best explains its landmarks (Kabsch), smoothed over time.

    The relative depths within the head are unreliable, so they get half the weight of the image coordinates.
    """
    points = np.concatenate((0.5 * forward[..., None], image), axis=-1)
    points = _smooth(points - points.mean(axis=1, keepdims=True), 1.5)
    template = _HEAD_TEMPLATE - _HEAD_TEMPLATE.mean(axis=0)
    u, _, vt = np.linalg.svd(np.einsum("tki,kj->tij", points, template * (0.5, 1.0, 1.0)))
    sign = np.ones((len(points), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None]) @ vt


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter1d(values, sigma, axis=0, mode="nearest")


def fill(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T, …) values, interpolated linearly over the frames that are not ``seen`` (T,), and constant beyond the ends."""
    at = np.flatnonzero(seen)
    if len(at) == len(values):
        return values
    flat = values.reshape(len(values), -1)
    frames = np.arange(len(values))
    return np.stack([np.interp(frames, at, column[at]) for column in flat.T], axis=1).reshape(values.shape)
