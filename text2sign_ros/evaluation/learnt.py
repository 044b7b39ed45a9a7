"""The trained networks that a bundle carries for evaluation, and signing with the undistilled one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from text2sign_ros.inference.bundle import LEARNT, TRAINING, Bundle
from text2sign_ros.inference.feed import Feed
from text2sign_ros.inference.samplers import solver_table
from text2sign_ros.inference.signer import Signer
from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.networks.denoiser import Denoiser
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.networks.vaes import build
from text2sign_ros.text import SentenceEncoder
from text2sign_ros.training import config
from text2sign_ros.training.config import TrainConfig
from text2sign_ros.training.diffusion import guided_sample


@dataclass(frozen=True)
class Learnt:
    """The training configuration, the trained networks, frozen, and the text encoder."""

    config: TrainConfig
    sign_vae: PoseVAE
    aligner: Aligner
    denoiser: Denoiser
    encoder: SentenceEncoder


def load(bundle: str | Path) -> Learnt:
    """Load the networks of a bundle after verifying its files.

    Raises:
        BundleError: the bundle is damaged, or was exported or installed without its networks.
    """
    about = Bundle.load(bundle)
    settings = config.load(about.evaluation_file(TRAINING))
    states = torch.load(about.evaluation_file(LEARNT), weights_only=True)
    sign_vae, aligner, denoiser = build(settings.sign_vae), Aligner(settings.aligner), Denoiser(settings.unet)
    networks: dict[str, nn.Module] = {"sign_vae": sign_vae, "aligner": aligner, "denoiser": denoiser}
    for name, network in networks.items():
        network.load_state_dict(states[name])
        network.eval().requires_grad_(False)
    encoder = SentenceEncoder(about.folder, max_tokens=settings.unet.max_tokens, threads=1)
    return Learnt(settings, sign_vae, aligner, denoiser, encoder)


class UndistilledSigner(Signer):
    """Signs with the network that the bundle's was distilled from: many guided steps, in torch.

    Args:
        bundle: folder of the bundle, for everything except the network.
        learnt: the bundle's networks.
        denoiser: another denoiser over the same codes; None uses that of ``learnt``.
        sampler, steps: how to sample.
        guidance: scale of classifier-free guidance (Ho & Salimans 2022); 1 means no guidance. Where it counts is
            that of the training.
    """

    def __init__(
        self,
        bundle: str | Path,
        learnt: Learnt,
        *,
        denoiser: Denoiser | None = None,
        sampler: str = "dpmpp_2m",
        steps: int,
        guidance: float,
    ) -> None:
        above = learnt.config.distillation_stage.guidance_above * learnt.config.unet.timesteps
        backend = _Undistilled(learnt, denoiser or learnt.denoiser, guidance, above)
        super().__init__(bundle, steps=steps, backend=backend)
        self._table = solver_table(sampler, learnt.config.unet.schedule, steps)


class _Undistilled:
    """The backend of ``UndistilledSigner``."""

    name = "torch"

    def __init__(self, learnt: Learnt, denoiser: Denoiser, guidance: float, above: float) -> None:
        self._unet, self._vae, self._guidance, self._above = denoiser.unet, learnt.sign_vae, guidance, above

    @torch.no_grad()
    def sample(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        inputs = {name: torch.from_numpy(value) for name, value in feed.items()}
        text = [inputs[name] for name in ("roles", "tokens", "mask", "sentence")]
        codes = guided_sample(
            self._unet, inputs["noise"], inputs["prefix"], text, feed["table"], self._guidance, self._above
        )
        return codes.numpy(), self._vae.from_codes(codes).numpy()

    def close(self) -> None:
        pass
