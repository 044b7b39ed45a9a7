"""The corpus contract, the registry of readers, and the reader of clips of one's own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora import clips
from text2sign_ros.corpora.base import FPS, CorpusError, Example, Kind, Unit
from text2sign_ros.corpora.registry import READERS, digest, reader
from text2sign_ros.motion import kinematics
from text2sign_ros.skeleton import REST_POSE

HEAD = "file\ttext\tsigner\tblock\tsplit\n"


def _clip(frames: int = 30, fps: float = FPS, seed: int = 0) -> SignClip:
    """The right arm sways, bones of canonical length."""
    rng = np.random.default_rng(seed)
    directions = kinematics.bone_directions(REST_POSE.astype(float))
    sway = np.sin(3.0 * np.arange(frames) / fps)[:, None, None] * rng.normal(scale=0.4, size=directions.shape)
    positions = kinematics.assemble(
        kinematics.unit(directions + sway), np.tile(REST_POSE.astype(float), (frames, 1, 1))
    )
    return SignClip(positions, np.ones((frames, 79), np.float32), fps)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three clips: a sentence at 25 fps, one at 50 fps as .pose, a letter."""
    folder = tmp_path / "mine"
    _clip().save(folder / "anna" / "1.npz")
    _clip(60, 50.0, 1).save(folder / "anna" / "2.pose")
    _clip(20, FPS, 2).save(folder / "g.npz")
    lines = [
        "file\ttext\tsigner\tblock\tsplit\tkind\tlicence",
        'anna/1.npz\tmy name is "anna"\tanna\tmonday\ttrain\t\tCC0',
        "anna/2.pose\tcan i get a coffee\tanna\ttuesday\tval",
        "g.npz\tg\tbert\twednesday\ttrain\tletter\tMIT",
    ]
    (folder / "sentences.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_own_clips_are_examples(folder: Path) -> None:
    first, second, third = clips.read(folder, progress=False)
    assert (first.text, first.signer, first.block, first.split) == ('my name is "anna"', "anna", "monday", "train")
    assert (first.units, first.unit, first.licence) == (None, None, "CC0")
    np.testing.assert_allclose(first.clip.positions, _clip().positions, atol=1e-6)
    assert (second.split, second.licence, second.clip.fps) == ("val", "", FPS)
    # 60 frames at 50 fps are every other one of them at 25, and the last is no frame of its own.
    np.testing.assert_allclose(second.clip.positions, _clip(60, 50.0, 1).positions[::2], atol=2e-4)
    assert third.unit == Unit("g", Kind.LETTER)


def test_a_table_as_spreadsheets_write_it(folder: Path) -> None:
    table = folder / "sentences.tsv"
    before = [example.text for example in clips.read(folder, progress=False)]
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert [example.text for example in clips.read(folder, progress=False)] == before


def test_bones_get_their_canonical_length_and_gaps_are_filled(folder: Path) -> None:
    clip = _clip()
    positions, confidence = clip.positions * 1.2, clip.confidence.copy()
    wrist, thumb = skeleton.INDEX["right_wrist"], skeleton.INDEX["right_thumb_tip"]
    unseen = slice(10, 15)
    confidence[unseen, wrist] = confidence[:, thumb] = 0.0
    positions[unseen, wrist] = positions[:, thumb] = 0.0
    SignClip(positions, confidence, FPS).save(folder / "anna" / "1.npz")
    read = clips.read(folder, progress=False)[0].clip
    lengths = kinematics.bone_lengths(read.positions)
    np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-5)
    np.testing.assert_array_equal(read.confidence, confidence)
    steps = np.linalg.norm(np.diff(read.positions, axis=0), axis=-1)
    assert steps.max() < 0.1  # where nothing was seen the file holds zeros, half a metre away


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (None, r"sentences\.tsv can't be read"),
        (b"\xff\xfe", r"sentences\.tsv can't be read"),
        (b"", "has no column file, text, signer, block, split"),
        (b"file,text\n", "columns are separated by tabs"),
        (HEAD.encode(), "lists no clips"),
        (f"{HEAD}anna/1.npz\t\ta\tb\ttrain\n".encode(), "line 2 has no value for text"),
        (f"{HEAD}anna/1.npz\thello\n".encode(), "line 2 has no value for signer, block, split"),
        (f"{HEAD}anna/1.npz\thello\ta\tb\ttrain\tx\n".encode(), "line 2 has more columns"),
        (f"{HEAD}anna/9.npz\thello\ta\tb\ttrain\n".encode(), r"9\.npz is missing; .*line 2 refers to it"),
        (f"{HEAD}anna/1.npz\thello\ta\tb\ttraining\n".encode(), r"1\.npz: .*split is 'training'; .* train, val, test"),
        (
            f"{HEAD}anna/1.npz\thello\ta\tb\ttrain\nanna/2.pose\tbye\ta\tb\tval\n".encode(),
            "block 'b' is in train and in",
        ),
        (f"{HEAD}/etc/passwd\thello\ta\tb\ttrain\n".encode(), "line 2: /etc/passwd must be a path within"),
        (f"{HEAD}../1.npz\thello\ta\tb\ttrain\n".encode(), "line 2: ../1.npz must be a path within"),
        (
            b"file\ttext\tsigner\tblock\tsplit\tkind\ng.npz\tThank You\ta\tb\ttrain\tsign\n",
            "'Thank You' can't be the label",
        ),
        (b"file\ttext\tsigner\tblock\tsplit\tkind\ng.npz\tch\ta\tb\ttrain\tletter\n", "'ch' can't be the label"),
        (b"file\ttext\tsigner\tblock\tsplit\tkind\ng.npz\tg\ta\tb\ttrain\tword\n", "kind is 'word'"),
    ],
)
def test_a_faulty_table_is_refused_with_the_reason(folder: Path, table: bytes | None, named: str) -> None:
    (folder / "sentences.tsv").unlink()
    if table is not None:
        (folder / "sentences.tsv").write_bytes(table)
    with pytest.raises(CorpusError, match=named):
        clips.read(folder, progress=False)


def test_an_unreadable_clip_is_named_with_the_mend(folder: Path) -> None:
    bad = folder / "anna" / "1.npz"
    for content in (b"", b"PK\x03\x04", (folder / "g.npz").read_bytes()[:2000]):
        bad.write_bytes(content)
        with pytest.raises(CorpusError, match=re.escape(str(bad)) + r".*mend the clip, or remove its line from"):
            clips.read(folder, progress=False)
    _clip(1).save(bad)
    with pytest.raises(CorpusError, match=r"1\.npz: .*has 1 frames; at least 2"):
        clips.read(folder, progress=False)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"text": " "}, "text is empty"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"clip": _clip(fps=30.0)}, "30 frames at 30 fps"),
        ({"clip": _clip(1)}, "1 frames at 25 fps"),
        ({"units": ()}, "must be signs and letters"),
        ({"units": (Unit("hello you", Kind.SENTENCE),)}, "must be signs and letters"),
    ],
)
def test_an_example_keeps_the_contract(changed: dict, named: str) -> None:
    whole = {"text": "hello", "clip": _clip(), "units": None, "signer": "", "block": "b", "split": "train"}
    Example(**whole, source="", licence="")
    with pytest.raises(CorpusError, match=f"'b' can't be used: .*{named}" if "text" not in changed else named):
        Example(**{**whole, **changed}, source="", licence="")


def test_an_example_of_two_units_is_a_sentence() -> None:
    units = (Unit("hello", Kind.SIGN), Unit("you", Kind.SIGN))
    assert Example("hello you", _clip(), units, "", "b", "train", "", "").unit is None
    assert Example("hello", _clip(), units[:1], "", "b", "train", "", "").unit == units[0]


def test_an_unknown_reader_is_refused_with_the_known_ones() -> None:
    assert {"asl_cafe", "clips"} <= set(READERS)
    with pytest.raises(CorpusError, match=r"no reader 'how2sign'; known are .*asl_cafe.*clips"):
        reader("how2sign")


def test_the_digest_depends_on_the_content_and_not_on_the_path(folder: Path, tmp_path: Path) -> None:
    before = digest("clips", folder)
    moved = folder.rename(tmp_path / "moved")
    assert digest("clips", moved) == before
    (moved / "unrelated.txt").write_text("not a recording")
    assert digest("clips", moved) == before
    _clip(seed=9).save(moved / "anna" / "1.npz")
    changed = digest("clips", moved)
    table = moved / "sentences.tsv"
    table.write_text(table.read_text().replace("coffee", "tea"))
    assert len({before, changed, digest("clips", moved)}) == 3
    (moved / "g.npz").unlink()
    with pytest.raises(CorpusError, match=r"g\.npz is missing"):
        digest("clips", moved)
