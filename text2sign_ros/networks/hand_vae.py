"""A SignVAE that keeps what fingers mean: codes of their own for each hand, in the frame of its palm.

Against ``SignVAE``: a part of the code for the body and one for each hand, features in which the shape of a hand does
not depend on where it is (``features``), and linear coding that starts as principal components, which temporal
convolutions correct.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from text2sign_ros.networks.features import BODY_FEATURES, HAND_FEATURES, Features
from text2sign_ros.networks.pose_vae import Conv, PoseVAE, ResBlock, SignVAEConfig, Upsample, context_codes


class Encoder(nn.Module):
    """Features of a part of the signer to the mean and the log variance of its codes."""

    def __init__(self, features: int, dim: int, config: SignVAEConfig) -> None:
        super().__init__()
        channels = config.channels
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

    def __init__(self, features: int, dim: int, config: SignVAEConfig) -> None:
        super().__init__()
        channels = config.channels
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


_LOG_VARIANCE = -8.0
"""Where the log variance of a code starts: hardly any noise, since the principal components already say something."""


def _zero(layer: nn.Conv1d) -> nn.Conv1d:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class HandVAE(PoseVAE):
    """A part of the code for the body and the face, one for the left hand, one for the right.

    Buffers ``body_mean``, ``body_std`` (117,) and ``hand_mean``, ``hand_std`` (66,) are the corpus statistics of the
    features.
    """

    body_mean: Tensor
    body_std: Tensor
    hand_mean: Tensor
    hand_std: Tensor

    def __init__(self, config: SignVAEConfig) -> None:
        super().__init__(config)
        self.features = Features()
        parts = {"body": (BODY_FEATURES, config.body_dim), "hand": (HAND_FEATURES, config.hand_dim)}
        self.encoders = nn.ModuleDict({name: Encoder(*sizes, config) for name, sizes in parts.items()})
        self.decoders = nn.ModuleDict({name: Decoder(*sizes, config) for name, sizes in parts.items()})
        for name, (features, _) in parts.items():
            self.register_buffer(f"{name}_mean", torch.zeros(features))
            self.register_buffer(f"{name}_std", torch.ones(features))

    @property
    def context_codes(self) -> int:
        return max(context_codes(decoder) for decoder in self.decoders.values())

    def standardised(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 79, 3) metres -> (B, T, 117) and (2B, T, 66) features of mean 0 and standard deviation 1."""
        body, hands = self.features(positions)
        return (body - self.body_mean) / self.body_std, (hands - self.hand_mean) / self.hand_std

    def encode(self, positions: Tensor) -> tuple[Tensor, Tensor]:  # (B, T, 79, 3) -> 2 x (B, D, T/stride)
        body, hands = self.standardised(positions)
        both = zip(
            self.encoders["body"](body.transpose(1, 2)), self.encoders["hand"](hands.transpose(1, 2)), strict=True
        )
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
        return self.features.inverse(body * self.body_std + self.body_mean, hands * self.hand_std + self.hand_mean)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Standardised features of body and hands from a sampled code, and the mean and log variance of the code."""
        mean, log_variance = self.encode(positions)
        body, hands = self.decode_features(mean + torch.randn_like(mean) * (0.5 * log_variance).exp())
        return body, hands, mean, log_variance
