"""What robots make of hands: letters that a reader of hand shapes still reads, errors, time, contacts; of real takes
and of generated sentences.

``python -m experiments.retarget``; ``--robots gr3 --takes 4`` for less of it, ``--only generated`` for one table
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import mujoco
import numpy as np

from experiments.robot_sentences import texts
from text2sign_ros import Signer, default_bundle, skeleton
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import Example
from text2sign_ros.evaluation import hand_reader
from text2sign_ros.evaluation.hand_reader import HandReader
from text2sign_ros.retarget import description
from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.description import SIDES
from text2sign_ros.retarget.forward import Forward
from text2sign_ros.retarget.model import build
from text2sign_ros.retarget.pose import Pose
from text2sign_ros.retarget.solver import Retargeter

_HANDS = {side: skeleton.HAND[side].start for side in SIDES}
_FACE = np.r_[skeleton.HEAD, skeleton.GROUPS["face"]]


@dataclass
class Measured:
    """Of all frames, and of both sides where there are two.

    Attributes:
        wrist_mm: from where the signing space has it, brought within the elbow's reach.
        palm_degrees: of the rotation that is missing.
        finger_degrees: mean over phalanges, in the palm's frame; without the thumb's first one.
        seen_degrees: the same in the model's frame, where the palm's error counts too.
        step_radians: largest change of a joint from frame to frame.
        head_degrees: between where the face looks and where the robot's does; few necks tilt, so that is left out.
        milliseconds: of this process, for each frame but the first ones.
    """

    wrist_mm: list[float] = field(default_factory=list)
    palm_degrees: list[float] = field(default_factory=list)
    finger_degrees: list[float] = field(default_factory=list)
    seen_degrees: list[float] = field(default_factory=list)
    head_degrees: list[float] = field(default_factory=list)
    step_radians: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def follow(
    retargeter: Retargeter, motions: Iterable[np.ndarray], measured: Measured, start: np.ndarray | None = None
) -> list[np.ndarray]:
    """The joints (T, n) for each motion (T, 79, 3), each begun anew, at ``start`` (n,) where that is given."""
    found = []
    pose = Pose(retargeter.model, retargeter.body.bodies, retargeter.body.local)
    for motion in motions:
        retargeter.reset(start)
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
    if "head" in retargeter.body.numbers:
        measured.head_degrees.append(_degrees(float(frames[3][:, 0] @ target.head[:, 0])))
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


CONTACTS = {
    "thumb, fingertip": (0.02, [(_HANDS[side] + 4, _HANDS[side] + np.array((8, 12, 16, 20))) for side in SIDES]),
    "hand, hand": (0.04, [(_HANDS["left"] + np.arange(21), _HANDS["right"] + np.arange(21))]),
    "hand, face": (0.07, [(_HANDS[side] + np.arange(21), _FACE) for side in SIDES]),
}
"""Which keypoints touch, and metres between them below which they are taken to."""


def contacts(name: str, takes: Sequence[Example]) -> list[list[str]]:
    """Cells of ``CONTACT_HEAD`` for one robot, by kind: of frames in which a person's keypoints touch."""
    retargeter = Retargeter(build(description.load(name)))
    forward, rows = Forward(retargeter.body), []
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    surfaces: dict[str, list[float]] = defaultdict(list)
    gaps = _Gaps(retargeter.body)
    for take in takes:
        before = take.clip.positions.astype(float)
        (joints,) = follow(retargeter, [before], Measured())
        after = forward.keypoints(joints).astype(float)
        for kind, (near, pairs) in CONTACTS.items():
            for first, second in pairs:
                were, are = (_apart(positions, np.atleast_1d(first), second) for positions in (before, after))
                frames = np.flatnonzero(were.min(axis=1) < near)
                touching = were[frames].argmin(axis=1)
                if kind != "thumb, fingertip":
                    surfaces[kind] += [1000 * gaps.least(kind, joints[frame]) for frame in frames]
                found[kind].append(1000 * np.stack((were[frames, touching], are[frames, touching]), axis=1))
    for kind, parts in found.items():
        were, are = np.concatenate(parts).T
        if len(were):
            cells = (np.median(were), np.median(are), np.percentile(are, 95), 100 * np.mean(are < were + 15))
            surface = (
                [f"{cell:.0f}" for cell in np.percentile(surfaces[kind], (50, 95))] if surfaces[kind] else ["–"] * 2
            )
            rows.append([name, kind, str(len(were)), *(f"{cell:.0f}" for cell in cells), *surface])
    return rows


class _Gaps:
    """Metres between surfaces of a robot's hands, and of hands and head."""

    def __init__(self, body: Body) -> None:
        self._model, mj = body.model, body.model.mj
        self._data = mujoco.MjData(mj)
        solid = np.flatnonzero((mj.geom_contype > 0) | (mj.geom_conaffinity > 0))
        below: dict[int, set[int]] = {i: {i} for i in range(mj.nbody)}
        for i in range(mj.nbody - 1, 0, -1):
            below[int(mj.body_parentid[i])] |= below[i]

        def shapes(point: int) -> list[int]:
            return [int(geom) for geom in solid if mj.geom_bodyid[geom] in below[int(body.bodies[point])]]

        left, right = (shapes(body.hands[side].wrist) for side in SIDES)
        head = shapes(body.numbers["head"]) if "head" in body.numbers else []
        self._pairs = {"hand, hand": list(product(left, right)), "hand, face": list(product(left + right, head))}

    def least(self, kind: str, joints: np.ndarray) -> float:
        """At these positions (n,); at most 0.3 m."""
        self._data.qpos[:] = self._model.full(joints)
        mujoco.mj_kinematics(self._model.mj, self._data)
        pairs = self._pairs[kind]
        return min(
            (mujoco.mj_geomDistance(self._model.mj, self._data, *pair, 0.3, None) for pair in pairs), default=0.3
        )


def _apart(positions: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(T, 79, 3) metres -> (T, pairs) metres."""
    way = positions[:, first][:, :, None] - positions[:, second][:, None]
    return np.linalg.norm(way, axis=-1).reshape(len(positions), -1)


def generated(name: str, motions: Iterable[np.ndarray]) -> list[str]:
    """Cells of ``GENERATED_HEAD`` for one robot: of sentences, each from the robot's rest."""
    retargeter, measured = Retargeter(build(description.load(name))), Measured()
    follow(retargeter, motions, measured, retargeter.model.rest)
    times, palms = np.array(measured.milliseconds), np.array(measured.palm_degrees)
    spread = [
        f"{np.mean(values):.1f} / {np.median(values):.1f} / {np.percentile(values, 95):.1f}"
        for values in (measured.wrist_mm, palms, measured.finger_degrees)
    ]
    head = f"{np.mean(measured.head_degrees):.1f}" if measured.head_degrees else "–"
    slow = f"{times.mean():.1f} / {np.median(times):.1f} / {np.percentile(times, 99):.1f} / {times.max():.1f}"
    return [name, str(len(times)), *spread, f"{100 * np.mean(palms > 20):.1f} %", head, slow]


HEAD = (
    *("robot", "wrist, mm", "palm, °", "fingers in the palm's frame, °", "fingers as seen, °", "steps (p99), rad"),
    *("ms a frame (median)", "ms (p99)", "letters read before", "after", "never read", "read wrong"),
)
"""Columns of ``row``."""


CONTACT_HEAD = (
    *("robot", "contact", "frames", "mm before (median)", "mm after (median)", "mm after (p95)"),
    *("at most 15 mm farther, %", "mm between surfaces (median)", "(p95)"),
)
"""Columns of ``contacts``."""
GENERATED_HEAD = (
    *("robot", "frames", "wrist, mm: mean / median / p95", "palm, °", "fingers in the palm's frame, °"),
    *("palm more than 20° off", "head, ° (mean)", "ms a frame: mean / median / p99 / most"),
)
"""Columns of ``generated``."""
TABLES = ("letters", "contacts", "generated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", nargs="*", help="names or files; default: all that come with the package")
    parser.add_argument("--only", nargs="*", choices=TABLES, default=TABLES, help="which tables")
    parser.add_argument("--data", type=Path, default=Path("data/asl_cafe"), help="recordings of asl_cafe")
    parser.add_argument(
        "--takes", type=int, default=8, help="held-out takes of each letter, and for contacts of each word"
    )
    parser.add_argument("--words", type=int, default=60, help="held-out takes of words, for errors and time")
    parser.add_argument("--bundle", type=Path, default=default_bundle(), help="folder of the model that generates")
    parser.add_argument("--sentences", type=int, default=40, help="generated sentences")
    arguments = parser.parse_args()
    names = arguments.robots or description.names()
    if set(arguments.only) & {"letters", "contacts"}:
        examples = registry.read("asl_cafe", arguments.data)
        held_out = [take for take in examples if take.split == "test"]
        letters, words = _chosen(hand_reader.letters_among(held_out), held_out, arguments.takes, arguments.words)
    if "letters" in arguments.only:
        read = hand_reader.train([take for take in examples if take.split in ("train", "val")])
        _table(HEAD, ([row(name, letters, words, read)] for name in names))
    if "contacts" in arguments.only:
        of_each: dict[str, list[Example]] = defaultdict(list)
        for take in held_out:
            of_each[take.text].append(take)
        touching = [take for _, takes in sorted(of_each.items()) for take in takes[: arguments.takes]]
        _table(CONTACT_HEAD, (contacts(name, touching) for name in names))
    if "generated" in arguments.only:
        signer = Signer(arguments.bundle)
        sentences = texts(signer.bundle, arguments.sentences)
        motions = [signer.sign(text, seed=number).positions for number, text in enumerate(sentences)]
        _table(GENERATED_HEAD, ([generated(name, motions)] for name in names))


def _chosen(
    letters: Sequence[Example], held_out: Sequence[Example], takes: int, words: int
) -> tuple[list[Example], list[Example]]:
    """So many takes of each letter, and of words."""
    of_letter: dict[str, list[Example]] = defaultdict(list)
    for take in letters:
        of_letter[take.text].append(take)
    others = [take for take in held_out if take.text not in of_letter]
    some = [take for _, every in sorted(of_letter.items()) for take in every[:takes]]
    return some, others[:: max(1, len(others) // words)][:words]


def _table(head: Sequence[str], rows_of_robots: Iterable[list[list[str]]]) -> None:
    """Print a table, a robot at a time."""
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for rows in rows_of_robots:
        print("".join("| " + " | ".join(cells) + " |\n" for cells in rows), end="", flush=True)
    print()


if __name__ == "__main__":
    main()
