"""Pictures: the right things at the right places in the right colours, and files that others can open."""

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor

from text2sign_ros import drawing, palette, skeleton
from text2sign_ros.clip import ClipError, SignClip
from text2sign_ros.drawing.figure import BODY_CENTRE
from text2sign_ros.drawing.sheet import _moments
from text2sign_ros.drawing.video import _BODY

SIZE = 400
SEEN = np.ones(79, np.float32)
LEFT, RIGHT = skeleton.GROUPS["left_hand"], skeleton.GROUPS["right_hand"]


def where(picture: np.ndarray, colour: str) -> np.ndarray:
    """(n, 2) row and column of the pixels of exactly this colour."""
    return np.argwhere((picture == ImageColor.getrgb(colour)).all(axis=-1))


def still(frames: int, fps: float = 25.0) -> SignClip:
    """A raised right hand, held."""
    positions = np.repeat(skeleton.REST_POSE[None], frames, axis=0)
    positions[:, RIGHT] += np.float32([0.1, 0, 0.6])
    return SignClip(positions, np.ones((frames, 79)), fps)


def test_the_viewer_sees_the_signers_left_on_the_right():
    picture = drawing.frame_image(skeleton.REST_POSE, SEEN, SIZE)
    assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
    assert (where(picture, palette.ARM["left"])[:, 1] > SIZE / 2).all()
    assert (where(picture, palette.ARM["right"])[:, 1] < SIZE / 2).all()
    face, arms = where(picture, palette.SKIN)[:, 0], where(picture, palette.ARM["left"])[:, 0]
    assert face.mean() < arms.min() < arms.mean()


def test_every_finger_of_a_spread_hand_has_a_colour_of_its_own():
    positions = skeleton.REST_POSE.copy()
    for hand, side in ((LEFT, 1), (RIGHT, -1)):
        for finger in range(5):
            for k in range(4):
                angle, r = np.radians(30 + 30 * finger), 0.05 + 0.04 * k
                positions[hand.start + 1 + 4 * finger + k] = (0.2, side * 0.25 + r * np.cos(angle), r * np.sin(angle))
        positions[hand.start] = (0.2, side * 0.25, 0)
    picture = drawing.frame_image(positions, SEEN, SIZE)
    colours = [colour for side in ("left", "right") for colour in palette.FINGERS[side]]
    assert len(set(colours)) == 10
    for colour in colours:
        assert len(where(picture, colour)) > 20, colour


@pytest.mark.parametrize(("nearer", "farther"), [("left", "right"), ("right", "left")])
def test_nearer_lines_lie_over_farther_ones(nearer, farther):
    """Both forearms cross in front of the chest; the crossing shows the nearer."""
    positions = np.tile(np.float32([-1, 0, -0.5]), (79, 1))
    crossing = np.zeros(79, np.float32)
    for side, y, x in ((nearer, 0.1, 0.3), (farther, -0.1, 0.1)):
        for joint, sign in (("elbow", 1), ("wrist", -1)):
            i = skeleton.INDEX[f"{side}_{joint}"]
            positions[i], crossing[i] = (x, sign * y, sign * 0.1 + BODY_CENTRE[1]), 1
    picture = drawing.frame_image(positions, crossing, SIZE)
    assert tuple(picture[SIZE // 2, SIZE // 2]) == ImageColor.getrgb(palette.ARM[nearer])
    assert len(where(picture, palette.ARM[farther])) > 20


def test_unobserved_keypoints_are_not_drawn():
    assert (drawing.frame_image(skeleton.REST_POSE, np.zeros(79), SIZE) == 255).all()
    confidence = SEEN.copy()
    confidence[LEFT] = 0
    picture = drawing.frame_image(still(1).positions[0], confidence, SIZE)
    assert all(len(where(picture, colour)) == 0 for colour in palette.FINGERS["left"])
    assert sum(len(where(picture, colour)) for colour in palette.FINGERS["right"]) > 20


def test_a_palm_is_lighter_than_the_back_of_a_hand():
    flat = skeleton.REST_POSE.copy()
    flat[RIGHT, 1] = skeleton.REST_POSE[RIGHT, 0]  # turned by a quarter: the thumb points to the signer's left
    flat[RIGHT, 2] += 0.6
    turned = flat.copy()
    turned[RIGHT, 1] *= -1
    palms = [len(where(drawing.frame_image(p, SEEN, SIZE), palette.PALM["right"][0])) for p in (flat, turned)]
    backs = [len(where(drawing.frame_image(p, SEEN, SIZE), palette.PALM["right"][1])) for p in (flat, turned)]
    # A right hand hanging with its thumb to the signer's left shows its back.
    assert palms[0] == 0 < backs[0] and backs[1] == 0 < palms[1]


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "hello", "thank you", "g r a c e", "please"]), st.integers(0, 30)), min_size=1
    ).filter(lambda captions: sum(frames for _, frames in captions) > 0)
)
def test_moments_lie_within_their_captions_in_order(captions):
    clip = still(sum(frames for _, frames in captions))
    spans, start = [], 0
    for text, frames in captions:
        if text and frames:
            spans.append((text, range(start, start + frames)))
        start += frames
    moments = _moments(clip, captions)
    if not any(text for text, _ in captions):
        assert [text for text, _ in moments] == ["rest"]
        return
    assert [text for text, _ in moments] == [text for text, _ in spans]
    for (text, frames), (_, span) in zip(moments, spans, strict=True):
        assert frames == sorted(set(frames)) and set(frames) <= set(span)
        assert len(frames) == min(len(span), 5 if text == "g r a c e" else 3)


@pytest.mark.parametrize("words", [1, 2, 9, 30])
def test_a_contact_sheet_has_room_for_every_word(words, tmp_path):
    captions = [("", 5), *[("word", 10)] * words, ("", 5)]
    drawing.contact_sheet(still(10 + 10 * words), captions, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        picture = np.asarray(sheet)
    rows = -(-words // (3 if words > 4 else 2))
    assert 300 * rows < picture.shape[0] < 550 * rows and picture.shape[1] <= 2200
    # The line over each word: as many stretches of ink as there are words.
    ink = (picture == ImageColor.getrgb(palette.INK)).all(axis=-1)
    lines = ink.sum(axis=1) > 400
    starts = np.flatnonzero(lines & ~np.roll(lines, 1))
    assert sum(int((ink[r] & ~np.roll(ink[r], 1)).sum()) for r in starts) == words


def test_a_long_spelling_is_continued_on_the_next_row(tmp_path):
    letters = " ".join("abcdefghijklmnopqrstu")
    drawing.contact_sheet(still(210), [(letters, 210)], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 3 * 300


def test_a_video_plays_at_the_clips_rate(tmp_path):
    drawing.video(still(20, fps=12.5), [("", 4), ("hello", 12), ("", 4)], tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 12.5)
    assert len(pictures) == 20
    caption = np.s_[_BODY : _BODY + 36]
    dark = [int((picture[caption] < 100).all(axis=-1).sum()) for picture in pictures]
    assert dark[:4] == [0] * 4 == dark[16:] and min(dark[4:16]) > 50


@pytest.mark.parametrize("make", [drawing.contact_sheet, drawing.video])
@pytest.mark.parametrize(("frames", "captions"), [(10, [("hello", 9)]), (10, []), (0, [])])
def test_captions_that_do_not_fit_are_refused(make, frames, captions, tmp_path):
    with pytest.raises(ClipError, match=r"captions cover|no frames"):
        make(still(frames), captions, tmp_path / "out")
    assert not list(tmp_path.iterdir())
