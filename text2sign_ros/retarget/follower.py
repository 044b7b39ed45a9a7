"""Where joints should be at a time, by JointTrajectory messages, as ros2_control's joint_trajectory_controller says.

Facts: ros2_controllers (github.com/ros-controls), doc/trajectory.rst, src/trajectory.cpp and
src/joint_trajectory_controller.cpp of 2.54 (Humble), 4.42 (Jazzy), 5.17 (Kilted), 6.9 and the development branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb
from typing import NamedTuple

import numpy as np

from text2sign_ros.errors import Text2SignError

_DEGREE = 5
_MOST_POINTS = 10_000
_LARGEST = 1e6  # rad, rad/s or rad/s²: what no joint has, and whose powers are still finite
_FARTHEST = 86_400 * 10**9  # nanoseconds ahead
_STANDING = float(np.finfo(np.float32).eps)  # rad/s or m/s; the controller's own bound for a last velocity of zero
_EXACT = 1e-9  # rad/s and so on: what rounding leaves of nothing
# comb(i, k) at (k, i): a polynomial's coefficients seen from a later time.
_BINOMIAL = np.array([[comb(i, k) for i in range(_DEGREE + 1)] for k in range(_DEGREE + 1)], float)


class TrajectoryRefused(Text2SignError):
    """A trajectory can't be followed; what was followed before is followed on."""


@dataclass(frozen=True)
class Point:
    """One point of a trajectory.

    Attributes:
        time: nanoseconds from the trajectory's start.
        positions: (J,) rad, or metres for a joint that slides.
        velocities, accelerations: (J,) per s and s²; None or empty if they are not given.
    """

    time: int
    positions: Sequence[float] | np.ndarray
    velocities: Sequence[float] | np.ndarray | None = None
    accelerations: Sequence[float] | np.ndarray | None = None


@dataclass(frozen=True)
class Command:
    """A trajectory, as in trajectory_msgs/JointTrajectory.

    Attributes:
        joints: names, in the order of the values of every point.
        points: at least one, in the order of their times.
        stamp: when it starts, nanoseconds; 0 means now.
    """

    joints: Sequence[str]
    points: Sequence[Point]
    stamp: int = 0


class State(NamedTuple):
    """Where all joints should be: (J,) rad, rad/s, rad/s²; metres for a joint that slides."""

    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray


class TrajectoryFollower:
    """The path that the joints should take, from the trajectories that have come in.

    Between points that have positions only the path is linear, cubic where both have velocities too, quintic where both
    have accelerations as well. It leads into the first point from where it was (position, velocity, acceleration),
    unless that point's time is the trajectory's start: then it steps there. After the last point it holds.

    A newer trajectory takes the place of the older one from its stamp on; until then the older one goes on. Its points
    in the past are left out, and the first one to come is led into. So says the controller's documentation, and so does
    its development branch (commit 426a092) with ``allow_trajectory_replacement``, the default; except that it shifts a
    trajectory whose stamp is past to begin now. 6.8 and 6.9 do so too, but keep only one trajectory that has not begun.
    Without replacement, as up to 5.17, a newer trajectory takes effect when it arrives: the path leads into the first
    point from the moment of arrival, even where that is far ahead, and steps to where a trajectory should already be.
    In either case it sets out from where the joints *should* be, as with ``interpolate_from_desired_state: true``.

    Args:
        joints: names of all joints; their order is that of every result.
        positions: (J,) where they are held at first.
        partial: whether a trajectory may leave joints out (``allow_partial_joints_goal``). These follow the older
            trajectory on; without ``replacement`` they hold.
        moving_end: whether a trajectory may end at another velocity than zero
            (``allow_nonzero_velocity_at_trajectory_end``). It is held there all the same.
        replacement: as above (``allow_trajectory_replacement``).
    """

    def __init__(
        self,
        joints: Sequence[str],
        positions: np.ndarray,
        *,
        partial: bool = False,
        moving_end: bool = False,
        replacement: bool = True,
    ) -> None:
        self.joints = tuple(joints)
        self._columns = {name: column for column, name in enumerate(self.joints)}
        self._partial, self._moving_end, self._replacement = partial, moving_end, replacement
        self._path = _held(np.array(positions, float), 0)

    @property
    def end(self) -> int:
        """Time of the last point, nanoseconds; 0 before there is one."""
        return int(self._path.breaks[-1])

    def stands(self, time: int) -> bool:
        """Whether the joints should stand from a time on, nanoseconds."""
        return self._path.stands(time)

    def sample(self, time: int) -> State:
        """Where the joints should be at a time in nanoseconds."""
        return self._path.sample(time)

    def accept(self, command: Command, now: int) -> float:
        """Follow a trajectory from its stamp on.

        Args:
            command: the trajectory.
            now: the present time, nanoseconds.

        Returns:
            the largest step, rad or m, by which any joint has to leap at the start; 0 where the path is continuous.

        Raises:
            TrajectoryRefused: it can't be followed; the message says why.
        """
        start = command.stamp or now
        knots, columns = self._read(command, start)
        if knots.times[-1] < now:
            raise TrajectoryRefused(
                f"the trajectory ended {(now - int(knots.times[-1])) / 1e9:.3g} s ago; compare the clocks of its "
                "sender and of this node, or send it earlier"
            )
        if knots.times[0] - now > _FARTHEST:
            raise TrajectoryRefused(
                "the trajectory begins more than a day ahead; compare the clocks of its sender and of this node"
            )
        begin = max(start, now) if self._replacement else now
        old, there = self._path, self._path.sample(begin)
        past = knots.times[knots.times <= begin]
        if self._replacement:
            knots = knots.after(begin - 1)
        elif len(past):
            knots = knots.after(int(past[-1]) - 1)
        if knots.times[0] > begin:
            knots = _led_into(begin, State(*(value[columns] for value in there)), knots)
        new = _spline(knots)
        step = float(np.abs(new.sample(begin).positions - there.positions[columns]).max())
        if len(columns) < len(self.joints):
            kept = old if self._replacement else _held(there.positions, begin)
            new = _merged(begin, kept, new, columns)
        else:
            new = new.reordered(columns)
        self._path = _joined(old, new, now, begin)
        return step

    def _read(self, command: Command, start: int) -> tuple[_Knots, np.ndarray]:
        """Points as arrays with absolute times, and the columns of their joints."""
        columns = self._columns_of(command.joints)
        if not command.points:
            raise TrajectoryRefused("the trajectory has no points")
        if len(command.points) > _MOST_POINTS:
            raise TrajectoryRefused(f"the trajectory has {len(command.points):,} points; {_MOST_POINTS:,} are allowed")
        shape, times, orders = len(columns), [], []
        values = np.zeros((len(command.points), 3, shape))
        for number, point in enumerate(command.points):
            rows = (point.positions, point.velocities, point.accelerations)
            given = [row is not None and len(row) > 0 for row in rows]
            if not given[0]:
                raise TrajectoryRefused(f"point {number} has no positions")
            if given[2] and not given[1]:
                raise TrajectoryRefused(f"point {number} has accelerations and no velocities; give both, or neither")
            for k, (row, name) in enumerate(zip(rows, ("positions", "velocities", "accelerations"), strict=True)):
                if row is None or not given[k]:
                    continue
                if len(row) != shape:
                    raise TrajectoryRefused(f"point {number} has {len(row)} {name} for {shape} joints")
                values[number, k] = row
                possible = np.abs(values[number, k]) < _LARGEST  # which NaN is not
                if not possible.all():
                    wrong = int(np.argmin(possible))
                    raise TrajectoryRefused(
                        f"point {number} has {name} of {row[wrong]:g} for {command.joints[wrong]}, which "
                        "no joint can have"
                    )
            times.append(point.time)
            orders.append(sum(given) - 1)
        if times[0] < 0:
            raise TrajectoryRefused("point 0 lies before the trajectory's start: its time_from_start is negative")
        for number, (before, after) in enumerate(pairwise(times), 1):
            if after <= before:
                raise TrajectoryRefused(
                    f"time_from_start must increase: {before / 1e9:g} s of point {number - 1}, "
                    f"{after / 1e9:g} s of point {number}"
                )
        last = np.abs(values[-1, 1])
        if not self._moving_end and last.max() > _STANDING:
            joint = command.joints[int(last.argmax())]
            raise TrajectoryRefused(
                f"the trajectory ends while {joint} moves at {last.max():.3g} rad/s; end at rest, or set "
                "allow_nonzero_velocity_at_trajectory_end"
            )
        return _Knots(np.array(times, np.int64) + start, values, np.array(orders)), columns

    def _columns_of(self, joints: Sequence[str]) -> np.ndarray:
        if not joints:
            raise TrajectoryRefused("the trajectory names no joints")
        if unknown := [name for name in joints if name not in self._columns]:
            raise TrajectoryRefused(f"there is no joint {', '.join(unknown[:5])}; there are {', '.join(self.joints)}")
        if len({*joints}) < len(joints):
            twice = sorted(name for name in {*joints} if list(joints).count(name) > 1)
            raise TrajectoryRefused(f"the trajectory names {', '.join(twice)} more than once")
        if not self._partial and len(joints) < len(self.joints):
            left_out = [name for name in self.joints if name not in joints]
            raise TrajectoryRefused(
                f"the trajectory leaves out {', '.join(left_out[:5])}{', ...' * (len(left_out) > 5)}; name all joints, "
                "or set allow_partial_joints_goal"
            )
        return np.array([self._columns[name] for name in joints])


@dataclass(frozen=True)
class _Knots:
    """Points of a path.

    Attributes:
        times: (P,) int64, nanoseconds.
        values: (P, 3, J) positions, velocities, accelerations.
        orders: (P,) how many derivatives of the position are given.
    """

    times: np.ndarray
    values: np.ndarray
    orders: np.ndarray

    def after(self, time: int) -> _Knots:
        """Those later than ``time``."""
        kept = self.times > time
        return _Knots(self.times[kept], self.values[kept], self.orders[kept])


@dataclass(frozen=True)
class _Path:
    """A polynomial for each stretch of time, and a hold before the first and after the last.

    Attributes:
        breaks: (S + 1,) int64, nanoseconds, where stretches begin and the last ends.
        coefficients: (S, 6, J) of powers of the seconds since the stretch began.
        final: (J,) the positions after that.
    """

    breaks: np.ndarray
    coefficients: np.ndarray
    final: np.ndarray

    def sample(self, time: int) -> State:
        stretch, since = self._find(np.array([time]))
        powers = since[0] ** np.arange(_DEGREE + 1)
        c = self._stretches(stretch)[0]
        k = np.arange(_DEGREE + 1)
        return State(
            powers @ c, powers[:-1] @ (k[1:, None] * c[1:]), powers[:-2] @ ((k[2:] * k[1:-1])[:, None] * c[2:])
        )

    def stands(self, time: int) -> bool:
        first = max(int(np.searchsorted(self.breaks, time, side="right")) - 1, 0)
        return not (np.abs(self.coefficients[first:, 1:]) > _EXACT).any()

    def on(self, times: np.ndarray) -> np.ndarray:
        """Coefficients (N, 6, J) as seen from each of ``times`` (N,), which are right until the next break."""
        stretch, since = self._find(times)
        k = np.arange(_DEGREE + 1)
        shift = _BINOMIAL * since[:, None, None] ** np.maximum(k[None, :] - k[:, None], 0)
        return shift @ self._stretches(stretch)

    def reordered(self, columns: np.ndarray) -> _Path:
        """With the joints where ``columns`` says."""
        back = np.argsort(columns)
        return _Path(self.breaks, self.coefficients[..., back], self.final[back])

    def _find(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The stretch of each time, -1 before the first and S after the last, and seconds since it began."""
        stretch = np.searchsorted(self.breaks, times, side="right") - 1
        held = (stretch < 0) | (stretch >= len(self.coefficients))
        return stretch, np.where(held, 0.0, (times - self.breaks[np.maximum(stretch, 0)]) * 1e-9)

    def _stretches(self, stretch: np.ndarray) -> np.ndarray:
        """Their coefficients, (N, 6, J)."""
        result = np.zeros((len(stretch), _DEGREE + 1, len(self.final)))
        for row, index in zip(result, stretch.tolist(), strict=True):
            if 0 <= index < len(self.coefficients):
                row[:] = self.coefficients[index]
            else:
                row[0] = self.coefficients[0, 0] if index < 0 and len(self.coefficients) else self.final
        return result


def _held(positions: np.ndarray, time: int) -> _Path:
    return _Path(np.array([time], np.int64), np.zeros((0, _DEGREE + 1, len(positions))), positions)


def _led_into(time: int, state: State, knots: _Knots) -> _Knots:
    """``knots``, with one of all derivatives before them."""
    return _Knots(
        np.insert(knots.times, 0, time),
        np.concatenate((np.array(state)[None], knots.values)),
        np.insert(knots.orders, 0, 2),
    )


def _spline(knots: _Knots) -> _Path:
    """Linear, cubic or quintic between each two points, by what both of them give."""
    seconds = (np.diff(knots.times) * 1e-9)[:, None]
    (p, v, a), (q, w, b) = np.moveaxis(knots.values[:-1], 1, 0), np.moveaxis(knots.values[1:], 1, 0)
    order = np.minimum(knots.orders[:-1], knots.orders[1:])
    coefficients = np.zeros((len(seconds), _DEGREE + 1, knots.values.shape[-1]))
    coefficients[:, 0] = p
    linear, cubic, quintic = order == 0, order == 1, order == 2
    coefficients[linear, 1] = ((q - p) / seconds)[linear]
    # Hermite's conditions at both ends, in powers of t / T.
    t, d = seconds, q - p
    coefficients[cubic, 1:4] = np.stack((v, (3 * d - (2 * v + w) * t) / t**2, ((v + w) * t - 2 * d) / t**3), 1)[cubic]
    coefficients[quintic, 1:] = np.stack(
        (
            v,
            a / 2,
            (20 * d - (12 * v + 8 * w) * t - (3 * a - b) * t**2) / (2 * t**3),
            (-30 * d + (16 * v + 14 * w) * t + (3 * a - 2 * b) * t**2) / (2 * t**4),
            (12 * d - 6 * (v + w) * t - (a - b) * t**2) / (2 * t**5),
        ),
        1,
    )[quintic]
    return _Path(knots.times, coefficients, knots.values[-1, 0])


def _merged(begin: int, old: _Path, new: _Path, columns: np.ndarray) -> _Path:
    """``new`` for the joints in ``columns``, ``old`` for the others, from ``begin`` on."""
    breaks = np.unique(np.concatenate(([begin], old.breaks[old.breaks > begin], new.breaks[new.breaks > begin])))
    coefficients, final = old.on(breaks[:-1]), old.final.copy()
    coefficients[..., columns], final[columns] = new.on(breaks[:-1]), new.final
    return _Path(breaks, coefficients, final)


def _joined(old: _Path, new: _Path, now: int, begin: int) -> _Path:
    """``old`` from ``now`` until ``begin``, then ``new``."""
    if begin <= now:
        return new
    before = np.unique(np.concatenate(([now], old.breaks[(old.breaks > now) & (old.breaks < begin)])))
    return _Path(np.concatenate((before, new.breaks)), np.concatenate((old.on(before), new.coefficients)), new.final)
