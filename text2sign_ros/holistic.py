"""The points of MediaPipe Holistic by name, as in ``.pose`` files, and which of them are the 79 keypoints."""

from __future__ import annotations

from text2sign_ros import skeleton

_SIDED = ("PINKY", "INDEX", "THUMB", "HIP", "KNEE", "ANKLE", "HEEL", "FOOT_INDEX")
_BODY = (
    *("NOSE", "LEFT_EYE_INNER", "LEFT_EYE", "LEFT_EYE_OUTER", "RIGHT_EYE_INNER", "RIGHT_EYE", "RIGHT_EYE_OUTER"),
    *("LEFT_EAR", "RIGHT_EAR", "MOUTH_LEFT", "MOUTH_RIGHT"),
    *(f"{side}_{name}" for name in ("SHOULDER", "ELBOW", "WRIST", *_SIDED) for side in ("LEFT", "RIGHT")),
)
# Vertices of the face mesh that are on its contours, without those of ``_OUR_FACE``.
_CONTOURS = (
    *(7, 10, 13, 14, 21, 40, 46, 52, 53, 54, 55, 65, 67, 70, 78, 80, 81, 82, 87, 88, 91, 93, 95, 103, 105, 107, 109),
    *(132, 136, 144, 145, 146, 148, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 172, 173, 176, 178),
    *(181, 185, 191, 234, 246, 249, 251, 270, 276, 282, 283, 284, 285, 295, 297, 300, 308, 310, 311, 312, 317, 318),
    *(321, 323, 324, 332, 334, 336, 338, 361, 365, 373, 374, 375, 377, 379, 380, 381, 382, 384, 385, 386, 387, 388),
    *(389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466),
)
_NOSE = (4, 2)
# The vertex nearest to each keypoint of the face, in their order.
_OUR_FACE = (
    *(127, 58, 149, 378, 288, 356),  # jaw
    *(63, 66, 296, 293),  # brows
    *_NOSE,
    *(33, 133, 362, 263),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 314, 17, 84),  # mouth
)
_HAND = (
    "WRIST",
    *(f"THUMB_{name}" for name in ("CMC", "MCP", "IP", "TIP")),
    *(
        f"{f}_{p}"
        for f in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
        for p in ("MCP", "PIP", "DIP", "TIP")
    ),
)

COMPONENTS: dict[str, tuple[str, ...]] = {
    "POSE_LANDMARKS": _BODY,
    "FACE_LANDMARKS": tuple(map(str, sorted({*_CONTOURS, *_OUR_FACE}))),
    "LEFT_HAND_LANDMARKS": _HAND,
    "RIGHT_HAND_LANDMARKS": _HAND,
}
"""Names of the points of each component: all that programs for sign language pick by name. Of the 468 vertices of the
face these are the contours, as in the reduced files that pose-format's ``reduce_holistic`` makes, and the nose.

:meta hide-value:
"""

NOSE = tuple(map(str, _NOSE))
"""Points of the face that are not on its contours."""

GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "body": ("POSE_LANDMARKS", tuple(name.upper() for name in skeleton.KEYPOINTS[skeleton.GROUPS["body"]])),
    "face": ("FACE_LANDMARKS", tuple(map(str, _OUR_FACE))),
    "left_hand": ("LEFT_HAND_LANDMARKS", _HAND),
    "right_hand": ("RIGHT_HAND_LANDMARKS", _HAND),
}
"""The component and the points that correspond to each of ``skeleton.GROUPS``, in the order of the keypoints.

Body and hands are the same points. The face is a mesh of its own: its vertices nearest to the landmarks of iBUG's 68
that we have stand for them.

:meta hide-value:
"""
