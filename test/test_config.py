"""Training configuration: the shipped file loads, and whatever is wrong in a file is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from text2sign_ros.export.bundle import BUCKETS as SIGNING_BUCKETS
from text2sign_ros.export.bundle import PRESETS
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.training.config import (
    BUCKETS,
    GRAIN,
    LEAST_FRAMES,
    MOST_STEPS,
    REST_FRAMES,
    ConfigError,
    CorpusConfig,
    TrainConfig,
    load,
)
from text2sign_ros.training.distillation import CHAINS

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "config" / "train"


def _load(folder: Path, text: str) -> TrainConfig:
    path = folder / "train.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_the_configuration_of_the_shipped_model_loads() -> None:
    config = load(CONFIGS / "asl.yaml")
    assert config.name == "asl"
    assert config.sign_vae.latent_dim == config.unet.latent_dim == config.aligner.latent_dim == 64
    assert config.sign_vae.hand_dim == 24
    assert config.aligner.shared_dim == 512
    assert config.unet.channels == (128, 192, 256)
    assert config.data.corpora == (
        *(CorpusConfig("asl_cafe", "data/asl_cafe", 1.0), CorpusConfig("galt", "data/galt", 1.0, apart=True)),
    )


def test_the_configuration_of_the_paper_loads() -> None:
    config = load(CONFIGS / "asl_cafe.yaml")
    assert config.name == "asl_cafe"
    assert config.sign_vae.latent_dim == config.unet.latent_dim == config.aligner.latent_dim == 20
    assert config.aligner.shared_dim == 512
    assert config.unet.channels == (128, 192, 256)
    assert config.data.corpora == (CorpusConfig("asl_cafe", "data/asl_cafe", 1.0),)


@pytest.mark.parametrize(("name", "reader"), [("phoenix14t", "skels"), ("how2sign", "openpose")])
def test_the_configurations_for_whole_sentences_load(name: str, reader: str) -> None:
    """What the paper states is in them; they name a reader of a published format, and how it gets its depth."""
    config = load(CONFIGS / f"{name}.yaml")
    assert config.name == name and bool(config.encoder) == (name == "phoenix14t")
    assert (config.sign_vae.latent_dim, config.aligner.shared_dim, BUCKETS[-1]) == (20, 512, 256)
    assert config.diffusion_stage.semantic_factor == "early"
    assert config.data.corpora == (CorpusConfig(reader, f"data/{name}", lift="geometric"),)
    assert config.vae_stage.frames <= 2 * REST_FRAMES + 2, "a sentence may be short"


@pytest.mark.parametrize(
    ("corpus", "named"),
    [
        ("{reader: openpose, folder: x, lift: magic}", "lift is 'magic'; it must be one of geometric, flat"),
        ("{reader: openpose, folder: x, fps: -1}", "fps of x is -1.0; it must be a number from 0"),
        ("{reader: clips, folder: x, lift: flat}", "the reader clips takes no lift and no fps; those of skels, mska"),
        ("{reader: galt, folder: x, fps: 25}", "the reader galt takes no lift and no fps"),
    ],
)
def test_lift_and_frame_rate_are_of_published_formats(tmp_path: Path, corpus: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        _load(tmp_path, f"data:\n  corpora:\n    - {corpus}\n")


def test_every_file_that_comes_with_the_package_loads() -> None:
    for path in (*CONFIGS.glob("*.yaml"), ROOT / "models" / "asl" / "training.yaml"):
        load(path)
    Bundle.load(ROOT / "models" / "asl")  # holds the hash of its training.yaml


def test_several_corpora(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        "data: {corpora: [{reader: asl_cafe, folder: data/asl_cafe, share: 3}, {reader: clips, folder: mine}]}\n",
    )
    assert config.data.corpora == (CorpusConfig("asl_cafe", "data/asl_cafe", 3.0), CorpusConfig("clips", "mine", 1.0))


def test_what_is_checked_here_holds_where_bundles_are_made() -> None:
    assert all(frames % GRAIN == 0 for frames in (*BUCKETS, *SIGNING_BUCKETS))
    assert min(*BUCKETS, *SIGNING_BUCKETS) == LEAST_FRAMES and max(SIGNING_BUCKETS) == max(BUCKETS)
    assert max(*CHAINS, *PRESETS.values()) == MOST_STEPS


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    config = _load(tmp_path, "vae_stage: {steps: 7, learning_rate: 1}\n")
    assert config.vae_stage.steps == 7
    assert config.vae_stage.learning_rate == 1.0 and type(config.vae_stage.learning_rate) is float
    assert config.vae_stage.frames == TrainConfig().vae_stage.frames
    assert config.unet == TrainConfig().unet


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour: red\n", "colour"),
        ("unet: {chanels: [1]}\n", "unet: unknown key 'chanels'"),
        ("seed: one\n", "seed"),
        ("seed: true\n", "seed"),
        ("vae_stage: {steps: 2.5}\n", "vae_stage: steps"),
        ("unet: {channels: 128}\n", "unet: channels"),
        ("unet: {channels: [a]}\n", "unet: channels"),
        ("data: 3\n", "data must be a mapping"),
        ("diffusion_stage: {semantic_factor: never}\n", "semantic_factor is 'never'"),
        ("aligner_stage: {steps: 0}\n", "aligner_stage: steps"),
        ("data: {sentences: 0}\n", "data: sentences"),
        ("sign_vae: {stride: 3}\n", "stride is 3"),
        ("unet: {latent_dim: 10}\n", "latent_dim must be the same"),
        ("sign_vae: {hand_dim: 10}\n", "two hands of hand_dim 10 leave nothing of latent_dim 20 for the body"),
        ("data: {corpora: []}\n", "data: corpora is empty"),
        ("data: {corpora: here}\n", "data: corpora must be a list"),
        ("data: {corpora: [{reader: asl_cafe}]}\n", "data: corpora: folder is missing"),
        ("data: {corpora: [{reader: x, folder: y}]}\n", "data: corpora: there is no reader 'x'; known are asl_cafe"),
        ("data: {corpora: [{reader: clips, folder: y, share: 0}]}\n", "share of y is 0.0"),
        ("data: {corpora: [{reader: clips, folder: y, share: .nan}]}\n", "share of y is nan"),
        ("data: {grammar: {file: a.yaml, sentences: 0}}\n", "data: grammar: sentences and held_out_sentences must be"),
        ("data: {grammar: {file: a.yaml, share: 0}}\n", "data: grammar: share is 0.0"),
        ("data: {grammar: {file: a.yaml, pace: 0}}\n", "data: grammar: pace is 0.0"),
        ("data: {grammar: {sentences: 5}}\n", "data: grammar: file is missing"),
        ("data: {single_share: 1.5}\n", "data: single_share is 1.5; it must be at most 1"),
        ("threads: 0\n", "threads is 0"),
        ("vae_stage: {learning_rate: .inf}\n", "vae_stage: learning_rate is inf"),
        ("vae_stage: {learning_rate: 0}\n", "vae_stage: learning_rate is 0"),
        ("vae_stage: {ema: 1}\n", "vae_stage: ema is 1"),
        ("unet: {channels: []}\n", "unet: channels is []"),
        ("unet: {heads: 0}\n", "unet: heads is 0"),
        ("unet: {beta_start: 0.5, beta_end: 0.1}\n", "beta_start and beta_end"),
        ("- 1\n", "must be a mapping"),
        ("", "must be a mapping"),
        ("a: [1\n", "can't be read as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert named in str(caught.value) and "train.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # What used to fail in a later stage, in the export, or only when signing.
        ("sign_vae: {stride: 1}\n", "aligner: max_codes is 128; sequences have up to 256 codes"),
        ("aligner: {max_codes: 100}\n", "make it 128"),
        ("aligner: {text_dim: 512}\n", "text_dim must be the same"),
        ("aligner: {max_tokens: 32}\n", "make it at least unet: max_tokens, 64"),
        ("aligner: {width: 190}\n", "make it a multiple of aligner: heads, 4"),
        ("unet: {channels: [30, 64]}\n", "make each a multiple of unet: heads, 4"),
        ("unet: {channels: [16, 16, 16, 16, 16]}\n", "give at most 4 levels"),
        (
            "diffusion_stage: {prefix_codes: 9}\n",
            "prefix_codes is 9; with sign_vae: blocks 2 and stride 2 it must be 10",
        ),
        ("diffusion_stage: {prefix_codes: 16}\n", "to 15 (how many fit)"),
        ("sign_vae: {stride: 4}\n", "looks back 11 codes, more than the 7 that fit: use fewer blocks"),
        ("vae_stage: {frames: 65}\n", "vae_stage: frames is 65; make it a multiple of sign_vae: stride, 2"),
        ("unet: {timesteps: 6}\n", "timesteps is 6; sampling takes up to 8 steps"),
    ],
)
def test_incompatible_values_are_named_with_the_mend(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert named in str(caught.value) and "train.yaml" in str(caught.value)


def test_all_that_does_not_go_together_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"text_dim must.*; .*prefix_codes is 3") as caught:
        _load(tmp_path, "unet: {text_dim: 512}\ndiffusion_stage: {prefix_codes: 3}\n")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "sign_vae: {stride: 1}\naligner: {max_codes: 256}\n",
        "sign_vae: {stride: 4, blocks: 1}\ndiffusion_stage: {prefix_codes: 7}\n",
        "unet: {channels: [16]}\n",
        "unet: {channels: [16, 16, 16, 16]}\n",
    ],
)
def test_other_sizes_that_go_together_are_taken(tmp_path: Path, text: str) -> None:
    _load(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")
