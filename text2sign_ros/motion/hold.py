"""Holds: a motion stops on its path, stays there, and accelerates again along the path."""

from __future__ import annotations

import numpy as np

from text2sign_ros.motion import kinematics

BRAKE = 4
"""Frames of the path along which the motion slows down, in twice as many frames, before a stop; the same after it."""


def brake(path: np.ndarray) -> np.ndarray:
    """Follow a path from full speed to a stop at its end.

    Time is scaled (Hollerbach 1984) by the minimum-jerk polynomial (Flash & Hogan 1985), which for these speeds is
    2u - 2u³ + u⁴. Between frames, a cubic Hermite spline is followed, with every bone at its canonical length.

    Args:
        path: (m + 1, 79, 3) metres, consecutive frames.

    Returns:
        (2 m, 79, 3) float32 metres, the frames after the first of ``path``; the last is its last.
    """
    count = len(path) - 1
    if not count:
        return np.empty((0, *path.shape[1:]), np.float32)
    u = np.arange(1, 2 * count + 1) / (2 * count)
    place = count * (2 * u - 2 * u**3 + u**4)
    before = np.minimum(place.astype(int), count - 1)
    t = (place - before)[:, None, None]
    slopes = np.gradient(path, axis=0)
    start, end = path[before], path[before + 1]
    bend = slopes[before] * (1 - t) + (start - end) * (1 - 2 * t) - slopes[before + 1] * t
    frames = start + (end - start) * t + bend * t * (1 - t)
    return kinematics.with_canonical_lengths(frames).astype(np.float32)


def accelerate(path: np.ndarray) -> np.ndarray:
    """The reverse of ``brake``: from a stop at the first frame of ``path`` to full speed at its last."""
    return np.concatenate((brake(path[::-1])[-2::-1], path[-1:]))[: 2 * (len(path) - 1)].astype(np.float32)
