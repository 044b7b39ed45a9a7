"""One frame of signing as a stick figure with readable hands.

The signer is seen from the front without perspective: the signer's left is on the right of the picture. Arms and hands
have warm colours on the signer's left and cool ones on the right, each finger its own; a hand is filled light when the
palm faces the viewer and dark when the back does. Nearer parts cover farther ones. A keypoint of confidence 0 is not
drawn, nor is any line that ends in it; a head without ears is only its nose.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from text2sign_ros import palette, skeleton

BODY_CENTRE, BODY_EXTENT = (0.0, -0.165), 1.12
"""Metres: centre (y, z) and size of a square that holds everything from the hair to the fingertips at rest."""
_HAND_EXTENT = 0.21  # metres across an inset; a stretched hand is 0.19 long
_ARM_WIDTH, _FINGER_WIDTH, _FACE_WIDTH = 0.026, 0.0105, 0.006  # metres


@dataclass(frozen=True)
class _Stroke:
    a: int
    b: int
    colour: str
    width: float  # metres
    part: str  # "arm", "left", "right" or "face"


def _strokes() -> tuple[_Stroke, ...]:
    strokes = []
    for a, b in skeleton.BONES:
        side = "left" if skeleton.KEYPOINTS[b].startswith("left") else "right"
        if (a, b) in skeleton.HAND_BONES:
            colour = palette.FINGERS[side][(b - skeleton.HAND[side].start - 1) // 4]
            strokes.append(_Stroke(a, b, colour, _FINGER_WIDTH, side))
        elif (a, b) in skeleton.ARM_BONES:
            strokes.append(_Stroke(a, b, palette.ARM[side], _ARM_WIDTH, "arm"))
        elif (a, b) in skeleton.GROUP_BONES["face"]:
            strokes.append(_Stroke(a, b, palette.FACE_INK, _FACE_WIDTH, "face"))
    return tuple(strokes)


_STROKES = _strokes()
_NOSE = skeleton.INDEX["nose"]
_ENDS = np.array([(s.a, s.b) for s in _STROKES])
# Root, thumb cmc and the four mcp joints: the outline of a palm.
_PALMS = {side: [hand.start + k for k in (0, 1, 5, 9, 13, 17)] for side, hand in skeleton.HAND.items()}


@dataclass(frozen=True)
class Window:
    """A rectangle of the signer's frontal plane and its size in pixels."""

    centre: tuple[float, float]  # y, z in metres
    scale: float  # pixels per metre
    size: tuple[int, int]  # pixels, width and height

    def enlarged(self, factor: int) -> Window:
        return Window(self.centre, self.scale * factor, (self.size[0] * factor, self.size[1] * factor))

    def project(self, positions: np.ndarray) -> np.ndarray:
        """(..., 3) metres to (..., 2) pixels, y down."""
        half = np.array(self.size) / 2
        return (positions[..., 1:] - self.centre) * (self.scale, -self.scale) + half


def frame_image(positions: np.ndarray, confidence: np.ndarray, size: int) -> np.ndarray:
    """Draw one frame.

    Args:
        positions: (79, 3) metres in frame ``signer``.
        confidence: (79,); keypoints of confidence 0 are left out.
        size: pixels, width and height.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    return np.asarray(render(positions, confidence, Window(BODY_CENTRE, size / BODY_EXTENT, (size, size))))


def render(
    positions: np.ndarray,
    confidence: np.ndarray,
    window: Window,
    *,
    supersample: int = 3,
    hand: str | None = None,
) -> Image.Image:
    """Draw what lies in ``window``; anti-aliased by drawing ``supersample`` times as large.

    With ``hand`` ("left" or "right"), draw an inset of that hand: no face, and the arms and the other hand faint.
    """
    large = window.enlarged(supersample)
    paper = palette.INSET if hand else palette.PAPER
    image = Image.new("RGB", large.size, paper)
    draw = ImageDraw.Draw(image)
    points, seen = large.project(positions), confidence > 0
    if not hand:
        _draw_torso(draw, points, seen, large.scale)

    # (depth, what): the painter's algorithm over lines, palms and the head.
    depth = positions[_ENDS, 0].mean(axis=1)
    items: list[tuple[float, _Stroke | str]] = [
        (depth[i], stroke)
        for i, stroke in enumerate(_STROKES)
        if seen[stroke.a] and seen[stroke.b] and not (hand and stroke.part == "face")
    ]
    items += [(positions[p, 0].mean(), side) for side, p in _PALMS.items() if seen[p].all()]
    if not hand and seen[skeleton.EARS].all():
        items.append((positions[skeleton.EARS, 0].mean(), "head"))
    items.sort(key=lambda item: item[0])
    for _, item in items:
        if isinstance(item, _Stroke):
            colour = item.colour if hand in (None, item.part) else _faint(item.colour)
            width = max(item.width * large.scale, 1.6 * supersample)
            # A rim in the background colour separates a line from those that it crosses.
            rim = 0.0 if item.part == "face" else min(0.3 * width, 2.0 * supersample)
            _draw_bone(draw, points[item.a], points[item.b], colour, width, rim, paper)
        elif item == "head":
            _draw_head(draw, points, seen, large.scale)
        else:
            _draw_palm(draw, points[_PALMS[item]], item, faint=hand not in (None, item))
    if not hand and seen[_NOSE] and not seen[skeleton.EARS].any():
        (x, y), radius = points[_NOSE], 0.012 * large.scale
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), palette.FACE_INK)
    return image.reduce(supersample)


def _draw_bone(
    draw: ImageDraw.ImageDraw, a: np.ndarray, b: np.ndarray, colour: str, width: float, rim: float, paper: str
) -> None:
    if rim:  # short of the joints, so that the next bone of the same finger stays joined
        inner_a, inner_b = a + 0.25 * (b - a), b - 0.25 * (b - a)
        draw.line((*inner_a, *inner_b), paper, round(width + 2 * rim))
    draw.line((*a, *b), colour, round(width))
    for x, y in (a, b):
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), colour)


@lru_cache
def _faint(colour: str) -> str:
    mixed = 0.3 * np.array(ImageColor.getrgb(colour)) + 0.7 * np.array(ImageColor.getrgb(palette.INSET))
    return "#{:02x}{:02x}{:02x}".format(*mixed.astype(int))


def _draw_palm(draw: ImageDraw.ImageDraw, outline: np.ndarray, side: str, *, faint: bool) -> None:
    # Going round from the root over the thumb, a left palm turned to the viewer runs clockwise (image y is down).
    x, y = outline.T
    clockwise = float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) > 0
    facing = clockwise == (side == "left")
    colour = palette.PALM[side][0 if facing else 1]
    draw.polygon([tuple(p) for p in outline.tolist()], _faint(colour) if faint else colour)


def _draw_torso(draw: ImageDraw.ImageDraw, points: np.ndarray, seen: np.ndarray, scale: float) -> None:
    """A pale torso and neck as background for the arms; they are not keypoints, so they stay faint."""
    if not seen[skeleton.SHOULDERS].all():
        return
    (left, right), radius = points[skeleton.SHOULDERS], 0.045 * scale
    middle, down = (left + right) / 2, np.array((0.0, 0.5 * scale))
    hips = 0.62
    corners = [left, right, middle + (right - middle) * hips + down, middle + (left - middle) * hips + down]
    draw.polygon([tuple(p) for p in np.array(corners).tolist()], palette.TORSO)
    draw.line([tuple(p) for p in (left, right)], palette.TORSO, round(2 * radius))
    for x, y in (left, right):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), palette.TORSO)
    if seen[skeleton.EARS].all():
        draw.line((*middle, *points[skeleton.EARS].mean(axis=0)), palette.TORSO, round(0.10 * scale))


def _draw_head(draw: ImageDraw.ImageDraw, points: np.ndarray, seen: np.ndarray, scale: float) -> None:
    left, right = points[skeleton.EARS]
    centre, across = (left + right) / 2, (left - right) / 2
    # Seen from the side the ears coincide; the head keeps a minimum width.
    length = max(float(np.linalg.norm(across)), 1e-6)
    across *= max(1.0, 0.06 * scale / length)
    up = 1.45 * np.array((across[1], -across[0]))
    if seen[skeleton.JAW].all():
        jaw = points[skeleton.JAW]
        angle = np.linspace(0.0, np.pi, 24)[:, None]
        outline = np.concatenate((jaw, centre + across * np.cos(angle) + up * np.sin(angle)))
    else:
        angle = np.linspace(0.0, 2 * np.pi, 48)[:, None]
        outline = centre + across * np.cos(angle) + up * np.sin(angle)
    draw.polygon([tuple(p) for p in outline.tolist()], palette.SKIN)
    radius = 0.007 * scale
    for x, y in points[skeleton.EYES][seen[skeleton.EYES]]:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), palette.FACE_INK)


def hand_image(
    positions: np.ndarray, confidence: np.ndarray, side: str, size: tuple[int, int], supersample: int = 3
) -> Image.Image:
    """One hand enlarged, with the visible part of the other hand."""
    hand = skeleton.HAND[side]
    seen = positions[hand][confidence[hand] > 0]
    if not len(seen):
        return Image.new("RGB", size, palette.INSET)
    low, high = seen[:, 1:].min(axis=0), seen[:, 1:].max(axis=0)
    # The scale is the same in every picture, so that a fist looks smaller than a flat hand.
    y, z = (low + high) / 2
    window = Window((float(y), float(z)), min(size) / _HAND_EXTENT, size)
    return render(positions, confidence, window, supersample=supersample, hand=side)
