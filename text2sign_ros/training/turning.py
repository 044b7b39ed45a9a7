"""Motion varied for the training of stage 1: joints turned by the same small angles throughout a window."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from text2sign_ros import skeleton


def turn_joints(positions: Tensor, degrees: float) -> Tensor:
    """Turn each window's arms slightly at shoulder, elbow and wrist, by the same angles throughout the window.

    This gives new positions and orientations of the hands; bone lengths and the motion itself are kept.

    Args:
        positions: (B, T, 79, 3) metres.
        degrees: standard deviation of the angles at shoulder and elbow; at the wrist it is twice that.
    """
    turned = positions.clone()
    for side in ("left", "right"):
        hand = list(range(skeleton.NUM_KEYPOINTS))[skeleton.GROUPS[f"{side}_hand"]]
        elbow, wrist = skeleton.INDEX[f"{side}_elbow"], skeleton.INDEX[f"{side}_wrist"]
        moved = {f"{side}_shoulder": [elbow, wrist, *hand], f"{side}_elbow": [wrist, *hand], f"{side}_wrist": hand}
        for pivot, points in moved.items():
            sigma = math.radians(degrees) * (2.0 if pivot.endswith("wrist") else 1.0)
            rotations = _rotations(sigma * torch.randn(len(positions), 3))
            centre = turned[:, :, [skeleton.INDEX[pivot]]]
            turned[:, :, points] = centre + (turned[:, :, points] - centre) @ rotations[:, None]
    return turned


def turn_fingers(positions: Tensor, degrees: float) -> Tensor:
    """Turn every bone of each window's hands slightly, by the same angles throughout the window: other fingers' shapes.

    Args:
        positions: (B, T, 79, 3) metres.
        degrees: standard deviation of the angles of a bone toward the one before it.
    """
    turned = positions.clone()
    for parent, child in skeleton.HAND_BONES:
        finger = [child, *_after(child)]
        angles = math.radians(degrees) * torch.randn(len(positions), 3)
        centre = turned[:, :, [parent]]
        turned[:, :, finger] = centre + (turned[:, :, finger] - centre) @ _rotations(angles)[:, None]
    return turned


def _after(keypoint: int) -> list[int]:
    """The keypoints of the same finger beyond this one."""
    found = [child for parent, child in skeleton.HAND_BONES if parent == keypoint]
    return found + [last for child in found for last in _after(child)]


def _rotations(angles: Tensor) -> Tensor:
    """(n, 3) rotation vectors, radians -> (n, 3, 3)."""
    x, y, z = angles.unbind(dim=1)
    zero = torch.zeros_like(x)
    skew = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).unflatten(-1, (3, 3))
    return torch.matrix_exp(skew)
