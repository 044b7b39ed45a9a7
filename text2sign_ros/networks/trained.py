"""What training hands over to export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.networks.denoiser import Denoiser
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.networks.unet import UNet


@dataclass(frozen=True)
class Examples:
    """What a model learnt from, by which export decides how texts are cut for it.

    Attributes:
        texts: (n,) str, the text of each.
        kinds: (n,) str, what each is: "sign" or "letter", or "sentence" for all of a corpus without units.
        frames: (n,) int, how long each took, the movement toward it included.
    """

    texts: np.ndarray
    kinds: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True)
class TrainedModel:
    """A finished run, as plain values and networks that are frozen and on the CPU.

    Attributes:
        name: of the bundle.
        recipe: the whole configuration it was trained by, as plain data, for the record and for evaluation.
        fps: frames per second of the motion.
        sign_vae, aligner, denoiser: of the first three stages.
        student: the distilled U-Net, which signs.
        encoder: folder with the files of the text encoder.
        timesteps, beta_start, beta_end: noise schedule (see ``samplers.alphas_cumprod``).
        prefix_codes: how many codes before a segment were given clean.
        guidance: classifier-free guidance that the student took over from its teacher.
        examples: what it learnt from.
    """

    name: str
    recipe: dict[str, Any]
    fps: float
    sign_vae: SignVAE
    aligner: Aligner
    denoiser: Denoiser
    student: UNet
    encoder: Path
    timesteps: int
    beta_start: float
    beta_end: float
    prefix_codes: int
    guidance: float
    examples: Examples
