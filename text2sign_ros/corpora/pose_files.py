"""Reads ``.pose`` files with all points of MediaPipe Holistic, as pose-format's estimation writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from text2sign_ros import holistic
from text2sign_ros.clip import OtherLayoutError, SignClip
from text2sign_ros.corpora.base import CorpusError
from text2sign_ros.corpora.mediapipe import lift

HAND_DEPTH = 2.0
"""Factor from a hand's z to the unit of its x, as in other recordings of MediaPipe (``corpora.galt``)."""

_FARTHEST = 10.0  # pictures from the picture's corner: MediaPipe guesses feet far outside, but not that far
_BODY = holistic.COMPONENTS["POSE_LANDMARKS"]
_NEEDED = (
    *("NOSE", "LEFT_EYE", "RIGHT_EYE", "LEFT_EAR", "RIGHT_EAR", "MOUTH_LEFT", "MOUTH_RIGHT"),
    *(f"{side}_{name}" for name in ("SHOULDER", "ELBOW", "WRIST") for side in ("LEFT", "RIGHT")),
)
"""Those of the body that the lift looks at; a file that was scaled by another program after we wrote it lacks some."""
_HAND = holistic.COMPONENTS["LEFT_HAND_LANDMARKS"]


def read(path: Path) -> SignClip:
    """One person's motion, lifted to metres. Hands and frames that were not seen are estimates, and count as seen.

    In such a file x and y are pixels, and z is what MediaPipe says: a fraction of the image's width, whatever the
    header says of depth.

    Raises:
        OtherLayoutError: it does not have these points, or they were normalised.
        CorpusError: it can't be read, has no frames, or the body is not seen.
        ModuleNotFoundError: the extras ``files`` and ``train`` are not installed.
    """
    from pose_format import Pose

    try:
        pose = Pose.read(path.read_bytes())
        data = np.asarray(pose.body.data.filled(0.0), float)
        fps, size = float(pose.body.fps), pose.header.dimensions
    except Exception as error:  # pose-format raises all kinds of exceptions for broken files
        raise CorpusError(f"{path} is not a readable .pose file: {error}") from error
    places, start = {}, 0
    for component in pose.header.components:
        places[component.name] = {name: start + k for k, name in enumerate(component.points)}
        start += len(component.points)
    wanted = {"POSE_LANDMARKS": _BODY[:25], "LEFT_HAND_LANDMARKS": _HAND, "RIGHT_HAND_LANDMARKS": _HAND}
    lacking = [
        f"{component} {name}"
        for component, names in wanted.items()
        for name in names
        if name not in places.get(component, ())
    ]
    confidence = np.asarray(pose.body.confidence)
    unseen = [name for name in _NEEDED if not lacking and not confidence[..., places["POSE_LANDMARKS"][name]].any()]
    lacking += [f"POSE_LANDMARKS {name}, which is nowhere seen" for name in unseen if len(data)]
    if lacking or data.shape[-1] != 3 or not (size.width and size.height):
        found = ", ".join(f"{component} ({len(points)} points)" for component, points in places.items())
        raise OtherLayoutError(
            f"{path} holds {found}, {data.shape[-1]} dimensions: only the 79 keypoints as text2sign writes them, and "
            "MediaPipe Holistic as pose-format's estimation writes it, not reduced, can be turned into metres"
            + (f"; it lacks {', '.join(lacking[:3])}{' and more' if len(lacking) > 3 else ''}" if lacking else "")
        )
    if not len(data) or data.shape[1] != 1:
        raise CorpusError(f"{path} has {len(data)} frames of {data.shape[1]} people; frames of one are needed")
    shown = data[:, 0] / (size.width, size.height, 1.0)
    part = {name: shown[:, [places[name][point] for point in points]] for name, points in wanted.items()}
    body = np.concatenate((part["POSE_LANDMARKS"], np.ones((*part["POSE_LANDMARKS"].shape[:2], 1))), axis=-1)
    hands = {side: part[f"{side.upper()}_HAND_LANDMARKS"] for side in ("left", "right")}
    if not np.isfinite(body).all() or np.abs(body[..., :2]).max() > _FARTHEST:
        raise OtherLayoutError(f"the points of {path} are not pixels of a picture of {size.width} × {size.height}")
    try:
        clip = lift(body, hands, aspect=size.height / size.width, hand_depth=HAND_DEPTH, fps=fps)
    except ValueError as error:
        raise CorpusError(f"{path}: {error}") from error
    return SignClip(clip.positions, np.ones_like(clip.confidence), fps)
