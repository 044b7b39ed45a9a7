"""The noise of codes: smooth as asked, everywhere of the same deviation, and white where no smoothing is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from text2sign_ros.inference.noise import MOST_SMOOTHING, smooth_noise

RNG = np.random.default_rng


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 2.5, 6.0])
def test_it_is_stationary_and_as_alike_as_averaging_makes_it(smoothing: float) -> None:
    noise = smooth_noise((40_000, 12), 0.5, smoothing, RNG(0))
    assert noise.dtype == np.float32
    assert noise.mean(axis=0) == pytest.approx(0.0, abs=0.02)
    assert noise.std(axis=0) == pytest.approx(0.5, rel=0.03)
    for apart in (1, 4):
        # Averaging with a Gaussian of s correlates what is d apart by exp(-d² / 4 s²).
        expected = np.exp(-(apart**2) / (4 * smoothing**2)) if smoothing else 0.0
        for at in (0, 7):
            alike = np.corrcoef(noise[:, at], noise[:, at + apart])[0, 1]
            assert alike == pytest.approx(expected, abs=0.03)


def test_without_smoothing_it_is_white_noise() -> None:
    np.testing.assert_allclose(smooth_noise((3, 5, 7), 1.0, 0.0, RNG(1)), RNG(1).standard_normal((3, 5, 7), np.float32))


def test_a_single_code_has_the_deviation_too() -> None:
    assert smooth_noise((50_000, 1), 0.7, MOST_SMOOTHING, RNG(2)).std() == pytest.approx(0.7, rel=0.02)
