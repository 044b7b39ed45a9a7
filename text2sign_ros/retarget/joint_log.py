"""What joints did: positions as wanted and as achieved, their file (``joints.npz``), and how well they followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text2sign_ros.clip import write_whole

_LAGS = np.arange(0.0, 0.2005, 0.001)  # seconds, that are tried


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


class JointLog:
    """Grows by a row with every ``add``; 0.3 kB a row for 38 joints.

    Args:
        joints: their names.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        self.joints = tuple(joints)
        self._stamps: list[int] = []
        self._achieved: list[np.ndarray] = []
        self._wanted: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamp: int, achieved: np.ndarray, wanted: np.ndarray) -> None:
        """One row: a later stamp, nanoseconds, and (n,) positions, rad."""
        self._stamps.append(stamp)
        self._achieved.append(achieved.astype(np.float32))
        self._wanted.append(wanted.astype(np.float32))

    def tracking(self) -> Tracking | None:
        """Of all rows; None if there are fewer than two."""
        if len(self) < 2:
            return None
        seconds = (np.array(self._stamps, np.int64) - self._stamps[0]) * 1e-9
        return tracking(self.joints, seconds, np.array(self._achieved), np.array(self._wanted))

    def save(self, path: Path) -> None:
        """Write ``.npz``, whole or not at all.

        It has ``joints`` (n,) names, ``stamps`` (T,) int64 nanoseconds, and in rad, as float32, ``positions`` (T, n) as
        achieved and ``wanted`` (T, n).
        """
        shape = (len(self), len(self.joints))
        with write_whole(path) as file:
            np.savez_compressed(
                file,
                joints=np.array(self.joints),
                stamps=np.array(self._stamps, np.int64),
                positions=np.array(self._achieved, np.float32).reshape(shape),
                wanted=np.array(self._wanted, np.float32).reshape(shape),
            )


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
