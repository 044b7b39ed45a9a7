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

SENSES = {
    "alert": ("device",), "annex": ("building",), "anoint": ("baby",), "ascend": ("plane",), "ask": ("request",),
    "asylum": ("place",), "attract": ("gravity",), "authority": ("additional",), "automatic": ("short",),
    "babble": ("motion spin",), "baby": ("sweetheart",), "band": ("degree", "music"), "bend": ("object",),
    "big": ("tall", "wide"), "bill": ("dollar", "owing"), "blender": ("cooking",), "blinds": ("horizontal", "vertical"),
    "block": ("defensive", "prevent"), "blow": ("breath",), "blow up": ("balloon", "explosion"),
    "blue": ("color", "color deep", "color light", "sad"), "board": ("directors", "plank", "trustee"),
    "bolt": ("lightning", "metal", "run"), "boss": ("combined",), "bottom": ("below", "butt"), "bounce": ("email",),
    "bow": ("archery", "gift", "salute", "salute down"), "braid": ("hairstyle", "hairstyle back"), "branch": ("path",),
    "break": ("pause",), "breakdown": ("mental",), "breathe": ("deep",), "bright": ("smart",), "bring": ("somewhere",),
    "broke": ("engine", "money", "object"), "brother": ("catholic",), "browse": ("look around", "website"),
    "bucket": ("combined",), "bum": ("clothes",), "bump": ("collision", "fist", "into another person", "volley ball"),
    "bus": ("fs",), "bust": ("arrest", "female", "male", "statue"), "by": ("near",), "camera": ("video",),
    "camper": ("rv",), "can": ("container", "container big"), "celebrate": ("deaf applause",), "chair": ("furniture",),
    "change": ("adapt", "bad", "coin", "money", "no change"), "character": ("asian letters", "play"),
    "chest": ("drawer",), "choose": ("multi", "them"), "chubby": ("body", "face"), "chug": ("drink", "engine"),
    "circumstance": ("no control",), "citation": ("traffic",), "clap": ("deaf",), "clasp": ("device",),
    "claw": ("sea",), "clean": ("body", "counter", "dishes", "face", "floor", "hair", "very", "wall", "window"),
    "click": ("multiple",), "close": ("almost", "book", "business", "door", "feeling", "near", "zipper"),
    "cloth": ("face",), "clueless": ("another",), "clutch": ("vehicle",), "cold": ("virus",), "collar": ("shirt",),
    "collide": ("car", "personal"), "colon": ("anatomy", "punctuation"), "colorful": ("h",), "come": ("eng",),
    "come hither": ("full hand",), "command": ("order", "person"), "company": ("business",),
    "compass": ("direction", "drawing"), "complete": ("finished", "full"), "compound": ("chemical",),
    "con": ("someone",), "conceive": ("idea", "immaculate", "pregnant"), "concoct": ("food",),
    "condemn": ("moral", "sentence"), "conduct": ("behavior", "carry out", "lead", "music"), "cone": ("traffic",),
    "confine": ("prison",), "congestion": ("nose", "traffic"), "conquer": ("military", "person", "weakness"),
}  # fmt: skip
"""Labels that are a word and what it means there, as recorded without a mark between: "alert device".

They become alternatives of the word if that has a recording of its own. Otherwise they stay as they are, since one of
them would be the default and its meaning forgotten: a tin can would be signed for every "can".
"""
_MEANT = {f"{word} {sense}": (word, sense) for word, senses in SENSES.items() for sense in senses}

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
    plain = {MENDED.get(gloss, gloss) for gloss in glosses}
    described = []
    for gloss, sense, flag in zip(glosses, senses, flags, strict=True):
        text = MENDED.get(gloss, gloss)
        word, meant = _MEANT.get(text, (text, ""))
        text, meant = (word, meant) if word in plain else (text, "")
        described.append((text, _words(f"{meant} {sense} {flag}" if sense.lower() != flag else f"{meant} {flag}")))
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
