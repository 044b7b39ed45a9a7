"""The denoiser: a 1-D U-Net over latent codes that predicts the noise (stage 3 of Text2Sign Diffusion).

From the paper: noise prediction over the codes of the SignVAE, conditioned on Sentence-BERT: its tokens by
cross-attention, the whole sentence added to the time embedding. Ours, beside the sizes:

- the positional embedding of the tokens: a sentence encoder encodes which letter a token is, but hardly where in the
  word;
- ``roles``, which mark codes that are given clean (training-time action conditioning, arXiv 2512.05964) and let
  sequences be shorter than their bucket;
- embeddings are whitened, and the layers predict v (Salimans & Ho 2022, arXiv 2202.00512), from which the noise
  follows: at high noise, where it is decided which sign it will be, nothing else says what to learn;
- a ``Plan``: the codes that the text makes likely, which the layers see beside the noisy ones, as the mean in Grad-TTS
  (Popov et al. 2021, arXiv 2105.06337).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from text2sign_ros.inference.samplers import alphas_cumprod
from text2sign_ros.networks.pose_vae import Upsample
from text2sign_ros.networks.whitening import Whitening


@dataclass(frozen=True)
class UNetConfig:
    latent_dim: int = 20
    channels: tuple[int, ...] = (128, 192, 256)  # per level; codes are halved between levels
    context_dim: int = 192
    text_dim: int = 384
    max_tokens: int = 64
    heads: int = 4
    plan_width: int = 1024
    plan_knots: int = 24  # moments of a text at which its plan says the code
    timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012

    @property
    def schedule(self) -> np.ndarray:
        """(timesteps,) alpha bar, see ``samplers.alphas_cumprod``."""
        return alphas_cumprod(self.timesteps, self.beta_start, self.beta_end)


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


class Plan(nn.Module):
    """The likely codes of a text, at ``knots`` moments of it, by its whitened sentence embedding alone."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.knots = config.plan_knots
        self.layers = nn.Sequential(
            nn.Linear(config.text_dim, config.plan_width),
            nn.SiLU(),
            nn.Linear(config.plan_width, config.latent_dim * config.plan_knots),
        )

    def forward(self, sentence: Tensor, progress: Tensor) -> Tensor:
        """(B, 384), (B, N) progress through the text, 0 to 1 -> (B, D, N), linear between the moments."""
        at = progress[:, None] * (self.knots - 1)  # (B, 1, N)
        knot = torch.arange(self.knots, device=at.device, dtype=at.dtype)[:, None]
        return self.layers(sentence).unflatten(1, (-1, self.knots)) @ (1 - (at - knot).abs()).clamp(min=0.0)


class UNet(nn.Module):
    """Buffer ``signal`` (T,) is the share of the clean codes' variance at each noise index."""

    signal: Tensor

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        width, widths = config.context_dim, config.channels
        self.register_buffer("signal", torch.from_numpy(config.schedule).float(), persistent=False)
        self.whiten_sentence, self.whiten_tokens = Whitening(config.text_dim), Whitening(config.text_dim)
        self.time = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.sentence = nn.Linear(config.text_dim, width)
        self.plan = Plan(config)
        self.token = nn.Linear(config.text_dim, width)
        self.position = nn.Embedding(config.max_tokens, width)
        self.context_norm = nn.LayerNorm(width)
        self.no_text = nn.Parameter(torch.zeros(width))  # replaces tokens and sentence where text is withheld
        self.enter = nn.Conv1d(2 * config.latent_dim + NUM_ROLES, widths[0], 3, padding=1)
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
        return self.predict(x, time, roles, tokens, mask, sentence, use_text)[0]

    def predict(
        self, x: Tensor, time: Tensor, roles: Tensor, tokens: Tensor, mask: Tensor, sentence: Tensor, use_text: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As ``forward``, and the plan (B, D, N): the codes that the text alone makes likely, where text is used."""
        use = use_text[:, None]
        tokens, sentence = self.whiten_tokens(tokens), self.whiten_sentence(sentence)
        text = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        context = self.context_norm(use[..., None] * text + (1 - use[..., None]) * self.no_text)
        condition = self.time(_sinusoids(time, 64, 10_000.0))
        condition = condition + use * self.sentence(sentence) + (1 - use) * self.no_text
        exists = roles[:, :1]
        plan = self.plan(sentence, roles[:, 2]) * (exists - roles[:, 1:2]) * use[..., None]
        progress = _sinusoids(roles[:, 2], 16, 64.0, scale=64.0).transpose(1, 2)  # (B, 32, N)
        noisy = x * exists
        x = self.enter(torch.cat((noisy, plan, roles), dim=1)) + self.position_codes(progress * exists)
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
        signal = self.signal[time.round().long()][:, None, None]
        # x = alpha x0 + sigma noise and v = alpha noise - sigma x0, hence noise = sigma x + alpha v.
        return (1 - signal).sqrt() * noisy + signal.sqrt() * self.leave(x), plan


def _sinusoids(values: Tensor, pairs: int, longest: float, scale: float = 1.0) -> Tensor:
    """(...,) -> (..., 2 * pairs) sines and cosines at geometric frequencies from 1 down to 1 / longest."""
    frequencies = torch.exp(-math.log(longest) * torch.arange(pairs, device=values.device) / pairs)
    angles = scale * values[..., None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=-1)
