"""The galt reader: trimmed, masked, mended labels, alternatives; on files made here and on the recordings."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from text2sign_ros import skeleton
from text2sign_ros.corpora import galt
from text2sign_ros.corpora.base import CorpusError, Kind
from text2sign_ros.corpora.galt_labels import MENDED, UNSUITABLE, Label, labels
from text2sign_ros.corpora.registry import READERS
from text2sign_ros.motion import kinematics

FOLDER = ROOT.parent / "shared" / "data" / "galt"
FPS, REST, SIGN = 30.0, 30, 45  # frames a second, and of rest before and after a sign
RIGHT, LEFT = skeleton.GROUPS["right_hand"], skeleton.GROUPS["left_hand"]


def body(raised: str = "right") -> np.ndarray:
    """(T, 25, 4) a body with shoulders 0.2 wide; between two rests one wrist goes up to the chest and back."""
    pose = np.zeros((2 * REST + SIGN, 25, 4))
    pose[:, :11, :2] = (0.5, 0.4 - 0.2 * galt.NOSE_HEIGHT)  # all of the head
    up = np.sin(np.pi * np.clip((np.arange(len(pose)) - REST) / SIGN, 0, 1))[:, None]
    for side, (shoulder, wrist, hip) in galt._ARM.items():
        x = 0.6 if side == "left" else 0.4
        pose[:, shoulder, :2], pose[:, shoulder + 2, :2], pose[:, hip, :2] = (x, 0.4), (x, 0.58), (x, 0.72)
        pose[:, wrist, :2] = np.array((x, 0.74)) + (up * (0, -0.26) if side == raised else 0)
    return pose


def hand(pose: np.ndarray, side: str) -> np.ndarray:
    """(T, 21, 3) a stretched hand at its wrist."""
    points = np.zeros((len(pose), 21, 3))
    points[..., :2] = pose[:, None, galt._ARM[side][1], :2]
    for finger in range(5):
        for joint in range(4):
            across = (finger - 2) * (0.012 if side == "right" else -0.012)
            points[:, 1 + 4 * finger + joint, :2] += (across, -0.02 * (joint + 1))
    return points


def write(folder: Path, *clips: tuple[str, str, str, np.ndarray, dict[str, np.ndarray]]) -> Path:
    """A corpus of (gloss, sense, flags, pose, hands)."""
    folder.mkdir()
    glosses, senses, flags, poses, hands = zip(*clips, strict=True)
    arrays = {
        "pose": np.concatenate(poses).astype(np.float16),
        "starts": np.cumsum([0, *map(len, poses)]),
        "fps": np.array(FPS),
        **{f"{side}_hand": np.concatenate([pair[side] for pair in hands]).astype(np.float16) for side in galt._ARM},
        **{name: np.array(column) for name, column in (("gloss", glosses), ("sense", senses), ("flags", flags))},
        "name": np.array([f"SG {gloss} {number}" for number, gloss in enumerate(glosses)]),
    }
    np.savez(folder / "signs-0.npz", **arrays)
    return folder


def both(pose: np.ndarray) -> dict[str, np.ndarray]:
    return {side: hand(pose, side) for side in galt._ARM}


def test_a_sign_is_trimmed_and_canonical(tmp_path: Path) -> None:
    (sign,) = galt.read(write(tmp_path / "galt", ("tea", "", "", body(), both(body()))), progress=False)
    assert (sign.text, sign.split, sign.signer, sign.licence) == ("tea", "train", "galt", "CC0")
    assert sign.unit is not None and (sign.unit.kind, sign.unit.alternative) == (Kind.SIGN, "")
    assert 0.6 * SIGN < len(sign.clip) * FPS / sign.clip.fps < SIGN + 10, "without the rests"
    nose = sign.clip.positions[:, skeleton.INDEX["nose"], 2]
    np.testing.assert_allclose(nose, skeleton.REST_POSE[skeleton.INDEX["nose"], 2], atol=0.01)
    lengths = np.linalg.norm(np.diff(sign.clip.positions[:, list(kinematics.CHAIN)], axis=2)[:, :, 0], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-4)
    assert (sign.clip.confidence == 1).all()
    off = sign.clip.positions[:, LEFT] - skeleton.REST_POSE[LEFT]
    assert np.abs(off).max() < 1e-5, "the arm that is never raised is at rest"


def test_a_left_handed_sign_is_mirrored(tmp_path: Path) -> None:
    folder = write(tmp_path / "galt", ("tea", "", "", body("left"), both(body("left"))))
    other = write(tmp_path / "other", ("tea", "", "", body(), both(body())))
    (left,), (right,) = galt.read(folder, progress=False), galt.read(other, progress=False)
    np.testing.assert_allclose(left.clip.positions, right.clip.positions, atol=2e-3)


def test_a_lost_hand_is_masked_and_so_is_the_other_one(tmp_path: Path) -> None:
    pose, middle = body(), REST + SIGN // 2
    hands = both(pose)
    hands["right"][middle : middle + 5] = np.nan
    wrong = both(pose)
    wrong["right"][middle : middle + 5] = wrong["left"][middle : middle + 5]
    folder = write(tmp_path / "galt", ("lost", "", "", pose, hands), ("wrong", "", "", pose, wrong))
    for sign in galt.read(folder, progress=False):
        masked = (sign.clip.confidence[:, RIGHT] == 0).all(axis=1)
        assert 4 <= masked.sum() <= 7, sign.text
        assert np.abs(np.diff(sign.clip.positions[:, RIGHT], axis=0)).max() < 0.06, "its shape goes on"


def test_jitter_goes_and_a_finger_that_bends_stays(tmp_path: Path) -> None:
    pose = body()
    still, upset = both(pose), both(pose)
    at = np.arange(len(pose))
    tip = slice(6, 9)  # of the index finger, which bends twice a second
    for hands in (still, upset):
        hands["right"][:, tip, 0] += 0.02 * np.sin(2 * np.pi * 2 * at / FPS)[:, None]
    noise = np.random.default_rng(0).normal(scale=0.004, size=(len(pose), 20, 3))
    upset["right"][:, 1:] += noise
    upset["right"][50, 1:] = 2 * upset["right"][50, :1] - upset["right"][50, 1:]  # upside down
    clips = [("a", "", "", pose, still), ("b", "", "", pose, upset)]
    smooth, mended = (sign.clip.positions for sign in galt.read(write(tmp_path / "galt", *clips), progress=False))
    shapes = [clip[:, RIGHT] - clip[:, RIGHT][:, :1] for clip in (smooth, mended)]
    assert np.linalg.norm(shapes[1] - shapes[0], axis=-1).max() < 0.08  # a hand upside down is 0.3 m off
    jerks = [np.abs(np.diff(shape, 2, axis=0)).mean() for shape in shapes]
    assert jerks[1] < 3 * jerks[0] + 0.002
    assert np.ptp(shapes[0][:, 8, 1]) > 0.02  # metres across: the finger still bends


def test_what_is_left_out_has_a_reason(tmp_path: Path) -> None:
    pose = body()
    hidden = both(pose)
    hidden["right"][REST : REST + SIGN // 2] = np.nan
    unseen = pose.copy()
    unseen[:, :] = np.nan
    folder = write(
        tmp_path / "galt",
        ("tea", "", "", pose, both(pose)),
        ("hidden", "", "", pose, hidden),
        ("still", "", "", body(""), both(body(""))),
        ("unseen", "", "", unseen, both(pose)),
        (min(UNSUITABLE), "", "", pose, both(pose)),
    )
    reasons = galt.left_out(folder, progress=False)
    assert [sign.text for sign in galt.read(folder, progress=False)] == ["tea"]
    assert [name.split()[1] for name in reasons] == ["hidden", "still", "unseen", min(UNSUITABLE)]
    for reason, words in zip(reasons.values(), ("right hand is seen", "no hand", "body", "suitable"), strict=True):
        assert words in reason


def test_labels_are_mended_and_alternatives_kept_apart() -> None:
    rows = [
        ("alert", "Inform", "alt", "a"),
        ("alert", "Person", "", "b"),
        ("bargin", "", "", "c"),
        ("bargain", "", "alt", "d"),
        ("attract", "", "", "e"),
        ("attract", "", "", "f"),
        ("attract", "", "variant", "g"),
        ("cold", "", "", "h"),
        ("cold virus", "", "alt", "i"),
        ("colon puncuation", "", "", "j"),
        ("can container", "", "", "k"),
    ]
    assert labels(*zip(*rows, strict=True)) == [
        Label("alert", "inform alt"),
        Label("alert", ""),
        Label("bargain", "other"),
        Label("bargain", ""),
        Label("attract", ""),
        Label("attract", "other"),
        Label("attract", "variant"),
        Label("cold", ""),
        Label("cold", "virus alt"),
        Label("colon punctuation", ""),
        Label("can container", ""),
    ]
    assert all(re.fullmatch("[a-z]+( [a-z]+)*", text) for text in MENDED.values())


def test_files_that_are_missing_or_damaged(tmp_path: Path) -> None:
    assert READERS["galt"] is galt
    with pytest.raises(CorpusError, match=r"has no signs-\*\.npz"):
        galt.read(tmp_path)
    (tmp_path / "signs-0.npz").write_bytes(b"nothing")
    with pytest.raises(CorpusError, match=r"signs-0\.npz is not a file of galt"):
        galt.read(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings of galt are not beside the repository")
def test_the_recordings() -> None:
    signs = galt.read(FOLDER, progress=False)
    reasons = galt.left_out(FOLDER, progress=False)
    assert len(signs) + len(reasons) == 1521 and len(signs) > 1440
    found = [sign.unit for sign in signs if sign.unit is not None]
    assert len({unit.label for unit in found}) > 1150 and len(found) > 1440
    assert max(Counter((unit.label, unit.alternative) for unit in found).values()) == 1
    assert all(re.fullmatch("[a-z]+( [a-z]+)*", unit.label) for unit in found)
    assert not {unit.label for unit in found} & UNSUITABLE
    assert {"hello", "please", "coffee", "apple", "book"} <= {unit.label for unit in found if not unit.alternative}
    hello = next(sign.clip for sign in signs if sign.unit and (sign.text, sign.unit.alternative) == ("hello", ""))
    wrist, nose = (hello.positions[:, skeleton.INDEX[name], 2] for name in ("right_wrist", "nose"))
    assert wrist.max() > nose.mean() - 0.05, "a salute: the hand goes up to the head"
