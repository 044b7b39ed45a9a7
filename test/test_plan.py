"""Planning: the signs a text becomes, the segments it is cut into, and that a text may have any length."""

import itertools
import sys

import pytest
from conftest import peak_memory
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from text2sign_ros.text import Boundary, Plan, TextError, UnitSegmenter, Vocabulary, VocabularyError, plan
from text2sign_ros.text.segments import SHORT_TEXT
from text2sign_ros.text.units import NumberedWords

SIGNS = (
    *("hello", "can", "i", "get", "small", "medium", "large", "coffee", "tea", "water", "muffin", "please"),
    *("thank you", "no", "bye", "father", "good job", "happy", "how much", "hungry", "i love you", "sad", "you"),
)
VOCABULARY = Vocabulary(SIGNS, tuple("abcdefghijklmnopqrstuvwxyz"))


NORMALISE = sys.modules["text2sign_ros.text.normalise"]  # the package's attribute of that name is the function


def make(
    text: str, vocabulary: Vocabulary = VOCABULARY, *, units: int = 12, frames: int = 256, longest: int = 1_000_000
) -> Plan:
    segmenter = UnitSegmenter(vocabulary, units, frames, frames_per_sign=25, frames_per_letter=10)
    return plan(text, segmenter, max_characters=longest)


def segments(text: str, **limits: int) -> list[str]:
    return [segment.text for segment in make(text, **limits).segments]


def units(text: str) -> list[str]:
    return [unit.text for segment in make(text).segments for unit in segment.units]


def refusal(text: object, longest: int = 5000) -> str:
    with pytest.raises(TextError) as error:
        make(text, longest=longest)  # type: ignore[arg-type]
    str(error.value).encode()  # can be published and printed
    return str(error.value)


def test_words_and_phrases_of_the_vocabulary():
    text = "hello can i get a large coffee please thank you"
    assert units(text) == ["hello", "can", "i", "get", "a", "large", "coffee", "please", "thank you"]
    assert units("Thank-you!") == ["thank you"]
    assert units("I love you, father.") == ["i love you", "father"]
    assert units("how much") == ["how much"]


def test_unknown_words_are_spelled_separately():
    result = make("my name is Grace")
    spelled = [unit for segment in result.segments for unit in segment.units]
    by_word = ["".join(unit.text for unit in spelled if unit.word == word) for word in range(4)]
    assert by_word == ["my", "name", "is", "grace"]
    assert all(unit.spelled for unit in spelled)
    assert [unit.boundary for unit in spelled[:3]] == [Boundary.NONE, Boundary.WORD, Boundary.NONE]
    assert spelled[-1].boundary == Boundary.SENTENCE
    assert result.warnings == ()


def test_a_phrase_never_crosses_a_clause():
    assert units("thank, you") == [*"thank", "you"]
    assert units("good. job") == [*"good", *"job"]


def test_a_sentence_always_ends_a_segment():
    assert segments("Hello. Coffee please! Bye") == ["hello", "coffee please", "bye"]


def test_cuts_prefer_clauses_then_words():
    assert segments("hello, can i get tea", units=4) == ["hello", "can i get tea"]
    assert segments("can i get large coffee", units=4) == ["can i get large", "coffee"]
    assert segments("my name is Grace") == ["m y n a m e i s", "g r a c e"]
    assert segments("large large large", frames=50) == ["large large", "large"]


def test_only_a_word_beyond_the_limits_is_cut_inside():
    assert segments("hi abcdefghijk no", units=4) == ["h i", "a b c d", "e f g h", "i j k no"]


def test_letters_the_vocabulary_lacks_are_left_out_with_one_warning():
    vocabulary = Vocabulary(("hello",), tuple("abc"))
    result = make("hello cab, zz cabs. z", vocabulary)
    assert [segment.text for segment in result.segments] == ["hello c a b c a b"]
    assert len(result.warnings) == 1 and "s (1x), z (3x)" in result.warnings[0]
    with pytest.raises(TextError, match=r"z \(2x\)"):
        make("zz", vocabulary)


def test_omissions_of_normalisation_are_passed_on():
    assert "emoji" in make("hello 😀").warnings[0]


def test_refusals_name_the_cause():
    assert "empty" in refusal("")
    assert "only spaces" in refusal(" \n\t")
    assert "only punctuation" in refusal("'")
    assert "emoji" in refusal("😀")
    assert "other scripts" in refusal("你好")
    assert "control" in refusal("\x00\x07")
    assert "U+D800" in refusal("\ud800")
    assert "bytes" in refusal(b"hello")
    too_long = refusal("a" * 20_000)
    assert all(part in too_long for part in ("20000", "5000", "max_characters"))


@pytest.mark.parametrize("signs", [("Hello",), ("thank  you",), ("",), ("tea", "tea")])
def test_a_vocabulary_that_cannot_match_is_refused(signs):
    with pytest.raises(VocabularyError):
        Vocabulary(signs, ("a",))


def test_limits_too_small_for_a_sign_are_refused():
    with pytest.raises(ValueError, match="max_frames"):
        make("hello", frames=20)


@given(
    st.lists(st.sampled_from([*SIGNS, "grace", "x", "supercalifragilistic", ",", ".", "😀"]), min_size=1),
    st.integers(1, 15),
    st.integers(25, 200),
)
@settings(deadline=None)
def test_every_plan_keeps_order_and_limits(parts, max_units, max_frames):
    text = " ".join(["hello", *parts])
    whole = [unit for segment in make(text, units=10**6, frames=10**9).segments for unit in segment.units]
    cut = list(make(text, units=max_units, frames=max_frames).segments)
    assert [unit for segment in cut for unit in segment.units] == whole
    for segment in cut:
        assert 1 <= len(segment.units) <= max_units
        assert sum(10 if unit.spelled else 25 for unit in segment.units) <= max_frames
        assert all(unit.boundary < Boundary.SENTENCE for unit in segment.units[:-1])
        if segment.units[-1].boundary == Boundary.NONE:  # cut inside a word: nothing but that word is in here
            assert len({unit.word for unit in segment.units}) == 1


SPELLED = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9)


@given(st.lists(SPELLED | st.sampled_from([*SIGNS, ","]), min_size=1), st.integers(9, 20))
@settings(deadline=None)
def test_a_spelled_word_that_fits_into_a_segment_is_never_split(parts, max_units):
    text = "hello " + " ".join(parts)
    for segment, after in itertools.pairwise(make(text, units=max_units).segments):
        assert segment.units[-1].word != after.units[0].word


FRAGMENTS = st.sampled_from(
    [
        *("hello", "thank you", "how much", "i love you", "good", "job", "grace", "a" * 30, "12", "1,000", "3.5", "$"),
        *(" ", " ", " ", ", ", ". ", "! ", "\n", "-", " - ", "'", "😀", "你", "\u0301", "\x00"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=40).map("".join), st.integers(1, 12), st.integers(1, 9), st.sampled_from("az"))
@settings(deadline=None)
def test_a_text_planned_piece_by_piece_is_the_text_planned_whole(text, units, piece, last_letter):
    vocabulary = Vocabulary(SIGNS, tuple(map(chr, range(ord("a"), ord(last_letter) + 1))))

    def planned() -> tuple | str:
        try:
            result = make(text, vocabulary, units=units)
        except TextError as error:
            return str(error)
        return tuple(result.segments), result.warnings

    whole = planned()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NORMALISE, "PIECE", piece)
        assert planned() == whole


@given(st.text("ab", min_size=1, max_size=200), st.integers(12, 40))
@settings(deadline=None)
def test_a_monstrous_word_is_spelled_as_one(word, longest):
    assume(word not in SIGNS)
    text = f"tea {word} hello"
    whole = list(make(text).segments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NORMALISE, "PIECE", 7)
        patch.setattr(NORMALISE, "LONGEST_TOKEN", longest)
        assert list(make(text).segments) == whole


@given(
    st.lists(
        st.sampled_from([*SIGNS, "Grace", "12", "it's", "[slow]", "[/slow]", "x" * 4500, "[spell]no[/spell]", ","])
    ),
    st.sampled_from([100, 2000]),
)
@settings(deadline=None)
def test_a_number_of_a_word_leads_to_the_word(parts, longest):
    text = " ".join(parts)
    assume(any(part[0] not in "[," for part in parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NORMALISE, "LONGEST_TOKEN", longest)
        signs = [unit for segment in make(text).segments for unit in segment.units]
        word = NumberedWords(text)
        for number, group in itertools.groupby(signs, lambda unit: unit.word):
            signed = [unit.text for unit in group]
            asked = word(number)
            if len(signed) == 1 and " " in signed[0]:
                assert asked == signed[0].split()[0]
            else:
                assert "".join(signed).startswith(asked) and asked
        assert word(number + 1000) == "" and word(number) == asked


def test_a_part_of_a_monstrous_word_is_no_sign():
    vocabulary = Vocabulary(tuple("x" * count for count in range(1, 3000)), ("x",))
    found = [unit for segment in make("x" * 10_000, vocabulary).segments for unit in segment.units]
    assert len(found) == 10_000 and all(unit.spelled for unit in found)


def test_segments_can_be_passed_over_again():
    segments = make("hello, my name is Grace").segments
    assert list(segments) == list(segments) != []
    one, other = iter(segments), iter(segments)
    assert next(one) == next(other)


def test_warnings_are_complete_immediately_for_a_short_text_and_after_the_first_pass_for_a_long_one():
    short = make("hello " * 20 + "😀 zoo", Vocabulary(("hello",), ("o",)))
    assert "emoji" in short.warnings[0] and "z (1x)" in short.warnings[1]
    result = make("hello " * SHORT_TEXT + "😀 你", units=10)
    assert result.warnings == ()
    passed = list(result.segments)
    assert len(passed) == SHORT_TEXT / 10 and len(result.warnings) == 2
    next(iter(result.segments))
    assert len(result.warnings) == 2  # another pass neither loses them nor counts twice
    assert "left out 1 emoji" in result.warnings[0]


def test_a_long_text_without_anything_to_sign_is_refused():
    assert "100000 letters" in refusal("你" * 100_000, longest=100_000)
    assert units("你" * 100_000 + " tea") == ["tea"]


@pytest.mark.timeout(120)  # quadratic time would be hours
@pytest.mark.parametrize(
    "pattern", ["hello, my name is Grace. ", "can i get tea ", "x", "7", "1.", "b你\u0301😀", "a'"]
)
def test_a_very_long_text_is_planned_in_little_memory(pattern):
    def peak(length: int) -> int:
        return peak_memory(make((pattern * length)[:length], units=1).segments)

    peak(10)  # the caches
    assert peak(16_000) < peak(4_000) + 50_000


FORMS = {"coffees": "coffee", "gets": "get", "thanks": "thank", "jobs": "job", "happier": "happy", "teas": "tea"}
OTHERS = {"coffee": ("iced", "to go"), "good job": ("ironic",)}
RICH = Vocabulary(SIGNS, VOCABULARY.letters, OTHERS, FORMS)


def signs(text: str) -> list[str]:
    """What is signed, with what was said where that differs."""
    found = [unit for segment in make(text, RICH).segments for unit in segment.units if not unit.spelled]
    return [unit.name if unit.said == unit.text else f"{unit.name} = {unit.said}" for unit in found]


def test_a_form_is_signed_as_its_sign_and_says_what_was_said() -> None:
    assert signs("Two coffees, happier.") == ["coffee = coffees", "happy = happier"]
    assert signs("GOOD-JOBS! thanks you") == ["good job = good jobs", "thank you = thanks you"]
    assert [unit.said for segment in make("bo").segments for unit in segment.units] == ["", ""]


def test_the_very_form_is_preferred_and_the_longest_sign() -> None:
    vocabulary = Vocabulary(("get", "gets", "get up", "gets up and"), ("x",), {}, {"gets": "get", "ups": "up"})
    found = {text: [s.text for s in make(text, vocabulary).segments] for text in ("gets", "gets up", "get ups")}
    assert found == {"gets": ["gets"], "gets up": ["get up"], "get ups": ["get up"]}


def test_a_name_is_no_form() -> None:
    assert signs("I met Coffees and Jobs, Coffee and COFFEES") == ["i", "coffee", "coffee = coffees"]
    assert signs("Coffees. Coffees! Gets") == ["coffee = coffees", "coffee = coffees", "get = gets"]
    assert signs("tea: Teas (Teas) Teas'") == ["tea"]


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("Two Coffees and a Job for the Happier", 2),  # what titles leave in lower case
        ("Then I Get 2 Coffees", 1),
        ("the Happier Coffees", 2),
        ("Hello Coffees", 0),  # one capital is no title
        ("Well, I'm Coffees", 0),
        ("Two Happier coffees are Teas", 1),
        ("Happier Teas Get Coffees. I met Coffees", 3),  # each sentence by itself
        ("Hello Grace Coffees", 1),  # known to be wrong: a greeting and two names look like a title
    ],
)
def test_a_title_has_no_names(text: str, forms: int) -> None:
    assert sum(" = " in sign for sign in signs(text)) == forms


def test_a_sentence_too_long_to_look_ahead_is_no_title() -> None:
    assert signs("Two Good Coffees") == ["coffee = coffees"]
    assert signs("Two " + "Good " * 200 + "Coffees") == []


def test_a_tag_chooses_among_the_signs_of_a_word() -> None:
    text = "[alt 2]coffee [alt to go] coffees, coffee [ALT 1]coffee [alt iced]Coffee"
    assert signs(text) == ["coffee (iced)", "coffee (to go) = coffees", "coffee", "coffee", "coffee (iced)"]
    assert signs("[alt ironic]good job [alt 2] good jobs") == ["good job (ironic)", "good job (ironic) = good jobs"]
    assert make("[alt 2]coffee", RICH).warnings == ()
    (segment,) = make("tea [alt to go]coffee tea", RICH).segments
    assert segment.text == "tea coffee (to go) tea"


def test_a_tag_separates_the_words_of_a_phrase() -> None:
    assert signs("good [alt 2]job") == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "[alt 4]coffee",
            '"coffee" has no alternative "4", its default is signed; it has 1 (the default), 2 (iced), 3 (to go)',
        ),
        ("[alt 0]coffee", 'no alternative "0"'),
        ("[alt hot]coffees", 'no alternative "hot"'),
        ("[alt 2]tea", '"tea" has no alternative "2", its default is signed; it has 1 (the default)'),
        ("[alt 2]zoo", '[alt 2] has no effect before "zoo", which is spelled'),
        ("[alt 2]good job [alt 3]good job [alt 3]good job", 'no alternative "3", its default is signed; it has .*(2x)'),
        ("tea [alt 2]", "1 tag without effect ([alt 2]): there is no word after it"),
        ("[alt 2][alt 3]coffee", "1 tag without effect ([alt 2])"),
    ],
)
def test_an_alternative_that_does_not_exist_is_named(text: str, named: str) -> None:
    (warning,) = make(text, RICH).warnings
    head, _, tail = named.partition(".*")
    assert head in warning and tail in warning
    assert all("(" not in sign for sign in signs(text) if sign != "coffee (to go)" and "ironic" not in sign)


def test_many_alternatives_that_do_not_exist_make_few_warnings() -> None:
    text = " ".join(f"[alt x{number}]tea" for number in range(50))
    warnings = make(text, RICH).warnings
    assert len(warnings) == 4 and warnings[-1] == "more [alt …] without effect (47x)"


@given(
    st.lists(
        st.sampled_from([*FORMS, *SIGNS, "Coffees", "[alt 2]", "[alt to go]", "[alt 9]", "[slow]", ",", ".", "zoo"])
    )
)
@settings(deadline=None)
def test_forms_and_alternatives_do_not_depend_on_the_pieces(parts) -> None:
    text = "Tea " + " ".join(parts)

    def planned() -> tuple:
        result = make(text, RICH, units=3)
        return tuple(result.segments), result.warnings

    whole = planned()
    for piece in (1, 5, 17):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(NORMALISE, "PIECE", piece)
            assert planned() == whole


@pytest.mark.parametrize(
    ("alternatives", "forms", "named"),
    [
        ({"tea": ("2",)}, {}, "'2'"),
        ({"tea": ("hot", "hot")}, {}, "occurs 2 times"),
        ({"tea": ("Hot",)}, {}, "'Hot'"),
        ({"tea": ("x" * 41,)}, {}, "x" * 41),
        ({"milk": ("hot",)}, {}, "'milk'"),
        ({}, {"milks": "milk"}, "'milk'"),
        ({}, {"tea s": "tea"}, "'tea s'"),
    ],
)
def test_alternatives_and_forms_that_lead_nowhere_are_refused(alternatives, forms, named) -> None:
    with pytest.raises(VocabularyError, match=named):
        Vocabulary(SIGNS, ("a",), alternatives, forms)
