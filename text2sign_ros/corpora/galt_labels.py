"""The labels of galt: spelling mistakes mended, labels that are not shipped, which of several signs is the default."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

MENDED = {
    "annoint": "anoint",
    "annoint baby": "anoint baby",
    "antigua and barbardos": "antigua and barbuda",
    "antiscocial": "antisocial",
    "archaelogy": "archaeology",
    "archepeligo": "archipelago",
    "ardous": "arduous",
    "armidillo": "armadillo",
    "assitant": "assistant",
    "athen_s, greece": "athens greece",
    "attract atention": "attract attention",
    "audicity": "audacity",
    "audtion": "audition",
    "bad repuation": "bad reputation",
    "baird, chuck": "chuck baird",
    "baliff": "bailiff",
    "bargin": "bargain",
    "bengaldesh": "bangladesh",
    "bengladesh": "bangladesh",
    "bio diversity": "biodiversity",
    "biographical father": "biological father",
    "biospy": "biopsy",
    "board commitee": "board committee",
    "burgular": "burglar",
    "calender": "calendar",
    "celcius": "celsius",
    "cementary": "cemetery",
    "chauffer": "chauffeur",
    "chivarlious": "chivalrous",
    "circumision": "circumcision",
    "clandenstine": "clandestine",
    "colon puncuation": "colon punctuation",
    "concieve idea": "conceive idea",
    "concieve pregnant": "conceive pregnant",
    "conduct beahvior": "conduct behavior",
    "conduct, carry out": "conduct carry out",
    "valentine_s day": "valentines day",
}
"""Labels as recorded, and as they are written; one of another spelling of the same word becomes an alternative."""

UNSUITABLE = frozenset({"ass", "asshole", "bastard", "bitch", "brownnose", "bullshit", "cock"})
"""Profane labels, which are left out."""


class Label(NamedTuple):
    """What a clip shows.

    Attributes:
        text: its label: words of the letters a to z.
        alternative: as in ``base.Unit``.
    """

    text: str
    alternative: str


def labels(glosses: Sequence[str], senses: Sequence[str], flags: Sequence[str], names: Sequence[str]) -> list[Label]:
    """The label of each clip; each label has one default, whose alternative is "".

    The default of a label is the clip without sense and flags, or else the one with the fewest words in them. All
    arguments are in the order of the clips, and as parsed by the corpus, ``names`` being those of the originals.
    """
    described = [
        (MENDED.get(gloss, gloss), _words(f"{sense} {flag}" if sense.lower() != flag else flag))
        for gloss, sense, flag in zip(glosses, senses, flags, strict=True)
    ]
    clips: defaultdict[str, list[int]] = defaultdict(list)
    for i, (text, _) in enumerate(described):
        clips[text].append(i)
    # The gloss as it was recorded comes before another spelling of it, which is another sign.
    rank = [
        (gloss != text, len(words.split()), name)
        for gloss, (text, words), name in zip(glosses, described, names, strict=True)
    ]
    defaults = {text: min(own, key=rank.__getitem__) for text, own in clips.items()}
    taken: Counter[tuple[str, str]] = Counter()
    found = []
    for i, (text, words) in enumerate(described):
        alternative = "" if defaults[text] == i else words or "other"
        taken[text, alternative] += 1
        number = taken[text, alternative]
        found.append(Label(text, alternative if number == 1 else f"{alternative} {number}"))
    return found


def _words(text: str) -> str:
    """Words of a to z and digits, each once."""
    return " ".join(dict.fromkeys(re.findall(r"[a-z0-9]+", text.lower())))
