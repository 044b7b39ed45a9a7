"""A simulated clock that jumps back and forth while the node signs."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable

import pytest
from conftest import Process

from faults.ledger import LONG
from faults.witness import Witness, memory

JUMPS = 60 if LONG else 3


@pytest.mark.timeout(1200)
def test_the_clock_jumps_back_and_forth(
    run_signer: Callable[..., Process], witness: Witness, close_books: Callable
) -> None:
    process = run_signer("-p", "use_sim_time:=true", preset="fastest")
    process.wait_for("ready: ", 60.0)
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
        witness.until(lambda: witness.texts.get_subscription_count() and witness.values, "topics", 60.0)
        time.sleep(0.3)
        witness.signs()
        before, rng = memory(process), random.Random(0)
        for _ in range(JUMPS):
            seen = witness.chunks
            witness.send("hello please thank you")
            witness.until(lambda n=seen: witness.chunks > n + 2, "chunks")
            shift += rng.choice([-900.0, -30.0, -1.0, 1.0, 30.0, 4_000.0])
            witness.settle()
        row = close_books(f"the clock jumps {JUMPS} times, 5 × as fast as time", witness, process, before)
    finally:
        running.clear()
        thread.join()
    assert row.signed == row.sent
    told = [line for line in process.log if "the motion continues at" in line]
    assert len(told) == row.late >= JUMPS / 2, "on a busy machine a text may have ended before the jump"
    signed = [re.search(r"signed .*: frames (\d+),", line) for line in process.log]
    assert witness.frames == sum(int(match[1]) for match in signed if match), "every frame was sent once"
