"""Coordinate frames computed from keypoints: the wrists and the head."""

from __future__ import annotations

import numpy as np

from text2sign_ros.motion.kinematics import unit
from text2sign_ros.skeleton import EARS, INDEX, REST_POSE

NAMES = ("head", "left_wrist", "right_wrist")

_LEFT, _RIGHT = (
    [INDEX[f"{side}_{joint}"] for joint in ("hand_root", "index_mcp", "middle_mcp", "little_mcp")]
    for side in ("left", "right")
)


def frames(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position and orientation of the head and the wrists (``NAMES``).

    A wrist's x axis points from the wrist to the middle finger's knuckle, z out of the back of the hand, perpendicular
    to the line through the knuckles of index and little finger: a hand stretched forward, palm down, has the identity
    orientation. The head's origin is midway between the ears; upright, as in the rest pose, it has the identity
    orientation. If keypoints coincide the axes are arbitrary, but still orthogonal and finite.

    Args:
        positions: (79, 3) metres, in frame ``signer``.

    Returns:
        (3, 3) metres and (3, 4) unit quaternions x y z w, in the same frame.
    """
    origins = np.stack((positions[EARS].mean(axis=0), positions[_LEFT[0]], positions[_RIGHT[0]])).astype(float)
    return origins, np.stack([_quaternion(matrix) for matrix in rotations(positions)])


def rotations(positions: np.ndarray) -> np.ndarray:
    """The orientations that ``frames`` returns, as matrices: (79, 3) metres -> (3, 3, 3)."""
    turned = axes(*_spans(positions))
    turned[0] = turned[0] @ _HEAD_AT_REST.T
    return turned


def _spans(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For head, left and right wrist: vectors roughly forward and roughly to the left, each (3, 3) metres."""
    ears, (left_root, left_index, left_middle, left_little) = positions[EARS], positions[_LEFT]
    right_root, right_index, right_middle, right_little = positions[_RIGHT]
    nose = positions[INDEX["nose"]] - ears.mean(axis=0)
    forward = np.stack((nose, left_middle - left_root, right_middle - right_root))
    left = np.stack((ears[0] - ears[1], left_little - left_index, right_index - right_little))
    return forward.astype(float), left.astype(float)


def axes(forward: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(n, 3) and (n, 3) -> (n, 3, 3) rotations: x along ``forward``, y toward ``left``, z perpendicular to both."""
    x = unit(forward)
    aside = left - (left * x).sum(axis=-1, keepdims=True) * x
    spare = np.eye(3)[np.abs(x).argmin(axis=-1)]  # in case left is parallel to forward
    spare -= (spare * x).sum(axis=-1, keepdims=True) * x
    y = unit(np.where(np.linalg.norm(aside, axis=-1, keepdims=True) > 1e-6, aside, spare))
    return np.stack((x, y, np.cross(x, y)), axis=-1)


def _quaternion(matrix: np.ndarray) -> np.ndarray:
    """(3, 3) rotation -> (4,) x y z w, by its largest component (Shepperd 1978)."""
    trace = np.trace(matrix)
    squares = np.append(2 * np.diag(matrix) - trace, trace) + 1  # four times each part squared
    largest = int(squares.argmax())
    if largest == 3:
        axis = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
        parts = np.append(axis, squares[3])
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        parts = np.empty(4)
        parts[[i, j, k, 3]] = (
            squares[i],
            matrix[j, i] + matrix[i, j],
            matrix[k, i] + matrix[i, k],
            matrix[k, j] - matrix[j, k],
        )
    return parts / np.linalg.norm(parts)


_HEAD_AT_REST = axes(*_spans(REST_POSE))[0]
