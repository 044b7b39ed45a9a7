"""A contact sheet (PNG): a few moments of every caption of a clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from text2sign_ros import palette, skeleton
from text2sign_ros.clip import SignClip, write_whole
from text2sign_ros.drawing.captions import NOTICE, check, fit, font
from text2sign_ros.drawing.figure import Window, hand_image, render


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
        notice: what the figure shows, printed at the bottom.
        columns: pictures per row; None chooses by their number.

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
    sheet = Image.new("RGB", (columns * panel + 2 * margin, len(rows) * cell + 2 * margin + 26), palette.PAPER)
    draw = ImageDraw.Draw(sheet)
    for r, row in enumerate(rows):
        left, top = margin, margin + r * cell
        for text, frames in row:
            for k, frame in enumerate(frames):
                x = left + k * panel
                positions, confidence = clip.positions[frame], clip.confidence[frame]
                sheet.paste(render(positions, confidence, window), (x + 2, top))
                hands = [side for side in ("right", "left") if _active(positions, confidence, side)]
                for i, side in enumerate(hands):
                    width = (panel - 4) // len(hands)
                    hand = hand_image(positions, confidence, side, (width - 4, inset))
                    sheet.paste(hand, (x + 4 + i * width, top + picture))
                time = f"{frame / clip.fps:.1f} s"
                draw.text((x + panel / 2, top + picture + inset + 11), time, palette.FAINT, font(13), "mm")
            width = len(frames) * panel
            base = top + picture + inset + 22
            draw.line((left + 8, base, left + width - 8, base), palette.INK, 2)
            draw.text((left + width / 2, base + 18), fit(text, 22, width - 16), palette.INK, font(22), "mm")
            left += width
    length = f"{clip.duration:.1f} s, {len(clip)} frames"
    footer = f"{notice}   ·   {length}   ·   left hand warm colours (on the right), right hand cool"
    draw.text((margin, sheet.height - 22), fit(footer, 14, sheet.width - 2 * margin), palette.FAINT, font(14), "lm")
    with write_whole(Path(path)) as file:
        sheet.save(file, "PNG")


def _active(positions: np.ndarray, confidence: np.ndarray, side: str) -> bool:
    """Whether a hand is visible and away from its rest position."""
    root = skeleton.HAND[side].start
    return bool(confidence[root] > 0 and np.linalg.norm(positions[root] - skeleton.REST_POSE[root]) > 0.12)


def _sheet_window(clip: SignClip, frames: list[int], width: int) -> Window:
    """One window for all pictures: from the hair to the waist, extended to where the hands reach."""
    top, bottom, across = 0.35, -0.40, 0.86
    for side, hand in skeleton.HAND.items():
        for frame in frames:
            positions, confidence = clip.positions[frame], clip.confidence[frame]
            if _active(positions, confidence, side):
                seen = positions[hand][confidence[hand] > 0]
                across = max(across, 2 * float(np.abs(seen[:, 1]).max()) + 0.04)
                bottom = min(bottom, float(seen[:, 2].min()) - 0.02)
                top = max(top, float(seen[:, 2].max()) + 0.02)
    bottom, top, across = max(bottom, -0.75), min(top, 0.6), min(across, 1.2)
    scale = width / across
    return Window((0.0, (top + bottom) / 2), scale, (width, round(scale * (top - bottom))))


def _moments(clip: SignClip, captions: Sequence[tuple[str, int]]) -> list[tuple[str, list[int]]]:
    """Frames to show for each caption: three, or one for each word and letter if there are more."""
    check(clip, captions)
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
    """Groups in rows of at most ``columns`` pictures; a group longer than a row continues on the next."""
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
