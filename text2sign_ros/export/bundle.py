"""From a training run to a bundle: export, prove it equal to torch, describe, hash."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.corpora.base import FPS, Kind
from text2sign_ros.errors import Text2SignError
from text2sign_ros.export import graphs
from text2sign_ros.inference.backends import Backend
from text2sign_ros.inference.backends.onnx import CPU, FusedBackend, StepwiseBackend
from text2sign_ros.inference.bundle import Bundle, sha256
from text2sign_ros.inference.feed import feed
from text2sign_ros.inference.samplers import sample, solver_table
from text2sign_ros.text import encoder
from text2sign_ros.training.loop import save
from text2sign_ros.training.train import Run

TOLERANCE = 1e-4
"""Largest difference to torch that an exported graph may show, in standardised codes and in metres."""

BUCKETS = (32, 48, 64, 96, 128, 192, 256)
"""Frames of the sequences that the model is run on: close together where signs are, since padding costs time and
nothing else. Multiples of four codes, which the U-Net halves twice."""
PRESETS = {"fastest": 1, "fast": 2, "best": 4}
"""Sampling steps by name: what distillation is for."""
LEARNT = "learnt.pt"
"""File of the bundle that ``evaluation`` reads: the trained networks, which signing does not need."""


class ExportError(Text2SignError):
    """A run can't become a bundle, or an exported graph does not do what the network does."""


def export_bundle(run: Run, out: Path, *, max_units: int) -> None:
    """Write the bundle folder, whole or not at all; an existing one is replaced, but for its model card.

    Raises:
        ExportError: a graph differs from torch by more than ``TOLERANCE``; the prefix is too short for the decoder.
    """
    config = run.config
    needed, prefix = run.sign_vae.decoder.context_codes, config.diffusion_stage.prefix_codes
    if prefix < needed:
        raise ExportError(f"prefix_codes is {prefix}, and the decoder looks back {needed}: train with a longer prefix")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        folder = Path(temporary) / out.name
        folder.mkdir()
        run.encoder.encode([""])  # makes the encoder's files if this run never needed them
        for name in encoder.FILES:
            shutil.copyfile(run.folder / name, folder / name)
        graphs.export_unet(run.student, folder / "unet.onnx")
        graphs.export_decoder(run.sign_vae, folder / "decoder.onnx")
        graphs.export_duration(
            run.denoiser.duration, config.unet.max_tokens, config.unet.text_dim, folder / "duration.onnx"
        )
        graphs.fuse(folder / "unet.onnx", folder / "decoder.onnx", config.unet, folder)
        (folder / "unet.onnx").unlink()  # step.onnx holds it
        check(run, folder)
        save(learnt(run), folder / LEARNT)
        signs, letters = _vocabulary(run)
        encoder.save_phrases(run.encoder, [*signs, *letters], folder / encoder.PHRASES)
        (folder / "training.yaml").write_text(yaml.safe_dump(run.recipe, sort_keys=False), encoding="utf-8")
        card = out / "MODEL_CARD.md"
        stage = config.diffusion_stage
        bundle = Bundle(
            name=config.name,
            fps=FPS,
            latent_dim=config.sign_vae.latent_dim,
            stride=config.sign_vae.stride,
            buckets=list(BUCKETS),
            prefix_codes=stage.prefix_codes,
            max_tokens=config.unet.max_tokens,
            text_dim=config.unet.text_dim,
            timesteps=stage.timesteps,
            beta_start=stage.beta_start,
            beta_end=stage.beta_end,
            presets=PRESETS,
            preset="best",
            guidance=config.distillation_stage.guidance,
            signs=signs,
            letters=letters,
            max_units=max_units,
            frames_per_sign=_generous_frames(run, Kind.SIGN),
            frames_per_letter=_generous_frames(run, Kind.LETTER),
            rest_code=_rest_code(run),
            face="rigid: a canonical face follows the head; no corpus with faces has trained it",
            keypoints=list(skeleton.KEYPOINTS),
            files={path.name: sha256(path) for path in sorted(folder.iterdir())},
        )
        bundle.save(folder)
        if card.exists():
            shutil.copyfile(card, folder / card.name)
        for path in folder.iterdir():
            path.chmod(0o644)
        if out.exists():
            os.rename(out, Path(temporary) / "replaced")
        os.rename(folder, out)


def check(run: Run, folder: Path) -> None:
    """Compare the fused graph and its parts with torch on random inputs, in each bucket.

    Raises:
        ExportError: they differ by more than ``TOLERANCE``.
    """
    config, stage = run.config, run.config.diffusion_stage
    backends: dict[str, Backend] = {
        "fused.onnx": FusedBackend(folder, threads=1),
        "step.onnx with decoder.onnx": StepwiseBackend(folder, provider=CPU, threads=1),
    }
    text = run.encoder.encode(["hello g r a c e"])
    rng = np.random.default_rng(0)
    for frames in BUCKETS:
        codes = frames // config.sign_vae.stride
        prefix, noise = np.split(
            rng.standard_normal((config.sign_vae.latent_dim, codes), np.float32), [stage.prefix_codes], axis=1
        )
        inputs = feed(text, solver_table("lcm", stage.schedule, 4), prefix, noise, codes)
        wanted = sample_with_torch(run, inputs)
        for name, backend in backends.items():
            for what, got, want in zip(("codes", "positions"), backend.sample(inputs), wanted, strict=True):
                difference = float(np.abs(got - want.numpy()).max())
                if not difference <= TOLERANCE:
                    raise ExportError(f"{what} of {name} differ from torch by {difference:.2g} in {frames} frames")


@torch.no_grad()
def sample_with_torch(run: Run, feed: dict[str, np.ndarray]) -> tuple[Tensor, Tensor]:
    """What the fused graph does, by torch: the reference for it. Same inputs; -> codes, positions."""
    inputs = {name: torch.from_numpy(value) for name, value in feed.items()}
    given, prefix = inputs["roles"][:, 1:2], inputs["prefix"]
    step, text = graphs.Step(run.student), [inputs[name] for name in ("roles", "tokens", "mask", "sentence")]

    def denoise(x: Tensor, time: float) -> Tensor:
        return step((1 - given) * x + given * prefix, torch.full((1,), time), *text)

    codes = (1 - given) * sample(denoise, inputs["noise"], feed["table"]) + given * prefix
    return codes, run.sign_vae.from_codes(codes)


def learnt(run: Run) -> dict[str, dict[str, Tensor]]:
    """State of the networks that the graphs do not hold, in half precision: for evaluation."""
    networks: dict[str, nn.Module] = {"sign_vae": run.sign_vae, "aligner": run.aligner, "denoiser": run.denoiser}
    return {
        name: {key: v.half() if v.is_floating_point() else v for key, v in network.state_dict().items()}
        for name, network in networks.items()
    }


def _vocabulary(run: Run) -> tuple[list[str], list[str]]:
    sentences = run.sentences["train"]
    signs, letters = (sorted(set(sentences.labels[sentences.of(kind)].tolist())) for kind in (Kind.SIGN, Kind.LETTER))
    return signs, letters


def _generous_frames(run: Run, kind: Kind) -> int:
    """What 95 % of signs (or letters) take at most, movement toward them included."""
    sentences = run.sentences["train"]
    frames = sentences.unit_stops - sentences.unit_starts
    return int(np.ceil(np.percentile(frames[sentences.of(kind)], 95)))


@torch.no_grad()
def _rest_code(run: Run) -> list[float]:
    frames = 32 * run.config.sign_vae.stride
    rest = torch.from_numpy(np.repeat(skeleton.REST_POSE[None, None], frames, axis=1))
    return [float(value) for value in run.sign_vae.to_codes(rest)[0, :, 16]]
