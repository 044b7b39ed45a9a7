"""The training configuration: one YAML file, every key known, every value of the type declared here."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.samplers import alphas_cumprod
from text2sign_ros.networks.aligner import AlignerConfig
from text2sign_ros.networks.sign_vae import SignVAEConfig
from text2sign_ros.networks.unet import UNetConfig

SEMANTIC_FACTORS = ("early", "late", "constant", "off")


class ConfigError(Text2SignError):
    """The configuration has an unknown key or a value of the wrong type."""


@dataclass(frozen=True)
class DataConfig:
    corpus: str = "../shared/data/asl_cafe"
    sentences: int = 4000  # composed for training
    held_out_sentences: int = 300  # composed from the takes of the validation split
    max_segment_units: int = 6  # signs and letters in the longest segment learnt from
    single_share: float = 0.65  # share of examples that are one sign, as signing generates them


@dataclass(frozen=True)
class StageConfig:
    steps: int = 1000
    batch: int = 64
    learning_rate: float = 1e-3
    warmup: int = 200
    ema: float = 0.999
    checkpoint_every: int = 500


@dataclass(frozen=True)
class VAEStage(StageConfig):
    frames: int = 64  # length of a training window
    hand_weight: float = 4.0
    velocity_weight: float = 0.5
    kl_weight: float = 1e-3
    turn_share: float = 0.5  # share of windows whose arms are turned; see training/vae.py
    turn_degrees: float = 6.0


@dataclass(frozen=True)
class DiffusionStage(StageConfig):
    timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    prefix_codes: int = 10  # how many codes before a segment are given clean
    withhold_text: float = 0.1  # share of examples that train the unguided model
    semantic_weight: float = 0.1
    semantic_factor: str = "early"  # one of SEMANTIC_FACTORS; see training/diffusion.py

    @property
    def schedule(self) -> np.ndarray:
        """(timesteps,) alpha bar, see ``samplers.alphas_cumprod``."""
        return alphas_cumprod(self.timesteps, self.beta_start, self.beta_end)


@dataclass(frozen=True)
class DistillationStage(StageConfig):
    guidance: float = 2.0  # classifier-free guidance of the teacher, which the student takes over
    teacher_steps: int = 8  # of DPM-Solver++(2M), from noise to the end


@dataclass(frozen=True)
class TrainConfig:
    name: str = "asl_cafe"
    seed: int = 0
    threads: int = 2
    data: DataConfig = field(default_factory=DataConfig)
    sign_vae: SignVAEConfig = field(default_factory=SignVAEConfig)
    aligner: AlignerConfig = field(default_factory=AlignerConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    vae_stage: VAEStage = field(default_factory=VAEStage)
    aligner_stage: StageConfig = field(default_factory=StageConfig)
    diffusion_stage: DiffusionStage = field(default_factory=DiffusionStage)
    distillation_stage: DistillationStage = field(default_factory=DistillationStage)


def load(path: str | Path) -> TrainConfig:
    """Read a training configuration.

    Raises:
        ConfigError: the file is missing or no YAML mapping; a key is unknown; a value has the wrong type.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} can't be read as YAML: {error}") from error
    config = _build(TrainConfig, values, str(path))
    if problem := _problem(config):
        raise ConfigError(f"{path}: {problem}")
    return config


def _problem(config: TrainConfig) -> str:
    """What makes a configuration of the right types unusable; empty if nothing does."""
    for name in ("vae_stage", "aligner_stage", "diffusion_stage", "distillation_stage"):
        stage: StageConfig = getattr(config, name)
        if min(stage.steps, stage.batch, stage.checkpoint_every) < 1:
            return f"{name}: steps, batch and checkpoint_every must be at least 1"
    if min(config.data.sentences, config.data.held_out_sentences, config.data.max_segment_units) < 1:
        return "data: sentences, held_out_sentences and max_segment_units must be at least 1"
    if config.sign_vae.stride not in (1, 2, 4):
        return f"sign_vae: stride is {config.sign_vae.stride}; it must be 1, 2 or 4"
    if not config.sign_vae.latent_dim == config.unet.latent_dim == config.aligner.latent_dim:
        return "latent_dim must be the same for sign_vae, unet and aligner"
    factor = config.diffusion_stage.semantic_factor
    if factor not in SEMANTIC_FACTORS:
        return f"diffusion_stage: semantic_factor is {factor!r}; it must be one of {', '.join(SEMANTIC_FACTORS)}"
    return ""


def _build(kind: type, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must be a mapping, not {type(values).__name__}")
    hints = typing.get_type_hints(kind)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(kind)}
    for key in values:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}; known are {', '.join(fields)}")
    return kind(**{key: _value(fields[key], value, f"{where}: {key}") for key, value in values.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(typing.cast(type, kind), value, where)
    if isinstance(kind, types.GenericAlias):  # the only generic in use: tuple[int, ...]
        if isinstance(value, list) and all(type(item) is int for item in value):
            return tuple(value)
        raise ConfigError(f"{where} must be a list of integers, not {value!r}")
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where} must be of type {kind.__name__}, not {value!r}")
    return value
