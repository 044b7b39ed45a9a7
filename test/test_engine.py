"""The engine: every accepted text comes out whole and in order, in bounded memory, and ends at rest come what may."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from text2sign_ros.inference.engine import (
    AHEAD,
    MAX_UNPLAYED,
    Item,
    Notice,
    Outcome,
    Policy,
    QueueFullError,
    SigningEngine,
    Style,
    Utterance,
)
from text2sign_ros.motion.chunks import Chunk
from text2sign_ros.motion.timeline import REST
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.text import TextError
from text2sign_ros.wire.captions import Captioner, Captions

STYLE = Style(frames_per_chunk=8)
EVER = 2**62


class Waving:
    """Stands in for the signer: a text is the number of its pieces, "bad" is refused, "3!" breaks after 3 pieces."""

    fps = 25.0

    def __init__(self) -> None:
        self.signed: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def plan(self, text: str, *, max_characters: int) -> SimpleNamespace:
        if text == "bad":
            raise TextError("nothing to sign")
        return SimpleNamespace(text=text, warnings=())

    def stream(self, plan, *, seed: int, limits, timeline) -> Iterator[np.ndarray]:
        self.signed.append(plan.text)
        count = int(plan.text.rstrip("!"))
        time = np.arange(20) / 20
        up = np.sin(np.pi * time)[:, None, None] ** 2 * np.array((0.0, 0.0, 0.3))
        for number in range(count):
            self.gate.wait()
            timeline.add("sign", str(number), 20)
            yield (REST_POSE + up).astype(np.float32)
        if plan.text.endswith("!"):
            timeline.add("sign", "!", 20)
            yield (REST_POSE + up[:15]).astype(np.float32)
            raise RuntimeError("a wire came off")
        timeline.add(REST, "", 3)
        yield np.repeat(REST_POSE[None], 3, axis=0).astype(np.float32)


@pytest.fixture
def signer() -> Waving:
    return Waving()


@pytest.fixture
def engine(signer: Waving) -> Iterator[SigningEngine]:
    engine = SigningEngine(signer, max_waiting=3)  # type: ignore[arg-type]
    yield engine
    signer.gate.set()
    engine.close()
    assert not engine._worker.is_alive()


def take(engine: SigningEngine, timeout: float = 5.0) -> Item | None:
    """What a consumer takes that sends everything immediately, and can take back nothing."""
    item = engine.peek(timeout)
    assert item is None or engine.take(item)
    return item


def take_chunk(engine: SigningEngine) -> Chunk:
    item = take(engine)
    assert item is not None and isinstance(item[1], Chunk)
    return item[1]


def take_all(engine: SigningEngine, utterance: Utterance) -> list[Chunk]:
    """Chunks up to the end of ``utterance``; nothing else may come in between."""
    taken = []
    while True:
        item = take(engine)
        assert item is not None, "the engine gives nothing any more"
        assert item[0] is utterance
        if not isinstance(item[1], Chunk):
            assert item[1] is Notice.END and engine.played(EVER) == [utterance]
            return taken
        taken.append(item[1])


def assert_whole(taken: list[Chunk], cuts: int = 1) -> None:
    """Consecutive frames from rest to rest, and nowhere a jump that the motion does not have."""
    assert taken[0].start == 0 and taken[-1].last and not any(chunk.last for chunk in taken[:-1])
    for one, following in itertools.pairwise(taken):
        assert following.start == one.start + len(one)
    positions = np.concatenate([chunk.positions for chunk in taken])
    np.testing.assert_allclose(positions[[0, -1]], np.stack((REST_POSE, REST_POSE)), atol=1e-6)
    assert np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() < 0.1
    velocities = np.concatenate([chunk.velocities for chunk in taken])
    assert not velocities[-1].any()
    off = np.abs(velocities[1:-1] - (positions[2:] - positions[:-2]) * 12.5).max(axis=(1, 2))
    # Where a way back begins, the frame before it was sent with the velocity that it was to go on with.
    assert (off > 1e-4).sum() <= cuts and off.max() < 0.2


def assert_told(taken: list[Chunk]) -> None:
    """The parts that the chunks carry make captions of a whole motion."""
    told: list[str] = []
    captioner, utterance = Captioner(25.0, lambda changed: told.append(changed.json())), Utterance("text", STYLE)
    captioner.accept(utterance.id, utterance.text)
    for chunk in taken:
        captioner.sent(utterance, chunk, 10**9 + chunk.start_time)
    parts = Captions.parse(told[-1]).parts
    assert parts[0].start_frame == 0 and parts[-1].end_frame == sum(map(len, taken)) and parts[-1].kind == REST
    for one, following in itertools.pairwise(parts):
        assert one.end_frame == following.start_frame > one.start_frame and one.end_stamp == following.start_stamp
    assert [part.kind for part in parts].count(REST) == 1


def test_texts_are_signed_completely_and_in_order(engine: SigningEngine) -> None:
    utterances = [engine.submit(text, STYLE) for text in ("2", "9", "1")]
    for utterance, frames in zip(utterances, (43, 183, 23), strict=True):
        taken = take_all(engine, utterance)
        assert_whole(taken)
        assert sum(map(len, taken)) == utterance.frames == frames
        assert utterance.outcome is Outcome.SIGNED and utterance.error is None
        assert 0 < utterance.first_chunk <= utterance.work
    assert take(engine, 0.05) is None and engine.idle


def test_it_signs_ahead_and_no_further(engine: SigningEngine, signer: Waving) -> None:
    utterance = engine.submit("1000", STYLE)
    deadline = time.monotonic() + 5.0
    while sum(len(chunk) for _, chunk in engine._items if isinstance(chunk, Chunk)) < AHEAD * signer.fps:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)
    assert (
        sum(len(chunk) for _, chunk in engine._items if isinstance(chunk, Chunk))
        < AHEAD * signer.fps + STYLE.frames_per_chunk
    )
    assert_whole(take_all(engine, utterance))


def test_a_full_queue_refuses_a_text_and_loses_none(engine: SigningEngine, signer: Waving) -> None:
    signer.gate.clear()
    first = engine.submit("1", STYLE)
    deadline = time.monotonic() + 5.0
    while not signer.signed:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    others = [engine.submit("1", STYLE) for _ in range(3)]
    with pytest.raises(QueueFullError, match="3 texts are waiting"):
        engine.submit("1", STYLE)
    signer.gate.set()
    for utterance in (first, *others):
        assert_whole(take_all(engine, utterance))


def test_an_unsignable_text_is_refused_and_the_next_is_signed(engine: SigningEngine) -> None:
    first = engine.submit("1", STYLE)
    with pytest.raises(TextError, match="nothing to sign"):
        engine.submit("bad", STYLE, policy=Policy.REPLACE)
    good = engine.submit("1", STYLE)
    for utterance in (first, good):
        assert_whole(take_all(engine, utterance))


@pytest.mark.parametrize("text", ["0!", "2!", "7!"])
def test_a_failed_text_ends_at_rest_and_the_next_is_signed(engine: SigningEngine, text: str) -> None:
    broken, good = engine.submit(text, STYLE), engine.submit("1", STYLE)
    taken = take_all(engine, broken)
    assert broken.outcome is Outcome.FAILED and "a wire came off" in str(broken.error)
    assert_whole(taken)
    assert sum(map(len, taken)) > 20 * int(text[0]) + 8
    assert_whole(take_all(engine, good))


@pytest.mark.parametrize("chunks_taken", [1, 2, 3, 12])
def test_cancel_leads_to_rest_from_the_last_chunk(engine: SigningEngine, chunks_taken: int) -> None:
    first, second = engine.submit("20", STYLE), engine.submit("5", STYLE)
    taken = [take_chunk(engine) for _ in range(chunks_taken)]
    assert engine.cancel() == 2
    after = engine.submit("1", STYLE)
    back = take_all(engine, first)
    assert 0 < sum(map(len, back)) < 50, "straight back"
    assert_whole(taken + back)
    assert take_all(engine, second) == []
    assert first.outcome is second.outcome is Outcome.CANCELED
    assert_whole(take_all(engine, after))
    assert engine.cancel() == 0


def test_canceling_again_on_the_way_back_changes_nothing(engine: SigningEngine) -> None:
    utterance = engine.submit("20", STYLE)
    taken = [take_chunk(engine) for _ in range(2)]
    assert engine.cancel() == 1
    taken.append(take_chunk(engine))
    assert engine.cancel() == 0
    assert_whole(taken + take_all(engine, utterance))


def test_canceling_a_failed_text_twice_keeps_the_order(engine: SigningEngine) -> None:
    broken, other = engine.submit("1!", STYLE), engine.submit("5", STYLE)
    taken = [take_chunk(engine) for _ in range(2)]
    deadline = time.monotonic() + 5.0
    while broken.outcome is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    engine.cancel()
    engine.cancel()
    assert_whole(taken + take_all(engine, broken))
    assert take_all(engine, other) == []
    assert (broken.outcome, other.outcome) == (Outcome.FAILED, Outcome.CANCELED)


def test_close_does_not_wait_for_a_consumer(signer: Waving) -> None:
    engine = SigningEngine(signer, max_waiting=3)  # type: ignore[arg-type]
    engine.submit("1000", STYLE)
    engine.submit("1000", STYLE)
    take_chunk(engine)
    engine.close()
    assert not engine._worker.is_alive()


def test_replace_ends_all_other_texts(engine: SigningEngine) -> None:
    first, second = engine.submit("20", STYLE), engine.submit("5", STYLE)
    taken = [take_chunk(engine) for _ in range(3)]
    newest = engine.submit("1", STYLE, policy=Policy.REPLACE)
    assert_whole(taken + take_all(engine, first))
    assert take_all(engine, second) == []
    assert first.outcome is second.outcome is Outcome.CANCELED and "newer" in str(first.error)
    assert_whole(take_all(engine, newest))
    assert newest.outcome is Outcome.SIGNED


def test_drop_oldest_drops_the_text_that_waited_longest(engine: SigningEngine, signer: Waving) -> None:
    signer.gate.clear()
    first = engine.submit("1", STYLE)
    until(lambda: signer.signed)
    waiting = [engine.submit("1", STYLE, policy=Policy.DROP_OLDEST) for _ in range(5)]
    assert engine.waiting == 3
    assert [p.outcome for p in waiting] == [Outcome.DROPPED, Outcome.DROPPED, None, None, None]
    for utterance in waiting[:2]:
        assert take_all(engine, utterance) == []
    signer.gate.set()
    for utterance in (first, *waiting[2:]):
        assert_whole(take_all(engine, utterance))


def test_a_text_that_waits_too_long_is_dropped(engine: SigningEngine, signer: Waving) -> None:
    signer.gate.clear()
    first = engine.submit("1", STYLE, max_wait=0.05)
    until(lambda: signer.signed)
    hurried, patient = engine.submit("1", STYLE, max_wait=0.05), engine.submit("1", STYLE, max_wait=60.0)
    time.sleep(0.1)
    assert take_all(engine, hurried) == []
    assert hurried.outcome is Outcome.DROPPED and "max_wait" in str(hurried.error)
    signer.gate.set()
    for utterance in (first, patient):
        assert_whole(take_all(engine, utterance))
        assert utterance.outcome is Outcome.SIGNED


def test_a_stalled_consumer_does_not_make_memory_grow(engine: SigningEngine) -> None:
    for policy in (Policy.REPLACE, Policy.DROP_OLDEST):
        with pytest.raises(QueueFullError):
            for _ in range(2 * MAX_UNPLAYED + 10):
                engine.submit("20", STYLE, policy=policy)
    assert len(engine._live) <= 3 + MAX_UNPLAYED and len(engine._items) <= 3 + MAX_UNPLAYED + 10


@pytest.mark.parametrize("chunks_taken", [0, 1, 3, 12])
def test_pause_leads_to_rest_and_interrupted_texts_start_again(engine: SigningEngine, chunks_taken: int) -> None:
    first, second = engine.submit("12", STYLE), engine.submit("1", STYLE)
    taken = [take_chunk(engine) for _ in range(chunks_taken)]
    assert engine.pause() == (chunks_taken > 0)
    assert engine.pause() == 0 and engine.paused
    while (item := take(engine, 0.2)) is not None:
        assert item[0] is first and isinstance(item[1], Chunk)
        taken.append(item[1])
    if chunks_taken:
        assert_whole(taken)
    assert first.outcome is None and engine.waiting == 2
    engine.resume()
    again = take_all(engine, first)
    assert_whole(again)
    assert sum(map(len, again)) == first.frames == 243, "all of it"
    assert_whole(take_all(engine, second))


def test_cancel_in_a_pause(engine: SigningEngine) -> None:
    first, second = engine.submit("12", STYLE), engine.submit("1", STYLE)
    taken = [take_chunk(engine) for _ in range(4)]
    engine.pause()
    taken.append(take_chunk(engine))
    assert engine.cancel() == 2
    assert_whole(taken + take_all(engine, first))
    assert take_all(engine, second) == []
    third = engine.submit("1", STYLE)
    assert take(engine, 0.1) is None
    engine.resume()
    assert_whole(take_all(engine, third))


def test_canceling_twice_keeps_the_order_of_failed_texts(engine: SigningEngine) -> None:
    failed = engine.submit("1!", STYLE)
    taken = [take_chunk(engine)]
    until(lambda: failed.outcome is Outcome.FAILED)
    following = engine.submit("0", STYLE)
    assert engine.cancel() == 2 and engine.cancel() == 0
    assert_whole(taken + take_all(engine, failed))
    assert failed.outcome is Outcome.FAILED
    assert take_all(engine, following) == []


def until(condition) -> None:
    deadline = time.monotonic() + 5.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


commands = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(list(Policy)), st.sampled_from(["0", "1", "6", "bad", "1!"])),
        st.tuples(st.just("take"), st.integers(1, 6)),
        st.tuples(st.sampled_from(["cancel", "pause", "resume"]), st.none()),
    ),
    max_size=25,
)


@given(commands)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_of_calls_keeps_the_invariants(commands: list[tuple[object, object]]) -> None:
    engine = SigningEngine(Waving(), max_waiting=3)  # type: ignore[arg-type]
    accepted: list[Utterance] = []
    taken: list[tuple[Utterance, Chunk | None]] = []
    try:
        for command, argument in commands:
            if isinstance(command, Policy):
                try:
                    accepted.append(engine.submit(str(argument), STYLE, policy=command))
                except QueueFullError:
                    assert engine.waiting >= 3 and command is not Policy.REPLACE
                except TextError:
                    assert argument == "bad"
            elif command == "take":
                for _ in range(int(str(argument))):
                    # Where nothing can come, there is nothing to wait for.
                    item = take(engine, 0.0 if engine.all_sent or engine.paused else 0.02)
                    taken += [item] if item is not None else []
            else:
                getattr(engine, str(command))()
        engine.resume()
        while sum(chunk is Notice.END for _, chunk in taken) < len(accepted):
            item = take(engine)
            assert item is not None, "a text was lost"
            taken.append(item)
        assert take(engine, 0.0) is None and set(engine.played(EVER)) == set(accepted) and engine.idle
    finally:
        engine.close()
    ends = [utterance for utterance, chunk in taken if chunk is Notice.END]
    assert len(set(ends)) == len(ends) and set(ends) == set(accepted)
    in_turn = [utterance for utterance in accepted if utterance.outcome is not Outcome.DROPPED]
    assert [utterance for utterance in ends if utterance in in_turn] == in_turn
    begun = [utterance for utterance, chunk in taken if isinstance(chunk, Chunk)]
    assert [p for p, _ in itertools.groupby(begun)] == [p for p in accepted if p in begun], "one at a time"
    for utterance in accepted:
        own = [chunk for p, chunk in taken if p is utterance]
        assert utterance.outcome is not None and own[-1] is Notice.END
        motions: list[list[Chunk]] = []
        for chunk in own[:-1]:
            assert isinstance(chunk, Chunk)
            if chunk.start == 0:
                motions.append([])
            motions[-1].append(chunk)
        for motion in motions:
            assert_whole(motion, cuts=len(commands))
            assert_told(motion)
        if not motions:
            assert utterance.outcome is not Outcome.SIGNED
