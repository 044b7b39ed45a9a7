"""More at once than a robot can do: fifty texts, parameters, pause, resume and cancel from several sides."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from conftest import Process
from observer import ABORTED, CANCELED, EXECUTING, SUCCEEDED

from faults.ledger import LONG, Ledger
from faults.witness import Witness, memory

LONG_TEXT = "can i get a large coffee please"
SECONDS = 60.0 if LONG else 2.5

VALID: dict[str, list[object]] = {
    "policy": ["queue", "replace", "drop_oldest"],
    "max_wait": [0.0, 0.05, 5.0, 86_400.0],
    "seed": [0, 1, 2**31 - 1],
    "max_characters": [20, 100_000],
    "chunk_frames": [1, 8, 60],
    "max_velocity": [0.0, 2.0, 1e6],
    "max_acceleration": [0.0, 50.0],
    "max_jerk": [0.0, 5000.0],
    "lead_time": [0.05, 0.2, 1.0],
    "start_delay": [0.0, 0.1, 1.0],
}
INVALID: dict[str, list[object]] = {
    "policy": ["newest", "", 3],
    "max_wait": [-1.0, float("nan"), 1e300, "soon"],
    "seed": [-1, 2**40, 0.5],
    "max_characters": [0, "many"],
    "chunk_frames": [0, 61, 8.0, [1, 2]],
    "max_velocity": [-1.0, 1e-9, float("inf")],
    "max_jerk": [1e-3],
    "lead_time": [0.0, 1, True],
    "max_rate": [-1.0, "fast"],  # the valid ones would take texts their status
    "start_delay": [-0.1, 11.0],
    "queue_size": [5],  # these only while unconfigured, or never
    "backend": ["cpu"],
    "bundle": ["/nowhere"],
    "autostart": [False],
    "no_such_parameter": [1],
}


@pytest.mark.parametrize("policy", ["queue", "replace", "drop_oldest"])
def test_fifty_texts_at_once(
    run_signer: Callable[..., Process], witness: Witness, close_books: Callable, policy: str
) -> None:
    process = run_signer(at_once=True, lead_time=0.2, preset="fastest", policy=policy)
    witness.connect(process)
    before = memory(process)
    witness.send(" ".join([LONG_TEXT] * 10))
    witness.until(lambda: witness.accepted and next(iter(witness.accepted.values())) == EXECUTING, "the first")
    witness.send(*["hello"] * 49)
    witness.until(lambda: len(witness.accepted) == 50, "all to be received")
    witness.settle()
    wanted = {
        "queue": {SUCCEEDED: 11, ABORTED: 39},
        "replace": {CANCELED: 49, SUCCEEDED: 1},
        "drop_oldest": {SUCCEEDED: 11, ABORTED: 39},
    }[policy]
    assert Counter(witness.ended.values()) == wanted
    row = close_books(f"50 texts at once, queue_size 10, {policy}", witness, process, before)
    assert (row.refused, row.dropped) == {"queue": (39, 0), "replace": (0, 0), "drop_oldest": (0, 39)}[policy]


def test_fifty_texts_have_room(run_signer: Callable[..., Process], witness: Witness, close_books: Callable) -> None:
    process = run_signer(preset="fastest", queue_size=100, at_once=True)
    witness.connect(process)
    before = memory(process)
    witness.send(*["hello"] * 50)
    row = close_books("50 texts at once, queue_size 100", witness, process, before)
    assert row.signed == 50


def _ready(run_signer: Callable[..., Process], witness: Witness) -> tuple[Process, float]:
    """A signer that has signed, with room for many texts, and its memory."""
    process = run_signer(preset="fastest", queue_size=100, max_rate=0.0)
    witness.connect(process)
    witness.signs()
    return process, memory(process)


def test_parameters_change_under_load(
    run_signer: Callable[..., Process], witness: Witness, close_books: Callable, ledger: Ledger
) -> None:
    process, before = _ready(run_signer, witness)
    clients = [Witness(f"client_{number}") for number in range(3)]
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    until = time.monotonic() + SECONDS

    def change(client: Witness, rng: random.Random) -> None:
        while time.monotonic() < until:
            pool, allowed = (VALID, True) if rng.random() < 0.6 else (INVALID, False)
            name = rng.choice(list(pool))
            value = rng.choice(pool[name])
            (result,) = client.set(**{name: value})
            if result.successful != allowed or (not result.successful and not result.reason):
                wrong.append(f"{name} = {value!r}: {result}")
            counts["accepted" if result.successful else "refused"] += 1

    threads = [threading.Thread(target=change, args=(c, random.Random(k))) for k, c in enumerate(clients)]
    try:
        for thread in threads:
            thread.start()
        rng = random.Random(3)
        while time.monotonic() < until:
            if witness.sent - len(witness.ended) < 10:
                witness.send(rng.choice(["hello", "thank you", "[slow]no[/slow] tea?", "", "x" * 30]))
            time.sleep(0.05)
        for thread in threads:
            thread.join()
    finally:
        until = 0.0
        for thread, client in zip(threads, clients, strict=True):
            thread.join()
            client.close()
    assert not wrong
    assert min(counts.values()) >= 10, counts
    assert all(result.successful for result in witness.set(**{name: values[0] for name, values in VALID.items()}))
    assert witness.trigger("cancel").success
    witness.settle()
    witness.signs()
    ledger.remark(
        f"parameters under load: {counts['accepted']} changes accepted, {counts['refused']} refused with a reason"
    )
    close_books("parameters changed by three clients", witness, process, before)


def test_storm_of_pause_resume_and_cancel(
    run_signer: Callable[..., Process], witness: Witness, close_books: Callable, ledger: Ledger
) -> None:
    process, before = _ready(run_signer, witness)
    clients = [Witness(f"client_{number}") for number in range(2)]
    until, calls = time.monotonic() + SECONDS, Counter[str]()

    def storm(client: Witness, rng: random.Random) -> None:
        while time.monotonic() < until:
            name = rng.choice(["pause", "resume", "resume", "cancel"])
            assert client.trigger(name).success
            calls[name] += 1
            time.sleep(rng.choice([0.0, 0.01, 0.2]))

    threads = [threading.Thread(target=storm, args=(c, random.Random(k))) for k, c in enumerate(clients)]
    try:
        for thread in threads:
            thread.start()
        while time.monotonic() < until:
            if witness.sent - len(witness.ended) < 10:
                witness.send("hello", "thank you")
            time.sleep(0.02)
    finally:
        for thread, client in zip(threads, clients, strict=True):
            thread.join()
            client.close()
    assert witness.trigger("resume").success
    assert witness.trigger("cancel").success
    witness.signs()
    witness.until(witness.at_rest, "rest")
    ledger.remark(f"storm: {dict(calls)} calls in {SECONDS:g} s")
    close_books("a storm of pause, resume and cancel", witness, process, before)
