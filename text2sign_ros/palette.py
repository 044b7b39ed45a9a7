"""The colours of all pictures, of RViz's and Foxglove's markers and of ``.pose`` files, as "#rrggbb".

Warm colours are the signer's left, cool ones the right.
"""

from __future__ import annotations

PAPER, INSET, INK, FAINT = "#ffffff", "#f2f4f7", "#20242c", "#7a8290"
TORSO, SKIN, FACE_INK = "#e6e9ee", "#f3e3d3", "#5b5148"
ARM = {"left": "#b4563c", "right": "#3f6ea8"}
PALM = {"left": ("#f9d5c3", "#c98a72"), "right": ("#cfe1f7", "#7b9cc6")}
"""(palm, back) toward the viewer."""
FINGERS = {
    "left": ("#8c1d18", "#e8332a", "#f58216", "#d9a400", "#d6268f"),
    "right": ("#17337a", "#2b6bf3", "#12a5c4", "#1f9a4c", "#8a4fe0"),
}
"""From the thumb to the little finger."""
GROUPS = {"body": FAINT, "face": "#998773", "left_hand": FINGERS["left"][1], "right_hand": FINGERS["right"][1]}
"""One colour for each of ``skeleton.GROUPS``, where fingers are not distinguished."""
WARM, COOL, GREY = ARM["left"], ARM["right"], "#9aa5b1"
"""Curves of a chart: the main one, a second one, and the reference."""


def points(group: str) -> list[str]:
    """A colour for each keypoint of one of ``skeleton.GROUPS``, in order; fingers are distinguished."""
    if group == "body":
        return [FAINT] * 5 + [ARM["left"], ARM["right"]] * 3
    if group == "face":
        return [GROUPS["face"]] * 26
    side = group.removesuffix("_hand")
    return [ARM[side], *(colour for colour in FINGERS[side] for _ in range(4))]


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
