"""Generated signs beside real takes: a sheet of moments, and the speed of the hands.

``python -m experiments.pictures`` and ``python -m experiments.pictures --corpus galt --pictures docs/galt``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text2sign_ros import palette, skeleton
from text2sign_ros.clip import SignClip, write_whole
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import FPS
from text2sign_ros.corpora.composition import Composer
from text2sign_ros.drawing import contact_sheet
from text2sign_ros.inference.signer import RETURN_FRAMES, Signer

SHOWN = {
    "asl_cafe": ("hello", "thank you", "coffee", "father", "happy", "how much", "water", "g", "k", "j"),
    "galt": ("answer", "apple", "baby", "bicycle", "book", "bread", "brother", "butterfly", "chocolate", "cold"),
}
"""The signs shown of each corpus."""
HELD_OUT, ONLY = "real held-out takes", "the recordings it learnt from, there are no others,"
MOMENTS = (0.4, 0.7, 1.0)
"""The moments of a sign to show, as fractions of its length; before them the hands rise from rest."""


@dataclass(frozen=True)
class Pairs:
    """Real and generated clip of each sign, and what the real ones are."""

    clips: dict[str, tuple[SignClip, SignClip]]
    real: str


def pairs(bundle: Path, corpus: str, data: Path, signs: Sequence[str], seed: int) -> Pairs:
    """(real, generated) of each sign, from rest to the end of the sign, and what the real takes are."""
    takes = registry.read(corpus, data)
    held_out = [take for take in takes if take.split == "test"]
    real = Composer(take for take in held_out or takes if take.unit is not None)
    signer, rng = Signer(bundle), np.random.default_rng(seed)
    shown = {}
    for label in signs:
        composed = real.compose([label], rng)
        end = composed.spans[0][1]
        motion = np.concatenate(list(signer.stream(signer.plan(label), seed=seed)))[:-RETURN_FRAMES]
        shown[label] = (
            SignClip(composed.clip.positions[:end], composed.clip.confidence[:end], FPS),
            SignClip(motion, np.ones(motion.shape[:2], np.float32), FPS),
        )
    return Pairs(shown, HELD_OUT if held_out else ONLY)


def sheet(pairs: Pairs, path: Path) -> None:
    """Draw a row for each sign: three moments of the real take, then the same of the generated one."""
    captions, positions, confidence = [], [], []
    for label, two in pairs.clips.items():
        for clip, name in zip(two, ("real take", "generated"), strict=True):
            at = (np.array(MOMENTS) * (len(clip) - 1)).astype(int)
            positions.append(clip.positions[at])
            confidence.append(clip.confidence[at])
            captions.append((f"{label}: {name}", len(at)))
    moments = SignClip(np.concatenate(positions), np.concatenate(confidence), FPS)
    contact_sheet(moments, captions, path, notice=f"left {pairs.real}, right generated", columns=6)


def speeds(shown: dict[str, tuple[SignClip, SignClip]], path: Path) -> None:
    """Draw the mean speed of the hand keypoints over time for each sign."""
    from matplotlib.figure import Figure

    rows = -(-len(shown) // 5)
    figure = Figure(figsize=(13, 2.5 * rows), layout="constrained")
    places = figure.subplots(rows, 5, sharey=True, squeeze=False).flat
    for (label, two), axes in zip(shown.items(), places, strict=False):
        for clip, name, colour in zip(two, ("real", "generated"), (palette.COOL, palette.WARM), strict=True):
            speed = FPS * np.linalg.norm(np.diff(clip.positions[:, skeleton.HANDS], axis=0), axis=-1).mean(axis=1)
            axes.plot(np.arange(len(speed)) / FPS, speed, label=name, color=colour)
        axes.set(title=label, xlabel="seconds")
    figure.axes[0].set_ylabel("hands, m/s")
    figure.axes[0].legend()
    for axes in places:  # unused
        axes.remove()
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw real_and_generated.png and speeds.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/asl"))
    parser.add_argument("--corpus", choices=SHOWN, default="asl_cafe")
    parser.add_argument("--data", type=Path, help="its folder (default: data/CORPUS)")
    parser.add_argument("--pictures", type=Path, default=Path("docs"), help="folder to write into")
    parser.add_argument("--signs", nargs="+", help="signs to show")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    data, signs = options.data or Path("data", options.corpus), options.signs or SHOWN[options.corpus]
    shown = pairs(options.bundle, options.corpus, data, signs, options.seed)
    options.pictures.mkdir(parents=True, exist_ok=True)
    sheet(shown, options.pictures / "real_and_generated.png")
    speeds(shown.clips, options.pictures / "speeds.png")


if __name__ == "__main__":
    main()
