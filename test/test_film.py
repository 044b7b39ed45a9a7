"""Pictures of a robot, its video and its contact sheet, as files of pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from text2sign_ros import palette
from text2sign_ros.clip import SignClip
from text2sign_ros.retarget import description, picture
from text2sign_ros.retarget.film import Caption, Signed, contact_sheet, video
from text2sign_ros.retarget.picture import Camera, PictureError
from text2sign_ros.retarget.recording import Recording, RecordingError
from text2sign_ros.skeleton import REST_POSE

GR3 = description.load("gr3")
JOINTS = GR3.controlled
BEGIN = 1_700_000_000 * 10**9


def raised(share: float) -> np.ndarray:
    """Both hands before the chest, or part of the way there."""
    to = dict.fromkeys(JOINTS, 0.0)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        to |= {f"{side}_shoulder_pitch_joint": -0.6, f"{side}_shoulder_roll_joint": sign * 0.1}
        to |= {f"{side}_elbow_pitch_joint": -1.6}
    rest = np.array([GR3.rest.get(name, 0.0) for name in JOINTS])
    return rest + share * (np.array([*to.values()]) - rest)


def recording(seconds: float = 0.4) -> Recording:
    """The hands go up."""
    stamps = BEGIN + np.arange(0, round(seconds * 1e9) + 1, 10_000_000, dtype=np.int64)
    rows = np.array([raised(share) for share in np.linspace(0, 1, len(stamps))], np.float32)
    return Recording(JOINTS, stamps, rows, rows)


def near(image: np.ndarray, colour: str) -> np.ndarray:
    """(h, w) which pixels are of a hue: their colours differ in brightness only."""
    pixels, wanted = image.astype(float), np.array(palette.rgb(colour), float)
    length = np.linalg.norm(pixels, axis=-1) * np.linalg.norm(wanted)
    return (pixels @ wanted > 0.995 * np.maximum(length, 1e-9)) & (pixels.max(axis=-1) > 40)


@pytest.fixture(scope="module")
def camera():
    with Camera(GR3, 240) as camera:
        yield camera


def test_the_front(camera: Camera) -> None:
    low, high = (camera.image(raised(share), "front") for share in (0.0, 1.0))
    assert low.shape == (240, 240, 3) and low.dtype == np.uint8
    assert tuple(low[0, 0]) == palette.rgb(palette.PAPER)
    drawn = np.any(low != 255, axis=-1)
    assert 0.15 < drawn.mean() < 0.6 and drawn[15:40, 100:140].any(), "the head is near the top, in the middle"
    for side, right_half in (("left", True), ("right", False)):
        index = palette.FINGERS[side][1]
        places = [np.argwhere(near(image, index)).mean(axis=0) for image in (low, high)]
        assert all((column > 120) == right_half for _, column in places), "the robot's left is on the right"
        assert places[1][0] < places[0][0] - 50, "the hand went up"


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hand_is_followed_and_its_fingers_have_their_colours(camera: Camera, side: str) -> None:
    for share in (0.5, 1.0):
        image = camera.image(raised(share), f"{side}_hand", 120)
        assert image.shape == (120, 120, 3)
        for colour in palette.FINGERS[side][1:]:  # the thumb is behind the others
            assert near(image, colour).sum() > 20, colour
        for colour in palette.FINGERS["right" if side == "left" else "left"]:
            assert near(image, colour).sum() < 20, colour


def test_without_opengl_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(picture.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(PictureError, match=r"neither EGL nor OSMesa.*libegl1.*libosmesa6"):
        Camera(GR3, 100)


@pytest.mark.parametrize("with_keypoints", [False, True])
def test_a_video(tmp_path: Path, with_keypoints: bool) -> None:
    clip = SignClip(np.tile(REST_POSE, (5, 1, 1)), np.ones((5, len(REST_POSE))), 25.0)
    signed = Signed(clip, BEGIN + 10**8) if with_keypoints else None
    video(GR3, recording(), tmp_path / "robot.mp4", captions=[Caption("hello", BEGIN, BEGIN + 10**9)], signed=signed)
    with av.open(str(tmp_path / "robot.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 25
    assert len(frames) == 11 and frames[0].shape == (504, 1120 if with_keypoints else 672, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["robot.mp4"]
    middle = frames[0].shape[1] // 2
    assert (frames[0][450:485, middle - 40 : middle + 40] < 128).any(), "the words"
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 2, "it moved"


def test_a_contact_sheet(tmp_path: Path) -> None:
    half = BEGIN + 2 * 10**8
    words = [Caption("hello", BEGIN, half), Caption("", half, half), Caption("you", half, BEGIN + 4 * 10**8)]
    contact_sheet(GR3, recording(), tmp_path / "sheet.png", captions=words)
    clip = SignClip(REST_POSE[None], np.ones((1, len(REST_POSE))), 25.0)
    contact_sheet(GR3, recording(), tmp_path / "both.png", captions=words, signed=Signed(clip, BEGIN))
    alone, both = (Image.open(tmp_path / f"{name}.png") for name in ("sheet", "both"))
    assert alone.width == both.width == 6 * 232 + 32 and both.height == alone.height + 232
    assert {path.name for path in tmp_path.iterdir()} == {"sheet.png", "both.png"}


def test_what_can_not_be_drawn(tmp_path: Path) -> None:
    whole = recording()
    empty = Recording(JOINTS, whole.stamps[:0], whole.positions[:0], whole.wanted[:0])
    other = replace(whole, joints=tuple(reversed(JOINTS)))
    for wrong, words in ((empty, "is empty"), (other, "other joints than those of gr3")):
        with pytest.raises(RecordingError, match=words):
            video(GR3, wrong, tmp_path / "robot.mp4")
    with pytest.raises(RecordingError, match="are their clocks the same"):
        contact_sheet(GR3, whole, tmp_path / "sheet.png", captions=[Caption("hello", 0, 10**9)])
    assert not [*tmp_path.iterdir()]
