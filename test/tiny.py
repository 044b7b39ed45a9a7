"""Models as training would hand them over, with small random networks: made in a second, and exported for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from text2sign_ros.networks.aligner import Aligner, AlignerConfig
from text2sign_ros.networks.denoiser import Denoiser
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.networks.trained import Examples, TrainedModel
from text2sign_ros.networks.unet import UNet, UNetConfig
from text2sign_ros.skeleton import REST_POSE

UNITS = Examples(
    texts=np.array(["hello", "thank you", "a", "b", "hello", "hello (one handed)", "hello (at sea)"]),
    kinds=np.array(["sign", "sign", "letter", "letter", "sign", "sign", "sign"]),
    frames=np.array([40, 44, 20, 22, 41, 40, 40]),
    takes=np.array(
        [
            ("hello", "sign", "mine", "CC0", "anna", "attic"),
            ("hello", "sign", "yours", "MIT", "", "cellar"),
            ("hello", "sign", "mine", "CC0", "bo", "attic"),
            ("hello (at sea)", "sign", "mine", "CC0", "anna", "attic"),
            ("a", "letter", "yours", "MIT", "", "cellar"),
            ("good bye", "sign", "mine", "CC0", "anna", "attic"),  # too long to be learnt
        ]
    ),
)
SENTENCES = Examples(
    texts=np.array(["Could I have a coffee?", "It's 5 p.m.", "I would like a glass of water, and tea for my friend."]),
    kinds=np.full(3, "sentence"),
    frames=np.array([50, 26, 120]),
)


@torch.no_grad()
def model(examples: Examples, encoder: Path, *, levels: int = 2) -> TrainedModel:
    """A model that learnt nothing of ``examples``; ``encoder`` is the folder of a bundle."""
    torch.manual_seed(0)
    unet = UNetConfig(channels=(8,) * levels, context_dim=8, heads=2)
    networks: dict[str, Any] = {
        "sign_vae": SignVAE(SignVAEConfig(channels=8, blocks=1)),
        "aligner": Aligner(AlignerConfig(width=8, layers=1, heads=2)),
        "denoiser": Denoiser(unet),
        "student": UNet(unet),
    }
    for network in networks.values():
        network.eval().requires_grad_(False)
        for parameter in network.parameters():  # those that start as zero would hide mistakes
            parameter.copy_(0.1 * torch.randn_like(parameter))
    vae = networks["sign_vae"]
    rest = torch.from_numpy(REST_POSE.copy())[None, None]
    vae.mean.copy_(vae.offsets(rest)[0, 0])
    vae.std.fill_(0.05)  # metres
    return TrainedModel(
        name="tiny",
        recipe={"name": "tiny"},
        fps=25.0,
        encoder=encoder,
        timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        prefix_codes=10,
        guidance=2.0,
        temperature=0.9,
        noise_smoothing=1.5,
        examples=examples,
        **networks,
    )
