"""Stage 3: train the diffusion U-Net and the duration predictor on the codes of segments."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn

from text2sign_ros.inference.samplers import sample
from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.networks.denoiser import Denoiser
from text2sign_ros.training.config import DiffusionStage, TrainConfig
from text2sign_ros.training.loop import fit
from text2sign_ros.training.segments import Batch, Segments


def train(config: TrainConfig, segments: Segments, held_out: Segments, aligner: Aligner, folder: Path) -> Denoiser:
    """Train, or resume from the checkpoint in ``folder``."""
    stage = config.diffusion_stage
    device = PartialState().device
    signal = torch.from_numpy(config.unet.schedule).float().to(device)
    aligner = copy.deepcopy(aligner).to(device).eval().requires_grad_(False)

    def losses(data: Segments):
        def compute(model: Denoiser, rng: np.random.Generator) -> dict[str, Tensor]:
            return diffusion_losses(model, aligner, data.batch(rng, stage.batch).to(device), signal, stage)

        return compute

    torch.manual_seed(config.seed)
    model = Denoiser(config.unet)
    model.fit_whitening(*segments.embeddings())
    return fit("denoiser", model, losses(segments), stage, folder, seed=config.seed, validate=losses(held_out))


def diffusion_losses(
    model: nn.Module, aligner: Aligner, batch: Batch, signal: Tensor, stage: DiffusionStage
) -> dict[str, Tensor]:
    """Noise prediction, the paper's time-discounted semantic loss on the predicted clean code, plan and duration.

    The error of the noise is weighed by 1 / alpha bar, which makes it that of v (arXiv 2202.00512): a code that is
    hardly visible in the noise, and must come from the text, then counts as much as one that is visible.

    Args:
        signal: (T,) share of the clean code's variance at each noise index (alpha bar).
    """
    size, device = len(batch.codes), signal.device
    time = torch.randint(0, len(signal), (size,), device=device)
    share = signal[time].reshape(-1, 1, 1)
    noise = torch.randn_like(batch.codes)
    given = batch.roles[:, 1:2]
    noisy = share.sqrt() * batch.codes + (1 - share).sqrt() * noise
    noisy = given * batch.codes + (1 - given) * noisy
    use_text = (torch.rand(size, device=device) >= stage.withhold_text).float()
    text = (batch.roles, batch.tokens, batch.mask, batch.sentence, use_text)
    predicted, plan, seconds = model(noisy, time.float(), *text)
    new = batch.new[:, None]
    count = new.sum() * noise.shape[1]
    squared = new * (predicted - noise).square()
    used = use_text[:, None, None] * new
    planned = (used * (plan - batch.codes).square()).sum() / (used.sum().clamp(min=1.0) * noise.shape[1])
    v = (squared / share).sum() / count
    losses = {"loss": v + stage.plan_weight * planned, "v": v.detach(), "plan": planned.detach()}
    losses["ddpm"] = squared.sum().detach() / count
    if stage.semantic_factor != "off":
        clean = ((noisy - (1 - share).sqrt() * predicted) / share.sqrt()).clamp(-5.0, 5.0)
        meant = aligner.embed_text(batch.tokens, batch.mask, batch.sentence)
        distance = 1 - (aligner.embed_pose(clean, batch.new) * meant).sum(dim=1)
        weight = use_text * semantic_factor(stage.semantic_factor, time.float() / len(signal))
        semantic = (weight * distance).sum() / use_text.sum().clamp(min=1.0)
        losses["loss"] = losses["loss"] + stage.semantic_weight * semantic
        losses["semantic"] = semantic.detach()
    duration = (seconds - batch.seconds).abs().mean()
    return losses | {"loss": losses["loss"] + 0.1 * duration, "duration_s": duration.detach()}


@torch.no_grad()
def guided_sample(
    unet: nn.Module,
    noise: Tensor,
    given: Tensor,
    text: Sequence[Tensor],
    table: np.ndarray,
    guidance: float,
    above: float = 0.0,
) -> Tensor:
    """Sample codes (B, D, N) from noise (B, D, N) with classifier-free guidance (Ho & Salimans 2022).

    Guidance says what is signed, which is decided in deep noise; in the rest it adds tremble, and can be left out
    (Kynkäänniemi et al. 2024, arXiv 2404.07724).

    Args:
        unet: called like ``UNet``.
        given: (B, D, N) clean codes, used wherever ``roles`` marks them as given.
        text: roles, tokens, mask and sentence, see ``UNet``.
        table: made by ``samplers.solver_table``.
        guidance: guidance scale; 1 means no guidance.
        above: the noise index up to which there is no guidance.
    """
    keep, size = text[0][:, 1:2], len(noise)
    twice = [torch.cat((value, value)) for value in text]
    use_text = torch.cat((torch.ones(size), torch.zeros(size))).to(noise.device)

    def denoise(x: Tensor, time: float) -> Tensor:
        x = keep * given + (1 - keep) * x
        times = torch.full((2 * size,), time, device=x.device)
        if time <= above:
            return unet(x, times[:size], *text, use_text[:size])
        with_text, without = unet(torch.cat((x, x)), times, *twice, use_text).chunk(2)
        return without + guidance * (with_text - without)

    return keep * given + (1 - keep) * sample(denoise, noise, table)


def semantic_factor(kind: str, noise: Tensor) -> Tensor:
    """Weight of the semantic loss by noise level t/T in [0, 1] (arXiv 2509.10845).

    The paper's formula is 1 - t/T ("late" here), but its text describes a factor that is strong in the early, noisy
    steps; with t the noise index that is t/T ("early" here).
    """
    return {"early": noise, "late": 1 - noise, "constant": torch.ones_like(noise)}[kind]
