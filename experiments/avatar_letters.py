"""What the avatar makes of real hands: letters that a reader of hand shapes still reads, contacts, wrists, time.

``python -m experiments.avatar_letters``; ``--takes 2`` for less of it
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import Example
from text2sign_ros.evaluation import hand_reader
from text2sign_ros.evaluation.finger_relations import relations
from text2sign_ros.skeleton import INDEX
from text2sign_ros.viewer.bones import SIDES, Poser

TOUCHING_MM = 18.0
_WRISTS = [INDEX[f"{side}_wrist"] for side in SIDES]


@dataclass(frozen=True)
class Measured:
    """Of held-out takes of all letters.

    Attributes:
        takes: how many.
        before, after: parts of them that are read, as recorded and as the avatar shows them.
        wrong: what was read instead, by how often.
        wrist_mm: the largest distance of a wrist from where it was to be.
        touch_mm: how far the thumb's distance from a finger that it touches has changed: median, 95th percentile.
        milliseconds: of this process for a frame.
    """

    takes: int
    before: float
    after: float
    wrong: Counter[str]
    wrist_mm: float
    touch_mm: tuple[float, float]
    milliseconds: float


def measure(examples: Sequence[Example], takes: int) -> Measured:
    """Train the reader on ``asl_cafe``, and have it read ``takes`` held-out takes of each letter."""
    read = hand_reader.train([take for take in examples if take.split in ("train", "val")])
    of_letter: dict[str, list[Example]] = defaultdict(list)
    for take in hand_reader.letters_among([take for take in examples if take.split == "test"]):
        of_letter[take.text].append(take)
    chosen = [take for _, some in sorted(of_letter.items()) for take in some[:takes]]
    poser, shown, right = Poser(), [], skeleton.HAND["right"]
    wrists, gaps, spent, frames = [], [], 0.0, 0
    for take in chosen:
        begun = time.process_time()
        poses = poser.poses(take.clip.positions, take.clip.confidence)
        spent, frames = spent + time.process_time() - begun, frames + len(poses)
        shown.append(np.array([poser.keypoints(pose) for pose in poses]))
        targets = np.array([[pose.targets[side] for side in SIDES] for pose in poses])
        wrists.append(np.linalg.norm(shown[-1][:, _WRISTS] - targets, axis=-1).max())
        seen = (take.clip.confidence[:, right] > 0).all(axis=1)
        was, now = (relations(motion[seen][:, right]).finger_gap_mm for motion in (take.clip.positions, shown[-1]))
        gaps.append(np.abs(now - was)[was < TOUCHING_MM])
    confidences = [take.clip.confidence for take in chosen]
    before = read.read([take.clip.positions for take in chosen], confidences)
    after = read.read(shown, confidences)
    change = np.concatenate(gaps)
    return Measured(
        len(chosen),
        float(np.mean([take.text == letter for take, letter in zip(chosen, before, strict=True)])),
        float(np.mean([take.text == letter for take, letter in zip(chosen, after, strict=True)])),
        Counter(f"{t.text}→{letter}" for t, letter in zip(chosen, after, strict=True) if t.text != letter),
        1000 * float(np.max(wrists)),
        (float(np.median(change)), float(np.percentile(change, 95))),
        1000 * spent / frames,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/asl_cafe"), help="recordings of asl_cafe")
    parser.add_argument("--takes", type=int, default=8, help="held-out takes of each letter")
    arguments = parser.parse_args()
    found = measure(registry.read("asl_cafe", arguments.data), arguments.takes)
    print(f"{found.takes} takes: {100 * found.before:.1f} % read as recorded, {100 * found.after:.1f} % on the avatar")
    print(f"read wrong: {', '.join(f'{pair} {count}' for pair, count in found.wrong.most_common()) or 'none'}")
    print(
        f"wrist: {found.wrist_mm:.2f} mm at most; touches: {found.touch_mm[0]:.1f} mm, p95 {found.touch_mm[1]:.1f} mm"
    )
    print(f"{found.milliseconds:.1f} ms a frame")


if __name__ == "__main__":
    main()
