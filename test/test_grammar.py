"""The grammar: what the shipped file holds, faults of a file, and sentences with words that training never reads."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT

from text2sign_ros.cli import main
from text2sign_ros.corpora.base import Kind, Unit
from text2sign_ros.corpora.expansion import UNSEEN, Expansion, Pair, summary
from text2sign_ros.corpora.grammar import GrammarError, Saying, article, plain, read
from text2sign_ros.inference.vocabulary import load

FILE = ROOT / "config" / "grammar" / "asl.yaml"
SIGNS = frozenset(entry.name for entry in load(ROOT / "models" / "asl") if entry.kind == "sign")
SMALL = """\
held_out: {patterns: 0, test: 0.4, val: 0.2}
sources: {book: A book}
rules:
  topic: {says: topics come first, from: book}
contractions: {I'm: I am}
slots:
  drink:
    COFFEE: coffee, java, joe, cuppa
    WATER: ~water, glass of water/glasses of water
  name: [Grace, Noah]
patterns:
  café:
    order:
      asl: <drink> PLEASE
      rules: topic
      english:
      - I'd like <a drink>.
      - Can I get <a drink>?
      - Give me <a drink>.
    name:
      asl: MY-NAME-IS <name>
      english:
      - (well,|) I'm <name>.
      - The name is <name>.
"""


@pytest.fixture(scope="module")
def shipped() -> Expansion:
    return Expansion(read(FILE, SIGNS))


@pytest.fixture(scope="module")
def drawn(shipped: Expansion) -> dict[str, list[Pair]]:
    return {split: list(shipped.pairs(split, 1500, 7)) for split in ("train", "val", "test")}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Expansion:
    path = tmp_path_factory.mktemp("grammar") / "small.yaml"
    path.write_text(SMALL)
    return Expansion(read(path, SIGNS))


def test_the_shipped_file_says_that_nobody_has_validated_it_and_where_its_rules_are_from(shipped: Expansion) -> None:
    assert "NOBODY WHO SIGNS HAS VALIDATED THIS FILE" in FILE.read_text()
    grammar = shipped.grammar
    assert all(re.search(r"\[[a-z, ]+\]$", rule) for rule in grammar.rules.values())
    used = {rule for pattern in grammar.patterns for rule in pattern.rules}
    always = {"no-articles"}  # no pattern has an article
    assert used | always == grammar.rules.keys()


def test_the_shipped_file_covers_much_of_what_people_say(shipped: Expansion) -> None:
    found = summary(shipped, SIGNS, sample=200, seed=0)
    assert found["patterns"] >= 450 and found["wordings"] >= 2000 and found["signs"] >= 700, found
    assert len(found["patterns_by_topic"]) >= 20 and found["sentences"] > 1_000_000
    assert max(found["lengths"]["train"]) >= 9


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            "Hi there, could I have a big coffee please? Thanks!",
            ["hello", "large", "coffee", "can", "get", "please", "thank you"],
        ),
        ("How much does the tea cost?", ["tea", "how much"]),
        ("I'm starving, dad.", ["hungry", "father"]),
        ("Goodbye!", ["bye"]),
        ("My name is Grace, I want water.", ["my name is", "fs:grace", "water", "please"]),
        ("I don't understand.", ["comprehend", "no"]),
        ("Where's the bathroom?", ["bathroom", "fs:where"]),  # contractions are understood
        ("Where is the bathroom?", ["bathroom", "fs:where"]),
        ("what would the answer be", ["answer", "fs:what"]),
        ("The moon is made of green cheese.", None),
    ],
)
def test_what_a_text_means(shipped: Expansion, text: str, meant: list[str] | None) -> None:
    pair = shipped.meaning(text)
    assert (pair and list(pair.names)) == meant


def test_units_come_with_the_characters_that_say_them(shipped: Expansion) -> None:
    pair = shipped.meaning("My name is Grace, I want water.")
    assert pair is not None
    said = [span and pair.text[slice(*span)] for span in pair.spans]
    assert said == ["My name is", "G", "r", "a", "c", "e", "water", None]
    assert pair.units[1] == Unit("g", Kind.LETTER) and pair.units[-1] == Unit("please", Kind.SIGN)
    assert pair.face_units == ((frozenset(), 6), (frozenset(), 2))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("My name is Grace, I want water.", [("My name is Grace, I want water.", 8)]),
        ("Hello, Grace! I want water. Bye!", [("Hello, Grace!", 6), ("I want water.", 2), ("Bye!", 1)]),
        ("hello grace i want water", [("hello grace i want water", 8)]),
    ],
)
def test_a_text_is_signed_sentence_by_sentence(shipped: Expansion, text: str, sentences: list[tuple[str, int]]) -> None:
    pair = shipped.meaning(text)
    assert pair is not None
    assert [(pair.text[start:stop], count) for start, stop, count in pair.sentences] == sentences


def test_spans_are_within_the_text_and_say_the_words_of_a_slot(drawn: dict[str, list[Pair]]) -> None:
    for pair in drawn["train"] + drawn["test"]:
        assert len(pair.spans) == len(pair.units) == sum(count for _, count in pair.face_units)
        assert sum(pair.counts) == len(pair.meant)
        assert sum(count for *_, count in pair.sentences) == len(pair.units)
        assert " ".join(pair.text[start:stop] for start, stop, _ in pair.sentences) == pair.text
        for meant in pair.meant:
            if meant.span:
                words = pair.text[slice(*meant.span)]
                assert words and words == words.strip(), pair
        for unit, span in zip(pair.units, pair.spans, strict=True):
            if span and span[1] - span[0] == 1 and unit.kind == Kind.LETTER and not pair.text[span[0]].isdigit():
                assert pair.text[span[0]].lower() == unit.label


def test_the_same_seed_gives_the_same_sentences(shipped: Expansion) -> None:
    one, same, other = (list(shipped.pairs("test", 30, seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_training_never_reads_what_is_held_out(shipped: Expansion, drawn: dict[str, list[Pair]]) -> None:
    grammar = shipped.grammar
    splits = {wording.name: wording.split for pattern in grammar.patterns for wording in pattern.wordings}
    read_by = {
        split: Counter(splits[name] for pair in pairs for name in pair.wordings) for split, pairs in drawn.items()
    }
    assert read_by["train"].keys() == {"train"} and read_by["val"].keys() == {"train", "val"}
    assert read_by["test"].keys() == {"train", "test"}
    fillers = [filler for own in grammar.slots.values() for filler in own]
    synonyms = {(plain(s.singular), s.split) for f in fillers if len(f.sayings) > 1 for s in f.sayings}
    texts = {split: {f" {plain(pair.text)} " for pair in pairs} for split, pairs in drawn.items()}
    for words, split in synonyms:
        for other in {"train", "val", "test"} - {split} if split != "train" else ():
            assert not [text for text in texts[other] if f" {words} " in text], (words, split, other)
        if split != "train":
            assert len([s for s in synonyms if s[0] == words]) == 1, words
    assert not texts["train"] & texts["test"] and not texts["train"] & texts["val"]
    names = {pattern.name for pattern in grammar.patterns if pattern.held_out}
    assert names and not any(names & set(pair.patterns) for pair in drawn["train"] + drawn["val"])


@pytest.mark.parametrize("unseen", UNSEEN)
def test_test_sentences_have_what_is_asked_for(shipped: Expansion, unseen: str) -> None:
    splits = {wording.name: wording.split for pattern in shipped.grammar.patterns for wording in pattern.wordings}
    held_out = {plain(s.form(form)) for own in shipped.grammar.slots.values() for f in own for s in f.sayings
                for form in ("", "a", "the", "s", "ing", "ed") if s.split == "test" and len(f.sayings) > 1}  # fmt: skip
    for pair in shipped.pairs("test", 60, 3, unseen=unseen):
        assert pair.unseen == unseen
        used = {splits[name] for name in pair.wordings}
        assert used == ({"train"} if unseen == "synonym" else {"test"}), pair
        has = any(f" {words} " in f" {plain(pair.text)} " for words in held_out)
        assert has or unseen not in ("synonym", "both"), pair


def test_a_text_means_one_thing(drawn: dict[str, list[Pair]]) -> None:
    meant: dict[str, tuple[str, ...]] = {}
    for pair in (pair for pairs in drawn.values() for pair in pairs if len(pair.patterns) == 1):
        assert meant.setdefault(plain(pair.text), pair.names) == pair.names, pair.text


def test_what_is_drawn_is_found_again(shipped: Expansion, drawn: dict[str, list[Pair]]) -> None:
    pairs = [pair for pair in drawn["test"] if len(pair.patterns) == 1][:12]
    found = [shipped.meaning(pair.text) for pair in pairs]
    assert [pair and pair.names for pair in found] == [pair.names for pair in pairs]


def test_a_wording_and_its_first_word_are_for_training(small: Expansion) -> None:
    for pattern in small.grammar.patterns:
        assert pattern.wordings[0].split == "train"
    assert all(filler.sayings[0].split == "train" for filler in small.grammar.slots["drink"])
    assert plain("It's A-OK, Grace!") == "it's a ok grace"


@pytest.mark.parametrize(
    ("saying", "forms"),
    [
        (Saying("apple"), {"a": "an apple", "s": "apples", "the": "the apple", "any": "an apple"}),
        (Saying("water", mass=True), {"a": "some water", "s": "water", "any": "any water"}),
        (Saying("child", ("children",)), {"s": "children"}),
        (Saying("box"), {"s": "boxes"}),
        (Saying("party"), {"s": "parties"}),
        (Saying("bake bread"), {"ing": "baking bread", "ed": "baked bread"}),
        (Saying("chat"), {"ing": "chatting", "ed": "chatted"}),
        (Saying("tidy up"), {"ing": "tidying up", "ed": "tidied up"}),
        (Saying("buy", ("buying", "bought")), {"ing": "buying", "ed": "bought"}),
        (Saying("box"), {"ing": "boxing", "ed": "boxed"}),
    ],
)
def test_forms_of_words(saying: Saying, forms: dict[str, str]) -> None:
    assert {form: saying.form(form) for form in forms} == forms


def test_articles() -> None:
    words = ("apple", "coffee", "uncle", "unicorn", "hour", "umbrella", "used car", "ASL class")
    assert [article(word) for word in words] == ["an", "a", "an", "a", "an", "an", "a", "an"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("COFFEE: coffee", "COFFE: coffee", ["line 8", "slot drink", "COFFE", "no such sign"]),
        ("COFFEE: coffee", "BEAR(fish): coffee", ["line 8", "bear (animal)"]),
        ("asl: <drink> PLEASE", "asl: <drunk> PLEASE", ["line 14", "pattern order", "no slot <drunk>"]),
        ("asl: <drink> PLEASE", "asl: PLEASE", ["line 17", "pattern order", "<drink>, which is not in asl"]),
        ("- Give me <a drink>.", "- Give me.", ["line 19", "lacks <drink>"]),
        ("- Give me <a drink>.", "- Give me <an drink>.", ["line 19", "<an drink>", "write a slot"]),
        ("- Give me <a drink>.", "- (Give me <a drink>.", ["line 19", "a bracket is not closed"]),
        ("- Give me <a drink>.", "- Give me) <a drink>.", ["line 19", "closed that was not opened"]),
        ("- Give me <a drink>.", "- I'd like <a drink>!", ["line 19", "can say the same"]),
        ("- The name is <name>.", "- I am <name>!", ["line 24", "pattern name", "can say the same"]),
        ("rules: topic\n", "rules: topics\n", ["line 13", "no rule 'topics'"]),
        ("rules: topic\n", "face: smile\n", ["line 13", "face is 'smile'", "negation"]),
        ("rules: topic\n", "plaice: open\n", ["line 13", "pattern order", "may have face, place and rules"]),
        ("from: book", "from: novel", ["line 4", "no source 'novel'"]),
        ("[Grace, Noah]", "[Grace, R2D2]", ["line 10", "'R2D2' can't be spelled"]),
        ("test: 0.4", "test: 4", ["line 1", "a share from 0 to 1"]),
        ("slots:", "slotz:", ["must be a mapping with the keys slots"]),
        ("    name:\n", "    order:\n", ["order occurs twice"]),
        ("slots:\n", "slots: [\n", ["can't be read as YAML"]),
    ],
)
def test_a_fault_is_named_with_its_place_and_what_to_do(tmp_path: Path, old: str, new: str, named: list[str]) -> None:
    path = tmp_path / "mine.yaml"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(GrammarError) as caught:
        read(path, SIGNS)
    for part in (str(path), *named):
        assert part in str(caught.value)


def test_a_file_that_wants_to_run_something_runs_nothing(tmp_path: Path) -> None:
    path, ran = tmp_path / "hostile.yaml", tmp_path / "ran"
    path.write_text(f"held_out: !!python/object/apply:os.mkdir [{ran}]\n")
    with pytest.raises(GrammarError, match=r"hostile\.yaml"):
        read(path, ())
    assert not ran.exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GrammarError, match=r"none\.yaml can't be read"):
        read(tmp_path / "none.yaml", SIGNS)


def test_the_command_counts_shows_and_looks_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["corpus", "grammar", "--text", "How much does the tea cost?"]) == 0
    assert capsys.readouterr().out.startswith("How much does the tea cost? -> tea | how much (price_treat/")
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    assert main(["corpus", "grammar", "--file", str(path), "--examples", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "patterns: 2" and len([line for line in lines if " -> " in line]) == 3
    assert main(["corpus", "grammar", "--text", "Colorless green ideas sleep furiously."]) != 0
    assert "has no wording" in capsys.readouterr().err
