"""Stage 1: train the SignVAE on windows of composed sentences."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from text2sign_ros import skeleton
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.training.config import TrainConfig
from text2sign_ros.training.loop import fit
from text2sign_ros.training.segments import encode_all
from text2sign_ros.training.sentences import Sentences


def train(config: TrainConfig, sentences: Sentences, held_out: Sentences, folder: Path) -> SignVAE:
    """Train, or resume from the checkpoint in ``folder``; the held-out sentences are for validation only."""
    stage = config.vae_stage
    torch.manual_seed(config.seed)
    vae = SignVAE(config.sign_vae)
    set_statistics(vae, sentences)
    weights = keypoint_weights(stage.hand_weight)

    def losses(data: Sentences, turn_share: float):
        def compute(model: SignVAE, rng: np.random.Generator) -> dict[str, Tensor]:
            positions, confidence = windows(data, rng, stage.batch, stage.frames)
            turned = rng.random(len(positions)) < turn_share
            positions[turned] = turn_joints(positions[turned], stage.turn_degrees)
            positions, confidence = positions.to(vae.mean.device), confidence.to(vae.mean.device)
            rebuilt, mean, log_variance = model(positions)
            # Offsets from the wrists count too: a bent finger is a small distance but changes the meaning.
            error = (vae.offsets(rebuilt) - vae.offsets(positions)).unflatten(2, (-1, 3)).abs().sum(dim=-1)
            place = (rebuilt - positions).abs().sum(dim=-1)
            weight = confidence * weights.to(confidence.device)
            pose = (weight * (error + 0.5 * place)).sum() / weight.sum()
            both = weight[:, 1:] * confidence[:, :-1]
            step = (rebuilt.diff(dim=1) - positions.diff(dim=1)).abs().sum(dim=-1)
            velocity = (both * step).sum() / both.sum()
            kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
            hands = skeleton.HANDS
            distance = (rebuilt - positions)[:, :, hands].norm(dim=-1)
            hand_mm = 1000 * (distance * confidence[:, :, hands]).sum() / confidence[:, :, hands].sum()
            # In centimetres, for the scale of the gradient.
            loss = 100 * (pose + stage.velocity_weight * velocity) + stage.kl_weight * kl
            return {"loss": loss, "hand_mm": hand_mm.detach(), "kl": kl.detach()}

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
    codes, _ = encode_all(sentences, trained)
    trained.code_mean.copy_(codes.mean(dim=0)[:, None])
    trained.code_std.copy_(codes.std(dim=0)[:, None])
    return trained


def turn_joints(positions: Tensor, degrees: float) -> Tensor:
    """Turn each window's arms slightly at shoulder, elbow and wrist, by the same angles throughout the window.

    This gives new positions and orientations of the hands; bone lengths and the motion itself are kept.

    Args:
        positions: (B, T, 79, 3) metres.
        degrees: standard deviation of the angles at shoulder and elbow; at the wrist it is twice that.
    """
    turned = positions.clone()
    for side in ("left", "right"):
        hand = list(range(skeleton.NUM_KEYPOINTS))[skeleton.GROUPS[f"{side}_hand"]]
        elbow, wrist = skeleton.INDEX[f"{side}_elbow"], skeleton.INDEX[f"{side}_wrist"]
        moved = {f"{side}_shoulder": [elbow, wrist, *hand], f"{side}_elbow": [wrist, *hand], f"{side}_wrist": hand}
        for pivot, points in moved.items():
            sigma = math.radians(degrees) * (2.0 if pivot.endswith("wrist") else 1.0)
            x, y, z = (sigma * torch.randn(3, len(positions))).unbind()
            zero = torch.zeros_like(x)
            skew = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).reshape(-1, 3, 3)
            centre = turned[:, :, [skeleton.INDEX[pivot]]]
            turned[:, :, points] = centre + (turned[:, :, points] - centre) @ torch.matrix_exp(skew)[:, None]
    return turned


def keypoint_weights(hand_weight: float) -> Tensor:
    """(79,) loss weights: ``hand_weight`` for the hands, 0.2 for the rigid face, 1 for the rest."""
    weights = torch.ones(skeleton.NUM_KEYPOINTS)
    weights[skeleton.GROUPS["face"]] = 0.2
    weights[skeleton.GROUPS["left_hand"]] = weights[skeleton.GROUPS["right_hand"]] = hand_weight
    return weights


def windows(data: Sentences, rng: np.random.Generator, batch: int, frames: int) -> tuple[Tensor, Tensor]:
    """(batch, frames, 79, 3) positions and (batch, frames, 79) confidence from random windows within sentences."""
    which = rng.choice(len(data.chance), size=batch, p=data.chance)
    starts = rng.integers(data.starts[which], data.starts[which + 1] - frames + 1)
    at = starts[:, None] + np.arange(frames)
    return torch.from_numpy(data.positions[at].astype(np.float32)), torch.from_numpy(
        data.confidence[at].astype(np.float32)
    )


def set_statistics(vae: SignVAE, data: Sentences) -> None:
    positions = torch.from_numpy(data.positions[::7].astype(np.float32))[None]
    offsets = vae.offsets(positions)[0]
    vae.mean.copy_(offsets.mean(dim=0))
    vae.std.copy_(offsets.std(dim=0).clamp(min=0.005))
