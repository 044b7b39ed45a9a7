"""Parameters that were given to a node, in a file or by `-p`, and that it does not have: misspelt ones."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any

import yaml
from rclpy.node import Node

_QOS = "qos_overrides."
_OF_EVERY_NODE = ("use_sim_time", "start_type_description_service")
_ALIKE, _MUCH_ALIKE = 0.6, 0.8  # as difflib measures it


def warn_of_unknown(node: Node, known: Collection[str]) -> None:
    """Log one warning that names each parameter given to ``node`` that is not in ``known``, and the nearest that is.

    What a parameters file gives to all nodes (`/**`) counts only if it is very much like one that the node has:
    otherwise it is meant for another node. QoS overrides are checked by ``warn_of_unknown_qos``, once the topics exist.
    """
    known = {*known, *_OF_EVERY_NODE}
    given = [name for name in node._parameter_overrides if not name.startswith(_QOS)]
    unknown = sorted({*given} - known)
    for_all = _given_to_all_nodes() if unknown else set()
    said = []
    for name in unknown:
        nearest = get_close_matches(name, known, 1, _MUCH_ALIKE if name in for_all else _ALIKE)
        if nearest or name not in for_all:
            said.append(f"{name} (did you mean {nearest[0]}?)" if nearest else name)
    if said:
        node.get_logger().warning(f"{node.get_name()} has no such parameters, and ignores them: {', '.join(said)}")


def warn_of_unknown_qos(node: Node) -> None:
    """Log one warning that names each QoS override given to ``node`` alone that none of its topics has taken."""
    given = [name for name in node._parameter_overrides if name.startswith(_QOS)]
    unknown = sorted(name for name in given if not node.has_parameter(name))
    if unknown and (unknown := [name for name in unknown if name not in _given_to_all_nodes()]):
        known = [name for name in node._parameters if name.startswith(_QOS)]
        said = [(name, get_close_matches(name, known, 1, _ALIKE)) for name in unknown]
        names = ", ".join(f"{name} (did you mean {near[0]}?)" if near else name for name, near in said)
        node.get_logger().warning(f"{node.get_name()} has no such QoS overrides, and ignores them: {names}")


def _given_to_all_nodes() -> set[str]:
    """Names of the parameters that this process's parameters files give to every node, in whichever namespace."""
    names: set[str] = set()
    for word, path in zip(sys.argv, sys.argv[1:], strict=False):
        if word == "--params-file":
            with open(path, encoding="utf-8") as file:  # rclpy has read it
                sections = yaml.safe_load(file)
            for node, section in sections.items():
                if node.rpartition("/")[2] in ("*", "**"):
                    names |= set(_flat(section.get("ros__parameters") or {}))
    return names


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of nested parameters."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
