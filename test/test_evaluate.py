"""Evaluation: what is counted, and what is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from text2sign_ros.cli import main
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import FPS, Example, Kind, Unit
from text2sign_ros.evaluation import isolated, learnt
from text2sign_ros.evaluation.evaluate import Budget, _dictionary, accuracy, evaluate
from text2sign_ros.evaluation.isolated import other_recordings
from text2sign_ros.evaluation.learnt import UndistilledSigner
from text2sign_ros.evaluation.tables import tables
from text2sign_ros.evaluation.translation import bootstrap
from text2sign_ros.inference.bundle import Bundle, BundleError
from text2sign_ros.inference.signer import Signer
from text2sign_ros.inference.vocabulary import load
from text2sign_ros.skeleton import REST_POSE

DATA = Path(__file__).parents[2] / "shared" / "data" / "asl_cafe"


class Reader:
    """Reads the label that a window carries in its first number."""

    labels = ("a", "hello", "thank you")

    def read(self, windows: list[np.ndarray]) -> list[str]:
        return [self.labels[int(window[0, 0, 0])] for window in windows]


def window(label: str) -> np.ndarray:
    return np.full((4, 79, 3), Reader.labels.index(label), np.float32)


def test_words_and_letters_are_counted_apart() -> None:
    said = ["a", "a", "hello", "hello", "hello", "thank you"]
    read = ["a", "hello", "hello", "hello", "a", "thank you"]
    results = accuracy(Reader(), [window(label) for label in read], said, {"a"})  # type: ignore[arg-type]
    assert results == {"words": 0.75, "letters": 0.5, "signs": 6, "worst": {"a": 0.5, "hello": pytest.approx(2 / 3)}}


def test_the_undistilled_network_signs_as_long_as_the_distilled(bundle: Path) -> None:
    networks = learnt.load(bundle)
    signer = UndistilledSigner(bundle, networks, steps=2, guidance=2.0)
    plan = signer.plan("tea")
    motion = np.concatenate(list(signer.stream(plan, seed=1)))
    assert np.isfinite(motion).all() and len(motion) == sum(frames for _, frames in signer.timeline(plan))
    assert not np.allclose(motion, np.concatenate(list(Signer(bundle, steps=2).stream(plan, seed=1))))


def test_a_bundle_without_its_networks_is_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learnt, "LEARNT", "nowhere.pt")
    with pytest.raises(BundleError, match=r"nowhere\.pt.*export it again"):
        learnt.load(bundle)


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "bundle"))


def _evaluate(bundle: Path, *options: str) -> int:
    return main(["evaluate", "--bundle", str(bundle), "--data", str(DATA), "--json", *options])


def test_read_rates_are_written_into_the_bundle_if_asked(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"read_rates": {"tea": 0.5, "g": 1.0}}
    monkeypatch.setattr("text2sign_ros.evaluation.evaluate.evaluate", lambda *_, **__: figures)
    shipped = {row.name: row.read_rate for row in load(copy)}
    for options, written in (((), {}), (("--write-read-rates",), figures["read_rates"])):
        assert _evaluate(copy, *options) == 0
        assert json.loads(capsys.readouterr().out) == figures
        Bundle.load(copy)  # which verifies the hashes
        assert {row.name: row.read_rate for row in load(copy)} == shipped | written
    assert shipped["tea"] != 0.5


def test_a_bundle_that_can_not_be_written_is_refused_before_it_is_measured(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("text2sign_ros.evaluation.evaluate.evaluate", lambda *_, **__: pytest.fail("went to work"))
    (copy / "notes").mkdir()
    assert _evaluate(copy, "--write-read-rates") == 1
    assert "holds notes, which belongs to no bundle; move it" in capsys.readouterr().err
    (copy / "notes").rmdir()
    (copy / "bundle.json").write_text(json.dumps(json.loads((copy / "bundle.json").read_text()) | {"format": 4}))
    assert _evaluate(copy, "--write-read-rates") == 1
    assert "is not of bundle format" in capsys.readouterr().err


@pytest.mark.slow
def test_every_figure_of_a_bundle(bundle: Path, corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole evaluation with readers that learnt next to nothing: what is measured, not how well it does."""
    monkeypatch.setattr("text2sign_ros.corpora.asl_cafe.read", lambda *_, **__: corpus[::4])
    others: list[Example] = []

    def few(*given) -> list[Example]:
        others.extend(other_recordings(*given)[::40])
        return others

    monkeypatch.setattr(isolated, "other_recordings", few)
    budget = Budget(
        train_sentences=40,
        test_sentences=40,
        recogniser_steps=3,
        reader_steps=3,
        many_steps=2,
        warped_sentences=2,
        hand_reader_steps=60,
        letter_takes=2,
        sign_takes=2,
    )
    results = json.loads(json.dumps(evaluate(bundle, DATA, tmp_path, sentences=10, takes=2, budget=budget)))
    rows = {"real", "stitched", "many_steps", "generated", "1", "2", "4"}
    for metric in ("word_error_rate", "letter_error_rate", "bleu4", "chrf", "rouge_l"):
        assert set(results[metric]) == rows
    for metric in ("distance_ratio", "frozen_share", "jerk"):
        assert set(results[metric]) == rows | {"real_again"}
    assert results["distance_ratio"]["real"] == 1.0 and 0.5 < results["distance_ratio"]["generated"] < 2
    assert set(results["frechet"]) == set(results["dtw_mje_mm"]) == rows - {"real"} | {"real_again"}
    assert set(results["diversity"]) == rows - {"real", "stitched"}
    assert results["word_error_rate"]["generated"] == results["word_error_rate"]["4"]
    assert results["hand_error_mm"]["with_resting_mm"] < 6
    assert results["retrieval"]["single_text_to_pose"]["recall_5"] > 0.7
    assert list(results["hand_shapes"]) == ["real_by_block", "real", "rebuilt", "generated"]
    assert len(results["hand_shapes"]["real_by_block"]) == 26
    r = results["relations"]["by_sign"]["r"]
    assert r["crossed"] > 0.9 and r["order_mm"] < 0 and r["other_order_mm"] < 0, "the shipped code keeps R's crossing"
    assert results["all_signs"]["found"]["second_takes"]["recall_1"] > 0.95
    signs = 22 + len({take.unit.name for take in others if take.unit})
    assert signs > 22 and results["all_signs"]["found"]["generated"]["motions"] == 2 * signs
    assert len(results["read_rates"]) == signs + 26
    assert (tmp_path / "confusions.png").stat().st_size > 10_000
    printed = tables(results)
    assert "| real, held out | " in printed and "many_steps" in printed
    assert "| second takes | " in printed and "\n| r | " in printed


def test_a_dictionary_is_drawn_anew_for_each_sentence_and_the_interval_sees_it() -> None:
    rng = np.random.default_rng(0)
    takes = []
    for number in range(2):
        clip = SignClip(REST_POSE + rng.normal(scale=0.01, size=(20, 79, 3)), np.ones((20, 79)), FPS)
        takes.append(Example("hello", clip, (Unit("hello", Kind.SIGN),), "", f"b{number}", "val", "", ""))
    look_up = _dictionary(takes)

    def used(number: int, count: int = 1) -> list[int]:
        """Which take each of ``count`` signs of a sentence is."""
        motion = look_up(["hello"] * count, number).positions
        at = [(i, t) for t, take in enumerate(takes) for i, frame in enumerate(motion)
              if np.array_equal(frame, take.clip.positions[0])]  # fmt: skip
        return [take for _, take in sorted(at)]

    chosen = [used(number) for number in range(40)]
    assert chosen == [used(number) for number in range(40)], "the same number gives the same motion"
    assert all(used(number, 3) == 3 * chosen[number] for number in range(10)), "a dictionary has one take a sign"
    # A reader that can read one of the two takes: how often it is wrong depends on the draw, and the interval says so.
    assert {take for (take,) in chosen} == {0, 1}
    texts = [["hello"]] * 40
    read = [["hello"] if take == 0 else [] for (take,) in chosen]
    low, high = bootstrap(texts, read, "word_error_rate", set())
    assert high - low > 0.1 and low < np.mean([take for (take,) in chosen]) < high
