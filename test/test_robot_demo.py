"""The robot's demo as a command, with its real nodes: the figures in summary.json, and the files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_text_is_signed_within_the_limits(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "text2sign_ros.ros.robot_demo", "--out", str(tmp_path), "hello water"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=840, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["limits_violated"] == {"position": 0, "velocity": 0, "acceleration": 0, "jerk": 0}
    assert summary["tracking"]["rms_deg"] <= 1.5 and summary["deepest_contact_mm"] <= 2.0, summary
    assert [text for text, _, _ in summary["segments"]] == ["hello", "water"]
    times = [time for _, begin, end in summary["segments"] for time in (begin, end)]
    assert times == sorted(times) and times[-1] - times[0] >= 0.9 * summary["duration_s"] - 1.0
    assert summary["frames"]["refused"] == 0 and summary["lag_s"]["median"] >= 0.4
    for name in ("robot.mp4", "sheet.png", "joints.npz"):
        assert (tmp_path / name).stat().st_size > 10_000, name
