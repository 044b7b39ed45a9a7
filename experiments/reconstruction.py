"""How much of the motion the codes keep: SignVAEs of several sizes against PCA of the same size, on held-out takes.

``python -m experiments.reconstruction --steps 1000``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from text2sign_ros import palette, skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import FPS, Example
from text2sign_ros.evaluation.reconstruction import (
    WAVING,
    HandError,
    error_through,
    hand_error,
    posterior,
    rebuild,
    travelled,
    whole_codes,
)
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.training import config as training
from text2sign_ros.training.config import TrainConfig, VAEStage
from text2sign_ros.training.pose_loss import keypoint_weights
from text2sign_ros.training.train import Run

SIZES = ((10, 2), (20, 2), (40, 2), (60, 2), (20, 1), (20, 4))
"""(numbers per code, frames per code) compared by default."""
SHOWN = (20, 2)
"""The size whose HELLO is drawn by default: the paper's 20 numbers, at the stride of the bundle."""
TARGET_MM = 5.0
"""The project's target for the mean hand keypoint error."""


def pca_error(
    train_takes: Sequence[Example], takes: Sequence[Example], numbers: int, frames_per_code: int
) -> HandError:
    """The same error of PCA with ``numbers`` numbers for every ``frames_per_code`` frames, fitted on ``train_takes``.

    Raises:
        ValueError: as ``hand_error``.
    """
    return error_through(Projection(train_takes, numbers, frames_per_code).rebuild, takes)


class Projection:
    """PCA of motion: ``numbers`` numbers for every ``frames_per_code`` frames, fitted on takes.

    To be the strongest baseline of its kind it minimises the squares of the errors in the SignVAE's loss: of its
    offsets and of positions, in metres, with keypoints weighted as in training. On standardised features, or offsets
    alone, PCA loses more: an error of the wrist, which has little weight there, moves the whole hand.
    """

    def __init__(self, takes: Sequence[Example], numbers: int, frames_per_code: int) -> None:
        self._frames = frames_per_code
        self._layout = SignVAE(SignVAEConfig(channels=1, blocks=0))  # only its offsets are used; it isn't trained
        weight = keypoint_weights(VAEStage.hand_weight).sqrt().repeat_interleave(3)
        self._scale = torch.cat((weight, 0.5**0.5 * weight))  # positions count half, as in training
        motion = torch.cat([whole_codes(take.clip.positions, frames_per_code) for take in takes], dim=1)
        self._pca = PCA(numbers, svd_solver="covariance_eigh").fit(self._features(motion))

    def rebuild(self, positions: np.ndarray) -> np.ndarray:
        """(T, 79, 3) metres through the numbers and back."""
        numbers = self._pca.transform(self._features(whole_codes(positions, self._frames)))
        both = torch.from_numpy(self._pca.inverse_transform(numbers)).reshape(-1, len(self._scale)) / self._scale
        # What PCA returns is an affine combination of training frames, so its positions agree with its offsets.
        places = both[: len(positions), len(self._scale) // 2 :]
        return places.reshape(-1, skeleton.NUM_KEYPOINTS, 3).numpy()

    def _features(self, motion: Tensor) -> np.ndarray:  # (1, T, 79, 3) -> (codes, frames_per_code * 474)
        both = torch.cat((self._layout.offsets(motion), motion.flatten(2)), dim=2) * self._scale
        # With a covariance in single precision the error of PCA would be a quarter larger.
        return both.reshape(-1, self._frames * len(self._scale)).double().numpy()


def experiment(
    config: TrainConfig, folder: Path, picture: Path, *, sizes: Sequence[tuple[int, int]], shown: tuple[int, int]
) -> dict[str, Any]:
    """Train a SignVAE of every size, measure it and PCA on the test split, and draw both.

    Each size has its own folder: an interrupted training resumes there, and a finished one is loaded.

    Args:
        config: of the networks; latent size and stride are those of ``sizes``.
        sizes: (numbers per code, frames per code).
        shown: the size whose HELLO is drawn.

    Raises:
        CorpusError: the recordings are not where the configuration says.
        ConfigError: ``folder`` holds an experiment of another configuration.
    """
    takes = [take for corpus in config.data.corpora for take in registry.read(corpus.reader, Path(corpus.folder))]
    fit, held_out = ([take for take in takes if take.split == split] for split in ("train", "test"))
    shared = Run(config, folder)
    table: dict[str, Any] = {"steps": config.vae_stage.steps, "takes": len(held_out), "vae": [], "pca": []}
    waving = _typical([take for take in held_out if take.text == WAVING])
    hello = {}
    for numbers, stride in sizes:
        size = {"numbers": numbers, "frames_per_code": stride, "numbers_per_frame": numbers / stride}
        vae_config = replace(config.sign_vae, latent_dim=numbers, stride=stride)
        run = Run(replace(config, sign_vae=vae_config), folder / f"{numbers}_per_{stride}")
        run.sentences = shared.sentences  # composed once for all sizes
        results = asdict(hand_error(run.sign_vae, held_out)) | asdict(posterior(run.sign_vae, held_out))
        table["vae"].append(size | results)
        projection = Projection(fit, numbers, stride)
        table["pca"].append(size | asdict(error_through(projection.rebuild, held_out)))
        if (numbers, stride) == shown:
            motion = waving.clip.positions
            hello = {
                "recorded": motion,
                "PCA": projection.rebuild(motion),
                "SignVAE": rebuild(run.sign_vae, motion),
            }
    with write_whole(folder / "reconstruction.json") as file:
        file.write(json.dumps(table, indent=1).encode())
    draw(table, hello, shown, picture)
    return table


def _typical(takes: Sequence[Example]) -> Example:
    """The take whose hands travel the median distance."""
    return sorted(takes, key=travelled)[len(takes) // 2]


_COLOURS = {"recorded": palette.INK, "SignVAE": palette.COOL, "PCA": palette.WARM}
_MARKERS = {1: "s", 2: "o", 4: "^"}


def draw(table: dict[str, Any], hello: dict[str, np.ndarray], shown: tuple[int, int], path: Path) -> None:
    """Draw hand error against numbers per frame, and a fingertip in HELLO, (T, 79, 3) metres by method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes: dict[str, Any] = figure.subplot_mosaic([["error", "y"], ["error", "z"]], width_ratios=(1, 1.2))
    for name, key in (("PCA", "pca"), ("SignVAE", "vae")):
        rows = sorted(table[key], key=lambda row: row["numbers_per_frame"])
        for stride, marker in _MARKERS.items():
            points = [(row["numbers_per_frame"], row["mm"]) for row in rows if row["frames_per_code"] == stride]
            label = f"{name}, {stride} frames a code".replace("1 frames", "1 frame")
            axes["error"].plot(*zip(*points, strict=True), marker=marker, color=_COLOURS[name], label=label)
    axes["error"].axhline(TARGET_MM, color=palette.FAINT, linestyle=":", label=f"target, {TARGET_MM:g} mm")
    axes["error"].set(xlabel="numbers per frame", ylabel="mean hand keypoint error, mm", title="Held-out takes")
    axes["error"].set_ylim(bottom=0)
    axes["error"].legend(fontsize=8)
    tip = skeleton.INDEX["right_middle_tip"]
    for name, motion in hello.items():
        seconds = np.arange(len(motion)) / FPS
        for axis, part in (("y", 1), ("z", 2)):
            axes[axis].plot(seconds, 100 * motion[:, tip, part], color=_COLOURS[name], label=name, linewidth=1.6)
    numbers, stride = shown
    axes["y"].set(
        ylabel="to the left, cm", title=f"Right middle fingertip in HELLO, {numbers} numbers per {stride} frames"
    )
    axes["z"].set(ylabel="up, cm", xlabel="seconds")
    axes["y"].tick_params(labelbottom=False)
    axes["y"].legend(fontsize=8)
    for each in axes.values():
        each.spines[["top", "right"]].set_visible(False)
        each.grid(alpha=0.25)
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=120)


def _size(text: str) -> tuple[int, int]:
    numbers, frames = map(int, text.split("/"))
    return numbers, frames


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment and print its table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path(__file__).with_suffix(".yaml"))
    parser.add_argument("--out", type=Path, default=Path("runs/reconstruction"), help="folder of the trained SignVAEs")
    parser.add_argument("--picture", type=Path, default=Path("docs/reconstruction.png"))
    parser.add_argument("--steps", type=int, default=1000, help="training steps of each SignVAE (default: 1000)")
    parser.add_argument(
        "--sizes", type=_size, nargs="+", default=SIZES, metavar="NUMBERS/FRAMES", help="numbers and frames per code"
    )
    parser.add_argument("--shown", type=_size, default=SHOWN, metavar="NUMBERS/FRAMES", help="size to draw HELLO for")
    options = parser.parse_args(arguments)
    if options.shown not in options.sizes:
        parser.error("--shown must be one of --sizes")
    config = training.load(options.config)
    config = replace(config, vae_stage=replace(config.vae_stage, steps=options.steps))
    table = experiment(config, options.out, options.picture, sizes=options.sizes, shown=options.shown)
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
