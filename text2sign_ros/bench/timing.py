"""Repeated timing of a call."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def milliseconds(call: Callable[[], object], runs: int, *, warm_up: int = 2) -> np.ndarray:
    """(runs,) milliseconds of wall time that ``call`` took, each time, after ``warm_up`` calls that don't count."""
    for _ in range(warm_up):
        call()
    return np.array([_once(call) for _ in range(runs)])


def _once(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began)


def median(times: np.ndarray) -> float:
    """The middle of some times: what else the machine does now and then leaves no trace in it."""
    return float(np.median(times))


def percentiles(times: np.ndarray) -> dict[str, float]:
    """{"p50": ..., "p99": ...}; of fewer than a hundred times the latter is little else than the longest."""
    return {f"p{share}": float(np.percentile(times, share)) for share in (50, 99)}
