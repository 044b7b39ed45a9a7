"""How a sign is named where several share a label: "alert" is the default, "alert (person)" another."""

from __future__ import annotations


def named(label: str, alternative: str) -> str:
    """The text that a model is conditioned on for a sign; ``alternative`` is "" for the default."""
    return f"{label} ({alternative})" if alternative else label


def parts(name: str) -> tuple[str, str]:
    """Label and alternative of a name made by ``named``; a label without brackets, as all are, comes back whole."""
    label, opened, rest = name.partition(" (")
    return (label, rest[:-1]) if opened and rest.endswith(")") else (name, "")
