"""What codes of several sizes keep of hands, and what the loss on the relations between fingers is worth.

Small SignVAEs on a small budget, measured on held-out takes: ``python -m experiments.hand_codes --steps 600``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from experiments import hands
from text2sign_ros.corpora import registry
from text2sign_ros.evaluation import hand_reader
from text2sign_ros.evaluation.reconstruction import rebuild
from text2sign_ros.training import config as training
from text2sign_ros.training.config import TrainConfig
from text2sign_ros.training.train import Run


@dataclass(frozen=True)
class Codes:
    """Numbers in a code, of these for each hand (0: one code for everything), and whether relations count."""

    numbers: int
    hand: int
    relations: bool = True

    @property
    def name(self) -> str:
        """As the table calls them."""
        parts = f"{self.numbers - 2 * self.hand} + 2 × {self.hand}" if self.hand else f"{self.numbers} for everything"
        return parts if self.relations else f"{parts}, without the loss on relations"

    def run(self, config: TrainConfig, folder: Path) -> Run:
        """A run of the SignVAE with these codes, in a folder of its own within ``folder``."""
        vae = replace(config.sign_vae, latent_dim=self.numbers, hand_dim=self.hand)
        weight = config.vae_stage.relation_weight * self.relations
        stage = replace(config.vae_stage, relation_weight=weight)
        return Run(replace(config, sign_vae=vae, vae_stage=stage), folder / self.name.replace(" ", ""))


ALL = (Codes(20, 0), Codes(20, 6), Codes(32, 10), Codes(48, 16), Codes(64, 24), Codes(64, 24, relations=False))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not trained yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path(__file__).with_suffix(".yaml"))
    parser.add_argument("--out", type=Path, default=Path("runs/hand_codes"), help="folder of the trained SignVAEs")
    parser.add_argument("--steps", type=int, default=600, help="training steps of each SignVAE (default: 600)")
    options = parser.parse_args(arguments)
    config = training.load(options.config)
    config = replace(config, vae_stage=replace(config.vae_stage, steps=options.steps))
    (corpus,) = config.data.corpora
    takes = registry.read(corpus.reader, Path(corpus.folder))
    read = hand_reader.train([take for split in ("train", "val") for take in takes if take.split == split])
    held_out = [take for take in takes if take.split == "test"]
    hands.print_head()
    hands.print_row("real", read, lambda motion: motion, held_out)
    shared = Run(config, options.out)
    for codes in ALL:
        run = codes.run(config, options.out)
        run.sentences = shared.sentences  # composed once for all
        hands.print_row(codes.name, read, partial(rebuild, run.sign_vae), held_out)


if __name__ == "__main__":
    main()
