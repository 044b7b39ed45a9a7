"""Senses: the sentence chooses among the signs of a word, and texts without such words never ask."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from experiments.senses import HELD_OUT, TUNING, measure
from text2sign_ros.inference.signer import Signer
from text2sign_ros.text import Senses, SentenceEncoder, TextError, UnitSegmenter, Vocabulary, plan
from text2sign_ros.text.markup import LOOKAHEAD

ALTERNATIVES = {
    "bear": ("animal", "variant", "weight"),
    "bear in mind": ("idea alt",),
    "tea": ("2 handed", "one handed", "old"),
    "a while": ("long",),
}
WORDS = Vocabulary(
    ("a while", "bear", "bear in mind", "tea", "you"),
    tuple("abcdefghijklmnopqrstuvwxyz"),
    ALTERNATIVES,
    {"bears": "bear"},
)


class Meanings:
    """Embeds texts by the words that they have, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(texts[0])
        known = ("bear", "animal", "weight", "long")
        rows = np.array([[float(word in re.findall("[a-z]+", text)) for word in known] for text in texts])
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


@pytest.fixture
def meanings() -> Meanings:
    return Meanings()


def signs(text: str, meanings: Meanings) -> list[str]:
    segmenter = UnitSegmenter(WORDS, 1, 256, 50, 40, Senses(WORDS, meanings))
    units = [segment.units[0] for segment in plan(text, segmenter, max_characters=10**6).segments]
    return [unit.name for unit in units if unit.kind == "sign"]


def test_the_sentence_chooses(meanings: Meanings) -> None:
    assert signs("A bear is an animal. Bears bear weight! You bear?", meanings) == [
        *("bear (animal)", "bear (weight)", "bear (weight)", "you", "bear")
    ]
    assert signs("It was a while, a long one.", meanings) == ["a while (long)"]


def test_a_tag_decides(meanings: Meanings) -> None:
    assert signs("animal [alt 1]bear, [alt weight]bear, [alt variant]bear", meanings) == [
        *("bear", "bear (weight)", "bear (variant)")
    ]
    assert meanings.asked == []


def test_texts_without_such_words_cost_nothing(meanings: Meanings) -> None:
    assert signs("Tea, animal! You and the weight of it. [spell]bear[/spell]. While you were away.", meanings)
    assert meanings.asked == []
    assert signs("an animal, bear in mind", meanings) == ["bear in mind"]  # it has no sense, and is not the sign "bear"
    assert meanings.asked == []


def test_only_names_that_mean_something_are_senses() -> None:
    meanings = Meanings()
    assert Senses(WORDS, meanings)
    assert not Senses(Vocabulary(("tea",), (), {"tea": ALTERNATIVES["tea"]}), meanings)
    assert not Senses(Vocabulary(("tea",), ()), meanings)


def test_only_the_words_around_count(meanings: Meanings) -> None:
    far = "you " * 16
    assert signs(f"animal {far} bear", meanings)[-1] == "bear"
    assert signs(f"animal bear {far} weight", meanings)[0] == "bear (animal)"
    assert signs("bear " + "you " * (LOOKAHEAD // 4) + "animal", meanings)[0] == "bear", "its sentence is too long"
    assert signs(f"{'x' * 500} bear animal", meanings) == ["bear (animal)"] and "xx" not in meanings.asked[-1]


def test_a_sentence_too_long_for_the_encoder_has_the_default() -> None:
    def refuse(texts: Sequence[str]) -> np.ndarray:
        raise TextError("too many tokens")

    assert Senses(WORDS, refuse).choose("bear", "a bear is an animal") == ""


def test_a_long_text_is_planned_no_further_than_it_is_read(meanings: Meanings) -> None:
    segmenter = UnitSegmenter(WORDS, 1, 256, 50, 40, Senses(WORDS, meanings))
    segments = iter(plan("You bear it, animal. " * 5000, segmenter, max_characters=10**6).segments)
    for _ in range(3):
        next(segments)
    assert 0 < len(meanings.asked) < 5


def test_what_is_planned_does_not_depend_on_the_pieces(meanings: Meanings, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "You, bears! An animal that bears a while, a long one; bear in mind the weight. Bear"
    whole = signs(text, meanings)
    assert "a while (long)" in whole and "bear (animal)" in whole
    for piece in (1, 7, 20):
        monkeypatch.setattr(sys.modules["text2sign_ros.text.normalise"], "PIECE", piece)
        assert signs(text, meanings) == whole


def test_the_real_encoder_does_better_than_the_default_and_as_reported(bundle: Path) -> None:
    encoder = SentenceEncoder(bundle, max_tokens=64)
    page = (ROOT / "docs" / "results.md").read_text()
    for name, rows in (("tuning", TUNING), ("held out", HELD_OUT)):
        found = measure(rows, encoder)
        assert found["chosen"] > found["always_default"] + 0.15
        shares = [found[key] for key in ("always_default", "chosen", "default_needed", "sense_needed")]
        assert (
            f"| {name}, {found['sentences']} | " + " | ".join(f"{share:.0%}".replace("%", " %") for share in shares)
            in page
        )


def _with_alternatives(tmp_path: Path, alternatives: dict[str, list[str]]) -> Path:
    """A copy of the shipped bundle that has these alternatives and no others."""
    folder = tmp_path / "bundle"
    shutil.copytree(ROOT / "models" / "asl", folder)
    about = json.loads((folder / "bundle.json").read_text())
    about["segmenter"]["alternatives"] = alternatives
    (folder / "bundle.json").write_text(json.dumps(about))
    return folder


def test_a_signer_without_senses_in_its_bundle_never_loads_the_encoder(tmp_path: Path) -> None:
    signer = Signer(
        _with_alternatives(tmp_path, {"answer": ["one handed"], "bye": ["other galt"]}), steps=1, senses=True
    )
    assert "_model" not in vars(signer._encoder)
    assert signer.sign("tea").positions.shape[1:] == (79, 3)


def test_a_signer_chooses_only_if_asked_to(tmp_path: Path) -> None:
    folder = _with_alternatives(tmp_path, {"tea": ["leaves", "old"]})
    for senses, chosen in ((True, "tea (leaves)"), (False, "tea")):
        signer = Signer(folder, steps=1, senses=senses)
        texts = [segment.text for segment in signer.plan("The leaves of tea plants are green leaves.").segments]
        assert [text for text in texts if text.startswith("tea")] == [chosen]
