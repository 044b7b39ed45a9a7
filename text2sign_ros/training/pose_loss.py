"""The loss of ``SignVAE``: positions and offsets, velocities, divergence."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.training.config import VAEStage
from text2sign_ros.training.sentences import Sentences


def losses(model: nn.Module, vae: SignVAE, positions: Tensor, confidence: Tensor, stage: VAEStage) -> dict[str, Tensor]:
    """Losses of a batch.

    Args:
        model: called like ``SignVAE``.
        vae: for its features.
        positions, confidence: (B, T, 79, 3) metres, (B, T, 79).
    """
    rebuilt, mean, log_variance = model(positions)
    # Offsets from the wrists count too: a bent finger is a small distance but changes the meaning.
    error = (vae.offsets(rebuilt) - vae.offsets(positions)).unflatten(2, (-1, 3)).abs().sum(dim=-1)
    place = (rebuilt - positions).abs().sum(dim=-1)
    weight = confidence * keypoint_weights(stage.hand_weight).to(confidence.device)
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


def keypoint_weights(hand_weight: float) -> Tensor:
    """(79,) loss weights: ``hand_weight`` for the hands, 0.2 for the rigid face, 1 for the rest."""
    weights = torch.ones(skeleton.NUM_KEYPOINTS)
    weights[skeleton.GROUPS["face"]] = 0.2
    weights[skeleton.GROUPS["left_hand"]] = weights[skeleton.GROUPS["right_hand"]] = hand_weight
    return weights


def initialise(vae: SignVAE, data: Sentences) -> None:
    """Statistics of the features."""
    positions = torch.from_numpy(data.positions[::7].astype(np.float32))[None]
    offsets = vae.offsets(positions)[0]
    vae.mean.copy_(offsets.mean(dim=0))
    vae.std.copy_(offsets.std(dim=0).clamp(min=0.005))
