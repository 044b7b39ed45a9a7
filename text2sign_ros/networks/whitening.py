"""Whitening of embeddings: what tells texts apart counts as much as what they have in common."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEAST = 0.01  # of the mean variance: directions in which the embeddings hardly vary are not blown up further


class Whitening(nn.Module):
    """Embeddings (..., D) turned and scaled to mean 0 and covariance 1.

    The embeddings of a sentence encoder are alike: those of two single words have a cosine of about 0.4, and the
    directions in which words of a similar meaning differ have a hundredth of the variance of others. Until ``fit``
    they pass unchanged.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("matrix", torch.eye(dimensions))

    def fit(self, embeddings: Tensor) -> None:
        """Take the statistics of embeddings (n, D)."""
        values = embeddings.double()
        mean = values.mean(dim=0)
        covariance = (values - mean).T @ (values - mean) / len(values)
        variance, directions = torch.linalg.eigh(covariance)
        variance = variance.clamp(min=0.0) + _LEAST * variance.mean()
        self.mean.copy_(mean)
        self.matrix.copy_(directions / variance.sqrt())

    def forward(self, embeddings: Tensor) -> Tensor:
        return (embeddings - self.mean) @ self.matrix
