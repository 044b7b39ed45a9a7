"""How much of the motion a code keeps: SignVAEs of several sizes beside PCA of the same size, on held-out takes.

``python -m text2sign_ros.evaluation.reconstruction --config config/train/reconstruction.yaml --out runs/reconstruction
--picture docs/reconstruction.png --steps 1000``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor
from tqdm import tqdm

from text2sign_ros import skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.corpora.base import FPS, Example, Kind
from text2sign_ros.corpora.registry import reader
from text2sign_ros.networks.sign_vae import SignVAE, SignVAEConfig
from text2sign_ros.training import config as training
from text2sign_ros.training.config import TrainConfig, VAEStage
from text2sign_ros.training.train import Run
from text2sign_ros.training.vae import keypoint_weights

SIZES = ((10, 2), (20, 2), (40, 2), (60, 2), (20, 1), (20, 4))
"""(numbers of a code, frames it stands for) that the experiment compares."""
SHOWN = (20, 2)
"""The size whose HELLO is drawn: the paper's 20 numbers, at the stride of the bundle."""
BAR_MM = 5.0

_SIDES = {side: skeleton.GROUPS[f"{side}_hand"] for side in ("left", "right")}
_AT_REST = 1e-3  # metres; no tracked hand stays this near the rest pose for a whole take
_ACTIVE_VARIANCE = 0.01
_WAVING = "hello"


@dataclass(frozen=True)
class HandError:
    """How far rebuilt hands are from recorded ones, over all takes measured.

    Means run over keypoints observed in a frame, so that a take counts by its frames. A hand that was out of view,
    which the corpus reader put into the rest pose, is no observation: it is easily rebuilt and would flatter.

    Attributes:
        mm: mean distance of a hand keypoint from where it was, millimetres.
        words_mm, letters_mm: the same over takes of words and of letters.
        with_resting_mm: the same over all takes with the hands at rest counted as well, as the training curve does.
        velocity_mm: mean length of the difference in velocity, millimetres per frame of 1/25 s.
        distance_ratio: way the hand keypoints travel when rebuilt over the way they travelled.
        hello_distance_ratio: the same over takes of "hello", which waves: 1 keeps the wave, a smeared one is shorter.
    """

    mm: float
    words_mm: float
    letters_mm: float
    with_resting_mm: float
    velocity_mm: float
    distance_ratio: float
    hello_distance_ratio: float


@dataclass(frozen=True)
class Posterior:
    """Whether the encoder uses its code, over all codes of the takes measured; units in their own order.

    Attributes:
        active: units whose posterior mean has a variance over the data above 0.01 (Burda et al. 2016, section 4.2).
        variances: (D,) those variances; the prior's is 1.
        kl: (D,) mean divergence of the posterior from the prior, nats a code.
    """

    active: int
    variances: tuple[float, ...]
    kl: tuple[float, ...]


def hand_error(vae: SignVAE, takes: Sequence[Example]) -> HandError:
    """Error of the takes rebuilt from the mean of their codes.

    Raises:
        ValueError: there is not at least one word, one letter and one "hello" among the takes.
    """
    return _error(lambda positions: rebuild(vae, positions), takes)


def pca_error(
    train_takes: Sequence[Example], takes: Sequence[Example], numbers: int, frames_per_code: int
) -> HandError:
    """The same error of PCA with ``numbers`` numbers for every ``frames_per_code`` frames, fitted on ``train_takes``.

    Raises:
        ValueError: as ``hand_error``.
    """
    return _error(Projection(train_takes, numbers, frames_per_code).rebuild, takes)


def _error(through: Callable[[np.ndarray], np.ndarray], takes: Sequence[Example]) -> HandError:
    bar = tqdm(takes, desc="rebuilding takes", mininterval=2.0)
    return motion_error(takes, [through(take.clip.positions) for take in bar])


def motion_error(takes: Sequence[Example], rebuilt: Sequence[np.ndarray]) -> HandError:
    """Error of any reconstruction, (T, 79, 3) metres for each take.

    Raises:
        ValueError: there is not at least one word, one letter and one "hello" among the takes.
    """
    sums = np.array([_sums(take, motion) for take, motion in zip(takes, rebuilt, strict=True)])  # (takes, 8)
    letter = np.array([take.unit is not None and take.unit.kind == Kind.LETTER for take in takes])
    waving = np.array([take.text == _WAVING for take in takes])
    if not (letter.any() and waving.any()):
        raise ValueError(f'takes of letters, of words and of "{_WAVING}" are needed to tell how well each is rebuilt')

    def ratio(above: int, below: int, chosen: np.ndarray | slice = slice(None)) -> float:
        return float(sums[chosen, above].sum() / sums[chosen, below].sum())

    return HandError(
        mm=1000 * ratio(0, 1),
        words_mm=1000 * ratio(0, 1, ~letter),
        letters_mm=1000 * ratio(0, 1, letter),
        with_resting_mm=1000 * ratio(2, 3),
        velocity_mm=1000 * ratio(4, 5),
        distance_ratio=ratio(6, 7),
        hello_distance_ratio=ratio(6, 7, waving),
    )


def _sums(take: Example, rebuilt: np.ndarray) -> tuple[float, ...]:
    """Distance and its count, both again with resting hands, velocity error and its count, ways rebuilt and real."""
    real, rebuilt = take.clip.positions[:, skeleton.HANDS], rebuilt[:, skeleton.HANDS]
    seen = take.clip.confidence > 0
    tracked = seen.copy()
    for hand in _SIDES.values():
        if np.abs(take.clip.positions[:, hand] - skeleton.REST_POSE[hand]).max() < _AT_REST:
            tracked[:, hand] = False
    seen, tracked = seen[:, skeleton.HANDS], tracked[:, skeleton.HANDS]
    both = tracked[1:] & tracked[:-1]
    distance = np.linalg.norm(rebuilt - real, axis=-1)
    steps, rebuilt_steps = np.diff(real, axis=0), np.diff(rebuilt, axis=0)
    velocity = np.linalg.norm(rebuilt_steps - steps, axis=-1)
    ways = (np.linalg.norm(s, axis=-1)[both].sum() for s in (rebuilt_steps, steps))
    errors = (distance[tracked].sum(), tracked.sum(), distance[seen].sum(), seen.sum(), velocity[both].sum())
    return (*errors, both.sum(), *ways)


@torch.no_grad()
def rebuild(vae: SignVAE, positions: np.ndarray) -> np.ndarray:
    """(T, 79, 3) metres through the mean code and back."""
    codes, _ = vae.encode(_whole_codes(positions, vae.config.stride))
    return vae.decode(codes)[0, : len(positions)].numpy()


@torch.no_grad()
def posterior(vae: SignVAE, takes: Sequence[Example]) -> Posterior:
    """What the encoder makes of the takes: active units and divergence, to see whether the posterior collapsed."""
    encoded = [vae.encode(_whole_codes(take.clip.positions, vae.config.stride)) for take in takes]
    mean, log_variance = (torch.cat([pair[i][0] for pair in encoded], dim=1) for i in (0, 1))  # (D, codes)
    variances = mean.var(dim=1)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(dim=1)
    return Posterior(int((variances > _ACTIVE_VARIANCE).sum()), tuple(variances.tolist()), tuple(kl.tolist()))


def _whole_codes(positions: np.ndarray, frames_per_code: int) -> Tensor:
    """(1, T', 79, 3): the last frame held until the last code is full."""
    missing = -len(positions) % frames_per_code
    return torch.from_numpy(np.concatenate((positions, np.repeat(positions[-1:], missing, axis=0))))[None]


class Projection:
    """PCA of motion: ``numbers`` numbers for every ``frames_per_code`` frames, fitted on takes.

    To be the strongest baseline of its kind it minimises what the SignVAE's loss does, but squared: errors in metres
    of the SignVAE's offsets and of places in space, a keypoint weighted as in training. On standardised features, or
    offsets alone, PCA loses more: an error of the wrist, of little weight there, moves the whole hand.
    """

    def __init__(self, takes: Sequence[Example], numbers: int, frames_per_code: int) -> None:
        self._frames = frames_per_code
        self._layout = SignVAE(SignVAEConfig(channels=1, blocks=0))  # for its offsets; nothing of it is learnt
        weight = keypoint_weights(VAEStage.hand_weight).sqrt().repeat_interleave(3)
        self._scale = torch.cat((weight, 0.5**0.5 * weight))  # places count half, as in training
        motion = torch.cat([_whole_codes(take.clip.positions, frames_per_code) for take in takes], dim=1)
        self._pca = PCA(numbers, svd_solver="covariance_eigh").fit(self._features(motion))

    def rebuild(self, positions: np.ndarray) -> np.ndarray:
        """(T, 79, 3) metres through the numbers and back."""
        numbers = self._pca.transform(self._features(_whole_codes(positions, self._frames)))
        both = torch.from_numpy(self._pca.inverse_transform(numbers)).reshape(-1, len(self._scale)) / self._scale
        # What PCA returns is an affine sum of training frames, so the places in it agree with the offsets in it.
        places = both[: len(positions), len(self._scale) // 2 :]
        return places.reshape(-1, skeleton.NUM_KEYPOINTS, 3).numpy()

    def _features(self, motion: Tensor) -> np.ndarray:  # (1, T, 79, 3) -> (codes, frames_per_code * 474)
        both = torch.cat((self._layout.offsets(motion), motion.flatten(2)), dim=2) * self._scale
        # In single precision the covariance is so rough that PCA would lose a fourth more.
        return both.reshape(-1, self._frames * len(self._scale)).double().numpy()


def experiment(config: TrainConfig, folder: Path, picture: Path) -> dict[str, Any]:
    """Train a SignVAE of every size in ``SIZES``, measure it and PCA on the test split, and draw both.

    Each size has its own folder, where a training that was stopped goes on and a finished one is loaded.

    Raises:
        CorpusError: the recordings are not where the configuration says.
        ConfigError: ``folder`` holds an experiment of another configuration.
    """
    takes = [take for corpus in config.data.corpora for take in reader(corpus.reader).read(Path(corpus.folder))]
    fit, held_out = ([take for take in takes if take.split == split] for split in ("train", "test"))
    shared = Run(config, folder)
    table: dict[str, Any] = {"steps": config.vae_stage.steps, "takes": len(held_out), "vae": [], "pca": []}
    waving = _typical([take for take in held_out if take.text == _WAVING])
    shown = {}
    for numbers, stride in SIZES:
        size = {"numbers": numbers, "frames_per_code": stride, "numbers_per_frame": numbers / stride}
        vae_config = replace(config.sign_vae, latent_dim=numbers, stride=stride)
        run = Run(replace(config, sign_vae=vae_config), folder / f"{numbers}_per_{stride}")
        run.sentences = shared.sentences  # composed once for all sizes
        figures = asdict(hand_error(run.sign_vae, held_out)) | asdict(posterior(run.sign_vae, held_out))
        table["vae"].append(size | figures)
        projection = Projection(fit, numbers, stride)
        table["pca"].append(size | asdict(_error(projection.rebuild, held_out)))
        if (numbers, stride) == SHOWN:
            motion = waving.clip.positions
            shown = {
                "recorded": motion,
                "PCA": projection.rebuild(motion),
                "SignVAE": rebuild(run.sign_vae, motion),
            }
    with write_whole(folder / "reconstruction.json") as file:
        file.write(json.dumps(table, indent=1).encode())
    draw(table, shown, picture)
    return table


def _typical(takes: Sequence[Example]) -> Example:
    """The take whose hands travel the median way."""
    return sorted(takes, key=lambda take: _sums(take, take.clip.positions)[-1])[len(takes) // 2]


_COLOURS = {"recorded": "#20242c", "SignVAE": "#2b6bf3", "PCA": "#e07a1f"}
_MARKERS = {1: "s", 2: "o", 4: "^"}


def draw(table: dict[str, Any], hello: dict[str, np.ndarray], path: Path) -> None:
    """Draw hand error against numbers per frame, and a fingertip in HELLO, (T, 79, 3) metres by whose it is."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes: dict[str, Any] = figure.subplot_mosaic([["error", "y"], ["error", "z"]], width_ratios=(1, 1.2))
    for name, key in (("PCA", "pca"), ("SignVAE", "vae")):
        rows = sorted(table[key], key=lambda row: row["numbers_per_frame"])
        for stride, marker in _MARKERS.items():
            points = [(row["numbers_per_frame"], row["mm"]) for row in rows if row["frames_per_code"] == stride]
            label = f"{name}, {stride} frames a code".replace("1 frames", "1 frame")
            axes["error"].plot(*zip(*points, strict=True), marker=marker, color=_COLOURS[name], label=label)
    axes["error"].axhline(BAR_MM, color="#7a8290", linestyle=":", label=f"bar, {BAR_MM:g} mm")
    axes["error"].set(xlabel="numbers per frame", ylabel="mean hand keypoint error, mm", title="Held-out takes")
    axes["error"].set_ylim(bottom=0)
    axes["error"].legend(fontsize=8)
    tip = skeleton.INDEX["right_middle_tip"]
    for name, motion in hello.items():
        seconds = np.arange(len(motion)) / FPS
        for axis, part in (("y", 1), ("z", 2)):
            axes[axis].plot(seconds, 100 * motion[:, tip, part], color=_COLOURS[name], label=name, linewidth=1.6)
    numbers, stride = SHOWN
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment and print its table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True, help="training steps of each SignVAE")
    options = parser.parse_args(arguments)
    config = training.load(options.config)
    config = replace(config, vae_stage=replace(config.vae_stage, steps=options.steps))
    print(json.dumps(experiment(config, options.out, options.picture), indent=1))


if __name__ == "__main__":
    main()
