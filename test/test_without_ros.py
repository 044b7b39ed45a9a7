"""What is in ros/ needs rclpy, and what does not need it lies elsewhere and runs without it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "text2sign_ros"
FIRST = {"__init__", "environment", "log_folder", "programs", "signals", "view_demo"}
"""What has to be done before rclpy is imported or initialised, and what only starts nodes."""
_ROS = re.compile(r"rclpy|rcl_interfaces|\w+_(msgs|srvs)")


def imported(path: Path) -> set[str]:
    """Names of the modules that a module imports itself, at any place."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def imports_ros(path: Path) -> bool:
    """Whether a module itself imports rclpy or a ROS message."""
    return any(_ROS.fullmatch(name.split(".")[0]) for name in imported(path))


NEEDING = {f"text2sign_ros.ros.{path.stem}" for path in PACKAGE.glob("ros/*.py") if imports_ros(path)}
"""Modules of ros/ that import rclpy or a ROS message themselves."""


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("ros/*.py")), ids=lambda path: path.stem)
def test_what_is_in_ros_needs_rclpy(path: Path) -> None:
    assert (imports_ros(path) or bool(imported(path) & NEEDING)) != (path.stem in FIRST), (
        f"{path.name} needs no rclpy: wire/ is the place for it"
    )


@pytest.mark.parametrize("folder", ["wire", "motion", "text", "inference"])
def test_what_is_elsewhere_does_not_import_ros(folder: str) -> None:
    paths = sorted(PACKAGE.glob(f"{folder}/**/*.py"))
    assert len(paths) > 5 and not [path.name for path in paths if imports_ros(path)]


def test_wire_works_where_there_is_no_ros() -> None:
    """Nor does anything that it imports."""
    modules = [f"text2sign_ros.wire.{path.stem}" for path in PACKAGE.glob("wire/*.py") if path.stem != "__init__"]
    code = f"""
import importlib, sys
sys.modules["rclpy"] = None
for name in {modules!r}:
    importlib.import_module(name)
ours, messages = "text2sign_ros.ros", ("_msgs", "_srvs")
found = [name for name in sys.modules if name.startswith(ours) or name.split(".")[0].endswith(messages)]
assert not found, found
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
