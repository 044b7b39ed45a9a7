"""Lifecycle cycles: configure, activate, sign, deactivate, clean up, again and again, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import psutil
import pytest
from conftest import Process
from observer import CANCELED, SUCCEEDED

from faults.ledger import LONG, TIMEOUT, Ledger
from faults.witness import Witness, memory

CYCLES = 100 if LONG else 10


def _interfaces(witness: Witness) -> list[str]:
    """Names of the signer's topics and services."""
    node = witness.node
    kinds = (
        node.get_publisher_names_and_types_by_node,
        node.get_subscriber_names_and_types_by_node,
        node.get_service_names_and_types_by_node,
    )
    return sorted(name for kind in kinds for name, _ in kind("signer", "/"))


@pytest.mark.timeout(TIMEOUT)
def test_cycles_leave_nothing_behind(
    run_signer: Callable[..., Process],
    witness: Witness,
    close_books: Callable,
    ledger: Ledger,
    progress: Callable[[str], None],
) -> None:
    process = run_signer(autostart="false", at_once=True)
    witness.until(lambda: "unconfigured" in witness.message, "diagnostics", 60.0)
    observed = psutil.Process(process.pid)
    memories, threads, files = [], [], []
    interfaces = _interfaces(witness)
    for cycle in range(CYCLES):
        witness.bring("configure", "activate")
        witness.connect(process)
        witness.send("hello")
        if cycle % 2:
            witness.settle()
        else:
            witness.until(lambda n=cycle: len(witness.accepted) > n, "the text to be received")
        witness.bring("deactivate")
        witness.settle()
        assert witness.outcomes(1)[0] in (SUCCEEDED, CANCELED)
        witness.bring("cleanup")
        witness.until(lambda: not witness.texts.get_subscription_count(), "the topics to be gone")
        witness.until(lambda: _interfaces(witness) == interfaces, "the topics and services of before")
        memories.append(memory(process))
        threads.append(observed.num_threads())
        files.append(observed.num_fds())
        progress(f"{cycle + 1} cycles, {memories[-1]:.1f} MB, {threads[-1]} threads, {files[-1]} files")
    third = CYCLES // 3
    growth = float(np.mean(memories[-third:]) - np.mean(memories[third : 2 * third]))
    ledger.remark(
        f"{CYCLES} lifecycle cycles: {memories[0]:.1f} MB after the first, {memories[third]:.1f} MB after a third, "
        f"{memories[-1]:.1f} MB after the last (mean of the last third − of the second: {growth:+.1f} MB); threads "
        f"{threads[1]} and {threads[-1]}, open files {files[1]} and {files[-1]}"
    )
    assert threads[-1] <= threads[1] and files[-1] <= files[1], (threads, files)
    # A cycle loads 27 MB of weights: a leak of them would be ten times this in the short form.
    assert growth < 25.0, memories
    witness.bring("configure", "activate")
    close_books(f"{CYCLES} lifecycle cycles", witness, process, memories[0])
