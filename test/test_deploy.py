"""The service of systemd: systemd takes it, and the node runs with what it allows."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from text2sign_ros.ros.client import SignerClient

UNIT = ROOT / "deploy" / "text2sign.service"
# Every file system is read-only, except for a folder; HOME and the rest are the service's.
READ_ONLY = (
    'mount -t tmpfs tmpfs "$1" && mkdir "$1/cache" "$1/log" "$1/tmp" && mount -o remount,bind,ro / || exit 99\n'
    "if touch /text2sign_was_here 2>/dev/null; then rm /text2sign_was_here; exit 98; fi\n"
    'shift && exec "$@"'
)


def values(name: str) -> list[str]:
    """What the unit gives ``name``; it may be given more than once."""
    return re.findall(rf"^{name}=(.+)$", UNIT.read_text(), re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_service() -> None:
    verified = subprocess.run(("systemd-analyze", "verify", UNIT), capture_output=True, text=True)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_service_is_confined_and_comes_back() -> None:
    (user,), (restart,), (memory,) = values("User"), values("Restart"), values("MemoryMax")
    assert user != "root" and restart == "on-failure" and memory.endswith("G")
    assert values("ProtectSystem") == ["strict"] and values("ProtectHome") == values("NoNewPrivileges") == ["yes"]
    assert values("EnvironmentFile") == ["-/etc/default/text2sign"], "the file may be missing"


@pytest.fixture
def mounts() -> None:
    """Skips where no process can get mounts of its own."""
    tried = ("unshare", "--mount", "mount", "-o", "remount,bind,ro", "/")
    if shutil.which("unshare") is None or subprocess.run(tried, capture_output=True).returncode != 0:
        pytest.skip("only root can make file systems read-only for one process, on Linux")


def test_the_node_runs_on_a_read_only_system_without_a_home(mounts: None, tmp_path: Path) -> None:
    given = dict(pair.split("=") for line in values("Environment") for pair in line.split())
    assert given["HOME"] == "/nonexistent"
    folders = {"XDG_CACHE_HOME": ("cache", "CacheDirectory"), "ROS_LOG_DIR": ("log", "LogsDirectory")}
    for name, (folder, directive) in folders.items():
        assert given[name] == f"/var/{folder}/{values(directive)[0]}", "systemd makes this folder"
        given[name] = str(tmp_path / folder)
    for name in ("ROS_SETUP", "ROS_DOMAIN_ID", "FASTDDS_BUILTIN_TRANSPORTS"):
        del given[name]  # the tests have a domain of their own, on this machine alone
    node = subprocess.Popen(
        (
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", READ_ONLY, "sh", str(tmp_path)),
            *(sys.executable, "-m", "text2sign_ros.ros.signer_node"),
            *("--ros-args", "--params-file", str(ROOT / "config" / "signer.yaml")),
        ),
        env={**os.environ, **given, "TMPDIR": str(tmp_path / "tmp"), "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with SignerClient("/signer", name="client_of_the_service") as client:
            client.wait_until_ready(30.0)
            goal = client.submit("tea")
            goal.result(30.0)
            assert goal.frames > 0
        node.send_signal(signal.SIGTERM)
        log, _ = node.communicate(timeout=10)
    finally:
        node.kill()
        node.wait()
    assert node.returncode == 0 and not re.search("WARN|ERROR|can't be", log), log
