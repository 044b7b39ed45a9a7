"""A simulated clock that jumps back and forth while the node signs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Process

from faults.ledger import LONG
from faults.witness import Witness, memory
from text2sign_ros.inference.signer import Signer

JUMPS = 60 if LONG else 3
TEXT = "hello please thank you"


@pytest.mark.timeout(1200)
def test_the_clock_jumps_back_and_forth(
    run_signer: Callable[..., Process], witness: Witness, close_books: Callable, bundle: Path
) -> None:
    process = run_signer("-p", "use_sim_time:=true", preset="fastest")
    witness.client.wait_until_ready()
    running, shift = threading.Event(), 1e6
    running.set()
    began = time.monotonic()

    def run_clock() -> None:
        while running.is_set():
            witness.set_clock(shift + 5.0 * (time.monotonic() - began))
            time.sleep(0.01)

    thread = threading.Thread(target=run_clock)
    thread.start()
    try:
        witness.signs()
        before, rng = memory(process), random.Random(0)
        for _ in range(JUMPS):
            seen = witness.chunks
            witness.send(TEXT)
            witness.until(lambda n=seen: witness.chunks > n + 2, "chunks")
            shift += rng.choice([-900.0, -30.0, -1.0, 1.0, 30.0, 4_000.0])
            witness.settle()
        row = close_books(f"the clock jumps {JUMPS} times, 5 × as fast as time", witness, process, before)
    finally:
        running.clear()
        thread.join()
    assert row.signed == row.sent
    warnings = [line for line in process.log if "the motion continues at" in line]
    assert len(warnings) == row.late >= JUMPS / 2, "on a busy machine a text may have ended before the jump"
    signer = Signer(bundle)
    wanted = [sum(frames for _, frames in signer.timeline(signer.plan(text))) for text in ("hello", TEXT)]
    assert witness.frames == wanted[0] + JUMPS * wanted[1], "every frame was sent once"
