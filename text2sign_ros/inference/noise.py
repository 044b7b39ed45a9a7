"""The noise that new codes are made of: smooth over time, so that what is left of it is no tremble.

A denoiser trained on white noise leaves a little of it in its codes, another error in each: hands that should be held
tremble. Of smooth noise it leaves slow movement, as two performances differ. Noise that is smooth in training too was
tried and is far worse: the network then takes what is rough for signal. See docs/results.md, section 6.
"""

from __future__ import annotations

import numpy as np

MOST_SMOOTHING = 16.0
"""The largest ``smoothing`` that a model may ask for, codes."""


def smooth_noise(shape: tuple[int, ...], deviation: float, smoothing: float, rng: np.random.Generator) -> np.ndarray:
    """Normal numbers with a Gaussian correlation along the last axis, stationary.

    Args:
        shape: (..., N).
        deviation: their standard deviation.
        smoothing: standard deviation of the Gaussian that white noise is averaged with, codes, at most
            ``MOST_SMOOTHING``; 0 is white noise.
        rng: draws the white noise.

    Returns:
        ``shape`` float32.
    """
    reach = int(np.ceil(3 * smoothing))
    count = shape[-1]
    apart = np.arange(count + 2 * reach)[:, None] - reach - np.arange(count)
    weights = np.exp(-0.5 * (apart / smoothing) ** 2) if smoothing else np.eye(count)
    weights *= np.abs(apart) <= reach
    weights *= deviation / np.linalg.norm(weights[:, :1])
    return rng.standard_normal((*shape[:-1], count + 2 * reach), np.float32) @ weights.astype(np.float32)
