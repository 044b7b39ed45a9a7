"""Playback: chunks of timed motion in, the pose at any time out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.errors import Text2SignError
from text2sign_ros.motion.limits import Limits, to_rest
from text2sign_ros.motion.transition import frames_between, transition

STEP = 200_000_000
"""Longest interval between consecutive points, nanoseconds; a longer one between chunks separates two motions."""
BACK, FORWARD = 100_000_000, 1_000_000_000
"""Change between two readings of the clock, back or forward, that counts as a jump, nanoseconds."""
HORIZON = 86_400_000_000_000
"""Nanoseconds that a stamp may be ahead of the clock: anything beyond comes from another clock."""
CAPACITY = 7_200
"""Points that may wait to be played: two minutes at 60 points a second."""

_FASTEST, _FARTHEST = 100.0, 10.0  # m/s, m: no keypoint of a signer moves faster or is farther away
_FAST = 10.0  # m/s, how fast a hand may move from one chunk to the next
_OFF = 0.02  # m, how far the first point of a piece may be from where the curve before it leads
_STILL, _NEAR = 0.02, 0.01  # m/s, m: what counts as standing at rest
_SOONEST = 120_000_000  # ns: the shortest movement (see frames_between)
_FPS = 50.0  # of the paths generated here
_SECOND = 1_000_000_000
_EVER = -(2**63)


class PlaybackError(Text2SignError):
    """A chunk that can't be played; the message says why."""


@dataclass(frozen=True)
class Piece:
    """A piece of motion.

    Attributes:
        times: (n,) int64 nanoseconds of the clock, growing by at most ``STEP``, n >= 1.
        positions: (n, 79, 3) metres in frame ``signer``.
        velocities: (n, 79, 3) metres per second.

    Raises:
        PlaybackError: another shape, times out of order, or values that no signer's motion has.
    """

    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.times), skeleton.NUM_KEYPOINTS, 3)
        if not shape[0] or self.positions.shape != shape or self.velocities.shape != shape:
            raise PlaybackError(f"a chunk needs points of {shape[1]} keypoints with positions and velocities")
        steps = np.diff(self.times)
        if (steps <= 0).any() or (steps > STEP).any():
            raise PlaybackError(f"the points of a chunk must follow one another within {STEP / 1e9:g} s")
        for values, most, unit in ((self.positions, _FARTHEST, "m"), (self.velocities, _FASTEST, "m/s")):
            if not (np.abs(values) <= most).all():  # neither is NaN
                raise PlaybackError(f"a chunk has values beyond {most:g} {unit}, or that are not numbers")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def start(self) -> int:
        """Time of the first point, nanoseconds."""
        return int(self.times[0])

    @property
    def end(self) -> int:
        """Time of the last point, nanoseconds."""
        return int(self.times[-1])


class Playback:
    """The pose at any time of a clock that may stop or jump, from pieces that may be late, lost or duplicated.

    Between points each keypoint follows the cubic Hermite curve through their positions and velocities. Invariants:
        - The pose is always finite and moves without jumps, whatever the pieces and the clock do.
        - After the last received point, unless the motion ended at rest there, the figure returns to rest along a
          minimum-jerk path (see ``transition``): a robot that follows these poses ends up standing still.
        - A piece that overlaps what was received replaces it from there on. If it sets out from the curve, nothing else
          changes: so a signer takes back what it has sent.
        - A piece that neither continues the curve (within ``STEP`` and nearby) nor sets out from it is joined: the
          path to it, again a minimum-jerk one, starts early enough to arrive in time; if that is no longer possible, it
          starts now and arrives as soon as a person would, and what the piece shows before that is lost.
        - A backward jump of the clock discards what was buffered, which belongs to the past; a forward jump skips to
          the present. While the clock is stopped, so is the pose.

    Not thread-safe. Memory: at most ``capacity`` points (of 3.8 kB) and one path generated here.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        rest = np.zeros((2, skeleton.NUM_KEYPOINTS, 3))
        rest[0] = skeleton.REST_POSE
        # Knots of the curve; those after _received are a generated return to rest.
        self._times: list[int] = [_EVER]
        self._knots: list[np.ndarray] = [rest]  # each position and velocity, (2, 79, 3)
        self._received = _EVER
        self._homeward = True  # whether the knots go on to rest
        self._now: int | None = None
        self._broken_off, self._breaks = False, 0
        self._changed: int | None = None

    @property
    def breaks(self) -> int:
        """Number of motions that have broken off."""
        return self._breaks

    @property
    def broken_off(self) -> bool:
        """Whether the figure is or has been returning to rest after its motion broke off; until the next piece."""
        return self._broken_off

    def ahead(self, now: int) -> float:
        """Seconds of motion received but not yet played at ``now`` nanoseconds."""
        return max(self._received - now, 0) / _SECOND

    def at_rest(self, now: int) -> bool:
        """Whether the figure stands in the rest pose and no motion is buffered; call in order of time, as ``pose``."""
        return self.ahead(now) == 0 and _stands(self.knot(now))

    def pose(self, now: int) -> np.ndarray:
        """(79, 3) metres at ``now`` nanoseconds; call in order of time, except for jumps of the clock."""
        return self.knot(now)[0]

    def knot(self, now: int) -> np.ndarray:
        """Pose and velocity: (2, 79, 3) metres and metres per second."""
        if self._now is not None and not -BACK <= now - self._now <= FORWARD:
            self._leap(now)
        self._now = now
        if now > self._received and not self._homeward:
            self._broken_off = not _stands(self._knots[-1])
            self._breaks += self._broken_off
            self._go_home()
        played = bisect_right(self._times, now) - 1
        if played > 0:
            del self._times[:played], self._knots[:played]
        return self._at(now)

    @property
    def known(self) -> int:
        """Until when the poses to come are known, nanoseconds: the end of what was received, or of the way to rest."""
        return self._times[-1]

    @property
    def ends(self) -> bool:
        """Whether the figure stands at rest from ``known`` on, as far as is known."""
        return self._homeward or _stands(self._knots[-1])

    def coming(self, time: int) -> np.ndarray:
        """Pose and velocity (2, 79, 3) at a time to come, up to ``known``; it may still change (see ``changed``)."""
        return self._at(time)

    def changed(self) -> int | None:
        """The earliest time (nanoseconds) whose pose became known, or another, since the last call; None: none did."""
        changed, self._changed = self._changed, None
        return changed

    def add(self, piece: Piece, now: int) -> None:
        """Schedule ``piece``, which arrived at ``now``, to be played at its time.

        Raises:
            PlaybackError: it is in the past, too far ahead, or there is no room for it; nothing changes then.
        """
        self.pose(now)
        if piece.end < now:
            raise PlaybackError(
                f"a chunk arrived {(now - piece.end) / 1e9:.3f} s after its end; is the connection slow, or does the "
                "signer use another clock (use_sim_time)?"
            )
        if piece.start > now + HORIZON:
            raise PlaybackError(
                f"a chunk is stamped {(piece.start - now) / 1e9:.0f} s from now; does the signer use another clock "
                "(use_sim_time)?"
            )
        if bisect_left(self._times, piece.start) + len(piece) > self._capacity:
            raise PlaybackError(
                f"more than {self._capacity} points would wait to be played; lower the signer's lead_time"
            )
        times, knots = piece.times.tolist(), np.stack((piece.positions, piece.velocities), axis=1).astype(float)
        if self._continues(piece) or self._sets_out(piece, now):
            self._cut(piece.start)
            self._extend(times, knots)
        else:
            self._join(times, knots, now)
        self._broken_off = False

    def leave(self, now: int) -> None:
        """Play no more of what was received: the figure returns to rest from where it is at ``now``."""
        knot = self.knot(now)
        if not self._homeward:
            self._cut(now)
            self._extend([now], knot[None])
            self._go_home()

    def interrupts(self, piece: Piece, now: int) -> bool:
        """Whether ``piece`` would replace a motion in progress: it is from another signer, or starts a new motion."""
        if self._continues(piece) or now >= self._received:
            return False
        if self._sets_out(piece, now) and piece.velocities[0].any():  # else it starts a motion, as any signer does
            return False
        return piece.start <= self._received or not _stands(self._knots[-1])

    def _continues(self, piece: Piece) -> bool:
        after = piece.start - self._received
        if self._homeward or not 0 < after <= STEP:
            return False
        way = np.linalg.norm(piece.positions[0] - self._knots[-1][0], axis=-1).max()
        return bool(way <= _FAST * after / _SECOND)  # else the time fits, but it belongs to another motion

    def _sets_out(self, piece: Piece, now: int) -> bool:
        """Whether ``piece`` leaves the received curve, at a time that is still to come."""
        if not now < piece.start <= self._received:
            return False
        before = bisect_left(self._times, piece.start) - 1
        gap = piece.start - self._times[before]
        if before < 0 or gap > STEP:
            return False
        position, velocity = self._knots[before]
        expected = position + (velocity + piece.velocities[0]) * (gap / _SECOND / 2)
        return bool(np.linalg.norm(piece.positions[0] - expected, axis=-1).max() < _OFF)

    def _at(self, time: int) -> np.ndarray:
        """Position and velocity, (2, 79, 3), by the cubic Hermite polynomials."""
        after = bisect_right(self._times, time)
        if after in (0, len(self._times)):
            knot = self._knots[max(after - 1, 0)].copy()
            if time != self._times[max(after - 1, 0)]:
                knot[1] = 0.0
            return knot
        start, end = self._times[after - 1], self._times[after]
        (p, v), (q, w) = self._knots[after - 1], self._knots[after]
        long, s = (end - start) / _SECOND, (time - start) / (end - start)
        way, v, w = q - p, v * long, w * long
        # In powers of s: p + v s + b s² + c s³.
        b, c = 3 * way - 2 * v - w, v + w - 2 * way
        return np.stack((p + s * (v + s * (b + s * c)), (v + s * (2 * b + 3 * s * c)) / long))

    def _extend(self, times: list[int], knots: np.ndarray) -> None:
        """Append received knots (n, 2, 79, 3)."""
        self._note(times[0])
        self._times += times
        self._knots += list(knots)
        self._received, self._homeward = self._times[-1], False

    def _note(self, time: int) -> None:
        self._changed = time if self._changed is None else min(self._changed, time)

    def _cut(self, time: int) -> None:
        """Delete the curve from ``time`` on."""
        here = bisect_left(self._times, time)
        del self._times[here:], self._knots[here:]

    def _go_home(self) -> None:
        """Extend the curve from the last received knot to rest, unless it is already."""
        if not self._homeward and not _stands(self._knots[-1]):
            position, velocity = self._knots[-1]
            path = to_rest(position, velocity, _FPS, Limits()).astype(float)
            times = self._received + np.rint(np.arange(1, len(path) + 1) * (_SECOND / _FPS)).astype(np.int64)
            slopes = np.gradient(np.concatenate((position[None], path)), 1 / _FPS, axis=0)[1:]
            slopes[-1] = 0.0
            self._note(int(times[0]))
            self._times += times.tolist()
            self._knots += list(np.stack((path, slopes), axis=1))
        self._homeward = True

    def _join(self, times: list[int], knots: np.ndarray, now: int) -> None:
        """Switch to received knots (n, 2, 79, 3) that do not continue the present curve."""
        self._go_home()
        leave = max(now, times[0] - _duration(self._at(times[0])[0], knots[0, 0]))
        here = self._at(leave)
        met = next((k for k, t in enumerate(times) if t >= leave + _duration(here[0], knots[k, 0])), len(times) - 1)
        times[met] = max(times[met], leave + _SOONEST)

        duration = times[met] - leave
        between = round(duration / _SECOND * _FPS) - 1
        step = duration / (between + 1)  # ns
        (position, velocity), (end, end_velocity) = here, knots[met]
        momentum = {"start_step": velocity * (step / _SECOND), "end_step": end_velocity * (step / _SECOND)}
        path = transition(position, end, between, **momentum).astype(float)
        slopes = np.gradient(np.concatenate((position[None], path, end[None])), step / _SECOND, axis=0)[1:-1]
        self._cut(leave)
        self._extend([leave], here[None])
        self._extend([leave + round(k * step) for k in range(1, between + 1)], np.stack((path, slopes), axis=1))
        self._extend(times[met:], knots[met:])

    def _leap(self, now: int) -> None:
        """The clock has jumped to ``now``: continue from the current pose."""
        assert self._now is not None
        here = self._at(self._now)
        here[1] = 0.0
        coming = slice(bisect_right(self._times, now), bisect_right(self._times, self._received))
        times, knots = self._times[coming], self._knots[coming]
        self._times, self._knots = [], []
        self._extend([now], here[None])
        if times and now > self._now:
            self._join(times, np.stack(knots), now)


def _stands(knot: np.ndarray) -> bool:
    """Whether a knot (2, 79, 3) stands still in the rest pose."""
    return bool(np.abs(knot[1]).max() < _STILL and np.abs(knot[0] - skeleton.REST_POSE).max() < _NEAR)


def _duration(start: np.ndarray, end: np.ndarray) -> int:
    """Nanoseconds that a person would take from pose to pose, both (79, 3) metres."""
    return round((frames_between(start, end, _FPS) + 1) * _SECOND / _FPS)
