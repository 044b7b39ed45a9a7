"""Limits of velocity, acceleration and jerk, kept by stretching time: the path stays the same, but takes longer.

Time scaling preserves the shape of a movement (Hollerbach 1984, "Dynamic scaling of manipulator trajectories"); how
fast a path can be followed within limits is the problem of time-optimal path parametrisation (Bobrow, Dubowsky & Gibson
1985). Its solutions need the whole path. Here the path is still being generated while its start is already output, and
what comes next may be wild. So, like a careful driver, we never go faster than we can stop within what we see: a step
is taken only if a slow-down to a standstill from there is known that keeps all limits, checked on the actual output
frames and not by bounds. If no other step is possible, the last slow-down found is followed. So the limits hold by
construction.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.errors import Text2SignError
from text2sign_ros.motion import kinematics
from text2sign_ros.motion.transition import frames_between, transition

AHEAD = 8
"""Frames of the path that must be known beyond a frame before it is output."""
_TAPS = np.arange(-2, 4)
"""Frames from which the path is interpolated at a point in time, relative to the frame before it."""
_LOOKAHEAD = AHEAD - int(_TAPS[-1]) + 1
"""A standstill must be reachable within fewer frames than this."""
_CHANGES = tuple(4.0**-k for k in range(2, 9))
"""Candidates for how fast the rate may change, per frame²: from 1 to 0 within 8 frames, and more and more gently."""
_LEAST = {"velocity": 0.01, "acceleration": 0.1, "jerk": 1.0}


class LimitsError(Text2SignError):
    """A limit that no motion, or not this one, can keep."""


@dataclass(frozen=True)
class Limits:
    """Limits for every keypoint, on differences of frames; 0 is no limit.

    Attributes:
        velocity: m/s, of (p[k+1] - p[k]) * fps.
        acceleration: m/s², of the second differences * fps².
        jerk: m/s³, of the third differences * fps³.

    Raises:
        LimitsError: a limit is negative, not finite, or so small that a text would not end.
    """

    velocity: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), _LEAST[field.name]
            if not (math.isfinite(value) and (value == 0 or value >= least)):
                raise LimitsError(
                    f"the limit of {field.name} is {value}; it must be 0 for no limit, or at least {least} (SI units)"
                )

    def __bool__(self) -> bool:
        return any((self.velocity, self.acceleration, self.jerk))

    def keeps(self, frames: np.ndarray, fps: float) -> bool:
        """Whether all differences that reach beyond the first 3 of ``frames`` (n, 79, 3), n >= 4, are within limits."""
        differences = frames
        for order, limit in enumerate((self.velocity, self.acceleration, self.jerk), 1):
            differences = differences[1:] - differences[:-1]
            if limit:
                new = differences[3 - order :]
                if np.einsum("fkc,fkc->fk", new, new).max() > (limit / fps**order) ** 2:
                    return False
        return True


def stretch(
    pieces: Iterable[np.ndarray],
    fps: float,
    limits: Limits,
    passed: Callable[[np.ndarray], None] = lambda places: None,
) -> Iterator[np.ndarray]:
    """Follow a motion no faster than ``limits`` allow, resampled at the same frame rate where it is slowed down.

    Each input piece yields one output piece, which ends where fewer than ``AHEAD`` further frames are known; the rest
    is yielded as one more piece at the end. The motion starts and ends at a standstill, with its first and its last
    frame unchanged.
    How it is cut into pieces makes no difference. Frames are unchanged up to the first place where the motion exceeds a
    limit, or could not be stopped within it. From there on they are interpolated by a quintic Hermite spline (twice
    continuously differentiable, from the six surrounding frames), with every bone at its canonical length.

    Args:
        pieces: each (n, 79, 3) metres, n >= 1, consecutive frames.
        fps: frames per second.
        limits: kept from the standstill before the first frame to the one after the last, except for rounding to
            float32, which at 25 fps is less than 0.01 m/s³ of jerk.
        passed: called before frames are yielded with the input frame that each of them shows: (m,) float64, fractional
            between two frames, non-decreasing. Not called without limits.

    Yields:
        (m, 79, 3) float32 metres; one piece more than the input has.

    Raises:
        LimitsError: the motion jumps so far that not even the smallest step keeps the limits.
    """
    if not limits:
        yield from pieces
        return
    follower = None
    for piece in pieces:
        path, first = np.asarray(piece, float), []
        if follower is None:
            follower = _Follower(np.repeat(path[:1], 3, axis=0), fps, limits)
            path, first = path[1:], [(0.0, path[0])]
        yield _reported([*first, *_placed(follower, follower.follow(path))], passed)
    if follower is not None:
        yield _reported([*_placed(follower, follower.finish())], passed)


def _placed(follower: _Follower, frames: Iterator[np.ndarray]) -> Iterator[tuple[float, np.ndarray]]:
    for frame in frames:
        yield follower.place, frame


def _reported(placed: list[tuple[float, np.ndarray]], passed: Callable[[np.ndarray], None]) -> np.ndarray:
    passed(np.array([place for place, _ in placed]))
    return np.array([frame for _, frame in placed], np.float32).reshape(-1, skeleton.NUM_KEYPOINTS, 3)


def to_rest(positions: np.ndarray, velocities: np.ndarray, fps: float, limits: Limits) -> np.ndarray:
    """The path from any moment of a motion to rest: a minimum-jerk path (see ``transition``) within ``limits``.

    It takes as long as a person would, or longer if the motion can't be slowed down in time. The velocity at the moment
    of stopping is given: if no path keeps the limits from there, a slow-down within 8 frames is followed regardless,
    and the motion after it keeps them.

    Args:
        positions: (79, 3) metres, the last frame that was output.
        velocities: (79, 3) metres per second, there.
        fps: frames per second.
        limits: to keep.

    Returns:
        (n, 79, 3) float32 metres, the frames after ``positions``; the last one is exactly the rest pose.
    """
    rest, step = skeleton.REST_POSE, np.asarray(velocities, float) / fps
    count = frames_between(positions, rest, fps)

    def path(longer: float) -> np.ndarray:
        return np.concatenate((transition(positions, rest, round(longer * count), start_step=step), rest[None]))

    if not limits:
        return path(1.0)
    before = positions - step * np.array((2.0, 1.0, 0.0))[:, None, None]
    for longer in (1.0, 1.5, 2.0, 3.0, 4.0, 1.0):  # the last one regardless of the limits
        follower = _Follower(before, fps, limits)
        frames = itertools.chain(follower.follow(path(longer)), follower.finish())
        first = next(frames)
        if follower.kept:
            break
    return np.array([first, *frames], np.float32)


class _Follower:
    """Follows a path from the last of the three frames (3, 79, 3) ``before``."""

    def __init__(self, before: np.ndarray, fps: float, limits: Limits) -> None:
        self._fps, self._limits = fps, limits
        self._path, self._end = before, math.inf
        self._done = before  # the last three frames that were output
        self._place = 2.0  # in the path
        self._forgotten = -2  # where the stored path starts, counted from the last frame of `before`
        self._rate, self._change = 1.0, 0.0  # frames of the path per step, and the change from the step before
        self._coming: list[tuple[float, np.ndarray]] = []  # rates and frames from here to a standstill
        self._started, self.kept = False, True  # whether the limits are kept from the start

    @property
    def place(self) -> float:
        """Place of the last output frame, in frames of the whole path; the last one of ``before`` is number 0."""
        return self._forgotten + min(self._place, self._end)

    def follow(self, path: np.ndarray) -> Iterator[np.ndarray]:
        """Add the next part (n, 79, 3) of the path; yields the frames (79, 3) metres that can be output now."""
        self._path = np.concatenate((self._path, path))
        while self._place < self._end and int(self._place) + AHEAD < len(self._path):
            if not self._started:
                self._start()
            yield self._step()
        passed = int(self._place) + int(_TAPS[0])
        self._path, self._place = self._path[passed:], self._place - passed
        self._forgotten += passed

    def finish(self) -> Iterator[np.ndarray]:
        """The remaining frames (79, 3) metres, to the end of the path."""
        self._end = len(self._path) - 1.0
        yield from self.follow(np.repeat(self._path[-1:], AHEAD, axis=0))

    def _start(self) -> None:
        """Choose the initial rate: any from a standstill, otherwise the current one."""
        self._started = True
        standing = self._stands()
        for rate in (1.0, 0.5, 0.25, 0.125, 0.0625) if standing else (1.0,):
            if any(self._keep(_slow_down(rate, 0.0, sharpness)) for sharpness in _CHANGES):
                self._rate = rate
                return
        self.kept, self._rate = standing, 0.0 if standing else 1.0
        rates = _slow_down(self._rate, 0.0, _CHANGES[0])
        self._coming = list(zip(rates, self._frames(self._place + np.cumsum(rates)), strict=True))

    def _stands(self) -> bool:
        return bool((self._done == self._done[-1]).all())

    def _step(self) -> np.ndarray:
        """The next output frame, (79, 3)."""
        if not any(self._keep(rates) for rates in self._faster()) and not self._coming:
            if self._stands():
                raise LimitsError(f"this motion jumps too far to be followed within {self._limits}; raise the limits")
            self._coming = [(0.0, self._done[-1])]
        rate, frame = self._coming.pop(0)
        self._change, self._rate = rate - self._rate, rate
        self._place += rate
        self._done = np.concatenate((self._done[1:], frame[None]))
        return frame

    def _faster(self) -> Iterator[list[float]]:
        """Candidate rates, fastest first: one step, and how to stop after it."""
        for keep in (False, True):
            for sharpness in _CHANGES:
                change = self._change if keep else min(self._change + sharpness, _steepest(1.0 - self._rate, sharpness))
                rate = min(1.0, self._rate + change)
                if rate <= 0.0 or rate**1.5 > _LOOKAHEAD * math.sqrt(
                    sharpness
                ):  # it would go further than the known path
                    continue
                yield [rate, *_slow_down(rate, rate - self._rate, sharpness)]

    def _keep(self, rates: list[float]) -> bool:
        """Adopt ``rates`` if they keep the limits up to the standstill and during it."""
        places = self._place + np.cumsum(rates)
        if places[-1] >= int(self._place) + _LOOKAHEAD:
            return False
        frames = self._frames(places)
        if not self._limits.keeps(np.concatenate((self._done, frames, np.repeat(frames[-1:], 3, axis=0))), self._fps):
            return False
        self._coming = list(zip(rates, frames, strict=True))
        return True

    def _frames(self, places: np.ndarray) -> np.ndarray:
        """(m,) places, growing, on the path -> (m, 79, 3) metres."""
        places = np.minimum(places, self._end)
        before = places.astype(int)
        weights = (places - before)[:, None] ** np.arange(6) @ _SPLINE
        window = self._path[before[0] + _TAPS[0] : before[-1] + _TAPS[-1] + 1]
        spread = np.zeros((len(places), len(window)))
        spread[np.arange(len(places))[:, None], (before - before[0])[:, None] + np.arange(len(_TAPS))] = weights
        frames = (spread @ window.reshape(len(window), -1)).reshape(-1, *window.shape[1:])
        return np.where((places % 1)[:, None, None] == 0, frames, kinematics.with_canonical_lengths(frames))


def _slow_down(rate: float, change: float, sharpness: float) -> list[float]:
    """Rates of the steps from ``rate`` to 0, the changes themselves changing by ``sharpness`` each step."""
    rates = []
    while rate > 0.0:
        change = max(change - sharpness, -_steepest(rate, sharpness))
        rate = max(0.0, rate + change)
        rates.append(rate)
    return rates or [0.0]


def _steepest(way: float, sharpness: float) -> float:
    """The greatest change that still fades to nothing before the rate has gone ``way``."""
    return way if way < sharpness else (math.sqrt(sharpness**2 + 8 * sharpness * way) - sharpness) / 2


def _spline() -> np.ndarray:
    """(6, 6) weights of the six surrounding frames, for each power of the time since the frame before: a quintic
    through the frames, with slopes and curvatures that are exact for polynomials up to the fourth degree."""
    slope = np.array((1, -8, 0, 8, -1)) / 12
    curvature = np.array((-1, 16, -30, 16, -1)) / 12
    at = np.zeros((6, 6))  # value, slope, curvature of the frame before and of the one after
    at[0, 2] = at[3, 3] = 1
    at[1, :5], at[4, 1:] = slope, slope
    at[2, :5], at[5, 1:] = curvature, curvature
    hermite = np.linalg.inv(
        np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 2, 0, 0, 0], [1] * 6, range(6), [0, 0, 2, 6, 12, 20]])
    )
    return np.rint(hermite * 2) / 2 @ at


_SPLINE = _spline()
