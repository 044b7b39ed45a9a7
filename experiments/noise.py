"""What the noise that codes are made of does to motion: how calm it is, and how far two seeds of a sign differ.

The words that have real takes, signed alone from several kinds of noise: ``python -m experiments.noise``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from text2sign_ros.corpora import registry
from text2sign_ros.evaluation import learnt, metrics
from text2sign_ros.evaluation.isolated import single_signs
from text2sign_ros.evaluation.sign_retrieval import describe, distances
from text2sign_ros.inference.signer import Signer

KINDS = ((1.0, 0.0), (0.7, 0.0), (0.6, 1.0), (0.5, 2.5), (0.5, 6.0), (0.3, 6.0), (0.2, 6.0))
"""Standard deviation of the noise, and codes over which it is smoothed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for real takes and for each kind of noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/asl"))
    parser.add_argument("--data", type=Path, default=Path("data/asl_cafe"), help="folder of asl_cafe")
    parser.add_argument("--takes", type=int, default=4, help="how often each word is signed (default: 4)")
    parser.add_argument(
        "--undistilled", action="store_true", help="sign with the network of stage 3, in 4 guided steps"
    )
    options = parser.parse_args(arguments)
    held_out = [take for take in registry.read("asl_cafe", options.data) if take.split == "test" and take.unit]
    real = [take for take in held_out if take.unit is not None and take.unit.kind == "sign"]
    words = sorted({take.text for take in real})
    print("| standard deviation | smoothed over, codes | speed, m/s | frozen | jerk, m/s³ | seeds apart |")
    print("|---|---|---|---|---|---|")
    print(f"| real takes | | {_figures([take.clip.positions for take in real])} | |")
    signer = _signer(options.bundle, options.undistilled)
    for deviation, smoothing in KINDS:
        signer.bundle = replace(signer.bundle, temperature=deviation, noise_smoothing=smoothing)
        _, motions = single_signs(signer, words, options.takes)
        apart = []
        for first in range(0, len(motions), options.takes):
            shown = describe(motions[first : first + options.takes])
            apart.append(distances(shown, shown)[np.triu_indices(len(shown), 1)])
        print(f"| {deviation} | {smoothing} | {_figures(motions)} | {np.mean(apart):.3f} |", flush=True)
    signer.close()


def _signer(bundle: Path, undistilled: bool) -> Signer:
    if not undistilled:
        return Signer(bundle)
    networks = learnt.load(bundle)
    guidance = networks.config.distillation_stage.guidance
    return learnt.UndistilledSigner(bundle, networks, steps=4, guidance=guidance)


def _figures(motions: Sequence[np.ndarray]) -> str:
    """Speed of a keypoint of the hands, share of frames in which they are still, and jerk, as means over motions."""
    seconds = np.array([(len(motion) - 1) / 25.0 for motion in motions])
    speed = sum(map(metrics.travelled, motions)) / seconds.sum()
    frozen, jerk = (
        np.average([measure(motion, 25.0) for motion in motions], weights=seconds)
        for measure in (metrics.frozen_share, metrics.jerk)
    )
    return f"{speed:.3f} | {frozen:.1%} | {jerk:.0f}"


if __name__ == "__main__":
    main()
