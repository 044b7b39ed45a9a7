"""The avatar's body: bones, and surfaces that follow them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from text2sign_ros.resources import share
from text2sign_ros.viewer.glb import Glb, GlbError

_TO_SIGNER = [2, 0, 1]
"""Axes of glTF (x to the left, y up, z forward) in the order of the frame ``signer`` (forward, left, up)."""
TO_GLTF = [1, 2, 0]
"""And the other way round."""


@dataclass(frozen=True)
class Surface:
    """A part of the body in one colour.

    Attributes:
        name: for example "skin".
        colour: red, green, blue in [0, 1], sRGB.
        vertices: (n, 3) metres at rest.
        normals: (n, 3) unit vectors.
        faces: (m, 3) numbers of vertices.
        joints: (n, 4) numbers of the bones that move a vertex.
        weights: (n, 4) how much of each; their sum is 1.
    """

    name: str
    colour: tuple[float, float, float]
    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    joints: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Avatar:
    """A body at rest, in the frame ``signer`` of ``skeleton``: the origin is midway between its shoulders.

    At rest no bone is turned, so a bone's rotation is what turns it from there.

    Attributes:
        names: of the bones, parents first.
        parents: (bones,) number of each one's parent; -1 for the first.
        heads: (bones, 3) metres, the joints about which they turn.
        tips: where each finger's last bone ends, by name ("index_tip_l"), (3,) metres.
        surfaces: what is seen.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    heads: np.ndarray
    tips: dict[str, np.ndarray]
    surfaces: tuple[Surface, ...]

    @classmethod
    def load(cls, path: Path | None = None) -> Avatar:
        """Read the avatar of the package, or another file of its kind.

        Raises:
            GlbError: the file is none, or its bones are turned at rest.
            ResourceError: the package's data are not installed.
            OSError: the file can't be read.
        """
        path = path or file()
        glb = Glb.load(path)
        try:
            return cls._of(glb)
        except (KeyError, IndexError, ValueError) as error:
            raise GlbError(f"{path} has no skinned body that can be read: {error!r}") from error

    @classmethod
    def _of(cls, glb: Glb) -> Avatar:
        nodes, skin = glb.document["nodes"], glb.document["skins"][0]
        numbers = skin["joints"]
        parent_of = {child: number for number, node in enumerate(nodes) for child in node.get("children", ())}
        if any("rotation" in nodes[number] for number in numbers):
            raise GlbError("bones that are turned at rest are not read")
        at: dict[int, np.ndarray] = {}
        for number in (*numbers, *(n for n in parent_of if n not in numbers)):
            move = np.array(nodes[number].get("translation", (0, 0, 0)), float)
            at[number] = move + at.get(parent_of.get(number, -1), 0)
        names = tuple(nodes[number]["name"] for number in numbers)
        shoulders = [at[numbers[names.index(f"upperarm_{side}")]] for side in "lr"]
        origin = np.mean(shoulders, axis=0)

        def placed(points: np.ndarray) -> np.ndarray:
            return (points.astype(float) - origin)[..., _TO_SIGNER]

        surfaces = []
        for primitive in glb.document["meshes"][0]["primitives"]:
            arrays = {name: glb.array(number) for name, number in primitive["attributes"].items()}
            material = glb.document["materials"][primitive["material"]]
            red, green, blue = (float(v ** (1 / 2.2)) for v in material["pbrMetallicRoughness"]["baseColorFactor"][:3])
            surfaces.append(
                Surface(
                    material["name"],
                    (red, green, blue),
                    placed(arrays["POSITION"]),
                    arrays["NORMAL"][:, _TO_SIGNER].astype(float),
                    glb.array(primitive["indices"]).reshape(-1, 3).astype(np.int32),
                    arrays["JOINTS_0"].astype(np.int32),
                    arrays["WEIGHTS_0"] / 255.0,
                )
            )
        return cls(
            names,
            np.array([numbers.index(parent_of[n]) if n in parent_of else -1 for n in numbers]),
            placed(np.array([at[number] for number in numbers])),
            {nodes[n]["name"]: placed(at[n]) for n in at if n not in numbers},
            tuple(surfaces),
        )

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each bone."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def offsets(self) -> np.ndarray:
        """(bones, 3) metres from the parent's joint to the bone's, at rest."""
        return self.heads - np.where(self.parents[:, None] >= 0, self.heads[self.parents], 0)

    def joints(self, rotations: np.ndarray, shifts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Where the bones are: forward kinematics.

        Args:
            rotations: (bones, 3, 3) each bone's, relative to its parent's.
            shifts: (bones, 3) metres by which a joint has left its place in the parent's axes; None: none has.

        Returns:
            (bones, 3, 3) rotations and (bones, 3) joints in metres, in frame ``signer``.
        """
        turned, at = np.empty_like(rotations), np.empty((len(self.names), 3))
        offsets = self.offsets if shifts is None else self.offsets + shifts
        for bone, parent in enumerate(self.parents):
            if parent < 0:
                turned[bone], at[bone] = rotations[bone], offsets[bone]
            else:
                turned[bone] = turned[parent] @ rotations[bone]
                at[bone] = at[parent] + turned[parent] @ offsets[bone]
        return turned, at

    def skinned(self, surface: Surface, turned: np.ndarray, at: np.ndarray) -> np.ndarray:
        """The vertices (n, 3) metres of a surface, by linear blend skinning; arguments as ``joints`` returns."""
        moves = at - np.einsum("bij,bj->bi", turned, self.heads)
        blended = np.einsum("nk,nkij->nij", surface.weights, turned[surface.joints])
        shift = np.einsum("nk,nki->ni", surface.weights, moves[surface.joints])
        return np.einsum("nij,nj->ni", blended, surface.vertices) + shift


def file() -> Path:
    """The package's avatar.

    Raises:
        ResourceError: the package's data are not installed.
    """
    return share() / "models" / "avatar" / "avatar.glb"
