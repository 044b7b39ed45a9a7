"""What the signer node costs, seen from another process over DDS: start, first chunk, CPU while streaming, memory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.bench import texts
from text2sign_ros.bench.timing import percentiles
from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.ros import environment, parameters
from text2sign_ros.ros.demo import Reception, SignerProcess

TIMEOUT = 60.0
"""Seconds to wait for anything of the node."""
PAUSE = 0.05
"""Seconds in which nothing happens before a text is sent: the node is idle then."""
_MB = 1e6


class NodeError(Text2SignError):
    """The node does not do what is waited for."""


class Client:
    """A node that sends texts to the signer and receives its trajectories.

    Attributes:
        fps: of the motion.
        reception: what was received of the last text, or texts without a pause.
        frames: received so far.
        arrived: when the last chunk was, by ``time.perf_counter``.
    """

    def __init__(self, fps: float) -> None:
        self.fps, self.reception = fps, Reception()
        environment.keep_to_this_machine()
        # Signals stay Python's own: Ctrl-C must end whatever is being measured.
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("signer_bench", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.frames, self.arrived = 0, 0.0
        qos = QoSProfile(depth=1000)
        self._topic = "/signer/trajectory"
        self._node.create_subscription(MultiDOFJointTrajectory, self._topic, self._on_chunk, qos, raw=True)
        self._publisher = self._node.create_publisher(String, "/signer/text", QoSProfile(depth=10))
        self._parameters = self._node.create_client(SetParameters, "/signer/set_parameters")

    def _on_chunk(self, data: bytes) -> None:
        self.arrived = time.perf_counter()
        now, before = self._node.get_clock().now().nanoseconds, self.reception.frames
        self.reception.add(data, now, self.fps)
        self.frames += self.reception.frames - before

    def publishers(self) -> int:
        """How many nodes there are."""
        return self._node.count_publishers(self._topic)

    def connected(self) -> bool:
        """Whether the node is there and sees this one."""
        both = self._publisher.get_subscription_count() > 0 and self.publishers() > 0
        return both and self._parameters.service_is_ready()

    def say(self, text: str) -> float:
        """Publish a text; when that was, by ``time.perf_counter``."""
        message, self.reception = String(data=text), Reception()
        now = time.perf_counter()
        self._publisher.publish(message)
        return now

    def set(self, name: str, value: float) -> None:
        """Set a parameter of the node."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        future = self._parameters.call_async(request)
        self.wait(future.done, f"{name} to be set")
        if not future.result().results[0].successful:
            raise NodeError(f"the node refuses {name} = {value}: {future.result().results[0].reason}")

    def spin(self, seconds: float) -> None:
        """Receive for so long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def wait(self, condition: Callable[[], object], what: str, process: SignerProcess | None = None) -> None:
        """Receive until ``condition()``.

        Raises:
            NodeError: it takes longer than ``TIMEOUT``.
            DemoError: the node has ended.
        """
        end = time.perf_counter() + TIMEOUT
        while not condition():
            if time.perf_counter() > end:
                raise NodeError(f"waited {TIMEOUT:g} s for {what}, in vain")
            self._executor.spin_once(timeout_sec=0.02)
            if process is not None:
                process.check()

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)


@contextlib.contextmanager
def _started(client: Client, folder: Path) -> Iterator[tuple[SignerProcess, psutil.Process, float]]:
    """A node that is ready and connected, its process, and how many seconds it took to be ready."""
    # Or the last node, which is not forgotten at once, would be taken for this one.
    client.wait(lambda: client.publishers() == 0, "the last node to be gone")
    others = {child.pid for child in psutil.Process().children()}
    began = time.perf_counter()
    process = SignerProcess(folder)
    try:
        while process.find("ready: ") is None:
            process.check()
            if time.perf_counter() > began + TIMEOUT:
                raise NodeError(f"the node is not ready after {TIMEOUT:g} s; its last words:\n{process.tail()}")
            time.sleep(0.002)
        seconds = time.perf_counter() - began
        (child,) = (child for child in psutil.Process().children() if child.pid not in others)
        client.wait(client.connected, "the node to be found", process)
        client.spin(0.3)  # the node may see our subscription a moment after we see its publisher
        yield process, child, seconds
    finally:
        process.close()


def measure(folder: Path, bundle: Bundle, *, starts: int, each: int, seconds: float, words: int) -> dict[str, Any]:
    """Start the node again and again and let it sign.

    Args:
        folder, bundle: the bundle.
        starts: nodes to start for single texts, one more is for streaming and one for a long text.
        each: texts of one sign for each of them; none comes twice to the same node.
        seconds: of streaming to look at.
        words: of the long text, which is signed as fast as can be.

    Returns:
        ``cold_start_s``: from starting the process to its being ready; ``first_chunk_ms`` {p50, p99}, from publishing
        a text to receiving its first chunk, both here, the node idle before; ``texts``: how many; ``rss_mb``: the
        node's resident memory after its texts, the largest; ``cpu_share_streaming``: CPU time / wall time of the node
        while a long text plays in real time with default parameters, and the ``streamed_frames`` that came in
        ``streamed_s``; ``torch_in_node``: whether anything named so is in its memory; ``long``, of a long text:
        ``words``, ``frames``, ``chunks``, ``gaps`` (chunks whose stamp is not the end of the one before), ``late``
        (chunks received after their stamp) and ``rss_growth_mb``, from when a tenth was signed to the end.
    """
    cold, first, memory = [], [], []
    signs = texts.single(bundle)
    with contextlib.closing(Client(bundle.fps)) as client:
        with _started(client, folder) as (process, child, took):
            cold.append(took)
            streaming = _streaming(client, process, child, texts.long(bundle, 10 + int(2 * seconds)), seconds)
        with _started(client, folder) as (process, child, took):
            cold.append(took)
            long = _long(client, process, child, texts.long(bundle, words)) | {"words": words}
        for start in range(starts):
            with _started(client, folder) as (process, child, took):
                cold.append(took)
                mine = [signs[(start * each + i) % len(signs)] for i in range(each)]
                first += [_first_chunk(client, process, text, number) for number, text in enumerate(mine, 1)]
                memory.append(child.memory_info().rss / _MB)
                mapped = any("torch" in Path(library.path).name for library in child.memory_maps())
    return {
        "cold_start_s": float(np.median(cold)),
        "first_chunk_ms": percentiles(np.array(first)),
        "texts": len(first),
        "rss_mb": max(memory),
        "torch_in_node": mapped,
        "long": long,
        **streaming,
    }


def _first_chunk(client: Client, process: SignerProcess, text: str, number: int) -> float:
    """Milliseconds to the first chunk of ``text``, the node's ``number``-th; returns when all of it has been signed."""
    client.spin(PAUSE)
    before = client.frames
    sent = client.say(text)
    client.wait(lambda: client.frames > before, "the first chunk", process)
    took = 1e3 * (client.arrived - sent)
    client.wait(lambda: _count(process, "signed '") >= number, "the end of the text", process)
    return took


def _long(client: Client, process: SignerProcess, child: psutil.Process, text: str) -> dict[str, Any]:
    client.say(text)
    memory = []
    while _count(process, "signed '") == 0:
        enough = client.frames + 250
        client.wait(lambda: client.frames >= enough or _count(process, "signed '"), "more of a text", process)  # noqa: B023
        memory.append(child.memory_info().rss / _MB)
    client.spin(0.5)
    received = client.reception
    settled = len(memory) // 10
    return {
        "frames": received.frames,
        "chunks": len(received.positions),
        "gaps": received.gaps,
        "late": received.late,
        "rss_growth_mb": max(memory[settled:]) - memory[settled],
    }


def _count(process: SignerProcess, words: str) -> int:
    return sum(words in line for line in tuple(process.log))


def _streaming(
    client: Client, process: SignerProcess, child: psutil.Process, text: str, seconds: float
) -> dict[str, float]:
    lead_time = next(setting.default for setting in parameters.SIGNER if setting.name == "lead_time")
    client.set("lead_time", float(lead_time))
    before = client.frames
    client.say(text)
    client.wait(lambda: client.frames > before, "the first chunk", process)
    client.spin(0.5)  # it signs ahead at first
    frames, began, cpu = client.frames, time.perf_counter(), sum(child.cpu_times()[:2])
    client.spin(seconds)
    wall = time.perf_counter() - began
    return {
        "cpu_share_streaming": (sum(child.cpu_times()[:2]) - cpu) / wall,
        "streamed_frames": client.frames - frames,
        "streamed_s": wall,
    }
