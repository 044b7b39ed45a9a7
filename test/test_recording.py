"""joints.npz and the figures of tracking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from text2sign_ros.retarget.joint_path import JointLimits
from text2sign_ros.retarget.recording import JointLog, Recording, RecordingError, tracking, violations

JOINTS = ("shoulder", "elbow")
SECONDS = np.arange(0.0, 4.0, 0.01)
WANTED = np.stack((np.sin(3 * SECONDS), 0.5 * np.cos(2 * SECONDS)), axis=1)


@pytest.mark.parametrize("lag", [0.0, 0.013, 0.1])
def test_a_lag_is_found_and_does_not_count(lag: float) -> None:
    late = np.stack((np.sin(3 * (SECONDS - lag)), 0.5 * np.cos(2 * (SECONDS - lag))), axis=1)
    found = tracking(JOINTS, SECONDS[50:], late[50:], WANTED[50:])
    assert found.lag == pytest.approx(lag, abs=1e-3)
    assert found.rms < 0.01, "degrees"


def test_what_is_not_a_lag_counts_in_degrees() -> None:
    off = WANTED + np.radians([0.0, 2.0]) * np.sign(np.sin(40 * SECONDS))[:, None]
    found = tracking(JOINTS, SECONDS, off, WANTED)
    assert found.rms == pytest.approx(np.sqrt(2.0), rel=0.03)
    assert found.worst == ("elbow", pytest.approx(2.0, rel=0.03))


def test_the_file(tmp_path: Path) -> None:
    log = JointLog(JOINTS)
    for k, row in enumerate(WANTED):
        log.add(1_700_000_000_000_000_000 + k * 10_000_000, row + 0.001, row)
    log.recording().save(tmp_path / "joints.npz")
    read = Recording.load(tmp_path / "joints.npz")
    assert read.joints == JOINTS and len(read) == len(WANTED)
    assert read.stamps[1] - read.stamps[0] == 10_000_000 and read.stamps.dtype == np.int64
    np.testing.assert_allclose(read.positions, WANTED + 0.001, atol=1e-6)
    np.testing.assert_allclose(read.wanted, WANTED, atol=1e-6)
    found = read.tracking()
    assert found is not None and found.rms == pytest.approx(np.degrees(0.001), rel=0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["joints.npz"]


def test_an_empty_one_has_the_joints(tmp_path: Path) -> None:
    JointLog(JOINTS).recording().save(tmp_path / "joints.npz")
    read = Recording.load(tmp_path / "joints.npz")
    assert read.positions.shape == read.wanted.shape == (0, 2) and read.tracking() is None


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no array")
    np.savez(tmp_path / "other.npz", joints=np.array(JOINTS))
    short = Recording(JOINTS, np.zeros(3, np.int64), np.zeros((2, 2)), np.zeros((2, 2)))
    short.save(tmp_path / "short.npz")
    for name in ("text", "other", "short", "missing"):
        with pytest.raises(RecordingError, match=rf"{name}.npz is not a"):
            Recording.load(tmp_path / f"{name}.npz")


FREE = np.full(2, 1e9)
MOST = {"position": 1.0, "velocity": 3.0, "acceleration": 9.0, "jerk": 27.0}
"""Of the faster joint of ``WANTED``."""


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("kind", MOST)
def test_violations_are_what_exceeds_a_limit_and_nothing_else(kind: str, even: bool) -> None:
    seconds = SECONDS if even else np.cumsum(np.random.default_rng(0).choice([0.002, 0.004, 0.01, 0.02], 800))
    wanted = np.stack((np.sin(3 * seconds), 0.5 * np.cos(2 * seconds)), axis=1).astype(np.float32)
    stamps = np.rint(seconds * 1e9).astype(np.int64) + 1_700_000_000_000_000_000
    recording = Recording(JOINTS, stamps, wanted, wanted)
    for part, over in ((1.01, False), (0.85, True)):
        most = {name: part * most if name == kind else 1e9 for name, most in MOST.items()}
        rates = [np.full(2, most[name]) for name in ("velocity", "acceleration", "jerk")]
        limits = JointLimits(JOINTS, np.full(2, -most["position"]), np.full(2, most["position"]), *rates)
        found = violations(recording, limits)
        assert {name for name, count in found.items() if count} == ({kind} if over else set()), (part, found)


def test_a_leap_is_a_violation_and_a_jump_of_the_clock_is_none() -> None:
    stamps = np.arange(100) * 10_000_000 + 10**9
    wanted = np.zeros((100, 2), np.float32)
    wanted[50:] = 0.1
    limits = JointLimits(JOINTS, -FREE, FREE, *(np.full(2, most) for most in (3.0, 9.0, 27.0)))
    found = violations(Recording(JOINTS, stamps, wanted, wanted), limits)
    assert found["velocity"] == 1 and found["acceleration"] == 2 and found["jerk"] == 3
    for seconds in (-3, 3):
        jumped = stamps + (np.arange(100) >= 50) * seconds * 10**9
        assert not any(violations(Recording(JOINTS, jumped, wanted, wanted), limits).values())
    assert not any(violations(JointLog(JOINTS).recording(), limits).values()), "nothing was recorded"
