"""The denoiser: a 1-D U-Net over latent codes that predicts the noise (stage 3 of Text2Sign Diffusion).

From the paper: noise prediction over the codes of the SignVAE, conditioned on Sentence-BERT: its tokens by
cross-attention, the whole sentence added to the time embedding. Ours: the sizes, the positional embedding of the tokens
(a sentence encoder encodes which letter a token is, but hardly where in the word), and ``roles``, which mark codes that
are given clean (training-time action conditioning, arXiv 2512.05964) and let sequences be shorter than their bucket.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from text2sign_ros.networks.pose_vae import Upsample


@dataclass(frozen=True)
class UNetConfig:
    latent_dim: int = 20
    channels: tuple[int, ...] = (128, 192, 256)  # per level; codes are halved between levels
    context_dim: int = 192
    text_dim: int = 384
    max_tokens: int = 64
    heads: int = 4


NUM_ROLES = 3
"""Channels of ``roles``: 1 where a code exists, 1 where it is given clean, and the progress through the new codes."""


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, heads: int) -> Tensor:
    """Multi-head attention; query (B, N, C), key and value (B, L, C), mask (B, L) True where a key counts."""
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (B, H, N, L)
    if mask is not None:
        scores = scores + (mask[:, None, None, :].to(scores.dtype) - 1.0) * 1e4
    return (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)


class ChannelNorm(nn.Module):
    """Root-mean-square norm over the channels of each step, and so independent of padding and length."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, N)
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-6) * self.gain


class ResBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = ChannelNorm(inputs), nn.Conv1d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = ChannelNorm(outputs), nn.Conv1d(outputs, outputs, 3, padding=1)
        self.condition = nn.Linear(condition, 2 * outputs)
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.activation = nn.SiLU()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, valid: Tensor, condition: Tensor) -> Tensor:  # (B, C, N), (B, 1, N), (B, E)
        """Where no code exists, ``x`` must be zero and the result is zero: outputs do not depend on the bucket."""
        scale, shift = self.condition(condition)[:, :, None].chunk(2, dim=1)
        hidden = self.conv1(self.activation(self.norm1(x)))
        hidden = self.norm2(hidden) * (1 + scale) + shift
        return (self.skip(x) + self.conv2(self.activation(hidden) * valid)) * valid  # (B, C', N)


class AttentionBlock(nn.Module):
    """Self-attention over the codes, then cross-attention to the text."""

    def __init__(self, channels: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_self, self.norm_cross = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv, self.out_self = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.query, self.key_value = nn.Linear(channels, channels), nn.Linear(context, 2 * channels)
        self.out_cross = nn.Linear(channels, channels)
        nn.init.zeros_(self.out_self.weight)
        nn.init.zeros_(self.out_cross.weight)

    def forward(self, x: Tensor, valid: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # (B, N, C)
        query, key, value = self.qkv(self.norm_self(x)).chunk(3, dim=-1)
        x = x + self.out_self(attention(query, key, value, valid, self.heads))
        key, value = self.key_value(context).chunk(2, dim=-1)
        x = x + self.out_cross(attention(self.query(self.norm_cross(x)), key, value, mask, self.heads))
        return x.transpose(1, 2)


class Level(nn.Module):
    def __init__(self, inputs: int, outputs: int, config: UNetConfig) -> None:
        super().__init__()
        self.block = ResBlock(inputs, outputs, config.context_dim)
        self.attend = AttentionBlock(outputs, config.context_dim, config.heads)

    def forward(self, x: Tensor, valid: Tensor, condition: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        return self.attend(self.block(x, valid, condition), valid[:, 0], context, mask) * valid


class UNet(nn.Module):
    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        width, widths = config.context_dim, config.channels
        self.time = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.sentence = nn.Linear(config.text_dim, width)
        self.token = nn.Linear(config.text_dim, width)
        self.position = nn.Embedding(config.max_tokens, width)
        self.context_norm = nn.LayerNorm(width)
        self.no_text = nn.Parameter(torch.zeros(width))  # replaces tokens and sentence where text is withheld
        self.enter = nn.Conv1d(config.latent_dim + NUM_ROLES, widths[0], 3, padding=1)
        self.position_codes = nn.Conv1d(2 * 16, widths[0], 1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for i, channels in enumerate(widths):
            self.down.append(Level(widths[max(0, i - 1)], channels, config))
            if i < len(widths) - 1:
                self.shrink.append(nn.Conv1d(channels, channels, 2, stride=2))
        self.middle = ResBlock(widths[-1], widths[-1], width)
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for i in reversed(range(len(widths))):
            above = widths[min(len(widths) - 1, i + 1)]
            self.up.append(Level(above + widths[i], widths[i], config))
            if i > 0:
                self.grow.append(nn.Sequential(Upsample(), nn.Conv1d(widths[i], widths[i], 3, padding=1)))
        self.leave = nn.Sequential(
            ChannelNorm(widths[0]), nn.SiLU(), nn.Conv1d(widths[0], config.latent_dim, 3, padding=1)
        )

    def forward(
        self, x: Tensor, time: Tensor, roles: Tensor, tokens: Tensor, mask: Tensor, sentence: Tensor, use_text: Tensor
    ) -> Tensor:
        """Predict the noise in ``x``.

        Args:
            x: (B, D, N) noisy codes, given ones clean; N is a multiple of 2 ** (levels - 1).
            time: (B,) float noise index in [0, T).
            roles: (B, 3, N), see ``NUM_ROLES``.
            tokens: (B, L, 384) token embeddings; mask: (B, L) float, 1 where a token is.
            sentence: (B, 384) sentence embedding.
            use_text: (B,) float, 1 to use the text, 0 to withhold it (classifier-free guidance).

        Returns:
            (B, D, N) predicted noise; meaningless where no code exists or the code is given.
        """
        use = use_text[:, None]
        text = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        context = self.context_norm(use[..., None] * text + (1 - use[..., None]) * self.no_text)
        condition = self.time(_sinusoids(time, 64, 10_000.0))
        condition = condition + use * self.sentence(sentence) + (1 - use) * self.no_text
        exists = roles[:, :1]
        progress = _sinusoids(roles[:, 2], 16, 64.0, scale=64.0).transpose(1, 2)  # (B, 32, N)
        x = self.enter(torch.cat((x * exists, roles), dim=1)) + self.position_codes(progress * exists)
        x = x * exists
        skips, valids = [], [exists]
        for i, level in enumerate(self.down):
            x = level(x, valids[-1], condition, context, mask)
            skips.append(x)
            if i < len(self.shrink):
                valids.append(valids[-1][:, :, ::2])
                x = self.shrink[i](x) * valids[-1]
        x = self.middle(x, valids[-1], condition)
        for i, level in enumerate(self.up):
            x = level(torch.cat((x, skips.pop()), dim=1), valids.pop(), condition, context, mask)
            if i < len(self.grow):
                x = self.grow[i](x) * valids[-1]
        return self.leave(x)


def _sinusoids(values: Tensor, pairs: int, longest: float, scale: float = 1.0) -> Tensor:
    """(...,) -> (..., 2 * pairs) sines and cosines at geometric frequencies from 1 down to 1 / longest."""
    frequencies = torch.exp(-math.log(longest) * torch.arange(pairs, device=values.device) / pairs)
    angles = scale * values[..., None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=-1)
