"""Evaluation: what is counted, what is read, and the figures of the lift."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from text2sign_ros.evaluation import lift
from text2sign_ros.evaluation.evaluate import accuracy, generate
from text2sign_ros.inference.signer import RETURN_FRAMES, Signer

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
    figures = accuracy(Reader(), [window(label) for label in read], said)  # type: ignore[arg-type]
    assert figures == {"words": 0.75, "letters": 0.5, "signs": 6, "worst": {"a": 0.5, "hello": 0.667}}


def test_a_window_is_what_one_segment_moves(bundle: Path) -> None:
    signer = Signer(bundle, steps=2)
    windows = generate(signer, "hello cab", seed=3)
    timeline = signer.timeline(signer.plan("hello cab"))
    assert [len(w) for w in windows] == [frames for _, frames in timeline[:-1]]
    assert timeline[-1] == ("", RETURN_FRAMES)


@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings in ../shared/data are not here")
def test_the_lift_keeps_bones_and_brings_the_arms_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lift, "_SAMPLE", 60)
    with np.load(DATA / "words_and_letters.npz") as data:
        figures = lift.measure(data["pose"], {side: data[f"{side}_hand"] for side in ("left", "right")})
    assert figures["bone_spread_lifted_percent"] < 0.01 < 1 < figures["bone_spread_proportions_percent"]
    assert figures["bone_spread_proportions_percent"] < figures["bone_spread_landmarks_percent"]
    assert figures["wrist_forward_lifted_p95_m"] < 0.5 < figures["wrist_forward_landmarks_p95_m"]
    assert figures["moved_in_image_median_mm"] < 30
