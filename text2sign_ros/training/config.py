"""The training configuration: one YAML file whose keys, types and values are checked, singly and together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from text2sign_ros.corpora.lifting import LIFTS
from text2sign_ros.corpora.registry import PUBLISHED, READERS
from text2sign_ros.inference.noise import MOST_SMOOTHING
from text2sign_ros.networks.aligner import AlignerConfig
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.unet import UNetConfig
from text2sign_ros.networks.vaes import build
from text2sign_ros.settings import ConfigError, read

SEMANTIC_FACTORS = ("early", "late", "constant", "off")
REST_FRAMES = 32
"""Frames of rest before and after each sentence: a segment may start from rest, and there is always a prefix."""
BUCKETS = (64, 96, 128, 256)
"""Lengths of the sequences in a batch, in frames; shorter sequences are padded to the next one."""
GRAIN = 16
"""The length of every sequence is a multiple of this many frames, in training and when signing."""
LEAST_FRAMES = 32
"""Length of the shortest sequences when signing; the prefix must leave room in them."""
MOST_STEPS = 4
"""The largest number of sampling steps that the student is trained for."""


@dataclass(frozen=True)
class CorpusConfig:
    reader: str  # one of corpora.registry.READERS
    folder: str
    share: float = 1.0  # how often its recorded sentences are drawn; of signs, how often all composed sentences are
    apart: bool = False  # its signs are others than those that corpora before it call the same
    lift: str = ""  # of a published format: one of corpora.lifting.LIFTS; "" is the first
    fps: float = 0.0  # of a published format whose files do not say; 0 takes what its reader assumes


@dataclass(frozen=True)
class GrammarConfig:
    file: str  # for example config/grammar/asl.yaml; see docs/grammar.md
    sentences: int = 4000  # for training, composed of the takes of their signs, with the English text as their text
    held_out_sentences: int = 300  # for validation: of wordings and synonyms that training never reads
    share: float = 1.0  # how often they are drawn, as of a corpus
    pace: float = 1.0  # of their signs, which were recorded alone and slower than in a sentence


@dataclass(frozen=True)
class DataConfig:
    corpora: tuple[CorpusConfig, ...] = (CorpusConfig("asl_cafe", "data/asl_cafe"),)
    sentences: int = 4000  # composed for training from the signs and letters of each corpus that has any
    held_out_sentences: int = 300  # likewise, from the recordings of the validation split
    max_segment_units: int = 6  # signs and letters in the longest training segment
    single_share: float = 0.65  # share of these examples that are one sign, as signing generates them
    grammar: GrammarConfig | None = None  # sentences of meaning, beside those that the corpora make


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
    feature_weight: float = 1.0  # this and the next for sign_vae: hand_dim above 0; see training/hand_loss.py
    relation_weight: float = 2.0
    hand_weight: float = 4.0
    velocity_weight: float = 0.5
    kl_weight: float = 1e-3
    turn_share: float = 0.5  # share of windows whose arms are turned; see training/turning.py
    turn_degrees: float = 6.0
    finger_degrees: float = 0.0


@dataclass(frozen=True)
class DiffusionStage(StageConfig):
    prefix_codes: int = 10  # how many clean codes precede a segment
    withhold_text: float = 0.1  # share of examples without text, for classifier-free guidance
    semantic_weight: float = 0.1
    semantic_factor: str = "early"  # one of SEMANTIC_FACTORS; see training/diffusion.py
    plan_weight: float = 0.5


@dataclass(frozen=True)
class DistillationStage(StageConfig):
    guidance: float = 2.0  # the teacher's classifier-free guidance, distilled into the student
    guidance_above: float = 0.0  # share of the noise indices up to which there is no guidance
    teacher_steps: int = 8  # of DPM-Solver++(2M)
    noise_deviation: float = 1.0  # of the noise that the teacher starts from, see ``noise.smooth_noise``
    noise_smoothing: float = 0.0  # codes over which this noise, and that of signing, is smoothed
    temperature: float = 1.0  # standard deviation of the noise when signing


@dataclass(frozen=True)
class TrainConfig:
    name: str = "asl_cafe"
    seed: int = 0
    threads: int = 2
    encoder: str = ""  # folder of a sentence-transformers BERT; "": all-MiniLM-L6-v2, which knows English only
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
        ConfigError: the file is missing or not a YAML mapping; a key is unknown; a value has the wrong type; values are
            incompatible.
    """
    config = read(TrainConfig, path)
    check(config, str(path))
    return config


def check(config: TrainConfig, where: str = "the configuration") -> None:
    """Check the values, alone and together: a configuration that passes can be trained and exported.

    Args:
        where: what error messages call the configuration.

    Raises:
        ConfigError: lists everything that is wrong, each with its keys and what to do.
    """
    # Compatibility is checked only once each value is valid by itself.
    problems = list(_out_of_range(config)) or list(_mismatched(config))
    if problems:
        raise ConfigError(f"{where}: {'; '.join(problems)}")


def _out_of_range(config: TrainConfig) -> Iterator[str]:
    for section, values in asdict(config).items():
        for key, value in values.items() if isinstance(values, dict) else ((section, values),):
            name = f"{section}: {key}" if isinstance(values, dict) else key
            least = 0 if key in _MAY_BE_ZERO else 1
            if isinstance(value, int) and value < least:
                yield f"{name} is {value}; it must be at least {least}"
            if isinstance(value, float) and not (np.isfinite(value) and value >= 0):
                yield f"{name} is {value}; it must be a non-negative number"
            if key in _SHARES and value > 1:
                yield f"{name} is {value}; it must be at most 1"
            if key == "noise_smoothing" and value > MOST_SMOOTHING:
                yield f"{name} is {value}; it must be at most {MOST_SMOOTHING:g}"
            if key in _POSITIVE and value == 0:
                yield f"{name} is 0; it must be above 0"
            if key == "ema" and value == 1:
                yield f"{name} is 1; it must be below 1, or the average would never change"
    yield from _corpora(config.data.corpora)
    if grammar := config.data.grammar:
        if min(grammar.sentences, grammar.held_out_sentences) < 1:
            yield "data: grammar: sentences and held_out_sentences must be at least 1"
        for key, value in (("share", grammar.share), ("pace", grammar.pace)):
            if not (np.isfinite(value) and value > 0):
                yield f"data: grammar: {key} is {value}; it must be a number above 0"
    if not config.unet.channels or min(config.unet.channels) < 1:
        yield f"unet: channels is {list(config.unet.channels)}; it must have a number of at least 1 for each level"
    if config.sign_vae.stride not in (1, 2, 4):
        yield f"sign_vae: stride is {config.sign_vae.stride}; it must be 1, 2 or 4"
    if not 0 < config.unet.beta_start <= config.unet.beta_end < 1:
        yield "unet: beta_start and beta_end must be between 0 and 1, and beta_start at most beta_end"
    stage = config.diffusion_stage
    if stage.semantic_factor not in SEMANTIC_FACTORS:
        factors = ", ".join(SEMANTIC_FACTORS)
        yield f"diffusion_stage: semantic_factor is {stage.semantic_factor!r}; it must be one of {factors}"


_MAY_BE_ZERO = ("seed", "warmup", "blocks", "hand_dim")
_SHARES = ("single_share", "turn_share", "withhold_text", "ema", "temperature", "guidance_above")
_POSITIVE = ("learning_rate", "temperature", "noise_deviation")


def _corpora(corpora: tuple[CorpusConfig, ...]) -> Iterator[str]:
    if not corpora:
        yield "data: corpora is empty"
    for corpus in corpora:
        if corpus.reader not in READERS:
            yield f"data: corpora: there is no reader {corpus.reader!r}; known are {', '.join(READERS)}"
        elif corpus.reader not in PUBLISHED and (corpus.lift or corpus.fps):
            takers = ", ".join(PUBLISHED)
            yield f"data: corpora: the reader {corpus.reader} takes no lift and no fps; those of {takers} do"
        if corpus.lift not in ("", *LIFTS):
            yield f"data: corpora: lift is {corpus.lift!r}; it must be one of {', '.join(LIFTS)}"
        if not (np.isfinite(corpus.fps) and corpus.fps >= 0):
            yield f"data: corpora: fps of {corpus.folder} is {corpus.fps}; it must be a number from 0"
        if not (np.isfinite(corpus.share) and corpus.share > 0):
            yield f"data: corpora: share of {corpus.folder} is {corpus.share}; it must be a number above 0"


def _mismatched(config: TrainConfig) -> Iterator[str]:
    vae, unet, aligner, stride = config.sign_vae, config.unet, config.aligner, config.sign_vae.stride
    if vae.body_dim < 1:
        yield (
            f"sign_vae: two hands of hand_dim {vae.hand_dim} leave nothing of latent_dim {vae.latent_dim} for the "
            "body: lower hand_dim or raise latent_dim"
        )
        return
    if not vae.latent_dim == unet.latent_dim == aligner.latent_dim:
        yield "latent_dim must be the same for sign_vae, unet and aligner"
    if unet.text_dim != aligner.text_dim:
        yield "text_dim must be the same for unet and aligner"
    if aligner.max_tokens < unet.max_tokens:
        yield f"aligner: max_tokens is {aligner.max_tokens}; make it at least unet: max_tokens, {unet.max_tokens}"
    codes = BUCKETS[-1] // stride
    if aligner.max_codes < codes:
        yield (
            f"aligner: max_codes is {aligner.max_codes}; sequences have up to {codes} codes ({BUCKETS[-1]} frames at "
            f"sign_vae: stride {stride}): make it {codes}"
        )
    if aligner.width % aligner.heads:
        yield f"aligner: width is {aligner.width}; make it a multiple of aligner: heads, {aligner.heads}"
    if any(width % unet.heads for width in unet.channels):
        yield f"unet: channels is {list(unet.channels)}; make each a multiple of unet: heads, {unet.heads}"
    levels, most = len(unet.channels), (GRAIN // stride).bit_length()
    if levels > most:
        yield (
            f"unet: channels has {levels} levels; all sequences are a multiple of {GRAIN} frames, at sign_vae: stride "
            f"{stride} of {GRAIN // stride} codes, which can be halved {most - 1} times: give at most {most} levels"
        )
    yield from _prefix(config)
    if config.vae_stage.frames % stride or config.vae_stage.frames < 2:
        yield (
            f"vae_stage: frames is {config.vae_stage.frames}; make it a multiple of sign_vae: stride, {stride}, and at "
            "least 2"
        )
    timesteps, steps = config.unet.timesteps, max(config.distillation_stage.teacher_steps, MOST_STEPS)
    if timesteps < steps:
        yield f"unet: timesteps is {timesteps}; sampling takes up to {steps} steps: make it at least that"


def _prefix(config: TrainConfig) -> Iterator[str]:
    stride, prefix = config.sign_vae.stride, config.diffusion_stage.prefix_codes
    with torch.device("meta"):
        needed = build(config.sign_vae).context_codes
    most = (min(REST_FRAMES, LEAST_FRAMES) - 1) // stride
    if needed > most:
        yield (
            f"sign_vae: with blocks {config.sign_vae.blocks} and stride {stride} the decoder looks back {needed} "
            f"codes, more than the {most} that fit: use fewer blocks or a smaller stride"
        )
    elif not needed <= prefix <= most:
        yield (
            f"diffusion_stage: prefix_codes is {prefix}; with sign_vae: blocks {config.sign_vae.blocks} and stride "
            f"{stride} it must be {needed} (how far the decoder looks back) to {most} (how many fit)"
        )
