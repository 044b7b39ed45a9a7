"""The web page without a browser: where it is served, what it sends of a pose, what it does with what is typed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("viser", reason="viser comes with the extra viewer")

from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.viewer.page import NOTICE, Page, PageError, is_loopback


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def asked() -> list[str]:
    return []


@pytest.fixture(scope="module")
def page(asked: list[str]) -> Iterator[Page]:
    def ask(what: str) -> str:
        asked.append(what)
        return "sent"

    page = Page("127.0.0.1", free_port(), ask, ask)
    yield page
    page.close()


def test_it_is_served_on_this_machine_only(page: Page) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=5.0) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert page.viewers == 0
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("192.168.1.7") and not is_loopback("robot")


def test_a_taken_port_is_said_so(page: Page) -> None:
    with pytest.raises(PageError, match=rf"127\.0\.0\.1:{page.port}: .*choose another"):
        Page("127.0.0.1", page.port, str, str)
    with pytest.raises(PageError, match="can't serve on"):
        Page("192.0.2.1", free_port(), str, str)


def test_only_bones_that_moved_are_sent(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    queue = type(page._server.scene)._queue_scene_message
    monkeypatch.setattr(
        type(page._server.scene),
        "_queue_scene_message",
        lambda self, message: (sent.append(type(message).__name__), queue(self, message))[1],
    )
    page._draw(REST_POSE)
    sent.clear()
    page._draw(REST_POSE)
    assert not sent
    moved = REST_POSE.astype(float)
    moved[[INDEX["right_elbow"], INDEX["right_wrist"], *range(58, 79)]] += (0.05, 0.0, 0.05)
    page._draw(moved)
    assert {"SetBoneOrientationMessage", "SetBonePositionMessage"} <= set(sent)
    assert np.isfinite(np.array([*page._sent.values()])).all()


def test_what_others_wrote_is_shown_as_plain_text(page: Page) -> None:
    """The server renders markdown as a program (MDX): only the page's own words are given to that."""
    page.say("**hello** {alert(1)} <script>", "x" * 10_000)
    assert page._caption.value == "**hello** {alert(1)} <script>"
    assert len(page._status.value) == 200
    assert "validated" in NOTICE
