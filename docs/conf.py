"""Sphinx: the pages of this folder, and an API reference from the docstrings; for `make docs` and for rosdoc2."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

import text2sign_ros


def _missing() -> set[str]:
    """Packages that a module imports and this machine need not have in order to build the reference."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(text2sign_ros.__file__).parent.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {top for name in names if find_spec(top := name.partition(".")[0]) is None}


project = "text2sign_ros"
author = copyright = "text2sign_ros contributors"
version = release = text2sign_ros.__version__

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


def _keep_colons(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Put back together what Napoleon takes for a type: all before a colon in the first line about a constant."""
    if what in ("attribute", "data", "property"):
        for number, line in enumerate(lines):
            if line.startswith(":type: "):
                lines[0] = f"{line.removeprefix(':type: ')}: {lines[0]}"
                del lines[number]


def _skip_fields(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out the fields of a NamedTuple ("Alias for field number 0"), which its docstring describes."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-skip-member", _skip_fields)
    # Not by the variable of that name, which rosdoc2 overwrites with the packages that package.xml requires.
    app.config.autodoc_mock_imports = sorted({*app.config.autodoc_mock_imports, *_missing()})
    app.connect("autodoc-process-docstring", _keep_colons, priority=600)  # after Napoleon's 500
