"""The timeline: parts without gaps, in the frames that come out, also where limits stretch time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import peak_memory

from text2sign_ros.inference.signer import RETURN_FRAMES, Signer
from text2sign_ros.motion.limits import Limits, stretch
from text2sign_ros.motion.timeline import MARKER, PAUSE, REST, Part, Timeline, captions
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.text import Segment

TEXT = "hello bob, no tea. coffee? please? [pause 1] [emphasis]thank you[/emphasis]"
FREE, SLOW = Limits(), Limits(velocity=0.5)


@pytest.fixture(scope="module")
def signer(bundle: Path) -> Signer:
    return Signer(bundle, steps=1)


def _sign(signer: Signer, text: str, limits: Limits = FREE) -> tuple[np.ndarray, tuple[Part, ...]]:
    timeline = Timeline()
    pieces = list(signer.stream(signer.plan(text), limits=limits, timeline=timeline))
    return np.concatenate(pieces), timeline.take()


def _hands(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part.kind != MARKER]


def assert_without_gaps(parts: Sequence[Part], frames: int) -> None:
    hands = _hands(parts)
    assert hands[0].start == 0 and hands[-1].end == frames and hands[-1].kind == REST
    for one, following in itertools.pairwise(hands):
        assert one.end == following.start and one.end > one.start
    assert [part.start for part in parts] == sorted(part.start for part in parts)


@pytest.mark.parametrize("limits", [FREE, SLOW, Limits(velocity=100.0)])
def test_parts_cover_the_motion_without_gaps(signer: Signer, limits: Limits) -> None:
    motion, parts = _sign(signer, TEXT, limits)
    assert_without_gaps(parts, len(motion))
    assert [(part.kind, part.text) for part in _hands(parts)] == [
        ("sign", "hello"),
        *(("letter", letter) for letter in "bob"),
        ("sign", "no"),
        ("sign", "tea"),
        ("sign", "coffee"),
        ("sign", "please"),
        (PAUSE, ""),
        ("sign", "thank you"),
        (REST, ""),
    ]
    words = [part.word for part in parts if part.kind == "letter"]
    assert len(set(words)) == 1 and words[0] == 1
    assert not any(part.estimated for part in parts)


def test_the_motion_is_the_same_with_and_without_a_timeline(signer: Signer) -> None:
    for limits in (FREE, SLOW):
        bare = np.concatenate(list(signer.stream(signer.plan(TEXT), limits=limits)))
        assert _sign(signer, TEXT, limits)[0].tobytes() == bare.tobytes()


def test_markers_last_as_long_as_the_signs_that_they_belong_to(signer: Signer) -> None:
    for limits in (FREE, SLOW):
        _, parts = _sign(signer, TEXT, limits)
        at = {part.text: part for part in parts if part.kind == "sign"}
        (pause,) = [part for part in parts if part.kind == PAUSE]
        spans = [(part.text, part.start, part.end) for part in parts if part.kind == MARKER]
        assert spans == [
            ("negation", 0, at["tea"].end),
            ("question", at["coffee"].start, at["coffee"].end),  # two questions are two
            ("question", at["please"].start, pause.end),  # which holds through the pause
            ("emphasis", at["thank you"].start, at["thank you"].end),
        ]


def test_stretched_boundaries_are_where_the_signs_are(signer: Signer) -> None:
    """The frame at a stretched boundary shows what the frame at the planned one does."""
    free, planned = _sign(signer, TEXT)
    slow, stretched = _sign(signer, TEXT, SLOW)
    assert len(slow) > 1.3 * len(free)
    for one, other in zip(_hands(planned), _hands(stretched), strict=True):
        before, after = free[one.start - 1 if one.start else 0], free[min(one.start + 1, len(free) - 1)]
        room = np.linalg.norm(after - before, axis=-1).max() + 1e-3
        assert np.linalg.norm(slow[other.start] - free[one.start], axis=-1).max() <= room
        assert (other.end or 0) - other.start >= (one.end or 0) - one.start


def test_places_are_the_frames_shown() -> None:
    rate = np.sin(np.linspace(0, np.pi, 200))[:, None, None] ** 2 * np.array((0.0, 0.0, 0.5))
    motion, places = (REST_POSE + rate).astype(np.float32), []
    frames = np.concatenate(list(stretch(np.split(motion, (30, 31, 120)), 25.0, Limits(velocity=0.1), places.append)))
    where = np.concatenate(places)
    assert len(where) == len(frames) > 250 and (np.diff(where) >= 0).all() and (np.diff(where) <= 1).all()
    assert where[0] == 0.0 and where[-1] == len(motion) - 1
    height = np.interp(where, np.arange(len(motion)), motion[:, 0, 2])
    np.testing.assert_allclose(frames[:, 0, 2], height, atol=1e-3)


def test_a_part_is_taken_when_it_starts_and_again_when_its_end_is_known() -> None:
    timeline = Timeline()
    timeline.mark({"question"})
    timeline.add("sign", "tea", 10, word=0)
    timeline.add("sign", "please", 10, word=1)
    tea, question = Part("sign", "tea", 0, 10, 0), Part(MARKER, "question", 0, None)
    assert timeline.take(0) == ()
    assert timeline.take(8) == (question, tea)
    assert timeline.take(8) == () == timeline.take(10)
    timeline.mark(())
    assert timeline.take(10) == (Part(MARKER, "question", 0, 20),)
    timeline.add(REST, "", 5)
    assert timeline.take() == (Part("sign", "please", 10, 20, 1), Part(REST, "", 20, 25))
    assert timeline.take() == ()


def test_with_limits_an_end_is_known_when_it_is_reached(signer: Signer) -> None:
    timeline, performed, known = Timeline(), 0, dict[str, int | None]()
    for piece in signer.stream(signer.plan("hello coffee please"), limits=SLOW, timeline=timeline):
        performed += len(piece)
        for part in timeline.take(performed):
            assert part.start < performed and (part.end or 0) <= performed
            known[part.text] = part.end
    ends = dict(known)
    assert ends.pop("") is None and len(ends) == 3 and all(end is not None for end in ends.values())
    assert timeline.take() == (Part(REST, "", ends["please"] or 0, performed),)


def test_units_generated_together_share_the_frames_as_estimates(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    m, o, tea = (segment.units[0] for segment in signer.plan("mo tea").segments)
    encode = signer._encoder.encode
    monkeypatch.setattr(signer._encoder, "encode", lambda texts: encode([texts[0].split()[0]]))
    plan, timeline = SimpleNamespace(segments=[Segment((m, o, tea)), Segment((m,))]), Timeline()
    motion = np.concatenate(list(signer.stream(plan, timeline=timeline)))  # type: ignore[arg-type]
    parts = timeline.take()
    assert [(part.text, part.estimated) for part in parts] == [
        *(("m", True), ("o", True), ("tea", True), ("m", False), ("", False))
    ]
    lengths = [(part.end or 0) - part.start for part in parts[:3]]
    assert max(lengths) - min(lengths) <= 1
    assert_without_gaps(parts, len(motion))


def test_captions_hold_through_a_pause(signer: Signer) -> None:
    for limits in (FREE, SLOW):
        motion, parts = _sign(signer, TEXT, limits)
        rows = captions(parts)
        assert sum(frames for _, frames in rows) == len(motion)
        assert [text for text, _ in rows] == ["hello", *"bob", "no", "tea", "coffee", "please", "thank you", ""]
    assert captions(_sign(signer, TEXT)[1]) == signer.timeline(signer.plan(TEXT))
    assert signer.timeline(signer.plan(TEXT))[-1] == ("", RETURN_FRAMES)


def test_memory_does_not_grow_with_the_motion() -> None:
    pose = np.repeat(REST_POSE[None].astype(np.float32), 40, axis=0)

    def parts(count: int, limits: Limits) -> Iterator[object]:
        timeline, frames = Timeline(), 0

        def pieces() -> Iterator[np.ndarray]:
            for number in range(count):
                timeline.mark({"question"} if number % 3 else ())
                timeline.add("sign", "tea", 40, word=number)
                yield pose

        for piece in timeline.stretch(pieces(), 25.0, limits):
            frames += len(piece)
            yield len(timeline.take(frames))

    for limits in (FREE, SLOW):
        peak_memory(parts(5, limits))
        assert peak_memory(parts(200, limits)) < 1.3 * peak_memory(parts(20, limits))
