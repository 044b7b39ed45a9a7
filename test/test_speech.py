"""Speech that is still being recognised: every word is signed once, whatever the recogniser thinks on the way."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from text2sign_ros.text import Omissions, normalise
from text2sign_ros.text.normalise import fold
from text2sign_ros.text.speech import MAX_EARLY_WORDS, SILENCE, Transcript, is_understood, plain

PHRASES = frozenset({("thank", "you"), ("i", "love", "you"), ("coffee",)})
WORDS = st.lists(st.sampled_from(["thank", "you", "i", "love", "coffee", "please", "tea", "no", "a"]), max_size=12)


def follow(results: list[str], final: str, agree: int = 2) -> tuple[list[str], object]:
    """The pieces that are given before the final result, and the rest."""
    transcript, pieces = Transcript(PHRASES), []
    for number, result in enumerate(results):
        transcript.update(result, float(number))
        if piece := transcript.take(agree):
            pieces.append(piece)
    return pieces, transcript.finish(final, float(len(results)))


def test_what_results_agree_on_is_given_early_and_the_rest_at_the_end() -> None:
    results = ["can", "can I", "can I get", "can I get tea"]
    pieces, rest = follow(results, "Can I get tea, please?")
    # "I" might begin "I love you" until "get" follows; the last word is never sure.
    assert pieces == ["can", "I", "get"]
    assert (rest.text, rest.partly_signed, rest.revised) == ("tea, please?", True, False)


def test_inflected_forms_of_a_sign_of_several_words_are_not_split() -> None:
    for forms, early in (({}, "she asks"), ({"asks": "ask"}, "she")):
        transcript = Transcript({("ask", "around")}, forms)
        for number, result in enumerate(("she asks a round", "she asks around here")):  # they agree on two words
            transcript.update(result, float(number))
        assert transcript.take(2) == early


def test_a_sign_of_several_words_is_not_split() -> None:
    pieces, rest = follow(
        ["no thank", "no thank", "no thank", "no thank you a", "no thank you a"], "No thank you. A tea."
    )
    assert pieces == ["no", "thank you"]
    assert rest.text == "A tea."


def test_a_word_that_changes_is_not_given() -> None:
    pieces, rest = follow(["coughing now please", "coffee now please", "cough he now please"], "coffee now please")
    assert pieces == []
    assert rest.text == "coffee now please"


def test_without_a_final_result_before_all_of_it_is_the_rest() -> None:
    _, rest = follow([], "  hello ")
    assert (rest.text, rest.partly_signed, rest.revised) == ("  hello ", False, False)


@pytest.mark.parametrize(
    ("final", "rest"),
    [
        ("ice cream tea please", "tea please"),  # as many words: the same place
        ("no scream tea please", "tea please"),
        ("a a scream tea please", "tea please"),
        ("scream tea please", "tea please"),
        ("a scream", ""),
        ("", ""),
    ],
)
def test_where_the_final_result_contradicts_only_what_comes_after_is_left(final: str, rest: str) -> None:
    pieces, end = follow(["a scream tea", "a scream tea"], final)
    assert pieces == ["a scream"]
    assert end.text == rest
    assert end.revised == (final != "a scream")


def test_while_results_contradict_what_was_given_nothing_more_is() -> None:
    results = ["tea no no", "tea no no", "coffee no no", "coffee no no", "coffee no no", "tea no no", "tea no no"]
    pieces, rest = follow(results, "tea no no")
    assert pieces == ["tea no"]
    assert rest.text == "no"


def test_an_utterance_that_never_ends_times_out() -> None:
    transcript = Transcript()
    for now in (0.0, 1.0):
        transcript.update("tea please", now)
    assert transcript.take(2) == "tea"
    for now in (1.1 + SILENCE, 1.2 + SILENCE):
        transcript.update("tea no", now)
    assert transcript.take(2) == "tea"
    assert not transcript.finish("tea no", 3 + 2 * SILENCE).partly_signed


@st.composite
def recognitions(draw) -> tuple[list[str], str]:
    """Growing prefixes of an utterance, with any tail that may still change, any case and any punctuation."""
    final = draw(WORDS)
    results = []
    for length in sorted(draw(st.lists(st.integers(0, len(final)), max_size=12))):
        words = [draw(st.sampled_from((word, word.upper(), word + ",", f"{word} ..."))) for word in final[:length]]
        results.append(" ".join(words + draw(st.lists(st.sampled_from(["eh", "th", "co"]), max_size=2))))
    return results, "".join(word + draw(st.sampled_from([" ", ", ", ". ", " - "])) for word in final)


def keys(text: str) -> list[str]:
    return [word.text for word in normalise(text, Omissions())]


@given(recognitions(), st.integers(1, 3))
@example((["tea th th", "tea th th", "tea no"], "tea no"), 2)
def test_every_word_is_given_once_and_in_order(recognition: tuple[list[str], str], agree: int) -> None:
    results, final = recognition
    pieces, rest = follow(results, final, agree)
    assert final.endswith(rest.text)
    if not rest.revised:
        assert keys(" ".join([*pieces, rest.text])) == keys(final)


@given(st.lists(WORDS, max_size=8), WORDS, st.integers(1, 3))
def test_whatever_is_recognised_nothing_is_given_twice(results: list[list[str]], final: list[str], agree: int) -> None:
    pieces, rest = follow([" ".join(words) for words in results], " ".join(final), agree)
    given = " ".join(pieces).split()
    assert not given or any(words[: len(given)] == given for words in results), "it is what one result said"
    assert " ".join(final).endswith(rest.text)
    assert rest.partly_signed == bool(given) and rest.revised == (final[: len(given)] != given)
    if not rest.revised:
        assert given + rest.text.split() == final


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=4))
def test_any_text_is_accepted(final: str, results: list[str]) -> None:
    _, rest = follow([plain(result) for result in results], plain(final), 1)
    assert plain(final).endswith(rest.text)


def test_an_endless_result_takes_no_time() -> None:
    began, text = time.process_time(), "a " * 500_000
    transcript = Transcript(PHRASES)
    for now in (0.0, 1.0):
        transcript.update(plain(text), now)
    assert len(transcript.take(2).split()) == MAX_EARLY_WORDS - 1
    assert transcript.finish(plain("b " + text), 2.0).revised
    assert time.process_time() - began < 5.0


def test_speech_has_no_markup() -> None:
    assert plain("[slow] hello [noise] you <unk> [") == "hello   you"
    brackets = [char for char in map(chr, range(sys.maxunicode + 1)) if {"[", "]"} & set(fold(char))]
    assert {"[", "]"} < set(brackets) and not any(map(plain, brackets))


@pytest.mark.parametrize(
    ("locale", "understood"),
    [
        *((locale, True) for locale in ("", "en", "en_GB", "en-US", "EN", "en_US.UTF-8")),
        *((locale, False) for locale in ("es", "es_ES", "end", "de-DE")),
    ],
)
def test_only_english_is_understood(locale: str, understood: bool) -> None:
    assert is_understood(locale) == understood
