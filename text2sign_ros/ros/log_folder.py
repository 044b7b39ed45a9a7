"""The folder of ROS 2's log files, without which no node starts."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from text2sign_ros.resources import require_writable


def ensure(name: str) -> None:
    """Give ROS 2 a temporary folder, with a warning on stderr, if it can't write its own. Call it before rclpy.init.

    Args:
        name: of the node, for the warning.
    """
    folder = _chosen()
    try:
        require_writable(folder)
        return
    except OSError as error:
        cause = error.strerror or error
    try:
        os.environ["ROS_LOG_DIR"] = tempfile.mkdtemp(prefix="text2sign_log_")
    except OSError:
        return  # no folder for temporary files either, of which loading the bundle says more
    print(
        f"{name}: log files can't be written to {folder} ({cause}), they go to {os.environ['ROS_LOG_DIR']}: name a "
        "folder with ROS_LOG_DIR",
        file=sys.stderr,
    )


def _chosen() -> Path:
    """Where ROS 2 puts log files: ROS_LOG_DIR, or log in ROS_HOME, which is ~/.ros if it isn't set."""
    if folder := os.environ.get("ROS_LOG_DIR"):
        return Path(folder)
    return Path(os.environ.get("ROS_HOME") or Path(os.environ.get("HOME") or "/nonexistent") / ".ros") / "log"
