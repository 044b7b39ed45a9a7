"""What joints did: positions as wanted and as achieved, their file (``joints.npz``), and how well they followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text2sign_ros.clip import write_whole
from text2sign_ros.errors import Text2SignError
from text2sign_ros.retarget.joint_path import JointLimits

_ROUNDING = {"position": 1e-5, "velocity": 1e-3, "acceleration": 0.02, "jerk": 2.0}
"""What float32 adds at 100 Hz, rad/s^k."""
_APART, _GAP = 9_000_000, 60_000_000
"""Nanoseconds between rows: the least at which differences mean something, and the most within one run of time."""
_LAGS = np.arange(0.0, 0.2005, 0.001)  # seconds, that are tried


class RecordingError(Text2SignError):
    """A file that should hold a recording does not."""


@dataclass(frozen=True)
class Tracking:
    """How well joints followed their path.

    Attributes:
        lag: seconds by which they were late, all alike.
        rms: root mean square over joints and time of what remains without that lag, degrees (for a sliding joint,
            57.3 per metre).
        worst: the joint that has the largest, with its own.
    """

    lag: float
    rms: float
    worst: tuple[str, float]


@dataclass(frozen=True)
class Recording:
    """What the joints did.

    Attributes:
        joints: (n,) names.
        stamps: (T,) int64, nanoseconds.
        positions: (T, n) float32, rad, as achieved.
        wanted: (T, n) float32, rad.
    """

    joints: tuple[str, ...]
    stamps: np.ndarray
    positions: np.ndarray
    wanted: np.ndarray

    def __len__(self) -> int:
        return len(self.stamps)

    def tracking(self) -> Tracking | None:
        """Of all rows; None if there are fewer than two."""
        if len(self) < 2:
            return None
        return tracking(self.joints, (self.stamps - self.stamps[0]) * 1e-9, self.positions, self.wanted)

    def save(self, path: Path) -> None:
        """Write ``.npz`` with an array for each attribute, whole or not at all."""
        with write_whole(path) as file:
            np.savez_compressed(
                file, joints=np.array(self.joints), stamps=self.stamps, positions=self.positions, wanted=self.wanted
            )

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read what ``save`` wrote.

        Raises:
            RecordingError: the file is no recording.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                joints = tuple(str(name) for name in data["joints"])
                stamps, positions, wanted = data["stamps"], data["positions"], data["wanted"]
        except Exception as error:  # numpy raises all kinds of exceptions for broken files
            raise RecordingError(f"{path} is not a readable recording of joints: {error}") from error
        if not positions.shape == wanted.shape == (*stamps.shape, len(joints)) or stamps.dtype != np.int64:
            raise RecordingError(f"{path} is not a recording of joints: its arrays have shapes that do not match")
        return cls(joints, stamps, positions, wanted)


class JointLog:
    """A recording that grows by a row with every ``add``; about 0.6 kB a row for 38 joints.

    Args:
        joints: their names.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        self.joints = tuple(joints)
        self._stamps: list[int] = []
        self._rows: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamp: int, achieved: np.ndarray, wanted: np.ndarray) -> None:
        """One row: a later stamp, nanoseconds, and (n,) positions, rad."""
        self._stamps.append(stamp)
        self._rows.append(np.array((achieved, wanted), np.float32))

    def recording(self) -> Recording:
        """All rows so far."""
        rows = np.array(self._rows, np.float32).reshape(len(self), 2, len(self.joints))
        return Recording(self.joints, np.array(self._stamps, np.int64), rows[:, 0], rows[:, 1])


def violations(recording: Recording, limits: JointLimits) -> dict[str, int]:
    """At how many rows what was wanted exceeds limits of position, velocity, acceleration or jerk.

    By divided differences, which are means of the derivatives: what they exceed, the motion exceeds. Rows need not be
    even; those less than 9 ms apart are thinned out, and where the time jumps, by more than 60 ms or back, another run
    of rows begins.
    """
    wanted = recording.wanted.astype(float)
    beyond = np.maximum(wanted - limits.upper, limits.lower - wanted)
    found = {"position": int((beyond > _ROUNDING["position"]).any(axis=1).sum())}
    found |= dict.fromkeys(("velocity", "acceleration", "jerk"), 0)
    steps = np.diff(recording.stamps)
    for run in np.split(np.arange(len(recording)), np.flatnonzero((steps > _GAP) | (steps <= 0)) + 1):
        rows: list[int] = []
        for row in run:
            if not rows or recording.stamps[row] - recording.stamps[rows[-1]] >= _APART:
                rows.append(int(row))
        if not rows:
            continue
        seconds, rates = (recording.stamps[rows] - recording.stamps[rows[0]]) * 1e-9, wanted[rows]
        for order, kind in enumerate(("velocity", "acceleration", "jerk"), 1):
            if len(seconds) <= order:
                break
            rates = order * np.diff(rates, axis=0) / (seconds[order:] - seconds[:-order])[:, None]
            found[kind] += int((np.abs(rates) > getattr(limits, kind) + _ROUNDING[kind]).any(axis=1).sum())
    return found


def tracking(joints: Sequence[str], seconds: np.ndarray, achieved: np.ndarray, wanted: np.ndarray) -> Tracking:
    """How well ``achieved`` (T, n) follows ``wanted`` (T, n), with the one lag, up to 0.2 s, that fits best."""

    def errors(lag: float) -> np.ndarray:
        """(n,) mean squares."""
        known = seconds >= lag
        delayed = [np.interp(seconds[known] - lag, seconds, column) for column in wanted.T]
        return np.mean(np.square(achieved[known].T - delayed), axis=1)

    seconds = seconds - seconds[0]
    coarse = min(_LAGS[::20], key=lambda lag: errors(lag).mean())
    near = _LAGS[np.abs(_LAGS - coarse) < 0.0205]
    lag = float(min(near, key=lambda lag: errors(lag).mean()))
    squares = np.degrees(1.0) ** 2 * errors(lag)
    worst = int(squares.argmax())
    return Tracking(lag, float(np.sqrt(squares.mean())), (joints[worst], float(np.sqrt(squares[worst]))))
