"""Keypoints to come in, trajectories of joints out: frames are solved and paced as time goes by, in small portions."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from text2sign_ros.motion.playback import Playback
from text2sign_ros.retarget.joint_path import JointLimits, PacingError
from text2sign_ros.retarget.model import RobotModel
from text2sign_ros.retarget.pacing import GAP, Command, Pacer
from text2sign_ros.retarget.passage import Passage
from text2sign_ros.retarget.solver import FPS, Retargeter
from text2sign_ros.retarget.target import KeypointError
from text2sign_ros.skeleton import REST_POSE

FRAME = round(1e9 / FPS)
"""Nanoseconds from one frame that is solved to the next."""
LOST = 5_000_000_000
"""Nanoseconds after which a clock that went on without us has jumped; what is shorter is caught up with."""
_SETTLED = 2e-3
"""rad from one frame to the next below which the joints have come to the pose in which the figure stands."""
_LONGEST = 5_000_000_000
"""Nanoseconds after which they stay where they are then: after a motion that was taken back they may have far to go."""
_BATCH = 4
"""Frames that are paced together, where as many are known."""
_MEMORY = 512
"""Frames for which it is known where the joints were: more than a change may come late."""


def limits_of(model: RobotModel) -> JointLimits:
    """The limits of a robot's joints, as pacing takes them."""
    return JointLimits(model.joints, model.lower, model.upper, model.velocity, model.acceleration, model.jerk)


class JointStream:
    """Moves a robot's joints as a figure moves, a fixed delay later, within their limits.

    What it commands is decided ``horizon`` ahead, so that it arrives in time, and each trajectory holds all that is
    known from now on, to a standstill: whoever follows the last one comes to rest, whatever happens here.

    Args:
        model: the robot.
        period: ns between two points of a trajectory.
        horizon: ns from now to the first point that may still change.
        delay: ns by which the joints are later than the keypoints; of motion that is known ahead a robot can be moved
            at its full pace only as far as it could still be stopped on it.

    Attributes:
        refusal: why a frame was refused last; empty if none was.
        refused, solved: frames.
    """

    def __init__(self, model: RobotModel, *, period: int, horizon: int, delay: int) -> None:
        self._retargeter = Retargeter(model)
        self._retargeter.solve(REST_POSE)  # the first one looks from several starts, which takes a while
        self._passage = Passage(self._retargeter.body)
        self._passed: deque[tuple[int, np.ndarray]] = deque(maxlen=_MEMORY)  # time of a frame, joints before it
        self._limits = limits_of(model)
        self._period, self._horizon, self._delay = period, horizon, delay
        self._pacer = self._new_pacer()
        self._sent: deque[Command] = deque()  # decided, and still to come
        self._last: int | None = None  # time of the frame that was solved last
        self._next: int | None = None  # and of the next one
        self._solved: np.ndarray | None = None  # its joints
        self._batch: list[tuple[int, np.ndarray]] = []
        self._moved = self._stopped = self._fresh = False
        self._late = delay * 1e-9
        self.refusal, self.refused, self.solved = "", 0, 0

    @property
    def started(self) -> bool:
        """Whether the robot's pose is known, and followed since."""
        return self._pacer.time is not None

    @property
    def standing(self) -> bool:
        """Whether the joints stand and have nothing to do."""
        return not self.started or (self._pacer.standing and not self._batch)

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop: it moves again after the next ``start``."""
        return self._stopped

    @property
    def lag(self) -> float:
        """Seconds by which the joints are commanded later than the keypoints, at the time of the last ``advance``."""
        return self._late

    @property
    def pose(self) -> np.ndarray | None:
        """(n,) rad where the joints will have come to rest; None before the first start."""
        return self._pacer.coming()[-1].positions if self.started else None

    def start(self, now: int, joints: np.ndarray) -> None:
        """Begin at a robot that stands, at (n,) rad.

        Raises:
            PacingError: a value isn't a number or is beyond a limit of position.
        """
        self._pacer.start(now + self._horizon, joints)
        self._sent.clear()
        self._batch.clear()
        self._last = self._next = None
        self._passage.joints, self._late = self._pacer.coming()[0].positions, self._delay * 1e-9
        self._passed.clear()
        self._stopped = self._moved = False
        self._fresh = True

    def forget(self) -> None:
        """Command nothing until the next ``start``: the robot's pose is no longer known."""
        self._pacer = self._new_pacer()

    def stop(self) -> None:
        """Come to rest as soon as the limits allow; what comes is ignored until the next ``start``."""
        self._pacer.stop()
        self._batch.clear()
        self._stopped = True

    def has_lost(self, now: int) -> bool:
        """Whether the clock is not the one that commands were made for: it jumped."""
        time = self._pacer.time
        return time is not None and not -LOST <= time - self._horizon - now <= GAP

    def advance(self, playback: Playback, now: int) -> None:
        """Decide what is due, and solve at most one frame of the motion to come.

        Args:
            playback: the motion; its pose at ``now`` has been asked for.
            now: ns.
        """
        time = self._pacer.time
        if time is None:
            return
        while time <= now + self._horizon:
            # After a delay of ours the robot follows what it has, until what changes can be there in time.
            self._sent.append(self._pacer.step(extend=time + self._period > now + self._horizon))
            time += self._period
        while self._sent and self._sent[0].time <= now:
            shown = self._sent.popleft()
            if shown.source is not None:
                self._late = max(shown.time - shown.source + self._delay, 0) * 1e-9
        changed = playback.changed()
        if self._stopped:
            return
        self._choose(playback, changed, now)
        begins = self._pacer.standing
        self._solve(playback)
        if begins:  # without waiting for more
            self._flush(last=False)

    def trajectory(self) -> Sequence[Command] | None:
        """All commands that are known from now on, at rest in the last one; None if they are as sent and it stands."""
        if self._pacer.time is None or (self.standing and not self._moved):
            return None
        commands = [*self._sent, *self._pacer.coming()]
        moves = any(c.velocities.any() or c.accelerations.any() for c in commands)
        if not moves and not self._moved:  # it stands where it began
            return None
        self._moved = moves
        return commands

    def _new_pacer(self) -> Pacer:
        return Pacer(self._limits, period=self._period, spacing=FRAME * 1e-9)

    def _choose(self, playback: Playback, changed: int | None, now: int) -> None:
        """Which frame is next."""
        if self._fresh and playback.known > now:  # what came before the start
            self._next = now
        self._fresh = False
        if changed is not None:
            if self._last is None or changed <= self._last:
                self._batch = [frame for frame in self._batch if frame[0] < changed + self._delay]
                while self._passed and self._passed[-1][0] >= changed:
                    _, self._passage.joints = self._passed.pop()
                self._flush(last=False)
                self._next = changed
            elif self._next is None:
                self._next = self._last + FRAME if changed <= self._last + GAP else changed
            # Else frames before it still wait for their turn, however many.
        if self._next is not None and self._next < now:
            self._next = now

    def _solve(self, playback: Playback) -> None:
        if self._next is None:
            return
        time = self._next
        if time > playback.known and not playback.ends:
            self._flush(last=False)
            return
        last = False
        try:
            joints = self._retargeter.solve(playback.coming(time)[0])
        except KeypointError as error:
            self.refusal = str(error)
            self.refused += 1
            last = playback.ends and time >= playback.known
        else:
            self.solved += 1
            if playback.ends and time >= playback.known:  # the figure stands, and the joints may need a little longer
                change = np.inf if self._solved is None else float(np.abs(joints - self._solved).max())
                last = change < _SETTLED or time > playback.known + _LONGEST
            self._solved = joints
            self._go(time, joints)
        self._last, self._next = time, None if last else time + FRAME
        if last or len(self._batch) >= _BATCH:
            self._flush(last=last)

    def _go(self, time: int, joints: np.ndarray) -> None:
        """Have the joints get from the frame before to this one, past what is in the way."""
        span = FRAME
        if self._passed and time - self._passed[-1][0] <= GAP:
            span = min(FRAME, time - self._passed[-1][0])
        self._passed.append((time, self._passage.joints))
        for part, pose in self._passage.go(joints):
            self._batch.append((time + self._delay - round((1 - part) * span), pose))

    def _flush(self, *, last: bool) -> None:
        """Pace the frames that were solved."""
        if self._batch:
            times, joints = zip(*self._batch, strict=True)
            self._batch.clear()
            try:
                self._pacer.add(np.array(times, np.int64), np.array(joints), last=last)
            except PacingError as error:  # too many wait
                self.refusal = str(error)
                self.refused += len(times)
