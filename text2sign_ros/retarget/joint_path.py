"""JointPath: frames of joint positions made a smooth path, and how fast limits allow it to be followed.

The path is a uniform cubic B-spline whose control points are the frames. Its place ``u`` counts frames; time comes in
by the *slowness*, the seconds that a frame takes. A B-spline stays within the hull of its control points, so the path
is within the joints' positions if these are, and where frames jump it goes straight from one to the other. Frames that
demand little of their joint are interpolated; the corners of those that demand too much are rounded (``_rounded``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from text2sign_ros.errors import Text2SignError

REACH = 2
"""Frames on either side that a control point depends on; so many are held back until more come."""
NODES = 8
"""Nodes in a frame: where the slowness is known."""
SPREAD = 5
"""Nodes by which a slow place makes those before and after it slow, for a gentle change of the pace. By the figures of
experiments.pacing: with 8 signing takes 5 % longer, with 3 the pace changes so fast that it takes longer too."""
SOONEST = 1e-3
"""Seconds that a frame takes at least."""
_KERNEL = np.convolve(np.convolve(np.ones(5), np.ones(5)), np.ones(3)) / 75
"""Spreads a change of the slowness, over SPREAD nodes on either side."""
_EASY, _HARD = 0.7, 1.3
"""Demand, as a fraction of what the limits allow, up to which frames are interpolated, and from which rounded."""
_ROOM = np.array((0.99, 0.98, 0.95))
"""Part of the limits of velocity, acceleration and jerk for the path itself; the rest is for changes of the pace."""
_MARGIN = 0.01
"""Part of all limits that the full pace leaves unused."""
_TRIES = 8
"""How often the full pace is corrected before what still exceeds the limits is left to the pacer."""
_HORIZON = 2.0
"""Seconds for which the full pace is checked at a time."""
_LATE = 0.1
"""Seconds that a motion must be late to be caught up at full speed."""
_MEMORY = 64
"""Control points kept behind the present place."""
_SAME = 1e-9
"""rad between poses that are the same."""
_BASIS = np.array(((1, 4, 1, 0), (-3, 0, 3, 0), (3, -6, 3, 0), (-1, 3, -3, 1))) / 6
"""Powers of the place in a frame -> weights of its four control points."""
_FALLING = np.array(((1, 1, 1, 1), (1, 2, 3, 0), (2, 6, 0, 0), (6, 0, 0, 0)))
"""Factors of the powers in derivatives of order 0 to 3."""


class PacingError(Text2SignError):
    """Limits, a pose or a motion that can't be used; the message names the joint and the cause."""


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints, kept at every moment.

    Attributes:
        names: of the joints.
        lower, upper: (n,) rad.
        velocity: (n,) rad/s.
        acceleration: (n,) rad/s².
        jerk: (n,) rad/s³.

    Raises:
        PacingError: another shape, a limit that isn't a positive number, or ``lower`` above ``upper``. A velocity of 0
            means that it is unset in many robot descriptions: choose one.
    """

    names: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.names)
        for name in ("lower", "upper", "velocity", "acceleration", "jerk"):
            values = np.asarray(getattr(self, name), float)
            if values.shape != (count,) or not count:
                raise PacingError(f"limits {name!r} have shape {values.shape}; one number for each of {count} joints")
            good = np.isfinite(values) if name in ("lower", "upper") else np.isfinite(values) & (values > 0)
            if not good.all():
                joint = int(np.argmin(good))
                raise PacingError(
                    f"the {name} limit of {self.names[joint]} is {values[joint]}; it must be a "
                    f"{'' if name in ('lower', 'upper') else 'positive '}number"
                )
            object.__setattr__(self, name, values)
        if (self.lower > self.upper).any():
            joint = int(np.argmax(self.lower > self.upper))
            raise PacingError(
                f"the lower limit of {self.names[joint]} is {self.lower[joint]}, above the upper {self.upper[joint]}"
            )

    def demand(self, points: np.ndarray, step: float) -> np.ndarray:
        """How much of the limits control points of a uniform cubic B-spline take, over its whole curve.

        Its velocity lies between the first differences of the control points, its acceleration between the second,
        and its jerk is the third (de Boor, *A Practical Guide to Splines*, chapter X).

        Args:
            points: (m, n) rad, m >= 4.
            step: seconds between them.

        Returns:
            (m - 3, 3) greatest fraction in any joint, of velocity, acceleration and jerk; of point 3 and those after.
        """
        differences, demands = points, np.empty((len(points) - 3, 3))
        for order, limit in enumerate((self.velocity, self.acceleration, self.jerk), 1):
            differences = differences[1:] - differences[:-1]
            demands[:, order - 1] = (np.abs(differences[3 - order :]) / (limit * step**order)).max(axis=1)
        return demands


class Pace(NamedTuple):
    """Time along a path at full pace: cubic Hermite pieces between nodes.

    Attributes:
        start: place of the first node, frames.
        times: (m,) seconds at the nodes, from the first.
        rates: (m,) frames per second there.
    """

    start: float
    times: np.ndarray
    rates: np.ndarray

    def time(self, place: float) -> float:
        """Seconds from the first node to ``place``, frames."""
        node = min(max(int((place - self.start) * NODES), 0), len(self.times) - 2)
        span = float(self.times[node + 1] - self.times[node])
        way = 1 / NODES
        v, w = (min(float(self.rates[k]) * span, 3 * way) for k in (node, node + 1))
        b, c = 3 * way - 2 * v - w, v + w - 2 * way
        rest = min(max(place - self.start - node / NODES, 0.0), way)
        x = rest / way
        for _ in range(8):  # Newton
            x -= (x * (v + x * (b + x * c)) - rest) / max(v + x * (2 * b + 3 * c * x), 1e-9)
            x = min(max(x, 0.0), 1.0)
        return float(self.times[node]) + x * span

    def along(self, times: np.ndarray) -> np.ndarray:
        """(m,) seconds -> (3, m) place, rate and change of the rate: frames, frames/s, frames/s²."""
        node = np.clip(np.searchsorted(self.times, times, "right") - 1, 0, len(self.times) - 2)
        span = self.times[node + 1] - self.times[node]
        x = np.clip((times - self.times[node]) / span, 0.0, 1.0)
        way = 1 / NODES
        v, w = (np.minimum(self.rates[k] * span, 3 * way) for k in (node, node + 1))  # 3: else it could go back
        b, c = 3 * way - 2 * v - w, v + w - 2 * way
        place = self.start + node / NODES + x * (v + x * (b + x * c))
        return np.stack((place, (v + x * (2 * b + 3 * c * x)) / span, (2 * b + 6 * c * x) / span**2))


class JointPath:
    """The path of one motion, from a pose at which it stands. Frames can be added, and taken back.

    Places count control points from the first. Invariants: a point of the path that was returned by ``at`` stays the
    same, unless ``cut`` was called with an earlier place; every point is within the limits of position; the path stands
    still at place 1, at ``hold``, and at ``end`` once it has ``ended``.

    Args:
        limits: of the joints.
        tolerance: rad by which rounding may move a control point away from its frame.
        period: seconds between two commands.
        catch_up: how much faster than it was sent a motion that is late may be.
        pose: (n,) rad, within the limits of position.
        times, frames: the motion's first frames, (m,) int64 ns, growing, and (m, n) rad; none: it stays at the pose.
        spacing: seconds between frames, as a rule.
    """

    def __init__(
        self,
        limits: JointLimits,
        tolerance: float,
        period: float,
        catch_up: float,
        pose: np.ndarray,
        times: np.ndarray | None = None,
        frames: np.ndarray | None = None,
        spacing: float = 0.04,
    ) -> None:
        self._limits, self._tolerance, self._period, self._spacing = limits, tolerance, period, spacing
        self._catch_up = catch_up
        self._orders = np.stack((limits.velocity, limits.acceleration, limits.jerk))
        self._base = 0  # number of the first control point that is stored
        self.ended = times is None or frames is None
        lead = [pose] * 3
        if times is not None and frames is not None:
            lead = [pose, pose] if np.abs(frames[0] - pose).max() < _SAME else [pose] * 3 + [frames[0]] * 2
        self._first = len(lead)  # number of the control point of frame 0
        self.hold = self._first - 1.0 if not self.ended else 1.0
        self._controls = np.array(lead)
        self._wanted = np.full(len(lead), SOONEST)  # seconds for the way to the next control point
        self._stamps = np.full(len(lead), np.nan if times is None else times[0] - spacing * 1e9)
        self._frames, self._times = np.empty((0, len(pose))), np.empty(0, np.int64)
        self._dropped, self._settled = 0, 0  # frames that are no longer stored; that have their control point
        self._need, self._extra, self._push = np.empty(0), np.empty(0), np.empty((2, 0))  # at the nodes
        self._faster = np.empty(0)  # by which to catch up, after each control point
        self._measure()
        if times is not None and frames is not None:
            self.extend(times, frames)

    @property
    def end(self) -> float:
        """The last place that is known."""
        return self._base + len(self._controls) - 2.0

    @property
    def times(self) -> np.ndarray:
        """Of the frames that are stored, ns."""
        return self._times

    def can_cut(self, place: float) -> bool:
        """Whether the path up to ``place`` depends on frames alone, and not on there being no more of them."""
        return not self.ended or int(np.ceil(place)) + 2 <= self._first + self._settled

    def extend(self, times: np.ndarray, frames: np.ndarray) -> None:
        """Add frames (m, n) rad with their ``times``, (m,) int64 ns, later than all before."""
        self._frames = np.concatenate((self._frames, frames))
        self._times = np.concatenate((self._times, times))
        self._settle(max(self._dropped + len(self._frames) - REACH, 1))

    def finish(self) -> None:
        """No more frames come: the path ends at the last one."""
        self._settle(self._dropped + len(self._frames))
        self._controls = np.concatenate((self._controls, self._controls[-1:], self._controls[-1:]))
        self._wanted = np.concatenate((self._wanted[:-1], [self._spacing, self._spacing, SOONEST]))
        self._stamps = np.concatenate((self._stamps, np.repeat(self._stamps[-1:] + self._spacing * 1e9, 2)))
        self.ended = True
        self._measure()

    def cut(self, time: int, place: float) -> None:
        """Take back the frames from ``time`` (ns) on, except those on which the path up to ``place`` depends."""
        sealed = int(np.ceil(place)) + 2 - self._first  # frames
        count = max(self._dropped + int(np.searchsorted(self._times, time)), sealed, 1)
        count = min(count, self._dropped + len(self._frames))
        self._settled = min(max(count - REACH, sealed, 1), self._settled)
        stored = slice(count - self._dropped)
        self._frames, self._times = self._frames[stored], self._times[stored]
        points = slice(self._first + self._settled - self._base)
        self._controls, self._wanted, self._stamps = self._controls[points], self._wanted[points], self._stamps[points]
        self.ended = False
        self._measure()

    def forget(self, place: float) -> None:
        """Free the memory of what lies well before ``place``."""
        drop = int(place) - _MEMORY - self._base
        if drop < _MEMORY:
            return
        self._base += drop
        self._faster = self._faster[drop:]
        self._controls, self._wanted, self._stamps = self._controls[drop:], self._wanted[drop:], self._stamps[drop:]
        nodes = drop * NODES
        self._need, self._extra, self._push = self._need[nodes:], self._extra[nodes:], self._push[:, nodes:]
        frames = min(self._base - self._first, self._settled - REACH) - self._dropped
        if frames > 0:
            self._dropped += frames
            self._frames, self._times = self._frames[frames:], self._times[frames:]
        self.pace = self._paced()

    def at(self, places: np.ndarray) -> np.ndarray:
        """(m,) places up to ``end`` -> (m, n) rad."""
        return self._derivatives(places, 1)[0]

    def stamp(self, places: np.ndarray) -> np.ndarray:
        """(m,) places -> ns of the motion's own time; NaN without a motion."""
        return np.interp(places, self._base + np.arange(len(self._stamps)), self._stamps)

    def push(self, place: float) -> tuple[float, float]:
        """How much the joints move there at full pace: greatest velocity / acceleration limit, and / jerk limit."""
        node = min(max(round((place - self._base) * NODES), 0), len(self._need) - 1)
        around = slice(max(node - NODES, 0), node + NODES)
        rate = self.pace.rates[around]
        return float((self._push[0, around] * rate).max()), float((self._push[1, around] * rate).max())

    def ease(self, place: float, now: float) -> float:
        """Find the full pace from ``place`` on, for some seconds; it does not change near ``place`` and before it.

        Args:
            place: of the last point that was taken.
            now: ns, its time.

        Returns:
            The place up to which the full pace keeps the limits, but for a few frames after ``place``.
        """
        kept = int((place - self._base) * NODES) + SPREAD + len(_KERNEL)
        start = self.pace.time(place)
        ahead = self.pace.times[::NODES] - start  # at the control points
        late = np.clip((now - self._stamps[: len(ahead)]) / 1e9 + ahead, 0.0, _LATE) / _LATE
        later = slice(kept // NODES + 1, len(ahead) - 1)
        self._faster[later] = 1.0 + (self._catch_up - 1.0) * late[later]
        self.pace = self._paced()
        eased = place
        for _ in range(_TRIES):
            times = np.arange(start, min(float(self.pace.times[-1]), start + _HORIZON), self._period)
            if len(times) < 4:
                break
            places = self.pace.along(times)[0]
            demand = self._limits.demand(self.at(places), self._period)
            over = (demand ** (1 / np.arange(1, 4))).max(axis=1)
            eased = float(places[-1])
            if not (over > 1.0 - _MARGIN).any():
                break
            grow = np.ones(len(self._need))
            nodes = np.rint((places[1:-2] - self._base) * NODES).astype(int)
            np.maximum.at(grow, nodes, np.where(over > 1.0 - _MARGIN, over * (1.0 + 2 * _MARGIN), 1.0))
            grow = _greatest(grow, NODES // 2)
            grow[:kept] = 1.0
            self._extra *= grow
            self.pace = self._paced()
        return self.end if self.pace.times[-1] <= start + _HORIZON else eased

    def _settle(self, count: int) -> None:
        """Give the frames up to number ``count`` their control points."""
        new = np.arange(self._settled, count)
        if not len(new):
            return
        last = self._dropped + len(self._frames) - 1
        window = np.clip(new[0] - REACH + np.arange(len(new) + 2 * REACH), 0, last) - self._dropped
        controls = self._rounded(self._frames[window])
        ends = (new == 0) | ((new == last) & (count > last))
        controls[ends] = self._frames[new[ends] - self._dropped]
        stored = new - self._dropped
        self._controls = np.concatenate((self._controls, controls))
        ways = np.diff(self._times[stored], prepend=self._stamps[-1]) / 1e9
        self._wanted = np.concatenate((self._wanted[:-1], ways, [self._spacing]))
        self._stamps = np.concatenate((self._stamps, self._times[stored]))
        self._settled = count
        self._measure()

    def _rounded(self, frames: np.ndarray) -> np.ndarray:
        """(m + 2 REACH, n) frames -> (m, n) control points.

        Where a joint's frames demand little, the control points are those of a spline through them (the quasi-
        interpolant c = x - δ²x / 6, exact for cubics); where they demand more than its limits allow, they are averaged
        over REACH frames on either side, each by ``tolerance`` at most; in between, in between.
        """
        count = len(frames) - 2 * REACH
        demand = np.zeros((count, frames.shape[1]))
        differences = frames
        for order, limit in enumerate(self._orders, 1):
            differences = differences[1:] - differences[:-1]
            part = (np.abs(differences) / (limit * self._spacing**order)) ** (1 / order)
            for offset in range(2 * REACH + 1 - order):
                demand = np.maximum(demand, part[offset : offset + count])
        hard = np.clip((demand - _EASY) / (_HARD - _EASY), 0.0, 1.0)
        centre = frames[REACH:-REACH]
        average = frames
        for step in range(1, REACH + 1):
            average = average[1:-1] / 2 + (average[:-2] + average[2:]) / 4
            near = frames[step : len(frames) - step]
            average = np.clip(average, near - self._tolerance, near + self._tolerance)
        bend = (frames[REACH - 1 : -REACH - 1] - 2 * centre + frames[REACH + 1 : len(frames) - REACH + 1]) / 6
        controls = hard * average + (1.0 - hard) * (centre - bend)
        return np.clip(controls, self._limits.lower, self._limits.upper)

    def _derivatives(self, places: np.ndarray, count: int) -> list[np.ndarray]:
        """(m,) places -> the point there and its derivatives by the place, ``count`` of them, each (m, n)."""
        places = places - self._base
        first = np.clip(places.astype(int), 1, len(self._controls) - 3)
        x = places - first
        powers = np.stack((np.ones_like(x), x, x**2, x**3), axis=1)
        controls = self._controls[first[:, None] + np.arange(-1, 3)]
        found = []
        for order in range(count):
            weights = powers[:, : 4 - order] @ (_BASIS[order:] * _FALLING[order][: 4 - order, None])
            found.append(np.matmul(weights[:, None], controls)[:, 0])
        return found

    def _measure(self) -> None:
        """Bring the slowness at the nodes up to date with the control points."""
        count = len(self._controls)
        self._faster = np.concatenate((self._faster[:count], np.ones(max(count - len(self._faster), 0))))
        if len(self._controls) < 4:
            places = np.arange(NODES + 1) / NODES
            self._need, self._extra = np.full(len(places), SOONEST), np.ones(len(places))
            self._push = np.zeros((2, len(places)))
            self.pace = Pace(0.0, places * SOONEST, np.full(len(places), 1 / SOONEST))
            return
        nodes = (len(self._controls) - 2) * NODES + 1
        old = max(min(nodes, len(self._need)) - 1, 0)
        places = self._base + np.maximum(np.arange(old, nodes) / NODES, 1.0)
        _, *slopes = self._derivatives(places, 4)
        need = np.full(len(places), SOONEST)
        for order, (slope, limit, room) in enumerate(zip(slopes, self._orders, _ROOM, strict=True), 1):
            need = np.maximum(need, (np.abs(slope) / (limit * room)).max(axis=1) ** (1 / order))
        self._need = np.concatenate((self._need[:old], need))
        self._extra = np.concatenate((self._extra[:old], np.ones(len(places))))
        push = np.stack([(np.abs(slopes[0]) / limit).max(axis=1) for limit in self._orders[1:]])
        self._push = np.concatenate((self._push[:, :old], push), axis=1)
        self.pace = self._paced()

    def _paced(self) -> Pace:
        frame = np.minimum(np.arange(len(self._need)) // NODES, len(self._wanted) - 1)
        wanted = np.maximum((self._wanted / self._faster)[frame], SOONEST)
        slowness = _greatest(np.maximum(self._need * self._extra, wanted), SPREAD)
        half = len(_KERNEL) // 2
        slowness = np.exp(np.convolve(np.pad(np.log(slowness), half, mode="edge"), _KERNEL, "valid"))
        steps = (slowness[1:] + slowness[:-1]) / (2 * NODES)
        steps = np.maximum(steps - np.diff(np.gradient(slowness)) / (12 * NODES), steps / 2)  # Euler and Maclaurin
        return Pace(float(self._base), np.concatenate(([0.0], np.cumsum(steps))), 1 / slowness)


def _greatest(values: np.ndarray, reach: int) -> np.ndarray:
    """(m,) -> (m,) the greatest within ``reach`` on either side."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, mode="edge"), 2 * reach + 1).max(axis=-1)
