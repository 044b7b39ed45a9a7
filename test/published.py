"""Tiny corpora in the published formats, written here, and where the real samples are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from text2sign_ros import skeleton
from text2sign_ros.corpora import holistic, skels
from text2sign_ros.motion import kinematics

TEXTS = ("heute regnet es .", "morgen scheint die sonne .", "im norden ist es kühl .")
WRAPPED = 1280, 720
"""Size of the picture, pixels."""


def sample(name: str) -> Path:
    """The folder of a real sample; skips where it is not."""
    folder = ROOT.parent / "shared" / "data" / "fixtures" / name
    if not folder.is_dir():
        pytest.skip(f"the real sample of {name} is not in {folder}")
    return folder


def motion(frames: int = 12, seed: int = 0) -> np.ndarray:
    """(T, 79, 3) metres: the right hand is raised with its palm to the viewer and moves; bones of canonical length."""
    rng = np.random.default_rng(seed)
    rest = skeleton.REST_POSE.astype(float)
    positions = np.tile(rest, (frames, 1, 1))
    directions = kinematics.bone_directions(positions)
    number = {child: i for i, (_, child) in enumerate(kinematics.CHAIN)}
    phase = np.linspace(0, 2 * np.pi, frames) + rng.uniform(0, 1)
    elbow, wrist = number[skeleton.INDEX["right_elbow"]], number[skeleton.INDEX["right_wrist"]]
    directions[:, elbow] = kinematics.unit(np.array((0.3, -0.25, -1.0)))
    directions[:, wrist] = kinematics.unit(
        np.stack((np.full(frames, 0.4), 0.2 + 0.2 * np.sin(phase), np.full(frames, 0.8)), axis=1)
    )
    hand = skeleton.HAND["right"]
    for finger, across in enumerate((0.9, 0.25, 0.08, -0.08, -0.25)):  # thumb to little: the thumb toward the middle
        for bone in range(4):
            child = number[hand.start + 1 + 4 * finger + bone]
            directions[:, child] = kinematics.unit(np.array((0.02 + 0.25 * bone, across, 1.0)))
    return kinematics.assemble(directions, positions)


def write_skels(folder: Path, splits: tuple[str, ...] = ("train", "dev", "test")) -> Path:
    """Progressive Transformers' files, two sentences a split."""
    folder.mkdir(parents=True, exist_ok=True)
    for s, split in enumerate(splits):
        lines = [skels.line_of(motion(10 + 2 * k, seed=10 * s + k)) for k in range(2)]
        (folder / f"{split}.skels").write_text("\n".join(lines) + "\n")
        (folder / f"{split}.text").write_text("\n".join(TEXTS[:2]) + "\n", encoding="utf-8")
        (folder / f"{split}.files").write_text("\n".join(f"{split}/clip-{k}" for k in range(2)) + "\n")
        (folder / f"{split}.gloss").write_text("HEUTE REGEN\nMORGEN SONNE\n")
    return folder


def wholebody(positions: np.ndarray) -> np.ndarray:
    """(T, 133, 3) COCO-WholeBody in pixels, seen from the front; points that the 79 lack are missing."""
    found = np.zeros((len(positions), 133, 3), np.float32)
    chosen = list(skeleton.COCO_WHOLEBODY)
    found[:, chosen, 0] = 640 + 600 * positions[..., 1]
    found[:, chosen, 1] = 300 - 600 * positions[..., 2]
    found[:, chosen, 2] = 0.9
    return found


def write_openpose(folder: Path, table: str = "sentences.tsv", heading: bool = False) -> Path:
    """How2Sign's folders of JSON, three clips by two signers."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for k, text in enumerate(TEXTS):
        name = f"video_{k}-{3 + 2 * (k % 2)}-rgb_front"
        write_clip(folder / name, wholebody(motion(8 + k, seed=k)))
        rows.append((name, f'"{text}, "') if k == 0 else (name, text))
    lines = ["\t".join(row) for row in rows]
    if heading:
        start = "VIDEO_ID\tSENTENCE_NAME\tSTART\tEND\tSENTENCE"
        lines = [start] + [f"video\t{name}\t{10.0}\t{10 + (8 + k) / 20}\t{text}" for k, (name, text) in enumerate(rows)]
    (folder / table).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_clip(clip: Path, found: np.ndarray) -> None:
    """A folder of OpenPose's files from COCO-WholeBody (T, 133, 3)."""
    from text2sign_ros.corpora.wholebody import BODY_25

    clip.mkdir(parents=True)
    for number, points in enumerate(found):
        body, face = np.zeros((25, 3)), np.zeros((70, 3))
        body[list(BODY_25)], face[:68] = points[:11], points[23:91]
        person = {
            "person_id": [-1],
            "pose_keypoints_2d": body.ravel().tolist(),
            "face_keypoints_2d": face.ravel().tolist(),
        }
        person |= {
            f"hand_{side}_keypoints_2d": points[a:b].ravel().tolist()
            for side, a, b in (("left", 91, 112), ("right", 112, 133))
        }
        path = clip / f"{clip.name}_{number:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": [person]}))


def write_pose(path: Path, positions: np.ndarray, names: tuple[holistic.Name, ...] | None, fps: float = 25.0) -> None:
    """A ``.pose`` file with MediaPipe's names, or with a single component of 178 unnamed points in SLRTP's order."""
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    order = holistic.SLRTP if names is None else names
    places = holistic._indices(list(order))
    assert places is not None
    data, confidence = np.zeros((len(positions), 1, len(order), 3)), np.zeros((len(positions), 1, len(order)))
    for keypoint, at in places.items():
        x, y, z = np.moveaxis(positions[:, keypoint], -1, 0)
        for place in at:
            data[:, 0, place] = np.stack((640 + 600 * y, 300 - 600 * z, -600 * x / 1280), axis=-1)
            confidence[:, 0, place] = 1.0
    groups: dict[str, list[str]] = {}
    for component, point in order:
        groups.setdefault(component, []).append(point)
    if names is None:
        groups = {"POSE": [str(i) for i in range(len(order))]}
    components = [PoseHeaderComponent(name, points, [], [(255, 0, 0)], "XYZC") for name, points in groups.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        header = PoseHeader(0.2, PoseHeaderDimensions(*WRAPPED, 0), components)
        Pose(header, NumPyPoseBody(fps, data.astype(np.float32), confidence)).write(file)
