"""Results of an evaluation as Markdown tables, one row per system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_SYSTEMS = {
    "real": "real, held out",
    "stitched": "stitched from real takes",
    "many_steps": "undistilled, many steps",
    "4": "4 steps",
    "2": "2 steps",
    "1": "1 step",
}
_READ = ("word_error_rate", "letter_error_rate", "bleu1", "bleu2", "bleu3", "bleu4", "chrf", "rouge_l")
_MOVED = ("distance_ratio", "frozen_share", "jerk", "seconds", "frechet", "dtw_mje_mm", "ndtw_hands", "diversity")


def tables(results: dict[str, Any]) -> str:
    """Markdown: back-translation, motion, single signs, reconstruction and retrieval."""
    read = [[name, *(_number(results[metric].get(row)) for metric in _READ)] for row, name in _SYSTEMS.items()]
    moved = [[name, *(_number(results[metric].get(row)) for metric in _MOVED)] for row, name in _SYSTEMS.items()]
    moved.insert(1, ["real, other takes", *(_number(results[metric].get("real_again")) for metric in _MOVED)])
    signs = [
        [name, *(_number(results["single_signs"][row][part]) for part in ("words", "letters"))]
        for row, name in _SYSTEMS.items()
        if row in results["single_signs"]
    ]
    found = [[name.replace("_", " "), *map(_number, row.values())] for name, row in results["retrieval"].items()]
    hand = results["hand_error_mm"]
    parts = (
        f"Unseen sentences: {results['sentences']}",
        _table(["system", *_READ], read),
        _table(["system", *_MOVED], moved),
        _table(["single signs, read correctly", "words", "letters"], signs),
        _table(list(hand), [[_number(value) for value in hand.values()]]),
        _table(["retrieval", *next(iter(results["retrieval"].values()))], found),
        _table(
            ["95 % interval of the difference", "word_error_rate", "letter_error_rate"],
            [
                [pair, *(_interval(results["difference_interval_95"][rate][pair]) for rate in _READ[:2])]
                for pair in results["difference_interval_95"]["word_error_rate"]
            ],
        ),
    )
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _interval(ends: Sequence[float]) -> str:
    return f"{ends[0]:+.3f} to {ends[1]:+.3f}"
