"""Backends: what runs the networks of a bundle on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from text2sign_ros.inference.backends import driver
from text2sign_ros.inference.backends.base import JETSON, Backend, BackendError
from text2sign_ros.inference.backends.onnx import (
    CPU,
    CUDA,
    TENSORRT,
    FusedBackend,
    StepwiseBackend,
    engine_options,
)
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.inference.feed import Feed, feed
from text2sign_ros.inference.samplers import alphas_cumprod, solver_table
from text2sign_ros.text import TextEmbedding

__all__ = ["NAMES", "Backend", "BackendError", "open_backend"]

NAMES = ("auto", "cpu", "cuda", "onnxruntime_tensorrt", "tensorrt")
TOLERANCE = 0.02
"""Metres by which a device may differ from the CPU; half precision and another order of summation stay far below."""

_log = logging.getLogger(__name__)


def open_backend(name: str, folder: Path, bundle: Bundle, *, threads: int = 1, cache: Path | None = None) -> Backend:
    """The backend of that name, tested and warmed up; if it is unavailable, the best of ONNX Runtime's, with a warning.

    "auto" takes the first of tensorrt, cuda and cpu that works: on a device, if its results agree with the CPU's. If
    there is a GPU and none of them works on it, one warning says why.

    Args:
        name: one of ``NAMES``.
        folder: the bundle's, or a copy.
        bundle: its description, verified.
        threads: threads of a run on the CPU.
        cache: folder for engines built for this machine; None is ``default_cache()``. Only TensorRT uses it.

    Raises:
        BackendError: an unknown name, or not even the CPU can run the bundle.
    """
    if name not in NAMES:
        raise BackendError(f"backend is {name!r}; it must be one of {', '.join(NAMES)}")
    cache = default_cache() if cache is None else cache
    stepwise = {"onnxruntime_tensorrt": TENSORRT, "cuda": CUDA}
    failures: list[str] = []

    def make(choice: str) -> Backend:
        if choice == "cpu":
            return _cpu(folder, bundle, threads)
        if choice == "tensorrt":
            from text2sign_ros.inference.backends.tensorrt import TensorRTBackend

            return TensorRTBackend(folder, bundle, cache=cache)
        provider = stepwise[choice]
        if provider not in onnxruntime.get_available_providers():
            raise BackendError(
                f"this ONNX Runtime has no {provider}: install onnxruntime-gpu in place of onnxruntime (on a Jetson: "
                f"{JETSON})"
            )
        gpu = _usable_gpu()
        options = engine_options(bundle, cache, gpu.identity) if choice == "onnxruntime_tensorrt" else None
        return StepwiseBackend(folder, bundle, provider=provider, threads=threads, options=options)

    def attempt(choice: str) -> Backend | None:
        try:
            backend = make(choice)
            _check(backend, bundle, lambda: make("cpu"))
        except BackendError as error:
            # Warn only about the backend that was requested, not about those tried by "auto" or as a fallback.
            level = logging.WARNING if choice == name else logging.DEBUG
            _log.log(level, "backend %s is unavailable: %s", choice, error)
            failures.append(f"{choice}: {error}")
            return None
        return backend

    devices = {"auto": ("tensorrt", "cuda"), "cuda": ("cuda",), "cpu": ()}
    for choice in devices.get(name, (name, "cuda")):
        if (backend := attempt(choice)) is not None:
            return backend
    if name == "auto":
        _warn_of_unused_gpu(failures)
    backend = make("cpu")
    _check(backend, bundle, lambda: backend)
    return backend


def default_cache() -> Path:
    """Folder for what is built for this machine: $XDG_CACHE_HOME/text2sign_ros or ~/.cache/text2sign_ros."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "text2sign_ros"
    try:
        home = Path.home()
    except RuntimeError:  # neither $HOME nor an entry in /etc/passwd
        home = Path("/nonexistent")  # what /etc/passwd says of those who have none
    return home / ".cache" / "text2sign_ros"


def _usable_gpu() -> driver.Gpu:
    """Check the driver first: without one, or with too old a one, ONNX Runtime prints many errors before it gives up.

    Raises:
        BackendError: there is no GPU, or its driver is older than the CUDA that ONNX Runtime is built for.
    """
    gpu = driver.first_gpu()
    built = getattr(onnxruntime, "cuda_version", "")  # as "12.8"; releases of one major version work with its drivers
    if built and int(built.split(".")[0]) > gpu.cuda[0]:
        raise BackendError(
            f"this ONNX Runtime is built for CUDA {built}, and the driver of {gpu.name} supports CUDA up to "
            f"{gpu.cuda[0]}.{gpu.cuda[1]}: update the driver, or install an onnxruntime-gpu built for CUDA "
            f"{gpu.cuda[0]} (on a Jetson: {JETSON})"
        )
    return gpu


def _warn_of_unused_gpu(failures: list[str]) -> None:
    """Say why the GPU is not used, if there is one."""
    try:
        gpu = driver.first_gpu()
    except BackendError:
        return
    _log.warning(
        "there is a GPU (%s, driver for CUDA %d.%d), and it is not used: %s. To sign on the CPU without this warning, "
        "set backend to cpu",
        gpu.name,
        *gpu.cuda,
        "; ".join(failures),
    )


def _cpu(folder: Path, bundle: Bundle, threads: int) -> Backend:
    try:
        return FusedBackend(folder, bundle, threads=threads)
    except BackendError as error:
        _log.warning("the fused graph can't be used, signing step by step: %s", error)
        return StepwiseBackend(folder, bundle, provider=CPU, threads=threads)


def _check(backend: Backend, bundle: Bundle, reference: Callable[[], Backend]) -> None:
    """Run every length once, which warms up the backend; a device's results must agree with the CPU's.

    Raises:
        BackendError: the results are wrong.
    """
    on_cpu = backend.name == f"onnxruntime {CPU}"
    wanted = None if on_cpu else reference()
    for frames in bundle.buckets[:1] if on_cpu else bundle.buckets:
        example = _example(bundle, frames // bundle.stride)
        _, positions = backend.sample(example)
        if not np.isfinite(positions).all():
            raise BackendError(f"{backend.name} returns numbers that are not finite; update its driver, or use the CPU")
        if wanted is not None:
            difference = float(np.abs(positions - wanted.sample(example)[1]).max())  # every code exists in the example
            if not difference <= TOLERANCE:
                raise BackendError(
                    f"{backend.name} differs from the CPU by {1e3 * difference:.0f} mm; update its driver, or "
                    "use the CPU"
                )


def _example(bundle: Bundle, codes: int) -> Feed:
    """Inputs for ``codes`` codes that start from the rest pose, with a text of two tokens."""
    rng = np.random.default_rng(0)
    text = TextEmbedding(
        tokens=rng.standard_normal((1, bundle.max_tokens, bundle.text_dim), np.float32),
        mask=np.arange(bundle.max_tokens)[None] < 2,
        sentence=rng.standard_normal((1, bundle.text_dim), np.float32),
    )
    schedule = alphas_cumprod(bundle.timesteps, bundle.beta_start, bundle.beta_end)
    table = solver_table("lcm", schedule, bundle.presets[bundle.preset])
    prefix = np.repeat(np.array(bundle.rest_code, np.float32)[:, None], bundle.prefix_codes, axis=1)
    noise = rng.standard_normal((bundle.latent_dim, codes - bundle.prefix_codes), np.float32)
    return feed(text, table, prefix, noise, codes)
