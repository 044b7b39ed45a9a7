"""A pair of hands from a model of one: the hand and its mirror image, on wrists that move freely.

For judging hands by themselves: such a pair reaches everything, and what it does not show is for its fingers' sake.
"""

from __future__ import annotations

import mujoco
import numpy as np

SLIDES = ("x", "y", "z")
TURNS = ("yaw", "pitch", "roll", "twist")
"""Joints of a wrist, in this order; one turn more than needed, so that none of them gets stuck."""
_AXES = ((0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 1))
_SPACE, _TURN = 1.5, 4.0
"""Ranges of the wrists' joints, metres and radians, to both sides."""
_HALF = 0.18
"""Where the wrists are at zero: metres to the left and right of the origin, as the shoulders of a person."""
_INERTIA, _ARMATURE = (1e-4, 1e-4, 1e-4), 1e-3
_MIRROR = np.array((-1.0, 1.0, 1.0))
"""Across the plane of the fingers' bending, which is x = 0 in the hand's frame."""


def pair(hand: mujoco.MjModel, root: str, side: str) -> mujoco.MjSpec:
    """A model of two hands.

    Names of the left hand's parts begin with ``left_``, those of the right one's with ``right_``. The joints of a wrist
    are ``left_x``, ``left_yaw`` and so on. Tendons and actuators are left out.

    Args:
        hand: a compiled model that has one hand.
        root: the hand's palm: a body whose x axis goes across the palm.
        side: which hand it is.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    top = hand.body(root).id
    for name in ("left", "right"):
        mirror = np.ones(3) if name == side else _MIRROR
        at = (0.0, _HALF if name == "left" else -_HALF, 0.0)
        arm = spec.worldbody.add_body(name=f"{name}_arm", pos=at, explicitinertial=True, mass=0.1, inertia=_INERTIA)
        for axis, joint in zip(np.eye(3), SLIDES, strict=True):
            arm.add_joint(name=f"{name}_{joint}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis, range=(-_SPACE, _SPACE))
        body = arm.add_body(name=f"{name}_wrist", explicitinertial=True, mass=0.1, inertia=_INERTIA)
        for turn, joint in zip(_AXES, TURNS, strict=True):
            hinge = body.add_joint(name=f"{name}_{joint}", type=mujoco.mjtJoint.mjJNT_HINGE, axis=turn)
            hinge.range, hinge.armature = (-_TURN, _TURN), _ARMATURE  # without it two turns about one axis are singular
        _copy(hand, top, spec, body, f"{name}_", mirror)
    return spec


def _copy(
    hand: mujoco.MjModel, number: int, spec: mujoco.MjSpec, parent: mujoco.MjsBody, prefix: str, mirror: np.ndarray
) -> None:
    """Add a body and all that hangs on it."""
    root = parent.name == f"{prefix}wrist"
    body = parent.add_body(name=prefix + hand.body(number).name)
    body.pos = np.zeros(3) if root else hand.body_pos[number] * mirror
    body.quat = (1.0, 0.0, 0.0, 0.0) if root else _turned(hand.body_quat[number], mirror)
    body.explicitinertial = True
    body.mass, body.inertia = hand.body_mass[number], hand.body_inertia[number]
    body.ipos, body.iquat = hand.body_ipos[number] * mirror, _turned(hand.body_iquat[number], mirror)
    first = hand.body_jntadr[number]
    for joint in [] if root else range(first, first + hand.body_jntnum[number]):
        added = body.add_joint(name=prefix + hand.joint(joint).name, type=hand.jnt_type[joint])
        added.pos, added.range = hand.jnt_pos[joint] * mirror, hand.jnt_range[joint]
        added.axis = hand.jnt_axis[joint] * mirror * mirror.prod()  # turns the other way in a mirror
    first = hand.body_geomadr[number]
    for geom in range(first, first + hand.body_geomnum[number]):
        _copy_geom(hand, geom, spec, body, mirror)
    for site in np.flatnonzero(hand.site_bodyid == number):
        body.add_site(name=prefix + hand.site(int(site)).name, pos=hand.site_pos[site] * mirror)
    for child in np.flatnonzero(hand.body_parentid == number):
        _copy(hand, int(child), spec, body, prefix, mirror)


def _copy_geom(hand: mujoco.MjModel, geom: int, spec: mujoco.MjSpec, body: mujoco.MjsBody, mirror: np.ndarray) -> None:
    added = body.add_geom(type=hand.geom_type[geom], pos=hand.geom_pos[geom] * mirror)
    added.quat = _turned(hand.geom_quat[geom], mirror)
    added.contype, added.conaffinity = int(hand.geom_contype[geom]), int(hand.geom_conaffinity[geom])
    added.rgba, added.group = hand.geom_rgba[geom], int(hand.geom_group[geom])
    mesh = int(hand.geom_dataid[geom])
    if mesh < 0:
        added.size = hand.geom_size[geom]
        return
    name = f"{hand.mesh(mesh).name}{'' if (mirror > 0).all() else '_mirrored'}"
    if name not in {known.name for known in spec.meshes}:
        corners = slice(hand.mesh_vertadr[mesh], hand.mesh_vertadr[mesh] + hand.mesh_vertnum[mesh])
        faces = slice(hand.mesh_faceadr[mesh], hand.mesh_faceadr[mesh] + hand.mesh_facenum[mesh])
        order = (0, 1, 2) if (mirror > 0).all() else (0, 2, 1)  # so that the outside stays outside
        shape = spec.add_mesh(name=name)
        shape.uservert = (hand.mesh_vert[corners] * mirror).ravel()
        shape.userface = hand.mesh_face[faces][:, order].ravel()
    added.meshname = name


def _turned(quaternion: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """The rotation w x y z that a mirror shows."""
    return np.append(quaternion[0], quaternion[1:] * mirror * mirror.prod())
