"""Every program in examples/ runs as its docstring says, and does what it promises."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import ROOT, Companion, Process

from text2sign_ros import Bundle, SignClip, Signer

EXAMPLES = ROOT / "examples"
TEXT = "water please"


def _run(name: str, *arguments: str, timeout: float = 120.0) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def companion() -> Iterator[Companion]:
    made = Companion("reader_of_examples")
    yield made
    made.close()


@pytest.fixture(scope="module")
def signed(bundle: Path) -> SignClip:
    return Signer(bundle).sign(TEXT)


def test_each_is_listed_and_says_how_to_run_it() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    page = (EXAMPLES / "README.md").read_text()
    assert set(re.findall(r"\]\((\w+\.py)\)", page)) == names
    for name in names:
        assert f"python examples/{name}" in str(ast.get_docstring(ast.parse((EXAMPLES / name).read_text()))), name


def test_sign_to_file(tmp_path: Path, signed: SignClip) -> None:
    said = _run("sign_to_file.py", TEXT, "--out", str(tmp_path / "clip.npz"))
    clip = SignClip.load(tmp_path / "clip.npz")
    assert clip.positions.tobytes() == signed.positions.tobytes()
    assert f"{len(clip)} frames" in said


def test_subscriber(run_signer: Callable[..., Process], companion: Companion, signed: SignClip, tmp_path: Path) -> None:
    assert len((EXAMPLES / "subscriber.py").read_text().splitlines()) <= 30
    signer, said = run_signer(at_once=True), tmp_path / "said"
    signer.wait_for("ready")

    def chunks() -> list[tuple[float, int]]:
        """(begin, frames) of each."""
        lines = said.read_text().splitlines()
        return [
            (float(m[1]), int(m[2]))
            for m in (re.match(r"([\d.]+) s: (\d+) frames, right", line) for line in lines)
            if m
        ]

    with said.open("w") as file:
        example = subprocess.Popen([sys.executable, "-u", str(EXAMPLES / "subscriber.py")], stdout=file, cwd=ROOT)
    try:
        while not chunks():  # the signer may find the example seconds after everybody else did
            companion.say("a")
            signer.wait_for("signed|nobody saw it")
            time.sleep(1.0)
        before = len(chunks())
        companion.say(TEXT)
        companion.until(lambda: sum(frames for _, frames in chunks()[before:]) >= len(signed), "the whole text")
        example.send_signal(signal.SIGINT)
        assert example.wait(10.0) == 0
    finally:
        example.kill()
        example.wait()
    heard = chunks()[before:]
    assert sum(frames for _, frames in heard) == len(signed)
    for (begin, frames), (following, _) in pairwise(heard):
        assert abs(begin + frames / signed.fps - following) < 0.011, "stamps to the hundredth"


def test_client(run_signer: Callable[..., Process], signed: SignClip) -> None:
    pytest.importorskip("text2sign_ros.ros.client")
    run_signer().wait_for("ready")
    said = _run("client.py", TEXT)
    assert sum(map(int, re.findall(r"s: (\d+) frames$", said, re.MULTILINE))) == len(signed)
    assert re.search(r"^SUCCEEDED", said, re.MULTILINE)
    parts = re.findall(r"^frames (\d+) to (\d+): (\w+) (.*)$", said, re.MULTILINE)
    assert [text for _, _, kind, text in parts if kind == "sign"] == TEXT.split()
    assert parts[0][0] == "0" and int(parts[-1][1]) == len(signed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_train_on_own_clips(tmp_path: Path) -> None:
    pytest.importorskip("text2sign_ros.corpora.clips")
    said = _run("train_on_own_clips.py", "--work", str(tmp_path), timeout=800.0)
    clip = SignClip.load(tmp_path / "signed.npz")
    assert f"{len(clip)} frames by {tmp_path / 'bundle'}" in said
    bundle = Bundle.load(tmp_path / "bundle")
    assert bundle.name == "own" and clip.fps == bundle.fps
    assert len(clip) > 3 * 12, "two signs, a letter and the way back to rest"


def test_custom_backend(signed: SignClip) -> None:
    said = _run("custom_backend.py", TEXT)
    assert re.match(rf"onnxruntime CPUExecutionProvider, timed: {len(signed)} frames in 2 segments, [\d.]+ ms", said)
