"""Pacer: desired joint positions in chunks in, commands at a fixed rate that keep every limit out.

Limits of velocity, acceleration and jerk are kept by slowing all joints together, so that the path stays the same
(see ``motion.limits``, which does this for keypoints; Hollerbach 1984). A robot needs more: its limits hold between the
commands too, and it must be able to stop whatever happens. So commands are the knots of a uniform cubic B-spline whose
control points are places on the path: all limits are bounds on differences of these points, which are checked (see
``JointLimits.demand``), and the quintics that a joint_trajectory_controller runs through position, velocity and
acceleration are exactly this spline. And nothing is commanded unless a way to a standstill is known behind it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from text2sign_ros.retarget.joint_path import JointLimits, JointPath, PacingError

PERIOD = 10_000_000
"""Nanoseconds between two commands, unless chosen otherwise."""
TOLERANCE = float(np.radians(2.0))
"""rad by which a frame that demands more than a joint's limits allow may be rounded off, unless chosen otherwise."""
CATCH_UP = 1.1
"""How much faster than it was sent a motion that is late may be."""
GAP = 200_000_000
"""Longest interval between two frames of a motion, ns; after a longer one another motion begins."""
CAPACITY = 7_200
"""Frames that may wait."""

_NEAR = np.radians(1.0)
"""rad beyond a limit of position at which a pose is taken to be at it: joints sag, encoders and rounding err."""
_EXACT = 1e-9
"""rad that rounding may add."""
_FACTORS = (1.0, 1.3, 1.7, 2.3, 3.2, 4.5, 7.0, 12.0)
"""Durations to try for a change of the pace, in units of the shortest one that the limits could allow."""
_PARTS = (1.0, 0.7, 0.45, 0.25, 0.12, 0.05, 0.02, 0.005, 0.001)
"""Parts of the full pace to try."""
_COAST = 32
"""Commands after which a stop begins at the latest, unless the present plan ends as soon."""
_RETRY = 4
"""Commands after which a plan that could not be made is tried again."""
_AHEAD = 0.8
"""Seconds of plan below which it is extended, if more of the path is known."""
_HISTORY = 6_000
"""Commands whose source is remembered."""
_LONGEST = 6_000
"""Commands in a plan at most."""


class Command(NamedTuple):
    """Where the joints shall be at a time.

    Attributes:
        time: ns.
        positions, velocities, accelerations: (n,) rad, rad/s, rad/s².
        source: the motion's own time that is shown, ns; None while none is.
    """

    time: int
    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray
    source: int | None


@dataclass
class _Motion:
    """A motion that waits for its turn."""

    times: np.ndarray
    frames: np.ndarray
    ended: bool = False


@dataclass
class _Plan:
    """What is commanded next, to a standstill: control points (m, n) rad, one for each period, and for each of them its
    place on the path, frames, the pace there, frames/s, and the change of the pace, frames/s²: (3, m)."""

    points: np.ndarray
    places: np.ndarray
    used: int = 0

    def __len__(self) -> int:
        return len(self.points) - self.used


class Pacer:
    """Commands for n joints, one each period, from motions that come in chunks ahead of their time.

    A motion is late where limits slow it (``lag``). It catches up where they do not, by ``catch_up``, and when it ends:
    so a motion should be ended (``last``) wherever the signer is at rest.

    Invariants, whatever comes in and whenever it stops coming:
        - Position, velocity, acceleration and jerk of every joint are within ``limits`` at every moment, between
          commands too, if these are joined by the quintic through their positions, velocities and accelerations.
        - At each moment the rest of a plan is known that ends at a standstill and keeps the limits. A command is taken
          from a plan only; a plan replaces another only if all of it was checked, from the last commands on. So without
          input it comes to rest, and once it stands it stands still.
        - Between the start of a motion and its end, every control point of the commands lies on one ``JointPath``: the
          pace is changed, and the path is not. The commands are off it by a sixth of acceleration times period², less
          than 0.1° at 100 Hz and 100 rad/s². From the pose before a motion to its first frame the path is straight.
        - What was returned by ``step`` is never taken back.

    Not thread-safe. Memory is bounded.

    Args:
        limits: of the joints.
        period: ns between two commands.
        tolerance: rad, see ``JointPath``.
        catch_up: how much faster than it was sent a motion that is late may be, at least 1.
        spacing: seconds between frames, as a rule; none: the least between the first ones of each motion.

    Raises:
        PacingError: ``period``, ``tolerance`` or ``catch_up`` is out of range.
    """

    def __init__(
        self,
        limits: JointLimits,
        *,
        period: int = PERIOD,
        tolerance: float = TOLERANCE,
        catch_up: float = CATCH_UP,
        spacing: float | None = None,
    ) -> None:
        if not 0 < period <= GAP or not 0 <= tolerance < 1 or not 1 <= catch_up <= 2:
            raise PacingError(
                f"a period of {period} ns, a tolerance of {tolerance} rad or a catch_up of {catch_up} is out of range: "
                f"up to {GAP} ns, below 1 rad, from 1 to 2"
            )
        self._limits, self._period, self._seconds = limits, period, period / 1e9
        self._spacing = spacing
        self._ways = (limits, tolerance, self._seconds, catch_up)
        self._tick: int | None = None  # time of the next command
        self._waiting: deque[_Motion] = deque()
        self._history: deque[tuple[float, int]] = deque(maxlen=_HISTORY)  # source time and time, ns

    def start(self, now: int, positions: np.ndarray, velocities: np.ndarray | None = None) -> None:
        """Begin, or begin again, at the robot's present state; motions that waited are forgotten.

        If it moves, each joint is brought to a standstill first.

        Args:
            now: ns, the time of the first command, which is this state.
            positions: (n,) rad.
            velocities: (n,) rad/s; none: it stands.

        Raises:
            PacingError: a value isn't a number, is beyond a limit, or a joint can't be stopped before its limit of
                position; nothing changes then.
        """
        pose = self._admitted(np.asarray(positions, float)[None])[0]
        speed = np.zeros_like(pose) if velocities is None else np.asarray(velocities, float)
        if speed.shape != pose.shape or not np.isfinite(speed).all():
            raise PacingError(f"a start needs {len(pose)} velocities that are numbers")
        if (np.abs(speed) > self._limits.velocity).any():
            joint = int(np.argmax(np.abs(speed) / self._limits.velocity))
            raise PacingError(
                f"{self._limits.names[joint]} moves at {speed[joint]:.3g} rad/s, above its limit of "
                f"{self._limits.velocity[joint]:.3g}; wait until it is slower"
            )
        points = self._braked(pose, speed)
        self._tick, self._late = now, 0.0
        self._waiting.clear()
        self._history.clear()
        self._done, self._shown = points[:3], np.full(3, np.nan)
        self._stand(_Plan(points[3:], _standing(len(points) - 3)), points[-1])

    def add(self, times: np.ndarray, positions: np.ndarray, *, last: bool = False) -> None:
        """Add frames. They continue what was added before, if they follow within ``GAP``; begin another motion, if they
        follow later; and replace what was added for their time and later, if there is any and it is not too late.

        Args:
            times: (m,) int64 ns, growing: when the frames are due.
            positions: (m, n) rad.
            last: whether the motion ends with them, at rest.

        Raises:
            PacingError: not started; another shape, times out of order, positions that are not numbers or beyond a
                limit, or no room; nothing changes then.
        """
        if self._tick is None:
            raise PacingError("the robot's pose is not known: start comes first")
        times = np.asarray(times, np.int64)
        frames = np.asarray(positions, float)
        if times.ndim != 1 or not len(times) or (np.diff(times) <= 0).any():
            raise PacingError("frames need times, at least one, that grow")
        if frames.shape != (len(times), len(self._limits.names)):
            raise PacingError(f"frames have shape {frames.shape}, not {(len(times), len(self._limits.names))}")
        frames = self._admitted(frames)
        if len(frames) + len(self._path.times) + sum(len(motion.times) for motion in self._waiting) > CAPACITY:
            raise PacingError(f"more than {CAPACITY} frames would wait; send them later")
        for part in np.split(np.arange(len(times)), np.flatnonzero(np.diff(times) > GAP) + 1):
            self._append(times[part], frames[part])
        if last:
            self._end()
        self._extend_plan()

    def stop(self) -> None:
        """Come to rest as soon as the limits allow, on the path, and forget what was added."""
        if self._tick is None:
            return
        self._waiting.clear()
        self._brake()
        if len(self._plan):
            end = self._plan.points[-1]
            self._plan.places[:] = _standing(len(self._plan.points))
        else:
            end = self._done[-1]
        self._stand(self._plan, end)

    def coming(self) -> list[Command]:
        """The commands that follow if nothing more is added: the next one first, at rest in the last.

        Raises:
            PacingError: not started.
        """
        if self._tick is None:
            raise PacingError("the robot's pose is not known: start comes first")
        points = np.concatenate((self._done, self._plan.points[self._plan.used :]))
        points = np.concatenate((points, np.repeat(points[-1:], 2, axis=0)))
        before, here, after = points[:-2], points[1:-1], points[2:]
        positions = (before + 4 * here + after) / 6
        velocities, accelerations = (after - before) / (2 * self._seconds), (after - 2 * here + before)
        rows = zip(positions, velocities, accelerations / self._seconds**2, strict=True)
        return [Command(self._tick + i * self._period, *row, None) for i, row in enumerate(rows)]

    def step(self, *, extend: bool = True) -> Command:
        """The next command; its time is one period after the last one's.

        Args:
            extend: plan farther if more is known. Without it the command is the next of ``coming``, as it must be where
                the robot has had that already.

        Raises:
            PacingError: not started.
        """
        if self._tick is None:
            raise PacingError("the robot's pose is not known: start comes first")
        before, here, after = self._done
        shown = self._shown[1]
        command = Command(
            self._tick,
            (before + 4 * here + after) / 6,
            (after - before) / (2 * self._seconds),
            (after - 2 * here + before) / self._seconds**2,
            None if np.isnan(shown) else round(shown),
        )
        if command.source is not None:
            self._late = max(0.0, (self._tick - shown) / 1e9)
            self._history.append((shown, self._tick))
        self._advance(extend)
        self._tick += self._period
        return command

    @property
    def time(self) -> int | None:
        """Time of the next command, ns; None before the start."""
        return self._tick

    @property
    def lag(self) -> float:
        """Seconds between when the frame shown last was due and when it was shown."""
        return self._late

    @property
    def standing(self) -> bool:
        """Whether it stands still and has nothing to do."""
        return not len(self._plan) and not self._waiting and self._path.ended and self._place[0] >= self._path.end

    def executed(self, source: int) -> int:
        """When the frame that was due at ``source`` (ns) was shown, or will be as far as is known now: ns."""
        sources = [s for s, _ in self._history]
        times = [t for _, t in self._history]
        if self._tick is not None and len(self._plan):
            coming = self._path.stamp(self._plan.places[0, self._plan.used :])
            ahead = self._tick + self._period * (2 + np.arange(len(coming)))
            known = ~np.isnan(coming)
            sources, times = [*sources, *coming[known]], [*times, *ahead[known]]
        if not sources or source < sources[0]:
            return source
        if source > sources[-1]:
            return source + max(0, round(times[-1] - sources[-1]))
        return round(float(np.interp(source, sources, times)))

    # What is to be shown.

    def _append(self, times: np.ndarray, frames: np.ndarray) -> None:
        """Continue, replace or begin with frames that follow one another within ``GAP``."""
        while self._waiting and self._waiting[-1].times[0] >= times[0]:
            self._waiting.pop()
        if self._waiting:
            motion = self._waiting[-1]
            kept = int(np.searchsorted(motion.times, times[0]))
            if kept < len(motion.times) or not motion.ended:
                if times[0] - motion.times[kept - 1] <= GAP:
                    motion.times = np.concatenate((motion.times[:kept], times))
                    motion.frames = np.concatenate((motion.frames[:kept], frames))
                    motion.ended = False
                    return
                motion.times, motion.frames, motion.ended = motion.times[:kept], motion.frames[:kept], True
        elif len(self._path.times):
            if times[0] <= self._path.times[-1]:
                times, frames = self._take_back(times, frames)
            if not self._path.ended and times[0] - self._path.times[-1] <= GAP:
                self._path.extend(times, frames)
                return
            self._end()
        self._waiting.append(_Motion(times, frames))

    def _take_back(self, times: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Make room on the path for frames that come earlier than its last; returns those of them that still can."""
        self._brake()
        if not len(self._plan) and times[0] <= self._path.times[0] and self._place[0] <= self._path.hold:
            self._stand(self._plan, self._done[-1])  # nothing of it was shown
            return times, frames
        place = self._planned_end()
        if not self._path.can_cut(place):
            return times, frames  # all of it has been shown, or nearly
        self._path.cut(int(times[0]), place)
        late = min(int(np.searchsorted(times, self._path.times[-1], "right")), len(times) - 1)
        times, frames = times[late:].copy(), frames[late:]
        times[0] = max(times[0], self._path.times[-1] + self._period)
        return times, frames

    def _end(self) -> None:
        """The motion added last ends with its last frame."""
        if self._waiting:
            self._waiting[-1].ended = True
        elif not self._path.ended:
            self._path.finish()

    def _begin(self, motion: _Motion) -> None:
        """Make a path of it, from where the joints stand."""
        if self._history and motion.times[0] <= self._history[-1][0]:
            self._history.clear()
        spacing = self._spacing or (float(np.diff(motion.times).min() / 1e9) if len(motion.times) > 1 else 0.04)
        self._path = JointPath(*self._ways, self._done[-1], motion.times, motion.frames, spacing)
        self._place = np.array((1.0, 0.0, 0.0))
        if motion.ended:
            self._path.finish()

    def _stand(self, plan: _Plan, pose: np.ndarray) -> None:
        """Follow ``plan`` to ``pose``, and stand there."""
        self._plan, self._retry = plan, 0
        self._path = JointPath(*self._ways, pose)
        self._place = np.array((1.0, 0.0, 0.0))

    # What is to be commanded.

    def _advance(self, extend: bool) -> None:
        """Decide on the next control point."""
        self._retry = max(self._retry - 1, 0)
        if extend and not self._retry and len(self._plan) * self._seconds < _AHEAD:
            self._extend_plan()
        point = self._done[-1]
        if len(self._plan):
            point = self._plan.points[self._plan.used]
            self._place = self._plan.places[:, self._plan.used]
            self._plan.used += 1
        else:
            self._place = np.array((self._place[0], 0.0, 0.0))
        shown = float(self._path.stamp(self._place[:1])[0])
        if self._path.ended and self._place[0] >= self._path.end and not len(self._plan):
            shown = np.nan
        self._done = np.concatenate((self._done[1:], point[None]))
        self._shown = np.append(self._shown[1:], shown)

    def _planned_end(self) -> float:
        return float(self._plan.places[0, -1] if len(self._plan) else self._place[0])

    def _extend_plan(self) -> None:
        """Plan farther, if more of the path is known, or another motion is due."""
        assert self._tick is not None
        path, end = self._path, self._planned_end()
        if not len(self._plan) and self._waiting and path.ended and end >= path.end:
            self._begin(self._waiting.popleft())
            path, end = self._path, self._planned_end()
        if end >= path.end:
            return
        place = float(self._place[0])
        path.forget(place)
        release = float(path.stamp(np.array([path.hold]))[0])
        early = (release - self._tick) / 1e9 - 2 * self._seconds  # until it may leave `hold` with the next point
        waits = place == path.hold and self._stands
        if place < path.hold and early >= 0.0:
            goal, stands = path.hold, True
        else:
            goal = path.ease(place, self._tick + self._period)
            stands = path.ended and goal >= path.end
        if goal <= end:
            return
        wait = max(int(np.ceil(early / self._seconds)), 0) if waits else 0  # periods
        first = min(self._seconds, wait * self._seconds - early) if waits else self._seconds
        plan = self._found(goal, stands, first)
        if plan is not None:
            self._plan = _later(plan, wait, self._done[-1], place)
        else:
            self._retry = _RETRY

    def _found(self, goal: float, stands: bool, first: float) -> _Plan | None:
        """The fastest plan found to ``goal``, frames; it is farther than the present one's end.

        Args:
            goal: where to come to rest.
            stands: whether the path itself stands still there.
            first: seconds of the pace that the first step is worth.
        """
        now, part, slope = self._pace(self._place)
        length = self._path.pace.time(goal) - now
        resting = not self._place[1]
        for peak in _PARTS:
            change = max(abs(peak - part), abs(slope) * self._seconds)
            ups = [0.0] if change < 1e-9 or resting else []
            if change >= 1e-9:
                ups += [factor * self._least(self._place[0], change) for factor in _FACTORS]
            downs = [0.0] if stands else [factor * self._least(goal - 1.0, peak) for factor in _FACTORS]
            up = down = 0
            while up < len(ups) and down < len(downs):
                way = ups[up] * ((part + peak) / 2 + slope * ups[up] / 12)
                cruise = (length - way - downs[down] * peak / 2) / peak
                if cruise < 0.0 and not stands:
                    break
                parts = (
                    (ups[up], peak, part, slope),
                    (max(cruise, 0.0), peak, peak, 0.0),
                    (downs[down], 0.0, peak, 0.0),
                )
                over, plan = self._checked(parts[: 2 if stands else 3], now, length, first, self._done)
                if plan is not None:
                    return plan
                if over <= ups[up] + 3 * self._seconds:
                    up += 1
                elif not stands and over > ups[up] + cruise:
                    down += 1
                else:
                    break
        return None

    @property
    def _stands(self) -> bool:
        """Whether the joints stand, and so may go on standing."""
        return not np.ptp(self._done, axis=0).any()

    def _brake(self) -> None:
        """Plan to come to rest as soon as the limits allow."""
        if self._stands:
            self._plan = _Plan(self._plan.points[:0], self._plan.places[:, :0])
        elif plan := self._soonest_stop():
            self._plan = plan

    def _soonest_stop(self) -> _Plan | None:
        """The shortest plan found to a standstill on the path; None if the present one is as good.

        Where the path turns sharply the pace can't be changed as well: then the present plan is followed for a while.
        """
        coming = self._plan.places[:, self._plan.used :]
        points = np.concatenate((self._done, self._plan.points[self._plan.used :]))
        tries = []
        for later in range(0, min(len(self._plan), _COAST), 1 + _COAST // 8):
            state = coming[:, later - 1] if later else self._place
            if state[1]:
                least = self._least(state[0], self._pace(state)[1])
                tries += [(later * self._seconds + factor * least, later, factor * least) for factor in _FACTORS]
        for total, later, span in sorted(tries):
            if total >= len(self._plan) * self._seconds:
                break
            state = coming[:, later - 1] if later else self._place
            now, part, slope = self._pace(state)
            length = span * (part / 2 + slope * span / 12)
            if length < 0.0 or now + length > self._path.pace.time(self._planned_end()):
                continue
            _, plan = self._checked(((span, 0.0, part, slope),), now, length, self._seconds, points[later : later + 3])
            if plan is not None:
                before = slice(3, 3 + later)
                return _Plan(
                    np.concatenate((points[before], plan.points)),
                    np.concatenate((coming[:, :later], plan.places), axis=1),
                )
        return None

    def _pace(self, state: np.ndarray) -> tuple[float, float, float]:
        """Of a point's place, pace and change of the pace: seconds along the path's full pace, part of it, and the
        change of the part, 1/s."""
        place, rate, change = state
        now = self._path.pace.time(place)
        _, full, bend = self._path.pace.along(np.array([now]))[:, 0]
        part = rate / full
        return now, part, (change - part**2 * bend) / full

    def _least(self, place: float, change: float) -> float:
        """Seconds without which the limits do not allow ``change`` of the part of the full pace near ``place``."""
        velocity_by_acceleration, velocity_by_jerk = self._path.push(place)
        return max(1.5 * velocity_by_acceleration * change, float(np.sqrt(6 * velocity_by_jerk * change)))

    def _checked(
        self,
        parts: tuple[tuple[float, float, float, float], ...],
        now: float,
        length: float,
        first: float,
        done: np.ndarray,
    ) -> tuple[float, _Plan | None]:
        """A plan, if it keeps the limits.

        Args:
            parts: each the seconds it takes, the part of the full pace at its end and at its start, and its slope
                there; the pace changes with no slope at the end.
            now, length: seconds along the full pace, and how far to go.
            first: seconds that the first step is worth.
            done: (3, n) rad, the control points before.

        Returns:
            Seconds after which it first exceeds a limit, or the plan.
        """
        total = sum(part[0] for part in parts)
        count = int(np.ceil((total - first) / self._seconds - 1e-9)) + 1
        if not 0 < count <= _LONGEST:
            return 0.0, None
        times = first + self._seconds * np.arange(count)
        along, part, slope = _through(parts, times)
        along = np.minimum(along, length)
        along[-1] = length
        if (np.diff(along, prepend=0.0) < 0.0).any():
            return 0.0, None
        place, full, bend = self._path.pace.along(now + along)
        points = self._path.at(place)
        block = np.concatenate((done, points, np.repeat(points[-1:], 3, axis=0)))
        over = np.flatnonzero((self._limits.demand(block, self._seconds) > 1.0 - 1e-6).any(axis=1))
        if len(over):
            return float(first + over[0] * self._seconds), None
        places = np.stack((place, part * full, slope * full + part**2 * bend))
        places[1:, -1] = 0.0
        return np.inf, _Plan(points, places)

    # Checks.

    def _admitted(self, frames: np.ndarray) -> np.ndarray:
        """Frames (m, n) rad within the limits of position.

        Raises:
            PacingError: a value isn't a number, or beyond them; it names the joint.
        """
        limits = self._limits
        if frames.shape[1:] != (len(limits.names),):
            raise PacingError(f"a pose has {len(limits.names)} joints, not {frames.shape[1:]}")
        if not np.isfinite(frames).all():
            frame, joint = np.argwhere(~np.isfinite(frames))[0]
            raise PacingError(f"the position of {limits.names[joint]} is {frames[frame, joint]} in frame {frame}")
        beyond = np.maximum(frames - limits.upper, limits.lower - frames)
        if beyond.max() > _NEAR:
            frame, joint = np.unravel_index(int(beyond.argmax()), beyond.shape)
            raise PacingError(
                f"the position of {limits.names[joint]} is {frames[frame, joint]:.3f} rad in frame {frame}, outside "
                f"its limits {limits.lower[joint]:.3f} to {limits.upper[joint]:.3f}"
            )
        return np.clip(frames, limits.lower, limits.upper)

    def _braked(self, pose: np.ndarray, speed: np.ndarray) -> np.ndarray:
        """Control points (m, n) rad, the first three of which are at ``pose`` with ``speed``, to a standstill.

        The speed of each joint falls as 1 - 3 x² + 2 x³, as fast as its limits allow.
        """
        limits, step = self._limits, self._seconds
        spans = np.maximum(1.5 * np.abs(speed) / limits.acceleration, np.sqrt(6 * np.abs(speed) / limits.jerk)) + step
        for _ in range(100):
            count = int(np.ceil(spans.max() / step)) + 4
            x = np.minimum(np.arange(count)[:, None] * step / spans, 1.0)
            ways = speed * step * (1 - 3 * x**2 + 2 * x**3)
            before = pose - speed * step
            points = np.concatenate((before[None], pose[None], pose + np.cumsum(ways, axis=0)))
            if limits.demand(points, step).max() <= 1.0 - 1e-6:
                break
            spans = spans * 1.05
        beyond = np.maximum(points[1:] - limits.upper, limits.lower - points[1:])
        if beyond.max() > _EXACT:
            joint = int(beyond.max(axis=0).argmax())
            raise PacingError(
                f"{limits.names[joint]} moves at {speed[joint]:.3g} rad/s and can't be stopped before its limit of "
                "position; wait until it is slower"
            )
        return points


def _standing(count: int) -> np.ndarray:
    """Places of a plan that is not on the path, which begins where it ends."""
    return np.repeat([[1.0], [0.0], [0.0]], count, axis=1)


def _later(plan: _Plan, wait: int, point: np.ndarray, place: float) -> _Plan:
    """A plan that begins so many periods later, and until then stands at a point."""
    standing = np.repeat([[place], [0.0], [0.0]], wait, axis=1)
    points = np.concatenate((np.repeat(point[None], wait, axis=0), plan.points))
    return _Plan(points, np.concatenate((standing, plan.places), axis=1))


def _through(
    parts: tuple[tuple[float, float, float, float], ...], times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds along the full pace, the part of it, and its slope, at ``times``: each part a cubic Hermite piece."""
    along, part, slope = np.zeros_like(times), np.zeros_like(times), np.zeros_like(times)
    begun, way = 0.0, 0.0
    for span, end, start, steep in parts:
        here = times >= begun
        x = np.minimum((times[here] - begun) / span, 1.0) if span else np.ones(int(here.sum()))
        rise = end - start
        along[here] = way + span * (
            start * x + rise * (x**3 - x**4 / 2) + steep * span * x**2 * (6 - 8 * x + 3 * x**2) / 12
        )
        part[here] = start + rise * x**2 * (3 - 2 * x) + steep * span * x * (1 - x) ** 2
        slope[here] = (rise * 6 * x * (1 - x) / span if span else 0.0) + steep * (1 - x) * (1 - 3 * x)
        way += span * ((start + end) / 2 + steep * span / 12)
        begun += span
    return along, part, slope
