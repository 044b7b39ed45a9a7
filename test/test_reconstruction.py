"""Reconstruction: what counts as an error of the hands, what PCA keeps, and the experiment over code sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from experiments import reconstruction
from experiments.reconstruction import Projection, pca_error
from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import FPS, Example, Kind, Unit
from text2sign_ros.evaluation.reconstruction import hand_error, motion_error, posterior, rebuild
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.training import train
from text2sign_ros.training.sentences import Sentences

LEFT, RIGHT = skeleton.GROUPS["left_hand"], skeleton.GROUPS["right_hand"]
BODY = slice(skeleton.INDEX["right_elbow"], skeleton.INDEX["right_wrist"] + 1)


def _take(label: str, seed: int, frames: int = 21, split: str = "test") -> Example:
    """The right arm waves about; the left hand rests, as the reader of the corpus leaves it."""
    rng = np.random.default_rng(seed)
    positions = np.repeat(skeleton.REST_POSE[None], frames, axis=0)
    phase = np.linspace(0, rng.uniform(3, 6), frames)[:, None]
    way = 0.1 * np.concatenate((np.sin(phase), np.cos(1.3 * phase), np.sin(0.7 * phase)), axis=1)[:, None]
    positions[:, [skeleton.INDEX["right_wrist"]]] += way
    positions[:, RIGHT] += way * rng.uniform(0.9, 1.1, (1, 21, 1))
    units = (Unit(label, Kind.LETTER if label == "a" else Kind.SIGN),)
    clip = SignClip(positions, np.ones((frames, 79)), FPS)
    return Example(label, clip, units, "", f"{label}/{seed}", split, "here", "MIT")


TAKES = [_take("hello", 1), _take("tea", 2, 30), _take("a", 3, 14)]


def _vae(**options) -> SignVAE:
    torch.manual_seed(0)
    return SignVAE(SignVAEConfig(channels=8, blocks=1, **options)).eval()


def test_what_is_rebuilt_exactly_has_no_error() -> None:
    error = motion_error(TAKES, [take.clip.positions for take in TAKES])
    assert (error.mm, error.words_mm, error.letters_mm, error.with_resting_mm, error.velocity_mm) == (0, 0, 0, 0, 0)
    assert error.distance_ratio == error.hello_distance_ratio == 1.0


def test_errors_are_those_of_tracked_hands_weighted_by_frames() -> None:
    rebuilt = [take.clip.positions.copy() for take in TAKES]
    rebuilt[1][:, RIGHT] += (0.003, 0.004, 0.0)  # 5 mm off, at the same velocity
    rebuilt[2][:, RIGHT] += (0.0, 0.0, 0.002)
    rebuilt[0][:, LEFT] += 1.0  # rests, and so is no observation
    rebuilt[0][:, BODY.start] += 1.0  # an elbow is no hand
    error = motion_error(TAKES, rebuilt)
    assert error.mm == pytest.approx((30 * 5 + 14 * 2) / (21 + 30 + 14), rel=1e-3)
    assert error.words_mm == pytest.approx(30 * 5 / (21 + 30), rel=1e-3)
    assert error.letters_mm == pytest.approx(2, rel=1e-3)
    assert error.velocity_mm == pytest.approx(0, abs=1e-3)
    assert error.with_resting_mm > 100


def test_unseen_keypoints_do_not_count() -> None:
    takes = []
    for take in TAKES:
        confidence = take.clip.confidence.copy()
        confidence[3:6, RIGHT] = 0
        takes.append(replace(take, clip=replace(take.clip, confidence=confidence)))
    rebuilt = [take.clip.positions.copy() for take in takes]
    for motion in rebuilt:
        motion[3:6, RIGHT] += 1.0
    error = motion_error(takes, rebuilt)
    assert (error.mm, error.velocity_mm, error.distance_ratio) == (0, 0, 1)


def test_a_smeared_wave_is_seen_in_its_own_ratio() -> None:
    rebuilt = [take.clip.positions.copy() for take in TAKES]
    rebuilt[0] = rebuilt[0].mean(axis=0) + 0.5 * (rebuilt[0] - rebuilt[0].mean(axis=0))
    error = motion_error(TAKES, rebuilt)
    assert error.hello_distance_ratio == pytest.approx(0.5, rel=1e-3)
    assert 0.5 < error.distance_ratio < 1
    assert error.velocity_mm > 1


def test_takes_without_a_wave_are_refused() -> None:
    with pytest.raises(ValueError, match="hello"):
        motion_error(TAKES[1:], [take.clip.positions for take in TAKES[1:]])


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_takes_of_any_length_go_through_the_code(stride: int) -> None:
    vae = _vae(stride=stride)
    for take in TAKES:
        motion = rebuild(vae, take.clip.positions)
        assert motion.shape == take.clip.positions.shape and np.isfinite(motion).all()
    # Positions that are a whole number of codes long are rebuilt as the network does it, from the mean.
    positions = torch.from_numpy(TAKES[0].clip.positions[:20])[None]
    with torch.no_grad():
        expected = vae.decode(vae.encode(positions)[0])[0].numpy()
    np.testing.assert_allclose(rebuild(vae, positions[0].numpy()), expected, atol=1e-6)
    assert hand_error(vae, TAKES).mm > 1


def test_a_collapsed_posterior_is_told() -> None:
    vae = _vae(latent_dim=6)
    vae.std.fill_(0.02)  # so that the motion is as large to the network as after training
    last = vae.encoder.layers[-1]
    assert isinstance(last, torch.nn.Conv1d)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
        collapsed = posterior(vae, TAKES)
        last.weight[:2].normal_(std=3.0)  # the mean of two units looks at the motion
        last.bias[4] = 1.0  # one that is off the prior, yet always the same, tells nothing
        last.bias[6:] = -2.0
        used = posterior(vae, TAKES)
    assert (collapsed.active, collapsed.kl) == (0, (0,) * 6)
    assert used.active == 2 and min(used.variances[:2]) > 0.01 and max(used.variances[2:]) < 1e-9
    alone = 0.5 * (np.exp(-2) - 1 + 2)
    np.testing.assert_allclose(used.kl[2:], [alone, alone, alone + 0.5, alone], rtol=1e-4)


def test_pca_keeps_the_more_the_more_numbers_it_has() -> None:
    train_takes = [_take(label, seed, split="train") for seed in range(10, 18) for label in ("hello", "a", "tea")]
    errors = [pca_error(train_takes, TAKES, numbers, 2) for numbers in (1, 4, 16)]
    assert errors[0].mm > 1.3 * errors[1].mm > 1.3**2 * errors[2].mm
    assert errors[2].mm < 6 and errors[2].distance_ratio == pytest.approx(1, abs=0.1)
    # Enough numbers for all directions of the training data: they come back whole, but the padding is cut.
    whole = Projection(train_takes, 80, 2)
    np.testing.assert_allclose(
        whole.rebuild(train_takes[0].clip.positions), train_takes[0].clip.positions, atol=1e-5
    )  # 21 frames are ten codes and a part


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a tiny experiment on made-up takes, without recordings."""
    takes = [_take(label, s, 40, split) for s, split in enumerate(("train", "test")) for label in ("hello", "a", "tea")]
    positions = np.concatenate([take.clip.positions for take in takes]).astype(np.float16)
    starts = np.arange(len(takes) + 1) * 40
    labels, kinds = (np.array([getattr(take.unit, name) for take in takes]) for name in ("label", "kind"))
    sentences = Sentences(
        positions, np.ones((240, 79), np.float16), starts, np.arange(6), starts[:-1], starts[1:], labels, kinds,
        np.full(6, 1 / 6),
    )  # fmt: skip
    monkeypatch.setattr("text2sign_ros.corpora.asl_cafe.read", lambda *_, **__: takes)
    monkeypatch.setattr(train, "compose", lambda *_: sentences)
    monkeypatch.setattr(train.registry, "digest", lambda *_: "recordings")
    monkeypatch.setattr("text2sign_ros.training.loop._plot", lambda *_: None)  # slow, and has tests of its own
    stage = {"batch": 2, "frames": 16, "warmup": 1}
    config = {"name": "tiny", "threads": 1, "sign_vae": {"channels": 8, "blocks": 1}, "vae_stage": stage}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    files = {"config": "config.yaml", "out": "out", "picture": "docs/picture.png"}
    places = [word for name, path in files.items() for word in (f"--{name}", str(tmp_path / path))]
    return [*places, "--steps", "2", "--sizes", "4/1", "6/1", "4/2", "--shown", "4/1"]


def test_the_experiment_measures_every_size_and_goes_on_where_it_stopped(
    experiment: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reconstruction.main(experiment)
    printed = json.loads(capsys.readouterr().out)
    written = tmp_path / "out" / "reconstruction.json"
    assert json.loads(written.read_text()) == printed
    assert (printed["steps"], printed["takes"]) == (2, 3)
    for method in ("vae", "pca"):
        rows = printed[method]
        assert [row["numbers_per_frame"] for row in rows] == [4, 6, 2]
        assert all(row["mm"] > 0 and row["hello_distance_ratio"] >= 0 for row in rows)
    assert [len(row["kl"]) for row in printed["vae"]] == [4, 6, 4]
    with Image.open(tmp_path / "docs" / "picture.png") as picture:
        assert min(picture.size) > 300

    written.unlink()
    monkeypatch.setattr("text2sign_ros.training.vae.fit", lambda *_, **__: pytest.fail("trained again"))
    reconstruction.main(experiment)
    assert json.loads(written.read_text()) == printed
