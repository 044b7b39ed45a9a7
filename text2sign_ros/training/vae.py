"""Stage 1: train the SignVAE on windows of composed sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from text2sign_ros import skeleton
from text2sign_ros.networks.hand_vae import HandVAE
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.networks.vaes import build
from text2sign_ros.training import hand_loss, pose_loss
from text2sign_ros.training.config import TrainConfig
from text2sign_ros.training.loop import fit
from text2sign_ros.training.segments import encode_all
from text2sign_ros.training.sentences import Sentences
from text2sign_ros.training.turning import turn_fingers, turn_joints

_EFFECT_WINDOWS, _EFFECT_STEP = 64, 0.3


def train(config: TrainConfig, sentences: Sentences, held_out: Sentences, folder: Path) -> PoseVAE:
    """Train, or resume from the checkpoint in ``folder``; the held-out sentences are for validation only."""
    stage = config.vae_stage
    torch.manual_seed(config.seed)
    vae = build(config.sign_vae)
    if isinstance(vae, HandVAE):
        hand_loss.initialise(vae, sentences)
    elif isinstance(vae, SignVAE):
        pose_loss.initialise(vae, sentences)

    def losses(data: Sentences, turn_share: float):
        def compute(model: PoseVAE, rng: np.random.Generator) -> dict[str, Tensor]:
            positions, confidence = windows(data, rng, stage.batch, stage.frames)
            turned = rng.random(len(positions)) < turn_share
            positions[turned] = turn_joints(positions[turned], stage.turn_degrees)
            if stage.finger_degrees:
                positions[turned] = turn_fingers(positions[turned], stage.finger_degrees)
            positions, confidence = positions.to(vae.code_mean.device), confidence.to(vae.code_mean.device)
            if isinstance(vae, HandVAE):
                return hand_loss.losses(model, vae, positions, confidence, stage)
            assert isinstance(vae, SignVAE)
            return pose_loss.losses(model, vae, positions, confidence, stage)

        return compute

    trained = fit(
        "sign_vae",
        vae,
        losses(sentences, stage.turn_share),
        stage,
        folder,
        seed=config.seed,
        validate=losses(held_out, 0.0),
    )
    fit_statistics(trained, encode_all(sentences, trained)[0])
    return trained


@torch.no_grad()
def fit_statistics(vae: PoseVAE, codes: Tensor) -> None:
    """Set the statistics of the codes from consecutive ones (n, D), standardised by what the statistics were before."""
    mean, deviation = codes.mean(dim=0), codes.std(dim=0)
    vae.code_mean.add_(mean[:, None] * vae.code_std)
    vae.code_std.mul_(deviation[:, None])
    length, hands = 2 * vae.context_codes, slice(skeleton.GROUPS["left_hand"].start, None)
    windows = (codes - mean) / deviation
    windows = windows[: len(codes) // length * length].unflatten(0, (-1, length)).transpose(1, 2)
    windows = windows[:: max(1, len(windows) // _EFFECT_WINDOWS)]
    known = slice(vae.context_codes * vae.config.stride, None)  # frames all of whose codes are in the window
    frames = vae.from_codes(windows)[:, known, hands]
    for number in range(vae.config.latent_dim):
        windows[:, number] += _EFFECT_STEP
        moved = (vae.from_codes(windows)[:, known, hands] - frames).norm(dim=-1)
        vae.code_effect[number] = moved.mean() / _EFFECT_STEP
        windows[:, number] -= _EFFECT_STEP


def windows(data: Sentences, rng: np.random.Generator, batch: int, frames: int) -> tuple[Tensor, Tensor]:
    """(batch, frames, 79, 3) positions and (batch, frames, 79) confidence from random windows within sentences."""
    which = rng.choice(len(data.chance), size=batch, p=data.chance)
    starts = rng.integers(data.starts[which], data.starts[which + 1] - frames + 1)
    at = starts[:, None] + np.arange(frames)
    return torch.from_numpy(data.positions[at].astype(np.float32)), torch.from_numpy(
        data.confidence[at].astype(np.float32)
    )
