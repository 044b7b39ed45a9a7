"""Samplers: the tables are those of the published solvers (those of diffusers), and they sample what they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st

from text2sign_ros.inference.samplers import (
    SAMPLERS,
    SamplerError,
    alphas_cumprod,
    sample,
    solver_table,
    spaced_timesteps,
)

T, BETAS = 1000, (0.00085, 0.012)
ALPHA_BAR = alphas_cumprod(T, *BETAS)
SCHEDULE = {"num_train_timesteps": T, "beta_start": BETAS[0], "beta_end": BETAS[1], "beta_schedule": "scaled_linear"}


def _reference(sampler: str):
    if sampler == "ddim":
        return DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing")
    return DPMSolverMultistepScheduler(
        **SCHEDULE, solver_order=2, algorithm_type="dpmsolver++", timestep_spacing="trailing",
        lower_order_final=True, final_sigmas_type="zero",
    )  # fmt: skip


def _denoise(x: np.ndarray, time: float) -> np.ndarray:
    """Some smooth function of both: agreement of two solvers needs no true denoiser."""
    return 0.8 * np.tanh(x) + 0.1 * np.sin(3 * x + time / 200)


def test_the_schedule_is_that_of_diffusers() -> None:
    np.testing.assert_allclose(ALPHA_BAR, _reference("ddim").alphas_cumprod.numpy(), rtol=1e-5)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m"])
@pytest.mark.parametrize("steps", [2, 4, 10, 20])
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of diffusers, with torch and NumPy 2
def test_it_goes_the_way_of_diffusers(sampler: str, steps: int) -> None:
    noise = np.random.default_rng(steps).standard_normal((3, 20, 16))
    scheduler = _reference(sampler)
    scheduler.set_timesteps(steps)
    x = torch.from_numpy(noise)
    for time in scheduler.timesteps:
        options = {"eta": 0.0} if sampler == "ddim" else {}
        x = scheduler.step(torch.from_numpy(_denoise(x.numpy(), float(time))), time, x, **options).prev_sample
    want = x.numpy()
    table = solver_table(sampler, ALPHA_BAR, steps)
    np.testing.assert_array_equal(table[:, 0], scheduler.timesteps.numpy())
    got = sample(_denoise, noise, table)
    assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


def _flow(mean: float, deviation: float):
    """For data ~ N(mean, deviation): the true denoiser, and where its probability flow takes unit noise by a time."""

    def denoise(x: np.ndarray, time: float) -> np.ndarray:
        share = ALPHA_BAR[int(time)]
        return np.sqrt(1 - share) * (x - np.sqrt(share) * mean) / (share * deviation**2 + 1 - share)

    def arrive(noise: np.ndarray, time: int) -> np.ndarray:
        share = ALPHA_BAR[time]
        return np.sqrt(share) * mean + noise * np.sqrt(share * deviation**2 + 1 - share)

    return denoise, arrive


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_consistency_sampling_jumps_to_the_end_and_goes_back_up_with_the_noise_of_the_start(steps: int) -> None:
    noise = np.random.default_rng(steps).standard_normal((3, 20, 16))
    x = noise
    times = spaced_timesteps(T, steps)
    for i, time in enumerate(times):
        share = ALPHA_BAR[time]
        end = (x - np.sqrt(1 - share) * _denoise(x, time)) / np.sqrt(share)
        if i + 1 < steps:
            share = ALPHA_BAR[times[i + 1]]
            x = np.sqrt(share) * end + np.sqrt(1 - share) * noise
    got = sample(_denoise, noise, solver_table("lcm", ALPHA_BAR, steps))
    assert np.abs(got - end).max() <= 1e-4 * np.abs(end).max()


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m"])
def test_with_the_true_denoiser_of_a_gaussian_it_samples_that_gaussian(sampler: str) -> None:
    denoise, arrive = _flow(1.5, 0.4)
    # The solver's map is affine here, so that three quantiles stand for the whole distribution.
    noise = np.array([-1.0, 0.0, 1.0])
    got = sample(denoise, arrive(noise, T - 1), solver_table(sampler, ALPHA_BAR, 500))
    np.testing.assert_allclose(got, 1.5 + 0.4 * noise, atol=0.005)


def test_the_second_order_errs_far_less_than_the_first() -> None:
    denoise, arrive = _flow(0.0, 0.3)

    def error(sampler: str, steps: int) -> float:
        table = solver_table(sampler, ALPHA_BAR, steps)
        last = int(table[-1, 0])
        x = arrive(np.ones(1), last)  # both solvers end with the same step, so compare with what it makes of the truth
        want = (x - np.sqrt(1 - ALPHA_BAR[last]) * denoise(x, last)) / np.sqrt(ALPHA_BAR[last])
        return float(np.abs(sample(denoise, arrive(np.ones(1), T - 1), table) - want)[0])

    assert error("dpmpp_2m", 10) < error("ddim", 10)
    assert error("dpmpp_2m", 20) < error("ddim", 20) / 3


@given(st.integers(1, T))
def test_times_fall_from_the_last(steps: int) -> None:
    times = spaced_timesteps(T, steps)
    assert len(times) == steps and times[0] == T - 1 and times[-1] >= 0
    assert (np.diff(times) < 0).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_step_gives_the_predicted_clean_sample(sampler: str) -> None:
    x = np.array([0.3, -2.0])
    share = ALPHA_BAR[-1]
    got = sample(lambda x, _: 0.5 * x, x, solver_table(sampler, ALPHA_BAR, 1))
    np.testing.assert_allclose(got, (x - np.sqrt(1 - share) * 0.5 * x) / np.sqrt(share), rtol=1e-5)


@pytest.mark.parametrize(("sampler", "steps"), [("euler", 4), ("ddim", 0), ("dpmpp_2m", -1), ("ddim", T + 1)])
def test_what_can_not_be_is_refused(sampler: str, steps: int) -> None:
    with pytest.raises(SamplerError, match="euler" if sampler == "euler" else f"steps is {steps}"):
        solver_table(sampler, ALPHA_BAR, steps)
