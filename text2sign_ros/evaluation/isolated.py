"""Every sign and letter of a bundle on its own: letters read by their hand shape, signs found among all real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros.corpora.base import CorpusError, Example, Kind
from text2sign_ros.evaluation import confusion, finger_relations, sign_retrieval
from text2sign_ros.evaluation.hand_reader import HandReader, letters_among
from text2sign_ros.evaluation.reader import varied
from text2sign_ros.evaluation.reconstruction import rebuild
from text2sign_ros.evaluation.sign_retrieval import Description, describe, distances
from text2sign_ros.inference.bundle import UnitSettings
from text2sign_ros.inference.signer import RETURN_FRAMES, Signer
from text2sign_ros.naming import parts
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.progress import progress_bar
from text2sign_ros.text.markup import asking_for
from text2sign_ros.training.config import CorpusConfig
from text2sign_ros.training.sentences import examples_of, recordings

_TRIMMED = 8  # a perturbed take lacks up to one frame in so many at either end
_PLACE_MM = 3.0  # standard deviation of the noise of a perturbed take


def other_recordings(corpora: Sequence[CorpusConfig], data: Path, cafe: Sequence[Example]) -> list[Example]:
    """Recordings of the corpora that a bundle was trained on besides asl_cafe, named as in training.

    Args:
        corpora: as the bundle's training configuration lists them; a folder that is not there is looked for beside
            ``data`` by its name.
        data: folder of asl_cafe.
        cafe: the recordings of asl_cafe.

    Raises:
        CorpusError: one is missing or damaged.
    """

    def beside(corpus: CorpusConfig) -> Sequence[Example]:
        if corpus.reader == "asl_cafe":
            return cafe
        places = (Path(corpus.folder), data.parent / Path(corpus.folder).name)
        folder = next((place for place in places if place.is_dir()), None)
        if folder is None:
            raise CorpusError(
                f"the recordings {corpus.folder} that the bundle was trained on are missing; put them there or beside "
                f"{data}"
            )
        return examples_of(replace(corpus, folder=str(folder)))

    every = recordings(corpora, beside)
    return [take for corpus, takes in every if corpus.reader != "asl_cafe" for take in takes]


def signed(signer: Signer, names: Sequence[str], takes: int) -> Iterator[tuple[str, np.ndarray]]:
    """Sign each of ``names`` ``takes`` times alone: the name, and a motion (T, 79, 3) from rest to the start of the
    return."""
    for name in progress_bar(names, desc="single signs"):
        plan = signer.plan(plain(asking_for(*parts(name))))
        for seed in range(takes):
            yield name, np.concatenate(list(signer.stream(plan, seed=seed)))[:-RETURN_FRAMES]


def single_signs(signer: Signer, names: Sequence[str], takes: int) -> tuple[list[str], list[np.ndarray]]:
    """As ``signed``, all names and all motions."""
    shown, motions = zip(*signed(signer, names, takes), strict=True)
    return list(shown), list(motions)


def plain(text: str) -> str:
    """Without movements of head and brows, which no recording has."""
    return f"[plain]{text}[/plain]"


def relations(sign_vae: PoseVAE, takes: Sequence[Example]) -> dict[str, Any]:
    """Agreement of rebuilt with real hands (``finger_relations.Agreement``): "all", and "by_sign"."""
    overall, by_text = finger_relations.agreement_through(partial(rebuild, sign_vae), takes)
    return {"all": asdict(overall), "by_sign": {text: asdict(found) for text, found in by_text.items()}}


def hand_shapes(
    reader: HandReader, held_out: Sequence[Example], sign_vae: PoseVAE, signer: Signer, takes: int
) -> dict[str, confusion.Confusions]:
    """Confusions of letters: "real" held-out takes, the same "rebuilt" from their codes, and "generated" alone."""
    real = letters_among(held_out)
    shown, seen = [take.text for take in real], [take.clip.confidence for take in real]
    positions = [take.clip.positions for take in real]
    rebuilt = [rebuild(sign_vae, motion) for motion in progress_bar(positions, desc="rebuilding letters")]
    names, motions = single_signs(signer, reader.letters, takes)
    return {
        "real": confusion.confusions(shown, reader.read(positions, seen)),
        "rebuilt": confusion.confusions(shown, reader.read(rebuilt, seen)),
        "generated": confusion.confusions(names, reader.read(motions)),
    }


def all_signs(corpus: Sequence[Example], sign_vae: PoseVAE, signer: Signer, takes: int) -> dict[str, Any]:
    """How well signs are found among all real ones, and how far they differ from these and from each other.

    "found" (``sign_retrieval.Found`` by row): "second_takes" are real takes of the test split; "perturbed" are the only
    takes of signs at another pace, with arms and hands turned, trimmed and with noise; "rebuilt" are the only takes
    rebuilt from their codes; "generated" are all signs of the bundle, "generated_one_take" and "generated_several"
    those with one take and with more. "copying" (``sign_retrieval.Copying``) is of all generated signs, and of
    "several": those with takes of the test split. "worst" are the signs found worst, with their share of rank 1, and
    "read_rates" these shares of all signs. Rows without signs are missing.

    Args:
        corpus: recordings of all corpora; signs are looked up among those of the training split.
        sign_vae, signer: of the bundle.
        takes: how often each sign is signed, at least 2.
    """
    signs = [take for take in corpus if take.unit is not None and take.unit.kind == Kind.SIGN]
    train = [take for take in signs if take.split == "train"]
    names, known = _names(train), _described(train)
    count = Counter(names)
    alone = [i for i, name in enumerate(names) if count[name] == 1]
    held = [take for take, name in zip(signs, _names(signs), strict=True) if take.split == "test" and name in count]
    rng = np.random.default_rng(6)
    found: dict[str, Any] = {}

    def look_up(row: str, shown: Sequence[str], description: Description) -> np.ndarray:
        figures, rank = sign_retrieval.found(shown, distances(description, known), names)
        found[row] = asdict(figures)
        return rank

    if held:
        look_up("second_takes", _names(held), _described(held))
    if alone:
        shown, motions = [names[i] for i in alone], [train[i].clip.positions for i in alone]
        look_up("perturbed", shown, describe(_perturbed(motion, rng) for motion in motions))
        look_up("rebuilt", shown, describe(rebuild(sign_vae, motion) for motion in motions))
    wanted = [name for name in _signs(signer) if name in count]
    made = [name for name in wanted for _ in range(takes)]
    generated = describe(motion for _, motion in signed(signer, wanted, takes))
    rank = look_up("generated", made, generated)
    for row, one in (("generated_one_take", True), ("generated_several", False)):
        chosen = [i for i, name in enumerate(made) if (count[name] == 1) == one]
        if chosen:
            look_up(row, [made[i] for i in chosen], generated.of(chosen))
    rates = sign_retrieval.read_rates(made, rank)
    results = {
        "found": found,
        "worst": dict(sorted(rates.items(), key=lambda item: item[1])[:20]),
        "read_rates": rates,
    }
    if held:
        several = {name: motions for name, motions in _grouped(made, generated).items() if name in set(_names(held))}
        real = _grouped(names, known), _grouped(_names(held), _described(held))
        results["copying"] = {"all": asdict(sign_retrieval.copying(_grouped(made, generated), *real))}
        if several:
            results["copying"]["several"] = asdict(sign_retrieval.copying(several, *real))
    return results


def read_rates(shapes: Mapping[str, confusion.Confusions], signs: Mapping[str, Any]) -> dict[str, float]:
    """Share of the generated motions of each letter and sign that are read as it, by name; of what ``hand_shapes`` and
    ``all_signs`` returned. A letter is read by its hand shape, a sign if no other real one is nearer."""
    return {**confusion.right(shapes["generated"]), **signs["read_rates"]}


def _signs(signer: Signer) -> list[str]:
    settings = signer.bundle.segmenter
    return list(settings.vocabulary.names) if isinstance(settings, UnitSettings) else []


def _names(takes: Sequence[Example]) -> list[str]:
    return [take.unit.name for take in takes if take.unit is not None]


def _described(takes: Sequence[Example]) -> Description:
    return describe([take.clip.positions for take in takes], [take.clip.confidence for take in takes])


def _grouped(names: Sequence[str], description: Description) -> dict[str, Description]:
    at: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        at.setdefault(name, []).append(i)
    return {name: description.of(chosen) for name, chosen in at.items()}


def _perturbed(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    most = len(motion) // _TRIMMED
    start, stop = rng.integers(most + 1), len(motion) - rng.integers(most + 1)
    moved = varied(motion[start:stop], rng)
    return moved + rng.normal(scale=_PLACE_MM / 1000, size=moved.shape[1:]).astype(np.float32)
