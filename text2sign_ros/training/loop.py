"""The training loop of all stages: processes and devices, moving average, loss curve, checkpoints to resume from."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn

from text2sign_ros.clip import write_whole
from text2sign_ros.networks.precision import bfloat16_pays
from text2sign_ros.networks.saving import save
from text2sign_ros.progress import progress_bar
from text2sign_ros.training.config import StageConfig

Model = TypeVar("Model", bound=nn.Module)
LossFunction = Callable[[Model, np.random.Generator], dict[str, Tensor]]
"""(model, generator) -> named losses; "loss" is the one to minimise. Call the model, but do not access its attributes:
it may be wrapped for several processes. All randomness comes from the generator and from torch's default one, both
reseeded for every step and process, so that a resumed run continues as if it had never stopped."""


def fit(
    name: str,
    model: Model,
    loss: LossFunction[Model],
    config: StageConfig,
    folder: Path,
    *,
    seed: int,
    validate: LossFunction[Model],
) -> Model:
    """Train, or resume from the checkpoint in ``folder``; returns the moving average of the weights, on the CPU.

    Runs on the GPU if there is one, in bfloat16 where that is safe and pays, and in as many processes as ``accelerate
    launch`` started: each draws its own batches of ``config.batch`` examples, and gradients are averaged. Writes
    ``<name>.checkpoint.pt`` during training and the loss curve ``<name>.png`` at the end.
    """
    gpu = torch.cuda.is_available()
    # No buffer changes in training, and processes may call the model a different number of times in a step.
    processes = DistributedDataParallelKwargs(broadcast_buffers=False)
    precision = "bf16" if bfloat16_pays("cuda" if gpu else "cpu") else "no"
    # Without a GPU accelerate joins several processes only if it is told that the CPU is meant.
    accelerator = Accelerator(cpu=not gpu, mixed_precision=precision, kwargs_handlers=[processes])
    model.to(accelerator.device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
    )
    average = copy.deepcopy(model).eval().requires_grad_(False)
    checkpoint, history, first = folder / f"{name}.checkpoint.pt", [], 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location="cpu")  # loading copies to the device
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first, history = state["step"], json.loads(state["history"])
    folder.mkdir(parents=True, exist_ok=True)
    trained, optimizer = accelerator.prepare(model, optimizer)
    sums: dict[str, float] = {}
    main = accelerator.is_main_process
    bar = progress_bar(range(first, config.steps), desc=name, initial=first, total=config.steps, show=main)
    for step in bar:
        torch.manual_seed((seed * 1_000_003 + step) * 1_009 + accelerator.process_index)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, config)
        trained.train()
        losses = loss(trained, np.random.default_rng((seed, step, accelerator.process_index)))
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(losses["loss"])
        accelerator.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        decay = min(config.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        if not main:
            continue
        for key, value in losses.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
            count = (step % config.checkpoint_every) + 1
            row = {"step": step + 1} | {key: value / count for key, value in sums.items()}
            sums = {}
            row |= {f"val_{key}": value for key, value in _validate(average, validate, seed).items()}
            history.append(row)
            bar.set_postfix({key: f"{value:.4g}" for key, value in row.items() if key != "step"})
            state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            save({**state, "step": step + 1, "history": json.dumps(history)}, checkpoint)
    accelerator.wait_for_everyone()
    if main:
        _plot(name, history, folder / f"{name}.png")
    return average.cpu()


def _schedule(step: int, config: StageConfig) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    part = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * part)))


@torch.no_grad()
def _validate(model: Model, validate: LossFunction[Model], seed: int) -> dict[str, float]:
    batches = 8
    sums: dict[str, float] = {}
    for i in range(batches):
        torch.manual_seed(seed + i)
        for key, value in validate(model, np.random.default_rng((seed, i))).items():
            sums[key] = sums.get(key, 0.0) + float(value) / batches
    return sums


def _plot(name: str, history: Iterable[dict[str, float]], path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    rows = list(history)
    keys = [key for key in rows[0] if key != "step" and not key.startswith("val_")]
    figure = Figure(figsize=(4 * len(keys), 3.2), layout="constrained")
    for axes, key in zip(np.atleast_1d(figure.subplots(1, len(keys))), keys, strict=True):
        for label in (key, f"val_{key}"):
            axes.plot([row["step"] for row in rows], [row[label] for row in rows], label=label)
        axes.set(title=f"{name}: {key}", xlabel="step", yscale="log" if rows[-1][key] > 0 else "linear")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend()
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)
