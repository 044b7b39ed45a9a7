"""What robots make of real hands: errors, time, and the letters that a reader of hand shapes still reads.

``python -m experiments.retarget``; ``--robots gr3 --takes 4`` for less of it
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from text2sign_ros.corpora.base import Example
from text2sign_ros.corpora.registry import reader
from text2sign_ros.evaluation import hand_reader
from text2sign_ros.evaluation.hand_reader import HandReader
from text2sign_ros.retarget import description
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.retarget.forward import Forward
from text2sign_ros.retarget.model import build
from text2sign_ros.retarget.pose import Pose
from text2sign_ros.retarget.solver import Retargeter


@dataclass
class Measured:
    """Of all frames, and of both sides where there are two.

    Attributes:
        wrist_mm: from where the signing space has it, brought within the elbow's reach.
        palm_degrees: of the rotation that is missing.
        finger_degrees: mean over phalanges, in the palm's frame; without the thumb's first one.
        seen_degrees: the same in the model's frame, where the palm's error counts too.
        step_radians: largest change of a joint from frame to frame.
        milliseconds: of this process, for each frame but the first ones.
    """

    wrist_mm: list[float] = field(default_factory=list)
    palm_degrees: list[float] = field(default_factory=list)
    finger_degrees: list[float] = field(default_factory=list)
    seen_degrees: list[float] = field(default_factory=list)
    step_radians: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def follow(retargeter: Retargeter, motions: Sequence[np.ndarray], measured: Measured) -> list[np.ndarray]:
    """The joints (T, n) for each motion (T, 79, 3), each begun anew."""
    found = []
    pose = Pose(retargeter.model, retargeter.body.bodies, retargeter.body.local)
    for motion in motions:
        retargeter.reset()
        rows: list[np.ndarray] = []
        for number, keypoints in enumerate(motion):
            begun = time.process_time()
            rows.append(retargeter.solve(keypoints))
            if number:
                measured.milliseconds.append(1000 * (time.process_time() - begun))
                measured.step_radians.append(float(np.abs(rows[-1] - rows[-2]).max()))
            pose.move(rows[-1])
            _compare(retargeter, keypoints, pose.points(), measured)
        found.append(np.array(rows))
    return found


def _compare(retargeter: Retargeter, keypoints: np.ndarray, points: np.ndarray, measured: Measured) -> None:
    target, frames = retargeter.target(keypoints), retargeter.body.frames(points)
    for side, palm in zip(SIDES, frames[1:3], strict=True):
        hand, wanted = retargeter.body.hands[side], target.palms[side]
        measured.wrist_mm.append(1000 * float(np.linalg.norm(points[hand.wrist] - target.wrists[side])))
        measured.palm_degrees.append(_degrees((np.trace(palm.T @ wanted) - 1) / 2))
        ways = (points[hand.points[hand.outer]] - points[hand.points[hand.inner]]) / hand.lengths[:, None]
        shown = np.arange(len(ways)) != 0
        for turn, kept in ((palm, measured.finger_degrees), (wanted, measured.seen_degrees)):
            cosine = (ways * (target.ways[side] @ turn.T)).sum(axis=1)
            kept.append(float(np.mean([_degrees(c) for c in cosine[shown]])))


def _degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def row(name: str, letters: Sequence[Example], words: Sequence[Example], read: HandReader) -> list[str]:
    """Cells of ``HEAD`` for one robot."""
    retargeter, measured = Retargeter(build(description.load(name))), Measured()
    follow(retargeter, [take.clip.positions for take in words], measured)
    joints = follow(retargeter, [take.clip.positions for take in letters], measured)
    forward = Forward(retargeter.body)
    confidences = [take.clip.confidence for take in letters]
    before = read.read([take.clip.positions for take in letters], confidences)
    after = read.read([forward.keypoints(of_take) for of_take in joints], confidences)
    of_letter: dict[str, list[bool]] = defaultdict(list)
    for take, shown in zip(letters, after, strict=True):
        of_letter[take.text].append(shown == take.text)
    wrong = Counter(f"{t.text}→{shown}" for t, shown in zip(letters, after, strict=True) if t.text != shown)
    never = [letter for letter, right in sorted(of_letter.items()) if not any(right)]
    times = np.array(measured.milliseconds)
    return [
        name, f"{np.mean(measured.wrist_mm):.1f}", f"{np.mean(measured.palm_degrees):.1f}",
        f"{np.mean(measured.finger_degrees):.1f}", f"{np.mean(measured.seen_degrees):.1f}",
        f"{np.percentile(measured.step_radians, 99):.2f}", f"{np.median(times):.1f}", f"{np.percentile(times, 99):.1f}",
        _percent(before, letters), _percent(after, letters), " ".join(never) or "–",
        ", ".join(f"{pair} {count}" for pair, count in wrong.most_common(8)),
    ]  # fmt: skip


def _percent(shown: Sequence[str], letters: Sequence[Example]) -> str:
    return f"{100 * np.mean([take.text == letter for take, letter in zip(letters, shown, strict=True)]):.1f} %"


HEAD = (
    *("robot", "wrist, mm", "palm, °", "fingers in the palm's frame, °", "fingers as seen, °", "steps (p99), rad"),
    *("ms a frame (median)", "ms (p99)", "letters read before", "after", "never read", "read wrong"),
)
"""Columns of ``row``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", nargs="*", help="names or files; default: all that come with the package")
    parser.add_argument("--data", type=Path, default=Path("data/asl_cafe"), help="recordings of asl_cafe")
    parser.add_argument("--takes", type=int, default=8, help="held-out takes of each letter")
    parser.add_argument("--words", type=int, default=60, help="held-out takes of words, for errors and time")
    arguments = parser.parse_args()
    examples = reader("asl_cafe").read(arguments.data)
    read = hand_reader.train([take for take in examples if take.split in ("train", "val")])
    held_out = [take for take in examples if take.split == "test"]
    letters = hand_reader.letters_among(held_out)
    chosen: dict[str, list[Example]] = defaultdict(list)
    for take in letters:
        chosen[take.text].append(take)
    letters = [take for _, takes in sorted(chosen.items()) for take in takes[: arguments.takes]]
    others = [take for take in held_out if take.text not in chosen]
    words = others[:: max(1, len(others) // arguments.words)][: arguments.words]
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for name in arguments.robots or description.names():
        print("| " + " | ".join(row(name, letters, words, read)) + " |", flush=True)


if __name__ == "__main__":
    main()
