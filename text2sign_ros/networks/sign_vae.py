"""SignVAE: pose sequences <-> latent codes (stage 1 of Text2Sign Diffusion, arXiv 2509.10845).

From the paper: a variational autoencoder over pose sequences with one code of a few numbers (20 in the paper) for each
step in time. Ours: a part of the code for the body and one for each hand, features in which the shape of a hand does
not depend on where it is (``features``), linear coding that starts as principal components and is corrected by temporal
convolutions, the stride, and a causal decoder: a frame depends on its own code and those before it, so that motion can
be decoded piece by piece, as it is sampled, into exactly the same frames as when decoded as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from text2sign_ros.networks.features import BODY_FEATURES, HAND_FEATURES, Features


@dataclass(frozen=True)
class SignVAEConfig:
    body_dim: int = 8  # numbers for body and face
    hand_dim: int = 6  # numbers for each hand
    stride: int = 2  # frames per code, a power of two
    body_channels: int = 96
    hand_channels: int = 128
    blocks: int = 2  # residual blocks before and after each change of rate

    @property
    def latent_dim(self) -> int:
        """D, the numbers in a code: the body's, the left hand's, the right hand's."""
        return self.body_dim + 2 * self.hand_dim


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


class Encoder(nn.Module):
    """Features of a part of the signer to the mean and the log variance of its codes."""

    def __init__(self, features: int, dim: int, channels: int, config: SignVAEConfig) -> None:
        super().__init__()
        self.linear = nn.Conv1d(features, dim, config.stride, stride=config.stride)
        layers: list[nn.Module] = [Conv(features, channels)]
        layers += [ResBlock(channels, causal=False, dilation=1) for _ in range(config.blocks)]
        for _ in range(config.stride.bit_length() - 1):
            layers += [nn.Conv1d(channels, channels, 2, stride=2)]
            layers += [ResBlock(channels, causal=False, dilation=2**i) for i in range(config.blocks)]
        self.layers = nn.Sequential(*layers, nn.SiLU(), _zero(nn.Conv1d(channels, 2 * dim, 1)))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:  # (B, F, T) -> 2 x (B, dim, T/stride)
        correction, log_variance = self.layers(features).chunk(2, dim=1)
        return self.linear(features) + correction, (log_variance + _LOG_VARIANCE).clamp(-12.0, 6.0)


class Decoder(nn.Module):
    """Codes of a part of the signer to its features."""

    def __init__(self, features: int, dim: int, channels: int, config: SignVAEConfig) -> None:
        super().__init__()
        self.stride = config.stride
        self.linear = nn.Conv1d(dim, config.stride * features, 1)
        layers: list[nn.Module] = [Conv(dim, channels, causal=True)]
        layers += [ResBlock(channels, causal=True, dilation=1) for _ in range(config.blocks)]
        for _ in range(config.stride.bit_length() - 1):
            layers += [Upsample()]
            layers += [ResBlock(channels, causal=True, dilation=2**i) for i in range(config.blocks)]
        self.layers = nn.Sequential(*layers, nn.SiLU(), _zero(nn.Conv1d(channels, features, 1)))

    def forward(self, codes: Tensor) -> Tensor:  # (B, dim, N) -> (B, F, stride*N)
        frames = self.linear(codes).unflatten(1, (self.stride, -1)).permute(0, 2, 3, 1).flatten(2)
        return frames + self.layers(codes)

    @property
    def context_codes(self) -> int:
        """How many earlier codes a frame depends on."""
        reach, rate = 0.0, 1
        for module in self.modules():
            if isinstance(module, Upsample):
                rate *= 2
            elif isinstance(module, Conv):
                reach += module.reach[0] / rate
        return int(reach) + 1


_LOG_VARIANCE = -8.0
"""Where the log variance of a code starts: hardly any noise, since the principal components already say something."""


def _zero(layer: nn.Conv1d) -> nn.Conv1d:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class SignVAE(nn.Module):
    """Positions in metres to latent codes and back.

    Buffers ``body_mean``, ``body_std`` (117,) and ``hand_mean``, ``hand_std`` (66,) hold the corpus statistics of the
    features; ``code_mean`` and ``code_std`` (D, 1) those of the codes, with which the codes are standardised for the
    later stages.
    """

    body_mean: Tensor
    body_std: Tensor
    hand_mean: Tensor
    hand_std: Tensor
    code_mean: Tensor
    code_std: Tensor

    def __init__(self, config: SignVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.features = Features()
        parts = {
            "body": (BODY_FEATURES, config.body_dim, config.body_channels),
            "hand": (HAND_FEATURES, config.hand_dim, config.hand_channels),
        }
        self.encoders = nn.ModuleDict({name: Encoder(*sizes, config) for name, sizes in parts.items()})
        self.decoders = nn.ModuleDict({name: Decoder(*sizes, config) for name, sizes in parts.items()})
        for name, (features, _, _) in parts.items():
            self.register_buffer(f"{name}_mean", torch.zeros(features))
            self.register_buffer(f"{name}_std", torch.ones(features))
        self.register_buffer("code_mean", torch.zeros(config.latent_dim, 1))
        self.register_buffer("code_std", torch.ones(config.latent_dim, 1))

    @property
    def context_codes(self) -> int:
        """How many earlier codes a frame depends on."""
        return max(decoder.context_codes for decoder in self.decoders.values())

    def standardised(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 79, 3) metres -> (B, T, 117) and (2B, T, 66) features of mean 0 and standard deviation 1."""
        body, hands = self.features(positions)
        return (body - self.body_mean) / self.body_std, (hands - self.hand_mean) / self.hand_std

    def encode(self, positions: Tensor) -> tuple[Tensor, Tensor]:  # (B, T, 79, 3) -> 2 x (B, D, T/stride)
        return self.encode_features(*self.standardised(positions))

    def encode_features(self, body: Tensor, hands: Tensor) -> tuple[Tensor, Tensor]:
        """As ``encode``, from standardised features."""
        both = zip(self.encoders["body"](body.transpose(1, 2)), self.encoders["hand"](hands.transpose(1, 2)), strict=True)
        mean, log_variance = (torch.cat((part, *hand.chunk(2)), dim=1) for part, hand in both)
        return mean, log_variance

    def decode(self, codes: Tensor) -> Tensor:  # (B, D, N) -> (B, T, 79, 3) metres
        return self.to_positions(*self.decode_features(codes))

    def decode_features(self, codes: Tensor) -> tuple[Tensor, Tensor]:  # (B, D, N) -> (B, T, 117), (2B, T, 66)
        """Standardised features."""
        body, left, right = codes.split((self.config.body_dim, self.config.hand_dim, self.config.hand_dim), dim=1)
        hands = self.decoders["hand"](torch.cat((left, right)))
        return self.decoders["body"](body).transpose(1, 2), hands.transpose(1, 2)

    def to_positions(self, body: Tensor, hands: Tensor) -> Tensor:
        """Standardised features -> (B, T, 79, 3) metres."""
        return self.features.inverse(
            body * self.body_std + self.body_mean, hands * self.hand_std + self.hand_mean
        )

    def to_codes(self, positions: Tensor) -> Tensor:  # (B, T, 79, 3) -> (B, D, T/stride), standardised
        return (self.encode(positions)[0] - self.code_mean) / self.code_std

    def from_codes(self, codes: Tensor) -> Tensor:  # (B, D, N), standardised -> (B, T, 79, 3) metres
        return self.decode(codes * self.code_std + self.code_mean)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Standardised features of body and hands, rebuilt from a sampled code, and the code's mean and log variance."""
        mean, log_variance = self.encode(positions)
        body, hands = self.decode_features(mean + torch.randn_like(mean) * (0.5 * log_variance).exp())
        return body, hands, mean, log_variance
