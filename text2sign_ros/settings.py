"""Settings read from YAML files into dataclasses: unknown and missing keys and values of the wrong type are errors."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from text2sign_ros.errors import Text2SignError

Kind = TypeVar("Kind")


class ConfigError(Text2SignError):
    """A configuration has an unknown key, a value of the wrong type or values that are incompatible."""


def read(kind: type[Kind], path: str | Path) -> Kind:
    """Read a YAML file.

    Args:
        kind: a dataclass, whose fields may be of type bool, int, float, str, dataclasses, ``tuple[X, ...]``,
            ``dict[str, X]`` and ``X | None``.

    Raises:
        ConfigError: the file is missing or not a YAML mapping; a key is unknown or missing; a value has the wrong type.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} can't be read as YAML: {error}") from error
    return build(kind, values, str(path))


def build(kind: type[Kind], values: Any, where: str) -> Kind:
    """A dataclass from a mapping, as ``read``.

    Args:
        where: what error messages call the mapping.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must be a mapping, not {type(values).__name__}")
    hints = typing.get_type_hints(kind)
    of_kind = dataclasses.fields(typing.cast(Any, kind))
    fields = {f.name: hints[f.name] for f in of_kind}
    for key in values:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}; known are {', '.join(fields)}")
    for f in of_kind:
        if f.name not in values and f.default is f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: {f.name} is missing")
    return kind(**{key: _value(fields[key], value, f"{where}: {key}") for key, value in values.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type, kind), value, where)
    if isinstance(kind, types.UnionType):  # the only union in use: X | None
        (known,) = (part for part in typing.get_args(kind) if part is not type(None))
        return None if value is None else _value(known, value, where)
    if typing.get_origin(kind) is tuple:  # the only one in use: tuple[X, ...]
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be a list, not {value!r}")
        return tuple(_value(typing.get_args(kind)[0], item, where) for item in value)
    if typing.get_origin(kind) is dict:
        if not (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
            raise ConfigError(f"{where} must be a mapping of names, not {value!r}")
        return {key: _value(typing.get_args(kind)[1], item, f"{where}: {key}") for key, item in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where} must be of type {kind.__name__}, not {value!r}")
    return value
