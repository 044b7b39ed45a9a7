"""Motions of a person as a robot makes them: retargeted, paced and moved by physics, as the nodes do, without ROS."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import text2sign_ros.retarget
from text2sign_ros.clip import SignClip, write_whole
from text2sign_ros.motion.chunks import chunks, frame_time
from text2sign_ros.motion.playback import Piece, Playback
from text2sign_ros.progress import progress_bar
from text2sign_ros.retarget import description
from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.follower import Command, Point, TrajectoryFollower
from text2sign_ros.retarget.forward import Forward
from text2sign_ros.retarget.pacing import Command as Paced
from text2sign_ros.retarget.simulation import Simulation
from text2sign_ros.retarget.stream import FRAME, JointStream

# As the nodes signer and retarget have them unless told otherwise.
_PERIOD, _EVERY, _HORIZON, _DELAY = 10_000_000, 4, 100_000_000, 400_000_000
_LEAD, _CHUNK_FRAMES = 200_000_000, 8
_BEFORE = 300_000_000  # nanoseconds of rest before a motion
_LONGEST = 120 * 10**9  # that a motion may take
_UNRELATED = ("controllers", "film", "inspection", "picture", "portrait", "recording")
"""Modules of retarget that no performance depends on."""


@dataclass(frozen=True)
class Performance:
    """T frames of a motion as a robot made them, from the joints as physics moved them.

    Attributes:
        frames: (T, n) rad, when each frame was shown: what slowing did to the tempo is undone.
        seen: (T', n) rad, each 40 ms from when the first frame was shown to when the last was: as one sees it.
        shown: (T,) seconds from when the first frame was shown to when each was.
    """

    frames: np.ndarray
    seen: np.ndarray
    shown: np.ndarray

    def between(self, start: int, stop: int) -> np.ndarray:
        """The rows of ``seen`` from when frame ``start`` was shown to when frame ``stop - 1`` was."""
        rows = np.rint(self.shown[[start, stop - 1]] * 1e9 / FRAME).astype(int)
        return self.seen[rows[0] : rows[1] + 1]


class Stage:
    """Has a robot perform motions, each from rest to rest.

    Args:
        robot: file of its description, or its name.
        work: folder in which performances are kept; they are used again for the same motion, description and code.

    Attributes:
        robot: its model.
        forward: joints back to keypoints.
    """

    def __init__(self, robot: str, work: Path) -> None:
        about = description.load(robot)
        self._simulation = Simulation(about)
        self.robot = self._simulation.robot
        self.forward = Forward(Body(self.robot))
        self._stream = JointStream(self.robot, period=_PERIOD, horizon=_HORIZON, delay=_DELAY)
        code = sorted(Path(text2sign_ros.retarget.__file__).parent.glob("*.py"))
        told = "".join(path.read_text(encoding="utf-8") for path in code if path.stem not in _UNRELATED) + repr(about)
        self._digest, self._work = hashlib.sha256(told.encode()), work / about.name

    def perform_all(self, clips: Sequence[tuple[SignClip, int]]) -> Iterator[Performance]:
        """``perform`` each."""
        return (self.perform(clip, stop) for clip, stop in progress_bar(clips, desc=self._work.name))

    def perform(self, clip: SignClip, stop: int) -> Performance:
        """Perform a clip at 25 fps, from rest to rest; only the frames before ``stop`` are kept, which saves time."""
        digest = self._digest.copy()
        digest.update(clip.positions.tobytes() + bytes(str(stop), "ascii"))
        path = self._work / f"{digest.hexdigest()[:16]}.npz"
        if path.exists():
            with np.load(path) as kept:
                return Performance(kept["frames"], kept["seen"], kept["shown"])
        made = self._made(clip, stop)
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as file:
            np.savez(file, frames=made.frames, seen=made.seen, shown=made.shown)
        return made

    def _made(self, clip: SignClip, stop: int) -> Performance:
        robot, playback = self.robot, Playback()
        stream = copy.deepcopy(self._stream, {id(robot): robot})  # a new one would look for the rest pose again
        follower = TrajectoryFollower(robot.joints, robot.rest)
        now = self._simulation.time
        self._simulation.place(robot.rest)
        stream.start(now, robot.rest)
        begin = now + _BEFORE
        coming = [
            Piece(begin + frame_time(chunk.start + np.arange(len(chunk)), clip.fps), chunk.positions, chunk.velocities)
            for chunk in chunks([clip.positions], clip.fps, _CHUNK_FRAMES)
        ]
        due = begin + frame_time(np.arange(stop), clip.fps) + _DELAY
        shown: dict[int, int] = {}  # the motion's time, and when it is shown
        times, rows = [], []
        for turn in range(_LONGEST // _PERIOD):
            playback.pose(now)
            while coming and coming[0].start <= now + _LEAD:
                playback.add(coming.pop(0), now)
            stream.advance(playback, now)
            if turn % _EVERY == 0 and (commands := stream.trajectory()):
                shown.update({command.source: command.time for command in commands if command.source is not None})
                follower.accept(_trajectory(robot.joints, commands), now)
            now += _PERIOD
            self._simulation.advance(follower.sample, now)
            times.append(now)
            rows.append(self._simulation.positions.copy())
            if shown and max(shown) >= due[-1] and now >= shown[max(shown)]:
                break
        sources = sorted(shown)
        at = np.interp(due, sources, [shown[source] for source in sources])
        each = np.arange(at[0], at[-1] + FRAME, FRAME)
        frames, seen = (
            np.stack([np.interp(moments, times, column) for column in np.transpose(rows)], axis=1)
            for moments in (at, each)
        )
        return Performance(frames.astype(np.float32), seen.astype(np.float32), (at - at[0]) * 1e-9)


def _trajectory(joints: Sequence[str], commands: Sequence[Paced]) -> Command:
    """As the node sends them: from the moment before the first, to a standstill."""
    begin = commands[0].time - _PERIOD
    points = [Point(c.time - begin, c.positions, c.velocities, c.accelerations) for c in commands]
    nothing = np.zeros(len(joints))
    points[-1] = Point(points[-1].time, points[-1].positions, nothing, nothing)
    return Command(joints, points, begin)
