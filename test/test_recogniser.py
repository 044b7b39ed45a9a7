"""The recogniser: learns to tell movements it was shown apart in takes it was not, whatever their length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from text2sign_ros.evaluation.recogniser import Recogniser, real_windows, train
from text2sign_ros.motion import kinematics
from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.training.sentences import Sentences

LABELS = ("left", "right", "both", "a")


def _take(label: str, rng: np.random.Generator) -> np.ndarray:
    """(T, 79, 3): the arms named wave; "a" is a still hand, held up."""
    frames = int(rng.integers(14, 40))
    directions = np.tile(kinematics.bone_directions(REST_POSE.astype(float)), (frames, 1, 1))
    phase = np.linspace(0, 3 * np.pi, frames) + rng.uniform(0, 0.5)
    for bone, (_, child) in enumerate(kinematics.CHAIN):
        for side in ("left", "right"):
            if child == INDEX[f"{side}_wrist"] and label in (side, "both"):
                directions[:, bone] = np.stack(
                    (np.full(frames, 0.4), 0.5 * np.sin(phase), np.full(frames, 0.7)), axis=1
                )
        if child == INDEX["right_wrist"] and label == "a":
            directions[:, bone] = (0.5, 0.0, 0.8)
    directions += rng.normal(scale=0.05, size=directions.shape)
    base = np.broadcast_to(REST_POSE.astype(float), (frames, 79, 3))
    return kinematics.assemble(kinematics.unit(directions), base).astype(np.float32)


def _sentences(count: int, seed: int) -> Sentences:
    """``count`` sentences of one take, "left" more often than the others."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(LABELS, count, p=(0.55, 0.15, 0.15, 0.15))
    takes = [_take(label, rng) for label in labels]
    starts = np.concatenate(([0], np.cumsum([len(take) for take in takes])))
    positions = np.concatenate(takes).astype(np.float16)
    seen = np.ones(positions.shape[:2], np.float16)
    kinds, chance = np.full(count, "sign"), np.full(count, 1 / count)
    return Sentences(positions, seen, starts, np.arange(count), starts[:-1], starts[1:], labels, kinds, chance)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    torch.set_num_threads(1)
    return train(_sentences(160, seed=0), steps=90, seed=0, batch=32)


def test_windows_are_the_takes() -> None:
    sentences = _sentences(5, seed=1)
    windows = real_windows(sentences)
    np.testing.assert_array_equal(np.concatenate(windows), sentences.positions.astype(np.float32))


@pytest.mark.slow
def test_it_reads_takes_it_has_not_seen(recogniser: Recogniser) -> None:
    rng = np.random.default_rng(99)
    labels = [label for label in LABELS for _ in range(15)]
    read = recogniser.read([_take(label, rng) for label in labels])
    right = {label: np.mean([r == label for r, w in zip(read, labels, strict=True) if w == label]) for label in LABELS}
    assert min(right.values()) >= 0.8, right


@pytest.mark.slow
def test_it_reads_windows_of_any_length(recogniser: Recogniser) -> None:
    take = _take("both", np.random.default_rng(5))
    windows = [take[:2], take[:5], take, np.repeat(take, 10, axis=0)]
    read = recogniser.read(windows)
    assert len(read) == 4 and set(read) <= set(LABELS)
    assert read[2] == "both"


@pytest.mark.slow
def test_reading_does_not_depend_on_what_is_read_beside_it(recogniser: Recogniser) -> None:
    rng = np.random.default_rng(6)
    windows = [_take(label, rng) for label in LABELS]
    assert recogniser.read(windows) == [recogniser.read([window])[0] for window in windows]


def test_the_seed_decides() -> None:
    sentences = _sentences(30, seed=3)
    one, same, other = (train(sentences, steps=2, seed=seed, batch=8).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["leave.1.weight"], other["leave.1.weight"])
