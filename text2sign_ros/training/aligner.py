"""Stage 2: train the cross-modal aligner on segments and their texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor

from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.training.config import TrainConfig
from text2sign_ros.training.loop import fit
from text2sign_ros.training.segments import Segments


def train(config: TrainConfig, segments: Segments, held_out: Segments, folder: Path) -> Aligner:
    """Train, or resume from the checkpoint in ``folder``."""

    def losses(data: Segments):
        def compute(model: Aligner, rng: np.random.Generator) -> dict[str, Tensor]:
            batch = data.batch(rng, config.aligner_stage.batch).to(PartialState().device)
            # Noisy codes as well as clean ones: the diffusion's predictions, which it will score, are not clean.
            scale = torch.rand(2, len(batch.codes), 1, 1, device=batch.codes.device)
            noisy = batch.codes + scale[0] * (scale[1] < 0.5) * torch.randn_like(batch.codes)
            same = (batch.text[:, None] == batch.text[None]).float()
            scores, loss = model(noisy, batch.new, batch.tokens, batch.mask, batch.sentence, same)
            found = same.gather(1, scores.argmax(dim=1, keepdim=True)).mean()
            return {"loss": loss, "pose_to_text": found}

        return compute

    torch.manual_seed(config.seed)
    model = Aligner(config.aligner)
    return fit(
        "aligner", model, losses(segments), config.aligner_stage, folder, seed=config.seed, validate=losses(held_out)
    )
