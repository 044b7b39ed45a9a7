"""Motion that was sent long before its time, and is taken back by cancel, pause and replace."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
from conftest import Process
from observer import SUCCEEDED

from faults.ledger import LONG, TIMEOUT, Ledger
from faults.witness import Witness, memory

ROUNDS = 1_000 if LONG else 25
TEXTS = ["hello", "thank you", "can i get a large coffee please", "no", "tea?"]


@pytest.mark.timeout(TIMEOUT)
def test_sent_motion_is_taken_back(
    run_signer: Callable[..., Process],
    witness: Witness,
    close_books: Callable,
    ledger: Ledger,
    progress: Callable[[str], None],
) -> None:
    process = run_signer(at_once=True, lead_time=20.0, preset="fastest", max_rate=0.0, queue_size=100)
    witness.connect(process)
    witness.signs()
    before, rng, calls = memory(process), random.Random(0), Counter[str]()
    for number in range(ROUNDS):
        witness.send(*rng.choices(TEXTS, k=rng.randint(1, 4)))
        time.sleep(rng.uniform(0.0, 0.4))  # 8 s of its time
        act = rng.choice(["cancel", "pause", "replace", "nothing"])
        calls[act] += 1
        if act == "replace":
            assert witness.set(policy="replace")[0].successful
            witness.send("bye")
            witness.until(lambda: len(witness.accepted) == witness.sent, "the texts to be received")
            assert witness.set(policy="queue")[0].successful
        elif act == "pause":
            assert witness.trigger("pause").success
            time.sleep(rng.uniform(0.0, 0.2))
            if rng.random() < 0.3:
                assert witness.trigger("cancel").success
            assert witness.trigger("resume").success
        elif act == "cancel":
            assert witness.trigger("cancel").success
        if number % 5 == 4:
            witness.settle()
            assert witness.at_rest()
        progress(f"{number + 1} rounds: {witness.situation()}")
    witness.signs()
    assert witness.outcomes(1) == [SUCCEEDED] and witness.at_rest()
    ledger.remark(f"motion sent up to 20 s ahead, taken back: {dict(calls)}")
    row = close_books("cancel, pause and replace of motion that was sent", witness, process, before)
    assert row.canceled > 0 < row.signed
