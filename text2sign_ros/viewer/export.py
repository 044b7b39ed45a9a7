"""Files of the avatar's motion: .glb (its body and an animation) and .bvh (its bones and their angles)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from text2sign_ros.clip import SignClip, write_whole
from text2sign_ros.viewer.avatar import TO_GLTF, Avatar, file
from text2sign_ros.viewer.bones import FINGERS, SHIFTED, Pose, Poser, quaternions
from text2sign_ros.viewer.glb import Glb

_CENTIMETRES = 100.0
_PHALANGES = ("Proximal", "Intermediate", "Distal")


def _humanoid() -> dict[str, str]:
    names = {
        **{"hips": "pelvis", "spine": "spine_01", "chest": "spine_02", "upperChest": "spine_03"},
        **{"neck": "neck_01", "head": "head", "jaw": "jaw"},
    }
    for side in ("left", "right"):
        letter = side[0]
        limbs = {
            **{"Shoulder": "clavicle", "UpperArm": "upperarm", "LowerArm": "lowerarm", "Hand": "hand"},
            **{"UpperLeg": "thigh", "LowerLeg": "calf", "Foot": "foot", "Toes": "ball"},
            **{"ThumbMetacarpal": "thumb_01", "ThumbProximal": "thumb_02", "ThumbDistal": "thumb_03"},
        }
        for finger in FINGERS[1:]:
            known = {"pinky": "Little"}.get(finger, finger.capitalize())
            limbs |= {f"{known}{phalanx}": f"{finger}_0{n}" for n, phalanx in enumerate(_PHALANGES, start=1)}
        names |= {f"{side}{limb}": f"{bone}_{letter}" for limb, bone in limbs.items()}
    return names


HUMANOID: dict[str, str] = _humanoid()
"""The avatar's bones by their names in VRM 1.0 (humanoid bones), for avatars of one's own.

:meta hide-value:
"""


def glb(clip: SignClip, captions: Sequence[tuple[str, int]], path: Path) -> None:
    """Write the avatar with the motion as its animation, in glTF 2.0.

    Bones that do not move have no channel. ``extras`` of the animation hold the captions with their times in seconds,
    those of the skin the names in VRM (``HUMANOID``).

    Args:
        clip: the motion.
        captions: what is signed and for how many frames; see ``motion.timeline.captions``.
        path: of the file, which is written whole or not at all.

    Raises:
        GlbError, ResourceError: the package's avatar can't be read.
        OSError: the file can't be written.
    """
    avatar, asset = Avatar.load(), Glb.load(file())
    rotations, shifts = _tracks(avatar, clip)
    times = asset.add_array(np.arange(len(clip), dtype="<f4") / np.float32(clip.fps), "SCALAR", bounds=True)
    joints = asset.document["skins"][0]["joints"]
    samplers: list[dict] = []
    channels: list[dict] = []

    def animate(bone: int, what: str, values: np.ndarray) -> None:
        kind = "VEC4" if what == "rotation" else "VEC3"
        samplers.append({"input": times, "output": asset.add_array(values.astype("<f4"), kind)})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": joints[bone], "path": what}})

    for bone in range(len(avatar.names)):
        turns = quaternions(rotations[:, bone])[:, [1, 2, 3, 0]]
        # The same rotation has two signs, and what is between two of them goes the short way only with the same one.
        flips = np.cumprod(np.where((turns[1:] * turns[:-1]).sum(axis=1) < 0, -1, 1))
        turns[1:] *= flips[:, None]
        if np.abs(turns[:, :3]).max() > 0:
            animate(bone, "rotation", turns)
        if shifts[:, bone].any():
            animate(bone, "translation", avatar.offsets[bone, TO_GLTF] + shifts[:, bone])
    starts = np.cumsum([0, *(frames for _, frames in captions)]) / clip.fps
    said = [
        {"text": text, "start": round(float(start), 3), "end": round(float(end), 3)}
        for (text, _), start, end in zip(captions, starts[:-1], starts[1:], strict=True)
        if text
    ]
    asset.add(
        "animations", {"name": "signing", "samplers": samplers, "channels": channels, "extras": {"captions": said}}
    )
    asset.document["skins"][0]["extras"] = {"vrm_humanoid": HUMANOID}
    asset.save(path)


def bvh(clip: SignClip, captions: Sequence[tuple[str, int]], path: Path) -> None:
    """Write the avatar's bones and the motion in BVH: centimetres and degrees, y up, z forward.

    Brows and corners of the mouth are left out: they move without turning, for which BVH's readers have no common way.

    Args:
        clip: the motion.
        captions: not written; BVH has no place for them.
        path: of the file, which is written whole or not at all.

    Raises:
        GlbError, ResourceError: the package's avatar can't be read.
        OSError: the file can't be written.
    """
    avatar = Avatar.load()
    rotations, _ = _tracks(avatar, clip)
    lines, order = ["HIERARCHY"], []
    ground = min(float(surface.vertices[:, 2].min()) for surface in avatar.surfaces)
    children: dict[int, list[int]] = {}
    for bone, parent in enumerate(avatar.parents):
        if avatar.names[bone] not in SHIFTED:
            children.setdefault(int(parent), []).append(bone)

    def vector(values: np.ndarray) -> str:
        return " ".join(f"{_CENTIMETRES * value:.5f}" for value in values[TO_GLTF])

    def joint(bone: int, depth: int) -> None:
        pad, name = "\t" * depth, avatar.names[bone]
        offset = avatar.offsets[bone] - ((0, 0, ground) if depth == 0 else 0)
        lines.append(f"{pad}{'JOINT' if depth else 'ROOT'} {name}")
        lines.extend((f"{pad}{{", f"{pad}\tOFFSET {vector(offset)}"))
        channels = "Zrotation Yrotation Xrotation"
        lines.append(
            f"{pad}\tCHANNELS " + (f"3 {channels}" if depth else f"6 Xposition Yposition Zposition {channels}")
        )
        order.append(bone)
        for child in children.get(bone, ()):
            joint(child, depth + 1)
        if bone not in children:
            tip = avatar.tips.get(name.replace("_03_", "_tip_"))
            end = np.zeros(3) if tip is None else tip - avatar.heads[bone]
            lines.extend((f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {vector(end)}", f"{pad}\t}}"))
        lines.append(f"{pad}}}")

    joint(0, 0)
    angles = np.degrees(np.unwrap(_angles(rotations[:, order]), axis=0))
    place = vector(avatar.offsets[0] - (0, 0, ground))
    lines += ["MOTION", f"Frames: {len(clip)}", f"Frame Time: {1 / clip.fps:.8f}"]
    lines += [place + " " + " ".join(f"{angle:.5f}" for angle in row.ravel()) for row in angles]
    with write_whole(path) as out:
        out.write(("\n".join(lines) + "\n").encode())


def _tracks(avatar: Avatar, clip: SignClip) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (T, bones, 3, 3) and shifts (T, bones, 3) in glTF's axes."""
    poses: list[Pose] = Poser(avatar).poses(clip.positions, clip.confidence)
    rotations = np.stack([pose.rotations for pose in poses])[:, :, TO_GLTF][..., TO_GLTF]
    return rotations, np.stack([pose.shifts for pose in poses])[..., TO_GLTF]


def _angles(rotations: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotations -> (..., 3) radians about z, then the turned y, then the turned x."""
    z = np.arctan2(rotations[..., 1, 0], rotations[..., 0, 0])
    y = np.arcsin(np.clip(-rotations[..., 2, 0], -1, 1))
    x = np.arctan2(rotations[..., 2, 1], rotations[..., 2, 2])
    return np.stack((z, y, x), axis=-1)
