"""The node `retarget`: chunks of motion in, trajectories of a robot's joints out, within their limits."""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration as DurationMessage
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from text2sign_ros.retarget import description
from text2sign_ros.retarget.joint_path import PacingError
from text2sign_ros.retarget.model import build
from text2sign_ros.retarget.pacing import Command
from text2sign_ros.retarget.stream import JointStream
from text2sign_ros.ros import parameters, process, qos
from text2sign_ros.ros.input import TrajectoryInput
from text2sign_ros.ros.overrides import warn_of_unknown_qos
from text2sign_ros.wire.diagnosis import Assessment, is_recent
from text2sign_ros.wire.retarget_health import Health, assess

SILENCE = 0.5
"""Seconds without joint states after which the robot is brought to rest."""
_STILL = 0.3  # rad/s: a slower joint stands; sensors are noisy
_SAME = np.radians(3.0)  # rad between where joints were sent and where they are, that gravity and friction explain
_BLINK = 0.05  # seconds at most that one turn of the timer counts for silence: when we were frozen, messages wait


class RetargetNode(Node):
    """Turns ``signer/trajectory`` into trajectories for a joint_trajectory_controller.

    One thread: the executor's. A timer asks the listener what motion is to come, and ``JointStream`` what to command;
    every few points a trajectory goes out that holds all that is known from now on, to a standstill. So when this node
    ends or hangs, the robot comes to rest by itself. Nothing is sent before the robot's pose is known.
    """

    def __init__(self, **options: Any) -> None:
        """Load the robot, open the topics and start.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
            ConfigError: the robot's description, or its model, is not usable.
            QosError: a QoS override is invalid.
        """
        super().__init__("retarget", **options)
        self.add_on_set_parameters_callback(partial(parameters.check, parameters.RETARGET, unconfigured=True))
        values = parameters.declare(self, parameters.RETARGET)
        robot = description.load(values["robot"])
        self._robot, self._joints = robot.name, robot.controlled
        self._period, self._every = round(1e9 / values["rate"]), values["every"]
        self._stream = JointStream(
            build(robot),
            period=self._period,
            horizon=round(values["horizon"] * 1e9),
            delay=round(values["delay"] * 1e9),
        )
        self._columns: np.ndarray | None = None  # of the joints, in joint states
        self._names: Sequence[str] = ()  # for which the columns were found
        self._state: JointState | None = None  # the latest
        self._silence, self._turned = 0.0, time.monotonic()
        self._lacking: tuple[str, ...] = ()
        self._moves = self._unfit = ""
        self._quiet_from = 0  # time from which what was sent has come to rest, ns
        self._turns = self._sent = self._seen_refused = 0
        self._jumped_at = self._refused_at = -float("inf")
        self._busy = (time.monotonic(), time.process_time())

        self._input = TrajectoryInput(self, doing="signing", values=self._values, concern=self._concern)
        self._states = qos.subscription(self, JointState, "joint_states", self._on_state, qos.STATES)
        self._out = qos.publisher(self, JointTrajectory, values["topic"] or robot.controller, qos.TRAJECTORY)
        self._lag = qos.publisher(self, Float64, "~/lag", qos.STATES)
        warn_of_unknown_qos(self)
        # On a steady clock: the robot is to stop when joint states stop, whatever the ROS clock does.
        self.create_timer(self._period * 1e-9, self._turn, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(
            f"ready: {robot.name}, {len(self._joints)} joints, follows {self._input.topic} and publishes "
            f"{self._out.topic_name}"
        )

    def _on_state(self, message: JointState) -> None:
        if message.name != self._names:
            places = {name: place for place, name in enumerate(message.name)}
            self._names = list(message.name)
            self._lacking = tuple(name for name in self._joints if name not in places)
            self._columns = None if self._lacking else np.array([places[name] for name in self._joints])
        if self._columns is None or len(message.position) != len(self._names):
            return
        self._state, self._silence = message, 0.0

    def _turn(self) -> None:
        now, _ = self._input.sample()
        turned, self._turned = self._turned, time.monotonic()
        if now == 0:
            return
        self._silence += min(self._turned - turned, _BLINK)
        stream = self._stream
        if stream.has_lost(now):
            self._jumped_at, self._quiet_from = self._turned, 0
            self.get_logger().warning("the clock jumped; the robot begins anew from where it stands")
            stream.forget()
        elif self._state is not None and self._silence > SILENCE:
            if stream.started and not stream.stopped:
                self.get_logger().warning(f"no joint states for {SILENCE} s: the robot is brought to rest")
                stream.stop()
        elif self._state is not None and (not stream.started or (stream.stopped and stream.standing)):
            self._begin(now)
        stream.advance(self._input.playback, now)
        if stream.refused > self._seen_refused:
            self._seen_refused, self._refused_at = stream.refused, self._turned
            self.get_logger().warning(f"a frame was refused: {stream.refusal}", throttle_duration_sec=5.0)
        self._turns += 1
        if self._turns % self._every == 0 and (commands := stream.trajectory()):
            self._publish(commands)

    def _begin(self, now: int) -> None:
        """Start at the robot's pose, if it stands and has done what it was told before."""
        state = self._state
        assert state is not None and self._columns is not None
        if now < self._quiet_from:
            return
        joints = np.array(state.position)[self._columns]
        if len(state.velocity) == len(self._names):
            speeds = np.abs(np.array(state.velocity)[self._columns])
            worst = int(speeds.argmax())
            self._moves = self._joints[worst] if speeds[worst] > _STILL else ""
            if self._moves:
                return
        goal = self._stream.pose
        if goal is not None and np.abs(goal - joints).max() < _SAME:
            joints = goal  # what the controller holds; from the sagging pose it would be a small leap
        try:
            self._stream.start(now, joints)
            self._unfit = ""
        except PacingError as error:
            self._unfit = str(error)

    def _publish(self, commands: Sequence[Command]) -> None:
        message = JointTrajectory(joint_names=list(self._joints))
        begin = commands[0].time - self._period
        message.header.stamp = Time(nanoseconds=begin).to_msg()
        points = []
        for command in commands:
            point = JointTrajectoryPoint()
            point.positions = array("d", command.positions.tobytes())
            point.velocities = array("d", command.velocities.tobytes())
            point.accelerations = array("d", command.accelerations.tobytes())
            sec, nanosec = divmod(command.time - begin, 10**9)
            point.time_from_start = DurationMessage(sec=sec, nanosec=nanosec)
            points.append(point)
        for values in (points[-1].velocities, points[-1].accelerations):
            values[:] = array("d", bytes(8 * len(values)))  # a controller wants exactly 0 at the end
        message.points = points
        self._out.publish(message)
        self._lag.publish(Float64(data=self._stream.lag))
        self._sent += 1
        self._quiet_from = commands[-1].time

    def _concern(self) -> Assessment | None:
        if not self._input.time:
            return None
        return assess(
            Health(
                self._states.topic_name,
                self._out.topic_name,
                came=bool(self._names),
                lacking=self._lacking,
                silent=self._silence > SILENCE,
                moves=self._moves,
                unfit=self._unfit,
                jumped=is_recent(self._jumped_at),
                refusal=self._stream.refusal if is_recent(self._refused_at) else "",
                subscribers=self._out.get_subscription_count(),
            )
        )

    def _values(self) -> dict[str, str]:
        (since, used), self._busy = self._busy, (time.monotonic(), time.process_time())
        stream = self._stream
        return {
            "robot": self._robot,
            "seconds since the last joint states": f"{self._silence:.2f}" if self._state is not None else "-",
            "frames solved": str(stream.solved),
            "frames refused": str(stream.refused),
            "last refusal of a frame": stream.refusal or "-",
            "trajectories sent": str(self._sent),
            "joints": "unknown" if not stream.started else "standing" if stream.standing else "moving",
            "lag (s)": f"{stream.lag:.3f}",
            "part of a core": f"{(self._busy[1] - used) / max(self._busy[0] - since, 1e-9):.2f}",
        }


def _make(stack: ExitStack) -> RetargetNode:
    node = RetargetNode()
    stack.callback(node.destroy_node)
    return node


def main() -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    return process.run("retarget", _make, about=__doc__, settings=parameters.RETARGET)


if __name__ == "__main__":
    sys.exit(main())
