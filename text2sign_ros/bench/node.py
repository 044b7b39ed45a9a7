"""The signer node's cost, seen from another process over DDS: start, first chunk, CPU while streaming, memory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from text2sign_ros.bench import texts
from text2sign_ros.bench.timing import percentiles
from text2sign_ros.child import start_signer
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.ros import environment
from text2sign_ros.ros.client import SignerClient
from text2sign_ros.ros.clock import SIGNER, FastClock

TIMEOUT = 60.0
"""Seconds to wait for anything from the node."""
PAUSE = 0.05
"""Seconds to wait before sending a text, so that the node is idle."""
_MB = 1e6
_SPEED = 50.0  # of the clock by which the long text is signed


@contextlib.contextmanager
def _started(client: SignerClient, folder: Path, **values: float | str) -> Iterator[tuple[psutil.Process, float]]:
    """A node with these parameters that is ready and connected, as a process; the seconds it took to become active."""
    client.check = None
    # DDS keeps reporting the previous node for a while; it must not be mistaken for this one.
    client.wait_for(lambda: not client.state and not client.present, TIMEOUT, "the previous node to be gone")
    began = time.perf_counter()
    with start_signer(folder, **values) as process:
        client.check = process.check
        client.wait_for(lambda: client.state == "active", TIMEOUT, "the node to be active")
        seconds = time.perf_counter() - began
        client.wait_until_ready(TIMEOUT)
        yield psutil.Process(process.pid), seconds


def measure(
    folder: Path, bundle: Bundle, *, starts: int, each: int, seconds: float, words: int, cache: Path | None = None
) -> dict[str, Any]:
    """Start the node repeatedly and let it sign.

    Args:
        folder, bundle: the bundle.
        starts: how many nodes to start for single texts; two more are started, for streaming and for a long text.
        each: how many texts of one sign each of them gets, all different.
        seconds: how long to observe streaming.
        words: number of words in the long text, which is signed as fast as possible.
        cache: folder of engines; None is the node's own.

    Returns:
        ``cold_start_s``: from starting the process until it is ready; ``first_chunk_ms`` {p50, p99}: from publishing a
        text to an idle node to receiving its first chunk, both in this process; ``texts``: how many were timed;
        ``rss_mb``: the largest resident memory of a node after its texts; ``cpu_share_streaming``: CPU time / wall time
        of the node while a long text plays in real time with default parameters, and the ``streamed_frames`` received
        in ``streamed_s``; ``torch_in_node``: whether a library with "torch" in its name is mapped into its memory;
        ``long``, for the long text: ``words``, ``frames``, ``chunks``, ``gaps`` (chunks that do not start where the
        one before ends), ``late`` (chunks received after their stamp) and ``rss_growth_mb``, from when a tenth was
        signed to the end.
    """
    cold, first, memory = [], [], []
    signs = texts.single(bundle)
    values = {"cache_dir": str(cache or "")}
    environment.keep_to_this_machine()
    with SignerClient("/signer", name="signer_bench") as client:
        with _started(client, folder, **values) as (process, took):
            cold.append(took)
            streaming = _streaming(client, process, texts.long(bundle, 10 + int(2 * seconds)), seconds)
        for start in range(starts):
            with _started(client, folder, **values) as (process, took):
                cold.append(took)
                mine = [signs[(start * each + i) % len(signs)] for i in range(each)]
                first += [_first_chunk(client, text) for text in mine]
                memory.append(process.memory_info().rss / _MB)
                mapped = any("torch" in Path(library.path).name for library in process.memory_maps())
    with (
        FastClock(_SPEED),
        SignerClient("/signer", name="signer_bench_long", use_sim_time=True) as client,
        _started(client, folder, **values, **SIGNER) as (process, took),
    ):
        cold.append(took)
        long = _long(client, process, texts.long(bundle, words)) | {"words": words}
    return {
        "cold_start_s": float(np.median(cold)),
        "first_chunk_ms": percentiles(np.array(first)),
        "texts": len(first),
        "rss_mb": max(memory),
        "torch_in_node": mapped,
        "long": long,
        **streaming,
    }


def _first_chunk(client: SignerClient, text: str) -> float:
    """Milliseconds to the first chunk of ``text``; returns when the node is idle again."""
    time.sleep(PAUSE)
    goal = client.submit(text)
    first = next(goal.follow(TIMEOUT))
    client.cancel()
    goal.result(TIMEOUT)
    return 1e3 * (first.at - goal.sent_at)


def _long(client: SignerClient, process: psutil.Process, text: str) -> dict[str, Any]:
    goal = client.submit(text)
    memory, enough = [], 0
    for arrival in goal.follow(TIMEOUT):
        if (enough := enough - len(arrival.chunk.positions)) <= 0:
            enough = 250
            memory.append(process.memory_info().rss / _MB)
    settled = len(memory) // 10
    return {
        "frames": goal.frames,
        "chunks": len(goal.arrivals),
        "gaps": sum(gap != 0 for gap in goal.gaps()),
        "late": goal.late,
        "rss_growth_mb": max(memory[settled:]) - memory[settled],
    }


def _streaming(client: SignerClient, process: psutil.Process, text: str, seconds: float) -> dict[str, float]:
    goal = client.submit(text)
    client.wait_for(lambda: goal.arrivals, TIMEOUT, "the first chunk")
    time.sleep(0.5)  # at first it signs ahead, faster than real time
    frames, began, cpu = goal.frames, time.perf_counter(), sum(process.cpu_times()[:2])
    time.sleep(seconds)
    wall = time.perf_counter() - began
    return {
        "cpu_share_streaming": (sum(process.cpu_times()[:2]) - cpu) / wall,
        "streamed_frames": goal.frames - frames,
        "streamed_s": wall,
    }
