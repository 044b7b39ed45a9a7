"""The books of the fault suite: which form it runs in, what became of every text, and the report."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from conftest import ROOT

from text2sign_ros.clip import write_whole

MINUTES = float(os.environ.get("FAULTS_MINUTES", "0"))
"""Minutes of the soak in the long form, which `make faults` asks for; 0 is the short form, a part of `make test`."""
LONG = MINUTES > 0
TIMEOUT = 3600 + 120 * MINUTES if LONG else 300
"""Seconds for one test."""
REPORT = ROOT / "out" / "faults" / ("report.md" if LONG else "short.md")


@dataclass(frozen=True)
class Row:
    """One scenario: texts sent by the test, received by the node, and how they ended; ``growth`` in MB."""

    scenario: str
    sent: int
    received: int
    signed: int
    canceled: int
    refused: int
    dropped: int
    failed: int
    lost: int
    growth: float
    chunks: int
    late: int

    @classmethod
    def of(cls, scenario: str, sent: int, ended: int, values: Mapping[str, str], growth: float) -> Row:
        """From what ``/diagnostics`` says (``values``) and how many texts ended by ``~/status``."""
        counts = {
            key: int(values[f"texts {key}"])
            for key in ("received", "signed", "canceled", "refused", "dropped", "failed")
        }
        chunks, late = int(values["chunks sent"]), int(values["chunks late"])
        return cls(scenario, sent, lost=sent - ended, growth=growth, chunks=chunks, late=late, **counts)


class Ledger:
    """Collects the rows, and the remarks that are no numbers of texts."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.robots: list[str] = []  # rows of the second table
        self.remarks: list[str] = []

    def book(self, row: Row) -> None:
        self.rows.append(row)
        print(f"\n{row}")

    def robot(self, scenario: str, times: int, texts: int, points: int, found: Mapping[str, int]) -> None:
        """A scenario of the way to the robot: how often, texts sent, points that the robot was told, and how many of
        these are beyond each limit."""
        over = " | ".join(str(found[kind]) for kind in ("position", "velocity", "acceleration", "jerk"))
        self.robots.append(f"| {scenario} | {times} | {texts} | {points:,} | {over} |")
        print(f"\n{self.robots[-1]}")

    def remark(self, words: str) -> None:
        self.remarks.append(words)
        print(f"\n{words}")

    def markdown(self) -> str:
        names = [field.name for field in fields(Row)]
        total = Row("**all**", *(sum(getattr(row, name) for row in self.rows) for name in names[1:]))
        lines = [
            f"Form: {f'long, a soak of {MINUTES:g} minutes' if LONG else 'short'}; {platform.machine()}, "
            f"{os.cpu_count()} cores, Python {platform.python_version()}.",
            "",
            "| scenario | texts sent | received | signed | canceled | refused | dropped | failed | **lost** | "
            "memory growth (MB) | chunks sent | chunks late |",
            "|---|" + "---:|" * (len(names) - 1),
        ]
        for row in (*self.rows, total):
            cells = [getattr(row, name) for name in names]
            lines.append("| " + " | ".join(f"{c:.1f}" if isinstance(c, float) else str(c) for c in cells) + " |")
        if self.robots:
            lines += [
                "",
                "| on the way to the robot | times | texts | points of the joints' motion | beyond position | velocity "
                "| acceleration | jerk |",
                "|---|" + "---:|" * 7,
                *self.robots,
            ]
        return "\n".join([*lines, "", *(f"- {words}" for words in self.remarks)]) + "\n"

    def write(self, path: Path) -> None:
        with write_whole(path) as file:
            file.write(self.markdown().encode())
