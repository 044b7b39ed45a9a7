"""What training passes to export."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.networks.denoiser import Denoiser
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.networks.unet import UNet


@dataclass(frozen=True)
class Examples:
    """The examples a model was trained on, from which export decides how texts are segmented for it.

    Attributes:
        texts: (n,) str, the text of each: of a sign its name (``naming.named``).
        kinds: (n,) str, the kind of each: "sign" or "letter", or "sentence" in a corpus without units.
        frames: (n,) int, the duration of each, including the movement toward it.
        takes: (m, 6) str: name, kind, corpus, licence, signer and source of each recording of a sign or letter.
    """

    texts: np.ndarray
    kinds: np.ndarray
    frames: np.ndarray
    takes: np.ndarray = field(default_factory=lambda: np.zeros((0, 6), str))


@dataclass(frozen=True)
class TrainedModel:
    """A finished run: plain values, and frozen networks on the CPU.

    Attributes:
        name: of the bundle.
        recipe: the whole training configuration as plain data, for the record and for evaluation.
        fps: frames per second of the motion.
        sign_vae, aligner, denoiser: of the first three stages.
        student: the distilled U-Net, which signs.
        encoder: folder of the text encoder's files.
        timesteps, beta_start, beta_end: noise schedule (see ``samplers.alphas_cumprod``).
        prefix_codes: how many clean codes precede a segment.
        guidance: classifier-free guidance scale distilled into the student.
        temperature, noise_smoothing: of the noise when signing, see ``noise.smooth_noise``.
        examples: what the model was trained on.
    """

    name: str
    recipe: dict[str, Any]
    fps: float
    sign_vae: PoseVAE
    aligner: Aligner
    denoiser: Denoiser
    student: UNet
    encoder: Path
    timesteps: int
    beta_start: float
    beta_end: float
    prefix_codes: int
    guidance: float
    temperature: float
    noise_smoothing: float
    examples: Examples
