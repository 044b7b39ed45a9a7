"""The pacer: every limit is kept at and between commands, whatever comes in; otherwise the motion is as it was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import pacing
from text2sign_ros import Signer
from text2sign_ros.retarget.joint_path import JointLimits, PacingError
from text2sign_ros.retarget.pacing import CAPACITY, PERIOD, TOLERANCE, Command, Pacer

NOW, FRAME, SECOND = 10**12, 40_000_000, 10**9
LEAD = 200_000_000
STEP = PERIOD / 1e9
EXACT = 1e-6
SEEDS = st.integers(0, 2**32 - 1)


def limits(count: int, velocity: float = 6.0, acceleration: float = 40.0, jerk: float = 1000.0) -> JointLimits:
    one = np.ones(count)
    names = tuple(f"joint_{number}" for number in range(count))
    return JointLimits(names, -2 * one, 2 * one, velocity * one, acceleration * one, jerk * one)


HUGE = limits(3, 1e4, 1e6, 1e9)


def stamps(count: int, start: int = NOW + 2 * LEAD) -> np.ndarray:
    return start + FRAME * np.arange(count)


def smooth(seed: int, count: int, joints: int, size: float = 1.0) -> np.ndarray:
    """From rest to rest through random poses."""
    rng = np.random.default_rng(seed)
    knots = rng.uniform(-size, size, (2 + count // 12, joints))
    place = np.linspace(0, len(knots) - 1 - 1e-9, count)
    x = (place % 1)[:, None]
    before = place.astype(int)
    return knots[before] + (knots[before + 1] - knots[before]) * x**3 * (10 - 15 * x + 6 * x**2)


def wild(seed: int, count: int, joints: int, noise: float = 0.02, jumps: float = 0.05) -> np.ndarray:
    """Movements with noise, and with jumps of any size."""
    rng = np.random.default_rng(seed)
    motion = smooth(seed, count, joints) + rng.normal(scale=noise, size=(count, joints))
    for frame in np.flatnonzero(rng.random(count) < jumps):
        motion[frame:, rng.integers(joints)] += rng.uniform(-2, 2)
    return np.clip(motion, -2, 2)


@dataclass
class Robot:
    """Takes the commands of a pacer, one each period."""

    limits: JointLimits
    pose: np.ndarray
    speed: np.ndarray | None = None
    options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.limits, **self.options)
        self.pacer.start(NOW, self.pose, self.speed)
        self.commands: list[Command] = []
        self.now = NOW

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1e9 / PERIOD)):
            self.commands.append(self.pacer.step())
            self.now += PERIOD

    def play(
        self, times: np.ndarray, motion: np.ndarray, *, chunk: int = 8, lead: int = LEAD, last: bool = True
    ) -> None:
        """Chunks come ``lead`` before their time."""
        for start in range(0, len(motion), chunk):
            while self.now < times[start] - lead:
                self.run(STEP)
            part = slice(start, start + chunk)
            self.pacer.add(times[part], motion[part], last=last and start + chunk >= len(motion))

    def settle(self, most: float = 120.0) -> None:
        """Until it stands, and a little longer."""
        for _ in range(round(most / STEP)):
            self.run(STEP)
            if self.pacer.standing:
                break
        else:
            pytest.fail("it never comes to rest")
        self.run(0.1)

    @property
    def positions(self) -> np.ndarray:
        return np.array([command.positions for command in self.commands])

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """Source times that are shown, and when."""
        pairs = [(c.source, c.time) for c in self.commands if c.source is not None]
        return np.array(pairs, np.int64).reshape(-1, 2).T

    def assert_kept(self) -> None:
        """At every command, in finite differences, and along the quintics that join them."""
        p, v, a = (np.array([command[k] for command in self.commands]) for k in (1, 2, 3))
        low, high = self.limits.lower - 1e-8, self.limits.upper + 1e-8
        bounds = (self.limits.velocity, self.limits.acceleration, self.limits.jerk)
        assert (np.diff([command.time for command in self.commands]) == PERIOD).all()
        for order, bound in enumerate(bounds, 1):
            assert (np.abs(np.diff(p, n=order, axis=0)) <= bound * STEP**order * (1 + EXACT) + 1e-12).all()
        # The quintics of joint_trajectory_controller, as powers of the time in periods.
        q, w, b = p[1:], v[1:] * STEP, a[1:] * STEP**2
        p, v, a = p[:-1], v[:-1] * STEP, a[:-1] * STEP**2
        curve = np.stack(
            (
                p,
                v,
                a / 2,
                10 * (q - p) - 6 * v - 4 * w - 1.5 * a + 0.5 * b,
                -15 * (q - p) + 8 * v + 7 * w + 1.5 * a - b,
                6 * (q - p) - 3 * v - 3 * w - 0.5 * a + 0.5 * b,
            )
        )
        for x in np.linspace(0, 1, 5):
            powers = x ** np.arange(6)
            factors = np.ones(6)
            for order in range(4):
                value = np.tensordot(factors[order:] * powers[: 6 - order], curve[order:], 1)
                if order:
                    most = bounds[order - 1] * STEP**order
                    assert (np.abs(value) <= most * (1 + EXACT) + 1e-11).all(), order
                else:
                    assert ((value >= low) & (value <= high)).all()
                factors = _derived(factors, order)


def _derived(factors: np.ndarray, order: int) -> np.ndarray:
    return factors * np.maximum(np.arange(6) - order, 0)


def off_path(positions: np.ndarray, path: np.ndarray) -> float:
    """Greatest distance, in any joint, from the nearest point of a polyline through ``path``."""
    dense = np.concatenate([np.linspace(a, b, 20, endpoint=False) for a, b in pairwise(path)] + [path[-1:]])
    return max(np.abs(dense - point).max(axis=1).min() for point in positions)


@pytest.mark.parametrize("start", ["velocity", "acceleration", "jerk", "lower", "upper"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_limits_that_are_none_are_refused_by_joint(start: str, value: float) -> None:
    if start in ("lower", "upper") and value == 0.0:
        return
    values = {name: getattr(limits(3), name).copy() for name in ("lower", "upper", "velocity", "acceleration", "jerk")}
    values[start][1] = value
    with pytest.raises(PacingError, match=rf"{start} limit of joint_1 is {value}"):
        JointLimits(("joint_0", "joint_1", "joint_2"), **values)


def test_huge_limits_change_nothing() -> None:
    motion = smooth(1, 80, 3)
    robot = Robot(HUGE, motion[0])
    robot.play(stamps(80), motion)
    robot.settle()
    robot.assert_kept()
    at = {command.time: command for command in robot.commands}
    shown = np.array([at[int(time)].positions for time in stamps(80)])
    np.testing.assert_allclose(shown, motion, atol=np.radians(0.3))
    assert np.sqrt(np.mean((shown - motion) ** 2)) < np.radians(0.03)
    sources, times = robot.shown()
    here = (sources >= stamps(80)[0]) & (sources <= stamps(80)[-1])
    np.testing.assert_allclose(sources[here] - times[here], 0, atol=20_000)
    assert abs(robot.pacer.executed(int(stamps(80)[40])) - stamps(80)[40]) < 20_000


@settings(max_examples=40, deadline=None)
@given(
    SEEDS,
    st.sampled_from((1.0, 3.0, 6.0)),
    st.sampled_from((8.0, 40.0, 200.0)),
    st.sampled_from((100.0, 1000.0, 10_000.0)),
    st.sampled_from((1, 3, 8, 40)),
    st.sampled_from((0.0, 0.005, 0.05)),
    st.sampled_from((0.0, 0.02, 0.3)),
)
def test_limits_are_kept_and_the_end_is_reached(
    seed: int, v: float, a: float, j: float, chunk: int, noise: float, jumps: float
) -> None:
    motion = wild(seed, 50, 4, noise, jumps)
    robot = Robot(limits(4, v, a, j), np.clip(motion[0] + 0.3, -2, 2))
    robot.play(stamps(50), motion, chunk=chunk)
    robot.settle()
    robot.assert_kept()
    np.testing.assert_allclose(robot.positions[-1], motion[-1], atol=1e-9)
    assert robot.pacer.lag >= 0.0
    sources, _ = robot.shown()
    assert (np.diff(sources) >= 0).all()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from((2.0, 6.0)), st.sampled_from((20.0, 60.0)))
def test_the_path_is_kept(seed: int, velocity: float, acceleration: float) -> None:
    """The same poses are passed as with limits that slow nothing."""
    motion = smooth(seed, 60, 3)
    easy = Robot(limits(3, 40.0, 2_000.0, 200_000.0), motion[0])
    slow = Robot(limits(3, velocity, acceleration, 1000.0), motion[0], options={"tolerance": 0.0})
    for robot in (easy, slow):
        robot.play(stamps(60), motion)
        robot.settle()
        robot.assert_kept()
    assert off_path(slow.positions[::7], easy.positions) < np.radians(1.5)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 250), st.sampled_from((0.0, 0.05)), st.booleans())
def test_it_stops_at_any_moment_soon_and_on_the_path(seed: int, ticks: int, jumps: float, again: bool) -> None:
    motion = wild(seed, 50, 4, 0.002, jumps)
    robot = Robot(limits(4), motion[0])
    robot.play(stamps(50), motion, chunk=50)
    robot.run(ticks * STEP)
    whole = Robot(limits(4), motion[0])
    whole.play(stamps(50), motion, chunk=50)
    whole.settle()
    robot.pacer.stop()
    began = len(robot.commands)
    robot.settle(1.0)  # at 6 rad/s, 40 rad/s² and 1000 rad/s³ it takes 0.24 s
    assert off_path(robot.positions[began::5], whole.positions) < 2e-3
    if again:
        robot.play(robot.now + stamps(20) - NOW, motion[10:30])
        robot.settle()
        np.testing.assert_allclose(robot.positions[-1], motion[29], atol=1e-9)
    robot.assert_kept()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 49), st.sampled_from((1, 4, 8)), st.sampled_from((0.0, 0.05)))
def test_without_input_it_comes_to_rest_and_goes_on_when_it_comes(
    seed: int, given_frames: int, chunk: int, jumps: float
) -> None:
    motion = wild(seed, 50, 4, 0.002, jumps)
    robot = Robot(limits(4), motion[0])
    times = stamps(50)
    robot.play(times[:given_frames], motion[:given_frames], chunk=chunk, last=False)
    robot.run(8.0)
    rested = robot.positions[-10:]
    np.testing.assert_array_equal(rested, np.repeat(rested[:1], 10, axis=0))
    assert not robot.commands[-1].velocities.any()
    robot.play(times[given_frames:], motion[given_frames:], chunk=chunk)
    robot.settle()
    robot.assert_kept()
    np.testing.assert_allclose(robot.positions[-1], motion[-1], atol=1e-9)
    assert (np.diff(robot.shown()[0]) >= 0).all()  # nothing is shown twice


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.lists(st.integers(-200, 600), min_size=7, max_size=7))
def test_late_chunks(seed: int, late: list[int]) -> None:
    """Each comes some ms after or before its time; the signer may have given later stamps to those after it."""
    motion = wild(seed, 56, 4, 0.005, 0.02)
    robot = Robot(limits(4), motion[0])
    times = stamps(56)
    for number, delay in enumerate(late):
        part = slice(8 * number, 8 * number + 8)
        if delay > 300:
            times[part.start :] += delay * 1_000_000
        while robot.now < times[part][0] + delay * 1_000_000:
            robot.run(STEP)
        robot.pacer.add(times[part], motion[part], last=number == 6)
    robot.settle()
    robot.assert_kept()
    np.testing.assert_allclose(robot.positions[-1], motion[-1], atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 300), st.integers(-10, 40), st.booleans(), st.sampled_from((0.0, 0.05)))
def test_a_newer_motion_replaces_from_its_start_on(
    seed: int, ticks: int, frame: int, sets_out: bool, jumps: float
) -> None:
    old, new = wild(seed, 60, 4, 0.002, jumps), wild(seed + 1, 40, 4, 0.002, jumps)
    robot = Robot(limits(4), old[0])
    robot.play(stamps(60), old, chunk=60)
    robot.run(ticks * STEP)
    if sets_out:
        new += (old[np.clip(frame, 0, 59)] - new[0]) * np.linspace(1, 0, 40)[:, None] ** 2
    new = np.clip(new, -2, 2)
    times = stamps(40, int(stamps(60)[0]) + frame * FRAME)
    robot.play(times, new, lead=10 * SECOND)
    robot.settle()
    robot.assert_kept()
    np.testing.assert_allclose(robot.positions[-1], new[-1], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.0, 1.0), st.booleans())
def test_it_starts_from_any_state(seed: int, speed: float, stopped: bool) -> None:
    rng, bounds = np.random.default_rng(seed), limits(4)
    motion = smooth(seed, 30, 4)
    pose = rng.uniform(-1.2, 1.2, 4)
    robot = Robot(bounds, pose, speed * rng.uniform(-6, 6, 4))
    np.testing.assert_allclose(robot.pacer._done[1], pose)
    robot.play(stamps(30), motion)
    robot.run(0.03)
    if stopped:
        robot.pacer.stop()
    robot.settle()
    robot.assert_kept()
    np.testing.assert_allclose(robot.commands[0].positions, pose, atol=1e-9)
    if not stopped:
        np.testing.assert_allclose(robot.positions[-1], motion[-1], atol=1e-9)


def test_the_first_command_is_the_robot_s_state() -> None:
    robot = Robot(limits(2), np.array((0.3, -0.2)), np.array((1.5, -0.4)))
    robot.settle()
    robot.assert_kept()
    first = robot.commands[0]
    assert first.time == NOW and first.source is None
    np.testing.assert_allclose(first.positions, (0.3, -0.2), atol=1e-12)
    np.testing.assert_allclose(first.velocities, (1.5, -0.4), atol=1e-12)


def test_a_way_across_takes_little_longer_than_limits_allow() -> None:
    """1 rad at 6 rad/s, 40 rad/s² and 1000 rad/s³: 0.36 s at least."""
    robot = Robot(limits(2), np.zeros(2))
    robot.play(stamps(1, NOW), np.ones((1, 2)), lead=SECOND)
    robot.settle()
    moving = np.abs(np.array([command.velocities for command in robot.commands])).max(axis=1) > 1e-6
    assert 0.36 < moving.sum() * STEP < 0.72


def test_a_late_motion_catches_up() -> None:
    """Where the limits do not bind; otherwise it is as fast as they allow."""
    slow = smooth(3, 400, 2, 0.3)
    motion = slow.copy()
    motion[50:54, 0] += np.array((0.5, 1.0, 1.0, 0.5))
    lags = {}
    for catch_up in (1.0, 1.1):
        robot = Robot(limits(2), motion[0], options={"catch_up": catch_up})
        robot.play(stamps(400), motion)
        lags[catch_up] = robot.pacer.lag
        robot.settle()
        robot.assert_kept()
    assert lags[1.0] > 0.2 and lags[1.1] < 0.05


def test_a_pause_between_motions_takes_up_the_delay() -> None:
    motion = smooth(4, 40, 3)
    motion[-1] = motion[0]
    robot = Robot(limits(3, 2.0, 10.0, 200.0), motion[0])
    later = stamps(40, int(stamps(40)[-1]) + 20 * SECOND)
    robot.play(stamps(40), motion)
    robot.play(later, motion)
    here = robot.now
    assert here < later[-1] and not robot.pacer.standing
    robot.settle()
    robot.assert_kept()
    sources, times = robot.shown()
    first = np.searchsorted(sources, stamps(40)[-1]) - 1
    assert times[first] - sources[first] > SECOND // 2
    begun = np.searchsorted(sources, later[0])
    assert abs(times[begun] - sources[begun]) < SECOND // 10


def test_executed_maps_the_motion_s_time_to_when_it_was_shown() -> None:
    motion = smooth(5, 60, 3)
    robot = Robot(limits(3, 2.0, 10.0, 200.0), motion[0])
    assert robot.pacer.executed(NOW) == NOW
    robot.play(stamps(60), motion)
    coming = robot.pacer.executed(int(stamps(60)[50]))
    robot.settle()
    told = [robot.pacer.executed(int(time)) for time in stamps(60)]
    assert (np.diff(told) > 0).all() and told[-1] - stamps(60)[-1] > SECOND // 2
    sources, times = robot.shown()
    for source, time in zip(sources[60:], times[60:], strict=True):
        assert abs(robot.pacer.executed(int(source)) - time) <= PERIOD
    assert abs(coming - told[50]) < SECOND // 4  # a forecast


def test_motions_of_no_length() -> None:
    robot = Robot(limits(2), np.zeros(2))
    robot.play(stamps(1), np.zeros((1, 2)))
    robot.settle()
    np.testing.assert_array_equal(robot.positions, 0.0)
    robot.play(stamps(2, robot.now + LEAD), np.full((2, 2), 0.5), chunk=1)
    robot.settle()
    robot.assert_kept()
    np.testing.assert_allclose(robot.positions[-1], 0.5, atol=1e-12)
    robot.pacer.stop()
    robot.settle()
    np.testing.assert_allclose(robot.positions[-1], 0.5, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-2, 1e-3])
def test_tiny_limits_make_it_slow_and_nothing_else(scale: float) -> None:
    motion = smooth(6, 20, 2, 0.3)
    robot = Robot(limits(2, 6 * scale, 40 * scale, 1000 * scale), motion[0])
    robot.play(stamps(20), motion)
    robot.settle(600.0)
    robot.assert_kept()
    np.testing.assert_allclose(robot.positions[-1], motion[-1], atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.5])
def test_a_frame_that_cannot_be_is_refused_by_joint_and_nothing_changes(value: float) -> None:
    motion = smooth(7, 16, 3)
    robot, other = Robot(limits(3), motion[0]), Robot(limits(3), motion[0])
    bad = motion[8:].copy()
    bad[3, 1] = value
    for one in (robot, other):
        one.play(stamps(16)[:8], motion[:8], last=False)
    with pytest.raises(PacingError, match=rf"position of joint_1 is {value}.* in frame 3"):
        robot.pacer.add(stamps(16)[8:], bad)
    for one in (robot, other):
        one.run(2.0)
    np.testing.assert_array_equal(robot.positions, other.positions)


@pytest.mark.parametrize(
    ("times", "shape", "told"),
    [
        ([], (0, 3), "times"),
        ([5, 5], (2, 3), "grow"),
        ([5, 6], (3, 3), "shape"),
        ([5, 6], (2, 2), "shape"),
    ],
)
def test_frames_of_another_shape_are_refused(times: list[int], shape: tuple[int, int], told: str) -> None:
    robot = Robot(limits(3), np.zeros(3))
    with pytest.raises(PacingError, match=told):
        robot.pacer.add(np.array(times, np.int64), np.zeros(shape))


def test_states_that_are_refused() -> None:
    pacer = Pacer(limits(2))
    for call in (pacer.step, lambda: pacer.add(stamps(1), np.zeros((1, 2)))):
        with pytest.raises(PacingError, match="start comes first"):
            call()
    with pytest.raises(PacingError, match=r"joint_1 is 2\.100 rad"):
        pacer.start(NOW, np.array((0.0, 2.1)))
    with pytest.raises(PacingError, match="joint_0 moves at -7 rad/s, above its limit"):
        pacer.start(NOW, np.zeros(2), np.array((-7.0, 0.0)))
    with pytest.raises(PacingError, match="joint_1 moves at 5 rad/s and can't be stopped"):
        pacer.start(NOW, np.array((0.0, 1.99)), np.array((0.0, 5.0)))
    with pytest.raises(PacingError, match="joint_0 is nan"):
        pacer.start(NOW, np.array((np.nan, 0.0)))
    with pytest.raises(PacingError, match="velocities that are numbers"):
        pacer.start(NOW, np.zeros(2), np.array((np.nan, 0.0)))
    with pytest.raises(PacingError, match="start comes first"):
        pacer.step()
    pacer.start(NOW, np.array((0.0, 2.01)))  # sags by half a degree
    assert pacer.step().positions[1] == 2.0


@pytest.mark.parametrize("options", [{"period": 0}, {"tolerance": -1.0}, {"tolerance": np.nan}, {"catch_up": 0.9}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(PacingError, match="out of range"):
        Pacer(limits(2), **options)


def test_what_waits_is_bounded() -> None:
    robot = Robot(limits(2), np.zeros(2))
    with pytest.raises(PacingError, match=f"more than {CAPACITY} frames"):
        robot.pacer.add(stamps(CAPACITY + 1), np.zeros((CAPACITY + 1, 2)))


def test_rounding_stays_within_its_tolerance() -> None:
    """A path leaves a frame by the tolerance and a sixth of the bend in it at most."""
    motion = wild(8, 200, 3, 0.02, 0.0)
    robot = Robot(limits(3), motion[0])
    robot.play(stamps(200), motion)
    robot.settle()
    bend = np.abs(np.diff(motion, n=2, axis=0)) / 6
    passed = robot.positions
    for frame in range(1, 199):
        sources, times = robot.shown()
        here = int(np.searchsorted(sources, stamps(200)[frame]))
        shown = passed[(times[here] - NOW) // PERIOD]
        near = slice(max(frame - 3, 0), frame + 2)
        assert (np.abs(shown - motion[frame]) <= 2 * TOLERANCE + bend[near].max(axis=0) + 0.03).all()


@pytest.fixture(scope="module")
def signed(bundle: Path) -> np.ndarray:
    """(T, 34) rad: angles of arms and hands in generated signing."""
    return pacing.joint_angles(Signer(bundle).sign("hello water please").positions)[0]


@pytest.mark.parametrize(("chosen", "longer"), [("strict", 1.6), ("default", 1.4), ("brisk", 1.25)])
def test_signing_is_slowed_by_as_much_as_the_limits_ask(signed: np.ndarray, chosen: str, longer: float) -> None:
    names = pacing.joint_angles(np.zeros((2, 79, 3)))[1]
    robot = Robot(pacing.limits(names, pacing.SETS[chosen]), signed[0] + 0.2)
    robot.play(stamps(len(signed)), signed)
    robot.settle()
    robot.assert_kept()
    sources, times = robot.shown()
    here = (sources > stamps(1)[0]) & (sources < stamps(len(signed))[-1])
    # It begins late, on the way from where the joints were, and catches up: that may take less than the motion's time.
    assert 0.95 < np.ptp(times[here]) / np.ptp(sources[here]) < longer
    assert off_path(robot.positions[50::40], signed) < np.radians(12)


@settings(max_examples=8, deadline=None)
@given(moment=st.integers(0, 400), how=st.sampled_from(("stop", "loss", "replace")))
def test_signing_is_interrupted_at_any_moment(signed: np.ndarray, moment: int, how: str) -> None:
    names = pacing.joint_angles(np.zeros((2, 79, 3)))[1]
    robot = Robot(pacing.limits(names, pacing.SETS["default"]), signed[0])
    chunks = 1 + moment // 32
    robot.play(stamps(len(signed))[: 8 * chunks], signed[: 8 * chunks], last=False)
    robot.run(moment % 32 * STEP)
    if how == "stop":
        robot.pacer.stop()
    if how == "replace":
        robot.play(stamps(20, robot.now + LEAD // 2), signed[20:0:-1], lead=SECOND)
        robot.settle()
    robot.run(3.0)
    robot.assert_kept()
    assert not robot.commands[-1].velocities.any()
