"""Training on clips of one's own, in seconds: sentences whose signs are unknown, alone and beside signs and letters."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from text2sign_ros.clip import SignClip
from text2sign_ros.corpora.base import Kind
from text2sign_ros.motion import kinematics
from text2sign_ros.networks.aligner import AlignerConfig
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.unet import UNetConfig
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.text.encoder import FILES
from text2sign_ros.training.config import (
    ConfigError,
    CorpusConfig,
    DataConfig,
    DiffusionStage,
    DistillationStage,
    StageConfig,
    TrainConfig,
    VAEStage,
    load,
)
from text2sign_ros.training.segments import Segments, spans
from text2sign_ros.training.train import STAGES, Run

SHORT = {"steps": 2, "batch": 8, "checkpoint_every": 2, "warmup": 1}
CONFIG = TrainConfig(
    name="mine",
    threads=1,
    data=DataConfig(sentences=8, held_out_sentences=4, max_segment_units=3),
    sign_vae=SignVAEConfig(channels=16, blocks=1),
    aligner=AlignerConfig(width=16, layers=1, heads=2),
    unet=UNetConfig(channels=(16, 16), context_dim=16, heads=2),
    vae_stage=VAEStage(**SHORT),
    aligner_stage=StageConfig(**SHORT),
    diffusion_stage=DiffusionStage(**SHORT),
    distillation_stage=DistillationStage(**SHORT, guidance=1.5, teacher_steps=4),
)
LONGEST = 256 - CONFIG.diffusion_stage.prefix_codes * CONFIG.sign_vae.stride
TEXTS = ("my name is anna", "good morning", "where is the station", "see you tomorrow")
WORDY = " ".join(f"word{number}" for number in range(80))


def _clip(frames: int, seed: int, fps: float = 25.0) -> SignClip:
    """Smooth motion of both arms."""
    rng = np.random.default_rng(seed)
    directions = kinematics.bone_directions(REST_POSE.astype(float))
    phase = np.linspace(0, 2 * np.pi, frames)[:, None, None] + rng.uniform(0, 6, directions.shape)
    turned = kinematics.unit(directions + 0.4 * np.sin(phase) * rng.normal(size=directions.shape))
    positions = kinematics.assemble(turned, np.tile(REST_POSE.astype(float), (frames, 1, 1)))
    return SignClip(positions, np.ones((frames, 79)), fps)


def _folder(folder: Path, rows: list[tuple[str, str, str, int]]) -> CorpusConfig:
    """Of (text, split, kind, frames) of each clip."""
    lines = ["file\ttext\tsigner\tblock\tsplit\tkind"]
    for number, (text, split, kind, frames) in enumerate(rows):
        _clip(frames, number, fps=30.0 if number % 2 else 25.0).save(folder / f"{number}.npz")
        lines.append(f"{number}.npz\t{text}\tanna\t{split}\t{split}\t{kind}")
    (folder / "sentences.tsv").write_text("\n".join(lines))
    return CorpusConfig("clips", str(folder))


@pytest.fixture(scope="module")
def sentences(tmp_path_factory) -> CorpusConfig:
    rows = [(text, split, "", 40 + 10 * i) for split in ("train", "val") for i, text in enumerate(TEXTS)]
    rows += [("far too long a story", "train", "", 360), (WORDY, "train", "", 60)]
    return _folder(tmp_path_factory.mktemp("sentences"), rows)


@pytest.fixture(scope="module")
def signs(tmp_path_factory) -> CorpusConfig:
    units = [("hello", "sign"), ("tea", "sign"), ("a", "letter"), ("b", "letter")]
    rows = [(label, split, kind, 24) for split in ("train", "val") for label, kind in units]
    return _folder(tmp_path_factory.mktemp("signs"), rows)


def _run(folder: Path, bundle: Path, *corpora: CorpusConfig, **changed) -> Run:
    folder.mkdir(exist_ok=True)
    for name in FILES:  # exporting the text encoder has tests of its own
        shutil.copy(bundle / name, folder / name)
    return Run(replace(CONFIG, data=replace(CONFIG.data, corpora=corpora), **changed), folder)


@pytest.fixture(scope="module")
def run(sentences: CorpusConfig, bundle: Path, tmp_path_factory) -> Run:
    run = _run(tmp_path_factory.mktemp("run") / "run", bundle, sentences)
    run.train()
    return run


def test_all_stages_learn_from_sentences(run: Run) -> None:
    assert len(STAGES) == 4
    for name in ("sign_vae", "aligner", "denoiser", "student"):
        state = torch.load(run.folder / f"{name}.pt", weights_only=True)
        assert all(torch.isfinite(value).all() for value in state.values()), name
    again = Run(load(run.folder / "config.yaml"), run.folder)
    assert again.config == run.config
    assert again.sentences["train"].of(Kind.SENTENCE).all()


def test_a_segment_is_a_recording_with_its_text_as_written(run: Run) -> None:
    segments, sentences = run.segments["train"], run.sentences["train"]
    assert sorted(segments.texts) == sorted(TEXTS) and not segments.letters
    assert len(segments.length) == len(TEXTS)
    frames = (sentences.unit_stops - sentences.unit_starts)[: len(TEXTS)]
    np.testing.assert_allclose(segments.length * run.config.sign_vae.stride, frames, atol=2)
    np.testing.assert_allclose(segments.weight, 1 / len(TEXTS))
    batch = segments.batch(np.random.default_rng(0), 16)
    assert (batch.roles[:, 1].sum(dim=1) == run.config.diffusion_stage.prefix_codes).all()  # there always is a prefix


def test_what_is_too_long_is_left_out_and_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        segments = _segments(run)
    assert f"left out 1 of 6 segments: they are longer than {LONGEST} frames" in caplog.text
    assert "left out 1 of 6 segments: their texts have more tokens" in caplog.text
    assert WORDY not in segments.texts and "far too long a story" not in segments.texts


def _segments(run: Run, **changed) -> Segments:
    options = {"prefix": 10, "buckets": (32, 64, 128), "max_units": 3, "single_share": 0.65, "seed": 0} | changed
    return Segments(run.sentences["train"], run.sign_vae, run.encoder, **options)


def test_signs_and_sentences_are_learnt_side_by_side(
    signs: CorpusConfig, sentences: CorpusConfig, bundle: Path, tmp_path: Path
) -> None:
    run = _run(tmp_path / "run", bundle, replace(signs, share=1.0), replace(sentences, share=3.0))
    run.train()
    assert set(run.sentences["train"].kinds.tolist()) == {"sign", "letter", "sentence"}
    segments = run.segments["train"]
    recorded = np.isin(segments.texts, TEXTS)[segments.text]
    single = np.isin(segments.texts, ("hello", "tea", "a", "b"))[segments.text]
    assert segments.letters == {"a", "b"}
    assert segments.weight[recorded].sum() == pytest.approx(0.75)
    assert segments.weight[single].sum() == pytest.approx(0.25 * run.config.data.single_share)
    assert segments.weight.sum() == pytest.approx(1.0)
    assert run.sentences["train"].of(Kind.SENTENCE).sum() == len(TEXTS) + 2


def test_max_units_of_one_gives_single_units(signs: CorpusConfig, bundle: Path, tmp_path: Path) -> None:
    config = replace(CONFIG.data, max_segment_units=1)
    run = _run(tmp_path / "run", bundle, signs)
    run.config = replace(run.config, data=replace(config, corpora=(signs,)))
    first, last = spans(run.sentences["train"], 1, np.random.default_rng(0))
    np.testing.assert_array_equal(first, last)
    segments = _segments(run, max_units=1)
    assert set(segments.texts) <= {"hello", "tea", "a", "b"}
    assert segments.weight.sum() == pytest.approx(1.0)
    two, other = spans(run.sentences["train"], 2, np.random.default_rng(0))
    assert set((other - two).tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"vae_stage": VAEStage(**SHORT, frames=160)}, r"vae_stage: frames is 160; the shortest sentence .* at most"),
        ({"unet": replace(CONFIG.unet, text_dim=96), "aligner": replace(CONFIG.aligner, text_dim=96)}, "gives 384"),
        ({"aligner": replace(CONFIG.aligner, max_codes=64)}, "make it 128"),
        ({"diffusion_stage": DiffusionStage(**SHORT, prefix_codes=3)}, "prefix_codes is 3"),
    ],
)
def test_what_would_fail_in_a_later_stage_fails_in_the_first(
    sentences: CorpusConfig, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict, named: str
) -> None:
    monkeypatch.setattr("text2sign_ros.training.vae.fit", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(ConfigError, match=named):
        _run(tmp_path / "run", bundle, sentences, **changed).train()


def test_recordings_that_are_all_too_long_stop_the_first_stage(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("text2sign_ros.training.vae.fit", lambda *_, **__: pytest.fail("trained"))
    corpus = _folder(tmp_path / "long", [("a long story", split, "", 300) for split in ("train", "val")])
    with pytest.raises(ConfigError, match=rf"every recording of split train is too long: {LONGEST} frames fit"):
        _run(tmp_path / "run", bundle, corpus).train()


def test_a_run_is_not_continued_with_other_recordings(bundle: Path, tmp_path: Path) -> None:
    rows = [(text, split, "", 40) for split in ("train", "val") for text in TEXTS]
    (tmp_path / "clips").mkdir()
    corpus = _folder(tmp_path / "clips", rows)
    assert len(_run(tmp_path / "run", bundle, corpus).sentences) == 2
    _clip(40, 99).save(tmp_path / "clips" / "0.npz")
    with pytest.raises(ConfigError, match=r"the recordings have changed since the run in .*run was started"):
        _ = _run(tmp_path / "run", bundle, corpus).sentences
    assert len(_run(tmp_path / "another", bundle, corpus).sentences) == 2
