"""The avatar: what its file holds, also to a reader that is not ours, and how its surfaces follow its bones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from text2sign_ros import skeleton
from text2sign_ros.viewer import avatar
from text2sign_ros.viewer.avatar import TO_GLTF, Avatar
from text2sign_ros.viewer.bones import from_vector
from text2sign_ros.viewer.glb import Glb, GlbError


@pytest.fixture(scope="module")
def body() -> Avatar:
    return Avatar.load()


def length(body: Avatar, a: str, b: str) -> float:
    return float(np.linalg.norm(body.heads[body.index[a]] - body.heads[body.index[b]]))


def test_it_has_a_signers_proportions(body: Avatar) -> None:
    assert length(body, "upperarm_l", "upperarm_r") == pytest.approx(skeleton.SHOULDER_WIDTH, abs=1e-5)
    for side in "lr":
        assert length(body, f"upperarm_{side}", f"lowerarm_{side}") == pytest.approx(skeleton.UPPER_ARM, abs=1e-5)
        assert length(body, f"lowerarm_{side}", f"hand_{side}") == pytest.approx(skeleton.FOREARM, abs=1e-5)
    assert np.allclose(body.heads[[body.index["upperarm_l"], body.index["upperarm_r"]]].mean(axis=0), 0, atol=1e-7)
    mirrored = np.array([body.heads[body.index[name]] for name in body.names if name.endswith("_l")]) * (1, -1, 1)
    right = np.array([body.heads[body.index[name[:-1] + "r"]] for name in body.names if name.endswith("_l")])
    assert np.abs(mirrored - right).max() < 0.002


def test_its_surfaces_are_whole(body: Avatar) -> None:
    assert {"skin", "shirt", "trousers", "hair", "eyes", "brows"} <= {surface.name for surface in body.surfaces}
    for surface in body.surfaces:
        assert surface.faces.max() == len(surface.vertices) - 1
        assert surface.joints.max() < len(body.names)
        assert np.allclose(surface.weights.sum(axis=1), 1)
        assert np.allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-4)


def test_it_is_clothed(body: Avatar) -> None:
    """Skin is left where no cloth is: head, neck and hands."""
    skin = next(surface for surface in body.surfaces if surface.name == "skin")
    hands = [body.heads[body.index[f"hand_{side}"]] for side in "lr"]
    near = np.min([np.linalg.norm(skin.vertices - hand, axis=1) for hand in hands], axis=0) < 0.27
    assert (near | (skin.vertices[:, 2] > -0.05)).all()


def test_at_rest_surfaces_stay_and_turned_bones_take_them_along(body: Avatar) -> None:
    rotations = np.tile(np.eye(3), (len(body.names), 1, 1))
    for surface in body.surfaces:
        assert np.abs(body.skinned(surface, *body.joints(rotations)) - surface.vertices).max() < 1e-9
    rotations[0] = from_vector(np.array((0, 0, 0.7)))
    turned, at = body.joints(rotations)
    root, hair = body.heads[0], next(surface for surface in body.surfaces if surface.name == "hair")
    assert np.allclose(body.skinned(hair, turned, at), (hair.vertices - root) @ rotations[0].T + root)


def test_another_reader_sees_the_same_body(body: Avatar) -> None:
    trimesh = pytest.importorskip("trimesh", reason="trimesh comes with the extra viewer")
    path = avatar.file()
    assert path.stat().st_size < 1_000_000
    scene = trimesh.load_scene(io.BytesIO(path.read_bytes()), file_type="glb")
    vertices = sum(len(mesh.vertices) for mesh in scene.geometry.values())
    assert vertices == pytest.approx(sum(len(surface.vertices) for surface in body.surfaces), rel=0.01)
    low, high = scene.bounds
    ours = np.concatenate([surface.vertices for surface in body.surfaces])[:, TO_GLTF]
    assert np.allclose(high - low, np.ptp(ours, axis=0), atol=1e-5)
    assert low[1] == pytest.approx(0, abs=1e-6)


def test_its_licence_lies_beside_it() -> None:
    folder = avatar.file().parent
    assert "CC0 1.0 Universal" in (folder / "LICENSE.md").read_text()
    assert "MakeHuman" in (folder / "README.md").read_text()


@pytest.mark.parametrize("content", [b"", b"glTF", b"\0" * 64, b"glTF\2\0\0\0\xff\0\0\0\4\0\0\0JSON{}  "])
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.glb"
    path.write_bytes(content)
    with pytest.raises(GlbError, match=r"other\.glb"):
        Avatar.load(path)


def test_a_body_without_bones_is_refused(tmp_path: Path) -> None:
    Glb().save(tmp_path / "empty.glb")
    with pytest.raises(GlbError, match=r"empty\.glb has no skinned body"):
        Avatar.load(tmp_path / "empty.glb")
