"""The cost of one U-Net step on a CPU thread: how much of it is arithmetic, and where the rest of the time goes."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from text2sign_ros.bench.signing import example
from text2sign_ros.bench.timing import median, milliseconds
from text2sign_ros.inference.backends.onnx import session
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.inference.feed import Feed

Event = dict[str, Any]
PRODUCTS = ("Conv", "FusedConv", "FusedMatMul", "Gemm", "MatMul")
"""Operators that multiply matrices."""


def step(folder: Path, bundle: Bundle, frames: int, runs: int, peak: float) -> dict[str, Any]:
    """Measure one row of the solver's table (``step.onnx``) at ``frames`` frames.

    Args:
        runs: how many steps to time; the same number is profiled.
        peak: the highest GFLOP/s of a matrix product (see the module ``peak``).

    Returns:
        ``ms``; ``gflop``, multiplications and additions in matrix products; ``share_of_peak``. From the profile, which
        takes time itself: ``profiled_ms``; ``calls``, operators run; for the matrix products ``products_calls``,
        ``products_share`` of that time and ``products_gflops``; and ``operators``, the ten that took longest:
        {name: {calls, ms}}.
    """
    inputs = example(folder, bundle, frames, steps=4)
    feed = {name: inputs[name] for name in ("prefix", "roles", "tokens", "mask", "sentence")}
    feed |= {"x": inputs["noise"], "previous": np.zeros_like(inputs["noise"]), "row": inputs["table"][0]}
    path = folder / "step.onnx"
    run = session(path, threads=1)
    ms = median(milliseconds(lambda: run.run(None, feed), runs))
    gflop = flops(path, feed) / 1e9

    calls, times = Counter[str](), Counter[str]()
    for event in _profile(path, feed, runs, optimise=True):
        calls[event["args"]["op_name"]] += 1
        times[event["args"]["op_name"]] += event["dur"]
    total, products = sum(times.values()), sum(times[name] for name in PRODUCTS)
    return {
        "ms": ms,
        "gflop": gflop,
        "share_of_peak": gflop / (ms / 1e3) / peak,
        "profiled_ms": total / runs / 1e3,
        "calls": round(sum(calls.values()) / runs),
        "products_calls": round(sum(calls[name] for name in PRODUCTS) / runs),
        "products_share": products / total,
        "products_gflops": gflop / (products / runs / 1e6),
        "operators": {
            name: {"calls": round(calls[name] / runs), "ms": time / runs / 1e3} for name, time in times.most_common(10)
        },
    }


def flops(path: Path, feed: Feed) -> int:
    """Multiplications and additions in the matrix products of one run of a graph, from the shapes that occur in it.

    Graph optimisations are off: what they would fuse or fold away is counted.
    """
    return sum(map(_flops, _profile(path, feed, 1, optimise=False)))


def _flops(event: Event) -> int:
    """Of one operator: twice the number of output elements times the products summed in each."""
    arguments = event["args"]
    if arguments["op_name"] not in PRODUCTS:
        return 0
    (out,) = (math.prod(shape) for shape in arguments["output_type_shape"][0].values())
    first, second = (next(iter(shape.values())) for shape in arguments["input_type_shape"][:2])
    summed = math.prod(second[1:]) if "Conv" in arguments["op_name"] else first[-1]
    return 2 * out * summed


def _profile(path: Path, feed: Feed, runs: int, *, optimise: bool) -> list[Event]:
    """ONNX Runtime's profile of every operator that it ran, without the first two runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")  # packed weights have no shape
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        run = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(2 + runs):
            run.run(None, feed)
        events = json.loads(Path(run.end_profiling()).read_bytes())
    kernels = [e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    return kernels[2 * len(kernels) // (2 + runs) :]
