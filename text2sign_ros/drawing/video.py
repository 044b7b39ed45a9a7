"""A video (MP4) of a clip: the body, both hands enlarged, the words beneath."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from text2sign_ros import palette
from text2sign_ros.clip import SignClip, write_whole
from text2sign_ros.drawing.captions import NOTICE, check, fit, font
from text2sign_ros.drawing.figure import BODY_CENTRE, BODY_EXTENT, Window, hand_image, render

_BODY, _HAND = 448, 200  # pixels
_SIZE = (_BODY + 2 * _HAND, _BODY + 56)


def video(clip: SignClip, captions: Sequence[tuple[str, int]], path: str | Path) -> None:
    """Write an MP4 (H.264, yuv420p) at the clip's frame rate: the body, both hands enlarged, the words beneath.

    Args:
        captions: (text, frames) in order; the frames add up to the clip's.
        path: the file, written whole or not at all.

    Raises:
        ClipError: the clip is empty, or the captions do not cover it.
    """
    check(clip, captions)
    encode(path, _frames(clip, captions), _SIZE, clip.fps)


def encode(path: str | Path, pictures: Iterable[Image.Image], size: tuple[int, int], fps: float) -> None:
    """Write pictures of ``size`` (width and height, both even) as MP4 (H.264, yuv420p), whole or not at all."""
    with write_whole(Path(path)) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        stream.codec_context.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode(None))


def _frames(clip: SignClip, captions: Sequence[tuple[str, int]]) -> Iterator[Image.Image]:
    start = 0
    for text, frames in captions:
        page = _page(text)
        span = slice(start, start + frames)
        for positions, confidence in zip(clip.positions[span], clip.confidence[span], strict=True):
            yield _frame(positions, confidence, page)
        start += frames


def _page(text: str) -> Image.Image:
    """The background that all frames of a caption share."""
    page = Image.new("RGB", _SIZE, palette.PAPER)
    draw = ImageDraw.Draw(page)
    middle = _SIZE[0] / 2
    draw.text((middle, _BODY + 18), fit(text, 26, _SIZE[0] - 24), palette.INK, font(26), "mm")
    draw.text((middle, _SIZE[1] - 9), NOTICE, palette.FAINT, font(12), "mm")
    return page


def _frame(positions: np.ndarray, confidence: np.ndarray, page: Image.Image) -> Image.Image:
    picture = page.copy()
    window = Window(BODY_CENTRE, _BODY / BODY_EXTENT, (_BODY, _BODY))
    picture.paste(render(positions, confidence, window, supersample=2), (_HAND, 0))
    for side, x in (("right", 0), ("left", _HAND + _BODY)):
        hand = hand_image(positions, confidence, side, (_HAND, _HAND), supersample=2)
        picture.paste(hand, (x, _BODY - _HAND))
    return picture
