"""What letters are read as: shares, and a picture of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from text2sign_ros.clip import write_whole

Confusions = dict[str, dict[str, float]]
"""Shares of what each letter was read as, the letter itself included if it ever was; letter -> read -> share."""


def confusions(shown: Sequence[str], read: Sequence[str]) -> Confusions:
    """Shares of what each letter that was shown was read as, the most frequent first."""
    counts: dict[str, Counter[str]] = {letter: Counter() for letter in sorted(set(shown))}
    for letter, other in zip(shown, read, strict=True):
        counts[letter][other] += 1
    return {
        letter: {other: count / found.total() for other, count in found.most_common()}
        for letter, found in counts.items()
    }


def right(confused: Confusions) -> dict[str, float]:
    """Share of each letter that is read correctly."""
    return {letter: shares.get(letter, 0.0) for letter, shares in confused.items()}


def written(letter: str, shares: Mapping[str, float]) -> str:
    """A cell of a table: "90 % (u 8, k 2)"."""
    others = ", ".join(f"{other} {100 * share:.0f}" for other, share in shares.items() if other != letter)
    return f"{100 * shares.get(letter, 0.0):.0f} %{f' ({others})' if others else ''}"


def draw(by_row: Mapping[str, Confusions], path: Path) -> None:
    """Write a PNG with one matrix for each row of results ("real", …): letters shown downward, read to the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(by_row), 5.6), layout="constrained")
    for axes, (name, confused) in zip(np.atleast_1d(figure.subplots(1, len(by_row))), by_row.items(), strict=True):
        letters = sorted(set(confused) | {other for shares in confused.values() for other in shares})
        shares = np.array([[confused.get(shown, {}).get(read, 0.0) for read in letters] for shown in letters])
        axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)  # so that rare confusions are seen
        for shown, read in np.argwhere((shares > 0) & ~np.eye(len(letters), dtype=bool)):
            share = shares[shown, read]
            axes.text(
                read, shown, f"{100 * share:.0f}", ha="center", va="center", fontsize=6,
                color="white" if share > 0.3 else "black",
            )  # fmt: skip
        axes.set_xticks(range(len(letters)), [letter.upper() for letter in letters], fontsize=7)
        axes.set_yticks(range(len(letters)), [letter.upper() for letter in letters], fontsize=7)
        mean = np.mean(list(right(confused).values()))
        axes.set(title=f"{name}: {100 * mean:.1f} % read", xlabel="read", ylabel="shown")
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)
