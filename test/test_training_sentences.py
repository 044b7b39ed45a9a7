"""Sentences for training: composed and recorded ones, shares, and what is kept on disk."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from text2sign_ros.clip import SignClip
from text2sign_ros.corpora import clips
from text2sign_ros.corpora.base import CorpusError, Kind, Unit
from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.training.config import REST_FRAMES, CorpusConfig, GrammarConfig
from text2sign_ros.training.sentences import Sentences, compose


def _save(folder: Path, rows: list[tuple[str, str, str]], seed: int = 0, frames: int = 30) -> Path:
    """A folder of clips: (text, kind, split) of each; the right wrist goes somewhere and back."""
    lines = ["file\ttext\tsigner\tblock\tsplit\tkind"]
    for number, (text, kind, split) in enumerate(rows):
        positions = np.tile(REST_POSE, (frames, 1, 1))
        way = np.random.default_rng((seed, number)).normal(scale=0.2, size=3)
        positions[:, INDEX["right_wrist"]] += np.sin(np.linspace(0, np.pi, frames))[:, None] * way
        SignClip(positions, np.ones((frames, 79)), 25.0).save(folder / f"{number}.npz")
        lines.append(f"{number}.npz\t{text}\tanna\t{split}\t{split}\t{kind}")
    (folder / "sentences.tsv").write_text("\n".join(lines))
    return folder


SIGNS = [
    (label, kind, "train") for label, kind in (("hello", "sign"), ("tea", "sign"), ("a", "letter"), ("b", "letter"))
]
RECORDED = [("good morning", "", "train"), ("how are you", "", "train"), ("see you", "", "val")]


def _compose(out: Path, *corpora: tuple[Path, float], count: int = 5, seed: int = 0) -> Sentences:
    named = [CorpusConfig("clips", str(folder), share) for folder, share in corpora]
    return compose(named, "train", count, seed, out)


def test_recorded_sentences_are_as_recorded_from_rest_to_rest(tmp_path: Path) -> None:
    folder = _save(tmp_path / "mine", RECORDED)
    found = _compose(tmp_path, (folder, 1.0))
    assert found.said == [("good morning",), ("how are you",)]
    assert found.kinds.tolist() == ["sentence"] * 2 and found.of(Kind.SENTENCE).all()
    np.testing.assert_allclose(found.chance, [0.5, 0.5])
    for number, example in enumerate(clips.read(folder, progress=False)[:2]):
        first, end = found.starts[number], found.starts[number + 1]
        start, stop = found.unit_starts[number], found.unit_stops[number]
        assert start == first + REST_FRAMES and stop <= end - REST_FRAMES
        for at in (first, start - 1, end - REST_FRAMES, end - 1):
            np.testing.assert_array_equal(found.positions[at], REST_POSE.astype(np.float16))
        recorded = example.clip.positions.astype(np.float16)
        np.testing.assert_array_equal(found.positions[stop - len(recorded) : stop], recorded)
        assert np.linalg.norm(np.diff(found.positions[first:end].astype(float), axis=0), axis=-1).max() < 0.15


def test_signs_and_letters_are_composed_and_named_by_kind(tmp_path: Path) -> None:
    found = _compose(tmp_path, (_save(tmp_path / "signs", SIGNS), 1.0), count=40)
    assert len(found.starts) == 41
    kinds = dict(zip(found.labels.tolist(), found.kinds.tolist(), strict=True))
    assert kinds == {"hello": "sign", "tea": "sign", "a": "letter", "b": "letter"}


@pytest.mark.parametrize(("kept", "kind"), [("sign", Kind.SIGN), ("letter", Kind.LETTER)])
def test_a_corpus_of_signs_or_of_letters_alone_is_composed(tmp_path: Path, kept: str, kind: Kind) -> None:
    folder = _save(tmp_path / "some", [row for row in SIGNS if row[1] == kept])
    assert _compose(tmp_path, (folder, 1.0), count=30).of(kind).all()


def test_several_corpora_have_their_shares(tmp_path: Path) -> None:
    signs, recorded = _save(tmp_path / "signs", SIGNS, 1), _save(tmp_path / "recorded", RECORDED, 2)
    both = _compose(tmp_path, (signs, 3.0), (recorded, 1.0))
    one, other = _compose(tmp_path, (signs, 1.0)), _compose(tmp_path, (recorded, 1.0))
    assert both.said == one.said + other.said
    np.testing.assert_allclose(both.chance, [0.75 / 5] * 5 + [0.25 / 2] * 2)
    np.testing.assert_array_equal(both.positions, np.concatenate((one.positions, other.positions)))
    frames, units = len(one.positions), len(one.labels)
    np.testing.assert_array_equal(both.starts, [*one.starts, *(other.starts[1:] + frames)])
    for name in ("unit_starts", "unit_stops"):
        np.testing.assert_array_equal(getattr(both, name)[units:], getattr(other, name) + frames)
    assert both.unit_sentence[units:].tolist() == [5, 6]


def test_a_recording_changed_in_place_is_composed_anew_and_one_moved_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _save(tmp_path / "mine", SIGNS)
    before = _compose(tmp_path / "kept", (folder, 1.0))
    shutil.copytree(folder, tmp_path / "copy")
    with monkeypatch.context() as patch:
        patch.setattr("text2sign_ros.corpora.clips.read", lambda *_, **__: pytest.fail("read again"))
        moved = _compose(tmp_path / "kept", (tmp_path / "copy", 1.0))
    np.testing.assert_array_equal(moved.positions, before.positions)
    _save(folder, SIGNS, seed=1)
    after = _compose(tmp_path / "kept", (folder, 1.0))
    assert after.said == before.said and not np.array_equal(after.positions, before.positions)
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_split_without_recordings_is_named(tmp_path: Path) -> None:
    corpus = CorpusConfig("clips", str(_save(tmp_path / "mine", RECORDED)))
    with pytest.raises(CorpusError, match=r"mine has no recordings of split 'test'"):
        compose([corpus], "test", 5, 0, tmp_path)


def test_a_corpus_without_recordings_of_a_split_is_left_out_of_it(tmp_path: Path) -> None:
    signs, recorded = _save(tmp_path / "signs", SIGNS), _save(tmp_path / "recorded", RECORDED)
    corpora = [CorpusConfig("clips", str(folder), share) for folder, share in ((signs, 3.0), (recorded, 1.0))]
    found = compose(corpora, "val", 5, 0, tmp_path)
    assert found.said == [("see you",)]
    np.testing.assert_allclose(found.chance, [1.0])
    with pytest.raises(CorpusError, match=r"signs, .*recorded has no recordings of split 'test'"):
        compose(corpora, "test", 5, 0, tmp_path)


def test_each_alternative_of_a_sign_is_learnt_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _save(tmp_path / "signs", SIGNS)
    hello, tea, *_ = clips.read(folder, progress=False)
    other = replace(tea, units=(Unit("hello", Kind.SIGN, "at sea"),))
    monkeypatch.setattr(clips, "read", lambda *_, **__: [hello, other])
    found = _compose(tmp_path / "kept", (folder, 1.0), count=20)
    assert set(found.labels.tolist()) == {"hello", "hello (at sea)"} and found.of(Kind.SIGN).all()
    middles = {"hello": hello.clip.positions[15], "hello (at sea)": other.clip.positions[15]}
    for name, stop in zip(found.labels.tolist(), found.unit_stops, strict=True):
        middle = found.positions[stop - 15].astype(float)  # of a performance that is not quite the recording
        distances = {each: np.abs(middle - own).mean() for each, own in middles.items()}
        assert min(distances, key=distances.__getitem__) == name and 0 < distances[name] < 0.03


def test_every_sign_is_learnt_even_from_few_sentences(tmp_path: Path) -> None:
    words = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]
    folder = _save(tmp_path / "many", [(word, "sign", "train") for word in words], frames=2)
    found = _compose(tmp_path, (folder, 1.0), count=120)
    labels, counts = np.unique(found.labels, return_counts=True)
    assert labels.tolist() == words and counts.max() - counts.min() <= 1


def test_where_each_take_comes_from_is_kept(tmp_path: Path) -> None:
    signs = _save(tmp_path / "signs", [*SIGNS, ("tea", "sign", "train"), ("tea", "sign", "val"), *RECORDED])
    letters = _save(tmp_path / "letters", [("b", "letter", "train")])
    for _ in range(2):  # composed, and from what is kept
        takes = _compose(tmp_path, (signs, 1.0), (letters, 1.0)).takes.tolist()
        rows = [("hello", "sign"), ("tea", "sign"), ("a", "letter"), ("b", "letter"), ("tea", "sign")]
        assert takes == [[*row, "clips", "", "anna", folder] for row, folder in [*((row, "signs") for row in rows),
            (("b", "letter"), "letters")]]  # fmt: skip


def test_signs_of_a_corpus_apart_are_alternatives_of_those_of_the_same_name(tmp_path: Path) -> None:
    one = _save(tmp_path / "one", SIGNS)
    other = _save(tmp_path / "other", [("tea", "sign", "train"), ("milk", "sign", "train"), ("a", "letter", "train")])
    names = []
    for apart in (True, False):
        corpora = [CorpusConfig("clips", str(one)), CorpusConfig("clips", str(other), apart=apart)]
        names.append(set(compose(corpora, "train", 60, 0, tmp_path).labels.tolist()))
    assert names == [{"hello", "tea", "tea (other clips)", "milk", "a", "b"}, {"hello", "tea", "milk", "a", "b"}]


GRAMMAR = """\
held_out: {patterns: 0, test: 0.3, val: 0.3}
slots:
  drink: {TEA: "tea, cuppa, brew", COFFEE: "coffee, java, joe"}
  name: [Bab, Abba, Baa]
patterns:
  all:
    want:
      asl: <drink> PLEASE
      english: ["I'd like <a drink>.", "Give me <a drink>.", "I want <a drink>.", "Could I have <a drink>?"]
    hello:
      asl: HELLO <name>
      english: ["Hello, <name>!", "<name>, hi!", "Hey, <name>!", "Good day, <name>!", "Oh, hello, <name>."]
"""
OWN = [(word, "sign", split) for word in ("tea", "coffee", "please", "hello") for split in ("train",)]
OWN += [("tea", "sign", "val"), ("a", "letter", "train"), ("b", "letter", "train"), ("b", "letter", "val")]


def test_sentences_of_a_grammar_are_whole_and_know_their_signs(tmp_path: Path) -> None:
    corpora = [CorpusConfig("clips", str(_save(tmp_path / "signs", OWN)), 3.0)]
    (tmp_path / "own.yaml").write_text(GRAMMAR)
    config = GrammarConfig(str(tmp_path / "own.yaml"), sentences=12, held_out_sentences=6, share=1.0)
    plain = compose(corpora, "train", 5, 0, tmp_path)
    both = compose(corpora, "train", 5, 0, tmp_path, config)
    count, units = len(plain.starts) - 1, len(plain.labels)
    texts = both.labels[units:].tolist()
    # What was there without a grammar is as it was.
    for name in ("positions", "labels", "kinds", "unit_sentence", "unit_starts", "unit_stops"):
        own = getattr(plain, name)
        np.testing.assert_array_equal(getattr(both, name)[: len(own)], own)
    assert len(both.starts) == count + 12 + 1
    np.testing.assert_allclose(both.chance, [0.75 / 5] * 5 + [0.25 / 12] * 12)
    assert set(both.kinds[units:].tolist()) == {"sentence"} and not len(plain.signs)
    assert len(texts) > 12 and both.unit_sentence[-1] == count + 11  # some texts are of several sentences
    assert both.positions.dtype == np.float16 and both.positions.shape == (both.starts[-1], 79, 3)
    for number, text in enumerate(texts):
        assert text == text.strip() and not set(text[:-1]) & set(".!?")
        own = np.flatnonzero(both.sign_unit == units + number)
        signs = both.signs[own].tolist()
        assert set(signs) <= {"tea", "coffee", "please", "hello", "a", "b"}
        first, last = both.unit_starts[units + number], both.unit_stops[units + number]
        assert both.sign_starts[own[0]] == first and both.sign_stops[own[-1]] == last
        np.testing.assert_array_equal(both.sign_starts[own][1:], both.sign_stops[own][:-1])
        assert (both.sign_stops[own] > both.sign_starts[own]).all()
        for sign, (start, stop) in zip(signs, both.sign_text[own].tolist(), strict=True):
            if sign in ("a", "b"):
                assert text[start:stop].lower() == sign
            elif sign in ("tea", "coffee"):
                assert 0 <= start < stop <= len(text)
    held_out = compose(corpora, "val", 5, 0, tmp_path, config)
    assert not set(texts) & set(held_out.labels[held_out.of(Kind.SENTENCE)].tolist())


def test_a_grammar_needs_signs_that_the_corpora_have(tmp_path: Path) -> None:
    corpora = [CorpusConfig("clips", str(_save(tmp_path / "signs", OWN)))]
    (tmp_path / "own.yaml").write_text(GRAMMAR.replace("TEA", "MILK"))
    with pytest.raises(CorpusError, match="slot drink: MILK: there is no such sign"):
        compose(corpora, "train", 5, 0, tmp_path, GrammarConfig(str(tmp_path / "own.yaml")))
    with pytest.raises(CorpusError, match=r"none\.yaml can't be read.*names a grammar"):
        compose(corpora, "train", 5, 0, tmp_path, GrammarConfig(str(tmp_path / "none.yaml")))
