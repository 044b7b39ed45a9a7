"""Published keypoints become metres: scale, depth, gaps, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
from published import motion

from text2sign_ros import skeleton
from text2sign_ros.corpora.base import CorpusError, Depth, Recording
from text2sign_ros.corpora.lifting import LIFTS, example, lift
from text2sign_ros.motion import kinematics

HAND = skeleton.HAND["right"]


def _recording(
    depth: Depth, positions: np.ndarray | None = None, seen: np.ndarray | None = None, **changed
) -> Recording:
    """The motion in another unit and at another place, with the depth that such a source has."""
    points = motion() if positions is None else positions.copy()
    if depth == Depth.NONE:
        points[..., 0] = 0
    elif depth == Depth.UNSIGNED:
        points[..., 0] = _unsigned(points)
    points = 250 * points + (7.0, 300.0, -200.0)
    seen = np.ones(points.shape[:2]) if seen is None else seen
    options = {
        "name": "a",
        "text": "hello",
        "gloss": "",
        "signer": "",
        "block": "b",
        "split": "train",
        "fps": 25.0,
    } | changed
    return Recording(points=points, confidence=seen, depth=depth, **options)


def _unsigned(points: np.ndarray) -> np.ndarray:
    """x that grows along every bone."""
    x = points[..., 0].copy()
    for parent, child in skeleton.ARM_BONES + skeleton.HAND_BONES:
        x[:, child] = x[:, parent] + np.abs(points[:, child, 0] - points[:, parent, 0])
    return x


@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("how", LIFTS)
def test_bones_are_canonical_and_the_picture_stays(depth: Depth, how: str) -> None:
    clip = lift(_recording(depth), how)
    lengths = kinematics.bone_lengths(clip.positions)
    np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-5)
    wrist = skeleton.INDEX["right_wrist"]
    if how == "geometric":
        assert np.abs(clip.positions[:, wrist, 1:] - motion()[:, wrist, 1:]).max() < 0.03
    else:
        arms = [skeleton.INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("elbow", "wrist")]
        np.testing.assert_allclose(clip.positions[:, [*arms, *range(37, 79)], 0], 0, atol=1e-6)


@pytest.mark.parametrize("depth", [Depth.NONE, Depth.UNSIGNED])
@pytest.mark.parametrize("facing", [1, -1])
def test_fingers_bend_to_the_side_of_the_palm(depth: Depth, facing: int) -> None:
    """Also where the back of the hand is seen: then away from the viewer, whatever the sign of depth in the file."""
    positions = motion()
    if facing < 0:  # turned about the vertical through the wrist
        wrist = positions[:, HAND.start : HAND.start + 1]
        positions[:, HAND] = wrist + (positions[:, HAND] - wrist) * (-1.0, -1.0, 1.0)
    clip = lift(_recording(depth, positions))
    for finger in range(1, 5):
        knuckle, tip = HAND.start + 1 + 4 * finger, HAND.start + 4 + 4 * finger
        ahead = clip.positions[:, tip, 0] - clip.positions[:, knuckle, 0]
        assert (facing * ahead > 0.01).all(), (finger, ahead)


def test_an_arm_that_looks_short_points_to_the_viewer() -> None:
    positions = motion()
    shoulder, elbow, wrist = (skeleton.INDEX[f"left_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
    hand = skeleton.HAND["left"]
    straight = np.linspace(0.0, 0.9, len(positions))  # share of the forearm's length that points forward
    forearm = skeleton.FOREARM * np.stack((straight, 0 * straight, -np.sqrt(1 - straight**2)), axis=1)
    moved = positions[:, elbow] + forearm - positions[:, wrist]
    positions[:, [wrist, *range(hand.start, hand.stop)]] += moved[:, None]
    clip = lift(_recording(Depth.NONE, positions))
    along = clip.positions[:, wrist, 0] - clip.positions[:, elbow, 0]
    np.testing.assert_allclose(along[-3:], forearm[-3:, 0], atol=0.03)
    assert (np.diff(along) > -0.002).all()
    assert shoulder == skeleton.SHOULDERS[0]


def test_the_head_turns() -> None:
    angle = np.radians(25)
    turn = np.array(((np.cos(angle), -np.sin(angle), 0), (np.sin(angle), np.cos(angle), 0), (0, 0, 1)))
    positions = motion()
    head = [*range(5), *range(11, 37)]
    nose = positions[:, :1]
    positions[:, head] = nose + (positions[:, head] - nose) @ turn.T
    clip = lift(_recording(Depth.NONE, positions))
    left, right = (clip.positions[:, ear] for ear in skeleton.EARS)
    found = np.degrees(np.arctan2(-(left - right)[:, 0], (left - right)[:, 1]))
    np.testing.assert_allclose(found, 25, atol=4)
    np.testing.assert_allclose(clip.positions[:, head, 1:], positions[:, head, 1:], atol=1e-3)


def test_what_is_missing_stays_missing_and_does_not_pull() -> None:
    whole, seen = motion(), np.ones((12, 79), np.float32)
    seen[4:7, HAND], seen[:, skeleton.INDEX["nose"]], seen[:, 11:37], seen[5] = 0.0, 0.0, 0.0, 0.0
    seen[8, HAND.start + 8] = 0.03  # guessed
    clip = lift(_recording(Depth.NONE, seen=seen))
    np.testing.assert_array_equal(clip.confidence, seen)
    assert np.isfinite(clip.positions).all()
    assert np.linalg.norm(np.diff(clip.positions, axis=0), axis=-1).max() < 0.12
    assert np.abs(clip.positions[5, HAND.start, 1:] - whole[5, HAND.start, 1:]).max() < 0.05


def test_shoulders_never_seen() -> None:
    seen = np.ones((12, 79))
    seen[::2, skeleton.SHOULDERS[0]] = seen[1::2, skeleton.SHOULDERS[1]] = 0
    with pytest.raises(CorpusError, match="its shoulders are never seen together"):
        lift(_recording(Depth.NONE, seen=seen))
    with pytest.raises(CorpusError, match="there is no lift 'magic'; known are geometric, flat"):
        lift(_recording(Depth.NONE), "magic")


def test_examples_say_how_they_got_their_depth() -> None:
    made = example(_recording(Depth.NONE, fps=50.0), "flat", "films", "CC0")
    assert (made.source, made.licence, made.clip.fps, len(made.clip)) == ("films; depth: flat", "CC0", 25.0, 6)
    assert example(_recording(Depth.FULL), "flat", "films", "").source == "films"
    with pytest.raises(CorpusError, match="it has one frame"):
        example(_recording(Depth.NONE, motion()[:1]), "flat", "films", "")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"points": np.zeros((3, 50, 3))}, r"shape \(3, 50, 3\)"),
        ({"points": np.zeros((0, 79, 3)), "confidence": np.zeros((0, 79))}, r"shape \(0, 79, 3\)"),
        ({"confidence": np.zeros((3, 78))}, "its confidence has shape"),
        ({"points": np.full((3, 79, 3), np.nan)}, "not finite"),
        ({"confidence": np.full((3, 79), 1.1)}, "outside 0 to 1"),
        ({"fps": 0.0}, "frame rate"),
    ],
)
def test_a_recording_that_is_none(changed: dict, named: str) -> None:
    good = {"name": "a", "text": "b", "gloss": "", "signer": "", "block": "", "split": "train", "fps": 25.0}
    good |= {"points": np.zeros((3, 79, 3)), "confidence": np.ones((3, 79)), "depth": Depth.FULL}
    with pytest.raises(CorpusError, match=f"'a' can't be used: .*{named}"):
        Recording(**(good | changed))
