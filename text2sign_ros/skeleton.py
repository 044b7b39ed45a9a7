"""The 79 keypoints of a signer: names, groups, bones, rest pose.

The layout is the subset of COCO-WholeBody-133 that sign-language work commonly uses (the paper gives the
count, not the list; this is the set in MSKA's PHOENIX14T configuration): body 11, face 26, left hand 21,
right hand 21, in that order. Left and right are the signer's.

Frame ``signer`` (REP 103): metres, x forward (toward the viewer), y to the signer's left, z up; the origin
is midway between the shoulders, which are ``SHOULDER_WIDTH`` apart.
"""

from __future__ import annotations

import itertools

import numpy as np

SHOULDER_WIDTH = 0.36
"""Distance between the shoulder joints of the canonical signer, metres."""

# (name, index in COCO-WholeBody-133, rest position in metres relative to the nose tip).
_HEAD = (
    ("nose", 0, (0.000, 0.000, 0.000)),
    ("left_eye", 1, (-0.033, 0.032, 0.038)),
    ("right_eye", 2, (-0.033, -0.032, 0.038)),
    ("left_ear", 3, (-0.115, 0.075, 0.020)),
    ("right_ear", 4, (-0.115, -0.075, 0.020)),
)
_FACE = (
    ("right_jaw_ear", 23, (-0.105, -0.070, 0.032)),
    ("right_jaw_angle", 26, (-0.088, -0.061, -0.038)),
    ("right_jaw_chin", 29, (-0.038, -0.028, -0.078)),
    ("left_jaw_chin", 33, (-0.038, 0.028, -0.078)),
    ("left_jaw_angle", 36, (-0.088, 0.061, -0.038)),
    ("left_jaw_ear", 39, (-0.105, 0.070, 0.032)),
    ("right_brow_outer", 41, (-0.030, -0.046, 0.058)),
    ("right_brow_inner", 43, (-0.017, -0.018, 0.058)),
    ("left_brow_inner", 46, (-0.017, 0.018, 0.058)),
    ("left_brow_outer", 48, (-0.030, 0.046, 0.058)),
    ("nose_tip", 53, (0.000, 0.000, 0.000)),
    ("nose_base", 56, (-0.012, 0.000, -0.014)),
    ("right_eye_outer", 59, (-0.040, -0.046, 0.037)),
    ("right_eye_inner", 62, (-0.030, -0.018, 0.036)),
    ("left_eye_inner", 65, (-0.030, 0.018, 0.036)),
    ("left_eye_outer", 68, (-0.040, 0.046, 0.037)),
    ("mouth_right", 71, (-0.026, -0.025, -0.036)),
    ("upper_lip_right_outer", 72, (-0.019, -0.016, -0.031)),
    ("upper_lip_right_inner", 73, (-0.014, -0.006, -0.029)),
    ("upper_lip_middle", 74, (-0.013, 0.000, -0.030)),
    ("upper_lip_left_inner", 75, (-0.014, 0.006, -0.029)),
    ("upper_lip_left_outer", 76, (-0.019, 0.016, -0.031)),
    ("mouth_left", 77, (-0.026, 0.025, -0.036)),
    ("lower_lip_left", 79, (-0.018, 0.012, -0.046)),
    ("lower_lip_middle", 80, (-0.016, 0.000, -0.048)),
    ("lower_lip_right", 81, (-0.018, -0.012, -0.046)),
)
_FINGERS = ("thumb", "index", "middle", "ring", "little")
_PHALANGES = {"thumb": ("cmc", "mcp", "ip", "tip")} | {finger: ("mcp", "pip", "dip", "tip") for finger in _FINGERS[1:]}
_HAND = ("hand_root", *(f"{f}_{p}" for f in _FINGERS for p in _PHALANGES[f]))

KEYPOINTS: tuple[str, ...] = (
    *(name for name, _, _ in _HEAD),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *(name for name, _, _ in _FACE),
    *(f"left_{name}" for name in _HAND),
    *(f"right_{name}" for name in _HAND),
)
"""Names of the keypoints, in order.

:meta hide-value:
"""

NUM_KEYPOINTS = len(KEYPOINTS)

COCO_WHOLEBODY: tuple[int, ...] = (*range(11), *(i for _, i, _ in _FACE), *range(91, 133))
"""Index of each keypoint in COCO-WholeBody-133.

:meta hide-value:
"""

INDEX: dict[str, int] = {name: i for i, name in enumerate(KEYPOINTS)}

GROUPS: dict[str, slice] = {
    "body": slice(0, 11),
    "face": slice(11, 37),
    "left_hand": slice(37, 58),
    "right_hand": slice(58, 79),
}
"""Contiguous ranges of ``KEYPOINTS``."""

HEAD = slice(0, 5)
"""Nose, eyes and ears: the part of the body group that moves rigidly with the head."""

HAND: dict[str, slice] = {side: GROUPS[f"{side}_hand"] for side in ("left", "right")}
"""The keypoints of each hand; 1 to 4 after its root are the thumb's, and so on for each finger."""

EYES, EARS, SHOULDERS = ([INDEX[f"left_{part}"], INDEX[f"right_{part}"]] for part in ("eye", "ear", "shoulder"))
"""Indices, left before right."""
BROWS = [i for i, name in enumerate(KEYPOINTS) if "_brow_" in name]
JAW = [i for i, name in enumerate(KEYPOINTS) if "_jaw_" in name]
"""Indices from the right ear over the chin to the left ear."""


def _hand_bones(root: int) -> list[tuple[int, int]]:
    fingers = [(root, root + 1 + 4 * f) for f in range(5)]
    return fingers + [(root + 4 * f + k, root + 4 * f + k + 1) for f in range(5) for k in (1, 2, 3)]


ARM_BONES: tuple[tuple[int, int], ...] = tuple(
    (INDEX[f"{side}_{a}"], INDEX[f"{side}_{b}"])
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand_root"))
)
HAND_BONES: tuple[tuple[int, int], ...] = tuple(
    _hand_bones(INDEX["left_hand_root"]) + _hand_bones(INDEX["right_hand_root"])
)
_FACE_LINES = (
    ("right_jaw_ear", "right_jaw_angle", "right_jaw_chin", "left_jaw_chin", "left_jaw_angle", "left_jaw_ear"),
    ("right_brow_outer", "right_brow_inner"),
    ("left_brow_inner", "left_brow_outer"),
    ("nose_tip", "nose_base"),
    ("right_eye_outer", "right_eye_inner"),
    ("left_eye_inner", "left_eye_outer"),
    (
        *("mouth_right", "upper_lip_right_outer", "upper_lip_right_inner", "upper_lip_middle"),
        *("upper_lip_left_inner", "upper_lip_left_outer", "mouth_left"),
        *("lower_lip_left", "lower_lip_middle", "lower_lip_right", "mouth_right"),
    ),
)
BONES: tuple[tuple[int, int], ...] = (
    (INDEX["left_shoulder"], INDEX["right_shoulder"]),
    (INDEX["left_ear"], INDEX["left_eye"]),
    (INDEX["left_eye"], INDEX["nose"]),
    (INDEX["nose"], INDEX["right_eye"]),
    (INDEX["right_eye"], INDEX["right_ear"]),
    *ARM_BONES,
    *((INDEX[a], INDEX[b]) for line in _FACE_LINES for a, b in itertools.pairwise(line)),
    *HAND_BONES,
)
"""Pairs of keypoint indices for drawing a signer; parents come before children within arms and hands.

:meta hide-value:
"""
GROUP_BONES: dict[str, tuple[tuple[int, int], ...]] = {
    name: tuple((a, b) for a, b in BONES if group.start <= a < group.stop and group.start <= b < group.stop)
    for name, group in GROUPS.items()
}
"""The bones with both ends in one of ``GROUPS``, in the order of ``BONES``."""

UPPER_ARM, FOREARM = 0.32, 0.28
"""Bone lengths of the canonical signer, metres: those of recorded arms at full length, scaled by shoulder width."""

# For each finger, the length from root to knuckle and of the phalanges, metres, in the proportions of recorded hands.
_HAND_LENGTHS = (
    (0.043, 0.039, 0.032, 0.026),
    (0.092, 0.044, 0.028, 0.021),
    (0.090, 0.047, 0.030, 0.022),
    (0.088, 0.045, 0.027, 0.021),
    (0.086, 0.035, 0.021, 0.018),
)

# A relaxed left hand hanging down, palm to the thigh: only the directions of its bones matter.
_RELAXED_LEFT_HAND = (
    (0.000, 0.000, 0.000),
    (0.027, -0.008, -0.022), (0.044, -0.020, -0.050), (0.048, -0.030, -0.078), (0.048, -0.036, -0.100),
    (0.023, 0.000, -0.086), (0.026, -0.010, -0.122), (0.025, -0.020, -0.142), (0.022, -0.028, -0.160),
    (0.003, 0.003, -0.086), (0.004, -0.010, -0.125), (0.002, -0.024, -0.148), (-0.001, -0.035, -0.166),
    (-0.014, 0.000, -0.080), (-0.014, -0.014, -0.114), (-0.016, -0.028, -0.134), (-0.018, -0.038, -0.150),
    (-0.029, -0.006, -0.072), (-0.030, -0.018, -0.098), (-0.031, -0.029, -0.113), (-0.032, -0.037, -0.127),
)  # fmt: skip

_NOSE = (0.110, 0.0, 0.200)


def _rest_pose() -> np.ndarray:
    half, mirror = SHOULDER_WIDTH / 2, np.array((1.0, -1.0, 1.0))
    shoulder = np.array((0.0, half, 0.0))
    elbow = shoulder + UPPER_ARM * _unit((-0.05, 0.16, -1.0))
    wrist = elbow + FOREARM * _unit((0.42, -0.12, -1.0))
    left_hand = wrist + _relaxed_left_hand()
    left = np.stack((shoulder, elbow, wrist))
    body = np.stack((left, left * mirror), axis=1).reshape(6, 3)
    head = np.array([p for _, _, p in _HEAD]) + _NOSE
    face = np.array([p for _, _, p in _FACE]) + _NOSE
    return np.concatenate((head, body, face, left_hand, left_hand * mirror)).astype(np.float32)


def _relaxed_left_hand() -> np.ndarray:
    shape = np.array(_RELAXED_LEFT_HAND)
    hand = np.zeros_like(shape)
    for (parent, child), length in zip(_hand_bones(0), _bone_order(_HAND_LENGTHS), strict=True):
        hand[child] = hand[parent] + length * _unit(shape[child] - shape[parent])
    return hand


def _bone_order(by_finger: tuple[tuple[float, ...], ...]) -> list[float]:
    return [lengths[0] for lengths in by_finger] + [length for lengths in by_finger for length in lengths[1:]]


def _unit(vector: np.ndarray | tuple[float, float, float]) -> np.ndarray:
    return np.array(vector) / np.linalg.norm(vector)


HANDS = slice(GROUPS["left_hand"].start, GROUPS["right_hand"].stop)
"""The keypoints of both hands."""

REST_POSE: np.ndarray = _rest_pose()
"""(79, 3) float32, metres in frame ``signer``: arms hanging, hands relaxed, head upright.

:meta hide-value:
"""
REST_POSE.setflags(write=False)
