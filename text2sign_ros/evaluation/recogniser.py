"""A recogniser of single signs and letters, trained on real takes only, to evaluate generated motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.corpora.resampling import interpolate
from text2sign_ros.progress import progress_bar
from text2sign_ros.training.sentences import Sentences

_FRAMES = 32
"""A window (a sign and the movement toward it) is resampled to this many frames."""


class Recogniser(nn.Module):
    """Window of motion -> label.

    Its input is hand shapes relative to the wrists, arms relative to the body, and all their velocities; not the face.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, labels: Sequence[str], width: int = 192) -> None:
        super().__init__()
        self.labels = tuple(labels)
        size = features(np.zeros((2, skeleton.NUM_KEYPOINTS, 3), np.float32)).shape[-1]
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.enter = nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Dropout(0.3))
        self.rnn = nn.GRU(width, width // 2, num_layers=2, bidirectional=True, batch_first=True, dropout=0.3)
        self.leave = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * width, len(self.labels)))

    def forward(self, x: Tensor) -> Tensor:  # (B, 32, F) -> (B, labels)
        hidden, _ = self.rnn(self.enter((x - self.mean) / self.std))
        return self.leave(torch.cat((hidden.mean(dim=1), hidden.amax(dim=1)), dim=1))

    @torch.no_grad()
    def read(self, windows: Sequence[np.ndarray]) -> list[str]:
        """The label of each window (T, 79, 3), metres; T at least 2."""
        self.eval()
        seen = torch.from_numpy(np.stack([features(_resample(window)) for window in windows]))
        return [self.labels[i] for i in self(seen).argmax(dim=1)]


def train(sentences: Sentences, *, steps: int, seed: int, batch: int = 128) -> Recogniser:
    """Train on the signs of composed sentences of real takes; all labels are sampled equally often."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    windows = real_windows(sentences)
    seen = torch.from_numpy(np.stack([features(_resample(w)) for w in windows]))
    labels, target = np.unique(sentences.labels, return_inverse=True)
    weight = 1.0 / np.bincount(target)[target]
    model = Recogniser(labels.tolist())
    model.mean.copy_(seen.mean(dim=(0, 1)))
    model.std.copy_(seen.std(dim=(0, 1)).clamp(min=1e-3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    bar = progress_bar(range(steps), desc="recogniser")
    model.train()
    for _ in bar:
        chosen = rng.choice(len(target), batch, p=weight / weight.sum())
        x = seen[chosen]
        x = x + 0.1 * model.std * torch.randn_like(x)
        shift = int(rng.integers(-4, 5))  # the exact start of a sign is unknown
        x = torch.roll(x, shift, dims=1)[:, max(0, shift) : _FRAMES + min(0, shift)]
        loss = F.cross_entropy(model(x), torch.from_numpy(target[chosen]), label_smoothing=0.1)
        descend(loss, model, optimizer, schedule)
        bar.set_postfix(loss=f"{float(loss.detach()):.3f}")
    return model.eval()


def descend(
    loss: Tensor,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    """One optimiser step, with the gradient norm clipped to one."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()


def real_windows(sentences: Sentences) -> list[np.ndarray]:
    """(T, 79, 3) of every sign of the sentences, the movement toward it included."""
    spans = zip(sentences.unit_starts, sentences.unit_stops, strict=True)
    return [sentences.positions[start:stop].astype(np.float32) for start, stop in spans]


def _resample(window: np.ndarray) -> np.ndarray:
    return interpolate(window, np.linspace(0, len(window) - 1, _FRAMES))


def features(window: np.ndarray) -> np.ndarray:
    """(T, 79, 3) metres -> (T, F): hands from their wrists, wrists and elbows from the nose, and all velocities."""
    parts = []
    for side in ("left", "right"):
        wrist = window[:, skeleton.INDEX[f"{side}_wrist"], None]
        parts.append((window[:, skeleton.GROUPS[f"{side}_hand"]] - wrist)[:, 1:])
        arm = [skeleton.INDEX[f"{side}_elbow"], skeleton.INDEX[f"{side}_wrist"]]
        parts.append(window[:, arm] - window[:, [skeleton.INDEX["nose"]]])
    still = np.concatenate(parts, axis=1).reshape(len(window), -1)
    return np.concatenate((still, np.gradient(still, axis=0)), axis=1).astype(np.float32)
