"""Models of the robots that come with the package, built once per process, and a small robot in a file of its own."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np

from text2sign_ros.retarget import description
from text2sign_ros.retarget.model import RobotModel, build
from text2sign_ros.skeleton import HAND, INDEX, REST_POSE


@cache
def robot(name: str) -> RobotModel:
    """A shipped robot; without the package that has its model the test is skipped (see ``missing``)."""
    about = description.load(name)
    package = about.source.package
    if package and find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    return build(about)


def arm(side: str) -> str:
    """URDF of an arm with a hand of three fingers, whose outer joints follow the inner ones."""
    sign = 1 if side == "left" else -1
    links = [f"{side}_{name}" for name in ("upper", "fore", "palm")]
    text = _joint("torso", links[0], f"0 {0.2 * sign} 0", "0 1 0", "-3 3", 'effort="40" velocity="5"')
    text += _joint(links[0], links[1], "0 0 -0.3", "0 1 0", "-2.4 0", 'effort="40" velocity="5"')
    text += _joint(links[1], links[2], "0 0 -0.25", "0 0 1", "-2 2", 'effort="10" velocity="7"')
    for finger, x in (("thumb", 0.04), ("index", 0.02), ("middle", -0.02)):
        inner, outer = f"{side}_{finger}_inner", f"{side}_{finger}_outer"
        text += _joint(links[2], inner, f"{x} 0 -0.09", "0 1 0", "0 1.6", 'effort="0" velocity="0"')
        mimic = f'<mimic joint="{inner}_joint" multiplier="0.5" offset="0.1"/>'
        text += _joint(inner, outer, "0 0 -0.05", "0 1 0", "0 0.7", 'effort="0" velocity="0"', mimic)
    return text


def _joint(parent: str, child: str, at: str, axis: str, span: str, more: str, mimic: str = "") -> str:
    lower, upper = span.split()
    return (
        f'<link name="{child}"><inertial><mass value="0.1"/><inertia ixx="1e-4" iyy="1e-4" izz="1e-4" ixy="0" ixz="0" '
        f'iyz="0"/></inertial><collision><geometry><sphere radius="0.01"/></geometry></collision></link>'
        f'<joint name="{child}_joint" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{at}"/><axis xyz="{axis}"/><limit lower="{lower}" upper="{upper}" {more}/>{mimic}</joint>'
    )


def urdf() -> str:
    """URDF of a small robot without a head."""
    return f'<robot name="small"><link name="torso"/>{arm("left")}{arm("right")}</robot>'


def yaml(source: str = "urdf: small.urdf") -> str:
    """Description of the small robot."""
    sides, joints = "", ""
    for side in ("left", "right"):
        sides += f"{side}: {{shoulder: {side}_upper, elbow: {side}_fore, wrist: {side}_palm"
        for finger in ("thumb", "index", "middle"):
            sides += f", {finger}: [{side}_{finger}_inner, {side}_{finger}_outer, {side}_{finger}_tip]"
        sides += "}\n"
        joints += f"  {side}_arm: [{side}_upper_joint, {side}_fore_joint]\n  {side}_wrist: [{side}_palm_joint]\n"
        inner = ", ".join(f"{side}_{finger}_inner_joint" for finger in ("thumb", "index", "middle"))
        joints += f"  {side}_hand: [{inner}]\n"
    points = "".join(
        f"  {side}_{finger}_tip: {{body: {side}_{finger}_outer, at: [0, 0, -0.04]}}\n"
        for side in ("left", "right")
        for finger in ("thumb", "index", "middle")
    )
    return (
        f"name: small\nsource: {{{source}}}\njoints:\n{joints}{sides}points:\n{points}"
        "limits:\n  arm: {velocity: 4, acceleration: 40, jerk: 900}\n  wrist: {acceleration: 60, jerk: 900}\n"
        "  hand: {velocity: 6, acceleration: 90, jerk: 2000, effort: 1}\n"
        "rest: {left_fore_joint: -0.3}\ncontroller: /arms/joint_trajectory\n"
    )


def signing(model: RobotModel, rng: np.random.Generator, fingers: float = 1.0) -> np.ndarray:
    """Joints (n,) of GR3 with both hands raised in front of the body, a little different each time.

    Args:
        fingers: part of their range that fingers bend by at most.
    """
    joints = model.rest.copy()
    row = {name: i for i, name in enumerate(model.joints)}
    for side, sign in (("left", 1), ("right", -1)):
        at = {"shoulder_pitch": -0.7, "shoulder_roll": 0.3 * sign, "elbow_pitch": -1.4, "wrist_yaw": -0.5 * sign}
        for name, value in at.items():
            joints[row[f"{side}_{name}_joint"]] = value + rng.uniform(-0.2, 0.2)
        columns = model.groups[f"{side}_hand"]
        straight = np.clip(0.0, model.lower[columns], model.upper[columns])
        bent = np.where(np.abs(model.lower[columns]) > model.upper[columns], model.lower[columns], model.upper[columns])
        joints[columns] = straight + rng.uniform(0.1, 0.9, len(columns)) * fingers * (bent - straight)
    return np.clip(joints, model.lower, model.upper)


def together(gap: float) -> np.ndarray:
    """Keypoints (79, 3), metres, of a person whose hands, fingers forward, are so far apart in front of the chest."""
    keypoints = REST_POSE.astype(float)
    for side, sign in (("left", 1), ("right", -1)):
        hand = HAND[side]
        shape = (keypoints[hand] - keypoints[hand.start]) @ np.array(((0, 0, 1), (0, 1, 0), (-1, 0, 0.0)))
        keypoints[hand] = shape + np.array((0.32, sign * gap / 2, -0.2)) - (0, shape[:, 1].min() * (sign > 0), 0)
        if sign < 0:
            keypoints[hand, 1] -= shape[:, 1].max()
        keypoints[INDEX[f"{side}_wrist"]] = keypoints[hand.start]
        keypoints[INDEX[f"{side}_elbow"]] = (0.0, sign * 0.25, -0.3)
    return keypoints
