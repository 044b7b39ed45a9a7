"""Does semantic supervision help, and when in the noise? The same small budget for each kind, three seeds."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from text2sign_ros.clip import write_whole
from text2sign_ros.evaluation import learnt
from text2sign_ros.evaluation.evaluate import accuracy, alone, recogniser_of
from text2sign_ros.evaluation.learnt import UndistilledSigner
from text2sign_ros.training import config as configuration
from text2sign_ros.training import diffusion
from text2sign_ros.training.config import SEMANTIC_FACTORS
from text2sign_ros.training.sentences import compose
from text2sign_ros.training.train import segments_of

SEEDS = (0, 1, 2)
GUIDANCES = (1.0, 2.0)
STEPS = 8


def ablate(bundle: Path, config_path: Path, out: Path, *, takes: int) -> dict[str, Any]:
    """Train a denoiser for every kind and seed (kept in ``out``) and let the recogniser read what each signs.

    Args:
        bundle: its SignVAE, aligner and text encoder are used, and training starts from them.
        takes: generated clips of every sign.

    Returns:
        for each kind the held-out noise loss, and for each guidance the shares of words and letters read rightly: one
        figure a seed.
    """
    base = configuration.load(config_path)
    torch.set_num_threads(base.threads)
    networks = learnt.load(bundle)
    data, stage = base.data, base.diffusion_stage
    counts = {"train": data.sentences, "val": data.held_out_sentences}
    sentences = {split: compose(data.corpora, split, count, base.seed, out) for split, count in counts.items()}
    segments = {
        split: segments_of(base, composed, networks.sign_vae, networks.encoder) for split, composed in sentences.items()
    }
    recogniser = recogniser_of(sentences["train"], out)
    figures: dict[str, Any] = {}
    bar = tqdm([(kind, seed) for kind in SEMANTIC_FACTORS for seed in SEEDS], desc="kinds and seeds")
    for kind, seed in bar:
        folder = out / f"{kind}_{seed}"
        one = replace(base, seed=seed, diffusion_stage=replace(stage, semantic_factor=kind))
        denoiser = diffusion.train(one, segments["train"], segments["val"], networks.aligner, folder)
        denoiser.eval().requires_grad_(False)
        history = json.loads(torch.load(folder / "denoiser.checkpoint.pt", weights_only=True)["history"])
        kept = figures.setdefault(kind, {"val_ddpm": []})
        kept["val_ddpm"].append(round(history[-1]["val_ddpm"], 4))
        for guidance in GUIDANCES:
            signer = UndistilledSigner(bundle, networks, denoiser=denoiser, steps=STEPS, guidance=guidance)
            labels, windows = alone(signer, recogniser.labels, takes)
            shares = accuracy(recogniser, windows, labels, segments["train"].letters)
            row = kept.setdefault(f"guidance_{guidance:g}", {"words": [], "letters": []})
            for part, values in row.items():
                values.append(round(shares[part], 4))
    return figures


def picture(figures: dict[str, Any], path: Path) -> None:
    """Letters and words read, a dot a seed and a bar for the mean, by kind and guidance."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    rows = [key for key in figures[SEMANTIC_FACTORS[0]] if key.startswith("guidance")]
    for axes, key in zip(figure.subplots(1, len(rows), sharey=True), rows, strict=True):
        for i, kind in enumerate(SEMANTIC_FACTORS):
            for shift, part, colour in ((-0.15, "words", "#3f6ea8"), (0.15, "letters", "#b4563c")):
                values = 100 * np.array(figures[kind][key][part])
                axes.bar(i + shift, values.mean(), 0.28, color=colour, alpha=0.35, label=part if i == 0 else None)
                axes.plot(np.full(len(values), i + shift), values, "o", color=colour, markersize=4)
        axes.set(title=key.replace("_", " "), xticks=range(len(SEMANTIC_FACTORS)), xticklabels=SEMANTIC_FACTORS)
        axes.set_ylim(bottom=max(0, axes.get_ylim()[0]), top=101)
    figure.axes[0].set_ylabel("read rightly, %")
    figure.axes[0].legend(loc="upper left")
    figure.suptitle(f"Semantic supervision: {len(SEEDS)} seeds, small budget, {STEPS} steps")
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/asl_cafe"))
    parser.add_argument("--config", type=Path, default=Path("config/train/ablation.yaml"))
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="folder of the trained denoisers")
    parser.add_argument("--picture", type=Path, default=Path("docs/ablation.png"))
    parser.add_argument("--takes", type=int, default=4, help="generated clips of every sign (default: 4)")
    options = parser.parse_args()
    figures = ablate(options.bundle, options.config, options.out, takes=options.takes)
    with write_whole(options.out / "ablation.json") as file:
        file.write(json.dumps(figures, indent=1).encode())
    picture(figures, options.picture)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
