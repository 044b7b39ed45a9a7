"""Progress bars: shown in a terminal, quiet in a log."""

from __future__ import annotations

import io
import re
import sys

import pytest
from conftest import ROOT

from text2sign_ros.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _written(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *, show: bool) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    bar = progress_bar(range(3), show=show, desc="counting")
    assert list(bar) == [0, 1, 2]
    bar.set_postfix(loss="1")
    by_hand = progress_bar(show=show, total=2, desc="by hand")
    by_hand.set_description("by hand")
    by_hand.update()
    by_hand.close()
    return stream.getvalue()


def test_it_is_shown_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written = _written(monkeypatch, Terminal(), show=True)
    assert "counting" in written and "3/3" in written and "by hand" in written


@pytest.mark.parametrize(("stream", "show"), [(io.StringIO(), True), (io.StringIO(), False), (Terminal(), False)])
def test_it_is_quiet_elsewhere(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, show: bool) -> None:
    assert _written(monkeypatch, stream, show=show) == ""


def test_nothing_else_uses_tqdm_directly() -> None:
    paths = [path for folder in ("text2sign_ros", "experiments", "examples") for path in (ROOT / folder).rglob("*.py")]
    users = [path.name for path in paths if re.search(r"^\s*(from|import) tqdm", path.read_text(), re.MULTILINE)]
    assert users == ["progress.py"]
