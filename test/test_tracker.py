"""Tracker: texts find their goals and goals their chunks, in whatever order the topics' messages come."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.skeleton import KEYPOINTS, REST_POSE
from text2sign_ros.wire.captions import Captions, CaptionsError, State
from text2sign_ros.wire.tracker import Arrival, GoalState, Status, Track, Tracker, gaps
from text2sign_ros.wire.trajectory import Trajectory

FRAME = 40_000_000  # nanoseconds
Event = Callable[[Tracker], None]


def arrival(stamp_ns: int, *, frames: int = 4, first: bool = False, last: bool = False, held: bool = False) -> Arrival:
    """A chunk; the figure is away from rest but where the motion begins and ends."""
    positions = np.repeat(REST_POSE[None], frames, axis=0) + np.float32(0.3)
    velocities = np.full_like(positions, 0.0 if held else 0.5)
    for place, at_rest in ((0, first), (-1, last)):
        if at_rest:
            positions[place], velocities[place] = REST_POSE, 0.0
    times = np.arange(frames, dtype=np.int64) * FRAME
    return Arrival(Trajectory(stamp_ns, positions, velocities, times, KEYPOINTS), 0.0, 0)


def captions(id: uuid.UUID, text: str, **values: object) -> Captions:
    return Captions(id, text[:1000], len(text), len(text) > 1000, 25.0, **values)


class Signer:
    """Makes what a signer publishes: messages in the order in which it does, each topic a list of its own."""

    def __init__(self) -> None:
        self.goals: dict[uuid.UUID, GoalState] = {}
        self.clock = 10**9
        self.events: list[tuple[str, Event]] = []
        self.sent: dict[uuid.UUID, list[int]] = {}  # stamps of the chunks of the last start

    def _status(self) -> None:
        goals = tuple(self.goals.values())
        self.events.append(("status", lambda tracker: tracker.status(goals)))

    def accept(self, text: str) -> uuid.UUID:
        id = uuid.uuid4()
        message = captions(id, text)
        self.events.append(("captions", lambda tracker: tracker.captions(message)))
        self.goals[id] = GoalState(id, Status.ACCEPTED, 0)
        self._status()
        return id

    def sign(self, id: uuid.UUID, chunks: int, *, cut: bool = False) -> None:
        """Send a motion of so many chunks; one that is cut does not end at rest."""
        self.sent[id] = []
        for number in range(chunks):
            last = number == chunks - 1 and not cut
            chunk = arrival(self.clock, first=number == 0, last=last, held=number == 1)
            self.events.append(("chunk", lambda tracker, chunk=chunk: tracker.chunk(chunk)))
            if number == 0:
                self.goals[id] = GoalState(id, Status.EXECUTING, self.clock)
                self._status()
            self.sent[id].append(self.clock)
            self.clock += 4 * FRAME

    def end(self, id: uuid.UUID, status: Status) -> None:
        self.goals[id] = self.goals.pop(id)._replace(status=status)
        self._status()


def stamps(track: Track) -> list[int]:
    return [arrival.chunk.stamp_ns for arrival in track.current]


def play(tracker: Tracker, events: list[tuple[str, Event]]) -> None:
    for _, event in events:
        event(tracker)


@given(
    own=st.lists(st.tuples(st.sampled_from(["a", "b", "x" * 1500, "x" * 1501]), st.integers(1, 6)), max_size=6),
    foreign=st.lists(st.tuples(st.sampled_from(["c", "d"]), st.integers(1, 4)), max_size=4),
    data=st.data(),
)
def test_every_text_finds_its_goal_and_all_its_chunks(
    own: list[tuple[str, int]], foreign: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Whatever other texts there are, and however messages of different topics overtake each other."""
    signer, tracker = Signer(), Tracker()
    tracker.status(())
    tracks = [tracker.send(text, captioned=True) for text, _ in own]
    order = data.draw(st.permutations([*range(len(own)), *[-1 - k for k in range(len(foreign))]]))
    order = sorted(n for n in order if n >= 0) if not foreign else order
    queue = iter(sorted(n for n in order if n >= 0))  # the texts of one sender stay in their order
    ids: dict[int, uuid.UUID] = {}
    for place in order:
        number = next(queue) if place >= 0 else place
        text, chunks = own[number] if number >= 0 else foreign[-1 - number]
        ids[number] = signer.accept(text)
        signer.sign(ids[number], chunks)
        signer.end(ids[number], Status.SUCCEEDED)
    # Each topic keeps its order, and comes with a delay of its own; of the status some messages never come.
    topics = {
        name: [event for kind, event in signer.events if kind == name] for name in ("status", "captions", "chunk")
    }
    if topics["status"]:
        kept = data.draw(st.lists(st.booleans(), min_size=len(topics["status"]), max_size=len(topics["status"])))
        topics["status"] = [e for e, keep in zip(topics["status"][:-1], kept, strict=False) if keep] + topics["status"][
            -1:
        ]
    while any(topics.values()):
        name = data.draw(st.sampled_from([name for name, events in topics.items() if events]))
        topics[name].pop(0)(tracker)
    for number, track in enumerate(tracks):
        assert track.id == ids[number] and track.status is Status.SUCCEEDED
        assert track.complete and not track.lost and not track.skipped
        assert stamps(track) == signer.sent[ids[number]]


@given(texts=st.lists(st.sampled_from("ab"), max_size=5), refused=st.sets(st.integers(0, 4)))
def test_without_captions_goals_are_matched_by_order(texts: list[str], refused: set[int]) -> None:
    signer, tracker = Signer(), Tracker()
    before = signer.accept("old")
    signer.sign(before, 2)
    play(tracker, signer.events)
    signer.events.clear()
    tracks = [tracker.send(text, captioned=False) for text in texts]
    ids = []
    for number, text in enumerate(texts):
        ids.append(signer.accept(text))
        if number in refused:
            signer.end(ids[-1], Status.ABORTED)
    for id in ids:
        if signer.goals[id].status is Status.ACCEPTED:
            signer.sign(id, 3)
            signer.end(id, Status.SUCCEEDED)
    play(tracker, [event for event in signer.events if event[0] != "captions"])
    assert [track.id for track in tracks] == ids
    assert [track.status is Status.ABORTED for track in tracks] == [number in refused for number in range(len(texts))]
    assert all(track.complete and stamps(track) == signer.sent.get(track.id, []) for track in tracks)


def test_the_first_of_equal_texts_takes_the_first_goal_and_old_goals_are_ignored() -> None:
    signer, tracker = Signer(), Tracker()
    old = signer.accept("a")
    tracker.status(tuple(signer.goals.values()))  # whose captions come late
    first, second = tracker.send("a", captioned=True), tracker.send("a", captioned=True)
    tracker.captions(captions(old, "a"))
    assert first.id is None
    ids = [signer.accept("a"), signer.accept("a")]
    play(tracker, signer.events)
    play(tracker, signer.events)  # the latched ones once more
    assert [first.id, second.id] == ids


def test_a_text_without_a_goal() -> None:
    signer, tracker = Signer(), Tracker()
    tracker.status(())
    refused, taken = (tracker.send(text, captioned=True) for text in "ab")
    id = signer.accept("b")
    play(tracker, signer.events)
    assert taken.id == id and refused.id is None and refused.skipped and not taken.skipped


def test_captions_say_how_it_ended() -> None:
    tracker = Tracker()
    tracker.status(())
    track, id = tracker.send("a", captioned=True), uuid.uuid4()
    tracker.captions(captions(id, "a"))
    assert track.id == id and not track.has_outcome
    tracker.captions(captions(id, "a", state=State.ENDED, outcome=Outcome.REFUSED, reason="a reason"))
    assert track.has_outcome and track.captions.reason == "a reason" and track.complete


def test_a_text_that_starts_again() -> None:
    signer, tracker = Signer(), Tracker()
    tracker.status(())
    track = tracker.send("a", captioned=True)
    id = signer.accept("a")
    signer.sign(id, 3)
    signer.clock += 10**9
    signer.sign(id, 5)
    play(tracker, signer.events)
    assert stamps(track) == signer.sent[id] and len(track.arrivals) == 8 and not track.status.final
    tracker.status((GoalState(id, Status.EXECUTING, signer.clock),))
    assert not stamps(track), "it begins once more, and nothing of that has come"
    signer.events.clear()
    signer.sign(id, 2)
    signer.end(id, Status.SUCCEEDED)
    play(tracker, signer.events)
    assert track.complete and stamps(track) == signer.sent[id]


def test_a_motion_that_is_cut_off_and_the_next() -> None:
    signer, tracker = Signer(), Tracker()
    tracker.status(())
    track, following = (tracker.send(text, captioned=True) for text in "ab")
    id, next_id = signer.accept("a"), signer.accept("b")
    signer.sign(id, 3, cut=True)
    signer.end(id, Status.ABORTED)
    play(tracker, signer.events)
    assert not track.complete, "more could come"
    signer.events.clear()
    signer.clock += 10**9
    signer.sign(next_id, 3)
    play(tracker, signer.events)
    assert (stamps(track), stamps(following)) == (signer.sent[id], signer.sent[next_id])


def test_a_restarted_signer() -> None:
    signer, tracker = Signer(), Tracker()
    tracker.status(())
    track, ended = (tracker.send(text, captioned=True) for text in "ab")
    signer.accept("a")
    signer.end(signer.accept("b"), Status.ABORTED)
    play(tracker, signer.events)
    tracker.status(())
    assert track.lost and not ended.lost


def test_a_motion_whose_start_was_missed_is_ignored() -> None:
    signer, tracker = Signer(), Tracker()
    id = signer.accept("old")
    signer.sign(id, 4)
    play(tracker, signer.events[-3:])  # joined in the middle
    tracker.status(tuple(signer.goals.values()))
    track = tracker.send("a", captioned=True)
    signer.events.clear()
    signer.end(id, Status.SUCCEEDED)
    mine = signer.accept("a")
    signer.sign(mine, 3)
    play(tracker, signer.events)
    assert stamps(track) == signer.sent[mine]


def test_gaps() -> None:
    chunks = [arrival(stamp).chunk for stamp in (0, 160_000_000, 321_000_000)]
    assert gaps(chunks, 25.0) == [0, 1_000_000] and gaps([], 25.0) == []


@pytest.mark.parametrize("data", ["", "null", "[]", "{}", '{"version": 2}', '{"version": 1, "id": "x"}', "3"])
def test_invalid_captions_are_refused(data: str) -> None:
    with pytest.raises(CaptionsError):
        Captions.parse(data)
