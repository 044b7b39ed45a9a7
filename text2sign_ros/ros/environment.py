"""Environment variables of ROS 2: those that an installation from wheels lacks, and a ROS domain for this process."""

from __future__ import annotations

import os
import random
import socket
import sys
from pathlib import Path

# The distribution of each major version of rclpy.
_DISTRO = {"3": "humble", "7": "jazzy", "9": "kilted"}


def complete() -> None:
    """Set ``AMENT_PREFIX_PATH`` and ``ROS_DISTRO`` where rclpy is installed in a virtual environment without them.

    Changes nothing on a machine with a sourced ROS 2: its setup files set both.
    """
    if "AMENT_PREFIX_PATH" in os.environ or not Path(sys.prefix, "share", "ament_index").is_dir():
        return
    from importlib import metadata  # slow, and needed only here

    os.environ["AMENT_PREFIX_PATH"] = sys.prefix
    major = metadata.version("ros-rclpy").split(".")[0]
    os.environ.setdefault("ROS_DISTRO", _DISTRO.get(major, f"rclpy {major}"))


def keep_to_this_machine() -> None:
    """Give this process and its children a ROS domain of their own, unless the environment names one."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if (
        os.environ.get("ROS_DISTRO") == "humble"
    ):  # which does not know the range; later distributions warn about this variable
        os.environ.setdefault("ROS_LOCALHOST_ONLY", "1")
    if "ROS_DOMAIN_ID" not in os.environ:
        os.environ["ROS_DOMAIN_ID"] = str(_reserved_domain())


def _reserved_domain() -> int:
    """A domain that no other process gets from this function while this process lives.

    A bound port marks it as taken: each domain has 250 ports from 7400 on (DDS-RTPS 2.5, 9.6.2.3), and the tenth is
    unused.
    """
    for domain in random.sample(range(1, 101), 100):  # above 101 the ports overlap the ephemeral ones
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            port.bind(("127.0.0.1", 7409 + 250 * domain))
        except OSError:
            port.close()
            continue
        _reserved.append(port)
        return domain
    return 0  # all hundred are taken: share the default


_reserved: list[socket.socket] = []
