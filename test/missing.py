"""Tests that need a package which is not installed are skipped, and say so: on a robot there is no torch.

`make test` passes --complete: with everything installed, nothing may be skipped for that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from text2sign_ros.extras import MODULES

_OF_TESTS = {"catkin_pkg", "cuda", "cv2", "diffusers", "docutils", "hypothesis", "mcap", "mypy", "tensorrt_rtx"}
OPTIONAL = _OF_TESTS.union(*(MODULES[extra] for extra in ("files", "train", "bench", "robot", "robots")))
"""Modules that a machine which only signs does without."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--complete", action="store_true", help="a package that is missing fails tests instead of skipping"
    )
    if find_spec("pytest_timeout") is None:
        parser.addini("timeout", "of each test, where pytest-timeout is installed")


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): of one test, where pytest-timeout is installed")


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    _skip(report, report.call.excinfo, collector)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    outcome: Any = yield
    _skip(outcome.get_result(), call.excinfo, item)


def _skip(report: Any, raised: pytest.ExceptionInfo | None, node: pytest.Item | pytest.Collector) -> None:
    """Turn a failure for lack of a package into a skip."""
    if raised is None or not report.failed or node.config.getoption("complete"):
        return
    error: BaseException | None = raised.value
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in OPTIONAL:
            report.outcome = "skipped"
            report.longrepr = (str(node.path), 0, f"Skipped: {error.name} is not installed")
            return
        error = error.__cause__ or error.__context__
