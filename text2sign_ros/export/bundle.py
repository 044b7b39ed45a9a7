"""From a trained model to a bundle: export, compare with torch, describe, hash."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.export import graphs
from text2sign_ros.export.card import CARD
from text2sign_ros.export.inflections import inflections
from text2sign_ros.export.vocabulary import entries
from text2sign_ros.export.writing import ExportError, describe, write_bundle
from text2sign_ros.inference import vocabulary
from text2sign_ros.inference.backends import Backend
from text2sign_ros.inference.backends.onnx import CPU, FusedBackend, StepwiseBackend
from text2sign_ros.inference.bundle import LEARNT, TRAINING, Bundle, SentenceSettings, UnitSettings
from text2sign_ros.inference.feed import feed
from text2sign_ros.inference.samplers import alphas_cumprod, sample, solver_table
from text2sign_ros.naming import parts
from text2sign_ros.networks.saving import save
from text2sign_ros.networks.trained import Examples, TrainedModel
from text2sign_ros.text import SentenceEncoder, encoder

_log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest allowed difference of an exported graph from torch, in standardised codes and in metres."""

BUCKETS = (32, 48, 64, 96, 128, 192, 256)
"""Lengths, in frames, of the sequences that the model is run on: close together at the length of signs, since padding
costs time. For a U-Net of many levels they are rounded up to a length that it can halve often enough."""
PRESETS = {"fastest": 1, "fast": 2, "best": 4}
"""Sampling steps by name, those the student is distilled for."""


def export_bundle(trained: TrainedModel, out: Path, *, max_units: int | None = None) -> None:
    """Write the bundle folder, whole or not at all; an existing one is replaced, except for its model card.

    Args:
        trained: the result of training.
        out: the folder.
        max_units: signs and letters generated together, for a model trained on them; None means 1.

    Raises:
        ExportError: a graph differs from torch by more than ``TOLERANCE``; the prefix is too short for the decoder; a
            value would make the bundle unusable; ``out`` exists and is not a bundle.
    """
    needed, prefix = trained.sign_vae.context_codes, trained.prefix_codes
    if prefix < needed:
        raise ExportError(f"prefix_codes is {prefix}, and the decoder looks back {needed}: train with a longer prefix")
    about = description(trained, max_units)
    if problem := about.problem():  # before exporting the graphs, which takes minutes
        raise ExportError(f"the bundle could not be used: {problem}")
    with write_bundle(out, source=trained.encoder, card=out / CARD) as folder:
        for name in encoder.FILES:
            shutil.copyfile(trained.encoder / name, folder / name)
        texts = SentenceEncoder(folder, max_tokens=about.max_tokens)
        unet = trained.student.config
        graphs.export_unet(trained.student, folder / "unet.onnx")
        graphs.export_decoder(trained.sign_vae, folder / "decoder.onnx")
        graphs.export_duration(trained.denoiser.duration, unet.max_tokens, unet.text_dim, folder / "duration.onnx")
        graphs.fuse(folder / "unet.onnx", folder / "decoder.onnx", unet, folder)
        (folder / "unet.onnx").unlink()  # step.onnx holds it
        check(trained, about, texts, folder)
        save(learnt(trained), folder / LEARNT)
        if isinstance(about.segmenter, UnitSettings):
            known = about.segmenter.vocabulary
            encoder.save_phrases(texts, (*known.names, *known.letters), folder / encoder.PHRASES)
            vocabulary.save(entries(known, trained.examples.takes), folder)
        (folder / TRAINING).write_text(yaml.safe_dump(trained.recipe, sort_keys=False), encoding="utf-8")
        describe(folder, about)


def description(trained: TrainedModel, max_units: int | None) -> Bundle:
    """The content of ``bundle.json``, except for the files."""
    unet, stride = trained.student.config, trained.sign_vae.config.stride
    levels = len(unet.channels)
    multiple = stride * 2 ** (levels - 1)
    buckets = sorted({-(-frames // multiple) * multiple for frames in BUCKETS})
    return Bundle(
        name=trained.name,
        fps=trained.fps,
        latent_dim=unet.latent_dim,
        stride=stride,
        unet_levels=levels,
        buckets=buckets,
        prefix_codes=trained.prefix_codes,
        max_tokens=unet.max_tokens,
        text_dim=unet.text_dim,
        timesteps=trained.timesteps,
        beta_start=trained.beta_start,
        beta_end=trained.beta_end,
        presets=PRESETS,
        preset="best",
        guidance=trained.guidance,
        temperature=trained.temperature,
        noise_smoothing=trained.noise_smoothing,
        rest_code=_rest_code(trained),
        face="rigid: a canonical face follows the head; no corpus with faces has trained it",
        keypoints=list(skeleton.KEYPOINTS),
        segmenter=_segmenter(trained.examples, max_units, buckets[-1] - trained.prefix_codes * stride),
        files={},
        evaluation_files={},
    )


def _segmenter(examples: Examples, max_units: int | None, longest: int) -> UnitSettings | SentenceSettings:
    """Segmenter settings for a model trained on these examples, from the 95th percentile of their durations.

    A model that learnt any sign or letter is asked for signs and letters, whatever sentences it learnt beside them.
    Examples of more than ``longest`` frames count for nothing: training leaves them out.

    Raises:
        ExportError: ``max_units`` is given for a model that learnt only sentences.
    """
    fitting = examples.frames <= longest

    def generous(values: np.ndarray) -> float:
        return float(np.percentile(values, 95)) if len(values) else 1.0

    signs, letters = (fitting & (examples.kinds == kind) for kind in ("sign", "letter"))
    if signs.any() or letters.any():
        defaults, alternatives = _signs(examples.texts[signs].tolist())
        return UnitSettings(
            signs=defaults,
            letters=sorted(set(examples.texts[letters].tolist())),
            max_units=1 if max_units is None else max_units,
            frames_per_sign=int(np.ceil(generous(examples.frames[signs]))),
            frames_per_letter=int(np.ceil(generous(examples.frames[letters]))),
            alternatives=alternatives,
            forms=inflections(defaults),
        )
    if max_units is not None:
        raise ExportError("max_units counts signs and letters, and this model learnt whole sentences: omit it")
    frames, texts = examples.frames[fitting], examples.texts[fitting]
    characters = np.char.str_len(texts) + 1  # as the segmenter counts them, with a trailing space
    return SentenceSettings(
        max_frames=int(frames.max(initial=0)) or longest,
        frames_per_character=round(generous(frames / characters), 3),
    )


def _signs(names: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The texts of the signs with these names, and the alternatives of those that have some, all sorted.

    An alternative whose default was too long to be learnt is left out and logged: nothing would ask for it.
    """
    every = sorted({parts(name) for name in names})
    texts, alternatives = [text for text, other in every if not other], dict[str, list[str]]()
    for text, other in every:
        if other:
            alternatives.setdefault(text, []).append(other)
    for text in sorted(alternatives.keys() - set(texts)):
        _log.warning("left out the alternatives %s of %r: its default was not learnt", alternatives.pop(text), text)
    return texts, alternatives


def check(trained: TrainedModel, about: Bundle, texts: SentenceEncoder, folder: Path) -> None:
    """Compare the fused graph and its parts with torch on random inputs, in each bucket, full and not quite full.

    Raises:
        ExportError: they differ by more than ``TOLERANCE``.
    """
    backends: dict[str, Backend] = {
        "fused.onnx": FusedBackend(folder, about, threads=1),
        "step.onnx with decoder.onnx": StepwiseBackend(folder, about, provider=CPU, threads=1),
    }
    text = texts.encode(["hello g r a c e"])
    rng = np.random.default_rng(0)
    table = solver_table("lcm", alphas_cumprod(about.timesteps, about.beta_start, about.beta_end), 4)
    for frames in about.buckets:
        codes = frames // about.stride
        prefix, noise = np.split(
            rng.standard_normal((about.latent_dim, codes), np.float32), [about.prefix_codes], axis=1
        )
        for existing in {codes, max(codes - about.code_multiple + 1, about.prefix_codes + 1)}:
            inputs = feed(text, table, prefix, noise[:, : existing - about.prefix_codes], codes)
            wanted = [array.numpy() for array in sample_with_torch(trained, inputs)]
            for name, backend in backends.items():
                got = backend.sample(inputs)
                pairs = {
                    "codes": (array[0][:, :, :existing] for array in (got, wanted)),
                    "positions": (array[1][:, : existing * about.stride] for array in (got, wanted)),
                }
                for what, (one, other) in pairs.items():
                    difference = float(np.abs(one - other).max())
                    if not difference <= TOLERANCE:
                        raise ExportError(
                            f"{what} of {name} differ from torch by {difference:.2g} in {existing} of {codes} codes"
                        )


@torch.no_grad()
def sample_with_torch(trained: TrainedModel, feed: dict[str, np.ndarray]) -> tuple[Tensor, Tensor]:
    """The fused graph's computation in torch, as its reference: same inputs; returns codes and positions."""
    inputs = {name: torch.from_numpy(value) for name, value in feed.items()}
    given, prefix = inputs["roles"][:, 1:2], inputs["prefix"]
    step, text = graphs.Step(trained.student), [inputs[name] for name in ("roles", "tokens", "mask", "sentence")]

    def denoise(x: Tensor, time: float) -> Tensor:
        return step((1 - given) * x + given * prefix, torch.full((1,), time), *text)

    codes = (1 - given) * sample(denoise, inputs["noise"], feed["table"]) + given * prefix
    return codes, trained.sign_vae.from_codes(codes)


def learnt(trained: TrainedModel) -> dict[str, dict[str, Tensor]]:
    """State, in half precision, of the networks that only evaluation needs."""
    networks: dict[str, nn.Module] = {
        "sign_vae": trained.sign_vae,
        "aligner": trained.aligner,
        "denoiser": trained.denoiser,
    }
    return {
        name: {key: v.half() if v.is_floating_point() else v for key, v in network.state_dict().items()}
        for name, network in networks.items()
    }


@torch.no_grad()
def _rest_code(trained: TrainedModel) -> list[float]:
    frames = 32 * trained.sign_vae.config.stride
    rest = torch.from_numpy(np.repeat(skeleton.REST_POSE[None, None], frames, axis=1))
    return [float(value) for value in trained.sign_vae.to_codes(rest)[0, :, 16]]
