"""The loss of ``HandVAE``: features of hands and the relations between fingers, beside positions and velocities."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.networks.features import palm_axes
from text2sign_ros.networks.hand_vae import HandVAE
from text2sign_ros.training.config import VAEStage
from text2sign_ros.training.pose_loss import keypoint_weights
from text2sign_ros.training.sentences import Sentences

_EVERY = 7
"""Of this many frames one is used for statistics."""
_AT_REST = 1e-3
"""Metres from the rest pose below which a hand hangs at rest: no recorded one stays so close to it."""
_LEAST_STD = 0.002
_PCA_FRAMES = 20_000


def losses(model: nn.Module, vae: HandVAE, positions: Tensor, confidence: Tensor, stage: VAEStage) -> dict[str, Tensor]:
    """Errors of the features, of positions, of the relations between the fingers, and of velocities; divergence.

    A mean error of positions hides what fingers say: with a few millimetres of it crossed fingers do not cross. So the
    features, in which each bone counts relative to how much it varies, count, and so do all vectors between two
    keypoints of a hand, relative to their lengths: errors of fingers that touch or cross are errors of short vectors.

    Args:
        model: called like ``HandVAE``.
        vae: for its features.
        positions, confidence: (B, T, 79, 3) metres, (B, T, 79).
    """
    body, hands, mean, log_variance = model(positions)
    true_body, true_hands = vae.standardised(positions)
    rebuilt = vae.to_positions(body, hands)
    weights = keypoint_weights(stage.hand_weight).to(positions.device)
    seen = torch.cat([confidence[:, :, skeleton.HAND[side]].amin(dim=2) for side in ("left", "right")])  # (2B, T)

    def hand_mean(values: Tensor) -> Tensor:  # (2B, T) -> ()
        return (seen * values).sum() / seen.sum().clamp(min=1.0)

    feature = (body - true_body).abs().mean() + hand_mean((hands - true_hands).abs().mean(dim=2))
    weight = confidence * weights
    place = (weight * (rebuilt - positions).abs().sum(dim=-1)).sum() / weight.sum()
    relation = hand_mean(relation_error(vae.features.hands(rebuilt), vae.features.hands(positions)))
    both = weight[:, 1:] * confidence[:, :-1]
    step = (rebuilt.diff(dim=1) - positions.diff(dim=1)).abs().sum(dim=-1)
    velocity = (both * step).sum() / both.sum()
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
    distance = (rebuilt - positions)[:, :, skeleton.HANDS].norm(dim=-1)
    hand_mm = 1000 * (distance * confidence[:, :, skeleton.HANDS]).sum() / confidence[:, :, skeleton.HANDS].sum()
    # Metres count in centimetres, for the scale of the gradient.
    loss = stage.feature_weight * feature + 100 * (place + stage.velocity_weight * velocity)
    loss = loss + stage.relation_weight * relation + stage.kl_weight * kl
    return {"loss": loss, "hand_mm": hand_mm.detach(), "relation": relation.detach(), "kl": kl.detach()}


def relation_error(rebuilt: Tensor, real: Tensor) -> Tensor:
    """Mean error of the vectors between two keypoints of a hand, relative to their lengths: (…, 21, 3) metres -> (…).

    Vectors are compared in the frame of each hand's palm, and those under a centimetre relative to a centimetre.
    """
    first, second = torch.triu_indices(21, 21, offset=1)
    rebuilt, real = (hand @ palm_axes(hand) for hand in (rebuilt, real))
    wanted = real[..., first, :] - real[..., second, :]
    error = (rebuilt[..., first, :] - rebuilt[..., second, :] - wanted).abs().sum(dim=-1)
    return (error / (wanted.norm(dim=-1) + 0.01)).mean(dim=-1)


def initialise(vae: HandVAE, data: Sentences) -> None:
    """Statistics of the features, and linear coding by their principal components, with codes of variance 1.

    Hands that are at rest or were not seen do not count.
    """
    stride = vae.config.stride
    starts = np.arange(0, len(data.positions) - stride + 1, _EVERY)
    frames = starts[:, None] + np.arange(stride)
    positions = torch.from_numpy(data.positions[frames].astype(np.float32))  # (n, stride, 79, 3)
    confidence = torch.from_numpy(data.confidence[frames].astype(np.float32))
    body, hands = vae.features(positions)
    signing = []
    for side in ("left", "right"):
        hand = skeleton.HAND[side]
        away = (positions[:, :, hand] - torch.from_numpy(skeleton.REST_POSE[hand].copy())).abs().amax(dim=(1, 2, 3))
        signing.append((away > _AT_REST) & (confidence[:, :, hand].amin(dim=(1, 2)) > 0))
    for name, values in (("body", body), ("hand", hands[torch.cat(signing)])):
        mean, std = values.mean(dim=(0, 1)), values.std(dim=(0, 1)).clamp(min=_LEAST_STD)
        if name == "body":  # an arm's bone is worth more than one of the many points of a face that hardly move
            std = std.square().mean().sqrt().expand(len(std))
        getattr(vae, f"{name}_mean").copy_(mean)
        getattr(vae, f"{name}_std").copy_(std)
        flat = ((values - mean) / std).flatten(1)  # (n, stride * features)
        flat = flat[torch.randperm(len(flat))[:_PCA_FRAMES]]
        _, sizes, components = torch.linalg.svd(flat, full_matrices=False)
        used = min(vae.encoders[name].linear.out_channels, len(sizes))  # of few frames there are few components
        sizes = (sizes[:used] / math.sqrt(len(flat))).clamp(min=1e-6)[:, None]
        encode, decode = components[:used] / sizes, (components[:used] * sizes).T
        with torch.no_grad():
            vae.encoders[name].linear.weight[:used] = encode.unflatten(1, (stride, -1)).transpose(1, 2)
            vae.decoders[name].linear.weight[:, :used] = decode[..., None]
            vae.encoders[name].linear.bias.zero_()
            vae.decoders[name].linear.bias.zero_()
