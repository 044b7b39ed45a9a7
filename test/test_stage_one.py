"""Stage 1: what its losses see, how its motion is varied, and what it starts from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from text2sign_ros import skeleton
from text2sign_ros.motion import kinematics
from text2sign_ros.networks.hand_vae import HandVAE
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.training.config import VAEStage
from text2sign_ros.training.hand_loss import initialise, losses, relation_error
from text2sign_ros.training.sentences import Sentences
from text2sign_ros.training.turning import turn_fingers, turn_joints

RIGHT = skeleton.HAND["right"]


def _poses(count: int, seed: int = 0) -> np.ndarray:
    """(count, 79, 3): arms and fingers in random directions near those of the rest pose, bones of canonical length."""
    rng = np.random.default_rng(seed)
    rest = np.tile(skeleton.REST_POSE, (count, 1, 1)).astype(float)
    return kinematics.with_canonical_lengths(rest + rng.normal(scale=0.008, size=rest.shape)).astype(np.float32)


def _sentences(positions: np.ndarray) -> Sentences:
    one = np.array([0])
    seen = np.ones(positions.shape[:2], np.float16)
    return Sentences(
        positions, seen, np.array([0, len(positions)]), one, one, one + len(positions), np.array(["a"]),
        np.array(["letter"]), np.ones(1),
    )  # fmt: skip


@pytest.mark.parametrize("turn", [turn_joints, turn_fingers])
def test_turned_motion_keeps_its_bones_and_its_shoulders(turn) -> None:
    torch.manual_seed(1)
    motion = torch.from_numpy(_poses(12)).unflatten(0, (3, 4))
    turned = turn(motion, 6.0)
    lengths = kinematics.bone_lengths(turned.numpy())
    np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-6)
    assert (turned - motion)[:, :, skeleton.HANDS].abs().amax(dim=(1, 2, 3)).min() > 1e-3  # each window is turned
    torch.testing.assert_close(turned[:, :, skeleton.SHOULDERS], motion[:, :, skeleton.SHOULDERS])


def test_turned_fingers_leave_the_arms_alone() -> None:
    motion = torch.from_numpy(_poses(4))[None]
    body = slice(0, skeleton.GROUPS["left_hand"].start)
    torch.testing.assert_close(turn_fingers(motion, 6.0)[:, :, body], motion[:, :, body])


def test_an_error_between_near_fingers_counts_more_than_the_same_error_between_far_ones() -> None:
    hand = torch.from_numpy(_poses(1))[0, RIGHT]
    near = hand.clone()
    near[8] = near[12] + 0.002  # the tips of index and middle finger touch
    spread = hand.clone()
    spread[8] = spread[12] + 0.08
    error = torch.tensor([0.0, 0.006, 0.0])
    assert relation_error(_with(near, 8, error), near) > 1.05 * relation_error(_with(spread, 8, error), spread)
    assert relation_error(hand, hand) == 0


def _with(hand: Tensor, keypoint: int, error: Tensor) -> Tensor:
    moved = hand.clone()
    moved[keypoint] += error
    return moved


def test_relations_do_not_depend_on_where_a_hand_is() -> None:
    one, other = (torch.from_numpy(_poses(1, seed))[0, RIGHT] for seed in (0, 1))
    turn = torch.matrix_exp(torch.tensor([[0.0, -0.7, 0.4], [0.7, 0.0, -0.9], [-0.4, 0.9, 0.0]]))
    torch.testing.assert_close(relation_error(one @ turn + 0.2, other), relation_error(one, other))


def _loss(vae: HandVAE, positions: Tensor, confidence: Tensor) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return losses(vae, vae, positions, confidence, VAEStage())


def test_a_hand_that_was_not_seen_does_not_count() -> None:
    poses = _poses(64)
    vae = HandVAE(SignVAEConfig(hand_dim=6, channels=16, blocks=1))
    initialise(vae, _sentences(poses))
    positions = torch.from_numpy(poses[:16])[None]
    confidence = torch.ones(1, 16, 79)
    confidence[:, :, RIGHT] = 0.0
    # The encoder sees the hand; its own codes reach nothing that counts.
    before, moved = _loss(vae, positions, confidence), positions.clone()
    moved[:, :, RIGHT.start + 1 : RIGHT.stop] += 0.05 * torch.randn(1, 16, 20, 3)
    after = _loss(vae, moved, confidence)
    for name in ("hand_mm", "relation"):
        torch.testing.assert_close(after[name], before[name])
    confidence[:] = 1.0
    assert _loss(vae, moved, confidence)["relation"] > 1.2 * _loss(vae, positions, confidence)["relation"]


def test_it_starts_from_principal_components_which_keep_what_they_can() -> None:
    rng = np.random.default_rng(0)
    modes = rng.normal(scale=0.0005, size=(10, 1, 79, 3)) * rng.normal(size=(10, 2800, 1, 1))
    poses = kinematics.with_canonical_lengths(skeleton.REST_POSE + modes.sum(axis=0)).astype(np.float32)
    errors = []
    for numbers in (2, 6, 60):
        vae = HandVAE(SignVAEConfig(latent_dim=3 * numbers, hand_dim=numbers, channels=16, blocks=1))
        initialise(vae, _sentences(poses))
        with torch.no_grad():
            codes, log_variance = vae.encode(torch.from_numpy(poses)[None])
            rebuilt = vae.decode(codes)[0]
        assert log_variance.max() < -7  # hardly any noise
        assert 0.5 < codes[:, numbers:].std() < 2.0
        errors.append(float(relation_error(rebuilt[:, RIGHT], torch.from_numpy(poses)[:, RIGHT]).mean()))
    assert errors[0] > errors[1] > 5 * errors[2]  # in two frames of either hand 40 numbers vary
