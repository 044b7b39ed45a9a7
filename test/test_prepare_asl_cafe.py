"""Preparing asl_cafe: arrays from a tree as the two repositories have it, and what is wrong with another tree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from text2sign_ros.cli import main
from text2sign_ros.corpora import asl_cafe
from text2sign_ros.corpora.base import CorpusError
from text2sign_ros.corpora.prepare_asl_cafe import prepare

BODY, HAND = 33 * 4, 21 * 3


def _take(folder: Path, frames: int, size: int, seed: int) -> np.ndarray:
    folder.mkdir(parents=True)
    values = np.random.default_rng(seed).random((frames, size))
    for number, frame in enumerate(values):
        np.save(folder / f"{number}.npy", frame)
    return values


@pytest.fixture
def clones(tmp_path: Path) -> dict[str, Path]:
    """Of takes 2, 10, 59, 60 and 75 of two labels, in the layout of the two repositories."""
    folders = {name: tmp_path / name for name in ("traduttore", "signwish")}
    seed = 0
    for repository, part, frames, size in (
        ("traduttore", "MP_Data", 20, BODY + 2 * HAND),
        ("traduttore", "LETTER_Data", 20, 2 * HAND),
        ("signwish", "MP_Data", 24, BODY + 2 * HAND),
    ):
        for label in ("thank-you", "a"):
            for take in (2, 10, 59, 60, 75):
                _take(folders[repository] / part / label / str(take), frames, size, seed := seed + 1)
    (folders["traduttore"] / ".git").mkdir()
    (folders["traduttore"] / "MP_Data" / ".DS_Store").touch()
    return folders


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def test_the_arrays_hold_the_landmarks(clones: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "data" / "asl_cafe"
    assert prepare(**clones, out=out, progress=False) == {"words_and_letters": 8, "letters_hands": 8, "greetings": 8}
    assert sorted(path.name for path in out.parent.rglob("*")) == [
        "asl_cafe", "greetings.npz", "letters_hands.npz", "words_and_letters.npz",
    ]  # fmt: skip
    words, hands, greetings = (_read(path) for path in asl_cafe.files(out))
    assert words["label"].tolist() == ["a"] * 4 + ["thank-you"] * 4
    # By number, not by name; take 60 is in the fifth block of 15, takes 64 to 79 would be in the fifth of 16.
    assert words["take"].tolist() == hands["take"].tolist() == [2, 10, 59, 75] * 2
    assert greetings["take"].tolist() == [2, 10, 59, 60] * 2
    assert "pose" not in hands and words["take"].dtype == np.int16
    for arrays, folder, start in (
        (words, clones["traduttore"] / "MP_Data", BODY),
        (hands, clones["traduttore"] / "LETTER_Data", 0),
        (greetings, clones["signwish"] / "MP_Data", BODY),
    ):
        for i, (label, take) in enumerate(zip(arrays["label"], arrays["take"], strict=True)):
            frame = np.load(folder / str(label) / str(take) / "7.npy")
            for name, at in (("left_hand", start), ("right_hand", start + HAND)):
                assert arrays[name].dtype == np.float16
                np.testing.assert_array_equal(arrays[name][i, 7], frame[at : at + HAND].reshape(21, 3).astype("f2"))
            if start:
                np.testing.assert_array_equal(arrays["pose"][i, 7], frame[:100].reshape(25, 4).astype("f2"))


def test_a_take_with_the_landmarks_of_another_is_left_out(clones: dict[str, Path], tmp_path: Path) -> None:
    for take in ("a/10", "thank-you/2"):
        for number in range(20):
            np.save(clones["traduttore"] / "LETTER_Data" / take / f"{number}.npy", np.zeros(2 * HAND))
    assert prepare(**clones, out=tmp_path / "out", progress=False)["letters_hands"] == 7
    hands = _read(tmp_path / "out" / "letters_hands.npz")
    assert hands["take"].tolist() == [2, 10, 59, 75, 10, 59, 75]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda frame: frame.unlink(), r"a/2/5\.npy can't be read.*clone with all its files"),
        (_cut, r"a/2/5\.npy can't be read"),
        (lambda frame: np.save(frame, np.zeros(1662)), r"a/2/5\.npy holds float64 of shape \(1662,\); 258 finite"),
        (lambda frame: np.save(frame, np.full(258, np.nan)), r"a/2/5\.npy"),
        (lambda frame: (frame.parents[1] / "two").mkdir(), r"a/two is not the folder of a take"),
    ],
)
def test_an_odd_clone_is_refused_and_nothing_is_written(
    clones: dict[str, Path], tmp_path: Path, spoil, named: str
) -> None:
    spoil(clones["traduttore"] / "MP_Data" / "a" / "2" / "5.npy")
    with pytest.raises(CorpusError, match=named):
        prepare(**clones, out=tmp_path / "data" / "out", progress=False)
    assert not list(tmp_path.glob("data/*"))


def test_a_folder_that_is_no_clone_is_one_line(
    clones: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(signwish: Path) -> int:
        arguments = ["--traduttore", str(clones["traduttore"]), "--signwish", str(signwish)]
        return main(["corpus", "prepare", "asl_cafe", *arguments, "--out", str(tmp_path / "out")])

    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty") == 1
    error = capsys.readouterr().err
    assert "empty/MP_Data is missing or empty; --signwish must be a clone" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert run(clones["signwish"]) == 0
    assert "words_and_letters 8 takes" in capsys.readouterr().out
    assert run(clones["signwish"]) == 1
    assert "out already exists" in capsys.readouterr().err
