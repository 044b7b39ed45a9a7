"""The statistics of codes: those of the corpus, whatever the codes were standardised by before."""

from __future__ import annotations

import pytest
import torch

from text2sign_ros import skeleton
from text2sign_ros.networks.pose_vae import PoseVAE, SignVAEConfig
from text2sign_ros.training.distillation import code_weight
from text2sign_ros.training.vae import fit_statistics


class Shift(PoseVAE):
    """Moves the left hand by its first number, both hands four times as far by its second, the face by its third."""

    context_codes = 3

    def __init__(self) -> None:
        super().__init__(SignVAEConfig(latent_dim=3, stride=2))

    def encode(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError("the statistics are those of codes")

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        frames = codes.repeat_interleave(2, dim=2).transpose(1, 2)
        positions = torch.zeros(*frames.shape[:2], skeleton.NUM_KEYPOINTS, 3)
        positions[:, :, skeleton.GROUPS["left_hand"], 0] += frames[..., :1]
        for hand in ("left_hand", "right_hand"):
            positions[:, :, skeleton.GROUPS[hand], 1] += 4 * frames[..., 1:2]
        positions[:, :, skeleton.GROUPS["face"], 2] += frames[..., 2:]
        return positions


def test_they_are_those_of_the_corpus() -> None:
    torch.manual_seed(0)
    vae = Shift()
    vae.code_mean[:, 0], vae.code_std[:, 0] = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.1, 0.2, 0.3])
    fit_statistics(vae, 5.0 + 2.0 * torch.randn(50_000, 3))  # codes standardised by these
    assert vae.code_mean[:, 0].numpy() == pytest.approx([1.5, 3.0, 4.5], rel=0.02)
    assert vae.code_std[:, 0].numpy() == pytest.approx([0.2, 0.4, 0.6], rel=0.02)
    assert vae.code_effect.numpy() == pytest.approx([0.2 / 2, 4 * 0.4, 0.0], rel=0.02, abs=1e-6)
    weight = code_weight(vae)[:, 0]
    assert float(weight.mean()) == pytest.approx(1.0)
    assert float(weight[1] / weight[0]) == pytest.approx(4.0, rel=0.02)  # the root of 16
