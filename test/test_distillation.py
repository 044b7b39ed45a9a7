"""Distillation: the teacher is guided and keeps what is given, and the student practises what signing does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from text2sign_ros.inference.samplers import alphas_cumprod, sample, solver_table
from text2sign_ros.training.diffusion import guided_sample
from text2sign_ros.training.distillation import student_losses
from text2sign_ros.training.segments import Batch

SCHEDULE = alphas_cumprod(1000, 0.00085, 0.012)
SIZE, DIM, CODES, GIVEN, EXIST = 3, 4, 16, 5, 12
ALL_ALIKE = torch.ones(DIM, 1)


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(0)
    at = torch.arange(CODES)
    roles = torch.stack(((at < EXIST).float(), (at < GIVEN).float(), at / CODES)).expand(SIZE, 3, CODES)
    return Batch(
        torch.randn(SIZE, DIM, CODES), roles, torch.randn(SIZE, 6, 8), torch.ones(SIZE, 6), torch.randn(SIZE, 8),
        torch.ones(SIZE), torch.arange(SIZE),
    )  # fmt: skip


def network(x: Tensor, time: Tensor, roles: Tensor, tokens: Tensor, mask: Tensor, sentence: Tensor, use: Tensor):
    """Some smooth function of the code, the time, what is given and, if it is used, the text."""
    text = use * sentence.mean(dim=1) + tokens.mean(dim=(1, 2)) * mask.mean(dim=1)
    return 0.7 * torch.tanh(x) + 0.1 * (time / 1000 + text)[:, None, None] + 0.1 * x.mean(dim=2, keepdim=True)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_student_goes_the_way_that_signing_goes(batch: Batch, steps: int) -> None:
    noise, end = torch.randn(2, SIZE, DIM, CODES)
    given, text = batch.roles[:, 1:2], (batch.roles, batch.tokens, batch.mask, batch.sentence, torch.ones(SIZE))

    def denoise(x: Tensor, time: float) -> Tensor:
        return network(given * batch.codes + (1 - given) * x, torch.full((SIZE,), time), *text)

    arrived = sample(denoise, noise, solver_table("lcm", SCHEDULE, steps))
    new = slice(GIVEN, EXIST)
    want = (arrived - end)[:, :, new].square().mean()
    got = student_losses(network, batch, noise, end, SCHEDULE, ALL_ALIKE, steps)["to_end"]  # type: ignore[arg-type]
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)


def test_who_is_at_the_end_at_once_has_nothing_to_learn(batch: Batch) -> None:
    noise, end = torch.randn(2, SIZE, DIM, CODES)
    alphas = torch.from_numpy(np.sqrt(SCHEDULE)).float()

    def knows(x: Tensor, time: Tensor, *_: Tensor) -> Tensor:
        alpha = alphas[time.long()][:, None, None]
        return (x - alpha * end) / (1 - alpha.square()).sqrt()

    def loss(student, weight: Tensor = ALL_ALIKE) -> float:
        return float(student_losses(student, batch, noise, end, SCHEDULE, weight, 4)["loss"])

    assert loss(knows) < 1e-8
    assert loss(network) > 0.01
    assert loss(network, 2 * ALL_ALIKE) == pytest.approx(2 * loss(network))


def test_guidance_ends_where_the_noise_is_low(batch: Batch) -> None:
    noise = torch.randn(SIZE, DIM, CODES)
    table = solver_table("dpmpp_2m", SCHEDULE, 4)  # at the noise indices 999, 749, 499 and 249

    def end(scale: float, above: float) -> Tensor:
        text = (batch.roles, batch.tokens, batch.mask, batch.sentence)
        return guided_sample(network, noise, batch.codes, text, table, scale, above)  # type: ignore[arg-type]

    torch.testing.assert_close(end(3.0, 999.0), end(1.0, 0.0))
    torch.testing.assert_close(end(3.0, 248.0), end(3.0, 0.0))
    assert float((end(3.0, 249.0) - end(3.0, 0.0)).abs().max()) > 1e-4


def test_the_teacher_is_guided_and_sees_what_is_given(batch: Batch) -> None:
    noise = torch.randn(SIZE, DIM, CODES)
    table = solver_table("dpmpp_2m", SCHEDULE, 1)

    def end(scale: float) -> Tensor:
        text = (batch.roles, batch.tokens, batch.mask, batch.sentence)
        return guided_sample(network, noise, batch.codes, text, table, scale)  # type: ignore[arg-type]

    ends = {scale: end(scale) for scale in (0.0, 1.0, 3.0)}
    assert float((ends[1.0] - ends[0.0]).abs().max()) > 1e-3
    torch.testing.assert_close(ends[3.0] - ends[0.0], 3 * (ends[1.0] - ends[0.0]), rtol=1e-3, atol=1e-3)
    batch.codes[:, :, :GIVEN] += 1.0
    assert float((end(1.0) - ends[1.0])[:, :, GIVEN:].abs().max()) > 1e-3
