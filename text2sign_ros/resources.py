"""Where models/ and config/ are: in the source checkout, or installed in share/ (by colcon or pip)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from text2sign_ros.errors import Text2SignError


class ResourceError(Text2SignError):
    """The package's data folder can't be found."""


def share() -> Path:
    """Folder that holds ``models`` and ``config``.

    Raises:
        ResourceError: neither a source checkout nor an installed package is there.
    """
    prefixes = [path for path in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if path]
    places = [Path(__file__).resolve().parents[1]]
    places += [Path(prefix, "share", "text2sign_ros") for prefix in (*prefixes, sys.prefix)]
    for place in places:
        if (place / "models").is_dir() and (place / "config").is_dir():
            return place
    raise ResourceError(
        f"text2sign_ros finds no models in {', '.join(map(str, places))}; "
        "source the workspace's setup file, or name the bundle's folder"
    )


def default_bundle() -> Path:
    """Folder of the bundle that comes with the package.

    Raises:
        ResourceError: as ``share``.
    """
    return share() / "models" / "asl_cafe"
