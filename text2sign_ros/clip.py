"""SignClip: a stretch of signing, and its two file formats (.npz and .pose)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from text2sign_ros import holistic, palette, skeleton
from text2sign_ros.errors import Text2SignError

MAX_BYTES = 2**31
"""Size of a file, as unpacked, beyond which it is not read: some 17 hours at 25 frames a second."""


class ClipError(Text2SignError):
    """A clip, or a file that should hold one, is not what the format says."""


class OtherLayoutError(ClipError):
    """A file holds keypoints that are not our 79, in our order and scale."""


@dataclass(frozen=True)
class SignClip:
    """Motion of the 79 keypoints.

    Attributes:
        positions: (T, 79, 3) float32, metres in frame ``signer``.
        confidence: (T, 79) float32 in [0, 1]; 0 means "not observed": the position is then meaningless.
        fps: frames per second, positive.

    Raises:
        ClipError: a shape, a NaN or a frame rate is wrong.
    """

    positions: np.ndarray
    confidence: np.ndarray
    fps: float

    def __post_init__(self) -> None:
        positions = np.ascontiguousarray(self.positions, np.float32)
        confidence = np.ascontiguousarray(self.confidence, np.float32)
        if positions.ndim != 3 or positions.shape[1:] != (skeleton.NUM_KEYPOINTS, 3):
            raise ClipError(f"positions have shape {positions.shape}; (frames, {skeleton.NUM_KEYPOINTS}, 3) is needed")
        if confidence.shape != positions.shape[:2]:
            raise ClipError(f"confidence has shape {confidence.shape}; {positions.shape[:2]} is needed")
        if not np.isfinite(positions).all() or not np.isfinite(confidence).all():
            raise ClipError("positions and confidence must be finite; mark an unseen keypoint by confidence 0")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ClipError(f"fps is {self.fps}; it must be a positive number")
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "fps", float(self.fps))

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def duration(self) -> float:
        """Length of the clip, seconds."""
        return len(self) / self.fps

    def filled(self) -> np.ndarray:
        """Positions (T, 79, 3), unseen keypoints interpolated linearly; one never seen gets its rest position."""
        positions, frames = self.positions.copy(), np.arange(len(self))
        for keypoint in np.flatnonzero((self.confidence == 0).any(axis=0)):
            seen = np.flatnonzero(self.confidence[:, keypoint] > 0)
            if len(seen):
                for axis in range(3):
                    positions[:, keypoint, axis] = np.interp(frames, seen, self.positions[seen, keypoint, axis])
            else:
                positions[:, keypoint] = skeleton.REST_POSE[keypoint]
        return positions

    def save(self, path: str | Path) -> None:
        """Write ``.npz`` or ``.pose`` (by suffix), whole or not at all.

        Raises:
            ClipError: the suffix is something else.
            ModuleNotFoundError: a ``.pose`` file needs the extra ``files``.
        """
        path = Path(path)
        if path.suffix not in (".npz", ".pose"):
            raise ClipError(f"cannot write {path.name}: a clip is saved as .npz or .pose")
        with write_whole(path) as file:
            if path.suffix == ".npz":
                np.savez_compressed(
                    file,
                    positions=self.positions,
                    confidence=self.confidence,
                    fps=self.fps,
                    keypoints=np.array(skeleton.KEYPOINTS),
                )
            else:
                _to_pose(self).write(file)

    @classmethod
    def load(cls, path: str | Path) -> SignClip:
        """Read what ``save`` wrote.

        Raises:
            OtherLayoutError: it does not have the 79 keypoints in order.
            ClipError: it is not a clip.
            ModuleNotFoundError: a ``.pose`` file needs the extra ``files``.
        """
        path = Path(path)
        try:
            if path.suffix == ".pose":
                _check_size(path, path.stat().st_size)
                return _from_pose(path)
            with np.load(path, allow_pickle=False) as data:
                _check_size(path, sum(info.file_size for info in data.zip.infolist()))  # as unpacked
                names = tuple(str(name) for name in data["keypoints"])
                if names != skeleton.KEYPOINTS:
                    raise OtherLayoutError(f"{path} has other keypoints than the 79 of text2sign_ros.skeleton")
                return cls(data["positions"], data["confidence"], float(data["fps"]))
        except ModuleNotFoundError:  # a .pose file needs the extra "files"
            raise
        except ClipError as error:
            raise error if str(path) in str(error) else ClipError(f"{path}: {error}") from error
        except Exception as error:  # numpy and pose-format raise all kinds of exceptions for broken files
            raise ClipError(f"{path} is not a readable clip: {error}") from error


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise ClipError(f"{path} holds {size / 1e9:.1f} GB; a clip has at most {MAX_BYTES / 1e9:.1f} GB")


@contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing so that readers see either the old file or the complete new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(part, "xb") as file:
            yield file
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


# Viewers of .pose files treat coordinates as pixels and draw larger z first. So we store image coordinates:
# millimetres, x to the right, y down, z away from the viewer, the signer in a frame 1.6 m wide and high.
_POSE_UNITS_PER_METRE = 1000.0
_POSE_CENTRE = 0.8  # metres
_POSE_SIDE = int(2 * _POSE_CENTRE * _POSE_UNITS_PER_METRE)


def _pose_header():
    """Components and points are named as MediaPipe Holistic's, which programs for sign language look for.

    Those that pick points by name fail where one is missing, so points that we do not have are there too.
    """
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    components = []
    for group, (component, ours) in holistic.GROUPS.items():
        points, start = holistic.COMPONENTS[component], skeleton.GROUPS[group].start
        place = [points.index(name) for name in ours]
        limbs = [(place[a - start], place[b - start]) for a, b in skeleton.GROUP_BONES[group]]
        colours = dict.fromkeys(points, palette.rgb(palette.GROUPS[group]))
        colours |= zip(ours, map(palette.rgb, palette.points(group)), strict=True)
        components.append(PoseHeaderComponent(component, list(points), limbs, list(colours.values()), "XYZC"))
    return PoseHeader(0.2, PoseHeaderDimensions(_POSE_SIDE, _POSE_SIDE, _POSE_SIDE), components)


def _places() -> list[int]:
    """Where each of the 79 keypoints is among the points of a file."""
    places, start = [], 0
    for component, ours in holistic.GROUPS.values():
        points = holistic.COMPONENTS[component]
        places += [start + points.index(name) for name in ours]
        start += len(points)
    return places


def _to_pose(clip: SignClip):
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody

    header, places = _pose_header(), _places()
    x, y, z = np.moveaxis(clip.positions, -1, 0)
    data = np.zeros((len(clip), 1, header.total_points(), 3), np.float32)
    data[:, 0, places] = np.stack((y + _POSE_CENTRE, _POSE_CENTRE - z, -x), axis=-1) * _POSE_UNITS_PER_METRE
    confidence = np.zeros(data.shape[:3], np.float32)
    confidence[:, 0, places] = clip.confidence
    return Pose(header, NumPyPoseBody(clip.fps, data, confidence))


def is_ours(header: Any) -> bool:
    """Whether the header of a ``.pose`` file is that of ``SignClip.save``."""
    components = {component.name: tuple(component.points) for component in header.components}
    sides = (header.dimensions.width, header.dimensions.height, header.dimensions.depth)
    return components == holistic.COMPONENTS and sides == (_POSE_SIDE,) * 3


def _from_pose(path: Path) -> SignClip:
    from pose_format import Pose

    pose = Pose.read(path.read_bytes())
    places = _places()
    if not is_ours(pose.header):
        raise OtherLayoutError(
            f"{path} has other keypoints than the 79 of text2sign_ros.skeleton, or another scale: SignClip.save did "
            "not write it"
        )
    if pose.body.data.shape[1] != 1:
        raise ClipError(f"{path} shows {pose.body.data.shape[1]} people; a clip has one")
    image = np.asarray(pose.body.data.filled(0.0))[:, 0, places] / _POSE_UNITS_PER_METRE
    positions = np.stack((-image[..., 2], image[..., 0] - _POSE_CENTRE, _POSE_CENTRE - image[..., 1]), axis=-1)
    confidence = np.asarray(pose.body.confidence)[:, 0, places]
    positions[confidence == 0] = 0.0
    return SignClip(positions, confidence, float(pose.body.fps))
