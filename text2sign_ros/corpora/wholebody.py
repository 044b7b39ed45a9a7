"""COCO-WholeBody-133 and OpenPose in the places of the 79 keypoints."""

from __future__ import annotations

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.corpora.base import CorpusError

COUNT = 133
BODY_25 = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4)
"""Points of OpenPose's BODY_25 in the places of COCO's nose, eyes, ears, shoulders, elbows and wrists, left before
right."""


def of_pixels(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """COCO-WholeBody-133 in a picture to points and confidence of a ``Recording``.

    Args:
        found: (T, 133, 3) x to the right, y down, in pixels of a picture that is not mirrored, and confidence; a
            point is missing where its confidence is 0 or below. Confidence above 1, which OpenPose gives, becomes 1.

    Returns:
        (T, 79, 3) with x 0, and (T, 79).

    Raises:
        CorpusError: a number is not finite.
    """
    chosen = np.asarray(found, np.float32)[:, skeleton.COCO_WHOLEBODY]
    if not np.isfinite(chosen).all():
        raise CorpusError("it holds NaN or infinity")
    points = np.stack((np.zeros_like(chosen[..., 0]), chosen[..., 0], -chosen[..., 1]), axis=-1)
    return points, np.clip(chosen[..., 2], 0.0, 1.0)
