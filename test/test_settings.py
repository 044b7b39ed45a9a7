"""Settings from YAML: values of every kind that is used, and errors that name the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from text2sign_ros.settings import ConfigError, read


@dataclass(frozen=True)
class Inner:
    size: float
    name: str | None = None


@dataclass(frozen=True)
class Outer:
    inner: Inner
    parts: dict[str, Inner] = field(default_factory=dict)
    numbers: tuple[float, ...] = ()


def _read(folder: Path, text: str) -> Outer:
    path = folder / "outer.yaml"
    path.write_text(text)
    return read(Outer, path)


def test_nested_values(tmp_path: Path) -> None:
    text = "inner: {size: 1}\nparts: {a: {size: 2.5, name: b}, c: {size: 3, name: null}}\nnumbers: [1, 2.5]\n"
    assert _read(tmp_path, text) == Outer(Inner(1.0), {"a": Inner(2.5, "b"), "c": Inner(3.0)}, (1.0, 2.5))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("inner: {size: 1, colour: 2}", "inner: unknown key 'colour'; known are size, name"),
        ("inner: {}", "inner: size is missing"),
        ("inner: {size: large}", "inner: size must be of type float, not 'large'"),
        ("inner: {size: 1, name: 3}", "inner: name must be of type str, not 3"),
        ("inner: {size: 1}\nparts: {a: {size: true}}", "parts: a: size must be of type float, not True"),
        ("inner: {size: 1}\nparts: {1: {size: 1}}", "parts must be a mapping of names"),
        ("inner: {size: 1}\nparts: [a]", "parts must be a mapping of names"),
        ("inner: {size: 1}\nnumbers: 3", "numbers must be a list, not 3"),
        ("- 1", "must be a mapping, not list"),
        ("inner: [", "can't be read as YAML"),
    ],
)
def test_an_error_names_the_key(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, text)
    assert named in str(caught.value) and "outer.yaml" in str(caught.value)
