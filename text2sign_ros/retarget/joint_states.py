"""What joint states say of the joints to move, whoever publishes them, and however well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FARTHEST = 1e3
"""rad or metres: no joint is farther."""
_NOISE = float(np.radians(0.5))
"""rad by which the position of a joint that stands may change."""
_APART = 0.1
"""Seconds between two poses from which a velocity is told, where messages have none."""


class JointStates:
    """The latest positions and velocities of some joints, from messages that may be of some of them, or of others.

    A message counts if it is in order: a position that is a number for each name, each joint to move named once,
    velocities for all or none. Otherwise nothing of it is taken. A velocity that is missing or NaN, as where a
    controller has no such interface, is told from positions.

    Args:
        joints: (n,) names.

    Attributes:
        positions: (n,) rad, NaN where a joint has not come yet.
        problem: what was wrong with the last message; empty if nothing was.
        came: whether any message has come.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(joints)}
        self._joints = tuple(joints)
        self._names: Sequence[str] | None = None  # for which the next two were found
        self._theirs, self._ours = np.zeros(0, int), np.zeros(0, int)
        self._repeated = ""
        self.positions = np.full(len(joints), np.nan)
        self._speeds = np.full(len(joints), np.inf)
        self._earlier, self._earlier_at = self.positions.copy(), np.full(len(joints), -np.inf)
        self._stood, self._stood_since = self.positions.copy(), np.full(len(joints), np.inf)
        self._at = -np.inf
        self._ages = np.zeros(len(joints))
        self._stamps = np.zeros(len(joints), np.int64)
        self.problem, self.came = "", False

    def receive(
        self, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float], at: float, stamp: int = 0
    ) -> None:
        """Take a message.

        Args:
            names: of m joints, whichever.
            positions: (m,) rad.
            velocities: (m,) rad/s, or none.
            at: monotonic seconds at which it came.
            stamp: ns of the ROS clock at which it was measured; 0: not known.
        """
        self.came = True
        if names != self._names:
            self._names = list(names)
            known = [(theirs, self._places[name]) for theirs, name in enumerate(names) if name in self._places]
            self._theirs, self._ours = (np.array(known, int).reshape(-1, 2)).T
            twice = [ours for k, (_, ours) in enumerate(known) if ours in self._ours[:k]]
            self._repeated = self._joints[twice[0]] if twice else ""
        ours = self._ours
        if not len(ours):
            return  # of others
        self.problem = self._wrong_with(positions, velocities)
        if self.problem:
            return
        values = np.array(positions, float)[self._theirs]
        given = np.array(velocities, float)[self._theirs] if len(velocities) else np.full(len(ours), np.nan)
        known = ~np.isnan(given)
        self._speeds[ours[known]] = np.abs(given[known])
        span = at - self._earlier_at[ours]
        due = span >= _APART
        told = ours[due & ~known]
        with np.errstate(invalid="ignore"):
            speeds = np.abs(values - self._earlier[ours]) / span
        self._speeds[told] = np.nan_to_num(speeds[due & ~known], nan=np.inf)
        self._earlier[ours[due]], self._earlier_at[ours[due]] = values[due], at
        self.positions[ours], self._at = values, at
        moved = ours[~(np.abs(values - self._stood[ours]) < _NOISE)]
        self._stood[moved], self._stood_since[moved] = self.positions[moved], at
        self._ages[ours], self._stamps[ours] = 0.0, stamp

    def wait(self, seconds: float) -> None:
        """So much time has passed."""
        self._ages += seconds

    @property
    def lacking(self) -> tuple[str, ...]:
        """The joints that have not come yet."""
        return tuple(name for name, position in zip(self._joints, self.positions, strict=True) if np.isnan(position))

    @property
    def complete(self) -> bool:
        """Whether every joint has come."""
        return not np.isnan(self.positions).any()

    @property
    def silence(self) -> float:
        """Seconds for which the joint that is missing longest has not come."""
        return float(self._ages.max())

    def forget(self) -> None:
        """What has come does not count any more."""
        self.positions[:] = np.nan
        self._stood[:] = np.nan

    @property
    def latest(self) -> tuple[str, float]:
        """The joint that moved last, and for how many seconds it has stood since, to within 0.5°."""
        joint = int(self._stood_since.argmax())
        return self._joints[joint], float(self._at - self._stood_since[joint])

    @property
    def stamp(self) -> int | None:
        """When the pose was measured, the joint's whose was measured first, ns; None where one is not known."""
        return int(self._stamps.min()) or None

    @property
    def fastest(self) -> tuple[str, float]:
        """The joint that moves fastest, and how fast, rad/s; infinite where that is not known yet."""
        joint = int(self._speeds.argmax())
        return self._joints[joint], float(self._speeds[joint])

    def _wrong_with(self, positions: Sequence[float], velocities: Sequence[float]) -> str:
        count = len(self._names or ())
        if len(positions) != count or len(velocities) not in (0, count):
            return f"{count} names, {len(positions)} positions and {len(velocities)} velocities do not match"
        if self._repeated:
            return f"{self._repeated} is named twice"
        values = np.array(positions, float)[self._theirs]
        wrong = ~(np.abs(values) <= _FARTHEST)  # NaN too
        if wrong.any():
            worst = int(np.flatnonzero(wrong)[0])
            return f"the position of {self._joints[self._ours[worst]]} is {values[worst]:g}"
        return ""
