"""Signs and letters alone: which recordings count, what is looked up among what, and rates by name."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_hand_reader import take as letter_take
from test_sign_retrieval import sign

from text2sign_ros.clip import SignClip
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import FPS, CorpusError, Example, Kind, Unit
from text2sign_ros.evaluation import isolated
from text2sign_ros.evaluation.hand_reader import HandReader
from text2sign_ros.inference.signer import RETURN_FRAMES, Signer
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.training.config import CorpusConfig


def take(label: str, seed: int, split: str = "train", alternative: str = "") -> Example:
    number = zlib.crc32(f"{label} {alternative}".encode())
    motion = sign(number, seed=seed)
    clip = SignClip(motion, np.ones(motion.shape[:2]), FPS)
    unit = Unit(label, Kind.SIGN, alternative)
    return Example(label, clip, (unit,), "", f"{label}/{split}/{seed}", split, "here", "MIT")


@pytest.fixture
def vae() -> SignVAE:
    torch.manual_seed(0)
    return SignVAE(SignVAEConfig(channels=8, blocks=1)).eval()


@pytest.fixture
def signer(bundle: Path) -> Signer:
    return Signer(bundle, steps=1)


def test_other_corpora_are_where_they_were_or_beside_the_first(tmp_path: Path, monkeypatch) -> None:
    class Folder:
        def read(self, folder: Path, **_: object) -> list[Example]:
            return [replace(take("tea", 1), source=str(folder))]

    monkeypatch.setattr(registry, "READERS", {"asl_cafe": Folder(), "galt": Folder(), "clips": Folder()})
    cafe = [take("tea", 1)]
    here, data = tmp_path / "mine", tmp_path / "data" / "asl_cafe"
    for folder in (here, data, tmp_path / "data" / "galt"):
        folder.mkdir(parents=True)
    corpora = [CorpusConfig("asl_cafe", "x/cafe"), CorpusConfig("galt", "x/galt"), CorpusConfig("clips", str(here))]
    found = isolated.other_recordings(corpora, data, cafe)
    assert [take.source for take in found] == [str(tmp_path / "data" / "galt"), str(here)]
    apart = [corpora[0], replace(corpora[1], apart=True), replace(corpora[2], apart=True)]
    names = [take.unit.name for take in isolated.other_recordings(apart, data, cafe) if take.unit]
    assert names == ["tea (other galt)", "tea (other clips)"], "as training knows them"
    assert isolated.other_recordings(corpora[:1], data, cafe) == []
    with pytest.raises(CorpusError, match=r"nowhere.* missing; put them there or beside"):
        isolated.other_recordings([CorpusConfig("clips", "x/nowhere")], data, cafe)


def test_every_sign_is_looked_up_among_all(signer: Signer, vae: SignVAE) -> None:
    corpus = [take("hello", 1), take("hello", 2), take("hello", 3, "test"), take("tea", 1), take("coffee", 1, "val")]
    corpus += [take("dog", 1), take("dog", 1, "train", "two hands"), take("cat", 1, "test"), letter_take("b", 0)]
    results = isolated.all_signs(corpus, vae, signer, 2)
    signs = {row: (values["motions"], values["signs"]) for row, values in results["found"].items()}
    assert signs == {
        "second_takes": (1, 4),  # the cat has no take to be found by
        "perturbed": (3, 4),
        "rebuilt": (3, 4),
        "generated": (4, 4),
        "generated_one_take": (2, 4),
        "generated_several": (2, 4),
    }
    assert results["found"]["second_takes"]["recall_1"] == results["found"]["perturbed"]["recall_1"] == 1
    assert set(results["read_rates"]) == {"hello", "tea"}, "what the bundle signs and has a take of"
    assert set(results["copying"]) == {"all", "several"} and results["copying"]["all"]["seeds"] > 0


def test_signs_without_second_takes_have_no_such_rows(signer: Signer, vae: SignVAE) -> None:
    results = isolated.all_signs([take("tea", 1), take("coffee", 1)], vae, signer, 2)
    assert list(results["found"]) == ["perturbed", "rebuilt", "generated", "generated_one_take"]
    assert "copying" not in results


def test_letters_are_real_rebuilt_and_generated(signer: Signer, vae: SignVAE) -> None:
    held = [letter_take("b", 1), letter_take("r", 1), letter_take("r", 2), take("tea", 1)]
    shapes = isolated.hand_shapes(HandReader("br").eval(), held, vae, signer, 2)
    assert list(shapes) == ["real", "rebuilt", "generated"]
    assert all(set(row) == {"b", "r"} for row in shapes.values())
    shapes["generated"] = {"b": {"b": 0.75, "r": 0.25}, "r": {"b": 1.0}}
    assert isolated.read_rates(shapes, {"read_rates": {"tea": 0.5}}) == {"b": 0.75, "r": 0.0, "tea": 0.5}


def test_relations_of_rebuilt_hands_are_told_by_sign(vae: SignVAE) -> None:
    found = isolated.relations(vae, [letter_take("b", 1), letter_take("r", 1)])
    assert set(found["by_sign"]) == {"b", "r"} and found["by_sign"]["r"]["order_mm"] < 0 < found["all"]["frames"]


def test_a_single_sign_lasts_from_rest_to_the_start_of_the_return(signer: Signer) -> None:
    labels, motions = isolated.single_signs(signer, ["hello", "c"], 2)
    assert labels == ["hello", "hello", "c", "c"]
    for label, motion in zip(labels, motions, strict=True):
        (_, frames), back = signer.timeline(signer.plan(label))
        assert len(motion) == frames and back == ("", RETURN_FRAMES)
    assert not np.array_equal(motions[0], motions[1])
