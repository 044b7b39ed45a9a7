"""Signing space: where a person's hands are, mapped smoothly onto a robot of another size, and back."""

from __future__ import annotations

import mujoco
import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.retarget.model import RobotModel

_HEAD = skeleton.REST_POSE[skeleton.EARS].mean(axis=0).astype(float)
_HALF = skeleton.SHOULDER_WIDTH / 2
_NEAR_HEAD = 0.16
"""Metres: how far from the head, in a person's space, its place on the robot counts."""
_SOFT, _CLOSE, _MARGIN = 0.1, 0.04, 0.15
"""Parts of the reach over which a wrist slows down toward its far and its near end, and the part of them it keeps."""
_BELOW, _BESIDE = (0.35, 0.55), 0.2
"""Metres below the shoulders, and beside the middle, in a person's space, over which hands come clear of hips."""
_STEPS, _STEEPEST = 24, 1.4
"""Of the way back: steps, and how much the map may stretch beyond its scale where a step still gets nearer."""


class SigningSpace:
    """The map from frame ``signer`` to the robot's model frame.

    It scales by the length of the arms; sideways, the shoulders come to lie on the robot's; near the head, points come
    to lie where the robot's head is, at a person's scale, so that a hand at the chin comes to the robot's chin. Hands
    that hang beside the body do so ``hip_clearance`` farther out.

    Attributes:
        scale: of directions far from head and shoulders.
        axes: (3, 3) columns are forward, left and up in the model's frame.
        origin: (3,) metres, midway between the robot's shoulders, in the model's frame.
        shoulders: (2, 3) metres in the model's frame, left before right.
        reach: metres from the shoulder to the wrist, the least and the most that the robot's elbow allows; zero and
            infinite where it has none.
    """

    def __init__(self, model: RobotModel) -> None:
        data = mujoco.MjData(model.mj)
        data.qpos[:] = model.full(model.rest)
        mujoco.mj_kinematics(model.mj, data)
        at = {name: data.site_xpos[site].copy() for name, site in model.ends.items()}
        self.shoulders = np.stack((at["left_shoulder"], at["right_shoulder"]))
        across = self.shoulders[0] - self.shoulders[1]
        self._half = np.linalg.norm(across) / 2
        left = across / np.linalg.norm(across)
        up = np.array((0.0, 0.0, 1.0))
        forward = np.cross(left, up)
        forward /= np.linalg.norm(forward)
        self.axes = np.stack((forward, np.cross(up, forward), up), axis=1)
        self.origin = self.shoulders.mean(axis=0)
        self.reach = self._reach(model, data) if "left_elbow" in at else (0.0, np.inf)
        self._hip_clearance = model.description.hip_clearance
        given = model.description.scale
        of_arms = self.reach[1] / (skeleton.UPPER_ARM + skeleton.FOREARM) if np.isfinite(self.reach[1]) else 1.0
        self.scale = given if given is not None else of_arms
        head = self.axes.T @ (at["head"] - self.origin) if "head" in at else self._sideways(self.scale * _HEAD)
        self._lift = head - self._sideways(self.scale * _HEAD)

    @staticmethod
    def _reach(model: RobotModel, data: mujoco.MjData) -> tuple[float, float]:
        ends = [model.ends["left_shoulder"], model.ends["left_wrist"]]
        distances = []
        columns = model.groups["left_arm"]
        for part in np.linspace(0, 1, 33):
            joints = model.rest.copy()
            elbow = columns[-1]
            joints[elbow] = model.lower[elbow] + part * (model.upper[elbow] - model.lower[elbow])
            data.qpos[:] = model.full(joints)
            mujoco.mj_kinematics(model.mj, data)
            distances.append(float(np.linalg.norm(np.subtract(*data.site_xpos[ends]))))
        return min(distances), max(distances)

    def within_reach(self, wrist: np.ndarray, shoulder: np.ndarray) -> np.ndarray:
        """A wrist's position (3,), or one as near to that shoulder (3,) or as far from it as the elbow allows.

        Smooth, so that an arm that gets straight does not jerk; all in metres in the model's frame.
        """
        nearest, farthest = self.reach
        way = wrist - shoulder
        distance = max(float(np.linalg.norm(way)), 1e-6)
        if not np.isfinite(farthest):
            return wrist
        soft, close = _SOFT * farthest, _CLOSE * farthest
        most, least = farthest - soft * _MARGIN, nearest + close * _MARGIN
        if distance > most - soft:
            allowed = most - soft * np.exp((most - soft - distance) / soft)
        elif distance < least + close:
            allowed = least + close * np.exp((distance - least - close) / close)
        else:
            return wrist
        return shoulder + way * (allowed / distance)

    def to_robot(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) metres in frame ``signer`` -> (..., 3) metres in the model's frame."""
        return self.origin + self._warp(points) @ self.axes.T

    def to_signer(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) metres in the model's frame -> (..., 3) metres in frame ``signer``: the inverse of ``to_robot``."""
        wanted = (points - self.origin) @ self.axes
        found = wanted / self.scale
        for _ in range(_STEPS):  # the map is nearly a scaling: this converges by half or better each time
            found = found + (wanted - self._warp(found)) / (_STEEPEST * max(self.scale, 1.0))
        return found

    def _warp(self, points: np.ndarray) -> np.ndarray:
        near = np.exp(-((points - _HEAD) ** 2).sum(axis=-1, keepdims=True) / (2 * _NEAR_HEAD**2))
        # Around the head a person's scale, elsewhere that of the arms.
        own = points - _HEAD
        warped = self._sideways(self.scale * points) + near * (self._lift + (1 - self.scale) * own)
        begin, end = _BELOW
        low, beside = _rise((-points[..., 2] - begin) / (end - begin)), _rise(np.abs(points[..., 1]) / _BESIDE)
        warped[..., 1] += self._hip_clearance * low * beside * np.sign(points[..., 1])
        return warped

    def _sideways(self, scaled: np.ndarray) -> np.ndarray:
        """Shift scaled points (..., 3) outward, so that the shoulders come to lie on the robot's."""
        shifted = scaled.copy()
        width = self.scale * _HALF
        y = scaled[..., 1]
        shifted[..., 1] += (self._half - width) * np.sqrt(2) * y / np.sqrt(y**2 + width**2)
        return shifted


def _rise(part: np.ndarray) -> np.ndarray:
    """From 0 at 0 to 1 at 1, level at both ends and beyond."""
    part = np.clip(part, 0.0, 1.0)
    return part**2 * (3 - 2 * part)
