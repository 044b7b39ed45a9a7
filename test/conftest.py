"""Environment and fixtures of all tests: a ROS 2 domain of their own, checked message fields, nodes as processes."""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

# Before anything imports rclpy or a message.
os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"
os.environ["RCUTILS_COLORIZED_OUTPUT"] = "0"

import rclpy
from missing import (  # noqa: F401  hooks
    pytest_addoption,
    pytest_configure,
    pytest_make_collect_report,
    pytest_runtest_makereport,
)
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from text2sign_ros.clip import write_whole
from text2sign_ros.ros import environment
from text2sign_ros.ros.clock import SIGNER, SPEED, FastClock
from text2sign_ros.wire.trajectory import Trajectory

for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_DOMAIN_ID"):
    os.environ.pop(name, None)
environment.keep_to_this_machine()

# The processes of pytest-xdist ignore it, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The bundle that comes with the package."""
    return ROOT / "models" / "asl"


class Process:
    """A Python module run as its own process, with its output to wait for."""

    def __init__(self, *command: str, env: dict[str, str] | None = None) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        self.pid = self._process.pid
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.log: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def wait_for(self, pattern: str, timeout: float = 40.0) -> str:
        """The next line of output that ``pattern`` is found in; a line is seen once."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            self.log.append(line)
            if re.search(pattern, line):
                return line
        pytest.fail(f"no line with {pattern!r} in the output:\n" + "\n".join(self.log))

    def check(self) -> None:
        """Fails where the process has ended."""
        if self._process.poll() is not None:
            code = self.wait()
            pytest.fail(f"the process ended with code {code}:\n" + "\n".join(self.log))

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = 10.0) -> int:
        """Exit code; the rest of the output is in ``log`` after that."""
        code = self._process.wait(timeout)
        while (line := self._lines.get(timeout=5.0)) is not None:
            self.log.append(line)
        return code

    def close(self, number: int | None = None) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number or signal.SIGTERM)
            try:
                self._process.wait(10.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def peak_memory(items: Iterable[object]) -> int:
    """Most bytes that Python held while ``items`` were gone through one by one, beyond those from before."""
    tracemalloc.start()
    try:
        for _ in items:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def keep(chunks: list[Trajectory], chunk: Trajectory) -> None:
    """Append a chunk, which replaces what was kept for the same time, unless the clock has jumped back by a minute."""
    if chunks and chunk.stamp_ns > chunks[-1].stamp_ns - 60 * 10**9:
        while chunks and chunks[-1].stamp_ns >= chunk.stamp_ns:
            chunks.pop()
        if chunks:
            chunks[-1] = chunks[-1].before(chunk.stamp_ns)
    chunks.append(chunk)


class Companion:
    """A node of the test, spun in a thread, that publishes texts and the clock. Subclasses subscribe.

    ``held`` releases what uses the node, at the end and when nothing spins it any more: rclpy's executor may fail at a
    topic that another thread destroys (ros2/rclpy#1284).
    """

    def __init__(self, name: str) -> None:
        self.held = ExitStack()
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node(name, context=self.context)
        self.texts = self.node.create_publisher(String, "/signer/text", 100)
        self.clock = self.node.create_publisher(Clock, "/clock", 10)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def say(self, *texts: str) -> None:
        self.until(self.texts.get_subscription_count, "the node to listen")
        for text in texts:
            self.texts.publish(String(data=text))

    def set_clock(self, seconds: float) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(round(seconds * 1e9), 10**9)
        self.clock.publish(message)

    def situation(self) -> str:
        """For the message of a test that times out."""
        return ""

    def until(self, condition: Callable[[], object], what: str = "it", timeout: float = 40.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"timed out waiting for {what}; {self.situation()}"
            time.sleep(0.01)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.held.close()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def local_node() -> Iterator[Callable[..., Node]]:
    """Makes a node of a class in this process, with command line arguments of its own."""
    context, nodes = Context(), []

    def make(kind: Callable[..., Node], *arguments: str) -> Node:
        rclpy.init(args=["--ros-args", *arguments] if arguments else None, context=context)
        nodes.append(kind(context=context))
        return nodes[-1]

    yield make
    while nodes:
        node = nodes.pop()
        getattr(node, "stop", lambda: None)()
        node.destroy_node()
        del node
    gc.collect()  # destroy_node leaves the lifecycle's own publisher and services, which others would find
    rclpy.try_shutdown(context=context)


@pytest.fixture
def run_module() -> Iterator[Callable[..., Process]]:
    """Starts ``python -m ...`` as a process that the end of the test stops."""
    started: list[Process] = []

    def start(*command: str, **options) -> Process:
        started.append(Process(*command, **options))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def run_node(run_module: Callable[..., Process]) -> Callable[..., Process]:
    """Starts a node with the package's own parameters file and ``name=value`` parameters on top."""

    def start(node: str, *arguments: str, **values: object) -> Process:
        arguments = ("--params-file", str(ROOT / "config" / f"{node}.yaml"), *arguments)
        for name, value in values.items():
            arguments += ("-p", f"{name}:={value}")
        return run_module(f"text2sign_ros.ros.{node}_node", "--ros-args", *arguments)

    return start


@pytest.fixture
def run_signer(run_node: Callable[..., Process]) -> Iterator[Callable[..., Process]]:
    """Starts the signer; one that is ``at_once`` signs as fast as it can, by a ``FastClock``."""
    clocks: list[FastClock] = []

    def start(*arguments: str, at_once: bool = False, speed: float = SPEED, **values: object) -> Process:
        if at_once:
            values = SIGNER | values
            if not clocks:
                clocks.append(FastClock(speed))
        return run_node("signer", *arguments, **values)

    yield start
    for clock in clocks:
        clock.close()


@pytest.fixture
def run_player(run_node: Callable[..., Process]) -> Callable[..., Process]:
    """Starts the player."""
    return partial(run_node, "player")


def once(path: Path, make: Callable[[], Any]) -> Any:
    """What ``make`` returns, made by the first process that asks and kept in ``path`` for the others."""
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            made = make()
            with write_whole(path) as file:
                pickle.dump(made, file, pickle.HIGHEST_PROTOCOL)
            return made
    return pickle.loads(path.read_bytes())


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list:
    """All takes of asl_cafe: reading them takes long, so once for all tests. Skips where the recordings are not."""
    folder = ROOT.parent / "shared" / "data" / "asl_cafe"
    if not folder.is_dir():
        pytest.skip(f"the recordings of asl_cafe are not in {folder}")
    from text2sign_ros.corpora import asl_cafe

    kept = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        kept = kept.parent  # of all workers
    return once(kept / "asl_cafe.pickle", lambda: asl_cafe.read(folder, progress=False))
