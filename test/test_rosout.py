"""What is logged on /rosout: the library at every severity, and not every text of a flood."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import rclpy.logging

from text2sign_ros.inference.engine import Outcome, Style, Utterance
from text2sign_ros.ros.rosout import capture_logs, forward
from text2sign_ros.wire.textlog import LINES, TextLog, quote

LIBRARY = logging.getLogger("text2sign_ros")
LIBRARY_CHILD = logging.getLogger("text2sign_ros.inference.backends")


def test_the_library_is_heard_at_every_severity(capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs(forward(rclpy.logging.get_logger("robot")), logging.DEBUG):
        for _ in range(2):
            LIBRARY_CHILD.warning("backend %s can't be used", "cuda")
            LIBRARY_CHILD.info("building engines")
            LIBRARY_CHILD.error("the disk is full")
            LIBRARY_CHILD.debug("not shown")
    LIBRARY_CHILD.warning("nobody listens any more")
    lines = [line for line in capfd.readouterr().err.splitlines() if "[robot]" in line]
    expected = ("[WARN] backend cuda can't be used", "[INFO] building engines", "[ERROR] the disk is full")
    assert [f"{line.split()[0]} {line.split(']: ')[1]}" for line in lines] == [*expected, *expected]


def test_progress_is_heard_and_nothing_stays_behind() -> None:
    heard: list[str] = []
    before = LIBRARY.level, list(LIBRARY.handlers)
    with capture_logs(lambda record: heard.append(record.getMessage()), logging.INFO):
        LIBRARY_CHILD.info("building")
        LIBRARY_CHILD.debug("a detail")
    assert heard == ["building"] and (LIBRARY.level, LIBRARY.handlers) == before


class Logger:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, severity: str) -> Callable[..., None]:
        return lambda message, **_: self.lines.append(f"{severity}: {message}")


def test_a_flood_of_texts_that_fail_is_summed_up() -> None:
    now, logger = 0.0, Logger()
    log = TextLog(logger, clock=lambda: now)
    for _ in range(10 * LINES):
        log.refused("a" * 1000, "it is too long")
    assert len(logger.lines) == LINES and max(map(len, logger.lines)) < 100
    now = 1.0
    log.refused("b", "it is too long")
    assert logger.lines[LINES:] == [
        f"warning: {9 * LINES} texts more ended unsigned or had warnings; /diagnostics counts them",
        "warning: 'b' is refused: it is too long",
    ]
    signed = Utterance("hello", Style(), outcome=Outcome.SIGNED)
    signed.frames = 50
    log.ended(signed, 25.0)
    assert logger.lines[-1].startswith("info: signed 'hello': frames 50"), "what goes well is always logged"


def test_a_text_is_quoted_on_one_line() -> None:
    assert quote("a\nb\x1b") == "'a\\nb\\x1b'"
    assert quote("a" * 61) == f"'{'a' * 59}…'"
