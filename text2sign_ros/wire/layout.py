"""The layout of the motion as JSON, so that a consumer can play it without this package."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.errors import Text2SignError
from text2sign_ros.wire.trajectory import FRAME_ID


def layout(fps: float, frame: str = FRAME_ID) -> str:
    """Names and groups of the keypoints in their order, bones, rest pose, frame and frames per second.

    ``keypoints`` are 79 names in the order of a chunk's ``joint_names``; ``groups`` maps a name to [first, end);
    ``bones`` are pairs of indices; ``rest_pose`` has (x, y, z) of each keypoint in metres in frame ``frame``.
    """
    groups = {name: span.indices(skeleton.NUM_KEYPOINTS)[:2] for name, span in skeleton.GROUPS.items()}
    values = {
        "frame": frame,
        "fps": fps,
        "keypoints": skeleton.KEYPOINTS,
        "groups": groups,
        "bones": skeleton.BONES,
        "rest_pose": [[round(float(x), 6) for x in point] for point in skeleton.REST_POSE],
    }
    return json.dumps(values)


class LayoutError(Text2SignError):
    """A message that is not a layout."""


@dataclass(frozen=True)
class Layout:
    """A layout that was parsed; see ``layout``.

    Attributes:
        frame: of all positions.
        fps: frames per second.
        keypoints: names in the order of a chunk.
        groups: spans of keypoints by name.
        bones: pairs of indices.
        rest_pose: (keypoints, 3) float32 metres.
    """

    frame: str
    fps: float
    keypoints: tuple[str, ...]
    groups: dict[str, slice]
    bones: tuple[tuple[int, int], ...]
    rest_pose: np.ndarray

    @classmethod
    def parse(cls, data: str) -> Layout:
        """The layout that a message holds.

        Raises:
            LayoutError: it holds no layout.
        """
        try:
            values = json.loads(data)
            return cls(
                str(values["frame"]),
                float(values["fps"]),
                tuple(map(str, values["keypoints"])),
                {name: slice(first, end) for name, (first, end) in values["groups"].items()},
                tuple((int(a), int(b)) for a, b in values["bones"]),
                np.array(values["rest_pose"], np.float32).reshape(len(values["keypoints"]), 3),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise LayoutError(f"a layout that can't be read: {type(error).__name__}: {error}") from error
