"""Playback: the pose is right where chunks are, smooth where they are not, and finite whatever comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sign_ros.motion.chunks import Chunk, chunks
from text2sign_ros.motion.kinematics import with_canonical_lengths
from text2sign_ros.motion.limits import Limits, to_rest
from text2sign_ros.motion.playback import HORIZON, STEP, Piece, Playback, PlaybackError
from text2sign_ros.motion.transition import transition
from text2sign_ros.skeleton import GROUPS, REST_POSE

FPS, SECOND, TICK = 25.0, 10**9, 20_000_000
LEAD = 200_000_000


def raised() -> np.ndarray:
    """The right hand before the chest."""
    pose = REST_POSE.copy()
    pose[GROUPS["right_hand"]] += np.float32([0.25, 0.1, 0.4])
    pose[[8, 10]] += np.float32([[0.1, 0.0, 0.1], [0.25, 0.1, 0.4]])
    return with_canonical_lengths(pose).astype(np.float32)


def motion() -> list[Chunk]:
    """From rest to a raised hand and back: 41 frames in chunks of 8."""
    up = raised()
    there, back = transition(REST_POSE, up, 19), transition(up, REST_POSE, 19)
    return list(chunks([REST_POSE[None], there, up[None], back, REST_POSE[None]], FPS, 8))


def piece(chunk: Chunk, origin: int) -> Piece:
    times = origin + np.rint((chunk.start + np.arange(len(chunk))) * SECOND / FPS).astype(np.int64)
    return Piece(times, chunk.positions, chunk.velocities)


class Play:
    """Lets time go by in ticks; ``coming`` are pieces by the time at which they come."""

    def __init__(self, now: int = 100 * SECOND, **options: int) -> None:
        self.playback, self.now = Playback(**options), now
        self.coming: list[tuple[int, Piece]] = []
        self.poses: list[np.ndarray] = []
        self.times: list[int] = []

    def come(self, parts: list[Chunk], origin: int) -> None:
        self.coming += [(origin + chunk.start_time - LEAD, piece(chunk, origin)) for chunk in parts]

    def run(self, seconds: float, tick: int = TICK) -> np.ndarray:
        begin = len(self.poses)
        for _ in range(round(seconds * SECOND / tick)):
            while self.coming and self.coming[0][0] <= self.now:
                self.playback.add(self.coming.pop(0)[1], self.now)
            self.poses.append(self.playback.pose(self.now))
            self.times.append(self.now)
            self.now += tick
        return np.array(self.poses[begin:])

    @property
    def fastest(self) -> float:
        """Metres in a tick, of any keypoint."""
        return float(np.linalg.norm(np.diff(self.poses, axis=0), axis=-1).max())


FASTEST = max(float(np.linalg.norm(chunk.velocities, axis=-1).max()) for chunk in motion()) * TICK / SECOND


def test_rest_until_a_piece_arrives() -> None:
    play = Play(now=0)
    np.testing.assert_array_equal(play.run(0.1), np.broadcast_to(REST_POSE, (5, 79, 3)))
    assert not play.playback.broken_off


def test_hermite_through_the_points() -> None:
    play = Play()
    origin = play.now + LEAD
    play.come(motion(), origin)
    play.run(2.5, tick=SECOND // 100)
    frames = np.concatenate([chunk.positions for chunk in motion()])
    shown = dict(zip(play.times, play.poses, strict=True))
    for number, frame in enumerate(frames):
        np.testing.assert_allclose(shown[origin + number * 40_000_000], frame, atol=1e-6)
    # Between two points: value and slopes of the cubic that has the message's velocities, computed another way.
    chunk = motion()[1]
    (p, q), (v, w) = chunk.positions[2:4].astype(float), chunk.velocities[2:4].astype(float)
    middle = (p + q) / 2 + (v - w) * 0.04 / 8
    at = origin + chunk.start_time + 2 * 40_000_000 + 20_000_000
    np.testing.assert_allclose(shown[at], middle, atol=1e-6)
    assert not play.playback.broken_off
    np.testing.assert_array_equal(play.poses[-1], REST_POSE)


def test_two_motions_with_rest_between() -> None:
    play = Play()
    play.come(motion(), play.now + LEAD)
    play.come(motion(), play.now + 5 * SECOND)
    poses = play.run(7.5)
    assert play.fastest < 1.02 * FASTEST
    assert not play.playback.broken_off
    still = np.array(poses)[(np.array(play.times) > 102 * SECOND) & (np.array(play.times) < 104.9 * SECOND)]
    np.testing.assert_allclose(still, np.broadcast_to(REST_POSE, still.shape), atol=1e-6)


def test_a_motion_that_breaks_off_goes_to_rest_and_is_joined_again() -> None:
    play = Play()
    parts = motion()
    play.come(parts[:2], play.now + LEAD)
    play.run(0.2 + 15 * 0.04 + 0.1)
    assert play.playback.broken_off
    assert np.abs(play.poses[-1] - REST_POSE).max() > 0.1, "on its way"
    play.run(1.5)
    np.testing.assert_array_equal(play.poses[-1], REST_POSE)
    assert play.playback.broken_off
    play.come(parts[2:], play.now - parts[2].start_time + LEAD)  # which begins with the hand up
    play.run(2.0)
    assert not play.playback.broken_off
    assert 0.01 < play.fastest < 0.08, "smooth, though hurried, on the way back into the motion"
    np.testing.assert_allclose(play.poses[-1], REST_POSE, atol=1e-6)


def test_a_gap_while_signing_is_slow() -> None:
    play = Play()
    parts = motion()
    play.come(parts[:2], play.now + LEAD)
    play.come(parts[2:], play.now + LEAD + 300_000_000)
    play.run(3.0)
    assert play.fastest < 1.5 * FASTEST


def test_a_newer_motion_replaces_what_it_overlaps() -> None:
    play = Play()
    play.come(motion(), play.now + LEAD)
    for _, part in play.coming:
        play.playback.add(part, play.now)
    play.coming.clear()
    play.run(1.0)
    again = piece(motion()[0], play.now + LEAD)
    assert play.playback.interrupts(again, play.now)
    play.playback.add(again, play.now)
    play.run(1.5)
    assert play.playback.broken_off, "only the first chunk of it came"
    assert play.fastest < 0.08


@pytest.mark.parametrize("frames", [3, 8, 12, 20])
def test_a_way_back_replaces_the_motion_it_sets_out_from(frames: int) -> None:
    play, parts = Play(), motion()
    begin = play.now + LEAD
    for chunk in parts:
        play.playback.add(piece(chunk, begin), play.now)
    play.run(0.1)
    whole = np.concatenate([chunk.positions for chunk in parts])
    slopes = np.concatenate([chunk.velocities for chunk in parts])
    path = to_rest(whole[frames - 1], slopes[frames - 1], FPS, Limits())
    kept = Chunk(0, whole[:frames], slopes[:frames], FPS, last=False)
    for chunk in chunks([path], FPS, 8, after=kept):
        back = piece(chunk, begin)
        assert not play.playback.interrupts(back, play.now), "of two signers it is from the one that is played"
        play.playback.add(back, play.now)
    play.run(3.0)
    at = [play.poses[play.times.index(begin + k * 2 * TICK)] for k in range(frames + len(path))]
    np.testing.assert_allclose(at, np.concatenate((whole[:frames], path)), atol=1e-6)
    assert play.fastest < 0.06 and not play.playback.breaks
    np.testing.assert_allclose(play.poses[-1], REST_POSE, atol=1e-6)


def test_only_a_piece_that_does_not_continue_interrupts() -> None:
    playback, parts = Playback(), motion()
    now = 100 * SECOND
    first, second, third = (piece(chunk, now + LEAD) for chunk in parts[:3])
    assert not playback.interrupts(first, now)
    playback.add(first, now)
    assert not playback.interrupts(second, now)
    assert playback.interrupts(third, now), "a gap in mid-motion"
    assert not playback.interrupts(piece(parts[0], now + 10 * SECOND), first.end + 1), "the motion is over"
    for chunk in parts[1:]:
        playback = playback if chunk is not parts[1] else Playback()
        playback.add(piece(chunk, now + LEAD), now)
    assert not playback.interrupts(piece(parts[0], now + 9 * SECOND), now), "it stands at rest before that"


def test_the_clock_stops() -> None:
    play = Play()
    play.come(motion(), play.now + LEAD)
    before = play.run(0.8)[-1]
    play.now -= TICK
    for _ in range(100):
        np.testing.assert_array_equal(play.playback.pose(play.now), before)
    assert not play.playback.broken_off
    play.run(2.0)
    assert play.fastest < 1.02 * FASTEST


@pytest.mark.parametrize("jump", [-90, -3, 3, 900])
def test_the_clock_jumps(jump: int) -> None:
    play = Play()
    play.come(motion(), play.now + LEAD)
    play.run(0.8)
    play.coming.clear()
    play.now += jump * SECOND
    play.run(1.5)
    assert play.playback.broken_off
    assert play.fastest < 0.05, "without a jump of the figure"
    np.testing.assert_array_equal(play.poses[-1], REST_POSE)
    play.come(motion(), play.now + LEAD)
    play.run(2.5)
    assert not play.playback.broken_off


def test_a_jump_forward_within_the_buffer_continues_there() -> None:
    play = Play()
    parts = motion()
    for chunk in [*parts, *(Chunk(c.start + 41, c.positions, c.velocities, FPS, c.last) for c in parts)]:
        play.playback.add(piece(chunk, play.now + LEAD), play.now)
    origin = play.now + LEAD
    play.run(0.3)
    play.now += 2 * SECOND
    play.run(0.5)
    assert play.fastest < 0.08 and not play.playback.broken_off
    frames = np.concatenate([chunk.positions for chunk in parts])
    frame = (play.times[-1] - origin) / 4e7 - 41
    np.testing.assert_allclose(play.poses[-1], frames[round(frame)], atol=0.03)


def test_late_early_and_excess_pieces_are_refused() -> None:
    now, part = 100 * SECOND, motion()[0]
    playback = Playback(capacity=30)
    with pytest.raises(PlaybackError, match="after its end"):
        playback.add(piece(part, now - SECOND), now)
    with pytest.raises(PlaybackError, match="another clock"):
        playback.add(piece(part, now + HORIZON + 1), now)
    playback.add(piece(part, now), now)
    playback.add(piece(part, now + 320_000_000), now)
    with pytest.raises(PlaybackError, match="lead_time"):
        playback.add(piece(part, now + 640_000_000), now)
    for k in range(200):  # time makes room
        later = now + k * 320_000_000
        playback.add(piece(part, later + 320_000_000), later)
        assert len(playback._times) < 60


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 11.0])
def test_numbers_that_no_motion_has_are_refused(value: float) -> None:
    part = piece(motion()[0], 0)
    for name in ("positions", "velocities"):
        arrays = {"positions": part.positions.copy(), "velocities": part.velocities.copy()}
        arrays[name][3, 40, 1] = value * (10 if name == "velocities" else 1)
        with pytest.raises(PlaybackError, match="beyond"):
            Piece(part.times, **arrays)


def test_points_out_of_shape_or_order_are_refused() -> None:
    part = piece(motion()[0], 0)
    for times in (part.times[::-1], part.times * 0, part.times * (STEP // 30_000_000)):
        with pytest.raises(PlaybackError, match="follow one another"):
            Piece(times, part.positions, part.velocities)
    for count, joints in ((0, 79), (8, 78)):
        with pytest.raises(PlaybackError, match="79 keypoints"):
            Piece(part.times[:count], part.positions[:count, :joints], part.velocities[:count, :joints])


_events = st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 60_000_000)),
    st.tuples(st.just("jump"), st.integers(-(10**11), 10**11)),
    st.tuples(st.just("chunk"), st.tuples(st.integers(0, 5), st.integers(-2 * SECOND, 2 * SECOND))),
    st.tuples(st.just("next"), st.integers(1, STEP)),
)


@given(st.lists(_events, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_pose_is_always_finite_and_never_jumps(events: list) -> None:
    """Chunks in any order, at any time, on a clock that jumps: no step is longer than its time allows."""
    playback, parts, now, end = Playback(capacity=60), motion(), 10**12, 10**12
    before = playback.pose(now)
    for kind, value in events:
        ticked = 0
        if kind == "tick":
            ticked, now = value, now + value
        elif kind == "jump":
            now = max(1, now + value) if not -(10**8) <= value <= 10**9 else now
        else:
            number, start = value if kind == "chunk" else (1, 0)
            begin = now + start if kind == "chunk" else end + value
            try:
                part = piece(parts[number], begin - parts[number].start_time)
                playback.add(part, now)
                end = part.end
            except PlaybackError:
                pass
        pose = playback.pose(now)
        assert np.isfinite(pose).all()
        assert len(playback._times) < 60 + 120
        step = np.linalg.norm(pose - before, axis=-1).max()
        # The way to a chunk that came late may be hurried, but is one.
        assert step <= 1e-5 + 25.0 * ticked / SECOND, f"{step:.3f} m in {ticked / 1e9:.3f} s"
        before = pose
    for _ in range(400):
        now += TICK
        pose = playback.pose(now)
    np.testing.assert_allclose(pose, REST_POSE, atol=0.011)


def test_what_is_to_come_can_be_looked_at_and_changes_are_told() -> None:
    playback, parts, now = Playback(), motion(), 100 * SECOND
    playback.knot(now)
    assert playback.changed() is None and playback.ends
    begin = now + LEAD
    first, second = piece(parts[0], begin), piece(parts[1], begin)
    playback.add(first, now)
    assert playback.changed() <= begin and playback.changed() is None
    assert playback.known == first.end and not playback.ends
    np.testing.assert_allclose(playback.coming(first.end)[0], first.positions[-1])
    playback.add(second, now)
    assert playback.changed() == second.start and playback.known == second.end
    looked = playback.coming(second.end - 10_000_000)
    np.testing.assert_array_equal(playback.knot(second.end - 10_000_000), looked)
    playback.knot(second.end + 10_000_000)
    assert playback.broken_off and playback.ends
    assert second.end < playback.changed() <= second.end + 20_000_000, "the way to rest"
    np.testing.assert_allclose(playback.coming(playback.known)[0], REST_POSE, atol=1e-6)
