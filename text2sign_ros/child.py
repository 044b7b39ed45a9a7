"""A node in a child process that ends with this one, however this one ends."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from types import TracebackType

from text2sign_ros.errors import Text2SignError
from text2sign_ros.resources import share

_LINES = 1000  # of output that are kept
_SHOWN = 8  # lines of them in an error message


class ChildError(Text2SignError):
    """The node's process has ended."""


class Child:
    """``python -m module arguments...`` until ``close``, or the end of a ``with``.

    Its output is kept for error messages only; read what the node does from its topics (``client``). On Linux it also
    ends with the thread that started it: the kernel signals a child when that thread ends.

    Attributes:
        pid: of the process.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "RCUTILS_COLORIZED_OUTPUT": "0", "PYTHONUNBUFFERED": "1"},
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        self.pid = self._process.pid
        self._log: deque[str] = deque(maxlen=_LINES)
        self._reader = threading.Thread(target=self._read, name="child's output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line.rstrip())

    def check(self) -> None:
        """Return if the process is running.

        Raises:
            ChildError: it has ended.
        """
        if self._process.poll() is not None:
            self._reader.join(1.0)
            raise ChildError(f"the node ended with code {self._process.returncode}; its last output:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of its output, indented."""
        return "\n".join(f"    {line}" for line in [*self._log][-_SHOWN:]) or "    (none)"

    def close(self) -> None:
        """Stop the process and wait until it is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join(1.0)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def start_signer(bundle: Path | None = None, **values: float | str) -> Child:
    """Start the signer node with the package's parameters file, a bundle (None: the file's) and these parameters."""
    if bundle is not None:
        values["bundle"] = str(bundle.resolve())
    return start_node("signer", **values)


def start_node(name: str, **values: float | str) -> Child:
    """Start a node of the package with the package's parameters file for it and these parameters."""
    arguments = ["--ros-args", "--params-file", str(share() / "config" / f"{name}.yaml")]
    for key, value in values.items():
        arguments += ["-p", f"{key}:={json.dumps(value)}"]
    return Child(f"text2sign_ros.ros.{name}_node", *arguments)


def _die_with_parent() -> None:
    """In the child: ask for SIGTERM when the parent is gone, even by SIGKILL."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG
