"""Cuts a stream of motion into chunks, with velocities that are continuous across the cuts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from text2sign_ros.errors import Text2SignError
from text2sign_ros.motion.timeline import Part
from text2sign_ros.skeleton import NUM_KEYPOINTS


class ChunkError(Text2SignError):
    """Pieces that are not frames of 79 keypoints, or a rate or a chunk length that is not positive."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive frames of one motion.

    Attributes:
        start: number of the first frame within the motion.
        positions: (n, 79, 3) float32, metres in frame ``signer``, n >= 1.
        velocities: (n, 79, 3) float32, metres per second.
        fps: frames per second.
        last: whether the motion ends with this chunk.
        parts: parts that start in it, and earlier ones whose end is known now, see ``Timeline.take``; empty without a
            timeline.
    """

    start: int
    positions: np.ndarray
    velocities: np.ndarray
    fps: float
    last: bool
    parts: tuple[Part, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)

    def first(self, count: int) -> Chunk:
        """Its first ``count`` frames, with the parts that start in them."""
        parts = tuple(part for part in self.parts if part.start < self.start + count)
        return replace(
            self, positions=self.positions[:count], velocities=self.velocities[:count], last=False, parts=parts
        )

    @property
    def start_time(self) -> int:
        """Nanoseconds from the start of the motion to the first frame."""
        return int(frame_time(self.start, self.fps))

    @property
    def end_time(self) -> int:
        """Nanoseconds from the start of the motion to the first frame of the next chunk."""
        return int(frame_time(self.start + len(self), self.fps))


def frame_time(frame: int | np.ndarray, fps: float) -> np.ndarray:
    """Nanoseconds, int64, from frame 0 to ``frame``: rounded from the frame number, so that nothing accumulates."""
    return np.rint(np.asarray(frame) * 1e9 / fps).astype(np.int64)


def chunks(
    pieces: Iterable[np.ndarray], fps: float, frames_per_chunk: int, *, after: Chunk | None = None
) -> Iterator[Chunk]:
    """Cut consecutive ``pieces`` of a motion, each (n, 79, 3) in metres, into chunks of ``frames_per_chunk`` frames.

    The last chunk holds what is left. Consumes only as many pieces as the next chunk and the one frame after it need.
    Velocities are central differences, and zero at the first and the last frame, where the figure is at rest. If
    ``after`` is given, the motion continues from it, in frame numbers and in velocity.

    Raises:
        ChunkError: ``fps`` or ``frames_per_chunk`` is not positive; during iteration: a piece has another shape.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ChunkError(f"fps is {fps}; it must be a positive number")
    if frames_per_chunk < 1:
        raise ChunkError(f"a chunk of {frames_per_chunk} frames is not possible; ask for at least 1")
    return _cut(pieces, float(fps), frames_per_chunk, after)


def _cut(pieces: Iterable[np.ndarray], fps: float, size: int, after: Chunk | None) -> Iterator[Chunk]:
    start = after.start + len(after) if after else 0
    before = after.positions[-1] if after else None  # the frame before `pending`
    pending = np.empty((0, NUM_KEYPOINTS, 3), np.float32)
    for piece in pieces:
        if np.ndim(piece) != 3 or np.shape(piece)[1:] != pending.shape[1:]:
            raise ChunkError(f"a piece has shape {np.shape(piece)}; (frames, {NUM_KEYPOINTS}, 3) is needed")
        pending = np.concatenate((pending, np.asarray(piece, np.float32)))
        while len(pending) > size:
            chunk = _chunk(start, before, pending[:size], pending[size], fps)
            start, before, pending = start + size, pending[size - 1], pending[size:]
            yield chunk
    if len(pending):
        yield _chunk(start, before, pending, None, fps)


def _chunk(start: int, before: np.ndarray | None, frames: np.ndarray, after: np.ndarray | None, fps: float) -> Chunk:
    first = frames[0] if before is None else before
    final = frames[-1] if after is None else after
    padded = np.concatenate((first[None], frames, final[None]))
    velocities = (padded[2:] - padded[:-2]) * np.float32(fps / 2)
    if before is None:
        velocities[0] = 0.0
    if after is None:
        velocities[-1] = 0.0
    return Chunk(start, frames.copy(), velocities, fps, last=after is None)
