"""The demo command: its files, its refusals, and that it leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import av  # noqa: F401  the demo, which draws, needs it
import PIL  # noqa: F401  and this
import pytest
from conftest import Process

from text2sign_ros.clip import SignClip
from text2sign_ros.inference.signer import Signer

DEMO = "text2sign_ros.ros.demo"
TEXT = "hello Grace \U0001f642"


def _signers(parent: int) -> list[int]:
    """Signer nodes among the running processes that carry ``parent`` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = ((folder / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:
            continue
        if b"signer_node" in command and f"DEMO_TEST={parent}".encode() in environment:
            found.append(int(folder.name))
    return found


def test_results(run_module: Callable[..., Process], bundle: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    process = run_module(DEMO, TEXT, "--out", str(tmp_path / "out"), "--bundle", str(bundle))
    assert process.wait(60.0) == 0, process.log
    assert time.monotonic() - began < 20.0

    signer = Signer(bundle)
    timeline = signer.timeline(signer.plan(TEXT))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["text"] == TEXT
    assert summary["segments"] == [caption for caption, _ in timeline if caption]
    assert summary["frames"] == sum(frames for _, frames in timeline)
    assert summary["keypoints"] == 79 and summary["fps"] == signer.fps
    assert summary["gaps"] == 0 and summary["late_chunks"] == 0
    assert 0 < summary["first_chunk_ms"] <= summary["total_ms"]
    assert 0 < summary["real_time_factor"] < 1
    assert summary["backend"] == signer.backend and summary["steps"] == signer.steps
    assert summary["ros_distro"] in ("humble", "jazzy", "kilted", "lyrical", "rolling")
    assert summary["warnings"]
    clip = SignClip.load(tmp_path / "out" / "trajectory.npz")
    assert len(clip) == summary["frames"]
    assert (tmp_path / "out" / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    assert b"ftyp" in (tmp_path / "out" / "motion.mp4").read_bytes()[:16]


@pytest.mark.parametrize("text", ["", "你好", "a" * 120_000])
def test_refused_text_is_one_line(run_module: Callable[..., Process], bundle: Path, tmp_path: Path, text: str) -> None:
    process = run_module(DEMO, text, "--out", str(tmp_path / "out"), "--bundle", str(bundle))
    assert process.wait(30.0) == 1
    (line,) = process.log
    assert line.startswith("demo: ")
    assert not (tmp_path / "out").exists()


def test_broken_bundle_is_one_line(run_module: Callable[..., Process], tmp_path: Path) -> None:
    process = run_module(DEMO, "hello", "--out", str(tmp_path / "out"), "--bundle", str(tmp_path / "nothing"))
    assert process.wait(30.0) == 1
    assert "nothing" in process.log[0] and "Traceback" not in "\n".join(process.log)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_stopped_demo_leaves_no_process(
    run_module: Callable[..., Process], bundle: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    arguments = ("hello " * 200, "--out", str(tmp_path / "out"), "--bundle", str(bundle))
    process = run_module(DEMO, *arguments, env={"DEMO_TEST": str(os.getpid())})
    _until(lambda: _signers(os.getpid()), "the demo starts a node")
    time.sleep(2.0)
    process.signal(number)
    assert process.wait(timeout=30.0) == code
    _until(lambda: not _signers(os.getpid()), "the node ends with the demo")


def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
