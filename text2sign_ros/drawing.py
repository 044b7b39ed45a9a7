"""Pictures of signing: one frame, a contact sheet (PNG) and a video (MP4) of a stick figure with readable hands.

The signer is seen from the front without perspective: the signer's left is on the right of the picture. Arms and hands
are warm colours on the signer's left and cool ones on the right, each finger has its own; a palm is filled light when
it faces the viewer and dark when its back does. Nearer parts lie over farther ones. A keypoint of confidence 0 is not
drawn, nor is any line that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from text2sign_ros import skeleton
from text2sign_ros.clip import ClipError, SignClip, write_whole

NOTICE = "generated motion, not validated by signers"
"""Printed on every sheet and video of what the model made."""

_PAPER, _INSET, _INK, _FAINT = "#ffffff", "#f2f4f7", "#20242c", "#7a8290"
_TORSO, _SKIN, _FACE_INK = "#e6e9ee", "#f3e3d3", "#5b5148"
_ARM = {"left": "#b4563c", "right": "#3f6ea8"}
_PALM = {"left": ("#f9d5c3", "#c98a72"), "right": ("#cfe1f7", "#7b9cc6")}  # (palm, back) toward the viewer
_FINGER = {
    "left": ("#8c1d18", "#e8332a", "#f58216", "#d9a400", "#d6268f"),
    "right": ("#17337a", "#2b6bf3", "#12a5c4", "#1f9a4c", "#8a4fe0"),
}
_ARM_WIDTH, _FINGER_WIDTH, _FACE_WIDTH = 0.026, 0.0105, 0.006  # metres
_BODY_CENTRE, _BODY_EXTENT = (0.0, -0.165), 1.12  # metres: everything from the hair to the fingertips at rest
_HAND_EXTENT = 0.21  # metres across an inset; a stretched hand is 0.19 long


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
        name = skeleton.KEYPOINTS[b]
        side = "left" if name.startswith("left") else "right"
        hand = skeleton.GROUPS[f"{side}_hand"]
        if a >= hand.start and b < hand.stop and b >= hand.start:
            colour = _FINGER[side][(b - hand.start - 1) // 4]
            strokes.append(_Stroke(a, b, colour, _FINGER_WIDTH, side))
        elif (a, b) in skeleton.ARM_BONES:
            strokes.append(_Stroke(a, b, _ARM[side], _ARM_WIDTH, "arm"))
        elif skeleton.GROUPS["face"].start <= a < skeleton.GROUPS["face"].stop:
            strokes.append(_Stroke(a, b, _FACE_INK, _FACE_WIDTH, "face"))
    return tuple(strokes)


_STROKES = _strokes()
_ENDS = np.array([(s.a, s.b) for s in _STROKES])
_SHOULDERS = [skeleton.INDEX["left_shoulder"], skeleton.INDEX["right_shoulder"]]
_EARS = [skeleton.INDEX["left_ear"], skeleton.INDEX["right_ear"]]
_JAW = [i for i, name in enumerate(skeleton.KEYPOINTS) if "_jaw_" in name]  # right ear, chin, left ear
_EYES = [i for i, name in enumerate(skeleton.KEYPOINTS) if name in ("left_eye", "right_eye")]
_HANDS = {side: skeleton.GROUPS[f"{side}_hand"] for side in ("left", "right")}
# Root, thumb cmc and the four mcp joints: the outline of a palm.
_PALMS = {side: [hand.start + k for k in (0, 1, 5, 9, 13, 17)] for side, hand in _HANDS.items()}


@dataclass(frozen=True)
class _Window:
    """A rectangle of the signer's frontal plane and its size in pixels."""

    centre: tuple[float, float]  # y, z in metres
    scale: float  # pixels a metre
    size: tuple[int, int]  # pixels, width and height

    def enlarged(self, factor: int) -> _Window:
        return _Window(self.centre, self.scale * factor, (self.size[0] * factor, self.size[1] * factor))

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
    return np.asarray(_render(positions, confidence, _Window(_BODY_CENTRE, size / _BODY_EXTENT, (size, size))))


def contact_sheet(
    clip: SignClip,
    captions: Sequence[tuple[str, int]],
    path: str | Path,
    *,
    notice: str = NOTICE,
    columns: int | None = None,
) -> None:
    """Write a PNG with a few moments of every caption: the body, its active hands enlarged, the words, the time.

    Args:
        captions: (text, frames) in order; the frames add up to the clip's. An empty text is a pause and is left out.
        path: the file, written whole or not at all.
        notice: what the figure shows, printed at the foot.
        columns: pictures in a row; None chooses by their number.

    Raises:
        ClipError: the clip is empty, or the captions do not cover it.
    """
    groups = _moments(clip, captions)
    total = sum(len(frames) for _, frames in groups)
    columns = columns or min(9 if total > 12 else 6, max(3, total))
    rows = _rows(groups, columns)

    panel, inset, margin = 232, 148, 16
    window = _sheet_window(clip, [frame for _, frames in groups for frame in frames], panel - 4)
    picture = window.size[1]
    cell = picture + inset + 22 + 34 + 14  # picture, hands, time, words, gap
    sheet = Image.new("RGB", (columns * panel + 2 * margin, len(rows) * cell + 2 * margin + 26), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for r, row in enumerate(rows):
        left, top = margin, margin + r * cell
        for text, frames in row:
            for k, frame in enumerate(frames):
                x = left + k * panel
                positions, confidence = clip.positions[frame], clip.confidence[frame]
                sheet.paste(_render(positions, confidence, window), (x + 2, top))
                hands = [side for side in ("right", "left") if _active(positions, confidence, side)]
                for i, side in enumerate(hands):
                    width = (panel - 4) // len(hands)
                    hand = _hand_image(positions, confidence, side, (width - 4, inset))
                    sheet.paste(hand, (x + 4 + i * width, top + picture))
                time = f"{frame / clip.fps:.1f} s"
                draw.text((x + panel / 2, top + picture + inset + 11), time, _FAINT, _font(13), "mm")
            width = len(frames) * panel
            base = top + picture + inset + 22
            draw.line((left + 8, base, left + width - 8, base), _INK, 2)
            draw.text((left + width / 2, base + 18), _fit(text, 22, width - 16), _INK, _font(22), "mm")
            left += width
    length = f"{clip.duration:.1f} s, {len(clip)} frames"
    footer = f"{notice}   ·   {length}   ·   left hand warm colours (on the right), right hand cool"
    draw.text((margin, sheet.height - 22), _fit(footer, 14, sheet.width - 2 * margin), _FAINT, _font(14), "lm")
    with write_whole(Path(path)) as file:
        sheet.save(file, "PNG")


def video(clip: SignClip, captions: Sequence[tuple[str, int]], path: str | Path) -> None:
    """Write an MP4 (H.264, yuv420p) at the clip's frame rate: the body, both hands enlarged, the words beneath.

    Args:
        captions: (text, frames) in order; the frames add up to the clip's.
        path: the file, written whole or not at all.

    Raises:
        ClipError: the clip is empty, or the captions do not cover it.
    """
    import av

    _check(clip, captions)
    with write_whole(Path(path)) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(clip.fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = _VIDEO_SIZE[0], _VIDEO_SIZE[1], "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        stream.codec_context.thread_count = 1
        start = 0
        for text, frames in captions:
            page = _video_page(text)
            for positions, confidence in zip(
                clip.positions[start : start + frames], clip.confidence[start : start + frames], strict=True
            ):
                picture = _video_picture(positions, confidence, page)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
            start += frames
        container.mux(stream.encode(None))


_VIDEO_BODY, _VIDEO_HAND = 448, 200  # pixels
_VIDEO_SIZE = (_VIDEO_BODY + 2 * _VIDEO_HAND, _VIDEO_BODY + 56)


def _video_page(text: str) -> Image.Image:
    """What all frames of a caption share."""
    page = Image.new("RGB", _VIDEO_SIZE, _PAPER)
    draw = ImageDraw.Draw(page)
    middle = _VIDEO_SIZE[0] / 2
    draw.text((middle, _VIDEO_BODY + 18), _fit(text, 26, _VIDEO_SIZE[0] - 24), _INK, _font(26), "mm")
    draw.text((middle, _VIDEO_SIZE[1] - 9), NOTICE, _FAINT, _font(12), "mm")
    return page


def _video_picture(positions: np.ndarray, confidence: np.ndarray, page: Image.Image) -> Image.Image:
    picture = page.copy()
    window = _Window(_BODY_CENTRE, _VIDEO_BODY / _BODY_EXTENT, (_VIDEO_BODY, _VIDEO_BODY))
    picture.paste(_render(positions, confidence, window, supersample=2), (_VIDEO_HAND, 0))
    for side, x in (("right", 0), ("left", _VIDEO_HAND + _VIDEO_BODY)):
        hand = _hand_image(positions, confidence, side, (_VIDEO_HAND, _VIDEO_HAND), supersample=2)
        picture.paste(hand, (x, _VIDEO_BODY - _VIDEO_HAND))
    return picture


def _render(
    positions: np.ndarray,
    confidence: np.ndarray,
    window: _Window,
    *,
    supersample: int = 3,
    hand: str | None = None,
) -> Image.Image:
    """Draw what lies in ``window``; anti-aliased by drawing ``supersample`` times as large.

    With ``hand`` ("left" or "right") this is that hand's inset: no face, and the arms and the other hand faint.
    """
    large = window.enlarged(supersample)
    paper = _INSET if hand else _PAPER
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
    if not hand and seen[_EARS].all():
        items.append((positions[_EARS, 0].mean(), "head"))
    items.sort(key=lambda item: item[0])
    for _, item in items:
        if isinstance(item, _Stroke):
            colour = item.colour if hand in (None, item.part) else _faint(item.colour)
            width = max(item.width * large.scale, 1.6 * supersample)
            # A rim of paper tells a line from the ones that it crosses.
            rim = 0.0 if item.part == "face" else min(0.3 * width, 2.0 * supersample)
            _draw_bone(draw, points[item.a], points[item.b], colour, width, rim, paper)
        elif item == "head":
            _draw_head(draw, points, seen, large.scale)
        else:
            _draw_palm(draw, points[_PALMS[item]], item, faint=hand not in (None, item))
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
    mixed = 0.3 * np.array(ImageColor.getrgb(colour)) + 0.7 * np.array(ImageColor.getrgb(_INSET))
    return "#{:02x}{:02x}{:02x}".format(*mixed.astype(int))


def _draw_palm(draw: ImageDraw.ImageDraw, outline: np.ndarray, side: str, *, faint: bool) -> None:
    # Going round from the root over the thumb, a left palm turned to the viewer runs clockwise (image y is down).
    x, y = outline.T
    clockwise = float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) > 0
    facing = clockwise == (side == "left")
    colour = _PALM[side][0 if facing else 1]
    draw.polygon([tuple(p) for p in outline.tolist()], _faint(colour) if faint else colour)


def _draw_torso(draw: ImageDraw.ImageDraw, points: np.ndarray, seen: np.ndarray, scale: float) -> None:
    """A pale trunk and neck to see the arms against; not keypoints, so never darker than a hint."""
    if not seen[_SHOULDERS].all():
        return
    (left, right), radius = points[_SHOULDERS], 0.045 * scale
    middle, down = (left + right) / 2, np.array((0.0, 0.5 * scale))
    hips = 0.62
    corners = [left, right, middle + (right - middle) * hips + down, middle + (left - middle) * hips + down]
    draw.polygon([tuple(p) for p in np.array(corners).tolist()], _TORSO)
    draw.line([tuple(p) for p in (left, right)], _TORSO, round(2 * radius))
    for x, y in (left, right):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), _TORSO)
    if seen[_EARS].all():
        draw.line((*middle, *points[_EARS].mean(axis=0)), _TORSO, round(0.10 * scale))


def _draw_head(draw: ImageDraw.ImageDraw, points: np.ndarray, seen: np.ndarray, scale: float) -> None:
    left, right = points[_EARS]
    centre, across = (left + right) / 2, (left - right) / 2
    # Seen from the side the ears meet; a head keeps its width.
    length = max(float(np.linalg.norm(across)), 1e-6)
    across *= max(1.0, 0.06 * scale / length)
    up = 1.45 * np.array((across[1], -across[0]))
    if seen[_JAW].all():
        jaw = points[_JAW]
        angle = np.linspace(0.0, np.pi, 24)[:, None]
        outline = np.concatenate((jaw, centre + across * np.cos(angle) + up * np.sin(angle)))
    else:
        angle = np.linspace(0.0, 2 * np.pi, 48)[:, None]
        outline = centre + across * np.cos(angle) + up * np.sin(angle)
    draw.polygon([tuple(p) for p in outline.tolist()], _SKIN)
    radius = 0.007 * scale
    for x, y in points[_EYES][seen[_EYES]]:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), _FACE_INK)


def _hand_image(
    positions: np.ndarray, confidence: np.ndarray, side: str, size: tuple[int, int], supersample: int = 3
) -> Image.Image:
    """One hand enlarged, with whatever of the other hand is beside it."""
    hand = _HANDS[side]
    seen = positions[hand][confidence[hand] > 0]
    if not len(seen):
        return Image.new("RGB", size, _INSET)
    low, high = seen[:, 1:].min(axis=0), seen[:, 1:].max(axis=0)
    # The scale is the same in every picture, so that a fist looks smaller than a flat hand.
    y, z = (low + high) / 2
    window = _Window((float(y), float(z)), min(size) / _HAND_EXTENT, size)
    return _render(positions, confidence, window, supersample=supersample, hand=side)


def _active(positions: np.ndarray, confidence: np.ndarray, side: str) -> bool:
    """Whether a hand is seen and away from where it hangs at rest."""
    root = _HANDS[side].start
    return bool(confidence[root] > 0 and np.linalg.norm(positions[root] - skeleton.REST_POSE[root]) > 0.12)


def _sheet_window(clip: SignClip, frames: list[int], width: int) -> _Window:
    """One window for all pictures: from the hair to the waist, and as far as the hands reach."""
    top, bottom, across = 0.35, -0.40, 0.86
    for side, hand in _HANDS.items():
        for frame in frames:
            positions, confidence = clip.positions[frame], clip.confidence[frame]
            if _active(positions, confidence, side):
                seen = positions[hand][confidence[hand] > 0]
                across = max(across, 2 * float(np.abs(seen[:, 1]).max()) + 0.04)
                bottom = min(bottom, float(seen[:, 2].min()) - 0.02)
                top = max(top, float(seen[:, 2].max()) + 0.02)
    bottom, top, across = max(bottom, -0.75), min(top, 0.6), min(across, 1.2)
    scale = width / across
    return _Window((0.0, (top + bottom) / 2), scale, (width, round(scale * (top - bottom))))


def _check(clip: SignClip, captions: Sequence[tuple[str, int]]) -> None:
    covered = sum(frames for _, frames in captions)
    if not len(clip):
        raise ClipError("the clip has no frames; there is nothing to draw")
    if covered != len(clip):
        raise ClipError(f"the captions cover {covered} frames and the clip has {len(clip)}; they must be equal")


def _moments(clip: SignClip, captions: Sequence[tuple[str, int]]) -> list[tuple[str, list[int]]]:
    """Frames to show under each caption: three, or one for every word and letter if there are more."""
    _check(clip, captions)
    if not any(text.strip() for text, _ in captions):
        captions = [("rest", len(clip))]
    groups, start = [], 0
    for text, frames in captions:
        if text.strip() and frames:
            count = min(frames, max(3, len(text.split())))
            groups.append((text, [start + int((k + 0.5) * frames / count) for k in range(count)]))
        start += frames
    return groups


def _rows(groups: list[tuple[str, list[int]]], columns: int) -> list[list[tuple[str, list[int]]]]:
    """Groups in rows of at most ``columns`` pictures; one that is longer than a row is continued on the next."""
    rows: list[list[tuple[str, list[int]]]] = [[]]
    room = columns
    for text, frames in groups:
        for part in _split(frames, columns):
            if len(part) > room:
                rows.append([])
                room = columns
            rows[-1].append((text, part))
            room -= len(part)
    return rows


def _split(frames: list[int], most: int) -> Iterator[list[int]]:
    for start in range(0, len(frames), most):
        yield frames[start : start + most]


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(text: str, size: int, width: float) -> str:
    """``text``, or as much of its beginning as ``width`` pixels hold."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
