"""Planner: what today's dictionary would sign for sentences of the grammar whose words it was not made for, in signs.

The texts are those that the grammar holds out (``config/grammar/asl.yaml``). What they mean is its order of
signs, which nobody who signs has validated. The segmenter ``units`` of a bundle looks up every word or spells it. No
motion is made: this is what a sentence model has to beat before a hand moves. A spelled word counts as one sign.

``python -m experiments.planner``
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from text2sign_ros.corpora.expansion import UNSEEN, Expansion, Pair
from text2sign_ros.corpora.grammar import read
from text2sign_ros.inference.bundle import Bundle, UnitSettings
from text2sign_ros.inference.vocabulary import load
from text2sign_ros.resources import default_bundle, share
from text2sign_ros.text import Segmenter, SentenceEncoder, plan

LENGTHS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 8), (9, 12))
"""Groups (fewest, most) of sentences by their number of signs."""
Reading = Callable[[Pair], Sequence[str]]


def signed(text: str, segmenter: Segmenter) -> tuple[str, ...]:
    """Names of the signs for a text, a spelled word as one: ("hello", "fs:grace"), as ``expansion.Pair.names``."""
    units = [unit for segment in plan(text, segmenter, max_characters=1000).segments for unit in segment.units]
    words = itertools.groupby(units, key=lambda unit: (unit.word, unit.spelled))
    found = []
    for (_, spelled), own in words:
        names = [unit.name for unit in own]
        found += [f"fs:{''.join(names)}"] if spelled else names
    return tuple(found)


def errors(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> dict[str, float]:
    """Rates per sign that is meant, of (meant, signed) of many sentences, by one shortest alignment of each.

    Returns:
        sign_error_rate: all of the next five.
        omitted: meant, and nothing in its place.
        spelled_instead: meant as a sign, and another word is spelled in its place.
        wrong_sign: another sign in the place of what is meant: wrong, with nothing to tell it by.
        extra_spelled, extra_sign: a spelled word, or a sign, too many.
        order_apart: the rate that is left if the order did not matter.
        all_right: share of the sentences without any error.
    """
    counts: Counter[str] = Counter()
    meant_total, apart, right, sentences = 0, 0, 0, 0
    for meant, found in pairs:
        for operation in Levenshtein.editops(list(meant), list(found)):
            spelled = operation.tag != "delete" and found[operation.dest_pos].startswith("fs:")
            if operation.tag == "delete":
                counts["omitted"] += 1
            elif operation.tag == "insert":
                counts["extra_spelled" if spelled else "extra_sign"] += 1
            else:
                counts["spelled_instead" if spelled else "wrong_sign"] += 1
        common = (Counter(meant) & Counter(found)).total()
        apart += max(len(meant), len(found)) - common
        meant_total, sentences, right = meant_total + len(meant), sentences + 1, right + (tuple(meant) == tuple(found))
    names = ("omitted", "spelled_instead", "wrong_sign", "extra_spelled", "extra_sign")
    total = max(meant_total, 1)
    return (
        {"sentences": sentences, "sign_error_rate": sum(counts.values()) / total}
        | {name: counts[name] / total for name in names}
        | {"order_apart": apart / total, "all_right": right / max(sentences, 1)}
    )


def rows(pairs: Sequence[Pair], reading: Reading) -> dict[str, dict[str, float]]:
    """``errors`` of all sentences, by what training never read of them, and by their length."""
    read_ = [(pair, (pair.names, reading(pair))) for pair in pairs]
    groups = {"all": read_}
    groups |= {f"unseen {kind}": [one for one in read_ if one[0].unseen == kind] for kind in UNSEEN}
    for fewest, most in LENGTHS:
        name = f"{fewest} signs" if fewest == most else f"{fewest} to {most} signs"
        groups[name] = [one for one in read_ if fewest <= len(one[0].meant) <= most]
    return {name: errors(each for _, each in own) for name, own in groups.items() if own}


def same_markers(pairs: Iterable[Pair], segmenter: Segmenter) -> float:
    """Share of the texts of one sentence, with punctuation, that imply the markers of head and brows of the grammar."""
    same = []
    for pair in pairs:
        if len(pair.patterns) == 1 and pair.text[-1] in ".!?":
            segments = plan(pair.text, segmenter, max_characters=1000).segments
            same.append(frozenset().union(*(segment.manner.markers for segment in segments)) == pair.faces[0])
    return sum(same) / max(len(same), 1)


def _unspelled(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith("fs:")]


def table(found: dict[str, dict[str, float]]) -> str:
    """Markdown: rates in per cent."""
    columns = list(next(iter(found.values())))
    head = " | ".join(name.replace("_", " ") for name in columns)
    lines = [f"| | {head} |", "|---" * (len(columns) + 1) + "|"]
    for name, values in found.items():
        cells = [str(value) if key == "sentences" else f"{100 * value:.1f}" for key, value in values.items()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="experiments.planner", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=default_bundle(), help="whose dictionary signs")
    parser.add_argument("--grammar", type=Path, default=share() / "config" / "grammar" / "asl.yaml")
    parser.add_argument("--sentences", type=int, default=2000, help="of the test split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=10, help="sentences to print with what is signed")
    options = parser.parse_args(arguments)
    bundle = Bundle.load(options.bundle)
    if not isinstance(bundle.segmenter, UnitSettings):
        raise SystemExit(f"{bundle.folder} has no dictionary: its segmenter is not `units`")
    encoder = SentenceEncoder(options.bundle, max_tokens=bundle.max_tokens)
    segmenter = bundle.segmenter.make(encoder, max_tokens=bundle.max_tokens, longest=bundle.longest_segment)
    signs = [entry.name for entry in load(options.bundle) if entry.kind == "sign"]
    pairs = list(Expansion(read(options.grammar, signs)).pairs("test", options.sentences, options.seed))
    found = rows(pairs, lambda pair: signed(pair.text, segmenter))
    found |= {"all, never spelling": rows(pairs, lambda pair: _unspelled(signed(pair.text, segmenter)))["all"]}
    print(table(found))
    letters = {"meant": sum(len(unit.label) for p in pairs for unit in p.units if unit.kind == "letter")}
    letters["dictionary"] = sum(
        len(name) - 3 for p in pairs for name in signed(p.text, segmenter) if name.startswith("fs:")
    )
    print(f"head and brows as in the grammar: {same_markers(pairs, segmenter):.1%} of the texts of one sentence")
    print(f"letters spelled a sentence: {', '.join(f'{k} {n / len(pairs):.1f}' for k, n in letters.items())}")
    for pair in pairs[: options.examples]:
        print(f"{pair.text}\n  meant:  {' | '.join(pair.names)}\n  signed: {' | '.join(signed(pair.text, segmenter))}")


if __name__ == "__main__":
    main()
