"""The node `signer` as a process of its own over DDS, with the bundle that comes with the package."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from conftest import ROOT, Companion, Process
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.chunks import frame_time
from text2sign_ros.ros import parameters, signer_node
from text2sign_ros.ros.client import SignerClient
from text2sign_ros.skeleton import KEYPOINTS, REST_POSE
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.tracker import Status

LEAD = 0.2


class Client(Companion):
    """Keeps the chunks with the time at which they came."""

    def __init__(self) -> None:
        super().__init__("client")
        self.chunks: list[tuple[float, trajectory.Trajectory]] = []
        topic, qos = "/signer/trajectory", QoSProfile(depth=1000)
        self.node.create_subscription(MultiDOFJointTrajectory, topic, self._on_chunk, qos, raw=True)
        self.signer = self.held.enter_context(SignerClient("/signer", node=self.node))

    def _on_chunk(self, data: bytes) -> None:
        self.chunks.append((time.time(), trajectory.decode(data)))

    def connect(self, process: Process) -> None:
        self.signer.check = process.check
        self.signer.wait_until_ready()

    def wait_for_frames(self, frames: int) -> list[trajectory.Trajectory]:
        self.until(lambda: sum(len(c.positions) for _, c in self.chunks) >= frames, f"{frames} frames")
        return [chunk for _, chunk in self.chunks]

    def situation(self) -> str:
        return f"{len(self.chunks)} chunks came"


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.fixture(scope="module")
def signer(bundle: Path) -> Signer:
    return Signer(bundle)


def _frames(signer: Signer, text: str) -> int:
    return sum(frames for _, frames in signer.timeline(signer.plan(text)))


def _gaps(chunks: list[trajectory.Trajectory], fps: float) -> list[int]:
    """Nanoseconds between each chunk's end and the next one's stamp; all from one text."""
    ends, frames = [], 0
    for chunk in chunks:
        begin, frames = frames, frames + len(chunk.positions)
        ends.append(chunk.stamp_ns + int(frame_time(frames, fps) - frame_time(begin, fps)))
    return [chunk.stamp_ns - end for chunk, end in zip(chunks[1:], ends, strict=False)]


def test_signs_in_time(run_signer: Callable[..., Process], client: Client, signer: Signer) -> None:
    process = run_signer()
    client.connect(process)
    sent = time.time()
    client.say("hello")
    chunks = client.wait_for_frames(_frames(signer, "hello"))

    assert not any(_gaps(chunks, signer.fps))
    assert all(chunk.joint_names == KEYPOINTS for chunk in chunks)
    assert [len(chunk.positions) for chunk in chunks[:-1]] == [8] * (len(chunks) - 1)
    positions, velocities = (np.concatenate([getattr(c, k) for c in chunks]) for k in ("positions", "velocities"))
    np.testing.assert_allclose(positions[[0, -1]], np.stack((REST_POSE, REST_POSE)), atol=5e-3)
    np.testing.assert_allclose(velocities[1:-1], (positions[2:] - positions[:-2]) * signer.fps / 2, atol=1e-4)
    assert not velocities[[0, -1]].any()
    for received, chunk in client.chunks:
        ahead = chunk.stamp_ns / 1e9 - received
        assert 0.0 < ahead <= LEAD, "each chunk comes before its stamp, and no earlier than lead_time"
    assert sent < client.chunks[0][1].stamp_ns / 1e9 < sent + 5.0
    report = process.wait_for("real-time factor")
    assert f"frames {len(positions)}," in report


def test_bad_texts_are_refused_one_by_one_and_the_next_is_signed(
    run_signer: Callable[..., Process], client: Client, signer: Signer
) -> None:
    process = run_signer(at_once=True)
    client.connect(process)
    for bad in ("", "   ", "a" * 200_000, "\x07\x1b\x7f", "\U0001f642\U0001f44d", "你好", "'"):
        client.say(bad)
        line = process.wait_for("is refused: ")
        assert "WARN" in line and len(line) < 500
    client.say("hello")
    process.wait_for("signed 'hello'")
    client.wait_for_frames(_frames(signer, "hello"))


def test_omissions_are_warned_about(run_signer: Callable[..., Process], client: Client, signer: Signer) -> None:
    process = run_signer(at_once=True)
    client.connect(process)
    client.say("hello \U0001f642")
    assert "WARN" in process.wait_for("'hello \U0001f642': ")
    process.wait_for("signed 'hello \U0001f642'")


def test_two_texts_in_order_without_overlap(run_signer: Callable[..., Process], client: Client, signer: Signer) -> None:
    # What is signed later than it should be played starts later, and a busy machine may need more than the fraction of
    # a second that the start and the first text take by the clock's usual speed.
    process = run_signer(at_once=True, speed=1.0, chunk_frames=60)
    client.connect(process)
    client.say("hello", "thank you")
    hello, thanks = (_frames(signer, text) for text in ("hello", "thank you"))
    chunks = client.wait_for_frames(hello + thanks)
    process.wait_for("signed 'hello'")
    process.wait_for("signed 'thank you'")
    counts = np.cumsum([len(chunk.positions) for chunk in chunks])
    cut = counts.tolist().index(hello) + 1
    first, second = chunks[:cut], chunks[cut:]
    assert not any(_gaps(first, signer.fps)) and not any(_gaps(second, signer.fps))
    assert second[0].stamp_ns == first[0].stamp_ns + frame_time(hello, signer.fps), "it begins where the first ends"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_full_queue_and_stop_in_mid_sentence(
    run_signer: Callable[..., Process], client: Client, number: signal.Signals
) -> None:
    process = run_signer(queue_size=1)
    client.connect(process)
    client.say(*["can i get a large coffee please"] * 4)
    assert "queue_size" in process.wait_for("is refused: 1 texts are waiting")
    client.wait_for_frames(8)
    began = time.monotonic()
    process.signal(number)
    assert process.wait() == 0
    assert time.monotonic() - began < 6.0, "it stops in mid-sentence, which has 8 s to go"
    assert not [line for line in process.log if "Traceback" in line or "ERROR" in line or "Error" in line]


def test_limits_stretch_time(run_signer: Callable[..., Process], client: Client, signer: Signer) -> None:
    process = run_signer(at_once=True, max_velocity=1.0)
    client.connect(process)
    motion = client.signer.submit("hello please").clip().positions
    assert len(motion) > _frames(signer, "hello please")
    fastest = np.linalg.norm(np.diff(motion.astype(float), axis=0), axis=-1).max() * signer.fps
    assert 0.9 < fastest < 1.001
    np.testing.assert_array_equal(motion[-1], REST_POSE)


def test_simulated_time(run_signer: Callable[..., Process], client: Client, signer: Signer) -> None:
    process = run_signer(use_sim_time="true")
    client.connect(process)
    client.say("hello please")
    time.sleep(0.7)
    assert not client.chunks, "the clock has not started"

    def run_clock(now: float, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20.0
        while not until():
            assert time.monotonic() < deadline
            client.set_clock(now)
            now += 0.05
            time.sleep(0.01)  # five times as fast as the wall clock

    total = _frames(signer, "hello please")
    run_clock(100.0, lambda: sum(len(c.positions) for _, c in client.chunks) >= 17)
    before = len(client.chunks)
    assert 100.0 <= client.chunks[0][1].stamp_ns / 1e9 < 101.0
    run_clock(5.0, lambda: bool(client.signer.goals) and client.signer.goals[-1].status.final)
    assert client.signer.goals[-1].status is Status.SUCCEEDED
    process.wait_for("the motion continues at")
    process.wait_for("real-time factor")
    chunks = [chunk for _, chunk in client.chunks]
    assert sum(len(chunk.positions) for chunk in chunks) == total
    jumps = [k for k, gap in enumerate(_gaps(chunks, signer.fps), 1) if gap]
    assert len(jumps) == 1 and jumps[0] >= before, "the rest of the motion moved once, when the clock went back"
    assert 5.0 <= chunks[jumps[0]].stamp_ns / 1e9 < 7.0


def test_broken_bundle_is_reported_once(run_signer: Callable[..., Process], bundle: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    victim = max(broken.glob("*.onnx*"), key=lambda file: file.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    missing = tmp_path / "missing"
    for folder, names in ((broken, victim.name), (missing, "missing")):
        process = run_signer(bundle=folder)
        line = process.wait_for("FATAL")
        assert names in line
        assert process.wait() == 1
        assert "Traceback" not in "\n".join(process.log)
        assert sum(names in line for line in process.log) == 1, "one line, not an ERROR and a FATAL one"
        assert not [line for line in process.log if "ERROR" in line]


def test_qos_is_what_is_documented_and_can_be_overridden(run_signer: Callable[..., Process], client: Client) -> None:
    process = run_signer(
        **{
            "qos_overrides./signer/trajectory.publisher.reliability": "best_effort",
            "qos_overrides./signer/text.subscription.depth": 3,
        }
    )
    client.connect(process)
    reliable, latched = ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL
    publishers = {
        "/signer/trajectory": (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
        "/signer/status": (reliable, latched),
        "/signer/layout": (reliable, latched),
        "/diagnostics": (reliable, DurabilityPolicy.VOLATILE),
    }
    for topic, expected in publishers.items():
        (info,) = client.node.get_publishers_info_by_topic(topic)
        assert (info.qos_profile.reliability, info.qos_profile.durability) == expected, topic
    process.close()
    process = run_signer(**{"qos_overrides./signer/status.publisher.durability": "eternal"})
    assert "qos_overrides./signer/status" in process.wait_for("FATAL")
    assert process.wait() == 1


def test_late_joiners_get_layout_and_status(run_signer: Callable[..., Process], client: Client) -> None:
    process = run_signer(at_once=True)
    client.connect(process)
    client.say("hello")
    process.wait_for("signed 'hello'")
    late, layouts, statuses = Companion("late"), [], []
    try:
        latest = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        late.node.create_subscription(String, "/signer/layout", layouts.append, latest)
        late.node.create_subscription(GoalStatusArray, "/signer/status", statuses.append, latest)
        late.until(lambda: layouts and statuses, "what was published before")
    finally:
        late.close()
    assert [goal.status for goal in statuses[0].status_list] == [GoalStatus.STATUS_SUCCEEDED]
    layout = json.loads(layouts[0].data)
    assert tuple(layout["keypoints"]) == KEYPOINTS and layout["fps"] == 25.0
    np.testing.assert_allclose(layout["rest_pose"], REST_POSE, atol=1e-6)
    assert (
        sum(end - first for first, end in layout["groups"].values()) == len(KEYPOINTS) > max(map(max, layout["bones"]))
    )
    np.testing.assert_allclose(client.chunks[-1][1].positions[-1], layout["rest_pose"], atol=5e-3)


def test_parameters_file_works_in_a_namespace(local_node, tmp_path: Path) -> None:
    file = tmp_path / "signer.yaml"
    file.write_text((ROOT / "config" / "signer.yaml").read_text().replace("seed: 0", "seed: 7"))
    node = local_node(signer_node.SignerNode, "--params-file", str(file), "-r", "__ns:=/robot/left")
    assert node.get_fully_qualified_name() == "/robot/left/signer"
    assert node.get_parameter("seed").value == 7


def test_parameters_are_described_and_checked(local_node) -> None:
    node = local_node(signer_node.SignerNode)
    assert all(node.describe_parameter(setting.name).description for setting in parameters.SIGNER)
    results = node.set_parameters(
        [
            Parameter("lead_time", value=0.5),
            Parameter("lead_time", value=float("nan")),
            Parameter("lead_time", value=1e9),
            Parameter("chunk_frames", value=0),
            Parameter("policy", value="newest"),
            Parameter("autostart", value=False),
            Parameter("max_jerk", value=1e-3),
        ]
    )
    assert [result.successful for result in results] == [True, False, False, False, False, False, False]
    assert "queue, replace, drop_oldest" in results[4].reason
    assert "at least 1" in results[-1].reason
    assert all(result.reason for result in results[1:])


@pytest.mark.parametrize(("parameter", "wanted"), [("", None), ("/var/cache/robot", Path("/var/cache/robot"))])
def test_the_folder_of_engines_is_a_parameter(
    local_node, monkeypatch, bundle: Path, parameter: str, wanted: Path | None
) -> None:
    given = []

    class Noted(Signer):
        def __init__(self, bundle, **options) -> None:
            given.append(options["cache"])
            super().__init__(bundle, **options)

    monkeypatch.setattr(signer_node, "Signer", Noted)
    node = local_node(signer_node.SignerNode, "-p", f"cache_dir:='{parameter}'", "-p", f"bundle:={bundle}")
    assert node.start()
    assert given == [wanted]
    (refused,) = node.set_parameters([Parameter("cache_dir", value="/elsewhere")])
    assert not refused.successful and "unconfigured" in refused.reason


def test_one_text_that_fails_does_not_end_the_node(local_node, monkeypatch, capfd, bundle: Path) -> None:
    class Broken(Signer):
        def stream(self, plan, **style):
            if plan.text == "please":
                raise RuntimeError("a wire came off")
            return super().stream(plan, **style)

    monkeypatch.setattr(signer_node, "Signer", Broken)
    node = local_node(signer_node.SignerNode, "-p", f"bundle:={bundle}")
    assert node.start()
    for text in ("please", "hello"):
        node._on_text(String(data=text))
    log, deadline = "", time.monotonic() + 10.0
    while "'hello' was sent, but nobody subscribed" not in log:
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
        log += "".join(capfd.readouterr())
    assert "'please' was given up: RuntimeError: a wire came off" in log


def test_signing_does_not_import_torch() -> None:
    code = "import sys, text2sign_ros.ros.signer_node; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
