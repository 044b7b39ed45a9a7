"""Senses: how often the sentence chooses the right one of several signs of a word, beside always taking the default.

The labels and senses are those of galt; the sentences were written for this, half for choosing ``senses.MARGIN`` and
half held out. They are plainer than what people say, and half of them ask for a sense, which texts do rarely: what is
measured is whether the choice can be made at all.

``python -m experiments.senses``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from text2sign_ros.resources import default_bundle
from text2sign_ros.text import Senses, SentenceEncoder, UnitSegmenter, Vocabulary, plan, senses

ALTERNATIVES: dict[str, tuple[str, ...]] = {
    "alert": ("vigilance",),
    "assign": ("give",),
    "assist": ("sport",),
    "associate": ("link", "work"),
    "attend": ("frequently",),
    "background": ("behind", "experience", "history"),
    "badge": ("name tag",),
    "ball": ("dance",),
    "bar": ("block", "prevent", "rod"),
    "bark": ("wood",),
    "barrage": ("question", "requests"),
    "bash": ("party", "physical"),
    "bat": ("wood",),
    "battle": ("act",),
    "bawl": ("yell",),
    "beam": ("headlight", "smile"),
    "bear": ("animal", "birth", "support"),
    "beat": ("mix", "overcome", "sound"),
    "before": ("earlier", "location", "past"),
    "behind": ("late",),
    "better half": ("partner",),
    "bid": ("offer",),
    "china": ("plate",),
}
Row = tuple[str, str, tuple[str, ...]]
"""A sentence, the word in it, and which of its signs fit: "" is the default, whose meaning no corpus gives."""
TUNING: tuple[Row, ...] = (
    ("We must be alert at the border.", "alert", ("", "vigilance")),
    ("The nurse will assist the doctor.", "assist", ("",)),
    ("I will assist you with the form.", "assist", ("",)),
    ("He scored after a great assist from the midfielder.", "assist", ("sport",)),
    ("I have a business associate in Boston.", "associate", ("", "work")),
    ("I associate that smell with summer.", "associate", ("link",)),
    ("The hall was full of people who attend church.", "attend", ("", "frequently")),
    ("The colour of the wall in the background is blue.", "background", ("behind",)),
    ("He has a background in engineering at two companies.", "background", ("experience",)),
    ("The historical background of the war is complicated.", "background", ("history",)),
    ("The children kick the ball in the yard.", "ball", ("",)),
    ("He lost his ball in the garden.", "ball", ("",)),
    ("Cinderella wore a gown to the ball at the palace.", "ball", ("dance",)),
    ("The police bar the street with a barrier.", "bar", ("block",)),
    ("The prisoner held on to an iron bar of the window.", "bar", ("rod",)),
    ("The dog started to bark at the postman.", "bark", ("",)),
    ("My neighbour's dogs bark when the bell rings.", "bark", ("",)),
    ("The bark of the old oak tree is rough and brown.", "bark", ("wood",)),
    ("They bash the door with a hammer.", "bash", ("", "physical")),
    ("We had a big bash for her birthday.", "bash", ("party",)),
    ("A bat flew out of the dark cave at night.", "bat", ("",)),
    ("I am afraid of the bat in the attic.", "bat", ("",)),
    ("He swung the bat and hit the baseball over the fence.", "bat", ("wood",)),
    ("The soldiers won the battle.", "battle", ("", "act")),
    ("The tank battle lasted three days.", "battle", ("",)),
    ("The beam of the car blinded me on the dark road.", "beam", ("headlight",)),
    ("The proud parents beam with joy.", "beam", ("smile",)),
    ("The grizzly bear caught a fish in the river.", "bear", ("", "animal")),
    ("She will bear a child in spring.", "bear", ("birth",)),
    ("I cannot bear the weight of this responsibility.", "bear", ("support",)),
    ("Our team beat the champions and won the cup.", "beat", ("", "overcome")),
    ("Beat the cream until it is stiff.", "beat", ("mix",)),
    ("The drummer keeps a steady beat.", "beat", ("sound",)),
    ("Wash your hands before dinner.", "before", ("", "earlier", "past")),
    ("She appeared before the whole court.", "before", ("location",)),
    ("The cat hides behind the sofa.", "behind", ("",)),
    ("The dog sleeps behind the stove.", "behind", ("",)),
    ("He is behind with his rent payments.", "behind", ("late",)),
    ("The company made a bid for the contract.", "bid", ("", "offer")),
    ("My aunt travelled to china and Japan.", "china", ("",)),
    ("The factory is in china.", "china", ("",)),
    ("We had dinner on grandmother's best china.", "china", ("plate",)),
)
HELD_OUT: tuple[Row, ...] = (
    ("The teacher will assign homework.", "assign", ("", "give")),
    ("Can you assist me with my luggage?", "assist", ("",)),
    ("Let me assist the old man across the street.", "assist", ("",)),
    ("The point guard had ten points and one assist.", "assist", ("sport",)),
    ("She brought an associate to the meeting with our lawyers.", "associate", ("", "work")),
    ("People associate storks with babies.", "associate", ("link",)),
    ("In the background of the photo you see mountains.", "background", ("behind",)),
    ("Her background is nursing and teaching.", "background", ("experience",)),
    ("Tell me about your family background.", "background", ("history",)),
    ("She wore a badge on her jacket.", "badge", ("", "name tag")),
    ("Throw me the ball.", "ball", ("",)),
    ("They played ball in the park.", "ball", ("",)),
    ("They waltzed all night at the ball.", "ball", ("dance",)),
    ("The rules bar him from entering the contest.", "bar", ("block", "prevent")),
    ("The gymnast swings on a steel bar.", "bar", ("rod",)),
    ("Please make your dog not bark at night.", "bark", ("",)),
    ("A seal and a dog both bark.", "bark", ("",)),
    ("She peeled the bark from the birch log.", "bark", ("wood",)),
    ("Do not bash your head.", "bash", ("", "physical")),
    ("The new year bash lasted until morning.", "bash", ("party",)),
    ("The bat hangs upside down and eats insects.", "bat", ("",)),
    ("The bat slept in the barn roof.", "bat", ("",)),
    ("Bring your bat and glove to the game.", "bat", ("wood",)),
    ("Who won the battle of Hastings?", "battle", ("",)),
    ("The baby began to bawl in the night.", "bawl", ("",)),
    ("Switch off the high beam when you drive past another car.", "beam", ("headlight",)),
    ("She gave me a happy beam.", "beam", ("smile",)),
    ("A polar bear lives on the ice.", "bear", ("", "animal")),
    ("Women who bear twins need more rest.", "bear", ("birth",)),
    ("These pillars bear the load of the roof.", "bear", ("support",)),
    ("Beat the eggs and sugar in a bowl.", "beat", ("mix",)),
    ("She beat cancer after a long struggle.", "beat", ("overcome",)),
    ("Listen to the beat of the music.", "beat", ("sound",)),
    ("He stood before the judge.", "before", ("location",)),
    ("The judge made him stand before her desk.", "before", ("location",)),
    ("Stand behind me in the line.", "behind", ("",)),
    ("Someone is standing behind you.", "behind", ("",)),
    ("We are behind schedule.", "behind", ("late",)),
    ("Beijing is the capital of china.", "china", ("",)),
    ("We fly to china in May.", "china", ("",)),
    ("The fried rice and tea are from china.", "china", ("",)),
    ("Careful, do not break the china in the cupboard.", "china", ("plate",)),
)


def chosen(rows: Sequence[Row], encoder: SentenceEncoder) -> list[str]:
    """The alternative that is signed for the word of each row, "" for the default."""
    vocabulary = Vocabulary(tuple(ALTERNATIVES), tuple("abcdefghijklmnopqrstuvwxyz"), ALTERNATIVES)
    chooser = Senses(vocabulary, lambda texts: encoder.encode(texts).sentence)
    segmenter = UnitSegmenter(vocabulary, 1, 256, 50, 40, chooser)
    found = []
    for text, word, _ in rows:
        units = [segment.units[0] for segment in plan(text, segmenter, max_characters=1000).segments]
        (signed,) = {unit.alternative for unit in units if unit.text == word}
        found.append(signed)
    return found


def measure(rows: Sequence[Row], encoder: SentenceEncoder) -> dict[str, float]:
    """Shares of the sentences that are right: with the default, as chosen; and of those that need one or the other."""
    right = np.array([sign in fits for sign, (_, _, fits) in zip(chosen(rows, encoder), rows, strict=True)])
    default = np.array(["" in fits for _, _, fits in rows])
    only_default = np.array([fits == ("",) for _, _, fits in rows])
    return {
        "sentences": len(rows),
        "always_default": round(float(default.mean()), 3),
        "chosen": round(float(right.mean()), 3),
        "default_needed": round(float(right[only_default].mean()), 3),
        "sense_needed": round(float(right[~default].mean()), 3),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="experiments.senses", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=default_bundle(), help="whose text encoder is used")
    options = parser.parse_args(arguments)
    encoder = SentenceEncoder(options.bundle, max_tokens=64)
    print(f"margin {senses.MARGIN}")
    for name, rows in (("tuning", TUNING), ("held out", HELD_OUT)):
        print(name, measure(rows, encoder))


if __name__ == "__main__":
    main()
