"""Fixtures of the fault suite."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Process

from faults.ledger import LONG, REPORT, Ledger, Row
from faults.witness import LEAP, Witness, memory


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of the fault suite is slow."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def psutil() -> None:
    """Where it is missing, that is said before a test runs for a minute."""
    import psutil  # noqa: F401


@pytest.fixture(scope="session")
def ledger() -> Iterator[Ledger]:
    """The books of this run, written when it ends."""
    ledger = Ledger()
    yield ledger
    ledger.write(REPORT)
    if LONG:
        print(f"\n\n{ledger.markdown()}\n{REPORT}")


@pytest.fixture
def witness() -> Iterator[Witness]:
    witness = Witness()
    yield witness
    witness.close()


@pytest.fixture
def progress() -> Callable[[str], None]:
    """Says how far a test is, every ten seconds of the long form."""
    printed_at = time.monotonic()

    def show(words: str) -> None:
        nonlocal printed_at
        if LONG and time.monotonic() - printed_at > 10.0:
            printed_at = time.monotonic()
            print(f"  {words}", flush=True)

    return show


@pytest.fixture
def close_books(ledger: Ledger) -> Callable[..., Row]:
    """At the end of a scenario: every text has ended once, by status and by diagnostics; the node leaves in order."""

    def close(scenario: str, witness: Witness, process: Process, before: float) -> Row:
        witness.settle()
        values = witness.balanced()
        row = Row.of(scenario, witness.sent, len(witness.ended), values, memory(process) - before)
        ledger.book(row)
        assert row.lost == row.failed == 0 and row.received == row.sent, row
        assert row.received == row.signed + row.canceled + row.refused + row.dropped, row
        witness.until(lambda: witness.chunks >= row.chunks, f"all {row.chunks} chunks; {witness.chunks} came")
        alone = witness.node.count_publishers("/signer/trajectory") == 1
        assert witness.chunks == row.chunks, f"{witness.chunks} came; no other signer in this ROS domain: {alone}"
        assert witness.leap < LEAP, f"a keypoint leapt {witness.leap:.3f} m"
        process.signal(signal.SIGTERM)
        assert process.wait(30.0) == 0
        assert not [line for line in process.log if "Traceback" in line or "[ERROR]" in line or "[FATAL]" in line]
        return row

    return close
