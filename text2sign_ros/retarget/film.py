"""A video and a contact sheet of what a robot did, with the keypoints that it was to follow beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from text2sign_ros import palette
from text2sign_ros.clip import SignClip, write_whole
from text2sign_ros.drawing.captions import NOTICE, fit, font
from text2sign_ros.drawing.figure import frame_image
from text2sign_ros.drawing.video import encode
from text2sign_ros.retarget.description import RobotDescription
from text2sign_ros.retarget.picture import Camera
from text2sign_ros.retarget.recording import Recording, RecordingError
from text2sign_ros.skeleton import NUM_KEYPOINTS, REST_POSE

_FOOTER = f"{NOTICE}; simulated robot, its joints as achieved"
_BODY, _HAND = 448, 224  # pixels, in a video
_LINES = 56  # pixels for the words beneath
_CELL, _INSET = 232, 116  # pixels, in a contact sheet
_MOMENTS = 3  # of each caption
_COLUMNS = 9


@dataclass(frozen=True)
class Caption:
    """What was signed from one stamp to another, nanoseconds of the recording's clock."""

    text: str
    begin: int
    end: int


@dataclass(frozen=True)
class Signed:
    """The motion that the robot was to follow: a clip, and the stamp of its first frame, nanoseconds."""

    clip: SignClip
    stamp: int

    def picture(self, stamp: int, size: int) -> Image.Image:
        """The figure at a time; at rest before and after the clip."""
        frame = round((stamp - self.stamp) * 1e-9 * self.clip.fps)
        if 0 <= frame < len(self.clip):
            return Image.fromarray(frame_image(self.clip.positions[frame], self.clip.confidence[frame], size))
        return Image.fromarray(frame_image(REST_POSE, np.ones(NUM_KEYPOINTS), size))


def video(
    description: RobotDescription,
    recording: Recording,
    path: str | Path,
    *,
    captions: Sequence[Caption] = (),
    signed: Signed | None = None,
    fps: float = 25.0,
) -> None:
    """Write an MP4 of a recording: the keypoints if there are any, the robot, both its hands enlarged, the words.

    Args:
        path: the file, written whole or not at all.

    Raises:
        RecordingError: the recording is empty, or of another robot.
        ConfigError, PictureError: as ``Camera``.
    """
    _check(description, recording)
    size = (_BODY * (1 + (signed is not None)) + _HAND, _BODY + _LINES)
    stamps = np.arange(recording.stamps[0], recording.stamps[-1] + 1, round(1e9 / fps))

    def pictures() -> Iterator[Image.Image]:
        for stamp, joints in zip(stamps.tolist(), _at(recording, stamps), strict=True):
            page = Image.new("RGB", size, palette.PAPER)
            left = 0
            if signed is not None:
                page.paste(signed.picture(stamp, _BODY), (0, 0))
                left = _BODY
            page.paste(Image.fromarray(camera.image(joints, "front")), (left, 0))
            for row, view in enumerate(("left_hand", "right_hand")):
                page.paste(Image.fromarray(camera.image(joints, view, _HAND)), (left + _BODY, row * _HAND))
            draw = ImageDraw.Draw(page)
            text = next((c.text for c in captions if c.begin <= stamp < c.end), "")
            draw.text((size[0] / 2, _BODY + 18), fit(text, 26, size[0] - 24), palette.INK, font(26), "mm")
            draw.text((size[0] / 2, size[1] - 9), fit(_FOOTER, 12, size[0] - 8), palette.FAINT, font(12), "mm")
            yield page

    with Camera(description, _BODY) as camera:
        encode(path, pictures(), size, fps)


def contact_sheet(
    description: RobotDescription,
    recording: Recording,
    path: str | Path,
    *,
    captions: Sequence[Caption],
    signed: Signed | None = None,
) -> None:
    """Write a PNG with three moments of every caption: the keypoints if there are any, the robot, its hands, the words.

    Args:
        captions: those without words are pauses, and left out.
        path: the file, written whole or not at all.

    Raises:
        RecordingError: the recording is empty, of another robot, or has nothing of any caption.
        ConfigError, PictureError: as ``Camera``.
    """
    _check(description, recording)
    shown = [c for c in captions if c.text.strip() and _begins_in(recording, c)]
    if not shown:
        raise RecordingError("the recording has nothing of any caption; are their clocks the same?")
    cell = _CELL * (1 + (signed is not None)) + _INSET + 22 + 34 + 14  # pictures, hands, time, words, gap
    per_row = _COLUMNS // _MOMENTS
    columns, rows = min(len(shown), per_row) * _MOMENTS, -(-len(shown) // per_row)
    margin = 16
    sheet = Image.new("RGB", (columns * _CELL + 2 * margin, rows * cell + 2 * margin + 26), palette.PAPER)
    draw = ImageDraw.Draw(sheet)
    with Camera(description, _CELL) as camera:
        for number, caption in enumerate(shown):
            left, top = margin + number % per_row * _MOMENTS * _CELL, margin + number // per_row * cell
            parts = np.arange(1, 2 * _MOMENTS, 2, dtype=np.int64)
            stamps = caption.begin + parts * (caption.end - caption.begin) // (2 * _MOMENTS)
            for k, (stamp, joints) in enumerate(zip(stamps.tolist(), _at(recording, stamps), strict=True)):
                x, y = left + k * _CELL, top
                if signed is not None:
                    sheet.paste(signed.picture(stamp, _CELL - 4), (x + 2, y))
                    y += _CELL
                sheet.paste(Image.fromarray(camera.image(joints, "front", _CELL - 4)), (x + 2, y))
                for side, view in enumerate(("right_hand", "left_hand")):
                    hand = camera.image(joints, view, _INSET - 4)
                    sheet.paste(Image.fromarray(hand), (x + 2 + side * _INSET, y + _CELL))
                time = f"{(stamp - recording.stamps[0]) * 1e-9:.1f} s"
                draw.text((x + _CELL / 2, y + _CELL + _INSET + 11), time, palette.FAINT, font(13), "mm")
            base, width = top + cell - 34 - 14, _MOMENTS * _CELL
            draw.line((left + 8, base, left + width - 8, base), palette.INK, 2)
            draw.text((left + width / 2, base + 18), fit(caption.text, 22, width - 16), palette.INK, font(22), "mm")
    footer = f"{_FOOTER}   ·   {description.name}   ·   left hand warm colours (on the right), right hand cool"
    draw.text((margin, sheet.height - 22), fit(footer, 14, sheet.width - 2 * margin), palette.FAINT, font(14), "lm")
    with write_whole(Path(path)) as file:
        sheet.save(file, "PNG")


def _begins_in(recording: Recording, caption: Caption) -> bool:
    return bool(recording.stamps[0] <= caption.begin <= recording.stamps[-1])


def _check(description: RobotDescription, recording: Recording) -> None:
    if recording.joints != description.controlled:
        raise RecordingError(f"the recording is of other joints than those of {description.name}")
    if not len(recording):
        raise RecordingError("the recording is empty; there is nothing to draw")


def _at(recording: Recording, stamps: np.ndarray) -> np.ndarray:
    """(N, n) rad, as achieved at ``stamps``, or at the nearest before or after."""
    since = (recording.stamps - recording.stamps[0]).astype(float)
    at = (stamps - recording.stamps[0]).astype(float)
    return np.stack([np.interp(at, since, column) for column in recording.positions.T], axis=1)
