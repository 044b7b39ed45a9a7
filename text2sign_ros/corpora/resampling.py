"""Resampling of clips to the corpus frame rate."""

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
