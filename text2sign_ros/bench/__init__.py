"""`text2sign bench`: the cost of signing on this machine, compared with the same network sampled the slow way."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from text2sign_ros.bench import peak, reference, signing, unet
from text2sign_ros.inference.backends import NAMES, Backend, open_backend
from text2sign_ros.inference.backends.onnx import CPU, StepwiseBackend
from text2sign_ros.inference.bundle import Bundle, BundleError
from text2sign_ros.inference.signer import Signer
from text2sign_ros.progress import progress_bar

STEPS = (1, 2, 4, 8)
LENGTHS = tuple(32 << i for i in range(9))
"""Frames, 32 to 8,192."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        runs: repetitions of what takes milliseconds; ``long_runs`` of what takes seconds.
        first: texts to time the first chunk of in this process, for each backend and number of steps.
        starts, each, streaming: ``starts``, ``each`` and ``seconds`` of ``node.measure``.
        words: number of words in the long text.
        ddpm_steps: how many of the 1,000 DDPM steps to run; None runs all of them.
    """

    runs: int = 30
    long_runs: int = 3
    first: int = 40
    starts: int = 4
    each: int = 20
    streaming: float = 20.0
    words: int = 2000
    ddpm_steps: int | None = None


FULL = Effort()
QUICK = Effort(runs=5, long_runs=1, first=6, starts=3, streaming=4.0, words=60, ddpm_steps=50)


def run(
    folder: Path,
    *,
    quick: bool = False,
    effort: Effort | None = None,
    progress: bool = True,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Measure everything, one thing at a time; nothing else should run on the machine meanwhile.

    The entries at the top level are for the bundle's default preset on the backend that "auto" selects. What can't be
    measured here is None, and ``missing`` says why. The U-Net and the comparison with PyTorch are measured on one CPU
    thread.

    Args:
        folder: of the bundle.
        quick: less of everything (under a minute), and 50 of DDPM's 1,000 steps.
        effort: how much to measure; overrides ``quick``.
        progress: whether to show a progress bar.
        cache: folder for engines built for this machine; None is ``backends.default_cache()``.

    Returns:
        What ``--json`` prints; ``report`` turns it into tables.

    Raises:
        Text2SignError: the bundle or the node can't be used.
    """
    effort = effort or (QUICK if quick else FULL)
    bundle = Bundle.load(folder)
    steps = str(bundle.presets[bundle.preset])
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as held:
        backends, unavailable = _backends(folder, bundle, cache)
        for backend in backends.values():
            held.callback(backend.close)
        bar = held.enter_context(progress_bar(total=7 + len(backends) * len(STEPS), show=progress))

        def part(name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
            bar.set_description(name)
            measured = measure()
            bar.update()
            return measured

        def optional(name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
            """As ``part``, or {} and a reason where a package or the networks for evaluation are not installed."""
            try:
                return part(name, measure)
            except (ImportError, BundleError) as error:
                missing[name] = str(error)
                return {}

        # The node first, PyTorch last: memory that PyTorch has allocated is never returned.
        node = optional("node", partial(_node, folder, bundle, effort, cache))
        many = {"runs": effort.runs, "first": effort.first}
        table = {
            name: {
                str(n): part(f"{n} steps on {name}", partial(signing.costs, folder, bundle, backend, n, **many))
                for n in STEPS
            }
            for name, backend in backends.items()
        }
        best = next(iter(backends))
        clips = signing.Clips(folder, bundle, backends[best], int(steps))
        length = part("length", partial(signing.cost_by_length, clips.make, LENGTHS, effort.long_runs))
        signer = Signer(folder, backend=backends[best])
        stream = part("long text", partial(signing.stream, signer, effort.words))
        encode = part("encoding", partial(signing.encoding, 10 * effort.runs, bundle.fps))
        gflops = part("matrix products", partial(peak.matmul_gflops, 2 * effort.runs))
        one_step = part("U-Net", partial(_unet, folder, bundle, effort.runs, max(gflops.values())))
        slow = partial(reference.measure, folder, bundle, ddpm_steps=effort.ddpm_steps, runs=effort.long_runs)
        eager = optional("PyTorch", slow)

    on_cpu = next(rows for name, rows in table.items() if CPU in name)[steps]["clip256_ms"]
    whole = one_step[str(signing.CLIP_FRAMES)]
    return _rounded(
        {
            "first_chunk_ms": node.get("first_chunk_ms", {"p50": None, "p99": None}),
            "clip256_ms": {n: row["clip256_ms"] for n, row in table[best].items()},
            "real_time_factor": table[best][steps]["real_time_factor"],
            "speedup": {
                "ddpm1000": eager["ddpm1000_ms"] / on_cpu if eager else None,
                "ddim50": eager["ddim50_ms"] / on_cpu if eager else None,
            },
            "extrapolated": eager.get("extrapolated"),
            "unet_ms_per_step": whole["ms"],
            "unet_share_of_peak": whole["share_of_peak"],
            "cold_start_s": node.get("cold_start_s"),
            "rss_mb": node.get("rss_mb"),
            "encode_chunk_ms": encode[str(signing.CHUNK_FRAMES)],
            "cpu_share_streaming": node.get("cpu_share_streaming"),
            "bundle": bundle.name,
            "steps": int(steps),
            "backend": best,
            "backends": table,
            "backends_unavailable": unavailable,
            "node": node or None,
            "stream": stream,
            "length": length,
            "encode_ms": encode,
            "unet": one_step,
            "matmul_gflops": gflops,
            "pytorch": eager or None,
            "missing": missing,
            "quick": effort != FULL,
            "machine": machine(),
        }
    )


def _node(folder: Path, bundle: Bundle, effort: Effort, cache: Path | None) -> dict[str, Any]:
    from text2sign_ros.bench import node  # needs ROS 2

    return node.measure(
        folder,
        bundle,
        starts=effort.starts,
        each=effort.each,
        seconds=effort.streaming,
        words=effort.words,
        cache=cache,
    )


def _unet(folder: Path, bundle: Bundle, runs: int, highest: float) -> dict[str, Any]:
    """At the length of the paper's longest clip, and at that of about one sign."""
    return {str(n): unet.step(folder, bundle, n, runs, highest) for n in (signing.CLIP_FRAMES, bundle.buckets[1])}


def _backends(folder: Path, bundle: Bundle, cache: Path | None) -> tuple[dict[str, Backend], list[str]]:
    """The available backends by the name they report, the one of "auto" first; and the names that are unavailable."""
    found: dict[str, Backend] = {}
    unavailable = []
    for name in NAMES[1:]:  # the CPU comes first, and is the fallback for what is unavailable
        backend = open_backend(name, folder, bundle, cache=cache)
        if backend.name in found:
            unavailable.append(name)
            backend.close()
        else:
            found[backend.name] = backend
    automatic = open_backend("auto", folder, bundle, cache=cache)
    automatic.close()
    best = {automatic.name: found.pop(automatic.name)}
    stepwise = StepwiseBackend(folder, bundle, provider=CPU, threads=1)
    return best | found | {f"{stepwise.name}, step by step": stepwise}, unavailable


def machine() -> dict[str, Any]:
    """The machine and the versions that this was measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _rounded(value: Any) -> Any:
    """Numbers rounded to four digits: the rest is noise."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) and not float(value).is_integer() else value
