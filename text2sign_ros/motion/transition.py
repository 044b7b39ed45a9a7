"""Minimum-jerk movement from one pose to another, as a person's arms would make it."""

from __future__ import annotations

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.motion import kinematics

_MOVERS = [i for name in ("left_hand", "right_hand") for i in range(*skeleton.GROUPS[name].indices(79))]


def frames_between(start: np.ndarray, end: np.ndarray, fps: float) -> int:
    """Number of frames that a person would take between two poses, growing with the distance of the hands.

    Duration 0.12 s + 0.5 s * sqrt(d / 1 m), d the greatest distance of any hand keypoint: longer movements are faster
    (constant peak acceleration gives the square root), and even a small change of hand shape takes a moment.
    """
    distance = np.linalg.norm(end[_MOVERS] - start[_MOVERS], axis=-1).max()
    return max(1, round(fps * (0.12 + 0.5 * float(np.sqrt(distance)))) - 1)


def transition(
    start: np.ndarray,
    end: np.ndarray,
    frames: int,
    *,
    start_step: np.ndarray | None = None,
    end_step: np.ndarray | None = None,
) -> np.ndarray:
    """Frames strictly between two poses: every bone turns from its old direction to the new one with
    minimum jerk (Flash & Hogan 1985: the quintic with the given end velocities and no acceleration at the ends).

    Bone lengths stay constant because arms and hands are interpolated as directions; head and face move in space.

    Args:
        start: (79, 3) metres, the pose before the first frame returned.
        end: (79, 3) metres, the pose after the last.
        frames: number of frames to return, at least 0.
        start_step: (79, 3) metres, the motion from the frame before ``start`` to ``start``; None means standing still.
        end_step: (79, 3) metres, the motion from ``end`` to the frame after it; None means standing still.

    Returns:
        (frames, 79, 3) float32 metres.
    """
    still = np.zeros_like(start)
    before = start - (still if start_step is None else start_step)
    after = end + (still if end_step is None else end_step)
    intervals = frames + 1
    time = (np.arange(1, frames + 1) / intervals).reshape(-1, 1, 1)
    rise = 10 * time**3 - 15 * time**4 + 6 * time**5
    leave = time - 6 * time**3 + 8 * time**4 - 3 * time**5
    arrive = -4 * time**3 + 7 * time**4 - 3 * time**5

    def momentum(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
        return intervals * ((b - a) * leave + (d - c) * arrive)

    base = start + (end - start) * rise + momentum(before, start, end, after)
    d = [kinematics.bone_directions(pose) for pose in (before, start, end, after)]
    directions = kinematics.unit(_swing(d[1], d[2], rise) + momentum(*d))
    return kinematics.assemble(directions, base).astype(np.float32)


def _swing(start: np.ndarray, end: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Unit vectors from ``start`` to ``end``, turning evenly; half turns pass in front of the signer."""
    opposed = (1 - (start * end).sum(axis=-1, keepdims=True)) / 2
    # Perpendicular to the turn, or it would be undefined for a bone that turns from straight ahead to straight back.
    way = kinematics.unit(start - end)
    front = kinematics.unit(np.array((1.0, 0.0, 0.0)) - way[..., :1] * way)
    middle = kinematics.unit(start + end + 0.3 * opposed * front)
    return _slerp(_slerp(start, middle, part), _slerp(middle, end, part), part)


def _slerp(start: np.ndarray, end: np.ndarray, part: np.ndarray) -> np.ndarray:
    angle = np.arccos(np.clip((start * end).sum(axis=-1, keepdims=True), -1.0, 1.0))
    sine = np.maximum(np.sin(angle), 1e-6)
    great_circle = (np.sin((1 - part) * angle) * start + np.sin(part * angle) * end) / sine
    return np.where(angle > 1e-4, great_circle, start + (end - start) * part)
