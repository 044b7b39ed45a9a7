"""The duration of a signed text: the sum of a positive duration per token."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DurationPredictor(nn.Module):
    """Learns from total durations only; since tokens add up, it extrapolates to longer texts than it was trained on."""

    def __init__(self, text_dim: int = 384, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(text_dim, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:  # (B, L, 384), (B, L) -> (B,) seconds
        return (F.softplus(self.layers(tokens)[..., 0]) * mask).sum(dim=1)
