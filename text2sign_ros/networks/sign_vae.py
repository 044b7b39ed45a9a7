"""SignVAE: pose sequences <-> 20-dimensional latent codes (stage 1 of Text2Sign Diffusion, arXiv 2509.10845).

From the paper: a variational autoencoder over pose sequences with a 20-dimensional code. Ours: temporal convolutions,
the stride, and a causal decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.networks.pose_vae import Conv, PoseVAE, ResBlock, SignVAEConfig, Upsample, context_codes

# Hands are relative to their wrists, the face to the nose: details far smaller than arm movements are coded separately.
_PARENTS = [
    *range(11),
    *[skeleton.INDEX["nose"]] * 26,
    *[skeleton.INDEX["left_wrist"]] * 21,
    *[skeleton.INDEX["right_wrist"]] * 21,
]
_NUM_FEATURES = skeleton.NUM_KEYPOINTS * 3


class Encoder(nn.Module):
    def __init__(self, config: SignVAEConfig) -> None:
        super().__init__()
        width = config.channels
        layers: list[nn.Module] = [Conv(_NUM_FEATURES, width)]
        layers += [ResBlock(width, causal=False, dilation=1) for _ in range(config.blocks)]
        for _ in range(config.stride.bit_length() - 1):
            layers += [nn.Conv1d(width, width, 2, stride=2)]
            layers += [ResBlock(width, causal=False, dilation=2**i) for i in range(config.blocks)]
        self.layers = nn.Sequential(*layers, nn.SiLU(), nn.Conv1d(width, 2 * config.latent_dim, 1))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:  # (B, 237, T) -> 2 x (B, D, T/stride)
        mean, log_variance = self.layers(features).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 6.0)


class Decoder(nn.Module):
    def __init__(self, config: SignVAEConfig) -> None:
        super().__init__()
        width = config.channels
        layers: list[nn.Module] = [Conv(config.latent_dim, width, causal=True)]
        layers += [ResBlock(width, causal=True, dilation=1) for _ in range(config.blocks)]
        for _ in range(config.stride.bit_length() - 1):
            layers += [Upsample()]
            layers += [ResBlock(width, causal=True, dilation=2**i) for i in range(config.blocks)]
        self.layers = nn.Sequential(*layers, nn.SiLU(), nn.Conv1d(width, _NUM_FEATURES, 1))

    def forward(self, codes: Tensor) -> Tensor:  # (B, D, N) -> (B, 237, stride*N)
        return self.layers(codes)


class SignVAE(PoseVAE):
    """One code for everything.

    Buffers ``mean`` and ``std`` (237,) hold the corpus statistics of the features (a keypoint's position relative to
    its parent: body to the origin, face to the nose, hands to their wrists).
    """

    parents: Tensor
    mean: Tensor
    std: Tensor
    relative: Tensor

    def __init__(self, config: SignVAEConfig) -> None:
        super().__init__(config)
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        is_root = torch.tensor([p == i for i, p in enumerate(_PARENTS)])
        self.register_buffer("parents", torch.tensor(_PARENTS))
        self.register_buffer("relative", (~is_root).float()[:, None])
        self.register_buffer("mean", torch.zeros(_NUM_FEATURES))
        self.register_buffer("std", torch.ones(_NUM_FEATURES))

    @property
    def context_codes(self) -> int:
        return context_codes(self.decoder)

    def offsets(self, positions: Tensor) -> Tensor:  # (B, T, 79, 3) -> (B, T, 237)
        return (positions - self.relative * positions[:, :, self.parents]).flatten(2)

    def encode(self, positions: Tensor) -> tuple[Tensor, Tensor]:  # (B, T, 79, 3) -> 2 x (B, D, T/stride)
        return self.encoder(((self.offsets(positions) - self.mean) / self.std).transpose(1, 2))

    def decode(self, codes: Tensor) -> Tensor:  # (B, D, N) -> (B, T, 79, 3) metres
        features = self.decoder(codes).transpose(1, 2) * self.std + self.mean
        offsets = features.unflatten(2, (skeleton.NUM_KEYPOINTS, 3))
        return offsets + self.relative * offsets[:, :, self.parents]

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction (B, T, 79, 3) from a sampled code, and the code's mean and log variance."""
        mean, log_variance = self.encode(positions)
        codes = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decode(codes), mean, log_variance
