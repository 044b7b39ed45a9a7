"""SignClip and its files: what is saved comes back, what is broken is named."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros import holistic, palette, skeleton
from text2sign_ros.clip import ClipError, OtherLayoutError, SignClip, write_whole


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

    def coloured(picture, colours):
        return np.any([(picture == palette.rgb(colour)[::-1]).all(axis=-1) for colour in colours], axis=0)

    red, blue = ([coloured(p, palette.FINGERS[side]) for p in pictures] for side in ("left", "right"))

    height, width = pictures[0].shape[:2]
    (red_y, red_x), (blue_y, blue_x) = np.nonzero(red[0]), np.nonzero(blue[0])
    assert red_x.min() > width / 2 > blue_x.max() and red_y.min() > height / 2 and blue_y.max() < height - 1
    face_y = np.nonzero(coloured(pictures[0], [palette.GROUPS["face"]]))[0]
    assert face_y.min() > 0 and face_y.max() < height / 2
    assert blue[1].sum() > 0.9 * blue[0].sum() and red[1].sum() < 0.1 * red[0].sum()


def test_programs_for_mediapipe_find_their_points(tmp_path):
    """pose-format's own functions, which know MediaPipe Holistic by its names."""
    from pose_format import Pose
    from pose_format.utils import generic

    if not hasattr(generic, "detect_known_pose_format"):
        pytest.skip("this version of pose-format has no such functions")
    clip = SignClip(make_clip().positions, np.ones((5, 79)), 25)
    clip.save(tmp_path / "a.pose")
    pose = Pose.read((tmp_path / "a.pose").read_bytes())
    assert generic.detect_known_pose_format(pose) == "holistic"
    found = [pose.header.get_point_index(*shoulder) for shoulder in generic.pose_shoulders(pose.header)]
    found += generic.hands_indexes(pose.header)
    for side in ("left", "right"):
        found += [generic.get_body_hand_wrist_index(pose, side), generic.get_hand_wrist_index(pose, side)]
    names = ("right_shoulder", "left_shoulder", "left_middle_mcp", "right_middle_mcp")
    names += ("left_wrist", "left_hand_root", "right_wrist", "right_hand_root")
    image = np.stack((clip.positions[..., 1] + 0.8, 0.8 - clip.positions[..., 2], -clip.positions[..., 0]), axis=-1)
    for index, name in zip(found, names, strict=True):
        np.testing.assert_allclose(
            pose.body.data.data[:, 0, index], 1000 * image[:, skeleton.INDEX[name]], atol=1e-3, err_msg=name
        )
    # The form that corpora and models of sign language have: 8 points of the body, 128 of the face, 21 of each hand.
    assert [len(part.points) for part in generic.reduce_holistic(pose).header.components] == [8, 128, 21, 21]


def test_a_mirrored_point_of_the_face_is_the_other_sides():
    """By the map of MediaPipe's mesh onto its mirror image: what is ours on the left has its partner on the right."""
    names = skeleton.KEYPOINTS[skeleton.GROUPS["face"]]
    mesh = dict(zip(names, holistic.GROUPS["face"][1], strict=True))
    mirror = {"127": "356", "58": "288", "149": "378", "63": "293", "66": "296", "33": "263", "133": "362"}
    mirror |= {"61": "291", "39": "269", "37": "267", "84": "314"}
    for name in names:
        if "right" in name:
            assert mirror[mesh[name]] == mesh[name.replace("right", "left")], name
    assert len(set(mesh.values())) == 26


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
    with pytest.raises(OtherLayoutError, match="other keypoints"):
        SignClip.load(tmp_path / "a.npz")


def test_another_scale_is_refused(tmp_path):
    """As of a file of ours that another program has scaled: its metres would be wrong."""
    from pose_format import Pose

    make_clip().save(tmp_path / "a.pose")
    pose = Pose.read((tmp_path / "a.pose").read_bytes())
    pose.header.dimensions.width = 800
    with open(tmp_path / "b.pose", "wb") as file:
        pose.write(file)
    with pytest.raises(OtherLayoutError, match="another scale"):
        SignClip.load(tmp_path / "b.pose")


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
