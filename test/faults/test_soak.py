"""The soak: all kinds of texts, pauses, cancels and parameters for a configured time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from conftest import Process

from faults.ledger import LONG, MINUTES, TIMEOUT, Ledger
from faults.witness import Witness, memory

SECONDS = 60.0 * MINUTES if LONG else 4.0
WORDS = ["hello", "can", "i", "get", "a", "large", "coffee", "please", "thank", "you", "Grace", "two", "no", "tea"]
TAGS = ["[slow]{}[/slow]", "[fast]{}", "[emphasis]{}[/emphasis]", "[spell]{}[/spell]", "{}[pause 0.5]", "[smile]{}"]
BAD = ["", " ", "\x00", "🙂", "你好", "\x1b[2J", "[pause]", "a" * 200_000, "[[[", "\ufffe"]
CHANGES: dict[str, list[object]] = {
    "policy": ["queue", "queue", "replace", "drop_oldest"],
    "max_wait": [0.0, 0.0, 3.0],
    "chunk_frames": [4, 8, 25],
    "max_velocity": [0.0, 3.0],
    "start_delay": [0.05, 0.1, 0.5],
    "seed": [0, 1, 2],
}


def _text(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(BAD)
    if kind < 0.18:
        return " ".join(rng.choices(WORDS, k=300))
    words = [rng.choice(TAGS).format(w) if rng.random() < 0.2 else w for w in rng.choices(WORDS, k=rng.randint(1, 6))]
    return " ".join(words) + rng.choice(["", ".", "?", "!"])


@pytest.mark.timeout(TIMEOUT)
def test_soak(
    run_signer: Callable[..., Process],
    witness: Witness,
    close_books: Callable,
    ledger: Ledger,
    progress: Callable[[str], None],
) -> None:
    process = run_signer(max_rate=0.0)
    witness.connect(process)
    witness.signs()
    witness.send(" ".join(WORDS * 3))
    witness.until(lambda: len(witness.accepted) == witness.sent, "the text")
    assert witness.trigger("cancel").success
    witness.settle()
    before, began, rng = memory(process), time.monotonic(), random.Random(0)
    memories = [before]
    while (elapsed := time.monotonic() - began) < SECONDS:
        act = rng.random()
        if act < 0.80:
            witness.send(*(_text(rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))))
        elif act < 0.88:
            assert witness.trigger("cancel").success
        elif act < 0.92:
            assert witness.trigger("pause").success
            time.sleep(rng.uniform(0.0, 2.0))
            assert witness.trigger("resume").success
        else:
            name = rng.choice(list(CHANGES))
            assert witness.set(**{name: rng.choice(CHANGES[name])})[0].successful
        time.sleep(rng.choice([0.0, 0.1, 0.5, 1.0, 3.0]))
        if elapsed > len(memories) * SECONDS / 10:
            memories.append(memory(process))
        progress(f"{elapsed / 60:.1f} of {MINUTES:g} min: {witness.situation()}; {memory(process) - before:+.1f} MB")
    assert witness.trigger("cancel").success
    assert all(r.successful for r in witness.set(policy="queue", max_wait=0.0, max_velocity=0.0))
    witness.signs()
    witness.until(witness.at_rest, "rest")
    row = close_books(f"soak, {SECONDS / 60:.3g} min", witness, process, before)
    ledger.remark("memory in the soak, a tenth of its time apart (MB): " + ", ".join(f"{m:.1f}" for m in memories))
    assert row.growth < 30.0, memories
