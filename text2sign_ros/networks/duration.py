"""The duration of a signed text: the sum of a positive duration per token."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from text2sign_ros.networks.whitening import Whitening


class DurationPredictor(nn.Module):
    """Learns from total durations only; since tokens add up, it extrapolates to longer texts than it was trained on."""

    def __init__(self, text_dim: int = 384, width: int = 256) -> None:
        super().__init__()
        self.whiten = Whitening(text_dim)
        self.layers = nn.Sequential(nn.Linear(text_dim, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:  # (B, L, 384), (B, L) -> (B,) seconds
        return (F.softplus(self.layers(self.whiten(tokens))[..., 0]) * mask).sum(dim=1)
