"""Train on your own clips: from a folder of clips and a table to a bundle that signs.

python examples/train_on_own_clips.py --work out/own

The clips are made up: a "signer" who waves for "hello", nods for "yes" and lifts a hand for the letter "a". Ten steps
per stage teach nothing; they show what is needed. With clips worth learning, leave the small numbers out of the
configuration: what it does not set has the default of text2sign_ros/training/config.py, and config/train/asl.yaml
is a real one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import yaml

from text2sign_ros import KEYPOINTS, REST_POSE, SignClip, Signer
from text2sign_ros.cli import main as text2sign

TAKES = 6
UNITS = {  # text: its kind, what moves, and which way in metres (to the viewer, to the left, up)
    "hello": ("sign", "right_", (0.2, 0.1, 0.5)),
    "yes": ("sign", "nose", (0.05, 0.0, -0.03)),
    "a": ("letter", "right_hand", (0.1, 0.0, 0.3)),
}
SHORT = {"steps": 10, "batch": 4, "warmup": 1, "checkpoint_every": 10}


def record(text: str, seed: int) -> SignClip:
    """One take, (40, 79, 3) at 25 fps: out and back, different for each seed."""
    _, moving, way = UNITS[text]
    part = [i for i, keypoint in enumerate(KEYPOINTS) if keypoint.startswith(moving)]
    swing = np.sin(np.linspace(0, np.pi, 40)) * np.random.default_rng(seed).uniform(0.8, 1.0)
    positions = np.repeat(REST_POSE[None], 40, axis=0)
    positions[:, part] += swing[:, None, None] * np.array(way, np.float32)
    return SignClip(positions, np.ones(positions.shape[:2], np.float32), 25.0)


def write_corpus(folder: Path) -> None:
    """The clips, and the table of what is signed in each: what the reader "clips" (corpora/clips.py) reads."""
    rows = ["file\ttext\tsigner\tblock\tsplit\tkind"]
    for text, (kind, _, _) in UNITS.items():
        for take in range(TAKES):
            split = "train" if take < TAKES - 1 else "val"
            record(text, seed=take).save(folder / f"{text}{take}.npz")
            rows.append(f"{text}{take}.npz\t{text}\tmade up\t{split} day\t{split}\t{kind}")
    (folder / "sentences.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def configuration(corpus: Path) -> dict:
    return {
        "name": "own",
        "data": {
            "corpora": [{"reader": "clips", "folder": str(corpus)}],
            "sentences": 20,
            "held_out_sentences": 6,
            "max_segment_units": 2,
        },
        "sign_vae": {"channels": 16, "blocks": 1},
        "aligner": {"width": 16, "layers": 1, "heads": 2},
        "unet": {"channels": [16, 16], "context_dim": 16, "heads": 2},
        "vae_stage": SHORT,
        "aligner_stage": SHORT,
        "diffusion_stage": SHORT,
        "distillation_stage": SHORT,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/own"), help="a new folder")
    work = parser.parse_args().work
    write_corpus(work / "corpus")
    config, run, bundle = work / "config.yaml", work / "run", work / "bundle"
    config.write_text(yaml.safe_dump(configuration(work / "corpus")), encoding="utf-8")
    # The same as on the command line: text2sign train --config … --out …; text2sign export --run … --out …
    if text2sign(["train", "--config", str(config), "--out", str(run)]):
        return 1
    if text2sign(["export", "--run", str(run), "--out", str(bundle)]):
        return 1
    clip = Signer(bundle).sign("hello a yes")
    clip.save(work / "signed.npz")
    print(f"{work / 'signed.npz'}: {len(clip)} frames by {bundle}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
