"""Another performance of a recording: what differs when one person signs the same again."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.resampling import interpolate
from text2sign_ros.motion import kinematics

_PACE, _CHANGES = 0.08, 0.08
_ARM_DEGREES, _HAND_DEGREES = 2.0, 4.0
"""Standard deviations within which fingers still touch what they touch."""


def varied(clip: SignClip, rng: np.random.Generator) -> SignClip:
    """The same sign at another, slightly changing pace, with arms and hands turned a little, all at random."""
    at = paced(len(clip), rng, overall=_PACE, changes=_CHANGES)
    positions = turned(interpolate(clip.positions, at), rng, arms=_ARM_DEGREES, hands=_HAND_DEGREES)
    seen = np.minimum(clip.confidence[np.floor(at).astype(int)], clip.confidence[np.ceil(at).astype(int)])
    return SignClip(kinematics.with_canonical_lengths(positions), seen, clip.fps)


def paced(frames: int, rng: np.random.Generator, *, overall: float, changes: float) -> np.ndarray:
    """Fractional frames, from 0 to ``frames`` - 1, at which to show a motion at another pace that changes every second.

    Args:
        frames: length of the motion, at 25 frames per second; at least 2.
        overall, changes: standard deviations of the logarithm of the pace, and of its changes.
    """
    knots = np.linspace(0, frames - 1, 2 + frames // 25)
    pace = np.exp(rng.normal(scale=overall) + rng.normal(scale=changes, size=len(knots)))
    time = np.cumsum(np.interp(np.arange(frames), knots, pace))  # at which each frame is shown
    shown = max(2, 1 + round(time[-1] - time[0]))
    return np.interp(np.linspace(time[0], time[-1], shown), time, np.arange(frames))


def turned(motion: np.ndarray, rng: np.random.Generator, *, arms: float, hands: float) -> np.ndarray:
    """The motion (T, 79, 3) with both arms turned at the shoulder and both hands at the wrist, throughout.

    Args:
        motion: metres.
        arms, hands: standard deviations of the angles about each axis, degrees.
    """
    motion = motion.copy()
    for side, hand in skeleton.HAND.items():
        shoulder, elbow, wrist = (skeleton.INDEX[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
        fingers = range(hand.start, hand.stop)
        for pivot, moved, degrees in ((shoulder, [elbow, wrist, *fingers], arms), (wrist, [*fingers], hands)):
            turn = Rotation.from_rotvec(rng.normal(scale=degrees, size=3), degrees=True).as_matrix()
            centre = motion[:, [pivot]]
            motion[:, moved] = centre + (motion[:, moved] - centre) @ turn.astype(motion.dtype)
    return motion
