"""The asl_cafe reader: every sign is there, canonical, and no recording block is in two splits."""

from __future__ import annotations

import string
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from text2sign_ros import skeleton
from text2sign_ros.corpora import asl_cafe
from text2sign_ros.corpora.base import SPLITS, CorpusError, Example, Kind
from text2sign_ros.motion import kinematics

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "asl_cafe"
FILES = ("words_and_letters", "letters_hands", "greetings")
RIGHT_HAND = skeleton.GROUPS["right_hand"]


@pytest.mark.parametrize("split", SPLITS)
def test_all_48_signs_are_in_each_split(corpus: list[Example], split: str) -> None:
    labels = {take.text for take in corpus if take.split == split}
    words = {take.text for take in corpus if take.split == split and take.unit and take.unit.kind == Kind.SIGN}
    assert labels - words == set(string.ascii_lowercase)
    assert {"hello", "coffee", "thank you", "large", "good job", "i love you"} <= words
    assert len(words) == 22 and not any("-" in word for word in words)


def test_no_recording_block_is_in_two_splits(corpus: list[Example]) -> None:
    splits = defaultdict(set)
    for take in corpus:
        splits[take.block].add(take.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(splits) > 48


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings of asl_cafe are not beside the repository")
@pytest.mark.parametrize("source", asl_cafe.SOURCES, ids=lambda source: source.file)
def test_takes_recorded_one_after_the_other_share_a_split(source) -> None:
    with np.load(FOLDER / f"{source.file}.npz", allow_pickle=False) as data:
        labels, numbers = data["label"], data["take"]
    splits = asl_cafe._splits(source, labels, numbers)
    for label in set(labels.tolist()) - {"-", "space"}:
        session = 16 if source.file == "greetings" else 30 if len(label) > 1 else 15  # takes in one go, as measured
        found = defaultdict(set)
        for number in numbers[labels == label].tolist():
            found[number // session].add(splits[asl_cafe._block(source, str(label), number)])
        assert all(len(shared) == 1 for shared in found.values()), (label, found)


def test_splits_do_not_depend_on_the_order_of_the_files_rows() -> None:
    source = asl_cafe.SOURCES[0]
    labels, numbers = np.repeat(["hello", "g"], 90), np.tile(np.arange(90), 2)
    order = np.random.default_rng(0).permutation(180)
    assert asl_cafe._splits(source, labels, numbers) == asl_cafe._splits(source, labels[order], numbers[order])


def test_bones_are_canonical_in_every_frame(corpus: list[Example]) -> None:
    for take in corpus[::7]:
        lengths = kinematics.bone_lengths(take.clip.positions)
        np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-5)


def test_the_right_hand_signs_and_is_seen(corpus: list[Example]) -> None:
    for take in corpus:
        seen = (take.clip.confidence[:, RIGHT_HAND] > 0).all(axis=1)
        assert seen.mean() >= 0.5, take.block
        assert len(take.clip) >= 15 and take.clip.fps == 25.0


def test_letters_recorded_without_a_body_borrow_one_of_the_same_split(corpus: list[Example]) -> None:
    borrowed = [take for take in corpus if take.block.startswith("letters_hands/")]
    assert len({take.text for take in borrowed}) >= 10
    # Whose wrists these are: each borrowed movement is that of a take with body, of the same split and no other.
    wrist = skeleton.INDEX["right_wrist"]
    owners = defaultdict(set)
    for take in corpus:
        if len(take.text) == 1 and take.block.startswith("words_and_letters/"):
            owners[take.clip.positions[0, wrist].tobytes()].add(take.split)
    for take in borrowed:
        assert owners[take.clip.positions[0, wrist].tobytes()] == {take.split}, take.block
        raised = take.clip.positions[:, wrist, 2] - take.clip.positions[:, skeleton.INDEX["right_elbow"], 2]
        assert np.median(raised) > 0, f"{take.block} signs with a hanging arm"


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    if missing == FILES[0]:
        with pytest.raises(CorpusError, match=f"{missing}.npz is missing"):
            asl_cafe.read(tmp_path, progress=False)
    for name in FILES:
        if name != missing:
            _write(tmp_path / f"{name}.npz")
    with pytest.raises(CorpusError, match=f"{missing}.npz is missing"):
        asl_cafe.read(tmp_path, progress=False)


def _write(path: Path, **changed: np.ndarray | None) -> None:
    """Three takes of nobody: an asl_cafe file in which no hand was seen."""
    arrays = {"label": np.array(["a"] * 3), "take": np.arange(3), "pose": np.zeros((3, 30, 25, 4))}
    arrays |= {f"{side}_hand": np.zeros((3, 30, 21, 3)) for side in ("left", "right")} | changed
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize("left_out", ["label", "take", "right_hand"])
def test_a_file_without_an_expected_array_is_named(tmp_path: Path, left_out: str) -> None:
    _write(tmp_path / "words_and_letters.npz", **{left_out: None})
    with pytest.raises(CorpusError, match=r"words_and_letters\.npz is not an asl_cafe file"):
        asl_cafe.read(tmp_path, progress=False)


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 cut short"])
def test_a_file_that_is_not_an_npz_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "words_and_letters.npz").write_bytes(content)
    with pytest.raises(CorpusError, match=r"words_and_letters\.npz"):
        asl_cafe.read(tmp_path, progress=False)
