"""A .pose file of ours in the web component `pose-viewer` (npm), in headless Chromium."""

from __future__ import annotations

import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from text2sign_ros import palette, skeleton
from text2sign_ros.clip import SignClip

VERSION = "1.2.0"
SIDE = 800
PAGE = f"""<!doctype html><body style="margin:0">
<script type="module" src="node_modules/pose-viewer/dist/pose-viewer/pose-viewer.esm.js"></script>
<pose-viewer src="rest.pose" width="{SIDE}px" height="{SIDE}px" background="white" loop></pose-viewer>
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the package in node_modules."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm on this machine")
    command = ("npm", "install", "--no-audit", "--no-fund", f"pose-viewer@{VERSION}")
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    if result.returncode:
        pytest.skip(f"npm can't install pose-viewer here: {result.stderr.strip().splitlines()[:1]}")
    return tmp_path


@pytest.mark.slow
def test_it_shows_the_figure(folder: Path, chromium: str) -> None:
    from PIL import Image

    positions = np.repeat(skeleton.REST_POSE[None], 50, axis=0)
    SignClip(positions, np.ones(positions.shape[:2]), 25).save(folder / "rest.pose")
    (folder / "index.html").write_text(PAGE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={SIDE},{SIDE}"]
        command += ["--virtual-time-budget=3000", f"--screenshot={folder / 'shot.png'}"]
        command += [f"http://127.0.0.1:{server.server_port}/index.html"]
        subprocess.run(command, capture_output=True, timeout=100, check=True)
    finally:
        server.shutdown()
        server.server_close()
    out = ROOT / "out" / "pose_viewer.png"  # to be looked at
    out.parent.mkdir(exist_ok=True)
    shutil.copyfile(folder / "shot.png", out)
    picture = np.asarray(Image.open(out).convert("RGB"))

    def places(colours: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) of the pixels of these colours, in metres of frame `signer`: to the signer's left, and up."""
        found = np.any([(picture == palette.rgb(colour)).all(axis=-1) for colour in colours], axis=0)
        y, x = np.nonzero(found)
        assert len(x) > 100, f"{len(x)} pixels of {colours}"
        return x * 1.6 / SIDE - 0.8, 0.8 - y * 1.6 / SIDE

    groups = {"face": (palette.GROUPS["face"],)} | {f"{side}_hand": palette.FINGERS[side] for side in ("left", "right")}
    for group, colours in groups.items():
        keypoints = skeleton.REST_POSE[skeleton.GROUPS[group]]
        for seen, axis in zip(places(colours), (1, 2), strict=True):
            assert abs(seen.min() - keypoints[:, axis].min()) < 0.03, group
            assert abs(seen.max() - keypoints[:, axis].max()) < 0.03, group
