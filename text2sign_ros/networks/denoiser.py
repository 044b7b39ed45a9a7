"""The denoiser of stage 3: the U-Net, and the duration predictor trained with it."""

from __future__ import annotations

from torch import Tensor, nn

from text2sign_ros.networks.duration import DurationPredictor
from text2sign_ros.networks.unet import UNet, UNetConfig


class Denoiser(nn.Module):
    """The U-Net and the duration predictor, which stage 3 trains together."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.unet = UNet(config)
        self.duration = DurationPredictor(config.text_dim)

    def forward(
        self, x: Tensor, time: Tensor, roles: Tensor, tokens: Tensor, mask: Tensor, sentence: Tensor, use_text: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted noise and plan (B, D, N), see ``UNet``, and the text's duration (B,) in seconds."""
        noise, plan = self.unet.predict(x, time, roles, tokens, mask, sentence, use_text)
        return noise, plan, self.duration(tokens, mask)

    def fit_whitening(self, tokens: Tensor, sentence: Tensor) -> None:
        """Take the statistics of token (n, 384) and sentence embeddings (m, 384)."""
        self.unet.whiten_sentence.fit(sentence)
        self.unet.whiten_tokens.fit(tokens)
        self.duration.whiten.fit(tokens)
