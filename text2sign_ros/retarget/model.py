"""A robot as a MuJoCo model: the joints to move, their limits, and where the parts are that stand for a person's."""

from __future__ import annotations

import copy
import difflib
import importlib.util
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import mujoco
import numpy as np

from text2sign_ros.retarget import meshes
from text2sign_ros.retarget.description import SIDES, RobotDescription
from text2sign_ros.retarget.pair import pair
from text2sign_ros.settings import ConfigError

_VISUAL_GROUP = 1  # of geoms, in MuJoCo's models of URDFs
_END = "text2sign/"  # before the names of the sites at the parts of the robot
_MESHES = (".stl", ".obj", ".msh")  # files that MuJoCo reads
_LONGEST = 10_000_000  # characters of a URDF
_NEAR = 3  # links whose bodies are at most so many joints apart may overlap where they meet


class RobotModel:
    """A compiled model with what moving it needs; the order of joints is that of ``RobotDescription.joints``.

    Attributes:
        description: what it was built from.
        spec: the model before it was compiled.
        mj: the compiled model. Its base does not move; it has no joints but those to move and those coupled to them.
        joints: (n,) names of the joints to move.
        groups: for each group of ``Joints``, where its joints are among them.
        qpos, dof: (n,) their addresses in ``qpos`` and ``qvel``.
        lower, upper: (n,) rad (metres for a sliding joint, as in all that follows); positions of coupled joints are
            in their limits if these are.
        velocity, acceleration, jerk: (n,) largest magnitudes, rad/s, rad/s², rad/s³.
        effort: (n,) largest torque, Nm.
        rest: (n,) rad, the rest pose.
        spread: (nv, n) velocities of all joints of the model from those of the joints to move.
        ends: number of the site at each part of the robot: ``head``, ``left_shoulder``, ``left_elbow``,
            ``left_wrist``, ``left_thumb_0`` (its first part) and so on; what the robot has not is left out.
        colliding: numbers of the geoms that take part in collisions.
        bare: links whose collision shapes are missing, since their meshes are: nothing keeps these apart.
    """

    def __init__(
        self,
        description: RobotDescription,
        spec: mujoco.MjSpec,
        velocities: dict[str, float],
        bare: tuple[str, ...] = (),
    ) -> None:
        self.description, self.bare = description, bare
        self.spec = spec
        self.mj: mujoco.MjModel = spec.compile()
        self.joints = description.controlled
        numbers = np.array([self.mj.joint(name).id for name in self.joints])
        self.groups: dict[str, np.ndarray] = {}
        first = 0
        for group, names in description.joints.groups().items():
            self.groups[group] = np.arange(first, first := first + len(names))
        self.qpos = self.mj.jnt_qposadr[numbers]
        self.dof = self.mj.jnt_dofadr[numbers]
        self.lower, self.upper = self.mj.jnt_range[numbers].T.copy()
        self.velocity, self.acceleration, self.jerk, self.effort = self._limits(velocities, numbers)
        self._couple(velocities)
        at = np.array([description.rest.get(name, 0.0) for name in self.joints])
        self.rest = np.clip(at, self.lower, self.upper)
        sites = {self.mj.site(i).name: i for i in range(self.mj.nsite)}
        self.ends = {name.removeprefix(_END): i for name, i in sites.items() if name.startswith(_END)}
        self.colliding = np.flatnonzero((self.mj.geom_contype > 0) | (self.mj.geom_conaffinity > 0))

    def full(self, joints: np.ndarray) -> np.ndarray:
        """Positions of the joints to move (..., n) -> ``qpos`` (..., nq), coupled joints included."""
        qpos = np.empty((*joints.shape[:-1], self.mj.nq))
        qpos[...] = self.mj.qpos0
        qpos[..., self.qpos] = joints
        for follower, leader, curve in self._coupled:
            moved = joints[..., leader] - self.mj.qpos0[self.qpos[leader]]
            qpos[..., follower] += np.polynomial.polynomial.polyval(moved, curve)
        return qpos

    def _limits(self, velocities: dict[str, float], numbers: np.ndarray) -> np.ndarray:
        """(4, n): velocity, acceleration, jerk and effort."""
        rows = []
        for joint, number in zip(self.joints, numbers, strict=True):
            kind = self.description.kind(joint)
            of_kind, override = self.description.limits[kind], self.description.overrides.get(joint)
            of_model = {"velocity": velocities.get(joint, 0.0), "effort": self.mj.jnt_actfrcrange[number, 1]}
            row = []
            for key in ("velocity", "acceleration", "jerk", "effort"):
                value = getattr(override, key, None) or getattr(of_kind, key)
                known = [limit for limit in (value, of_model.get(key)) if limit]  # a model's 0 means: unknown
                if not known:
                    raise ConfigError(
                        f"{self.description.name}: limits: {kind}: {key} is missing, and the model has none for "
                        f"{joint}; add it"
                    )
                row.append(min(known))
            rows.append(row)
        return np.array(rows).T

    def _couple(self, velocities: dict[str, float]) -> None:
        """Find the joints that follow others, and narrow the others' limits so that those of followers hold."""
        mj = self.mj
        self.spread = np.zeros((mj.nv, len(self.joints)))
        self.spread[self.dof, np.arange(len(self.joints))] = 1.0
        self._coupled: list[tuple[int, int, np.ndarray]] = []
        places = {int(mj.joint(name).id): i for i, name in enumerate(self.joints)}
        for number in np.flatnonzero(mj.eq_type == mujoco.mjtEq.mjEQ_JOINT):
            follower, leader = int(mj.eq_obj1id[number]), places[int(mj.eq_obj2id[number])]
            curve = mj.eq_data[number, :5].copy()
            self._coupled.append((int(mj.jnt_qposadr[follower]), leader, curve))
            slope = curve[1]
            self.spread[mj.jnt_dofadr[follower], leader] = slope
            if slope and mj.jnt_limited[follower]:
                ends = (mj.jnt_range[follower] - curve[0]) / slope
                self.lower[leader] = max(self.lower[leader], ends.min())
                self.upper[leader] = min(self.upper[leader], ends.max())
            most = velocities.get(mj.joint(follower).name, 0.0)
            if slope and most:
                self.velocity[leader] = min(self.velocity[leader], most / abs(slope))


def build(
    description: RobotDescription,
    urdf_text: str | None = None,
    *,
    visual: bool = False,
    prepare: Callable[[mujoco.MjSpec], None] | None = None,
) -> RobotModel:
    """The model of a robot, as its description names it.

    The base stands still and joints that the description does not name are fixed. Joints that the model couples (mimic
    joints of a URDF) stay coupled, by equality constraints. Links that meet do not collide with each other; fingers
    collide as capsules, other meshes as their convex hulls.

    A model from a topic may come from another machine: shapes whose meshes are not here are left out, and the links
    named (``bare``). Joints are moved without them, but collisions with them are not seen, nor is the model fit for
    physics.

    Args:
        urdf_text: the model, where the description's source is a topic.
        visual: keep the meshes that are only for drawing, with fewer faces.
        prepare: changes the specification before it is compiled: adds actuators, a floor, cameras, lights.

    Raises:
        ConfigError: there is no such model, or it lacks what the description names; the message says which key.
    """
    spec, folder, velocities, bare = _source(description, urdf_text)
    controlled = set(description.controlled)
    _check_names(description, spec)
    followers = {e.name1 for e in spec.equalities if e.type == mujoco.mjtEq.mjEQ_JOINT and e.name2 in controlled}
    _check_joints(description, spec)
    for joint in list(spec.joints):
        if joint.name not in controlled | followers:
            spec.delete(joint)
    for equality in list(spec.equalities):
        if equality.name1 not in followers:
            spec.delete(equality)
    for actuator in list(spec.actuators):  # of a MJCF: they are made anew, from the limits of the description
        spec.delete(actuator)
    _narrow(description, spec)
    _mark(description, spec)
    _collide(description, spec, visual)
    try:
        meshes.decimate(spec, folder)
        _exclude(description, spec)
        if prepare is not None:
            prepare(spec)
        return RobotModel(description, spec, velocities, bare)
    except (OSError, ValueError, mujoco.FatalError) as error:  # MuJoCo's messages name the part
        raise ConfigError(f"{description.name}: source: the model can't be built: {error}") from error


class _Source(NamedTuple):
    """A model as it comes, the folder of its files, the velocity limits of its joints, and links without shapes."""

    spec: mujoco.MjSpec
    folder: Path
    velocities: dict[str, float]
    bare: tuple[str, ...] = ()


def _source(description: RobotDescription, urdf_text: str | None) -> _Source:
    source = description.source
    where = f"{description.name}: source"
    if source.topic:
        if urdf_text is None:
            raise ConfigError(f"{where}: the model is on the topic {source.topic}; give its text, or a file instead")
        return _urdf(urdf_text, Path(), where, from_elsewhere=True)
    if source.package:
        path = _package_folder(source.package, where) / str(source.file)
    else:
        path = Path(str(source.urdf or source.mjcf))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {path} can't be read: {error}") from error
    if path.suffix == ".urdf" or source.urdf:
        return _urdf(text, path.parent, where)
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        if not source.pair_of:
            return _Source(spec, path.parent, {})
        hand = spec.compile()
    except ValueError as error:
        raise ConfigError(f"{where}: {path} is not a model: {error}") from error
    bodies = {body.name for body in spec.bodies}
    if source.pair_of not in bodies:
        raise ConfigError(_unknown(description, "source: pair_of", source.pair_of, bodies, "body"))
    return _Source(pair(hand, source.pair_of, "left" if source.is_left else "right"), path.parent, {})


def _package_folder(package: str, where: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            f"{where}: the Python package {package} is not installed: pip install {package.replace('_', '-')}, or "
            "pip install 'text2sign_ros[robots]' for the robots that come with this package"
        )
    return Path(next(iter(found.submodule_search_locations)))


def _urdf(text: str, folder: Path, where: str, *, from_elsewhere: bool = False) -> _Source:
    """From a URDF's text; ``from_elsewhere``: anyone may have written it, and its meshes need not be here."""
    if len(text) > _LONGEST:
        raise ConfigError(f"{where}: the URDF has {len(text):,} characters; more than {_LONGEST:,} are no robot")
    if "<!DOCTYPE" in text:  # which could define entities without end
        raise ConfigError(f"{where}: the URDF has a DOCTYPE, which no robot needs; leave it out")
    try:
        tree = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:  # the latter: letters that are none
        raise ConfigError(f"{where}: the URDF is not XML: {error}") from error
    velocities = {}
    for joint in tree.iter("joint"):
        limit = joint.find("limit")
        if limit is not None:
            given = limit.get("velocity", "0")
            try:
                velocities[joint.get("name", "")] = float(given)
            except ValueError:
                raise ConfigError(f"{where}: {joint.get('name')} has the velocity {given!r} as its limit") from None
    _draw_what_collides(tree)
    bare = _find_meshes(tree, folder, where, from_elsewhere)
    # MuJoCo drops the folders of meshes, what is only drawn, and links without joints, unless it is told not to.
    for told in tree.findall("mujoco"):  # what it says to MuJoCo itself
        tree.remove(told)
    told = ElementTree.SubElement(tree, "mujoco")
    settings = {"strippath": "false", "meshdir": str(folder), "discardvisual": "false", "fusestatic": "false"}
    if bare:  # shapes may be all that a link has its mass from, and MuJoCo wants one
        settings |= {"boundmass": "0.001", "boundinertia": "0.000001"}
    ElementTree.SubElement(told, "compiler", settings)
    _unique_names(tree)
    try:
        spec = mujoco.MjSpec.from_string(ElementTree.tostring(tree, encoding="unicode"))
    except (ValueError, RecursionError, mujoco.FatalError) as error:
        raise ConfigError(f"{where}: the URDF is not a model: {error}") from error
    return _Source(spec, folder, velocities, bare)


def _find_meshes(tree: ElementTree.Element, folder: Path, where: str, from_elsewhere: bool) -> tuple[str, ...]:
    """Name the files of all meshes; returns the links that lose shapes, because these are not here or not readable."""
    bare: dict[str, None] = {}
    for link in tree.iter("link"):
        shapes = {kind: link.findall(kind) for kind in ("collision", "visual")}
        for kind, shape in ((kind, shape) for kind, found in shapes.items() for shape in found):
            for mesh in shape.iter("mesh"):
                name = mesh.get("filename", "")
                try:
                    path = _mesh_path(name, where)
                except ConfigError:
                    if not from_elsewhere:
                        raise
                    path = ""
                mesh.set("filename", path)
                is_here = Path(path).suffix.lower() in _MESHES and (folder / path).is_file()
                if from_elsewhere and not is_here:
                    if shape in link:
                        link.remove(shape)
                    if kind == "collision" or not shapes["collision"]:
                        bare[link.get("name", "")] = None
    return tuple(bare)


def _draw_what_collides(tree: ElementTree.Element) -> None:
    """Of links that are drawn by files that MuJoCo can't read, such as glTF and Collada, draw what collides instead."""
    for link in tree.iter("link"):
        drawn = {visual: visual.find("geometry/mesh") for visual in link.findall("visual")}
        unread = [
            v
            for v, mesh in drawn.items()
            if mesh is not None and Path(mesh.get("filename", "")).suffix.lower() not in _MESHES
        ]
        for visual in unread:
            link.remove(visual)
        if unread:
            for shape in map(copy.deepcopy, link.findall("collision")):
                shape.tag = "visual"
                link.append(shape)


def _unique_names(tree: ElementTree.Element) -> None:
    """Take the names off collision shapes that share one, about which MuJoCo would warn on every start."""
    seen: set[str] = set()
    for shape in itertools.chain(tree.iter("collision"), tree.iter("visual")):
        name = shape.get("name", "")
        if name in seen:
            del shape.attrib["name"]
        elif name:
            seen.add(name)


def _mesh_path(name: str, where: str) -> str:
    """A mesh's file, where a URDF names it by a ROS 2 package."""
    name = name.removeprefix("file://")
    in_package = re.fullmatch(r"package://([^/]+)/(.*)", name)
    if not in_package:
        return name
    package, rest = in_package.groups()
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        if (path := Path(prefix, "share", package, rest)).is_file():
            return str(path)
    raise ConfigError(f"{where}: no ROS 2 package {package} with {rest}; source the workspace that has it")


def _check_names(description: RobotDescription, spec: mujoco.MjSpec) -> None:
    bodies = {body.name for body in spec.bodies}
    known = bodies | {site.name for site in spec.sites} | set(description.points)
    for name, point in description.points.items():
        if point.body not in bodies:
            raise ConfigError(_unknown(description, f"points: {name}: body", point.body, bodies, "body"))
        if name in known - set(description.points):
            raise ConfigError(f"{description.name}: points: {name} is the name of a part of the model; choose another")
    for key, name in _parts(description).items():
        if name not in known:
            raise ConfigError(_unknown(description, key.replace("_", ": ", 1), name, known, "body or site"))


def _check_joints(description: RobotDescription, spec: mujoco.MjSpec) -> None:
    joints = {joint.name: joint for joint in spec.joints}
    leaders = {e.name1: e.name2 for e in spec.equalities if e.type == mujoco.mjtEq.mjEQ_JOINT}
    for group, names in description.joints.groups().items():
        for name in names:
            if name not in joints:
                raise ConfigError(_unknown(description, f"joints: {group}", name, set(joints), "joint"))
            if name in leaders:
                raise ConfigError(
                    f"{description.name}: joints: {group}: {name} follows {leaders[name]} in the model; name only that"
                )
    for name in description.rest:
        if name not in description.controlled:
            raise ConfigError(_unknown(description, "rest", name, set(description.controlled), "joint to move"))


def _unknown(description: RobotDescription, key: str, name: str, known: set[str], what: str) -> str:
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(sorted(known)[:8])}, …"
    return f"{description.name}: {key}: the model has no {what} {name!r}; {hint}"


def _parts(description: RobotDescription) -> dict[str, str]:
    """Name of each part in ``RobotModel.ends`` -> what the description says stands for it."""
    parts = {"head": description.head}
    for side in SIDES:
        of_side = description.side(side)
        parts |= {f"{side}_{part}": getattr(of_side, part) for part in ("shoulder", "elbow", "wrist")}
        for finger, names in of_side.fingers().items():
            parts |= {f"{side}_{finger}_{i}": name for i, name in enumerate(names)}
    return {key: name for key, name in parts.items() if name is not None}


def _narrow(description: RobotDescription, spec: mujoco.MjSpec) -> None:
    """Narrow ranges as the description says, and see that every joint to move has one."""
    for name in description.controlled:
        joint, override = spec.joint(name), description.overrides.get(name)
        low, high = joint.range if joint.range[0] < joint.range[1] else (-np.inf, np.inf)
        if override is not None:
            low = low if override.lower is None else max(low, override.lower)
            high = high if override.upper is None else min(high, override.upper)
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ConfigError(
                f"{description.name}: overrides: {name} has no range in the model; give it lower and upper"
            )
        if not low < high:
            raise ConfigError(f"{description.name}: overrides: {name}: no position is within {low:g} to {high:g} rad")
        joint.range = (low, high)
        joint.limited = mujoco.mjtLimited.mjLIMITED_TRUE


def _mark(description: RobotDescription, spec: mujoco.MjSpec) -> None:
    """Put a site at each part of the robot that stands for a person's."""
    bodies = {body.name: body for body in spec.bodies}
    sites = {site.name: site for site in spec.sites}
    for key, name in _parts(description).items():
        if name in description.points:
            point = description.points[name]
            body, at = bodies[point.body], np.array(point.at)
        elif name in sites:
            body, at = sites[name].parent, sites[name].pos
        else:
            body, at = bodies[name], np.zeros(3)
        body.add_site(name=_END + key, pos=at, group=5)


def _collide(description: RobotDescription, spec: mujoco.MjSpec, visual: bool) -> None:
    """Choose what collides: shapes for collisions, and in hands without any the drawn ones; fingers as capsules."""
    fingers = _moved_by(spec, (*description.joints.left_hand, *description.joints.right_hand))
    hands = fingers | _below(spec, {_body_of(description, spec, description.side(side).wrist) for side in SIDES})
    for body in spec.bodies:
        solid = [geom for geom in body.geoms if geom.contype or geom.conaffinity]
        drawn = [geom for geom in body.geoms if not (geom.contype or geom.conaffinity)]
        if not solid and body.name in hands:
            solid = [
                body.add_geom(type=geom.type, meshname=geom.meshname, pos=geom.pos, quat=geom.quat)
                for geom in drawn
                if geom.type == mujoco.mjtGeom.mjGEOM_MESH
            ]
        for geom in solid:
            geom.group = 3
            if geom.type == mujoco.mjtGeom.mjGEOM_MESH and body.name in fingers:
                geom.type = mujoco.mjtGeom.mjGEOM_CAPSULE
        for geom in drawn:
            geom.group = _VISUAL_GROUP
            if not visual:
                spec.delete(geom)
    used = {geom.meshname for geom in spec.geoms}
    for mesh in list(spec.meshes):
        if mesh.name not in used:
            spec.delete(mesh)


def _body_of(description: RobotDescription, spec: mujoco.MjSpec, part: str) -> str:
    if part in description.points:
        return description.points[part].body
    return next((site.parent.name for site in spec.sites if site.name == part), part)


def _moved_by(spec: mujoco.MjSpec, joints: tuple[str, ...]) -> set[str]:
    """Names of the bodies that any of the joints moves."""
    return _below(spec, {spec.joint(name).parent.name for name in joints})


def _below(spec: mujoco.MjSpec, tops: set[str]) -> set[str]:
    """Names of the bodies with one of these names, and of all that hang on them."""
    found = set(tops)
    for body in spec.bodies:  # parents first
        if body.parent is not None and body.parent.name in found:
            found.add(body.name)
    return found


def _exclude(description: RobotDescription, spec: mujoco.MjSpec) -> None:
    """Let links that meet overlap: neighbours, and near ones that overlap at the zero or the rest pose."""
    mj = spec.compile()
    data = mujoco.MjData(mj)
    pairs: set[tuple[int, int]] = set()
    rest = np.zeros(mj.nq)
    for name, value in description.rest.items():
        rest[mj.jnt_qposadr[mj.joint(name).id]] = value
    for pose in (np.zeros(mj.nq), rest):
        data.qpos[:] = pose
        mujoco.mj_forward(mj, data)
        for contact in data.contact[: data.ncon]:
            a, b = sorted(int(mj.body_weldid[mj.geom_bodyid[geom]]) for geom in contact.geom)
            if a and _steps(mj, a, b) <= _NEAR:
                pairs.add((a, b))
    welds = sorted({int(weld) for weld in mj.body_weldid} - {0})
    pairs |= {(a, b) for a, b in itertools.combinations(welds, 2) if _steps(mj, a, b) == 2 and _on_one_way(mj, a, b)}
    solid = {int(mj.geom_bodyid[i]) for i in np.flatnonzero((mj.geom_contype > 0) | (mj.geom_conaffinity > 0))}
    rigid = {weld: [body for body in solid if mj.body_weldid[body] == weld] for weld in welds}
    for a, b in sorted(pairs):
        for first, second in itertools.product(rigid[a], rigid[b]):
            spec.add_exclude(bodyname1=mj.body(first).name, bodyname2=mj.body(second).name)


def _way(mj: mujoco.MjModel, weld: int) -> list[int]:
    """The moving bodies from one to the base."""
    way = [weld]
    while way[-1]:
        way.append(int(mj.body_weldid[mj.body_parentid[way[-1]]]))
    return way


def _steps(mj: mujoco.MjModel, a: int, b: int) -> int:
    """How many moving bodies lie on the way from one moving body to another, the second included."""
    first, second = _way(mj, a), _way(mj, b)
    shared = len(set(first) & set(second))
    return len(first) + len(second) - 2 * shared


def _on_one_way(mj: mujoco.MjModel, a: int, b: int) -> bool:
    return a in _way(mj, b) or b in _way(mj, a)
