"""The path of the joints: against scipy's Hermite splines, and what must hold whatever comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BPoly

from text2sign_ros.retarget.follower import Command, Point, State, TrajectoryFollower, TrajectoryRefused

JOINTS = ("shoulder", "elbow", "wrist")
REST = np.array((0.1, -0.2, 0.3))
NOW = 1_700_000_000_123_456_789  # nanoseconds, as on a real clock
MS = 1_000_000
some = settings(max_examples=40, deadline=None)

values = st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3).map(np.array)
gaps = st.integers(10, 900)  # milliseconds


@st.composite
def commands(draw, order: int | None = None, first: int = 10, stamp: int | None = None) -> Command:
    """A trajectory that ends at rest; its points all have ``order`` derivatives, or each what it likes."""
    time, points = draw(st.integers(first, 900)) * MS, []
    for _ in range(draw(st.integers(1, 5))):
        given = draw(st.integers(0, 2)) if order is None else order
        rows = [draw(values) if k <= given else None for k in range(3)]
        points.append(Point(time, *rows))
        time += draw(gaps) * MS
    if points[-1].velocities is not None:
        points[-1] = replace(points[-1], velocities=np.zeros(3))
    start = draw(st.integers(-1000, 1000)) * MS + NOW if stamp is None else stamp
    return Command(JOINTS, points, start)


def follower(**options) -> TrajectoryFollower:
    return TrajectoryFollower(JOINTS, REST, **options)


def path(following: TrajectoryFollower, times: Sequence[int]) -> np.ndarray:
    """(T, 3, J)."""
    return np.array([np.array(following.sample(time)) for time in times])


def times_until(end: int, begin: int = NOW, count: int = 60) -> list[int]:
    return between(begin, end + 100 * MS, count)


def between(begin: int, end: int, count: int) -> list[int]:
    return [begin + (end - begin) * k // (count - 1) for k in range(count)]  # float64 has no such nanoseconds


def same(got: np.ndarray | State, wanted: np.ndarray, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(np.array(got), wanted, rtol=tolerance, atol=tolerance)


def test_holds_what_it_was_given_until_there_is_a_trajectory() -> None:
    for time in (0, NOW, NOW + 10**12):
        same(follower().sample(time), [REST, np.zeros(3), np.zeros(3)])


@pytest.mark.parametrize("order", [0, 1, 2])
@some
@given(data=st.data())
def test_it_is_the_spline_through_what_the_points_give(order: int, data: st.DataObject) -> None:
    command = data.draw(commands(order, stamp=0))
    following = follower()
    assert following.accept(command, NOW) == 0.0
    knots = [0.0, *(point.time / 1e9 for point in command.points)]
    zero = np.zeros(3)
    rows = [[REST, zero, zero][: order + 1]]
    rows += [[point.positions, point.velocities, point.accelerations][: order + 1] for point in command.points]
    spline = BPoly.from_derivatives(knots, rows)
    for time in times_until(NOW + command.points[-1].time - 101 * MS):
        same(following.sample(time).positions, spline((time - NOW) / 1e9), 1e-5)


@some
@given(command=commands(stamp=0))
def test_passes_through_every_point_and_holds_the_last(command: Command) -> None:
    following = follower()
    following.accept(command, NOW)
    for point in command.points:
        state = following.sample(NOW + point.time)
        same(state.positions, point.positions)
    orders = [sum(row is not None for row in (p.velocities, p.accelerations)) for p in command.points]
    for point, order, after in zip(command.points, orders, orders[1:], strict=False):
        for k in range(1, 1 + min(order, after)):
            same(following.sample(NOW + point.time)[k], (point.velocities, point.accelerations)[k - 1], 1e-4)
    assert following.end == NOW + command.points[-1].time
    for later in (0, 1, 10**12):
        same(following.sample(following.end + later), [command.points[-1].positions, np.zeros(3), np.zeros(3)])


@some
@given(command=commands())
def test_velocity_and_acceleration_are_those_of_the_positions(command: Command) -> None:
    following = follower()
    following.accept(command, NOW - 2000 * MS)
    step = 100_000  # ns
    for time in times_until(following.end, count=25):
        near = path(following, [time - step, time, time + step])
        for k in (0, 1):
            slopes = np.diff(near[:, k], axis=0) / (step * 1e-9)
            if np.abs(slopes[1] - slopes[0]).max() < 1e-3 * (1 + np.abs(slopes).max()):  # not across a knot
                same(near[1, k + 1], slopes.mean(axis=0), 2e-2 * (1 + np.abs(slopes).max()))


@some
@given(data=st.data(), order=st.integers(0, 2))
def test_the_rest_of_a_trajectory_sent_again_changes_nothing(data: st.DataObject, order: int) -> None:
    """As a stream does: what is still to come, from a point on, or as late as it likes."""
    command = data.draw(commands(order, stamp=NOW + 50 * MS))
    once, again = follower(moving_end=True), follower(moving_end=True)
    once.accept(command, NOW)
    again.accept(command, NOW)
    at = data.draw(st.integers(0, len(command.points) - 1))
    now = NOW + data.draw(st.integers(0, command.points[at].time // MS)) * MS
    rest = [replace(point, time=point.time - command.points[at].time) for point in command.points[at:]]
    again.accept(Command(JOINTS, rest, command.stamp + command.points[at].time), now)
    later = times_until(once.end, now)
    same(path(again, later)[:, 0], path(once, later)[:, 0], 1e-5)
    again.accept(command, now)  # the whole of it, part of which is past
    same(path(again, later)[:, 0], path(once, later)[:, 0], 1e-5)


@some
@given(first=commands(), second=commands(), now=st.integers(0, 3000))
def test_the_older_one_goes_on_until_the_stamp_of_the_newer_one(first: Command, second: Command, now: int) -> None:
    with_second, without = follower(), follower()
    for following in (with_second, without):
        following.accept(first, NOW - 2000 * MS)
    now = NOW + now * MS
    second = replace(second, stamp=now + MS + abs(second.stamp - NOW))
    assert with_second.accept(second, now) == 0.0, "no step where the first point is after the start"
    for time in between(now, second.stamp - 1, 20):
        same(with_second.sample(time), np.array(without.sample(time)), 1e-4)
    around = path(with_second, [second.stamp - 1000, second.stamp + 1000])
    speed = np.abs(around[:, 1]).max()
    assert np.abs(np.diff(around[:, 0], axis=0)).max() <= 1e-5 * (1 + speed)


@some
@given(first=commands(), second=commands(first=50))
def test_without_replacement_it_leads_into_the_first_point_at_once(first: Command, second: Command) -> None:
    following = follower(replacement=False)
    following.accept(first, NOW - 2000 * MS)
    before = following.sample(NOW)
    second = replace(second, stamp=NOW + abs(second.stamp - NOW))
    assert following.accept(second, NOW) == 0.0
    head = replace(second.points[0], time=second.stamp + second.points[0].time - NOW)
    alone = follower(moving_end=True)
    alone.accept(Command(JOINTS, [Point(0, *before), head]), NOW)
    for time in between(NOW, NOW + head.time - 1, 20):
        same(following.sample(time), np.array(alone.sample(time)), 1e-4)
    same(following.sample(NOW + head.time).positions, head.positions)


def test_points_in_the_past_are_left_out() -> None:
    late = Command(JOINTS, [Point(k * 100 * MS, np.full(3, float(k))) for k in range(6)], NOW - 250 * MS)
    led = follower()
    assert led.accept(late, NOW) == 0.0
    same(led.sample(NOW).positions, REST)
    same(led.sample(NOW + 25 * MS).positions, (REST + 3.0) / 2)
    at_once = follower(replacement=False)
    assert at_once.accept(late, NOW) == pytest.approx(2.5 + 0.2), "it leaps to where it should be by now"
    same(at_once.sample(NOW).positions, np.full(3, 2.5))


def test_a_first_point_at_the_start_is_a_step() -> None:
    following = follower()
    assert following.accept(Command(JOINTS, [Point(0, [0.1, -0.2, 0.8])]), NOW) == pytest.approx(0.5)
    same(following.sample(NOW), [[0.1, -0.2, 0.8], np.zeros(3), np.zeros(3)])


@some
@given(command=commands(), order=st.permutations(range(3)))
def test_joints_in_any_order(command: Command, order: list[int]) -> None:
    straight, shuffled = follower(), follower()
    straight.accept(command, NOW - 2000 * MS)
    points = [
        Point(point.time, *(None if row is None else np.array(row)[order] for row in _rows(point)))
        for point in command.points
    ]
    shuffled.accept(Command([JOINTS[k] for k in order], points, command.stamp), NOW - 2000 * MS)
    times = times_until(straight.end, NOW - 2000 * MS)
    same(path(shuffled, times), path(straight, times), 1e-9)


def _rows(point: Point) -> tuple:
    return point.positions, point.velocities, point.accelerations


@some
@given(first=commands(), second=commands(stamp=0), column=st.integers(0, 2), replacement=st.booleans())
def test_joints_left_out_go_on(first: Command, second: Command, column: int, replacement: bool) -> None:
    """With the older trajectory, exactly; without replacement they hold where they are."""
    partly, wholly, without = (follower(partial=True, replacement=replacement) for _ in range(3))
    for following in (partly, wholly, without):
        following.accept(first, NOW - 2000 * MS)
    now = NOW - 500 * MS
    points = [
        Point(point.time, *(None if row is None else [row[column]] for row in _rows(point))) for point in second.points
    ]
    partly.accept(Command([JOINTS[column]], points), now)
    wholly.accept(second, now)
    others = [k for k in range(3) if k != column]
    times = times_until(max(partly.end, without.end), now)
    same(path(partly, times)[..., column], path(wholly, times)[..., column], 1e-5)
    if replacement:
        same(path(partly, times)[..., others], path(without, times)[..., others], 1e-3)
    else:
        same(path(partly, times)[:, 0][..., others], np.tile(without.sample(now).positions[others], (len(times), 1)))


GOOD = Point(100 * MS, (0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command((), [GOOD]), "names no joints"),
        (Command(JOINTS, []), "has no points"),
        (Command(("shoulder", "elbow", "wirst"), [GOOD]), "there is no joint wirst; there are shoulder, elbow, wrist"),
        (Command(JOINTS[:2], [Point(MS, (0.0, 0.0))]), "leaves out wrist; name all joints"),
        (Command(("elbow", *JOINTS[:2]), [GOOD]), "names elbow more than once"),
        (Command(JOINTS, [Point(MS, (0.0, 0.0))]), "point 0 has 2 positions for 3 joints"),
        (Command(JOINTS, [Point(MS, (0.0, 0.0, 0.0), (0.0,))]), "point 0 has 1 velocities for 3 joints"),
        (Command(JOINTS, [Point(MS, ())]), "point 0 has no positions"),
        (Command(JOINTS, [Point(MS, (0, 0, 0), None, (0, 0, 0))]), "accelerations and no velocities"),
        (Command(JOINTS, [Point(MS, (0.0, np.nan, 0.0))]), "positions of nan for elbow, which no joint can have"),
        (Command(JOINTS, [Point(MS, (0, 0, 0), (0, 0, np.inf))]), "velocities of inf for wrist"),
        (Command(JOINTS, [Point(MS, (0, 1e300, 0))]), "positions of 1e+300 for elbow"),
        (Command(JOINTS, [Point(k * MS, (0, 0, 0)) for k in range(10_001)]), "has 10,001 points; 10,000 are allowed"),
        (Command(JOINTS, [GOOD], 2 * NOW), "begins more than a day ahead; compare the clocks"),
        (Command(JOINTS, [Point(-MS, (0, 0, 0))]), "before the trajectory's start"),
        (Command(JOINTS, [GOOD, GOOD]), "time_from_start must increase: 0.1 s of point 0, 0.1 s of point 1"),
        (Command(JOINTS, [Point(MS, (0, 0, 0), (0, 0.5, 0))]), "ends while elbow moves at 0.5 rad/s"),
        (Command(JOINTS, [GOOD], NOW - 600 * MS), "ended 0.5 s ago"),
    ],
)
def test_what_can_not_be_followed_is_refused_and_changes_nothing(command: Command, words: str) -> None:
    following = follower()
    following.accept(Command(JOINTS, [Point(1000 * MS, (1.0, 1.0, 1.0))]), NOW)
    times = times_until(NOW + 1000 * MS)
    before = path(following, times)
    with pytest.raises(TrajectoryRefused) as caught:
        following.accept(command, NOW)
    assert words in str(caught.value)
    np.testing.assert_array_equal(path(following, times), before)


def test_a_moving_end_where_it_is_allowed_is_held() -> None:
    following = follower(moving_end=True)
    following.accept(Command(JOINTS, [Point(100 * MS, np.ones(3), np.ones(3))]), NOW)
    same(following.sample(NOW + 100 * MS - 1).velocities, np.ones(3), 1e-4)
    same(following.sample(NOW + 100 * MS), [np.ones(3), np.zeros(3), np.zeros(3)])


def test_whether_the_joints_stand() -> None:
    following = follower()
    assert following.stands(NOW)
    following.accept(Command(JOINTS, [Point(100 * MS, np.ones(3)), Point(200 * MS, np.ones(3))]), NOW)
    assert [following.stands(NOW + at * MS) for at in (-50, 0, 99, 101, 300)] == [False, False, False, True, True]
