"""Cross-modal aligner: text and pose in one 512-d space by InfoNCE (stage 2 of Text2Sign Diffusion).

From the paper: the shared space, its size and the loss. Ours: the pose tower reads latent codes, so that the
diffusion's predicted clean codes can be compared with the text directly; the text tower reads token embeddings with
positional embeddings in addition to the sentence embedding, so that spelled words can be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class AlignerConfig:
    latent_dim: int = 20
    text_dim: int = 384
    max_tokens: int = 64
    max_codes: int = 128
    width: int = 192
    layers: int = 2
    heads: int = 4
    shared_dim: int = 512


class Tower(nn.Module):
    """A small transformer and a masked mean: (B, N, inputs), (B, N) -> (B, shared_dim) on the unit sphere."""

    def __init__(self, inputs: int, length: int, config: AlignerConfig) -> None:
        super().__init__()
        self.enter, self.position = nn.Linear(inputs, config.width), nn.Embedding(length, config.width)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, 2 * config.width, dropout=0.1, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.leave = nn.Linear(config.width, config.shared_dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        hidden = self.enter(x) + self.position.weight[: x.shape[1]]
        hidden = self.layers(hidden, src_key_padding_mask=mask < 0.5)
        weight = mask[..., None]
        pooled = (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
        return F.normalize(self.leave(pooled), dim=-1)


class Aligner(nn.Module):
    def __init__(self, config: AlignerConfig) -> None:
        super().__init__()
        self.config = config
        self.pose = Tower(config.latent_dim, config.max_codes, config)
        self.text = Tower(config.text_dim, config.max_tokens + 1, config)
        self.log_scale = nn.Parameter(torch.tensor(2.66))  # ln(1 / 0.07), CLIP's starting temperature

    def embed_pose(self, codes: Tensor, mask: Tensor) -> Tensor:  # (B, D, N), (B, N) -> (B, 512)
        return self.pose(codes.transpose(1, 2), mask)

    def embed_text(self, tokens: Tensor, mask: Tensor, sentence: Tensor) -> Tensor:  # -> (B, 512)
        mask = torch.cat((torch.ones_like(mask[:, :1]), mask), dim=1)
        return self.text(torch.cat((sentence[:, None], tokens), dim=1), mask)

    def forward(
        self, codes: Tensor, new: Tensor, tokens: Tensor, mask: Tensor, sentence: Tensor, same: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores (B, B) of poses against texts, and their ``info_nce``; ``same`` (B, B) is 1 where texts are equal."""
        scores = self.scores(self.embed_pose(codes, new), self.embed_text(tokens, mask, sentence))
        return scores, info_nce(scores, same)

    def scores(self, pose: Tensor, text: Tensor) -> Tensor:  # (B, 512), (C, 512) -> (B, C)
        return self.log_scale.clamp(max=4.6).exp() * pose @ text.T


def info_nce(scores: Tensor, same: Tensor) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al. 2018); all pairs with the same text (B, B) are positives."""
    target = same / same.sum(dim=1, keepdim=True)
    return 0.5 * (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target))
