"""A training run: compose sentences, the paper's three stages, distillation; each resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import yaml
from accelerate import PartialState
from torch import nn

from text2sign_ros.clip import write_whole
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import FPS
from text2sign_ros.networks.aligner import Aligner
from text2sign_ros.networks.denoiser import Denoiser
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.networks.saving import save
from text2sign_ros.networks.trained import Examples, TrainedModel
from text2sign_ros.networks.unet import UNet
from text2sign_ros.networks.vaes import build
from text2sign_ros.text import SentenceEncoder
from text2sign_ros.text.encoder import FILES
from text2sign_ros.training import aligner, diffusion, distillation, vae
from text2sign_ros.training.config import BUCKETS, ConfigError, TrainConfig, check
from text2sign_ros.training.segments import Segments
from text2sign_ros.training.sentences import Sentences, compose

STAGES = ("vae", "aligner", "diffusion", "distillation")


class Run:
    """One training run in one folder; existing results are loaded, missing ones are trained.

    Args:
        config: what to train, and how.
        folder: of the run, created if missing.
        export_encoder: writes the files of the text encoder to a folder, if the run's folder has none yet; None
            requires them to be there.

    Raises:
        ConfigError: the folder holds a run of another configuration.
    """

    def __init__(
        self, config: TrainConfig, folder: Path, *, export_encoder: Callable[[Path], None] | None = None
    ) -> None:
        self.config, self.folder, self._export_encoder = config, folder, export_encoder
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(self.recipe, sort_keys=False)
        written = folder / "config.yaml"
        # The first to ask: without a GPU several processes are joined only if the CPU is said to be meant.
        with PartialState(cpu=not torch.cuda.is_available()).main_process_first():
            if not written.exists():
                with write_whole(written) as file:
                    file.write(text.encode())
        if written.read_text(encoding="utf-8") != text:
            raise ConfigError(f"{folder} holds a run of another configuration (its config.yaml); choose another --out")
        torch.set_num_threads(config.threads)

    def train(self, stages: tuple[str, ...] = STAGES) -> None:
        """Train the stages named, and those that they need.

        Raises:
            ConfigError: an unknown stage, or a configuration that is inconsistent or does not fit the recordings.
            CorpusError: the recordings are missing or damaged.
        """
        parts = dict(zip(STAGES, ("sign_vae", "aligner", "denoiser", "student"), strict=True))
        if unknown := set(stages) - set(parts):
            raise ConfigError(f"unknown stage {min(unknown)!r}; known are {', '.join(STAGES)}")
        check(self.config)
        self._check_recordings()
        for stage in stages:
            getattr(self, parts[stage])

    def _check_recordings(self) -> None:
        """Detect before the first stage what would make a later one fail."""
        config, folder = self.config, self.folder
        for split, sentences in self.sentences.items():
            shortest = int(np.diff(sentences.starts).min())
            if config.vae_stage.frames > shortest:
                stride = config.sign_vae.stride
                raise ConfigError(
                    f"vae_stage: frames is {config.vae_stage.frames}; the shortest sentence of split {split} has "
                    f"{shortest} frames, rest included: make it at most {shortest // stride * stride}"
                )
            longest = BUCKETS[-1] - config.diffusion_stage.prefix_codes * config.sign_vae.stride
            if (sentences.unit_stops - sentences.unit_starts).min() > longest:
                raise ConfigError(
                    f"data: every recording of split {split} is too long: {longest} frames fit beside diffusion_stage: "
                    "prefix_codes, the movement from rest included; cut the recordings into shorter sentences"
                )
        if self.encoder.dimensions != config.unet.text_dim:
            raise ConfigError(
                f"unet and aligner: text_dim is {config.unet.text_dim}; the text encoder in {folder} gives "
                f"{self.encoder.dimensions} numbers a token: make it that"
            )

    @property
    def recipe(self) -> dict:
        """The whole configuration, defaults included, as plain data."""
        return _plain(asdict(self.config))

    @cached_property
    def sentences(self) -> dict[str, Sentences]:
        """The sentences of the training and the validation split, by "train" and "val".

        Raises:
            ConfigError: the recordings have changed since the run was started.
            CorpusError: the recordings are missing or damaged.
        """
        data, kept, seed = self.config.data, self.folder / "recordings.yaml", self.config.seed
        counts = {"train": data.sentences, "val": data.held_out_sentences}
        with PartialState().main_process_first():
            text = yaml.safe_dump([registry.digest(corpus.reader, Path(corpus.folder)) for corpus in data.corpora])
            if not kept.exists():
                with write_whole(kept) as file:
                    file.write(text.encode())
            if kept.read_text(encoding="utf-8") != text:
                raise ConfigError(
                    f"the recordings have changed since the run in {self.folder} was started (its {kept.name}); choose "
                    "another --out, or bring the recordings back"
                )
            return {s: compose(data.corpora, s, n, seed, self.folder, data.grammar) for s, n in counts.items()}

    @cached_property
    def encoder(self) -> SentenceEncoder:
        with PartialState().main_process_first():
            if missing := [name for name in FILES if not (self.folder / name).exists()]:
                if self._export_encoder is None:
                    raise ConfigError(
                        f"{self.folder} has no {', '.join(missing)}: these files of the text encoder are made by "
                        "text2sign train, or copied from the folder of a bundle"
                    )
                self._export_encoder(self.folder)
        return SentenceEncoder(self.folder, max_tokens=self.config.unet.max_tokens, threads=self.config.threads)

    @cached_property
    def segments(self) -> dict[str, Segments]:
        return {
            split: segments_of(self.config, sentences, self.sign_vae, self.encoder)
            for split, sentences in self.sentences.items()
        }

    @cached_property
    def sign_vae(self) -> PoseVAE:
        def train() -> PoseVAE:
            return vae.train(self.config, self.sentences["train"], self.sentences["val"], self.folder)

        return self._stage("sign_vae", build(self.config.sign_vae), train)

    @cached_property
    def aligner(self) -> Aligner:
        def train() -> Aligner:
            return aligner.train(self.config, self.segments["train"], self.segments["val"], self.folder)

        return self._stage("aligner", Aligner(self.config.aligner), train)

    @cached_property
    def denoiser(self) -> Denoiser:
        def train() -> Denoiser:
            segments = self.segments
            return diffusion.train(self.config, segments["train"], segments["val"], self.aligner, self.folder)

        return self._stage("denoiser", Denoiser(self.config.unet), train)

    @cached_property
    def student(self) -> UNet:
        def train() -> UNet:
            segments, teacher = self.segments, self.denoiser.unet
            return distillation.train(
                self.config, segments["train"], segments["val"], self.sign_vae, teacher, self.folder
            )

        return self._stage("student", UNet(self.config.unet), train)

    @property
    def trained(self) -> TrainedModel:
        """The input of export; what is not trained yet is trained first."""
        _ = self.encoder  # its files
        sentences = self.sentences["train"]
        return TrainedModel(
            name=self.config.name,
            recipe=self.recipe,
            fps=FPS,
            sign_vae=self.sign_vae,
            aligner=self.aligner,
            denoiser=self.denoiser,
            student=self.student,
            encoder=self.folder,
            timesteps=self.config.unet.timesteps,
            beta_start=self.config.unet.beta_start,
            beta_end=self.config.unet.beta_end,
            prefix_codes=self.config.diffusion_stage.prefix_codes,
            guidance=self.config.distillation_stage.guidance,
            temperature=self.config.distillation_stage.temperature,
            noise_smoothing=self.config.distillation_stage.noise_smoothing,
            examples=Examples(
                texts=sentences.labels,
                kinds=sentences.kinds,
                frames=sentences.unit_stops - sentences.unit_starts,
                takes=sentences.takes,
            ),
        )

    def _stage(self, name: str, fresh: nn.Module, train: Callable[[], nn.Module]):
        path = self.folder / f"{name}.pt"
        if not path.exists():
            trained = train()
            with PartialState().main_process_first():
                if not path.exists():
                    save(trained.state_dict(), path)
        fresh.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        return fresh.eval().requires_grad_(False)


def segments_of(config: TrainConfig, sentences: Sentences, vae: PoseVAE, encoder: SentenceEncoder) -> Segments:
    """The segments of sentences according to a configuration."""
    return Segments(
        sentences,
        vae,
        encoder,
        prefix=config.diffusion_stage.prefix_codes,
        buckets=tuple(frames // config.sign_vae.stride for frames in BUCKETS),
        max_units=config.data.max_segment_units,
        single_share=config.data.single_share,
        seed=config.seed,
    )


def _plain(value):
    """Tuples converted to lists, which ``yaml.safe_dump`` needs."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
