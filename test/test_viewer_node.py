"""The node `viewer`: what it says, and its page in a real browser, from a typed text to a moving avatar."""

from __future__ import annotations

import io
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("viser", reason="viser comes with the extra viewer")

from conftest import Process

OUT = Path("out/viewer")
TEXT = " ".join(3 * ["hello coffee a b c f l r w y"])
SEEN = """() => {
    window.seen = [];
    setInterval(() => document.querySelectorAll("input:disabled, textarea:disabled").forEach(
        (field) => field.value && !window.seen.includes(field.value) && window.seen.push(field.value)), 50);
}"""
FLAGS = [
    *("--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_serves_until_a_signal_and_a_second_one_says_that_the_port_is_taken(
    run_node: Callable[..., Process],
) -> None:
    port = free_port()
    first = run_node("viewer", port=port)
    first.wait_for(f"ready: shows /signer/trajectory at http://127.0.0.1:{port}", 90.0)
    second = run_node("viewer", port=port)
    second.wait_for(f"127.0.0.1:{port}: .*choose another", 90.0)
    assert second.wait(30.0) == 1
    first.signal(signal.SIGTERM)
    assert first.wait(15.0) == 0
    assert not any("Traceback" in line for line in first.log + second.log)


def test_it_says_what_it_means_to_be_reached_by_others(run_node: Callable[..., Process]) -> None:
    process = run_node("viewer", port=free_port(), host="0.0.0.0")
    process.wait_for("no password and no encryption", 90.0)
    process.wait_for("ready: ")


@contextmanager
def browser(tmp_path: Path) -> Iterator[Any]:
    """A tab of headless Chromium with a profile of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright comes with the extra test")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            str(tmp_path / "profile"), executable_path=chromium, args=FLAGS, viewport={"width": 900, "height": 700}
        )
        context.set_default_timeout(120_000)
        yield context.new_page()
        context.close()


def figure(tab: Any, name: str) -> np.ndarray:
    """A picture of the page, kept in out/viewer/, without the panel at its right."""
    from PIL import Image

    data = tab.screenshot(timeout=120_000)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.png").write_bytes(data)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)[:, :550]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_in_a_browser_a_typed_text_is_signed_by_the_avatar(run_node: Callable[..., Process], tmp_path: Path) -> None:
    port = free_port()
    # Chromium draws on the processor here: the page gets fewer poses, and the signer sends further ahead.
    signer = run_node("signer", lead_time=6.0, start_delay=1.0)
    viewer = run_node("viewer", port=port, rate=8.0)
    signer.wait_for("ready: ", 90.0)
    viewer.wait_for("ready: ", 90.0)
    with browser(tmp_path) as tab:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("websocket", lambda socket: asked.append(socket.url))
        tab.goto(f"http://127.0.0.1:{port}/?fixedDpr=0.5")
        tab.get_by_text("Nobody who signs has validated").wait_for()
        typed = tab.locator("input:visible:enabled:not([type=checkbox])").first
        typed.wait_for()
        time.sleep(5.0)  # until the surfaces have come
        tab.evaluate(SEEN)  # in the page: from outside one is told seconds later, where the processor draws
        rest = figure(tab, "rest")
        typed.fill(TEXT)
        time.sleep(3.0)
        tab.get_by_role("button", name="Sign", exact=True).dispatch_event("click")
        moved, deadline = 0.0, time.monotonic() + 150.0
        while time.monotonic() < deadline and moved <= 0.01:
            changed = np.abs(figure(tab, "signing") - rest).max(axis=2) > 60
            moved = float(changed.mean())
        seen = tab.evaluate("() => window.seen")
        assert moved > 0.01, seen
        assert "sent" in seen
        assert {"hello", "coffee", *"ABCFLRWYabcflrwy"} & set(seen), seen
        places = {re.split(r"[/:]+", url)[1] for url in asked if not url.startswith(("data:", "blob:"))}
        assert places == {"127.0.0.1"}, asked
    viewer.check()
