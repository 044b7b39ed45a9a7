"""Files of the avatar's motion, read by tools that are not ours: their joints are where ours are, frame by frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from text2sign_ros import skeleton
from text2sign_ros.cli import main
from text2sign_ros.clip import SignClip
from text2sign_ros.motion.transition import transition
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.viewer import export
from text2sign_ros.viewer.avatar import TO_GLTF, Avatar
from text2sign_ros.viewer.bones import SHIFTED, Poser

CAPTIONS = [("", 2), ("hello", 5), ("", 3)]


@pytest.fixture(scope="module")
def clip() -> SignClip:
    """Both arms rise, the head turns, fingers bend, brows go up."""
    rng = np.random.default_rng(3)
    up = REST_POSE.astype(float)
    for side in ("left", "right"):
        hand = skeleton.HAND[side]
        arm = [skeleton.INDEX[f"{side}_wrist"], *range(hand.start, hand.stop)]
        up[arm] += (0.35, 0.02, 0.45)
        up[skeleton.INDEX[f"{side}_elbow"]] += (0.18, 0, 0.05)
        up[hand] += rng.normal(scale=0.004, size=(21, 3))
    up[skeleton.HEAD, 1] += (0.02, 0.01, 0.01, 0, 0)
    up[skeleton.BROWS, 2] += 0.006
    motion = np.concatenate((REST_POSE[None], transition(REST_POSE, up.astype(np.float32), 8), up[None]))[:10]
    return SignClip(motion, np.ones(motion.shape[:2], np.float32), 25.0)


@pytest.fixture(scope="module")
def joints(clip: SignClip) -> tuple[tuple[str, ...], np.ndarray]:
    """Names, and (T, bones, 3) metres in glTF's axes, the feet on the ground."""
    avatar = Avatar.load()
    ground = min(surface.vertices[:, 2].min() for surface in avatar.surfaces)
    poses = Poser(avatar).poses(clip.positions, clip.confidence)
    at = np.array([avatar.joints(pose.rotations, pose.shifts)[1] for pose in poses])
    assert np.abs(np.diff(at, axis=0)).max() > 0.02
    return avatar.names, (at - (0, 0, ground))[..., TO_GLTF]


def test_glb_in_another_reader(clip: SignClip, joints: tuple[tuple[str, ...], np.ndarray], tmp_path: Path) -> None:
    pygltflib = pytest.importorskip("pygltflib", reason="pygltflib comes with the extra test")
    path = tmp_path / "motion.glb"
    export.glb(clip, CAPTIONS, path)
    assert path.stat().st_size < 1_500_000
    gltf = pygltflib.GLTF2.load(str(path))

    def values(accessor: int) -> np.ndarray:
        about = gltf.accessors[accessor]
        view = gltf.bufferViews[about.bufferView]
        assert about.componentType == pygltflib.FLOAT
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[about.type]
        blob = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
        return np.frombuffer(blob, "<f4").reshape(about.count, width)

    (animation,) = gltf.animations
    times = values(animation.samplers[0].input).ravel()
    assert np.allclose(times, np.arange(len(clip)) / 25)
    moves = {(c.target.node, c.target.path): values(animation.samplers[c.sampler].output) for c in animation.channels}
    turns = [value for (_, what), value in moves.items() if what == "rotation"]
    assert all(((turn[1:] * turn[:-1]).sum(axis=1) > 0).all() for turn in turns)  # no reader takes the long way round
    parents = {child: number for number, node in enumerate(gltf.nodes) for child in node.children or ()}
    names, ours = joints
    numbers = {node.name: number for number, node in enumerate(gltf.nodes)}
    for frame in range(len(clip)):

        def world(number: int, frame: int = frame) -> tuple[Rotation, np.ndarray]:
            turn, shift = moves.get((number, "rotation")), moves.get((number, "translation"))
            rotation = Rotation.from_quat(turn[frame]) if turn is not None else Rotation.identity()
            place = np.array(gltf.nodes[number].translation if shift is None else shift[frame])
            if number not in parents:
                return rotation, place
            outer, at = world(parents[number], frame)
            return outer * rotation, at + outer.apply(place)

        theirs = np.array([world(numbers[name])[1] for name in names])
        assert np.abs(theirs - ours[frame]).max() < 1e-5
    assert animation.extras["captions"] == [{"text": "hello", "start": 0.08, "end": 0.28}]


def test_bvh_in_another_reader(clip: SignClip, joints: tuple[tuple[str, ...], np.ndarray], tmp_path: Path) -> None:
    bvhio = pytest.importorskip("bvhio", reason="bvhio comes with the extra test")
    path = tmp_path / "motion.bvh"
    export.bvh(clip, CAPTIONS, path)
    root = bvhio.readAsHierarchy(str(path))
    names, ours = joints
    chosen = [number for number, name in enumerate(names) if name not in SHIFTED]
    for frame in range(len(clip)):
        root.loadPose(frame)
        at = {joint.Name: np.array(joint.PositionWorld) for joint, _, _ in root.layout()}
        theirs = np.array([at[names[number]] for number in chosen]) / 100
        assert np.abs(theirs - ours[frame, chosen]).max() < 1e-4


def test_names_of_vrm_are_bones_of_the_avatar() -> None:
    avatar = Avatar.load()
    assert set(export.HUMANOID.values()) <= set(avatar.names)
    assert len(set(export.HUMANOID.values())) == len(export.HUMANOID)
    parents = {name: avatar.names[parent] for name, parent in zip(avatar.names, avatar.parents, strict=True)}
    for first, second in (("leftUpperArm", "leftLowerArm"), ("rightLittleProximal", "rightLittleIntermediate")):
        assert parents[export.HUMANOID[second]] == export.HUMANOID[first]


def test_sign_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    out = tmp_path / "yes.bvh"
    assert main(["sign", "yes", "--out", str(out), "--json"]) == 0
    frames = json.loads(capsys.readouterr().out)["frames"]
    assert f"Frames: {frames}\n" in out.read_text()
