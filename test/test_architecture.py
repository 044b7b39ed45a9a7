"""docs/architecture.md against the imports: what its table does not allow, what nobody uses, and cycles are errors."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter

import pytest
from conftest import ROOT

PACKAGE = ROOT / "text2sign_ros"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROOT_NAME, API = "root", "__init__"
Graph = dict[str, set[str]]


def _rows() -> list[list[str]]:
    """Cells of the table, code quotes taken off: name, what it is, what it imports, what else only it may import."""
    rows = [re.split(r" *\| *", line.strip("| ")) for line in PAGE.splitlines() if line.startswith("| `")]
    return [[cell.replace("`", "") for cell in row] for row in rows]


def _names(cell: str) -> set[str]:
    return set(filter(None, re.split(r"[, ]+", cell))) - {"–"}


ALLOWED: Graph = {name: _names(imported) for name, _, imported, _ in _rows()}
HEAVY = {name: _names(heavy) for name, _, _, heavy in _rows()}


def _root_modules() -> set[str]:
    """The modules that the row "root" names in brackets."""
    (row,) = (row for row in _rows() if row[0] == ROOT_NAME)
    return set(re.findall(r"\w+", row[1].partition("(")[2].partition(")")[0]))


ROOT_MODULES = _root_modules()


def _part(module: str) -> str:
    """The row that a dotted name below the package belongs to: its folder, its module, or "root"."""
    first = module.split(".")[1] if "." in module else API
    return ROOT_NAME if first in ROOT_MODULES else first


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def _imports(source: str) -> set[str]:
    """Dotted names that a source imports, wherever in it: in functions and under TYPE_CHECKING too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are absolute in this package"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _edges(sources: dict[str, str]) -> tuple[dict[tuple[str, str], list[str]], dict[str, set[str]]]:
    """(importing row, imported row) -> files, and row -> other packages it imports, of dotted name -> source."""
    edges: dict[tuple[str, str], list[str]] = defaultdict(list)
    others: dict[str, set[str]] = defaultdict(set)
    for name, source in sources.items():
        part = _part(name)
        for imported in _imports(source):
            top = imported.split(".")[0]
            if top != "text2sign_ros":
                others[part].add(top)
                continue
            # "from text2sign_ros import Signer" is of the API, "from text2sign_ros import skeleton" is of the module.
            target = _part(imported if _is_module(".".join(imported.split(".")[:2])) else top)
            if target != part:
                edges[part, target].append(name)
    return edges, others


def _sources() -> dict[str, str]:
    paths = PACKAGE.rglob("*.py")
    dotted = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path.read_text() for path, name in dotted.items()}


EDGES, OTHERS = _edges(_sources())


def _reaches(graph: Graph, start: str, goal: str) -> bool:
    return any(step == goal or _reaches(graph, step, goal) for step in graph[start])


def test_every_part_has_a_row() -> None:
    parts = {_part(name) for name in _sources()}
    assert parts == set(ALLOWED), f"docs/architecture.md and the folders differ: {sorted(parts ^ set(ALLOWED))}"


def test_no_import_that_the_page_does_not_allow() -> None:
    allowed = {(part, target) for part, targets in ALLOWED.items() for target in targets}
    wrong = {f"{part} -> {target}": sorted(set(files)) for (part, target), files in EDGES.items()
             if (part, target) not in allowed}  # fmt: skip
    assert not wrong, wrong


def test_no_arrow_that_no_import_uses() -> None:
    unused = {(part, target) for part, targets in ALLOWED.items() for target in targets} - set(EDGES)
    assert not unused, sorted(unused)


def test_no_cycle() -> None:
    """In the table, and so in the imports, which are all in it."""
    order = [*TopologicalSorter(ALLOWED).static_order()]  # raises CycleError
    assert order[0] == ROOT_NAME, "everything stands on it"


def test_the_diagram_is_the_table_without_detours() -> None:
    """An arrow that a chain of others implies is left out of the diagram, so that it can be read."""
    diagram = PAGE.partition("```mermaid")[2].partition("```")[0]
    drawn = {(API if a == "api" else a, b) for a, b in re.findall(r"(\w+) --> (\w+)", diagram)}
    needed = {
        (part, target)
        for part, targets in ALLOWED.items()
        for target in targets
        if not any(_reaches(ALLOWED, other, target) for other in targets - {target})
    }
    assert drawn == needed


@pytest.mark.parametrize("package", ["rclpy", "torch"])
def test_only_those_that_say_so_import(package: str) -> None:
    users = {part for part, others in OTHERS.items() if package in others}
    assert users == {part for part, names in HEAVY.items() if package in names}


def test_ros_messages_stay_where_rclpy_is() -> None:
    users = {part for part, others in OTHERS.items() if any(name.endswith(("_msgs", "_srvs")) for name in others)}
    assert users <= {part for part, names in HEAVY.items() if "rclpy" in names}


def test_the_test_sees_what_it_must() -> None:
    source = (
        "import text2sign_ros.motion.limits\n"
        "from typing import TYPE_CHECKING\n"
        "from text2sign_ros import Signer, skeleton\n"
        "if TYPE_CHECKING:\n    from text2sign_ros.ros import signer_node\n"
        "def f():\n    from text2sign_ros.training import train\n    import torch\n"
    )
    edges, others = _edges({"text2sign_ros.text.hidden": source})
    assert set(edges) == {("text", part) for part in ("motion", API, ROOT_NAME, "ros", "training")}
    assert "torch" in others["text"]
