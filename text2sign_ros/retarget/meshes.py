"""Meshes of robots with fewer faces: manufacturers' have a million, which neither drawing nor collisions need."""

from __future__ import annotations

from pathlib import Path

import fast_simplification
import mujoco
import numpy as np

FACES = 1500
"""Most faces of one mesh."""
_STL = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def decimate(spec: mujoco.MjSpec, folder: Path) -> None:
    """Give the binary STL meshes of a model that have more at most ``FACES`` faces; other files stay as they are.

    Quadric error metrics (Garland and Heckbert 1997), by ``fast_simplification``.

    Args:
        folder: where the files of meshes are relative to.
    """
    for mesh in spec.meshes:
        path = folder / spec.meshdir / mesh.file
        triangles = _triangles(path) if mesh.file.lower().endswith(".stl") else None
        if triangles is None or len(triangles) <= FACES:
            continue
        corners, index = _merged(triangles.reshape(-1, 3))
        points, faces = fast_simplification.simplify(corners, index.reshape(-1, 3), target_count=FACES)
        mesh.file = ""
        mesh.uservert = points.astype(np.float32).ravel()
        mesh.userface = faces.astype(np.int32).ravel()


def _triangles(path: Path) -> np.ndarray | None:
    """Corners (n, 3, 3) of a binary STL file; None if it is none, such as a text file."""
    data = path.read_bytes()
    count = int.from_bytes(data[80:84], "little")
    if len(data) < 84 + count * _STL.itemsize or (data[:5] == b"solid" and b"facet" in data[:400]):
        return None
    return np.frombuffer(data, _STL, count, offset=84)["corners"]


def _merged(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) -> the different points (m, 3) and the index (n,) of each corner among them."""
    rows = np.ascontiguousarray(corners).view(np.dtype((np.void, corners.dtype.itemsize * 3))).ravel()
    _, first, index = np.unique(rows, return_index=True, return_inverse=True)
    return corners[first], index.astype(np.int32)
