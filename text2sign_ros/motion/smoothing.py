"""Smooths a stream of generated motion: held hands become still, and seams between pieces disappear.

A generated hand that should be still trembles by a few mm per frame, and the codes of two pieces do not fit exactly.
Each keypoint is averaged over ``REACH`` frames on either side, so that nothing is delayed, with two kinds of weights:

- those of the bilateral filter (Tomasi & Manduchi, ICCV 1998), which decrease with the distance in time and in space.
  While a keypoint is held, all frames are near, and the tremble averages out; while it moves, its positions are far
  apart, and it is hardly changed;
- a narrow Gaussian in time, which removes the noise of single frames from movements.

Around a seam the bilateral weights fade out and the Gaussian widens, the more so the greater the keypoint's
acceleration there: the step in its velocity is spread over the frames on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from text2sign_ros.motion import kinematics
from text2sign_ros.skeleton import NUM_KEYPOINTS

REACH = 6
"""Frames on either side that a frame is averaged over; this many are held back until the next piece arrives."""
_HELD_FRAMES, _HELD_METRES = 3.0, 0.020
"""Standard deviations of the bilateral weights, in time and in space: holds drift less, movements more."""
_MOVING_FRAMES, _SEAM_FRAMES = 0.7, 3.0
"""Standard deviation of the Gaussian in time: in movements, and at a seam that is smoothed in full."""
_SEAM_ACCELERATION = 20.0
"""Acceleration at a seam, m/s², from which it is smoothed fully: nine in ten frames within pieces are below it."""


def smooth(pieces: Iterable[np.ndarray], fps: float) -> Iterator[np.ndarray]:
    """Smooth a motion piece by piece; every bone has its canonical length afterwards.

    Each input piece yields one piece: everything received except the last ``REACH`` frames, which wait for the next
    piece, or are yielded as one more at the end. The first and the last frame of the motion stay exactly as they are.
    Apart from the smoothing of seams, the result does not depend on where the motion is cut.

    Args:
        pieces: each (n, 79, 3) metres, n >= 1, consecutive frames, a seam between every two.
        fps: frames per second.

    Yields:
        (m, 79, 3) float32 metres, one piece more than the input, with the same number of frames in total.
    """
    frames = np.empty((0, NUM_KEYPOINTS, 3), np.float32)  # from REACH before the next to be yielded
    strength = np.zeros((REACH, NUM_KEYPOINTS), np.float32)  # of seams, at each of these and REACH more
    started = False
    for number, piece in enumerate(pieces, 1):
        piece = np.asarray(piece, np.float32)
        if number == 1:
            piece = np.concatenate((np.repeat(piece[:1], REACH, axis=0), piece))
        seam, frames = len(frames), np.concatenate((frames, piece))
        strength = np.concatenate((strength, np.zeros_like(piece[..., 0])))
        if number > 1:
            _mark(strength, seam, frames, fps)
        ready = max(0, len(frames) - 2 * REACH)
        smoothed = _average(frames, strength[REACH : REACH + ready])
        if ready and not started:
            smoothed[0], started = frames[REACH], True
        frames, strength = frames[ready:], strength[ready:]
        yield smoothed
    if len(frames):
        smoothed = _average(
            np.concatenate((frames, np.repeat(frames[-1:], REACH, axis=0))), strength[REACH : len(frames)]
        )
        if not started:
            smoothed[0] = frames[REACH]
        smoothed[-1] = frames[-1]
        yield smoothed


def _mark(strength: np.ndarray, seam: int, frames: np.ndarray, fps: float) -> None:
    """Raise ``strength`` (n, 79) to that of the seam before frame ``seam``; at full strength it is 1 there."""
    acceleration = np.linalg.norm(np.diff(frames[seam - 2 : seam + 2], n=2, axis=0), axis=-1).max(axis=0) * fps**2
    full = np.minimum(1.0, acceleration / _SEAM_ACCELERATION)
    # A seam must not affect frames that had been yielded before it was known.
    away = np.arange(0.5 - REACH, REACH) / REACH
    around = slice(seam - REACH + 1, seam + REACH - 1)
    strength[around] = np.maximum(strength[around], np.cos(np.pi / 2 * away[1:-1, None]) ** 2 * full)


def _average(frames: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """(n + 2 REACH, 79, 3) frames -> (n, 79, 3), the averages of all but the outer ones."""
    count = len(strength)
    centre = frames[REACH : REACH + count]
    precision = -0.5 / (_MOVING_FRAMES + (_SEAM_FRAMES - _MOVING_FRAMES) * strength) ** 2
    held = 1.0 - strength
    total, weights = centre * (held + 1.0)[..., None], held + 1.0
    for step in range(1, REACH + 1):
        near = held * np.float32(np.exp(-0.5 * (step / _HELD_FRAMES) ** 2))
        narrow = np.exp(precision * step**2)
        for place in (REACH - step, REACH + step):
            away = frames[place : place + count] - centre
            weight = narrow + near * np.exp(np.einsum("fkc,fkc->fk", away, away) * (-0.5 / _HELD_METRES**2))
            total += weight[..., None] * frames[place : place + count]
            weights += weight
    return kinematics.with_canonical_lengths(total / weights[..., None])
