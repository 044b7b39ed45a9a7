"""The comparison of what is signed with what is meant: each kind of error, counted once."""

from __future__ import annotations

import pytest
from conftest import ROOT

from experiments.planner import errors, rows, same_markers, signed, table
from text2sign_ros.corpora.base import Kind, Unit
from text2sign_ros.corpora.expansion import Expansion, Meant, Pair
from text2sign_ros.corpora.grammar import Sign, read
from text2sign_ros.inference.vocabulary import load
from text2sign_ros.text import UnitSegmenter, Vocabulary

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(
    ("meant", "found", "wrong"),
    [
        ("tea please", "tea please", {}),
        ("tea please", "tea", {"omitted": 1}),
        ("tea please", "tea fs:now please", {"extra_spelled": 1}),
        ("tea please", "tea bear please", {"extra_sign": 1}),
        ("tea please", "fs:cuppa please", {"spelled_instead": 1}),
        ("tea please", "bear please", {"wrong_sign": 1}),
    ],
)
def test_each_error_is_counted_as_what_it_is(meant: str, found: str, wrong: dict[str, int]) -> None:
    rates = errors([(meant.split(), found.split())])
    assert {key: 2 * rates[key] for key in wrong} == wrong
    assert rates["sign_error_rate"] == pytest.approx(sum(wrong.values()) / 2)
    assert rates["all_right"] == float(not wrong)


def test_order_is_told_apart() -> None:
    rates = errors([(["tea", "how much"], ["how much", "tea"])])
    assert rates["sign_error_rate"] == 1.0 and rates["order_apart"] == 0.0


def test_a_spelled_word_is_one_sign() -> None:
    segmenter = UnitSegmenter(Vocabulary(("hello", "tea"), LETTERS), 1, 256, 50, 40)
    assert signed("Hello Grace, a tea", segmenter) == ("hello", "fs:grace", "fs:a", "tea")


def test_what_is_signed_as_meant_has_no_errors() -> None:
    known = [entry.name for entry in load(ROOT / "models" / "asl") if entry.kind == "sign"]
    pairs = list(Expansion(read(ROOT / "config" / "grammar" / "asl.yaml", known)).pairs("test", 60, 0))
    right, wrong = rows(pairs, lambda pair: pair.names), rows(pairs, lambda pair: ())
    assert right["all"]["sign_error_rate"] == 0.0 and wrong["all"]["omitted"] == 1.0
    assert sum(right[f"unseen {kind}"]["sentences"] for kind in ("wording", "synonym", "both", "pattern")) == 60
    assert table(right).splitlines()[2].startswith("| all | 60 | 0.0 |")


def test_markers_are_compared_with_those_that_the_text_implies() -> None:
    segmenter = UnitSegmenter(Vocabulary(("hello",), LETTERS), 1, 256, 50, 40)
    sign = Sign((Unit("hello", Kind.SIGN),))

    def pair(text: str, *face: str) -> Pair:
        return Pair(text, (Meant(sign),), ("a",), ("a/0",), (0,), (1,), (frozenset(face),))

    texts = [pair("Hello?", "question"), pair("No hello.", "negation"), pair("Hello.", "affirmation"), pair("hello")]
    assert same_markers(texts, segmenter) == 2 / 3
