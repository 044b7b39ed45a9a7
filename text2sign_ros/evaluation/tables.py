"""Results of an evaluation as Markdown tables, one row per system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from text2sign_ros.evaluation import confusion

_SYSTEMS = {
    "real": "real, held out",
    "stitched": "stitched from real takes",
    "many_steps": "undistilled, many steps",
    "4": "4 steps",
    "2": "2 steps",
    "1": "1 step",
}
_READ = ("word_error_rate", "letter_error_rate", "bleu1", "bleu2", "bleu3", "bleu4", "chrf", "rouge_l")
_RELATIONS = ("order", "crossed", "contact", "touching", "spread_degrees", "order_mm", "other_order_mm")
_MOVED = ("distance_ratio", "frozen_share", "jerk", "seconds", "frechet", "dtw_mje_mm", "ndtw_hands", "diversity")


def tables(results: dict[str, Any]) -> str:
    """Markdown: back-translation, motion, single signs, reconstruction, retrieval, hand shapes and all signs."""
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
    shapes, found_signs = results["hand_shapes"], results["all_signs"]["found"]
    parts = (
        f"Unseen sentences: {results['sentences']}",
        _table(["system", *_READ], read),
        _table(["system", *_MOVED], moved),
        _table(["single signs, read correctly", "words", "letters"], signs),
        _table(list(hand), [[_number(value) for value in hand.values()]]),
        _table(["retrieval", *next(iter(results["retrieval"].values()))], found),
        _table(["letters by hand shape, read correctly", *shapes], _letters(shapes)),
        _table(["relations between fingers, rebuilt", *_RELATIONS], _relations(results["relations"])),
        _table(
            ["found among all real signs", *next(iter(found_signs.values()))],
            [[row.replace("_", " "), *map(_number, values.values())] for row, values in found_signs.items()],
        ),
        _table(
            ["generated signs, relative to real takes", "nearest_take", "seeds"],
            [[row, *map(_number, values.values())] for row, values in results["all_signs"].get("copying", {}).items()],
        ),
        _table(
            ["95 % interval of the difference", "word_error_rate", "letter_error_rate"],
            [
                [pair, *(_interval(results["difference_interval_95"][rate][pair]) for rate in _READ[:2])]
                for pair in results["difference_interval_95"]["word_error_rate"]
            ],
        ),
    )
    return "\n\n".join(parts)


def _letters(shapes: dict[str, confusion.Confusions]) -> list[list[str]]:
    """A row for the mean, and for each letter."""
    means = [f"{100 * sum(rates.values()) / len(rates):.1f} %" for rates in map(confusion.right, shapes.values())]
    letters = sorted(set().union(*shapes.values()))
    cells = [[confusion.written(letter, row.get(letter, {})) for row in shapes.values()] for letter in letters]
    return [["mean", *means], *([letter, *row] for letter, row in zip(letters, cells, strict=True))]


def _relations(relations: dict[str, Any]) -> list[list[str]]:
    rows = {"all": relations["all"], **relations["by_sign"]}
    return [[name, *(_number(found[part]) for part in _RELATIONS)] for name, found in rows.items()]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _interval(ends: Sequence[float]) -> str:
    return f"{ends[0]:+.3f} to {ends[1]:+.3f}"
