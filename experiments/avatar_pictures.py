"""Pictures of the avatar for docs/avatar.md: as it stands, its face, words, and the hands of letters.

``python -m experiments.avatar_pictures --out docs/avatar.png``; MuJoCo draws, without a screen, through EGL or OSMesa
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from experiments.avatar import Part
from text2sign_ros import skeleton
from text2sign_ros.inference.signer import Signer
from text2sign_ros.resources import default_bundle
from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.viewer.bones import Pose, Poser

SIZE = 260
LETTERS = "abcflrwy"
View = tuple[Sequence[float], float, float, float]
"""(what is looked at, azimuth, elevation in degrees, height of the picture there in metres)"""
FRONT: View = ((0.0, 0.0, -0.12), 180, 0, 1.25)


def draw(poser: Poser, pose: Pose, views: Sequence[View]) -> list[np.ndarray]:
    """Each (SIZE, SIZE, 3) uint8."""
    os.environ.setdefault("MUJOCO_GL", "egl")
    import mujoco

    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth = spec.visual.global_.offheight = SIZE
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.4] * 3, [0.6] * 3
    spec.visual.headlight.specular = [0.05] * 3
    spec.visual.map.znear = 0.01
    builtin, grey = mujoco.mjtBuiltin.mjBUILTIN_FLAT, [0.88, 0.9, 0.92]
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=builtin, rgb1=grey, rgb2=grey, width=8, height=8
    )
    turned, at = poser.avatar.joints(pose.rotations, pose.shifts)
    for surface in poser.avatar.surfaces:
        mesh = spec.add_mesh(name=surface.name)
        part = Part(poser.avatar.skinned(surface, turned, at), surface.faces, surface.weights)
        mesh.uservert, mesh.usernormal, mesh.userface = (
            part.vertices.ravel(),
            part.normals().ravel(),
            part.faces.ravel(),
        )
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        kind = mujoco.mjtGeom.mjGEOM_MESH
        spec.worldbody.add_geom(type=kind, meshname=surface.name, rgba=[*surface.colour, 1])
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    pictures = []
    with mujoco.Renderer(model, SIZE, SIZE) as renderer:
        model.vis.global_.fovy = 15.0
        for place, azimuth, elevation, height in views:
            camera = mujoco.MjvCamera()
            camera.lookat[:], camera.azimuth, camera.elevation = place, azimuth, elevation
            camera.distance = height / 2 / np.tan(np.radians(7.5))
            renderer.update_scene(data, camera)
            pictures.append(renderer.render().copy())
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/avatar.png"))
    arguments = parser.parse_args()
    signer, poser = Signer(default_bundle()), Poser()

    def held(word: str) -> np.ndarray:
        """The frame in the middle of the time in which the right hand is raised."""
        motion = np.concatenate(list(signer.stream(signer.plan(word), seed=0)))
        height = motion[:, INDEX["right_wrist"], 2]
        raised = np.flatnonzero(height > height.min() + 0.85 * np.ptp(height))
        return motion[raised[len(raised) // 2]]

    asking = REST_POSE.astype(float)
    asking[skeleton.BROWS, 2] += 0.007
    asking[INDEX["lower_lip_middle"], 2] -= 0.015
    face: View = ((0.05, 0.0, 0.21), 165, 0, 0.36)
    cells: list[tuple[str, np.ndarray]] = []

    def add(name: str, keypoints: np.ndarray, *views: View) -> None:
        poser.reset()
        cells.extend((name, picture) for picture in draw(poser, poser.pose(keypoints), views))

    add("at rest", REST_POSE, ((0.0, 0.0, -0.52), 180, 0, 2.0), ((0.0, 0.0, -0.52), 110, 0, 2.0), face)
    add("brows raised, mouth open", asking, face)
    for word in ("hello", "coffee"):
        add(word, held(word), FRONT, ((0.1, 0.0, -0.12), 110, 8, 1.25))
    for letter in LETTERS:
        keypoints = held(letter)
        at = keypoints[skeleton.HAND["right"]].mean(axis=0)
        add(letter.upper(), keypoints, (at, 180, 0, 0.3))
    columns = 4
    sheet = Image.new("RGB", (columns * SIZE, -(-len(cells) // columns) * SIZE), "white")
    for number, (name, picture) in enumerate(cells):
        corner = (number % columns * SIZE, number // columns * SIZE)
        sheet.paste(Image.fromarray(picture), corner)
        ImageDraw.Draw(sheet).text((corner[0] + 6, corner[1] + 4), name, fill="black")
    sheet.quantize(192).save(arguments.out, optimize=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
