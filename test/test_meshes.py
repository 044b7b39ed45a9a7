"""Meshes with fewer faces."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from text2sign_ros.retarget.meshes import FACES, decimate


def _ball(count: int) -> np.ndarray:
    """Triangles (n, 3, 3) of a ball of radius 1."""
    up, around = np.linspace(0, np.pi, count), np.linspace(0, 2 * np.pi, 2 * count)
    points = np.stack(
        (
            np.sin(up)[:, None] * np.cos(around),
            np.sin(up)[:, None] * np.sin(around),
            np.cos(up)[:, None] + 0 * around,
        ),
        axis=-1,
    )
    a, b, c, d = points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]
    upper = np.stack((a, b, c), axis=2)[1:]
    lower = np.stack((a, c, d), axis=2)[:-1]
    return np.concatenate((upper.reshape(-1, 3, 3), lower.reshape(-1, 3, 3)))


def _write(path: Path, triangles: np.ndarray) -> None:
    rows = np.zeros(len(triangles), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    rows["corners"] = triangles
    path.write_bytes(bytes(80) + len(rows).to_bytes(4, "little") + rows.tobytes())


def _model(folder: Path, name: str) -> mujoco.MjSpec:
    spec = mujoco.MjSpec()
    spec.meshdir = str(folder)
    spec.add_mesh(name="ball", file=name)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="ball")
    return spec


def test_a_fine_mesh_gets_coarser_and_keeps_its_shape(tmp_path: Path) -> None:
    _write(tmp_path / "fine.stl", _ball(60))
    spec = _model(tmp_path, "fine.stl")
    decimate(spec, tmp_path)
    mj = spec.compile()
    assert 0.5 * FACES < mj.nmeshface <= FACES
    assert np.abs(np.linalg.norm(mj.mesh_vert, axis=1) - 1).max() < 0.05


def test_a_coarse_mesh_stays_as_it_is(tmp_path: Path) -> None:
    _write(tmp_path / "coarse.stl", _ball(10))
    spec = _model(tmp_path, "coarse.stl")
    decimate(spec, tmp_path)
    assert spec.mesh("ball").file == "coarse.stl"
