"""SignClip and its files: what is saved comes back, what is broken is named."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import palette, skeleton
from text2sign_ros.clip import ClipError, SignClip, write_whole


def make_clip(frames: int = 5, fps: float = 25.0, seed: int = 0) -> SignClip:
    """Random, so that no two numbers can be mistaken for each other."""
    random = np.random.default_rng(seed)
    positions = skeleton.REST_POSE + random.normal(0, 0.3, (frames, 79, 3))
    confidence = random.uniform(0.1, 1, (frames, 79)) * (random.random((frames, 79)) > 0.2)
    return SignClip(positions, confidence, fps)


def test_a_clip_is_float32_and_knows_its_length():
    clip = make_clip(50)
    assert clip.positions.dtype == clip.confidence.dtype == np.float32
    assert len(clip) == 50 and clip.duration == 2.0


@pytest.mark.parametrize(
    ("positions", "confidence", "fps", "message"),
    [
        (np.zeros((4, 78, 3)), np.ones((4, 78)), 25, "79"),
        (np.zeros((79, 3)), np.ones(79), 25, "79"),
        (np.zeros((4, 79, 3)), np.ones((3, 79)), 25, "confidence"),
        (np.full((4, 79, 3), np.nan), np.ones((4, 79)), 25, "finite"),
        (np.zeros((4, 79, 3)), np.full((4, 79), np.inf), 25, "finite"),
        (np.zeros((4, 79, 3)), np.ones((4, 79)), 0, "fps"),
        (np.zeros((4, 79, 3)), np.ones((4, 79)), float("nan"), "fps"),
    ],
)
def test_wrong_arrays_are_refused(positions, confidence, fps, message):
    with pytest.raises(ClipError, match=message):
        SignClip(positions, confidence, fps)


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(0, 12), fps=st.sampled_from([12.5, 25.0, 29.97, 60.0]), seed=st.integers(0, 1000))
def test_save_and_load_round_trip(frames, fps, seed, tmp_path_factory):
    clip, folder = make_clip(frames, fps, seed), tmp_path_factory.mktemp("clips")
    clip.save(folder / "a.npz")
    same = SignClip.load(folder / "a.npz")
    assert np.array_equal(same.positions, clip.positions) and same.fps == fps
    assert np.array_equal(same.confidence, clip.confidence)

    clip.save(folder / "a.pose")
    near, seen = SignClip.load(folder / "a.pose"), clip.confidence > 0
    np.testing.assert_allclose(near.positions[seen], clip.positions[seen], atol=1e-6)
    assert not near.positions[~seen].any(), "what was not seen has no place"
    assert np.array_equal(near.confidence, clip.confidence)
    assert near.fps == pytest.approx(fps, rel=1e-6)


def test_npz_has_the_documented_arrays(tmp_path):
    make_clip().save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        assert set(data) == {"positions", "confidence", "fps", "keypoints"}
        assert tuple(data["keypoints"]) == skeleton.KEYPOINTS


def test_pose_format_draws_the_figure(tmp_path):
    """Upright, within the picture, the signer's left on the right, the nearer hand over the farther one."""
    pytest.importorskip("cv2", reason="pose-format draws with OpenCV")
    from pose_format import Pose
    from pose_format.pose_visualizer import PoseVisualizer

    left, right = skeleton.GROUPS["left_hand"], skeleton.GROUPS["right_hand"]
    positions = np.repeat(skeleton.REST_POSE[None], 2, axis=0)
    positions[1, right] = positions[1, left] + np.float32([0.1, 0, 0])  # nearer to the viewer
    SignClip(positions, np.ones((2, 79)), 25).save(tmp_path / "a.pose")
    pictures = list(PoseVisualizer(Pose.read((tmp_path / "a.pose").read_bytes())).draw())
    red, blue = ([(p[..., c].astype(int) - p[..., 2 - c] > 100) for p in pictures] for c in (2, 0))

    height, width = pictures[0].shape[:2]
    (red_y, red_x), (blue_y, blue_x) = np.nonzero(red[0]), np.nonzero(blue[0])
    assert red_x.min() > width / 2 > blue_x.max() and red_y.min() > height / 2 and blue_y.max() < height - 1
    face = palette.rgb(palette.GROUPS["face"])[::-1]
    face_y = np.nonzero((pictures[0] == face).all(axis=-1))[0]
    assert face_y.min() > 0 and face_y.max() < height / 2
    assert blue[1].sum() > 0.9 * blue[0].sum() and red[1].sum() < 0.1 * red[0].sum()


@pytest.mark.parametrize("suffix", [".npz", ".pose"])
def test_broken_files_are_named(tmp_path, suffix):
    path = tmp_path / f"broken{suffix}"
    with pytest.raises(ClipError, match=path.name):
        SignClip.load(path)
    make_clip().save(path)
    whole = path.read_bytes()
    for broken in (b"", b"nonsense", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(broken)
        with pytest.raises(ClipError, match=path.name):
            SignClip.load(path)


def test_other_keypoints_are_refused(tmp_path):
    clip, names = make_clip(), np.array(skeleton.KEYPOINTS[::-1])
    np.savez(tmp_path / "a.npz", positions=clip.positions, confidence=clip.confidence, fps=25.0, keypoints=names)
    with pytest.raises(ClipError, match="other keypoints"):
        SignClip.load(tmp_path / "a.npz")


def test_a_file_with_two_people_is_refused(tmp_path):
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody

    make_clip().save(tmp_path / "a.pose")
    pose = Pose.read((tmp_path / "a.pose").read_bytes())
    data, confidence = pose.body.data.filled(0), pose.body.confidence
    two = NumPyPoseBody(25.0, np.repeat(data, 2, axis=1), np.repeat(confidence, 2, axis=1))
    with open(tmp_path / "b.pose", "wb") as file:
        Pose(pose.header, two).write(file)
    with pytest.raises(ClipError, match="2 people"):
        SignClip.load(tmp_path / "b.pose")


def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ClipError, match=r"\.npz or \.pose"):
        make_clip().save(tmp_path / "new" / "a.bvh")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path: Path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), write_whole(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with write_whole(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_written_files_have_ordinary_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        with write_whole(tmp_path / "a.bin"):
            pass
    finally:
        os.umask(old)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o640


def test_a_pose_file_without_its_extra_is_not_called_broken(tmp_path, monkeypatch):
    make_clip().save(tmp_path / "a.pose")
    monkeypatch.setitem(sys.modules, "pose_format", None)
    with pytest.raises(ModuleNotFoundError, match="pose_format"):
        SignClip.load(tmp_path / "a.pose")
    with pytest.raises(ModuleNotFoundError, match="pose_format"):
        make_clip().save(tmp_path / "b.pose")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pose"]
