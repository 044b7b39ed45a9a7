"""Arms and hands as chains of bones of constant length: positions to bone directions and back."""

from __future__ import annotations

import numpy as np

from text2sign_ros import skeleton

# The hand root coincides with the body's wrist, so that bone has no length and no direction.
_WELDED = tuple(b for b in skeleton.ARM_BONES if skeleton.KEYPOINTS[b[1]].endswith("hand_root"))
CHAIN: tuple[tuple[int, int], ...] = tuple(b for b in skeleton.ARM_BONES if b not in _WELDED) + skeleton.HAND_BONES
"""(parent, child) keypoint indices of every bone of both arms and hands, parents first."""


def bone_lengths(positions: np.ndarray) -> np.ndarray:
    """Lengths of ``CHAIN``: (..., 79, 3) metres -> (..., bones) metres."""
    parents, children = np.array(CHAIN).T
    return np.linalg.norm(positions[..., children, :] - positions[..., parents, :], axis=-1)


CANONICAL_LENGTHS: np.ndarray = bone_lengths(skeleton.REST_POSE)
"""(bones,) metres: the bone lengths of the canonical signer, those of the rest pose."""


def bone_directions(positions: np.ndarray) -> np.ndarray:
    """Unit vectors along ``CHAIN``: (..., 79, 3) metres -> (..., bones, 3). A bone of length zero points down."""
    parents, children = np.array(CHAIN).T
    return unit(positions[..., children, :] - positions[..., parents, :])


def with_canonical_lengths(positions: np.ndarray) -> np.ndarray:
    """Keep the directions, but set every bone of ``CHAIN`` to its canonical length: (..., 79, 3) metres -> the same."""
    return assemble(bone_directions(positions), positions)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Normalise the last axis; a vector shorter than a nanometre becomes (0, 0, -1)."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    down = np.array((0.0, 0.0, -1.0), vectors.dtype)
    return np.where(norm > 1e-9, vectors / np.maximum(norm, 1e-9), down)


def assemble(directions: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Attach arms and hands of canonical bone lengths to the shoulders of ``base``.

    Args:
        directions: (..., bones, 3) unit vectors along ``CHAIN``.
        base: (..., 79, 3) metres; its head, face and shoulders are kept.

    Returns:
        (..., 79, 3) positions in metres.
    """
    return (base[..., _ROOT, :] + _WAY @ directions).astype(base.dtype)


def _chains() -> tuple[np.ndarray, np.ndarray]:
    """For each keypoint the root of its chain of bones, and (79, bones) the lengths of the bones leading to it."""
    root, way = np.arange(skeleton.NUM_KEYPOINTS), np.zeros((skeleton.NUM_KEYPOINTS, len(CHAIN)))
    numbers = {bone: number for number, bone in enumerate(CHAIN)}
    for parent, child in skeleton.ARM_BONES + skeleton.HAND_BONES:
        root[child], way[child] = root[parent], way[parent]
        if (parent, child) in numbers:
            number = numbers[parent, child]
            way[child, number] = CANONICAL_LENGTHS[number]
    return root, way


_ROOT, _WAY = _chains()
