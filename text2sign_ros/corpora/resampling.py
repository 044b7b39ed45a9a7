"""Motion at other times: clips at the corpus frame rate, frames between frames."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import FPS
from text2sign_ros.motion import kinematics


def resample(clip: SignClip) -> SignClip:
    """Resample to ``FPS`` by monotone cubics with canonical bone lengths; a frame next to an unseen one is unseen."""
    source = np.arange(len(clip)) / clip.fps
    target = np.arange(int(np.floor(source[-1] * FPS + 1e-6)) + 1) / FPS
    positions = kinematics.with_canonical_lengths(PchipInterpolator(source, clip.positions, axis=0)(target))
    before = np.clip(np.floor(target * clip.fps + 1e-6).astype(int), 0, len(clip) - 1)
    after = np.minimum(before + 1, len(clip) - 1)
    return SignClip(positions, np.minimum(clip.confidence[before], clip.confidence[after]), FPS)


def interpolate(motion: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(n, 79, 3): the motion (T, 79, 3) at fractional frames (n,), 0 to T - 1, by linear interpolation."""
    low = at.astype(int)
    high = np.minimum(low + 1, len(motion) - 1)
    part = (at - low)[:, None, None].astype(np.float32)
    return motion[low] * (1 - part) + motion[high] * part
