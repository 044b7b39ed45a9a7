"""What every variational autoencoder of motion shares: its configuration, its interface and its layers.

A decoder is causal: a frame depends on its own code and those before it, so that motion can be decoded piece by piece,
as it is sampled, into exactly the same frames as when decoded as a whole.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class SignVAEConfig:
    latent_dim: int = 20  # numbers in a code
    hand_dim: int = 0  # of these, numbers for each hand alone (``HandVAE``); 0: one code for everything (``SignVAE``)
    stride: int = 2  # frames per code, a power of two
    channels: int = 256
    blocks: int = 2  # residual blocks before and after each change of rate

    @property
    def body_dim(self) -> int:
        """Numbers for what is not a hand."""
        return self.latent_dim - 2 * self.hand_dim


class PoseVAE(nn.Module, ABC):
    """Positions in metres to latent codes and back.

    Buffers ``code_mean`` and ``code_std`` (D, 1) are the corpus statistics of the codes, with which they are
    standardised for the later stages; ``code_effect`` (D,) is how far a standard deviation of each of their numbers
    moves the keypoints of the hands on average, metres.
    """

    code_mean: Tensor
    code_std: Tensor
    code_effect: Tensor

    def __init__(self, config: SignVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("code_mean", torch.zeros(config.latent_dim, 1))
        self.register_buffer("code_std", torch.ones(config.latent_dim, 1))
        self.register_buffer("code_effect", torch.ones(config.latent_dim))

    @property
    @abstractmethod
    def context_codes(self) -> int:
        """How many earlier codes a decoded frame depends on."""

    @abstractmethod
    def encode(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 79, 3) metres -> mean and log variance of the codes, each (B, D, T/stride)."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """(B, D, N) -> (B, stride * N, 79, 3) metres."""

    def to_codes(self, positions: Tensor) -> Tensor:  # (B, T, 79, 3) -> (B, D, T/stride), standardised
        return (self.encode(positions)[0] - self.code_mean) / self.code_std

    def from_codes(self, codes: Tensor) -> Tensor:  # (B, D, N), standardised -> (B, T, 79, 3) metres
        return self.decode(codes * self.code_std + self.code_mean)


class Conv(nn.Conv1d):
    """Convolution over time that keeps the length; a causal one sees only the past."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, causal: bool = False, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, dilation=dilation)
        reach = dilation * (kernel - 1)
        self.reach = (reach, 0) if causal else (reach // 2, reach - reach // 2)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, T) -> (B, C', T)
        return super().forward(F.pad(x, self.reach))


class ResBlock(nn.Module):
    def __init__(self, channels: int, *, causal: bool, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.SiLU(),
            Conv(channels, channels, causal=causal, dilation=dilation),
            nn.SiLU(),
            Conv(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Upsample(nn.Module):
    """Twice the rate by repetition; written so that TensorRT accepts it inside a loop."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, N) -> (B, C, 2N)
        return x.unsqueeze(-1).expand(-1, -1, -1, 2).flatten(2)


def context_codes(decoder: nn.Module) -> int:
    """How many earlier codes a frame depends on, by the convolutions of a decoder."""
    reach, rate = 0.0, 1
    for module in decoder.modules():
        if isinstance(module, Upsample):
            rate *= 2
        elif isinstance(module, Conv):
            reach += module.reach[0] / rate
    return int(reach) + 1
