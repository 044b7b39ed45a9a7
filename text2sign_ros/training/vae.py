"""Stage 1: train the SignVAE on windows of composed sentences."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.networks.features import palm_axes
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.training.config import TrainConfig, VAEStage
from text2sign_ros.training.loop import fit
from text2sign_ros.training.segments import encode_all
from text2sign_ros.training.sentences import Sentences


def train(config: TrainConfig, sentences: Sentences, held_out: Sentences, folder: Path) -> SignVAE:
    """Train, or resume from the checkpoint in ``folder``; the held-out sentences are for validation only."""
    stage = config.vae_stage
    torch.manual_seed(config.seed)
    vae = SignVAE(config.sign_vae)
    initialise(vae, sentences)

    def losses(data: Sentences, turn_share: float):
        def compute(model: SignVAE, rng: np.random.Generator) -> dict[str, Tensor]:
            positions, confidence = windows(data, rng, stage.batch, stage.frames)
            turned = rng.random(len(positions)) < turn_share
            positions[turned] = turn_fingers(turn_joints(positions[turned], stage.turn_degrees), stage.turn_degrees)
            device = vae.code_mean.device
            return vae_losses(model, vae, positions.to(device), confidence.to(device), stage)

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


def vae_losses(
    model: nn.Module, vae: SignVAE, positions: Tensor, confidence: Tensor, stage: VAEStage
) -> dict[str, Tensor]:
    """Errors of the features, of positions, of the relations between the fingers, and of velocities; divergence.

    A mean error of positions hides what fingers say: with a few millimetres of it crossed fingers do not cross. So the
    features, in which each bone counts relative to how much it varies, count, and so do all vectors between two
    keypoints of a hand, relative to their lengths: errors of fingers that touch or cross are errors of short vectors.

    Args:
        model: called like ``SignVAE``.
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
            rotations = _rotations(sigma * torch.randn(len(positions), 3))
            centre = turned[:, :, [skeleton.INDEX[pivot]]]
            turned[:, :, points] = centre + (turned[:, :, points] - centre) @ rotations[:, None]
    return turned


def turn_fingers(positions: Tensor, degrees: float) -> Tensor:
    """Turn every bone of each window's hands slightly, by the same angles throughout the window: other fingers' shapes.

    Args:
        positions: (B, T, 79, 3) metres.
        degrees: standard deviation of the angles of a bone toward the one before it.
    """
    turned = positions.clone()
    for parent, child in skeleton.HAND_BONES:
        finger = [child, *_after(child)]
        angles = math.radians(degrees) * torch.randn(len(positions), 3)
        centre = turned[:, :, [parent]]
        turned[:, :, finger] = centre + (turned[:, :, finger] - centre) @ _rotations(angles)[:, None]
    return turned


def _after(keypoint: int) -> list[int]:
    """The keypoints of the same finger beyond this one."""
    found = [child for parent, child in skeleton.HAND_BONES if parent == keypoint]
    return found + [last for child in found for last in _after(child)]


def _rotations(angles: Tensor) -> Tensor:
    """(n, 3) rotation vectors, radians -> (n, 3, 3)."""
    x, y, z = angles.unbind(dim=1)
    zero = torch.zeros_like(x)
    skew = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).unflatten(-1, (3, 3))
    return torch.matrix_exp(skew)


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


_EVERY = 7
"""Of this many frames one is used for statistics."""
_AT_REST = 1e-3
"""Metres from the rest pose below which a hand hangs at rest: no recorded one stays so close to it."""
_LEAST_STD = 0.002
_PCA_FRAMES = 20_000


def initialise(vae: SignVAE, data: Sentences) -> None:
    """Statistics of the features, and linear coding by their principal components, with codes of variance 1.

    Hands that are at rest or were not seen do not count.
    """
    stride = vae.config.stride
    starts = np.arange(0, len(data.positions) - stride + 1, _EVERY)
    frames = starts[:, None] + np.arange(stride)
    positions = torch.from_numpy(data.positions[frames].astype(np.float32))  # (n, stride, 79, 3)
    confidence = torch.from_numpy(data.confidence[frames].astype(np.float32))
    body, hands = vae.features(positions)
    used = []
    for side in ("left", "right"):
        hand = skeleton.HAND[side]
        still = (positions[:, :, hand] - torch.from_numpy(skeleton.REST_POSE[hand])).abs().amax(dim=(1, 2, 3)) < _AT_REST
        used.append(~still & (confidence[:, :, hand].amin(dim=(1, 2)) > 0))
    for name, values in (("body", body), ("hand", hands[torch.cat(used)])):
        mean, std = values.mean(dim=(0, 1)), values.std(dim=(0, 1)).clamp(min=_LEAST_STD)
        if name == "body":  # an arm's bone is worth more than one of the many points of a face that hardly move
            std = std.square().mean().sqrt().expand(len(std))
        getattr(vae, f"{name}_mean").copy_(mean)
        getattr(vae, f"{name}_std").copy_(std)
        flat = ((values - mean) / std).flatten(1)  # (n, stride * features)
        dim = vae.encoders[name].linear.out_channels
        _, sizes, components = torch.linalg.svd(flat[torch.randperm(len(flat))[:_PCA_FRAMES]], full_matrices=False)
        sizes = (sizes[:dim] / math.sqrt(min(len(flat), _PCA_FRAMES)))[:, None]
        encode, decode = components[:dim] / sizes, (components[:dim] * sizes).T
        with torch.no_grad():
            vae.encoders[name].linear.weight.copy_(encode.unflatten(1, (stride, -1)).transpose(1, 2))
            vae.decoders[name].linear.weight.copy_(decode[..., None])
            vae.encoders[name].linear.bias.zero_()
            vae.decoders[name].linear.bias.zero_()
