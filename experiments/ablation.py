"""Does semantic supervision help, and at which noise levels? The same small budget for each kind, a few seeds.

``python -m experiments.ablation --takes 3``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from text2sign_ros import palette
from text2sign_ros.clip import write_whole
from text2sign_ros.evaluation import learnt
from text2sign_ros.evaluation.evaluate import Budget, accuracy, recogniser_of
from text2sign_ros.evaluation.isolated import single_signs
from text2sign_ros.evaluation.learnt import UndistilledSigner
from text2sign_ros.progress import progress_bar
from text2sign_ros.training import config as configuration
from text2sign_ros.training import diffusion
from text2sign_ros.training.config import SEMANTIC_FACTORS
from text2sign_ros.training.sentences import compose
from text2sign_ros.training.train import segments_of


def ablate(
    bundle: Path,
    config_path: Path,
    out: Path,
    *,
    takes: int,
    seeds: Sequence[int],
    guidances: Sequence[float],
    steps: int,
    recogniser_steps: int,
) -> dict[str, Any]:
    """Train a denoiser for every kind and seed (kept in ``out``) and let the recogniser read what each one signs.

    Args:
        bundle: whose SignVAE, aligner and text encoder are used.
        takes: generated clips of every sign.
        seeds: one training run for each.
        guidances, steps: how each denoiser is sampled.
        recogniser_steps: training steps of the recogniser.

    Returns:
        for each kind the held-out noise loss, and for each guidance the shares of words and letters read correctly:
        one number per seed.
    """
    base = configuration.load(config_path)
    torch.set_num_threads(base.threads)
    networks = learnt.load(bundle)
    base = replace(base, unet=replace(base.unet, latent_dim=networks.sign_vae.config.latent_dim))
    data, stage = base.data, base.diffusion_stage
    counts = {"train": data.sentences, "val": data.held_out_sentences}
    sentences = {split: compose(data.corpora, split, count, base.seed, out) for split, count in counts.items()}
    segments = {
        split: segments_of(base, composed, networks.sign_vae, networks.encoder) for split, composed in sentences.items()
    }
    recogniser = recogniser_of(sentences["train"], out, recogniser_steps)
    results: dict[str, Any] = {}
    bar = progress_bar([(kind, seed) for kind in SEMANTIC_FACTORS for seed in seeds], desc="kinds and seeds")
    for kind, seed in bar:
        folder = out / f"{kind}_{seed}"
        one = replace(base, seed=seed, diffusion_stage=replace(stage, semantic_factor=kind))
        denoiser = diffusion.train(one, segments["train"], segments["val"], networks.aligner, folder)
        denoiser.eval().requires_grad_(False)
        history = json.loads(torch.load(folder / "denoiser.checkpoint.pt", weights_only=True)["history"])
        kept = results.setdefault(kind, {"val_ddpm": []})
        kept["val_ddpm"].append(round(history[-1]["val_ddpm"], 4))
        for guidance in guidances:
            signer = UndistilledSigner(bundle, networks, denoiser=denoiser, steps=steps, guidance=guidance)
            labels, windows = single_signs(signer, recogniser.labels, takes)
            shares = accuracy(recogniser, windows, labels, segments["train"].letters)
            row = kept.setdefault(f"guidance_{guidance:g}", {"words": [], "letters": []})
            for part, values in row.items():
                values.append(round(shares[part], 4))
    return results


def picture(results: dict[str, Any], steps: int, path: Path) -> None:
    """Draw shares of letters and words read by kind and guidance: a dot for each seed and a bar for the mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    rows = [key for key in results[SEMANTIC_FACTORS[0]] if key.startswith("guidance")]
    for axes, key in zip(figure.subplots(1, len(rows), sharey=True, squeeze=False)[0], rows, strict=True):
        for i, kind in enumerate(SEMANTIC_FACTORS):
            for shift, part, colour in ((-0.15, "words", palette.COOL), (0.15, "letters", palette.WARM)):
                values = 100 * np.array(results[kind][key][part])
                axes.bar(i + shift, values.mean(), 0.28, color=colour, alpha=0.35, label=part if i == 0 else None)
                axes.plot(np.full(len(values), i + shift), values, "o", color=colour, markersize=4)
        axes.set(title=key.replace("_", " "), xticks=range(len(SEMANTIC_FACTORS)), xticklabels=SEMANTIC_FACTORS)
        axes.set_ylim(bottom=max(0, axes.get_ylim()[0]), top=101)
    figure.axes[0].set_ylabel("read correctly, %")
    figure.axes[0].legend(loc="upper left")
    seeds = len(results[SEMANTIC_FACTORS[0]]["val_ddpm"])
    figure.suptitle(f"Semantic supervision: {seeds} seeds, small budget, {steps} steps")
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment and print its results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/asl"))
    parser.add_argument("--config", type=Path, default=Path(__file__).with_suffix(".yaml"))
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="folder of the trained denoisers")
    parser.add_argument("--picture", type=Path, default=Path("docs/ablation.png"))
    parser.add_argument("--takes", type=int, default=4, help="generated clips of every sign (default: 4)")
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2), help="of the training runs (default: 0 1 2)")
    parser.add_argument("--guidances", type=float, nargs="+", default=(1.0, 2.0), help="to sample with (default: 1 2)")
    parser.add_argument("--steps", type=int, default=8, help="sampling steps (default: 8)")
    parser.add_argument("--recogniser-steps", type=int, default=Budget.recogniser_steps, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    results = ablate(
        options.bundle,
        options.config,
        options.out,
        takes=options.takes,
        seeds=options.seeds,
        guidances=options.guidances,
        steps=options.steps,
        recogniser_steps=options.recogniser_steps,
    )
    with write_whole(options.out / "ablation.json") as file:
        file.write(json.dumps(results, indent=1).encode())
    picture(results, options.steps, options.picture)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
