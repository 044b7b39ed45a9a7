"""Holds: a motion comes to a standstill on its own path, stays, and sets off again on it."""

from __future__ import annotations

import numpy as np

from text2sign_ros.motion import kinematics

BRAKE = 4
"""Frames of the path that are gone slower and slower, in twice as many, before a standstill; as many after it."""


def brake(path: np.ndarray) -> np.ndarray:
    """Go along a path from full speed to a standstill at its end.

    Time is scaled (Hollerbach 1984) by the quintic of least jerk (Flash & Hogan 1985), which between the given speeds
    is 2u - 2u³ + u⁴. In between the frames a cubic Hermite spline is followed, every bone at its canonical length.

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
    """The reverse: from a standstill at the first frame of ``path`` to full speed at its last, in as many frames."""
    return np.concatenate((brake(path[::-1])[-2::-1], path[-1:]))[: 2 * (len(path) - 1)].astype(np.float32)
