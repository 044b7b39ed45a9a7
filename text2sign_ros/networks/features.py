"""What the SignVAE codes instead of positions: bones, those of a hand in the frame of its own palm.

A finger's shape is then the same numbers wherever the hand is and however it is turned, and small bones count as much
as long ones. Left hands are mirrored into right ones, so that one network learns from both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from text2sign_ros import skeleton

_ROOTS = {side: skeleton.INDEX[f"{side}_hand_root"] for side in ("left", "right")}
_BODY = (*range(skeleton.GROUPS["left_hand"].start), *_ROOTS.values())
"""Keypoints of body and face, and the roots of the hands."""
_FACE = range(skeleton.GROUPS["face"].start, skeleton.GROUPS["face"].stop)
_BODY_PARENTS = {child: parent for parent, child in skeleton.ARM_BONES} | {
    i: skeleton.INDEX["nose"] for i in (*range(1, skeleton.HEAD.stop), *_FACE)
}
_FINGER_PARENTS = {b - _ROOTS["left"]: a - _ROOTS["left"] for a, b in skeleton.GROUP_BONES["left_hand"]}
_INDEX, _MIDDLE, _LITTLE = (
    skeleton.INDEX[f"left_{finger}_mcp"] - _ROOTS["left"] for finger in ("index", "middle", "little")
)

BODY_FEATURES = 3 * len(_BODY)
HAND_FEATURES = 6 + 3 * len(_FINGER_PARENTS)
"""Two axes of the palm, and 20 bones."""


class Features(nn.Module):
    """Positions to features and back; no parameters. Bones may have any length."""

    body_parents: Tensor
    body_relative: Tensor
    body_chains: Tensor
    hand_parents: Tensor
    hand_chains: Tensor
    mirror: Tensor

    def __init__(self) -> None:
        super().__init__()
        place = {keypoint: i for i, keypoint in enumerate(_BODY)}
        parents = [place[_BODY_PARENTS.get(keypoint, keypoint)] for keypoint in _BODY]
        relative = [float(parent != i) for i, parent in enumerate(parents)]
        self.register_buffer("body_parents", torch.tensor(parents), persistent=False)
        self.register_buffer("body_relative", torch.tensor(relative)[:, None], persistent=False)
        self.register_buffer("body_chains", _chains(parents), persistent=False)
        fingers = [0, *(_FINGER_PARENTS[i] for i in range(1, 21))]
        self.register_buffer("hand_parents", torch.tensor(fingers[1:]), persistent=False)
        self.register_buffer("hand_chains", _chains(fingers)[1:, 1:], persistent=False)
        self.register_buffer("mirror", torch.tensor((1.0, -1.0, 1.0)), persistent=False)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 79, 3) metres -> the body's (B, T, 117), and the hands' (2B, T, 66), all left before all right."""
        points = positions[:, :, _BODY]
        body = points - self.body_relative * points[:, :, self.body_parents]
        hands = self.hands(positions)
        axes = palm_axes(hands)
        bones = (hands[:, :, 1:] - hands[:, :, self.hand_parents]) @ axes  # in the palm's frame
        return body.flatten(2), torch.cat((axes[..., :2].transpose(-1, -2).flatten(2), bones.flatten(2)), dim=2)

    def hands(self, positions: Tensor) -> Tensor:
        """(B, T, 79, 3) metres -> (2B, T, 21, 3): the left hands, mirrored, then the right ones."""
        left, right = (positions[:, :, skeleton.HAND[side]] for side in ("left", "right"))
        return torch.cat((left * self.mirror, right))

    def inverse(self, body: Tensor, hands: Tensor) -> Tensor:
        """The features of ``forward`` -> (B, T, 79, 3) metres."""
        points = self.body_chains @ body.unflatten(2, (-1, 3))
        axes = orthonormal(hands[..., :3], hands[..., 3:6])
        fingers = self.hand_chains @ (hands[..., 6:].unflatten(2, (-1, 3)) @ axes.transpose(-1, -2))
        left, right = fingers.unflatten(0, (2, -1)).unbind()  # chunk would fix the batch in an exported graph
        wrists = points[:, :, -2:]
        return torch.cat(
            (points[:, :, :-2], wrists[:, :, :1], wrists[:, :, :1] + left * self.mirror,
             wrists[:, :, 1:], wrists[:, :, 1:] + right), dim=2,
        )  # fmt: skip


def palm_axes(hands: Tensor) -> Tensor:
    """(..., 21, 3) right hands -> (..., 3, 3), in columns: along the palm, across it toward the index, out of it."""
    along = hands[..., _MIDDLE, :] - hands[..., 0, :]
    return orthonormal(along, hands[..., _INDEX, :] - hands[..., _LITTLE, :])


def orthonormal(first: Tensor, second: Tensor) -> Tensor:
    """(..., 3), (..., 3) -> (..., 3, 3) rotations with these columns, made orthonormal (Zhou et al. 2019)."""
    x = F.normalize(first, dim=-1)
    y = F.normalize(second - (x * second).sum(dim=-1, keepdim=True) * x, dim=-1)
    a, b = x.unbind(-1), y.unbind(-1)
    z = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return torch.stack((x, y, torch.stack(z, dim=-1)), dim=-1)


def _chains(parents: list[int]) -> Tensor:
    """(n, n): 1 where a point is the other or on the way to it; a root is its own parent, and parents come first."""
    chains = torch.eye(len(parents))
    for child, parent in enumerate(parents):
        if parent != child:
            chains[child] += chains[parent]
    return chains
