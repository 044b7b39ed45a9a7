"""Left and right: mirrored clips, and arms that are at rest."""

from __future__ import annotations

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip

OTHER = {"left": "right", "right": "left"}
_MIRROR = np.array(
    [
        skeleton.INDEX[name.replace("left", "\0").replace("right", "left").replace("\0", "right")]
        for name in skeleton.KEYPOINTS
    ]
)


def mirror(clip: SignClip) -> SignClip:
    """The clip with left and right exchanged."""
    return SignClip(clip.positions[:, _MIRROR] * (1.0, -1.0, 1.0), clip.confidence[:, _MIRROR], clip.fps)


def rest(clip: SignClip, side: str) -> SignClip:
    """The clip with the arm of one side ("left", "right") in the rest pose, which counts as observed."""
    arm = [skeleton.INDEX[f"{side}_elbow"], skeleton.INDEX[f"{side}_wrist"]]
    arm += range(*skeleton.GROUPS[f"{side}_hand"].indices(skeleton.NUM_KEYPOINTS))
    positions, confidence = clip.positions.copy(), clip.confidence.copy()
    positions[:, arm], confidence[:, arm] = skeleton.REST_POSE[arm], 1.0
    return SignClip(positions, confidence, clip.fps)
