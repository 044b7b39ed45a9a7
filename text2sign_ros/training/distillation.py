"""Stage 4: distil many guided steps of the denoiser into 1, 2 or 4 steps without guidance.

The student learns where the teacher's probability flow, guidance included, ends for a given noise (Luhman & Luhman
2021, arXiv 2101.02388), and to refine its own estimate of that end after the same noise was added to it again, as
``samplers.solver_table("lcm", …)`` does. Latent consistency distillation (arXiv 2310.04378), which learns from
neighbouring noise levels instead, was tried first and was far worse within this budget; see docs/results.md.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn

from text2sign_ros.inference.noise import smooth_noise
from text2sign_ros.inference.samplers import solver_table, spaced_timesteps
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.networks.unet import UNet
from text2sign_ros.training.config import TrainConfig
from text2sign_ros.training.diffusion import guided_sample
from text2sign_ros.training.loop import fit
from text2sign_ros.training.segments import Batch, Segments

CHAINS = (2, 4, 4)
"""Numbers of steps the student is trained on, four twice as often as two; their first step also trains one-step use."""


def train(
    config: TrainConfig, segments: Segments, held_out: Segments, vae: PoseVAE, teacher: UNet, folder: Path
) -> UNet:
    """Distil, or resume from the checkpoint in ``folder``; the student starts as a copy of the teacher."""
    stage = config.distillation_stage
    device = PartialState().device
    teacher = copy.deepcopy(teacher).to(device).eval().requires_grad_(False)
    schedule, weight = config.unet.schedule, code_weight(vae).to(device)
    table = solver_table("dpmpp_2m", schedule, stage.teacher_steps)

    def losses(data: Segments):
        def compute(model: nn.Module, rng: np.random.Generator) -> dict[str, Tensor]:
            batch = data.batch(rng, stage.batch).to(device)
            drawn = smooth_noise(tuple(batch.codes.shape), stage.noise_deviation, stage.noise_smoothing, rng)
            noise = torch.from_numpy(drawn).to(device)
            text = (batch.roles, batch.tokens, batch.mask, batch.sentence)
            above = stage.guidance_above * len(schedule)
            end = guided_sample(teacher, noise, batch.codes, text, table, stage.guidance, above)
            return student_losses(model, batch, noise, end, schedule, weight, int(rng.choice(CHAINS)))

        return compute

    student = copy.deepcopy(teacher).requires_grad_(True)
    return fit("student", student, losses(segments), stage, folder, seed=config.seed, validate=losses(held_out))


def code_weight(vae: PoseVAE) -> Tensor:
    """(D, 1) weights of mean 1 of the numbers in a code: one that moves the hands twice as far weighs 1.4 times.

    A standard deviation of the first moves the hands by 170 mm on average, one of some others by 1 mm.
    """
    root = vae.code_effect.sqrt()
    return (root / root.mean())[:, None]


def student_losses(
    student: nn.Module,
    batch: Batch,
    noise: Tensor,
    end: Tensor,
    schedule: np.ndarray,
    weight: Tensor,
    steps: int,
) -> dict[str, Tensor]:
    """Squared distance to the end of the teacher's trajectory, at every step of the student's own trajectory.

    Args:
        noise, end: (B, D, N), where the teacher started and ended.
        schedule: made by ``samplers.alphas_cumprod``.
        weight: (D, 1) of each number of a code.
        steps: the student's number of steps.
    """
    given, new = batch.roles[:, 1:2], batch.new[:, None]
    text = (batch.roles, batch.tokens, batch.mask, batch.sentence, torch.ones(len(noise), device=noise.device))
    count = new.sum() * noise.shape[1]
    total, estimate, error = noise.new_zeros(()), torch.zeros_like(noise), noise.new_zeros(())
    for number, time in enumerate(spaced_timesteps(len(schedule), steps).tolist()):
        alpha, sigma = float(np.sqrt(schedule[time])), float(np.sqrt(1 - schedule[time]))
        x = noise if number == 0 else alpha * estimate + sigma * noise
        x = given * batch.codes + (1 - given) * x
        epsilon = student(x, torch.full((len(x),), float(time), device=x.device), *text)
        jump = (x - sigma * epsilon) / alpha
        error = (weight * new * (jump - end).square()).sum() / count
        # At a higher noise level an error in the predicted noise moves the code more: balance the levels.
        total = total + alpha / sigma * error
        estimate = jump.detach()
    return {"loss": total / steps, "to_end": error.detach()}
