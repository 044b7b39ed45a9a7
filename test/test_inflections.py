"""Inflected forms: which sign everyday sentences lead to, and which they do not."""

from __future__ import annotations

import pytest

pytest.importorskip("simplemma", reason="inflected forms are found by the extra train")

from text2sign_ros.export.inflections import inflections
from text2sign_ros.text import UnitSegmenter, Vocabulary, plan

SIGNS = (
    *("answer", "ask", "ask around", "bake", "bank", "bear", "beat", "bed", "been", "berries", "better", "big"),
    *(
        "bite",
        "book",
        "boots",
        "bore",
        "box",
        "boy",
        "break",
        "brother",
        "build",
        "buy",
        "can",
        "cat",
        "child",
        "close",
    ),
    *("come", "do", "even", "feel", "find", "get", "glass", "good", "have", "hear", "leave", "meet", "no", "please"),
    *("rise", "sad", "say", "see", "small", "that", "thank you", "time", "up", "us", "we", "you", "medium"),
)
SENTENCES = [
    ("The cats are asking for boxes.", "cat ask box"),
    ("She bought bigger books", "buy big book"),
    ("He was sadder, the saddest", "sad sad"),
    ("The boys' brothers were baking", "boy brother bake"),
    ("Two children came", "child come"),
    ("I was bored; how boring", "bore bore"),
    ("They left", ""),  # simplemma keeps it: it may be the side
    ("I felt it", ""),
    ("We found a saw", "we find see"),  # known to be wrong: the tool is no "see"
    ("The rose is red", ""),  # and not "rise"
    ("He bit it", ""),  # nor is a bit "bite"
    ("a bit of tea", ""),
    ("He wears glasses", ""),  # not "glass"
    ("the building is closed", "close"),
    ("this evening we are meeting", "we"),
    ("He is hearing", ""),
    ("As you do, as he does", "you do"),  # words of grammar have no forms
    ("his, hers, ours, them, those, these", ""),
    ("am is are was were be being", ""),
    ("It has been better", "been better"),  # the very form
    ("the best, the worst, more, less", ""),
    ("cans and canning", ""),
    ("pleased to meet you", "meet you"),
    ("social media", ""),
    ("a berry and a boot", "berries boots"),  # recorded as plurals
    ("thanks", ""),  # what the dictionary does not say is not made up
    ("Thanks you", "you"),
    ("she asked around", "ask around"),  # the longest sign first
    ("the asking price", "ask"),
    ("Asks. Around", "ask"),  # a phrase does not cross a sentence
    ("He banks at Banks", "bank"),  # a name is no form
    ("Cats, said Bears", "cat say"),  # but the first word of a sentence may be
    ("NO CATS", "no cat"),
    ("Cats Are Bought", "cat buy"),  # in Title Case there are no names
    ("The Children of Bears Asked For Boxes", "child bear ask box"),
    ("the closer box, the hotter glass", "close box glass"),
    ("Let us see Us", "us see us"),  # a name that is a sign
    ("[spell]cats[/spell] cats", "cat"),
    ("cats' and cat's", "cat cat"),
    ("[slow]asks[/slow] around", "ask"),
    ("times up", "time up"),
    ("breaks, broken, broke, breaking", "break break break"),
]


@pytest.fixture(scope="module")
def segmenter() -> UnitSegmenter:
    vocabulary = Vocabulary(SIGNS, tuple("abcdefghijklmnopqrstuvwxyz"), {}, inflections(SIGNS))
    return UnitSegmenter(vocabulary, 1, 256, 50, 40)


@pytest.mark.parametrize(("text", "signs"), SENTENCES)
def test_everyday_sentences_find_their_signs(segmenter: UnitSegmenter, text: str, signs: str) -> None:
    units = [segment.units[0] for segment in plan(text, segmenter, max_characters=1000).segments]
    assert " ".join(unit.text for unit in units if unit.kind == "sign") == signs


def test_forms_are_plain_words_of_the_vocabulary() -> None:
    forms = inflections(SIGNS)
    words = {word for sign in SIGNS for word in sign.split()}
    assert set(forms.values()) <= words and all(form != word for form, word in forms.items())
    assert list(forms) == sorted(forms) and inflections(reversed(SIGNS)) == forms
    assert inflections([]) == {}
