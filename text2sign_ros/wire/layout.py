"""The layout of the motion as JSON, so that whoever plays it needs nothing of this package."""

from __future__ import annotations

import json

from text2sign_ros import skeleton
from text2sign_ros.wire.trajectory import FRAME_ID


def layout(fps: float) -> str:
    """Names and groups of the keypoints in their order, bones, rest pose, frame and frames per second.

    ``keypoints`` are 79 names in the order of a chunk's ``joint_names``; ``groups`` maps a name to [first, end);
    ``bones`` are pairs of indices; ``rest_pose`` has (x, y, z) of each keypoint in metres in frame ``frame``.
    """
    groups = {name: span.indices(skeleton.NUM_KEYPOINTS)[:2] for name, span in skeleton.GROUPS.items()}
    values = {
        "frame": FRAME_ID,
        "fps": fps,
        "keypoints": skeleton.KEYPOINTS,
        "groups": groups,
        "bones": skeleton.BONES,
        "rest_pose": [[round(float(x), 6) for x in point] for point in skeleton.REST_POSE],
    }
    return json.dumps(values)
