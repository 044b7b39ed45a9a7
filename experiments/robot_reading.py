"""What readers of people's signing read in the motion that a robot achieved, beside that of the same motion before.

Letters are read by their hand shapes, by a reader trained on people's takes; a sign is read if, of all 1,470 recorded
ones, none is nearer to the motion, for which nothing is learnt; sentences by a reader that takes minutes to train.

``python -m experiments.robot_reading``; ``--robots gr3 --takes 1`` for less, ``--split val`` while choosing weights
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from experiments.robot_performance import Stage
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import Example, Kind
from text2sign_ros.corpora.composition import Composer, whole
from text2sign_ros.evaluation import evaluate, finger_relations, sign_retrieval, translation
from text2sign_ros.evaluation.confusion import confusions, right, written
from text2sign_ros.evaluation.hand_reader import HandReader, letters_among
from text2sign_ros.evaluation.isolated import plain
from text2sign_ros.evaluation.reader import Reader
from text2sign_ros.evaluation.sign_retrieval import Description
from text2sign_ros.inference.signer import RETURN_FRAMES, Signer
from text2sign_ros.retarget import description
from text2sign_ros.training.config import CorpusConfig
from text2sign_ros.training.sentences import compose

ROWS = ("before", "robot", "robot, its tempo")
"""The motion as it came; the robot's with the tempo of before; the robot's as slow as its limits make it."""
_HELD, _MOVING = 14, ("j", "z")
"""Frames of a letter that is held, for a second in most recordings, that are read; and those that are no held ones."""


@dataclass(frozen=True)
class Motion:
    """A motion from rest to rest.

    Attributes:
        units: what it shows: signs and letters.
        clip: at 25 fps.
        span: the frames to be read, from and to.
        take: the recording, whose frames begin ``begin`` frames into ``span``; None if it was generated.
        begin: see ``take``.
    """

    units: tuple[str, ...]
    clip: SignClip
    span: tuple[int, int]
    take: Example | None = None
    begin: int = 0


@dataclass(frozen=True)
class Shown:
    """Motions and what a robot made of them: keypoints (T, 79, 3) of each, by ``ROWS``, and how much longer it took."""

    motions: Sequence[Motion]
    rows: dict[str, list[np.ndarray]]
    longer: float


def recorded(takes: Sequence[Example], per_text: int, *, approach: bool) -> list[Motion]:
    """Recordings with ways from rest and back: so many of each text, evenly from all of its recording blocks.

    Args:
        takes: to choose from.
        per_text: of each text, at most.
        approach: whether the way from rest is read too.
    """
    by_name: dict[str, list[Example]] = defaultdict(list)
    for take in takes:
        by_name[take.unit.name if take.unit is not None else take.text].append(take)
    motions = []
    for name, own in sorted(by_name.items()):
        for i in np.unique(np.linspace(0, len(own) - 1, 2 * per_text + 1).astype(int)[1::2]):
            composed = whole(own[i])
            start, stop = composed.spans[0]
            unit = own[i].unit
            if unit is not None and unit.kind == Kind.LETTER and name not in _MOVING:
                stop = min(stop, start + _HELD)
            motions.append(Motion((name,), composed.clip, (0 if approach else start, stop), own[i], approach * start))
    return motions


def generated(signer: Signer, texts: Sequence[tuple[str, ...]], letters: Sequence[str], *, back: bool) -> list[Motion]:
    """Texts of signs and letters as the model signs them, without movements of head and brows.

    Args:
        signer: the model.
        texts: each as its units.
        letters: which of the units are letters.
        back: whether the way back to rest is read too.
    """
    motions = []
    for number, units in enumerate(texts):
        text = plain(translation.to_text(units, letters))
        positions = np.concatenate(list(signer.stream(signer.plan(text), seed=number)))
        clip = SignClip(positions, np.ones(positions.shape[:2], np.float32), signer.fps)
        motions.append(Motion(units, clip, (0, len(clip) - (0 if back else RETURN_FRAMES))))
    return motions


def perform(stage: Stage, motions: Sequence[Motion]) -> Shown:
    """Have a robot make all motions."""
    made = list(stage.perform_all([(motion.clip, motion.span[1]) for motion in motions]))
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ROWS}
    for motion, performance in zip(motions, made, strict=True):
        span = slice(*motion.span)
        of_robot = performance.frames[span], performance.between(*motion.span)
        for name, keypoints in zip(
            ROWS, (motion.clip.positions[span], *map(stage.forward.keypoints, of_robot)), strict=True
        ):
            rows[name].append(keypoints)
    longer = sum(p.shown[-1] for p in made) / sum((m.span[1] - 1) / m.clip.fps for m in motions)
    return Shown(motions, rows, float(longer))


def letters_read(shown: Shown, hand_reader: HandReader) -> dict[str, list[str]]:
    """What is read in motions of one letter each, by row."""
    read = {}
    for name, motions in shown.rows.items():
        # The robot's hand is seen whole; but frames in which the person's was not have nothing to show.
        seen = [m.clip.confidence[slice(*m.span)] for m in shown.motions] if name != ROWS[2] else None
        read[name] = hand_reader.read(motions, seen)
    return read


def _share(shown: Shown, read: Sequence[str]) -> float:
    return float(np.mean([motion.units == (one,) for motion, one in zip(shown.motions, read, strict=True)]))


def signs_found(shown: Shown, known: Description, names: Sequence[str]) -> dict[str, float]:
    """Share of motions of one sign each that are nearest to that sign's recording, of all, by row."""
    wanted = [motion.units[0] for motion in shown.motions]
    return {
        name: sign_retrieval.found(wanted, sign_retrieval.distances(sign_retrieval.describe(motions), known), names)[
            0
        ].recall_1
        for name, motions in shown.rows.items()
    }


def agreement(shown: Shown) -> finger_relations.Agreement:
    """Relations of the robot's fingers beside those of the person's, frame by frame."""
    takes, others = [], []
    for motion, made in zip(shown.motions, shown.rows[ROWS[1]], strict=True):
        assert motion.take is not None
        other = made[motion.begin :]
        clip = motion.take.clip
        cut = SignClip(clip.positions[: len(other)], clip.confidence[: len(other)], clip.fps)
        takes.append(replace(motion.take, clip=cut))
        others.append(other)
    return finger_relations.agreement(takes, others)[0]


@dataclass(frozen=True)
class Readers:
    """Of hand shapes and of sentences, trained on people alone; and the signs of all recordings, by name.

    Without sentences to be read there is no reader of them.
    """

    hands: HandReader
    sentences: Reader | None
    known: Description
    names: Sequence[str]


def _row(name: str, shares: dict[str, float]) -> str:
    before, after, slow = (100 * shares[row] for row in ROWS)
    return f"| {name} | {before:.1f} % | {after:.1f} % | {slow:.1f} % | {100 * after / max(before, 1e-9):.0f} % |"


def report(robot: str, sets: dict[str, list[Motion]], readers: Readers, work: Path) -> None:
    """Print what is read of a robot."""
    stage = Stage(robot, work)
    shown = {name: perform(stage, motions) for name, motions in sets.items() if motions}
    print(f"\n### {robot}\n\n| | {' | '.join(ROWS)} | kept |\n|---|---|---|---|---|")
    for name, of_set in shown.items():
        count = f"{name} ({len(of_set.motions)})"
        if "letters" in name:
            by_row = letters_read(of_set, readers.hands)
            shares = {row: _share(of_set, found) for row, found in by_row.items()}
        elif readers.sentences is not None and "sentences" in name:
            sentences = [motion.units for motion in of_set.motions]
            shares = {
                row: 1 - translation.error_rate(sentences, readers.sentences.read(motions))
                for row, motions in of_set.rows.items()
            }
        else:
            shares = signs_found(of_set, readers.known, readers.names)
        print(_row(count, shares))
    print(f"\nTime: {' '.join(f'{name} × {of_set.longer:.2f},' for name, of_set in shown.items())[:-1]}.\n")
    letters = [of_set for name, of_set in shown.items() if "letters" in name]
    meant = [motion.units[0] for of_set in letters for motion in of_set.motions]
    read = [one for of_set in letters for one in letters_read(of_set, readers.hands)[ROWS[1]]]
    confused = confusions(meant, read)
    wrong = [f"{letter} {written(letter, confused[letter])}" for letter, share in right(confused).items() if share < 1]
    print(f"Letters not always read, of the robot: {'; '.join(wrong) or 'none'}.\n")
    for name in ("letters", "words"):
        if name in shown:
            print(f"Relations of fingers in {name}: {_said(agreement(shown[name]))}", flush=True)


def _said(found: finger_relations.Agreement) -> str:
    def percent(share: float | None) -> str:
        return "–" if share is None else f"{100 * share:.0f} %"

    return (
        f"order kept {percent(found.order)}, of crossed ones {percent(found.crossed)}; contact of thumb and finger "
        f"kept {percent(found.contact)}, of touching ones {percent(found.touching)}; "
        f"spread {found.spread_degrees:.1f}° off."
    )


def _sentence_reader(data: Path, work: Path) -> Reader:
    budget = evaluate.Budget()
    corpus = (CorpusConfig("asl_cafe", str(data)),)
    return evaluate.reader_of(compose(corpus, "train", budget.train_sentences, 0, work), work, budget.reader_steps)


def _sentences(composer: Composer, count: int) -> list[tuple[str, ...]]:
    return evaluate.unseen(composer, set(), count, np.random.default_rng(1)) if count else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", nargs="*", help="names or files; default: all that come with the package")
    parser.add_argument(
        "--split", choices=("val", "test"), default="test", help="test: scored; val: to choose weights by"
    )
    parser.add_argument("--takes", type=int, default=2, help="held-out takes of each letter")
    parser.add_argument("--words", type=int, default=1, help="held-out takes of each word of asl_cafe")
    parser.add_argument("--signs", type=int, default=22, help="signs of galt, which have one recording each")
    parser.add_argument("--generated", type=int, default=1, help="how often the model signs each letter and word")
    parser.add_argument("--sentences", type=int, default=0, help="sentences that the model signs")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the corpora")
    parser.add_argument("--bundle", type=Path, default=Path("models/asl"))
    parser.add_argument(
        "--work", type=Path, default=Path("out/evaluate"), help="readers and performances are kept here"
    )
    options = parser.parse_args()

    cafe, galt = (registry.read(name, options.data / name) for name in ("asl_cafe", "galt"))
    takes = [take for take in cafe if take.split == options.split]
    learnt = [take for take in cafe if take.split == "train" or (options.split == "test" and take.split == "val")]
    signs = [
        take
        for take in (*cafe, *galt)
        if take.unit is not None and take.unit.kind == Kind.SIGN and take.split == "train"
    ]
    readers = Readers(
        evaluate.hand_reader_of(learnt, options.work),
        _sentence_reader(options.data / "asl_cafe", options.work) if options.sentences else None,
        sign_retrieval.describe([take.clip.positions for take in signs], [take.clip.confidence for take in signs]),
        [take.unit.name for take in signs if take.unit is not None],
    )
    composer, signer = Composer(takes), Signer(options.bundle)
    alphabet, words = ([(unit,) for unit in units] for units in (composer.letters, composer.words))
    count = Counter(readers.names)
    single = [take for take in galt if take.unit is not None and count[take.unit.name] == 1]
    chosen = single[:: max(1, len(single) // max(options.signs, 1))][: options.signs]
    sets = {
        "letters": recorded(letters_among(takes), options.takes, approach=False),
        "words": recorded([t for t in takes if t.text in composer.words], options.words, approach=True),
        "signs of galt": recorded(chosen, 1, approach=True),
        "letters, generated": generated(signer, options.generated * alphabet, composer.letters, back=False),
        "words, generated": generated(signer, options.generated * words, composer.letters, back=False),
        "sentences, generated": generated(signer, _sentences(composer, options.sentences), composer.letters, back=True),
    }
    for robot in options.robots or description.names():
        report(robot, sets, readers, options.work / "robots")


if __name__ == "__main__":
    main()
