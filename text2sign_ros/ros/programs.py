"""The programs that are nodes: a signal ends them quietly even while they are importing their node."""

from __future__ import annotations

from importlib import import_module

from text2sign_ros.ros import signals


def signer() -> int:
    """Run the node `signer`; returns its exit code."""
    return _run("signer")


def player() -> int:
    """Run the node `player`; returns its exit code."""
    return _run("player")


def simulated_robot() -> int:
    """Run the node `simulated_robot`; returns its exit code."""
    return _run("simulated_robot")


def retarget() -> int:
    """Run the node `retarget`; returns its exit code."""
    return _run("retarget")


def viewer() -> int:
    """Run the node `viewer`; returns its exit code."""
    return _run("viewer")


def _run(name: str) -> int:
    signals.hold()
    return import_module(f"text2sign_ros.ros.{name}_node").main()
