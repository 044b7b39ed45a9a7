"""~/captions of a signer as a process of its own, over DDS: they fit the chunks that came, whatever interrupts them."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from conftest import Companion, Process, keep
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.timeline import MARKER, REST, Timeline
from text2sign_ros.ros.client import SignerClient
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.captions import Captions, State, TimedPart

ALL_AT_ONCE = 60.0  # a lead_time that makes the node send as fast as it signs
FPS = 25.0
TEXT = "hello bob, tea?"
LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Reader(Companion):
    """Keeps captions, chunks and goals, each in the order in which they came."""

    def __init__(self, name: str = "reader") -> None:
        super().__init__(name)
        self.client = self.held.enter_context(SignerClient("/signer", node=self.node, motion=False))
        self.captions: list[Captions] = []
        self.chunks: list[trajectory.Trajectory] = []
        self.goals: dict[uuid.UUID, GoalStatus] = {}
        self.node.create_subscription(String, "/signer/captions", self._on_captions, LATCHED)
        self.node.create_subscription(GoalStatusArray, "/signer/status", self._on_status, LATCHED)
        topic, qos = "/signer/trajectory", QoSProfile(depth=1000)
        self.node.create_subscription(MultiDOFJointTrajectory, topic, self._on_chunk, qos, raw=True)

    def _on_captions(self, message: String) -> None:
        assert len(message.data.encode()) <= 100_000
        self.captions.append(Captions.parse(message.data))

    def _on_status(self, message: GoalStatusArray) -> None:
        for goal in message.status_list:
            self.goals[uuid.UUID(bytes=bytes(goal.goal_info.goal_id.uuid))] = goal

    def _on_chunk(self, data: bytes) -> None:
        keep(self.chunks, trajectory.decode(data))

    def connect(self, process: Process) -> None:
        process.wait_for("ready: ")
        self.until(self.texts.get_subscription_count, "the node to listen")
        self.until(lambda: self.node.count_publishers("/signer/trajectory"), "its topics")
        time.sleep(0.3)

    def trigger(self, name: str) -> None:
        assert self.client.call(Trigger, name, Trigger.Request(), 60.0).success

    def latest(self, text: str) -> Captions | None:
        """What is known of a text."""
        return next((captions for captions in reversed(self.captions) if captions.text == text), None)

    def end(self, text: str = TEXT) -> Captions:
        """What is known of it once it has ended and all its chunks are here."""
        self.until(lambda: (known := self.latest(text)) and known.state is State.ENDED, f"the end of {text!r}")
        captions = self.latest(text)
        assert captions is not None
        self.until(lambda: captions.end_stamp in (None, *map(_end, self.chunks)), "its chunks")
        return captions

    def situation(self) -> str:
        return f"{len(self.chunks)} chunks came, and of captions at last {self.captions[-1:]}"


def _end(chunk: trajectory.Trajectory) -> int:
    return chunk.stamp_ns + int(chunk.time_from_start[-1]) + round(1e9 / FPS)


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


def hands(captions: Captions) -> list[TimedPart]:
    return [part for part in captions.parts if part.kind != MARKER]


def assert_fits(captions: Captions, chunks: list[trajectory.Trajectory]) -> None:
    """The parts are without a gap, and played when the frames of ``chunks``, all of one motion, are."""
    stamps = np.concatenate([chunk.stamp_ns + chunk.time_from_start for chunk in chunks])
    ends = np.concatenate([chunk.stamp_ns + np.append(chunk.time_from_start[1:], 0) for chunk in chunks])
    last = np.cumsum([len(chunk.positions) for chunk in chunks]) - 1
    ends[last] = [_end(chunk) for chunk in chunks]
    assert captions.frames == len(stamps) and captions.fps == FPS
    assert (captions.start_stamp, captions.end_stamp) == (stamps[0], ends[-1])
    for part in captions.parts:
        assert part.end_frame is not None and part.start_frame < part.end_frame
        assert part.start_stamp == stamps[part.start_frame]
        assert part.end_stamp is not None and abs(part.end_stamp - ends[part.end_frame - 1]) <= 1  # of rounding
    parts = hands(captions)
    assert parts[0].start_frame == 0 and parts[-1].end_frame == captions.frames and parts[-1].kind == REST
    for one, following in itertools.pairwise(parts):
        assert one.end_frame == following.start_frame


def test_parts_are_the_signs_that_were_sent(run_signer: Callable[..., Process], reader: Reader, bundle: Path) -> None:
    reader.connect(run_signer(at_once=True))
    reader.say(TEXT)
    captions = reader.end()
    assert_fits(captions, reader.chunks)
    signer, timeline = Signer(bundle), Timeline()
    frames = sum(map(len, signer.stream(signer.plan(TEXT), timeline=timeline)))
    assert [(p.kind, p.text, p.start_frame, p.end_frame) for p in captions.parts] == [
        (p.kind, p.text, p.start, p.end) for p in timeline.take()
    ]
    assert captions.frames == frames and captions.spelled == ["bob"] and len(captions.warnings) == 0
    assert captions.outcome is Outcome.SIGNED and captions.reason == "" and captions.attempt == 1
    assert captions.work and captions.first_chunk and 0 < captions.first_chunk <= captions.work
    reader.until(lambda: captions.id in reader.goals, "its goal")
    reader.until(lambda: reader.goals[captions.id].status == GoalStatus.STATUS_SUCCEEDED, "its status")
    stamp = reader.goals[captions.id].goal_info.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == captions.start_stamp
    states = [each.state for each in reader.captions]
    assert states[0] is State.ACCEPTED and states[-1] is State.ENDED and set(states[1:-1]) == {State.EXECUTING}


def test_a_part_is_published_before_it_is_played(run_signer: Callable[..., Process], reader: Reader) -> None:
    came: list[tuple[int, Captions]] = []
    reader.node.create_subscription(
        String, "/signer/captions", lambda m: came.append((time.time_ns(), Captions.parse(m.data))), LATCHED
    )
    reader.connect(run_signer())
    reader.say("hello bob")
    reader.end("hello bob")
    first: dict[int, tuple[int, TimedPart]] = {}
    for at, captions in came:
        for part in captions.parts:
            first.setdefault(part.index, (at, part))
    assert len(first) == 5
    for at, part in first.values():
        assert at < part.start_stamp, f"{part} came late"
        assert part.end_stamp is not None, "without limits it is known when it ends"


def test_limits_stretch_the_parts(run_signer: Callable[..., Process], reader: Reader, bundle: Path) -> None:
    reader.connect(run_signer(at_once=True, max_velocity=0.5))
    reader.say(TEXT)
    captions = reader.end()
    assert_fits(captions, reader.chunks)
    signer = Signer(bundle)
    planned = signer.timeline(signer.plan(TEXT))
    stretched = [(part.text, (part.end_frame or 0) - part.start_frame) for part in hands(captions)]
    assert [text for text, _ in stretched] == [text for text, _ in planned]
    assert all(long >= short for (_, long), (_, short) in zip(stretched, planned, strict=True))
    assert captions.frames > 1.3 * sum(frames for _, frames in planned)


@pytest.mark.parametrize("velocity", [0.0, 0.5])
def test_cancel_in_mid_sentence(run_signer: Callable[..., Process], reader: Reader, velocity: float) -> None:
    reader.connect(run_signer(max_velocity=velocity))
    reader.say(TEXT, "please")
    reader.until(lambda: len(reader.chunks) >= 4, "chunks")
    reader.trigger("cancel")
    captions = reader.end()
    assert_fits(captions, reader.chunks)
    assert captions.outcome is Outcome.CANCELED
    *others, rest = captions.parts
    assert rest.kind == REST and all((part.end_frame or 0) <= rest.start_frame for part in others)
    assert [part.text for part in others][:2] == ["question", "hello"] and "tea" not in [part.text for part in others]
    waiting = reader.end("please")
    assert waiting.outcome is Outcome.CANCELED and not waiting.parts and waiting.start_stamp is None
    assert reader.goals.keys() == {captions.id, waiting.id}


def test_a_newer_text_replaces_it(run_signer: Callable[..., Process], reader: Reader) -> None:
    reader.connect(run_signer(policy="replace"))
    reader.say(TEXT)
    reader.until(lambda: len(reader.chunks) >= 3, "chunks")
    reader.say("no")
    captions, newer = reader.end(), reader.end("no")
    assert captions.outcome is Outcome.CANCELED and "newer" in captions.reason
    first = next(k for k, chunk in enumerate(reader.chunks) if chunk.stamp_ns == newer.start_stamp)
    assert_fits(captions, reader.chunks[:first])
    assert_fits(newer, reader.chunks[first:])


def test_pause_and_resume_start_again(run_signer: Callable[..., Process], reader: Reader) -> None:
    text = "hello bo"
    reader.connect(run_signer())
    reader.say(text)
    reader.until(lambda: len(reader.chunks) >= 4, "chunks")
    reader.trigger("pause")
    reader.until(lambda: (known := reader.latest(text)) and known.parts[-1].kind == REST, "the way back")
    paused = reader.latest(text)
    assert paused is not None and paused.state is State.EXECUTING and paused.attempt == 1
    rest = paused.parts[-1]
    reader.until(lambda: reader.chunks and _end(reader.chunks[-1]) == rest.end_stamp, "all of it")
    count = len(reader.chunks)
    assert sum(len(chunk.positions) for chunk in reader.chunks) == rest.end_frame
    assert all((part.end_frame or 0) <= rest.start_frame for part in paused.parts[:-1])
    reader.trigger("resume")
    captions = reader.end(text)
    assert captions.attempt == 2 and captions.id == paused.id and captions.outcome is Outcome.SIGNED
    assert_fits(captions, reader.chunks[count:])
    assert [part.text for part in hands(captions)] == ["hello", "b", "o", ""]


def test_stamps_of_a_rescheduled_motion_are_corrected(run_signer: Callable[..., Process], reader: Reader) -> None:
    process = run_signer(use_sim_time="true")
    reader.connect(process)
    reader.say(TEXT)
    seconds = 100.0

    def run_clock(done: Callable[[], object]) -> None:
        nonlocal seconds
        deadline = time.monotonic() + 30.0
        while not done():
            assert time.monotonic() < deadline
            reader.set_clock(seconds)
            seconds += 0.05
            time.sleep(0.01)

    run_clock(lambda: len(reader.chunks) >= 3)
    seconds += 1000.0
    run_clock(lambda: (known := reader.latest(TEXT)) and known.state is State.ENDED)
    captions = reader.end()
    assert_fits(captions, reader.chunks)
    assert max(np.diff([chunk.stamp_ns for chunk in reader.chunks])) > 900 * 10**9


def test_refused_texts_have_a_reason(run_signer: Callable[..., Process], reader: Reader) -> None:
    reader.connect(run_signer(at_once=True, max_characters=2000))
    long, spelled = "tea " * 600, "bo \U0001f642"
    reader.say("", long, spelled)
    captions = reader.end(spelled)
    assert captions.warnings == ["left out 1 emoji or symbol (\U0001f642): there is no sign for them"]
    empty, cut = reader.end(""), reader.end(long[:1000])
    assert empty.outcome is cut.outcome is Outcome.REFUSED and empty.reason.startswith("the text is empty")
    assert cut.shortened and cut.characters == 2400 and "2400 characters" in cut.reason and not cut.parts
    reader.until(lambda: len(reader.goals) == 3, "their goals")
    assert {empty.id, cut.id, captions.id} == reader.goals.keys()


def test_late_joiners_get_the_latest_captions(run_signer: Callable[..., Process], reader: Reader) -> None:
    process = run_signer(at_once=True)
    reader.connect(process)
    (info,) = reader.node.get_publishers_info_by_topic("/signer/captions")
    assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    reader.say("hello", "bob")
    published = [reader.end("hello"), reader.end("bob")]
    late = Reader("late")
    latest: list[String] = []
    try:
        one = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        late.node.create_subscription(String, "/signer/captions", latest.append, one)
        late.until(lambda: latest and late.captions and late.captions[-1] == published[-1], "the earlier captions")
        assert [late.latest("hello"), late.latest("bob")] == published
        assert Captions.parse(latest[-1].data) == published[-1]
    finally:
        late.close()


def test_qos_can_be_overridden(run_signer: Callable[..., Process], reader: Reader) -> None:
    process = run_signer(**{"qos_overrides./signer/captions.publisher.durability": "volatile"})
    process.wait_for("ready: ")
    reader.until(lambda: reader.node.count_publishers("/signer/captions"), "its topics")
    (info,) = reader.node.get_publishers_info_by_topic("/signer/captions")
    assert info.qos_profile.durability == DurabilityPolicy.VOLATILE
