"""The cost of signing in this process: clips of any length, the first chunk, a long text, encoding a chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros.bench import texts
from text2sign_ros.bench.timing import median, milliseconds, percentiles
from text2sign_ros.inference.backends import Backend
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.inference.feed import Feed, feed
from text2sign_ros.inference.samplers import alphas_cumprod, solver_table
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.skeleton import NUM_KEYPOINTS
from text2sign_ros.text import SentenceEncoder, TextEmbedding
from text2sign_ros.wire import trajectory

CLIP_FRAMES = 256
"""The paper's longest clip, 10.24 s at 25 fps."""
CHUNK_FRAMES = 8
"""Frames of a message as the node sends them."""


def segment(
    bundle: Bundle, embedding: TextEmbedding, frames: int, table: np.ndarray, prefix: np.ndarray | None = None
) -> Feed:
    """Inputs for a segment of ``frames`` new frames in the shortest bucket that holds it.

    Args:
        embedding: of its text.
        frames: a multiple of the bundle's stride.
        table: made by ``samplers.solver_table``.
        prefix: (D, P) the codes that it continues from; None for no prefix.
    """
    if prefix is None:
        prefix = np.zeros((bundle.latent_dim, 0), np.float32)
    new = frames // bundle.stride
    least = (prefix.shape[1] + new) * bundle.stride
    codes = next(bucket for bucket in bundle.buckets if bucket >= least) // bundle.stride
    noise = np.random.default_rng(0).standard_normal((bundle.latent_dim, new), np.float32)
    return feed(embedding, table, prefix, noise, codes)


class Clips:
    """Makes motion of a given length: text encoder, sampling and decoding, without planning.

    Args:
        folder: of the bundle.
        bundle: its description.
        backend: to sample with.
        steps: sampling steps.
    """

    def __init__(self, folder: Path, bundle: Bundle, backend: Backend, steps: int) -> None:
        self._bundle, self._backend = bundle, backend
        self._encoder = SentenceEncoder(folder, max_tokens=bundle.max_tokens)
        schedule = alphas_cumprod(bundle.timesteps, bundle.beta_start, bundle.beta_end)
        self._table = solver_table("lcm", schedule, steps)
        self._texts = texts.clauses(bundle)

    def make(self, frames: int) -> np.ndarray:
        """(frames, 79, 3) metres; each segment has a text new to the encoder and continues from the one before.

        Args:
            frames: a multiple of the bundle's stride.
        """
        bundle, prefix, made = self._bundle, None, []
        while frames > 0:
            given = 0 if prefix is None else bundle.prefix_codes
            new = min(frames, bundle.buckets[-1] - given * bundle.stride)
            embedding = self._encoder.encode([next(self._texts)])
            codes, positions = self._backend.sample(segment(bundle, embedding, new, self._table, prefix))
            end = given + new // bundle.stride
            prefix = codes[0, :, end - bundle.prefix_codes : end]
            made.append(positions[0, given * bundle.stride : end * bundle.stride])
            frames -= new
        return np.concatenate(made)


def costs(folder: Path, bundle: Bundle, backend: Backend, steps: int, *, runs: int, first: int) -> dict[str, Any]:
    """The times of one backend with a number of steps.

    Args:
        runs: how many clips to time.
        first: how many texts to time the first chunk of.

    Returns:
        ``clip256_ms``, its ``real_time_factor``, ``first_chunk_ready_ms`` {p50, p99}: from a new text of one sign to
        the first message's bytes, in this process.
    """
    clips = Clips(folder, bundle, backend, steps)
    clip = median(milliseconds(lambda: clips.make(CLIP_FRAMES), runs))
    return {
        "clip256_ms": clip,
        "real_time_factor": clip / (1e3 * CLIP_FRAMES / bundle.fps),
        "first_chunk_ready_ms": first_chunk_ready(Signer(folder, steps=steps, backend=backend), first),
    }


def first_chunk_ready(signer: Signer, count: int) -> dict[str, float]:
    """Milliseconds {p50, p99} from a text to its first chunk as bytes, for ``count`` texts new to the signer."""
    signer.warm_up()
    pending = iter(texts.single(signer.bundle)[:count])

    def first_chunk() -> bytes:
        stream = signer.stream(signer.plan(next(pending)))
        return trajectory.encode(next(chunks(stream, signer.fps, CHUNK_FRAMES)), 0)

    return percentiles(milliseconds(first_chunk, count, warm_up=0))


def cost_by_length(make: Callable[[int], object], lengths: Iterable[int], runs: int) -> dict[str, Any]:
    """The time of ``make(frames)`` for each length, and a straight line fitted to it.

    Args:
        make: what to time.
        lengths: in frames.
        runs: repetitions of each length; lengths below 1,024 frames get more.

    Returns:
        ``frames`` and ``ms``; the least-squares line's ``ms_per_frame``, ``ms_at_zero``, and ``r2``.
    """
    frames = list(lengths)
    make(frames[0])
    ms = [median(milliseconds(partial(make, n), runs * max(1, 1024 // n), warm_up=0)) for n in frames]
    return {"frames": frames, "ms": ms} | line(frames, ms)


def line(x: Iterable[float], y: Iterable[float]) -> dict[str, float]:
    """The least-squares line through points, and the share of y's variance that it explains (R²)."""
    xs, ys = np.array(list(x), float), np.array(list(y), float)
    slope, at_zero = np.polyfit(xs, ys, 1)
    unexplained = np.square(ys - slope * xs - at_zero).sum() / np.square(ys - ys.mean()).sum()
    return {"ms_per_frame": float(slope), "ms_at_zero": float(at_zero), "r2": float(1 - unexplained)}


def stream(signer: Signer, words: int) -> dict[str, Any]:
    """Sign a text of ``words`` words as fast as possible.

    Returns:
        ``words``, ``pieces``, ``frames``, ``real_time_factor``, ``slowest_piece_ms``; and the change of velocity (m/s)
        from frame to frame, for the keypoint where it is largest: ``velocity_step_seam``, the maximum where two
        segments meet, and ``velocity_step_inside``, the 99th percentile inside segments.
    """
    plan = signer.plan(texts.long(signer.bundle, words))
    signer.warm_up()
    began = time.perf_counter()
    times, pieces, last = [], [], began
    for piece in signer.stream(plan):
        pieces.append(piece)
        now = time.perf_counter()
        times.append(now - last)
        last = now
    positions = np.concatenate(pieces)
    steps = np.linalg.norm(np.diff(positions, n=2, axis=0), axis=-1).max(axis=1) * signer.fps
    seams = np.cumsum([frames for _, frames in signer.timeline(plan)])[:-1]
    at_seam = np.isin(np.arange(len(steps)), (seams - 2, seams - 1))  # second differences that span a seam
    return {
        "words": words,
        "pieces": len(times),
        "frames": len(positions),
        "real_time_factor": (last - began) * signer.fps / len(positions),
        "slowest_piece_ms": 1e3 * max(times),
        "velocity_step_seam": float(steps[at_seam].max()),
        "velocity_step_inside": float(np.percentile(steps[~at_seam], 99)),
    }


def encoding(runs: int, fps: float) -> dict[str, float]:
    """Milliseconds to encode a chunk of 8 and of 256 frames, by number of frames."""
    rng = np.random.default_rng(0)

    def one(frames: int) -> float:
        positions, velocities = rng.standard_normal((2, frames, NUM_KEYPOINTS, 3), np.float32)
        chunk = Chunk(0, positions, velocities, fps, last=False)
        return median(milliseconds(lambda: trajectory.encode(chunk, 1_700_000_000_000_000_000), runs))

    return {str(frames): one(frames) for frames in (CHUNK_FRAMES, CLIP_FRAMES)}


def example(folder: Path, bundle: Bundle, frames: int, steps: int) -> Feed:
    """Inputs of a segment without a prefix, with a text of five signs whose tokens are not padded."""
    encoder = SentenceEncoder(folder, max_tokens=bundle.max_tokens)
    schedule = alphas_cumprod(bundle.timesteps, bundle.beta_start, bundle.beta_end)
    embedding = encoder.encode(list(islice(texts.clauses(bundle), 1)))
    inputs = segment(bundle, embedding, frames, solver_table("lcm", schedule, steps))
    own = int(inputs["mask"].sum())
    return inputs | {"tokens": inputs["tokens"][:, :own], "mask": inputs["mask"][:, :own]}
