"""The same network in eager PyTorch, sampled the way the paper's models are: DDPM in 1,000 steps, DDIM in 50."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from text2sign_ros.bench.signing import CLIP_FRAMES, example
from text2sign_ros.bench.timing import median, milliseconds
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.inference.samplers import alphas_cumprod, sample, solver_table

if TYPE_CHECKING:
    import torch

DDIM_STEPS = 50


def ddpm(
    denoise: Callable[[torch.Tensor, float], torch.Tensor],
    noise: torch.Tensor,
    alpha_bar: np.ndarray,
    generator: torch.Generator,
    steps: int | None = None,
) -> torch.Tensor:
    """Ancestral sampling, Ho et al. 2020 (arXiv 2006.11239), algorithm 2 with sigma² = beta.

    Args:
        denoise: (x, noise index) -> predicted noise, of the shape of x.
        noise: standard normal.
        alpha_bar: (T,) of ``samplers.alphas_cumprod``.
        generator: draws the noise that every step except the last adds.
        steps: stop after this many, to measure the time of a step; None runs all of them.
    """
    import torch

    alpha = alpha_bar / np.concatenate(([1.0], alpha_bar[:-1]))
    x = noise
    for t in list(reversed(range(len(alpha_bar))))[:steps]:
        beta = 1 - alpha[t]
        x = (x - beta / np.sqrt(1 - alpha_bar[t]) * denoise(x, float(t))) / np.sqrt(alpha[t])
        if t > 0:
            x = x + np.sqrt(beta) * torch.randn(x.shape, generator=generator)
    return x


def measure(folder: Path, bundle: Bundle, *, ddpm_steps: int | None, runs: int) -> dict[str, Any]:
    """Time a clip of 256 frames with the network that the bundle's was distilled from; architecture and size are equal.

    On one thread, without guidance (which would take two passes a step), the decoder included and the text encoder
    left out.

    Args:
        ddpm_steps: run only this many of the 1,000 and extrapolate; None runs all of them, once.
        runs: repetitions of DDIM.

    Returns:
        ``ddpm1000_ms``, ``ddim50_ms``, ``unet_ms_per_step``; ``extrapolated``: whether the first one is;
        ``torch``: its version.

    Raises:
        ImportError: PyTorch, or another package that the networks need, is not installed.
        BundleError: the bundle was installed without its networks.
    """
    import torch

    from text2sign_ros.evaluation import learnt

    networks = learnt.load(folder)
    unet, vae = networks.denoiser.unet, networks.sign_vae
    inputs = {k: torch.from_numpy(v) for k, v in example(folder, bundle, CLIP_FRAMES, DDIM_STEPS).items()}
    text = [inputs[name] for name in ("roles", "tokens", "mask", "sentence")]
    use_text = torch.ones(1)
    schedule = alphas_cumprod(bundle.timesteps, bundle.beta_start, bundle.beta_end)
    table = solver_table("ddim", schedule, DDIM_STEPS)

    def denoise(x: torch.Tensor, t: float) -> torch.Tensor:
        return unet(x, torch.tensor([t]), *text, use_text)

    def by_ddpm(steps: int | None) -> float:
        began = time.perf_counter()
        ddpm(denoise, inputs["noise"], schedule, torch.Generator().manual_seed(0), steps)
        return 1e3 * (time.perf_counter() - began)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            ddim = median(
                milliseconds(lambda: vae.from_codes(sample(denoise, inputs["noise"], table)), runs, warm_up=1)
            )
            step = median(milliseconds(lambda: denoise(inputs["noise"], 500.0), 10))
            decoder = median(milliseconds(lambda: vae.from_codes(inputs["noise"]), 3))
            sampling = by_ddpm(ddpm_steps) * bundle.timesteps / (ddpm_steps or bundle.timesteps)
    finally:
        torch.set_num_threads(threads)
    return {
        "ddpm1000_ms": sampling + decoder,
        "ddim50_ms": ddim,
        "unet_ms_per_step": step,
        "extrapolated": ddpm_steps is not None,
        "torch": torch.__version__,
    }
