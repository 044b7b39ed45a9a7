"""A robot as one YAML file describes it: its model, its joints, and which of its parts stand for a person's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from text2sign_ros import settings
from text2sign_ros.resources import share
from text2sign_ros.settings import ConfigError

SIDES = ("left", "right")
FINGERS = ("thumb", "index", "middle", "ring", "little")
KINDS = ("waist", "neck", "arm", "wrist", "hand")
"""Kinds of joints, which share limits."""


@dataclass(frozen=True)
class Source:
    """Where the model comes from: ``package`` and ``file``, or one of the others."""

    package: str | None = None  # an installed Python package
    file: str | None = None  # URDF or MJCF in it
    urdf: str | None = None  # path, absolute or relative to the description
    mjcf: str | None = None  # likewise
    topic: str | None = None  # a URDF on a ROS topic, such as robot_description
    pair_of: str | None = None  # the model is of one hand, whose palm this is: take it and its mirror image (``pair``)
    is_left: bool = False  # which hand it is


@dataclass(frozen=True)
class Joints:
    """Names of the joints to move, from the base outward. Joints that are not named stay where the rest pose has them.

    Of joints that are coupled in the model (mimic joints), only the one that the others follow is named.
    """

    waist: tuple[str, ...] = ()
    neck: tuple[str, ...] = ()
    left_arm: tuple[str, ...] = ()  # shoulder and elbow
    left_wrist: tuple[str, ...] = ()  # with the turn of the forearm
    left_hand: tuple[str, ...] = ()
    right_arm: tuple[str, ...] = ()
    right_wrist: tuple[str, ...] = ()
    right_hand: tuple[str, ...] = ()

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The joints of each group, in this order."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Side:
    """Parts of an arm and hand: names of bodies or sites of the model, or of ``points``.

    A finger is a list of its joints from the knuckle outward and its tip: of four parts they stand for the four
    keypoints of a person's finger; of three, for the knuckle, the next joint and the tip.
    """

    shoulder: str
    wrist: str
    thumb: tuple[str, ...]  # its saddle joint, the next two and the tip
    index: tuple[str, ...]
    middle: tuple[str, ...]
    elbow: str | None = None
    ring: tuple[str, ...] = ()  # empty: the hand has none
    little: tuple[str, ...] = ()

    def fingers(self) -> dict[str, tuple[str, ...]]:
        """The fingers that there are."""
        return {finger: getattr(self, finger) for finger in FINGERS if getattr(self, finger)}


@dataclass(frozen=True)
class Point:
    """A point fixed to a body of the model."""

    body: str
    at: tuple[float, ...]  # metres, in the body's frame


@dataclass(frozen=True)
class Limits:
    """Limits of a kind of joints; a lower limit in the model holds as well."""

    acceleration: float  # rad/s²
    jerk: float  # rad/s³
    velocity: float | None = None  # rad/s; None: as the model has it, as for the next
    effort: float | None = None  # Nm


@dataclass(frozen=True)
class Override:
    """Limits of one joint that differ from those of its kind; a range can only be narrowed."""

    lower: float | None = None  # rad, as for the next
    upper: float | None = None
    velocity: float | None = None
    acceleration: float | None = None
    jerk: float | None = None
    effort: float | None = None


@dataclass(frozen=True)
class RobotDescription:
    """A robot, as its YAML file describes it."""

    name: str
    source: Source
    joints: Joints
    left: Side
    right: Side
    limits: dict[str, Limits]  # by KINDS
    controller: str  # topic of a joint_trajectory_controller
    head: str | None = None  # a body or site that turns with the head
    points: dict[str, Point] = field(default_factory=dict)
    overrides: dict[str, Override] = field(default_factory=dict)  # by joint
    rest: dict[str, float] = field(default_factory=dict)  # by joint, rad; others: 0, or the nearest that they can
    scale: float | None = None  # the signing space's size, relative to a person's; None: by the length of the arms
    hip_clearance: float = 0.0  # metres farther out than a person's that hands hang, for wider hips and thicker hands

    def side(self, name: str) -> Side:
        """``left`` or ``right``."""
        return self.left if name == "left" else self.right

    def kind(self, joint: str) -> str:
        """Which of ``KINDS`` a joint to move is."""
        group = next(group for group, joints in self.joints.groups().items() if joint in joints)
        return group.split("_")[-1]

    @property
    def controlled(self) -> tuple[str, ...]:
        """All joints to move, in the order of ``Joints``."""
        return tuple(name for joints in self.joints.groups().values() for name in joints)


def load(robot: str | Path) -> RobotDescription:
    """Read a robot's description.

    Args:
        robot: a YAML file, or the name of a file in ``config/robots`` without its ending, such as ``gr3``.

    Raises:
        ConfigError: there is none; a key is unknown or missing; a value has the wrong type or is impossible. Whether
            the model has what is named is checked where it is built.
        ResourceError: a name is given, and the package's data are not installed.
    """
    path = Path(robot)
    if path.suffix not in (".yaml", ".yml"):
        folder = share() / "config" / "robots"
        path = folder / f"{robot}.yaml"
        if not path.is_file():
            known = ", ".join(names())
            raise ConfigError(f"there is no robot {str(robot)!r}; known are {known}, or give a .yaml file")
    description = settings.read(RobotDescription, path)
    problems = list(_problems(description))
    if problems:
        raise ConfigError(f"{path}: {'; '.join(problems)}")
    return replace(description, source=_absolute(description.source, path.resolve().parent))


def names() -> list[str]:
    """Names of the robots that come with the package.

    Raises:
        ResourceError: the package's data are not installed.
    """
    files = (share() / "config" / "robots").glob("*.yaml")
    return sorted(path.stem for path in files if "." not in path.stem)


def _absolute(source: Source, folder: Path) -> Source:
    """Paths that are relative to the description's folder, made absolute."""
    urdf, mjcf = (str(folder / path) if path else None for path in (source.urdf, source.mjcf))
    return replace(source, urdf=urdf, mjcf=mjcf)


def _problems(robot: RobotDescription) -> Iterator[str]:
    yield from _of_source(robot.source)
    controlled = robot.controlled
    for joint, count in Counter(controlled).items():
        if count > 1:
            yield f"joints: {joint} is named {count} times; name it once"
    for side in SIDES:
        for group in ("arm", "hand"):
            if not getattr(robot.joints, f"{side}_{group}"):
                yield f"joints: {side}_{group} is empty; name its joints"
        yield from _of_fingers(side, robot.side(side))
    yield from _of_limits(robot)
    for joint in robot.overrides:
        if joint not in controlled:
            yield f"overrides: {joint} is not among joints; name it there, or leave it out here"
    for joint, value in robot.rest.items():
        if not math.isfinite(value):
            yield f"rest: {joint} is {value}; it must be a number, in radians"
    for name, point in robot.points.items():
        if len(point.at) != 3 or not all(map(math.isfinite, point.at)):
            yield f"points: {name}: at is {list(point.at)}; it must be three numbers, in metres"
    if robot.scale is not None and not 0.1 <= robot.scale <= 10:
        yield f"scale is {robot.scale}; it must be 0.1 to 10, relative to a person (leave it out: by the arms' length)"
    if not 0 <= robot.hip_clearance <= 0.3:
        yield f"hip_clearance is {robot.hip_clearance}; it must be 0 to 0.3 m (0: hands hang as a person's do)"
    if not robot.controller.strip("/"):
        yield "controller is empty; name the topic of the robot's joint_trajectory_controller"


def _of_source(source: Source) -> Iterator[str]:
    given = [name for name, value in asdict(source).items() if value and name not in ("pair_of", "is_left")]
    if given not in (["package", "file"], ["urdf"], ["mjcf"], ["topic"]):
        yield (
            f"source has {', '.join(given) or 'nothing'}; give package and file, or urdf, or mjcf (paths), or topic "
            "(robot_description)"
        )


def _of_fingers(side: str, parts: Side) -> Iterator[str]:
    for finger, joints in parts.fingers().items():
        if len(joints) not in (3, 4):
            yield (
                f"{side}: {finger} has {len(joints)} parts; name the knuckle, one or two joints and the tip (where the "
                "model has no part at the tip, add one under points)"
            )
    for finger in ("thumb", "index", "middle"):
        if not getattr(parts, finger):
            yield f"{side}: {finger} is empty; a hand that signs needs thumb, index and middle finger"


def _of_limits(robot: RobotDescription) -> Iterator[str]:
    used = {robot.kind(joint) for joint in robot.controlled}
    for kind in KINDS:
        if kind in used and kind not in robot.limits:
            yield f"limits: {kind} is missing; give it acceleration and jerk"
    sections: tuple[tuple[str, Mapping[str, Limits | Override]], ...] = (
        ("limits", robot.limits),
        ("overrides", robot.overrides),
    )
    for section, of_names in sections:
        for name, limits in of_names.items():
            if section == "limits" and name not in KINDS:
                yield f"limits: unknown kind {name!r}; known are {', '.join(KINDS)}"
            for key, value in asdict(limits).items():
                if value is None:
                    continue
                if not math.isfinite(value):
                    yield f"{section}: {name}: {key} is {value}; it must be a number"
                elif key not in ("lower", "upper") and value <= 0:
                    yield f"{section}: {name}: {key} is {value}; it must be above 0"
