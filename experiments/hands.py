"""What the codes of a SignVAE keep of hands: letters read, relations between fingers, millimetres, on held-out takes.

``python -m experiments.hands``; ``--run`` adds the SignVAEs of training runs
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from text2sign_ros import skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import Example, Kind
from text2sign_ros.evaluation import hand_reader, learnt
from text2sign_ros.evaluation.finger_relations import agreement_through, palm_frame
from text2sign_ros.evaluation.hand_reader import HandReader
from text2sign_ros.evaluation.reconstruction import error_through, rebuild
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.networks.vaes import build
from text2sign_ros.training import config

Through = Callable[[np.ndarray], np.ndarray]
"""Motion (T, 79, 3), metres, to the same coded and decoded."""
PAIRS = ("r", "u", "k", "v", "m", "n", "s", "t", "f", "b", "x")
"""Letters that differ only in where a finger lies."""


def load(run: Path) -> PoseVAE:
    """The trained SignVAE of a run."""
    vae = build(config.load(run / "config.yaml").sign_vae)
    vae.load_state_dict(torch.load(run / "sign_vae.pt", weights_only=True))
    return vae.eval().requires_grad_(False)


def row(read: HandReader, through: Through, takes: Sequence[Example]) -> list[str]:
    """Read letters, errors in millimetres and relations of the takes coded and decoded."""
    letters = [take for take in takes if take.unit is not None and take.unit.kind == Kind.LETTER]
    shown = read.read([through(take.clip.positions) for take in letters], [take.clip.confidence for take in letters])
    right = [take.text == letter for take, letter in zip(letters, shown, strict=True)]
    wrong = Counter(f"{take.text}→{letter}" for take, letter in zip(letters, shown, strict=True) if take.text != letter)
    error = error_through(through, takes)
    _, relations = agreement_through(through, letters)
    of_r = [letter == "r" for take, letter in zip(letters, shown, strict=True) if take.text == "r"]
    return [
        f"{100 * np.mean(right):.1f} %", f"{sum(of_r)} of {len(of_r)}", f"{error.letters_mm:.2f}",
        f"{error.words_mm:.2f}", f"{error.velocity_mm:.2f}", f"{relations['r'].other_order_mm:.1f}",
        ", ".join(f"{pair} {count}" for pair, count in wrong.most_common(6)),
    ]  # fmt: skip


HEAD = ("letters read", "R read as R", "letters_mm", "words_mm", "velocity_mm", "R's tips, mm", "read wrong")
"""Columns of ``row``."""


def print_head() -> None:
    """Print the head of a Markdown table of ``print_row``."""
    print("| " + " | ".join(("codes", *HEAD)) + " |\n|" + "---|" * (len(HEAD) + 1))


def print_row(name: str, read: HandReader, through: Through, takes: Sequence[Example]) -> None:
    """Print a row of the table, see ``row``."""
    print("| " + " | ".join((name, *row(read, through, takes))) + " |", flush=True)


def picture(systems: dict[str, Through], takes: Sequence[Example], path: Path) -> None:
    """Draw a hand of each of ``PAIRS``, seen from the palm: real (grey) and coded and decoded."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 * len(PAIRS), 1.8 * len(systems)), layout="constrained")
    grid = figure.subplots(len(systems), len(PAIRS), squeeze=False)
    for column, letter in enumerate(PAIRS):
        take = next(take for take in takes if take.text == letter)
        for line, through in enumerate(systems.values()):
            axes = grid[line, column]
            motions = (take.clip.positions, "0.7", 4.0), (through(take.clip.positions), "C0", 1.6)
            for motion, colour, width in motions:
                hand = motion[len(motion) // 2, skeleton.HAND["right"]].astype(float)
                hand = (hand - hand[0]) @ palm_frame(hand).T
                for parent, child in skeleton.GROUP_BONES["right_hand"]:
                    ends = hand[[parent - skeleton.HAND["right"].start, child - skeleton.HAND["right"].start]]
                    axes.plot(-ends[:, 0], ends[:, 1], color=colour, linewidth=width, solid_capstyle="round")
            axes.set_aspect("equal")
            axes.axis("off")
        grid[0, column].set_title(letter.upper())
    for line, name in enumerate(systems):
        grid[line, 0].text(-0.1, 0.5, name, transform=grid[line, 0].transAxes, rotation=90, ha="right", va="center")
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default="models/asl", help="bundle whose SignVAE is measured")
    parser.add_argument("--run", type=Path, nargs="*", default=[], help="folders of training runs to compare it with")
    parser.add_argument("--data", type=Path, default=Path("data/asl_cafe"), help="recordings of asl_cafe")
    parser.add_argument("--out", type=Path, default=Path("docs/hands.png"), help="picture to write")
    arguments = parser.parse_args()
    examples = registry.read("asl_cafe", arguments.data)
    takes = [example for example in examples if example.split == "test"]
    letters = [example for split in ("train", "val") for example in examples if example.split == split]
    read = hand_reader.train(letters)  # in the order of text2sign evaluate, for the same reader
    shipped = learnt.load(arguments.bundle).sign_vae
    systems: dict[str, Through] = {run.name: partial(rebuild, load(run)) for run in arguments.run}
    systems[f"{shipped.config.latent_dim} numbers"] = partial(rebuild, shipped)
    print_head()
    for name, through in ({"real": lambda motion: motion} | systems).items():
        print_row(name, read, through, takes)
    picture(systems, takes, arguments.out)


if __name__ == "__main__":
    main()
