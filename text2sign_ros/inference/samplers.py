"""Noise schedule and samplers as tables: every step is x0 = a x - b eps, x' = A x + B x0 + C x0_previous."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from text2sign_ros.errors import Text2SignError

Array = TypeVar("Array", bound=Any)  # of numpy, or a tensor of torch
SAMPLERS = ("ddim", "dpmpp_2m", "lcm")


class SamplerError(Text2SignError):
    """An unknown sampler or an impossible number of steps."""


def alphas_cumprod(timesteps: int, beta_start: float, beta_end: float) -> np.ndarray:
    """Share of the clean signal's variance at each noise index, (timesteps,) float64.

    The betas grow linearly in their square roots (Rombach et al. 2022); alpha bar is Ho et al. 2020, equation 4.
    """
    betas = np.linspace(beta_start**0.5, beta_end**0.5, timesteps) ** 2
    return np.cumprod(1.0 - betas)


def spaced_timesteps(timesteps: int, steps: int) -> np.ndarray:
    """Noise indices to evaluate, from the last down, evenly spaced (the "trailing" spacing of Lin et al. 2024).

    Raises:
        SamplerError: ``steps`` is not between 1 and ``timesteps``.
    """
    if not 1 <= steps <= timesteps:
        raise SamplerError(f"steps is {steps}; it must be between 1 and {timesteps}")
    return np.round(np.arange(timesteps, 0, -timesteps / steps)).astype(int)[:steps] - 1


def solver_table(sampler: str, alpha_bar: np.ndarray, steps: int) -> np.ndarray:
    """Coefficients of every step, (steps, 6) float32: time, a, b, A, B, C.

    "ddim" is Song et al. 2021 (equation 12, sigma = 0); "dpmpp_2m" is DPM-Solver++(2M), Lu et al. 2022
    (algorithm 2), its first and last step of first order. "lcm" is multistep consistency sampling (Song et al. 2023,
    algorithm 1) for a distilled network: each step predicts the clean sample and adds noise again; it is always the
    initial noise, which the table recovers from x and the previous prediction. All end at the predicted clean code.

    Raises:
        SamplerError: an unknown sampler, or steps out of range.
    """
    if sampler not in SAMPLERS:
        raise SamplerError(f"sampler is {sampler!r}; it must be one of {', '.join(SAMPLERS)}")
    times = spaced_timesteps(len(alpha_bar), steps)
    alpha, sigma = np.sqrt(alpha_bar[times]), np.sqrt(1 - alpha_bar[times])
    table = np.zeros((steps, 6))
    table[:, 0], table[:, 1], table[:, 2] = times, 1 / alpha, sigma / alpha
    table[-1, 4] = 1.0  # to sigma = 0: x' = x0
    if sampler == "lcm":
        # x' = alpha' x0 + sigma' z, where x = alpha x0_previous + sigma z, or z itself at the start.
        table[:-1, 3] = sigma[1:] / np.where(np.arange(steps - 1) == 0, 1.0, sigma[:-1])
        table[:-1, 4] = alpha[1:]
        table[1:-1, 5] = -alpha[1:-1] * sigma[2:] / sigma[1:-1]
        return table.astype(np.float32)
    log_snr = np.log(alpha / sigma)
    for i in range(steps - 1):
        # x' = (sigma' / sigma) x + (alpha' - alpha sigma' / sigma) D, with D = x0 at first order.
        table[i, 3] = sigma[i + 1] / sigma[i]
        whole = alpha[i + 1] - alpha[i] * sigma[i + 1] / sigma[i]
        extrapolate = 0.0
        if sampler == "dpmpp_2m" and i > 0:
            extrapolate = 0.5 * (log_snr[i + 1] - log_snr[i]) / (log_snr[i] - log_snr[i - 1])
        table[i, 4], table[i, 5] = whole * (1 + extrapolate), -whole * extrapolate
    return table.astype(np.float32)


def sample(denoise: Callable[[Array, float], Array], noise: Array, table: np.ndarray) -> Array:
    """Run a solver from pure noise to the clean sample, with NumPy arrays or PyTorch tensors.

    Args:
        denoise: (x, time) -> predicted noise, of the shape of x.
        noise: any shape, standard normal.
        table: from ``solver_table``.
    """
    x, previous = noise, 0.0 * noise
    for time, a, b, keep, new, old in table.tolist():
        clean = a * x - b * denoise(x, time)
        x, previous = keep * x + new * clean + old * previous, clean
    return x
