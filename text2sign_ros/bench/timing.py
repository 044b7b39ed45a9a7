"""Repeated timing of a call."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def milliseconds(call: Callable[[], object], runs: int, *, warm_up: int = 2) -> np.ndarray:
    """(runs,) milliseconds of wall time of each ``call``, after ``warm_up`` calls that don't count."""
    for _ in range(warm_up):
        call()
    return np.array([_once(call) for _ in range(runs)])


def _once(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began)


def median(times: np.ndarray) -> float:
    """The median time, which occasional other work on the machine hardly affects."""
    return float(np.median(times))


def percentiles(times: np.ndarray) -> dict[str, float]:
    """{"p50": ..., "p99": ...}; with fewer than a hundred times the latter is close to the maximum."""
    return {f"p{share}": float(np.percentile(times, share)) for share in (50, 99)}
