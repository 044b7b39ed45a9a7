"""Training configuration: the shipped file loads, and whatever is wrong in a file is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from text2sign_ros.training.config import ConfigError, TrainConfig, load

SHIPPED = Path(__file__).parents[1] / "config" / "train" / "asl_cafe.yaml"


def _load(folder: Path, text: str) -> TrainConfig:
    path = folder / "train.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_the_shipped_file_loads() -> None:
    config = load(SHIPPED)
    assert config.name == "asl_cafe"
    assert config.sign_vae.latent_dim == config.unet.latent_dim == config.aligner.latent_dim == 20
    assert config.aligner.shared_dim == 512
    assert config.unet.channels == (128, 192, 256)


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
        ("- 1\n", "must be a mapping"),
        ("", "must be a mapping"),
        ("a: [1\n", "can't be read as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert named in str(caught.value) and "train.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")
