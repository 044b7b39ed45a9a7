"""A reader of whole sentences, trained on real takes only: motion to the signs and letters that it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.corpora.resampling import interpolate
from text2sign_ros.corpora.variation import paced, turned
from text2sign_ros.errors import Text2SignError
from text2sign_ros.evaluation.recogniser import descend, features
from text2sign_ros.networks.precision import bfloat16_pays
from text2sign_ros.progress import progress_bar
from text2sign_ros.training.sentences import Sentences

_DILATIONS = (1, 2, 4, 8)
_BLANK = 0
_LEAST_FRAMES = 8
"""At the fastest pace too, a unit needs two steps: one for itself and one for the blank between doubled letters."""
_READ_BATCH = 32
_ARM_DEGREES, _HAND_DEGREES = 4.0, 8.0
"""Standard deviations of the angles by which arms and hands are turned in training."""
_LEARNING_RATE = 2e-3


class ReaderError(Text2SignError):
    """A motion can't be read, or sentences can't be trained on."""


class Reader(nn.Module):
    """Motion -> signs and letters, by connectionist temporal classification (Graves et al., ICML 2006).

    A step is two frames; dilated convolutions over the steps see 62 frames, 2.5 s: a sign or a few letters, not the
    sentence. So the reader judges what is shown and can't guess a word from its usual neighbours, and its output
    depends neither on distant frames nor on the other motions of a call. Its input features are those of the recogniser
    of single signs.

    Args:
        units: what can be read: signs ("thank you") and letters ("g").
        width: channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, units: Sequence[str], width: int = 192) -> None:
        super().__init__()
        self.units = tuple(units)
        self.width = width
        size = features(np.zeros((2, skeleton.NUM_KEYPOINTS, 3), np.float32)).shape[-1]
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.enter = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * size, width))
        self.blocks = nn.ModuleList(_Block(width, dilation) for dilation in _DILATIONS)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, 1 + len(self.units)))

    def hidden(self, x: Tensor, frames: Tensor) -> Tensor:
        """(B, T, F) features, T even, the first (B,) ``frames`` valid -> (B, T // 2, width)."""
        x = ((x - self.mean) / self.std).unflatten(1, (-1, 2)).flatten(2)
        beyond = _beyond(frames // 2, x.shape[1])
        x = self.enter(x)
        for block in self.blocks:
            x = block(x, beyond)
        return self.norm(x)

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        """As ``hidden``, but -> (B, T // 2, 1 + units) logits, the blank first."""
        return self.leave(self.hidden(x, frames))

    @torch.no_grad()
    def read(self, motions: Sequence[np.ndarray]) -> list[list[str]]:
        """Read motions (T, 79, 3), metres at 25 fps: the best path with repeats merged and blanks removed.

        Raises:
            ReaderError: a motion has another shape, fewer than two frames, or numbers that are not finite.
        """
        read = []
        for x, frames in self._batches(motions):
            for path, length in zip(self(x, frames).argmax(dim=-1), frames // 2, strict=True):
                merged = torch.unique_consecutive(path[:length]).tolist()
                read.append([self.units[i - 1] for i in merged if i != _BLANK])
        return read

    @torch.no_grad()
    def embed(self, motions: Sequence[np.ndarray]) -> np.ndarray:
        """(n, width) float32, hidden features of each motion averaged over time, for a Fréchet distance.

        Raises:
            ReaderError: as ``read``.
        """
        rows = [np.zeros((0, self.width), np.float32)]
        for x, frames in self._batches(motions):
            steps = frames // 2  # an odd last frame is left out
            hidden = self.hidden(x, frames).masked_fill(_beyond(steps, x.shape[1] // 2), 0.0)
            rows.append((hidden.sum(dim=1) / steps[:, None]).numpy())
        return np.concatenate(rows)

    def _batches(self, motions: Sequence[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
        self.eval()
        for number, motion in enumerate(motions):
            _check(motion, number)
        for first in range(0, len(motions), _READ_BATCH):
            yield _pad([np.asarray(m, np.float32) for m in motions[first : first + _READ_BATCH]])


class _Block(nn.Module):
    """A residual block: a dilated convolution over time, then a layer that mixes channels."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.look = nn.Linear(3 * width, width)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor, beyond: Tensor) -> Tensor:  # (B, T, width), (B, T, 1) -> (B, T, width)
        # Steps beyond the end are zero, like the padding of a motion read alone. The convolution is one matrix product
        # over shifted copies: in bfloat16 on a CPU a quarter faster than nn.Conv1d, without transposing.
        near = self.norm(x).masked_fill(beyond, 0.0)
        padded = F.pad(near, (0, 0, self.dilation, self.dilation))
        seen = torch.cat((padded[:, : x.shape[1]], near, padded[:, 2 * self.dilation :]), dim=-1)
        return x + self.dropout(self.mix(F.gelu(self.look(seen))))


def train(sentences: Sentences, *, steps: int, seed: int, batch: int = 16) -> Reader:
    """Train on composed sentences of real takes, each time varied in pace, body size and arm angles.

    Args:
        sentences: of the training split.
        steps: optimiser steps.
        seed: of all randomness.
        batch: sentences per step.

    Raises:
        ReaderError: a sentence is too short for its signs to be told apart.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Reader(np.unique(sentences.labels).tolist())
    number = {unit: i for i, unit in enumerate(model.units, start=1)}
    ends = np.searchsorted(sentences.unit_sentence, np.arange(len(sentences.starts)))
    targets = [torch.tensor([number[unit] for unit in said]) for said in sentences.said]
    for i, target in enumerate(targets):
        signed = sentences.unit_stops[ends[i + 1] - 1] - sentences.unit_starts[ends[i]]
        if signed < _LEAST_FRAMES * len(target):
            raise ReaderError(
                f"sentence {i} signs {len(target)} units in {signed} frames; give at least {_LEAST_FRAMES} per unit"
            )
    lengths = np.diff(sentences.starts)
    _set_statistics(model, sentences, ends, rng)

    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps, pct_start=0.1)
    chosen = _of_like_length(lengths, min(batch, len(lengths)), rng)
    bar = progress_bar(range(steps), desc="reader")
    model.train()
    for _ in bar:
        which = next(chosen)
        x, frames = _pad([varied(_cropped(sentences, ends, i, rng), rng) for i in which])
        x = x + 0.1 * model.std * torch.randn_like(x)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_pays("cpu")):
            logits = model(x, frames)
        loss = F.ctc_loss(
            logits.float().log_softmax(dim=-1).transpose(0, 1),
            torch.cat([targets[i] for i in which]),
            frames // 2,
            torch.tensor([len(targets[i]) for i in which]),
            blank=_BLANK,
        )
        descend(loss, model, optimizer, schedule)
        bar.set_postfix(loss=f"{float(loss.detach()):.3f}")
    return model.eval()


def _of_like_length(lengths: np.ndarray, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches of sentences of similar length, in epochs that use every sentence about once."""
    while True:
        order = np.argsort(lengths * rng.uniform(0.85, 1.15, len(lengths)))
        batches = [order[i : i + batch] for i in range(0, len(order) - batch + 1, batch)]
        for i in rng.permutation(len(batches)):
            yield batches[i]


def _cropped(sentences: Sentences, ends: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """(T, 79, 3) of a sentence with a random part of the rest before it and of what follows its last sign."""
    first, last = ends[number], ends[number + 1] - 1
    start = rng.integers(sentences.starts[number], sentences.unit_starts[first] + 1)
    stop = rng.integers(sentences.unit_stops[last], sentences.starts[number + 1] + 1)
    return sentences.positions[start:stop].astype(np.float32)


def varied(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same motion at another, changing pace, with another body size and other arm angles."""
    at = paced(len(motion), rng, overall=0.1, changes=0.15)
    motion = interpolate(motion, at) * np.float32(rng.uniform(0.92, 1.08))
    return turned(motion, rng, arms=_ARM_DEGREES, hands=_HAND_DEGREES)


def _set_statistics(model: Reader, sentences: Sentences, ends: np.ndarray, rng: np.random.Generator) -> None:
    # From varied motion: otherwise a hand that rests in all sentences would have almost no variance.
    some = rng.choice(len(ends) - 1, min(200, len(ends) - 1), replace=False)
    seen = torch.from_numpy(np.concatenate([features(varied(_cropped(sentences, ends, i, rng), rng)) for i in some]))
    model.mean.copy_(seen.mean(dim=0))
    model.std.copy_(seen.std(dim=0).clamp(min=1e-4))


def _pad(motions: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Features (B, T, F), T even, and the number of valid frames (B,) of each."""
    rows = [torch.from_numpy(features(motion)) for motion in motions]
    frames = torch.tensor([len(row) for row in rows])
    x = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return F.pad(x, (0, 0, 0, x.shape[1] % 2)), frames


def _beyond(lengths: Tensor, size: int) -> Tensor:
    """(B, size, 1): false within each length, true beyond."""
    return (torch.arange(size) >= lengths[:, None])[..., None]


def _check(motion: np.ndarray, number: int) -> None:
    if np.ndim(motion) != 3 or np.shape(motion)[1:] != (skeleton.NUM_KEYPOINTS, 3):
        raise ReaderError(f"motion {number} has shape {np.shape(motion)}; give (frames, {skeleton.NUM_KEYPOINTS}, 3)")
    if len(motion) < 2:
        raise ReaderError(f"motion {number} has {len(motion)} frames; give at least 2")
    if not np.isfinite(motion).all():
        raise ReaderError(f"motion {number} has numbers that are not finite; remove such frames before reading")
