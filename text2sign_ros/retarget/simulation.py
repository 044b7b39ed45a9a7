"""A robot in MuJoCo's physics: torque-limited joints that follow a path, collisions of its links, its base fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from text2sign_ros.retarget import model
from text2sign_ros.retarget.description import RobotDescription
from text2sign_ros.retarget.follower import State

STEP = 2_000_000
"""Nanoseconds of a step of the physics."""
DEEP = 0.002
"""Metres: contacts that are deeper are counted."""
_BANDWIDTH = 60.0  # rad/s, of the servo of each joint, which is critically damped
# What no URDF gives: inertia of a motor behind its gear, and friction in it, in kg m² and Nm per Nm of the largest
# torque. By the order of Unitree's G1 in MuJoCo Menagerie, which has 0.01 kg m² and 0.3 Nm at about 50 Nm.
_ROTOR, _FRICTION = 2e-4, 6e-3
# A contact is as stiff as this step allows, and nearly rigid from the first 0.1 mm.
_SOLREF, _SOLIMP = (2 * STEP * 1e-9, 1.0), (0.95, 0.99, 1e-4, 0.5, 2.0)


@dataclass
class Touch:
    """How two links touched.

    Attributes:
        depth: the deepest that one was in the other, metres.
        steps: of the physics in which it was deeper than ``DEEP``.
    """

    depth: float = 0.0
    steps: int = 0


class Simulation:
    """A robot whose joints follow a path, on a fixed base.

    Each joint has a servo: from the path's acceleration and the errors of velocity and position follows the
    acceleration that it wants, from that, with inertia, gravity and Coriolis forces, its torque (computed torque:
    Siciliano et al., Robotics, 2009, section 8.5.2), which the limit of the joint cuts off. Joints that are coupled to
    others follow them. Rotors have inertia and gears friction (estimates, since no URDF gives them), which the servo
    does not know; there is no play, elasticity or delay, so a real robot follows worse than this one.

    Args:
        description: the robot.
        drawn: whether it has the meshes that are only for drawing.
        time: nanoseconds at the beginning.

    Attributes:
        robot: the model.
        data: MuJoCo's state of it.
        time: nanoseconds.
        touches: how links touched so far, by their names.
        steps: of the physics so far.
        saturated: in how many of them a torque was cut off.

    Raises:
        ConfigError: there is no such model, or it lacks what the description names.
    """

    def __init__(self, description: RobotDescription, *, drawn: bool = False, time: int = 0) -> None:
        self.robot = model.build(description, visual=drawn)
        self.time, self.steps, self.saturated = time, 0, 0
        self.touches: dict[tuple[str, str], Touch] = {}
        mj = self.robot.mj
        self.data = mujoco.MjData(mj)
        mj.opt.timestep = STEP * 1e-9
        mj.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        for of_model, share in ((mj.dof_armature, _ROTOR), (mj.dof_frictionloss, _FRICTION)):
            of_model[self.robot.dof] = np.maximum(of_model[self.robot.dof], share * self.robot.effort)
        mj.geom_solref[:], mj.geom_solimp[:] = _SOLREF, _SOLIMP
        mj.eq_solref[:] = _SOLREF
        mujoco.mj_setConst(mj, self.data)
        self.place(self.robot.rest)

    @property
    def positions(self) -> np.ndarray:
        """(n,) rad, of the joints to move."""
        return self.data.qpos[self.robot.qpos]

    @property
    def velocities(self) -> np.ndarray:
        """(n,) rad/s."""
        return self.data.qvel[self.robot.dof]

    @property
    def torques(self) -> np.ndarray:
        """(n,) Nm, of the last step."""
        return self.data.qfrc_applied[self.robot.dof]

    def place(self, joints: np.ndarray) -> None:
        """Put the joints (n,) somewhere, at rest."""
        self.data.qpos[:], self.data.qvel[:] = self.robot.full(joints), 0.0
        self.data.qfrc_applied[:] = 0.0
        mujoco.mj_forward(self.robot.mj, self.data)

    def end(self, name: str) -> np.ndarray:
        """Where a part of ``RobotModel.ends`` is, (3,) metres in the base's frame."""
        return self.data.site_xpos[self.robot.ends[name]].copy()

    def advance(self, path: Callable[[int], State], until: int) -> None:
        """Step to the last multiple of ``STEP`` that is not after ``until``.

        Args:
            path: where the joints should be at a time, nanoseconds.
            until: nanoseconds.
        """
        while self.time + STEP <= until:
            mujoco.mj_step1(self.robot.mj, self.data)
            self._drive(path(self.time))
            mujoco.mj_step2(self.robot.mj, self.data)
            self.time += STEP
            self.steps += 1
            self._note_touches()

    def _drive(self, wanted: State) -> None:
        robot, data = self.robot, self.data
        acceleration = wanted.accelerations + 2 * _BANDWIDTH * (wanted.velocities - self.velocities)
        acceleration += _BANDWIDTH**2 * (wanted.positions - self.positions)
        force = np.zeros(robot.mj.nv)
        mujoco.mj_mulM(robot.mj, data, force, robot.spread @ acceleration)
        torque = robot.spread.T @ (force + data.qfrc_bias - data.qfrc_passive)
        data.qfrc_applied[robot.dof] = np.clip(torque, -robot.effort, robot.effort)
        self.saturated += bool(np.any(np.abs(torque) > robot.effort))

    def _note_touches(self) -> None:
        contacts = self.data.contact
        if not len(contacts):
            return
        mj = self.robot.mj
        for (a, b), distance in zip(mj.geom_bodyid[contacts.geom].tolist(), contacts.dist.tolist(), strict=True):
            if distance < 0:
                first, second = sorted((mj.body(a).name, mj.body(b).name))
                touch = self.touches.setdefault((first, second), Touch())
                touch.depth = max(touch.depth, -distance)
                touch.steps += -distance > DEEP
