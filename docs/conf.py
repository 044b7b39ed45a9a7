"""Sphinx: the pages of this folder, and an API reference from the docstrings; for `make docs` and for rosdoc2."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "text2sign_ros"
author = copyright = "text2sign_ros contributors"
version = release = ElementTree.parse(ROOT / "package.xml").findtext("version", "")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
if find_spec("sphinxcontrib.mermaid"):
    extensions.append("sphinxcontrib.mermaid")
    myst_fence_as_directive = ["mermaid"]
else:  # as with rosdoc2, since rosdep does not know it: diagrams are shown as their source
    suppress_warnings = ["misc.highlighting_failure"]
templates_path = ["_templates"]
html_theme = "sphinx_rtd_theme"

myst_heading_anchors = 3

autodoc_member_order = "bysource"
# What a machine need not have to build this.
_OPTIONAL = ("accelerate", "hri_msgs", "onnx", "onnxscript", "psutil", "rclpy", "scipy", "sklearn", "tensorrt", "torch")
autodoc_mock_imports = [name for name in _OPTIONAL if find_spec(name) is None]


def _keep_colons(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Put back together what Napoleon takes for a type: all before a colon in the first line about a constant."""
    if what in ("attribute", "data", "property"):
        for number, line in enumerate(lines):
            if line.startswith(":type: "):
                lines[0] = f"{line.removeprefix(':type: ')}: {lines[0]}"
                del lines[number]


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", _keep_colons, priority=600)  # after Napoleon's 500
