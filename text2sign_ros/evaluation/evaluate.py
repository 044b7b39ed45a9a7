"""The whole evaluation of a bundle: readers trained on real motion read its signing, real motion and a dictionary's."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from text2sign_ros.clip import SignClip
from text2sign_ros.corpora import asl_cafe
from text2sign_ros.corpora.base import FPS, SPLITS, Example, Kind
from text2sign_ros.corpora.composition import Composer
from text2sign_ros.evaluation import (
    confusion,
    finger_relations,
    hand_reader,
    isolated,
    learnt,
    metrics,
    reader,
    recogniser,
    reconstruction,
    retrieval,
    translation,
)
from text2sign_ros.evaluation.hand_reader import HandReader, letters_among
from text2sign_ros.evaluation.isolated import plain, single_signs
from text2sign_ros.evaluation.learnt import UndistilledSigner
from text2sign_ros.evaluation.reader import Reader
from text2sign_ros.evaluation.recogniser import Recogniser, real_windows
from text2sign_ros.inference.bundle import Bundle, BundleError, UnitSettings
from text2sign_ros.inference.signer import Signer
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.networks.saving import save
from text2sign_ros.progress import progress_bar
from text2sign_ros.training.config import CorpusConfig
from text2sign_ros.training.sentences import Sentences, compose
from text2sign_ros.training.train import segments_of

STEPS = (1, 2, 4)
_FOLDS = 3


@dataclass(frozen=True)
class Budget:
    """How long the readers are trained and how much is measured.

    Attributes:
        train_sentences, test_sentences: how many are composed from each split's takes.
        recogniser_steps, reader_steps: training steps of the two readers.
        many_steps: steps of DPM-Solver++(2M) for the undistilled network.
        warped_sentences: how many sentences are compared by dynamic time warping, which is slow.
        hand_reader_steps: training steps of the reader of hand shapes.
        letter_takes, sign_takes: how often each letter is signed for it, and each sign to be found among all real ones.
    """

    train_sentences: int = 4000
    test_sentences: int = 300
    recogniser_steps: int = 1500
    reader_steps: int = 2500
    many_steps: int = 20
    warped_sentences: int = 40
    hand_reader_steps: int = hand_reader.STEPS
    letter_takes: int = 20
    sign_takes: int = 3


Thing = TypeVar("Thing")
Network = TypeVar("Network", bound=nn.Module)
System = Callable[[Sequence[str], int], SignClip]
"""(units, sentence index) -> its motion, from rest to rest; the same index gives the same motion."""


def evaluate(
    bundle: Path, data: Path, work: Path, *, sentences: int = 120, takes: int = 8, budget: Budget = Budget()
) -> dict[str, Any]:
    """Train the readers on real motion (once per ``work``), then measure.

    Args:
        bundle: folder of the bundle, with its networks.
        data: folder of asl_cafe; other corpora that the bundle was trained on are where its configuration says, or
            beside it.
        work: folder of what is kept between runs, and of ``confusions.png``.
        sentences: how many unseen sentences each system signs.
        takes: how many times each system signs every sign and letter alone.
        budget: everything else.

    Returns:
        results by name. Rows are systems: "real" is held-out real takes (test blocks) composed like the training
        data; "stitched" is one validation take per sign composed likewise (what a dictionary does, with another
        dictionary for each sentence); "many_steps" is the undistilled network; "1", "2", "4" are the bundle in that
        many steps; "generated" is the bundle with its default preset. "relations", "hand_shapes", "all_signs" and
        "read_rates" are what ``isolated`` measures; "hand_shapes" has another row, "real_by_block": real letters of all
        splits, each read by a reader that was not trained on its block.

    Raises:
        BundleError: the bundle signs whole sentences, for which there is no reader yet; or its networks are missing.
    """
    if not isinstance(Bundle.load(bundle).segmenter, UnitSettings):
        raise BundleError(f"{bundle} signs whole sentences; the readers of evaluation know signs and letters only")
    networks = learnt.load(bundle)
    corpus = asl_cafe.read(data)
    others = isolated.other_recordings(networks.config.data.corpora, data, corpus)
    of_split = {split: [take for take in corpus if take.split == split] for split in SPLITS}
    recordings = (CorpusConfig("asl_cafe", str(data)),)
    train = compose(recordings, "train", budget.train_sentences, 0, work)
    test = compose(recordings, "test", budget.test_sentences, 0, work)
    segments = segments_of(networks.config, test, networks.sign_vae, networks.encoder)
    single = recogniser_of(train, work, budget.recogniser_steps)
    whole = reader_of(train, work, budget.reader_steps)
    torch.set_num_threads(1)  # single sentences are too little work for two threads
    real = Composer(of_split["test"])
    about = Bundle.load(bundle)
    best = about.presets[about.preset]
    signers: dict[str, Signer] = {str(steps): Signer(bundle, steps=steps) for steps in sorted({*STEPS, best})}
    signers["many_steps"] = UndistilledSigner(bundle, networks, steps=budget.many_steps, guidance=about.guidance)
    systems: dict[str, System] = {
        "real": lambda units, number: _compose(real, units, number),
        "real_again": lambda units, number: _compose(real, units, 10_000 + number),
        "stitched": _dictionary(of_split["val"]),
        **{name: _signed(signer, real.letters) for name, signer in signers.items()},
    }
    texts = unseen(real, set(train.said), sentences, np.random.default_rng(1))
    motions_by_row = {
        name: [system(units, number) for number, units in enumerate(progress_bar(texts, desc=f"{name}: sentences"))]
        for name, system in systems.items()
    }
    results: dict[str, Any] = {
        "bundle": networks.config.name,
        "guidance": about.guidance,
        "steps": best,
        "sentences": len(texts),
        "hand_error_mm": asdict(reconstruction.hand_error(networks.sign_vae, of_split["test"])),
        "retrieval": asdict(retrieval.retrieval(networks.aligner, segments, real.labels)),
    }
    shapes = _shapes(of_split, work, budget, networks.sign_vae, signers[str(best)])
    signs = isolated.all_signs([*corpus, *others], networks.sign_vae, signers[str(best)], budget.sign_takes)
    results |= {
        "relations": isolated.relations(networks.sign_vae, of_split["test"]),
        "hand_shapes": shapes,
        "all_signs": {name: value for name, value in signs.items() if name != "read_rates"},
        "read_rates": isolated.read_rates(shapes, signs),
    }
    confusion.draw({row: shapes[row] for row in ("real", "rebuilt", "generated")}, work / "confusions.png")
    by_row = _read_sentences(whole, texts, motions_by_row, str(best), real.letters)
    by_row |= _read_singles(single, real, test, signers, takes) | _motion(
        whole, motions_by_row, budget.warped_sentences
    )
    return _rounded(results | {name: _with_choice(rows, str(best)) for name, rows in by_row.items()})


def _shapes(
    of_split: dict[str, list[Example]], work: Path, budget: Budget, sign_vae: PoseVAE, signer: Signer
) -> dict[str, confusion.Confusions]:
    """``isolated.hand_shapes`` after "real_by_block"."""
    letters = letters_among([take for split in SPLITS for take in of_split[split]])
    shown: list[str] = []
    read: list[str] = []
    for seen, held_out in hand_reader.folds(letters, _FOLDS):
        shown += [take.text for take in held_out]
        read += hand_reader_of(seen, work, budget.hand_reader_steps).read(
            [take.clip.positions for take in held_out], [take.clip.confidence for take in held_out]
        )
    final = hand_reader_of([*of_split["train"], *of_split["val"]], work, budget.hand_reader_steps)
    found = isolated.hand_shapes(final, of_split["test"], sign_vae, signer, budget.letter_takes)
    return {"real_by_block": confusion.confusions(shown, read), **found}


def _with_choice(rows: dict[str, Any], best: str) -> dict[str, Any]:
    """The rows of a metric, with the row of the bundle's default preset repeated as "generated"."""
    if best in rows:
        return rows | {"generated": rows[best]}
    return {name: _with_choice(value, best) if isinstance(value, dict) else value for name, value in rows.items()}


def recogniser_of(sentences: Sentences, work: Path, steps: int = Budget.recogniser_steps) -> Recogniser:
    """The recogniser of single signs trained on these sentences, loaded from ``work`` if it is cached there."""
    return _kept(work, recogniser, Recogniser, sentences, steps)


def reader_of(sentences: Sentences, work: Path, steps: int = Budget.reader_steps) -> Reader:
    """The reader of whole sentences trained on these, loaded from ``work`` if it is cached there."""
    return _kept(work, reader, Reader, sentences, steps)


def hand_reader_of(takes: Sequence[Example], work: Path, steps: int = Budget.hand_reader_steps) -> HandReader:
    """The reader of hand shapes trained on the letters among these, loaded from ``work`` if it is cached there."""
    letters = letters_among(takes)
    shown = np.concatenate([take.clip.positions[:1] for take in letters])
    fresh = HandReader(sorted({take.text for take in letters}))
    return _loaded(
        fresh, work, (hand_reader, finger_relations), steps, shown, lambda: hand_reader.train(letters, steps=steps)
    )


def _kept(work: Path, module: Any, kind: type[Any], sentences: Sentences, steps: int) -> Any:
    shown = sentences.positions[:: max(1, len(sentences.positions) // 1000)]
    fresh = kind(np.unique(sentences.labels).tolist())
    # The reader uses the recogniser's code.
    return _loaded(
        fresh, work, (recogniser, reader), steps, shown, lambda: module.train(sentences, steps=steps, seed=0)
    )


def _loaded(
    fresh: Network, work: Path, code: Sequence[ModuleType], steps: int, shown: np.ndarray, train: Callable[[], Network]
) -> Network:
    """The network with its cached weights, which are reused only for the same code, steps and recordings ``shown``."""
    digest = hashlib.sha256(("".join(map(inspect.getsource, code)) + str(steps)).encode())
    digest.update(np.ascontiguousarray(shown).tobytes())
    path = work / f"{type(fresh).__name__.lower()}.{digest.hexdigest()[:12]}.pt"
    if not path.exists():
        save(train().state_dict(), path)
    fresh.load_state_dict(torch.load(path, weights_only=True))
    return fresh.eval()


def unseen(
    composer: Composer, seen: set[tuple[str, ...]], count: int, rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """``count`` different random sentences of at least two signs or letters, none of them in ``seen``."""
    found: dict[tuple[str, ...], None] = {}
    while len(found) < count:
        units = tuple(composer.sentence(rng))
        if len(units) > 1 and units not in seen:
            found[units] = None
    return list(found)


def _compose(composer: Composer, units: Sequence[str], number: int) -> SignClip:
    return composer.compose(units, np.random.default_rng((2, number))).clip


def _dictionary(takes: Sequence[Example]) -> System:
    """One take per sign, from blocks that neither the readers nor the networks were trained on; drawn again for every
    sentence, so that the spread over sentences includes the spread over dictionaries."""
    by_label = _by_label([take.text for take in takes], takes)

    def look_up(units: Sequence[str], number: int) -> SignClip:
        rng = np.random.default_rng((3, number))
        chosen = [by_label[label][rng.integers(len(by_label[label]))] for label in dict.fromkeys(units)]
        return _compose(Composer(chosen), units, number)

    return look_up


def _signed(signer: Signer, letters: Collection[str]) -> System:
    def sign(units: Sequence[str], number: int) -> SignClip:
        text = plain(translation.to_text(units, letters))
        positions = np.concatenate(list(signer.stream(signer.plan(text), seed=number)))
        return SignClip(positions, np.ones(positions.shape[:2], np.float32), signer.fps)

    return sign


def _read_sentences(
    whole: Reader,
    texts: list[tuple[str, ...]],
    motions_by_row: dict[str, list[SignClip]],
    best: str,
    letters: Collection[str],
) -> dict[str, Any]:
    """Back-translation: scores by row with intervals, and intervals of differences on the same sentences."""
    rows = {
        name: whole.read([p.positions for p in motions])
        for name, motions in motions_by_row.items()
        if name != "real_again"
    }
    scores = {name: asdict(translation.score(texts, read, letters)) for name, read in rows.items()}
    results: dict[str, Any] = {metric: {name: row[metric] for name, row in scores.items()} for metric in scores["real"]}
    rates = ("word_error_rate", "letter_error_rate")
    results["interval_95"] = {
        metric: {name: translation.bootstrap(texts, read, metric, letters) for name, read in rows.items()}
        for metric in rates
    }
    results["difference_interval_95"] = {
        metric: {
            f"{name} - {other}": translation.bootstrap_difference(texts, rows[first], rows[other], metric, letters)
            for name, first, other in (
                *(("generated", best, other) for other in ("real", "stitched", "many_steps")),
                ("2", "2", "many_steps"),
            )
        }
        for metric in rates
    }
    return results


def _read_singles(
    single: Recogniser, real: Composer, test: Sentences, signers: dict[str, Signer], takes: int
) -> dict[str, Any]:
    """Single signs and letters: shares read correctly, and diversity relative to real ones."""
    letters = set(test.labels[test.of(Kind.LETTER)].tolist())
    shares = {"real": accuracy(single, real_windows(test), test.labels.tolist(), letters)}
    generated: dict[str, dict[str, list[np.ndarray]]] = {}
    for name, signer in signers.items():
        labels, motions = single_signs(signer, single.labels, takes)
        shares[name] = accuracy(single, motions, labels, letters)
        generated[name] = _by_label(labels, motions)
    rng = np.random.default_rng(4)
    wanted = [label for label in single.labels for _ in range(takes)]
    composed = [real.compose([label], rng) for label in wanted]
    ends = [one.spans[0][1] for one in composed]
    real_motions = _by_label(wanted, [one.clip.positions[:end] for one, end in zip(composed, ends, strict=True)])
    seen = _by_label(wanted, [one.clip.confidence[:end] for one, end in zip(composed, ends, strict=True)])
    return {
        "single_signs": shares,
        "diversity": {
            name: metrics.diversity_ratio(made, real_motions, real_confidences=seen)
            for name, made in progress_bar(generated.items(), desc="diversity")
        },
    }


def _motion(whole: Reader, motions_by_row: dict[str, list[SignClip]], warped_sentences: int) -> dict[str, Any]:
    """Motion metrics of the same sentences, and distances from real motion."""
    real = motions_by_row["real"]
    embedded = {name: whole.embed([p.positions for p in motions]) for name, motions in motions_by_row.items()}
    way = {name: sum(metrics.travelled(p.positions, p.confidence) for p in ps) for name, ps in motions_by_row.items()}
    frozen = {
        name: np.mean([metrics.frozen_share(p.positions, FPS, p.confidence) for p in ps])
        for name, ps in motions_by_row.items()
    }
    jerk = {
        name: np.mean([metrics.jerk(p.positions, FPS, p.confidence) for p in ps]) for name, ps in motions_by_row.items()
    }
    warped: dict[str, dict[str, float]] = {"dtw_mje_mm": {}, "ndtw_hands": {}}
    for name, motions in progress_bar(motions_by_row.items(), desc="time warping"):
        if name != "real":
            pairs = [
                (a.positions, b.positions, a.confidence, b.confidence)
                for a, b in zip(real[:warped_sentences], motions[:warped_sentences], strict=True)
            ]
            warped["dtw_mje_mm"][name] = float(np.mean([metrics.dtw_mje(*pair) for pair in pairs]))
            warped["ndtw_hands"][name] = float(np.mean([metrics.ndtw_hands(*pair) for pair in pairs]))
    return {
        "distance_ratio": {name: value / way["real"] for name, value in way.items()},
        "frozen_share": frozen,
        "jerk": jerk,
        **warped,
        "frechet": {n: metrics.frechet(e, embedded["real"]) for n, e in embedded.items() if n != "real"},
        "seconds": {n: sum(len(p.positions) for p in ps) / FPS / len(ps) for n, ps in motions_by_row.items()},
    }


def accuracy(
    single: Recogniser, windows: list[np.ndarray], labels: list[str], letters: Collection[str]
) -> dict[str, Any]:
    """Shares of windows (T, 79, 3) read correctly, for words and ``letters``, and the labels read worst."""
    right = np.array(single.read(windows)) == np.array(labels)
    letter = np.isin(labels, list(letters))
    misread = sorted({label for label, ok in zip(labels, right, strict=True) if not ok})
    shares = {label: float(right[np.array(labels) == label].mean()) for label in misread}
    return {
        "words": float(right[~letter].mean()),
        "letters": float(right[letter].mean()),
        "signs": len(labels),
        "worst": dict(sorted(shares.items(), key=lambda item: item[1])[:8]),
    }


def _by_label(labels: Sequence[str], things: Sequence[Thing]) -> dict[str, list[Thing]]:
    grouped: dict[str, list[Thing]] = {}
    for label, thing in zip(labels, things, strict=True):
        grouped.setdefault(label, []).append(thing)
    return grouped


def _rounded(value: Any) -> Any:
    """Numbers as plain Python ones, rounded to four decimals, recursively."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value
