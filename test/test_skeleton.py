"""The table of keypoints: counts, order, symmetry, proportions."""

import numpy as np
import pytest

from text2sign_ros import skeleton

PUBLISHED = (
    *range(11),
    *(23, 26, 29, 33, 36, 39, 41, 43, 46, 48, 53, 56, 59, 62, 65, 68, *range(71, 78), 79, 80, 81),
    *range(91, 133),
)
REST = skeleton.REST_POSE


def length(a: str, b: str) -> float:
    return float(np.linalg.norm(REST[skeleton.INDEX[a]] - REST[skeleton.INDEX[b]]))


def test_the_79_are_the_published_subset_of_coco_wholebody():
    assert skeleton.NUM_KEYPOINTS == 79 == len(set(skeleton.KEYPOINTS))
    assert skeleton.COCO_WHOLEBODY == PUBLISHED


def test_groups_follow_each_other_and_cover_everything():
    sizes = [(name, group.stop - group.start) for name, group in skeleton.GROUPS.items()]
    assert sizes == [("body", 11), ("face", 26), ("left_hand", 21), ("right_hand", 21)]
    assert [i for group in skeleton.GROUPS.values() for i in range(group.start, group.stop)] == list(range(79))
    for side in ("left", "right"):
        assert all(name.startswith(f"{side}_") for name in skeleton.KEYPOINTS[skeleton.GROUPS[f"{side}_hand"]])


def test_rest_pose_is_the_same_on_both_sides():
    assert REST.shape == (79, 3) and REST.dtype == np.float32
    for name, i in skeleton.INDEX.items():
        if "left" in name:
            right = REST[skeleton.INDEX[name.replace("left", "right")]]
            np.testing.assert_allclose(REST[i], right * (1, -1, 1), atol=1e-6, err_msg=name)
            # A hanging hand may turn inward, but nothing crosses to the other side.
            assert REST[i, 1] > 0, name
        elif "right" not in name:
            assert REST[i, 1] == 0, name


def test_rest_pose_has_the_proportions_of_a_person():
    assert length("left_shoulder", "right_shoulder") == pytest.approx(skeleton.SHOULDER_WIDTH)
    np.testing.assert_allclose(REST[[5, 6]].mean(axis=0), 0, atol=1e-7)
    assert length("left_shoulder", "left_elbow") == pytest.approx(skeleton.UPPER_ARM)
    assert length("left_elbow", "left_wrist") == pytest.approx(skeleton.FOREARM)
    assert 0.16 < length("left_hand_root", "left_middle_tip") < 0.20
    for a, b in skeleton.HAND_BONES:
        assert 0.012 < np.linalg.norm(REST[a] - REST[b]) < 0.10, (skeleton.KEYPOINTS[a], skeleton.KEYPOINTS[b])
    assert (REST[skeleton.GROUPS["left_hand"], 2] < REST[skeleton.INDEX["left_elbow"], 2]).all(), "hands hang"
    assert (REST[skeleton.GROUPS["face"], 2] > 0.1).all(), "the face is above the shoulders"


def test_rest_pose_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        REST[0] = 1


def test_bones_reach_every_keypoint_once_and_parents_come_first():
    assert len({frozenset(bone) for bone in skeleton.BONES}) == len(skeleton.BONES)
    assert {i for bone in skeleton.BONES for i in bone} == set(range(79))
    for bones in (skeleton.ARM_BONES, skeleton.HAND_BONES):
        known = {a for a, _ in bones} - {b for _, b in bones}
        for a, b in bones:
            assert a in known and b not in known
            known.add(b)
    assert len(skeleton.ARM_BONES) == 6 and len(skeleton.HAND_BONES) == 40
