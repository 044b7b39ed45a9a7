"""Parameters that were given to a node, in a file or by `-p`, and that it does not have: misspelt ones."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
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
    nearest = {name: _nearest(name, known, _MUCH_ALIKE if name in for_all else _ALIKE) for name in unknown}
    _warn(node, "parameters", {name: near for name, near in nearest.items() if near or name not in for_all})


def warn_of_unknown_qos(node: Node) -> None:
    """Log one warning that names each QoS override given to ``node`` alone that none of its topics has taken."""
    given = [name for name in node._parameter_overrides if name.startswith(_QOS)]
    unknown = sorted(name for name in given if not node.has_parameter(name))
    for_all = _given_to_all_nodes() if unknown else set()
    known = [name for name in node._parameters if name.startswith(_QOS)]
    _warn(node, "QoS overrides", {name: _nearest(name, known, _ALIKE) for name in unknown if name not in for_all})


def _nearest(name: str, known: Collection[str], alike: float) -> str:
    """The one of ``known`` that is most like ``name``; empty if none is."""
    return next(iter(get_close_matches(name, known, 1, alike)), "")


def _warn(node: Node, what: str, nearest: Mapping[str, str]) -> None:
    """Log the names that ``node`` does not have, each with the nearest that it has, if there are any."""
    if nearest:
        names = ", ".join(f"{name} (did you mean {near}?)" if near else name for name, near in nearest.items())
        node.get_logger().warning(f"{node.get_name()} has no such {what}, and ignores them: {names}")


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
