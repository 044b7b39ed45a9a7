"""Text on pictures: the captions of a clip, and text fitted to its space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from PIL import ImageFont

from text2sign_ros.clip import ClipError, SignClip

NOTICE = "generated motion, not validated by signers"
"""Printed on every sheet and video of what the model made."""


def check(clip: SignClip, captions: Sequence[tuple[str, int]]) -> None:
    """Raise ClipError if the clip is empty, or if the captions do not cover it."""
    covered = sum(frames for _, frames in captions)
    if not len(clip):
        raise ClipError("the clip has no frames; there is nothing to draw")
    if covered != len(clip):
        raise ClipError(f"the captions cover {covered} frames and the clip has {len(clip)}; they must be equal")


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's default font; ``size`` in pixels."""
    return ImageFont.load_default(size)


def fit(text: str, size: int, width: float) -> str:
    """``text``, truncated if it is wider than ``width`` pixels."""
    measure = font(size).getlength
    if measure(text) <= width:
        return text
    while text and measure(text + "...") > width:
        text = text[:-1]
    return text + "..."
