"""Finds models/ and config/ in the source checkout or in share/, other ROS 2 packages, and folders to write to."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from text2sign_ros.errors import Text2SignError


class ResourceError(Text2SignError):
    """The package's data folder, or a ROS 2 package, is not installed."""


def share() -> Path:
    """Folder that holds ``models`` and ``config``.

    Raises:
        ResourceError: there is neither a source checkout nor an installed package.
    """
    prefixes = [path for path in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if path]
    places = [Path(__file__).resolve().parents[1]]
    places += [Path(prefix, "share", "text2sign_ros") for prefix in (*prefixes, sys.prefix)]
    for place in places:
        if (place / "models").is_dir() and (place / "config").is_dir():
            return place
    raise ResourceError(
        f"text2sign_ros finds no models in {', '.join(map(str, places))}; "
        "source the workspace's setup file, or give the bundle's folder"
    )


def default_bundle() -> Path:
    """Folder of the bundle that comes with the package.

    Raises:
        ResourceError: as ``share``.
    """
    return share() / "models" / "asl"


def version() -> str:
    """The package's version, from the package.xml that is installed with it.

    Raises:
        ResourceError: as ``share``.
    """
    from xml.etree import ElementTree

    return str(ElementTree.parse(share() / "package.xml").findtext("version"))


def require_writable(folder: Path) -> None:
    """Make a folder, and see that files can be written there.

    Raises:
        OSError: they can't.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def require_ros_package(name: str, purpose: str) -> None:
    """Check that a ROS 2 package is installed, before starting anything that would be left running without it.

    Args:
        name: of the package, for example "rviz2".
        purpose: what needs it, for the message, for example "viewer:=rviz".

    Raises:
        ResourceError: it is not in this environment's ament index.
    """
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        get_package_prefix(name)
    except PackageNotFoundError:
        distribution = os.environ.get("ROS_DISTRO", "<distribution>")
        raise ResourceError(
            f"{purpose} needs the package {name}, which is not installed: "
            f"sudo apt install ros-{distribution}-{name.replace('_', '-')}"
        ) from None
