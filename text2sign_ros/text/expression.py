"""Expressions: texts for a robot's voice, with tags in angle brackets that control the rest of the robot.

The tags are those of the multi-modal expressions of ROS4HRI's dialogue managers, as in "<set expression(happy)> Hello!
<pause(2)> Tea?", and of SSML. Dialogue managers usually carry them out and send a voice only the words in between.
"""

from __future__ import annotations

import re

from text2sign_ros.text.markup import LONGEST_PAUSE

_ACTION = r"<\s*(?:set|start|wait|stop|do)\s+\w+\b(?:\([^()<>]*\))?(?:\s*timeout=[\d.]+)?\s*>?"  # closed or not
_PAUSE = r"<pause\((?:time=)?(?P<pause>\d+(?:\.\d+)?)\)>"
_TAG = re.compile(rf"{_PAUSE}|{_ACTION}|<[a-z/!?][^<>]*>", re.ASCII | re.IGNORECASE)
_SHOWN, _LONGEST = 3, 60
"""Tags in a warning, and characters of each."""


def without_tags(text: str) -> tuple[str, str]:
    """The words of an expression, with its pauses in our markup, and which tags are left out.

    Returns:
        The text to sign, and the tags left out in one line (the first few); empty if there are none.
    """
    left_out: list[str] = []
    count = 0

    def read(tag: re.Match[str]) -> str:
        nonlocal count
        if tag["pause"]:
            seconds = min(float(tag["pause"]), LONGEST_PAUSE)
            return f" [pause {round(seconds, 3):g}] " if seconds >= 0.001 else " "
        count += 1
        shown = " ".join(tag[0][:_LONGEST].split())
        if len(left_out) < _SHOWN and shown not in left_out:
            left_out.append(shown)
        return " "

    plain, tags = _TAG.subn(read, text)
    if tags:
        plain = re.sub(" +", " ", plain).strip()
    if not count:
        return plain, ""
    return plain, f"left out {count} {'tag' if count == 1 else 'tags'} ({', '.join(left_out)})"
