"""The node `simulated_robot`: trajectories of joints in, the states of the joints of a robot in physics out."""

from __future__ import annotations

import sys
import time
from array import array
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration as DurationMessage
from builtin_interfaces.msg import Time as TimeMessage
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from text2sign_ros.retarget import description
from text2sign_ros.retarget.follower import Command, Point, TrajectoryFollower, TrajectoryRefused
from text2sign_ros.retarget.recording import JointLog
from text2sign_ros.retarget.simulation import DEEP, Simulation, Touch
from text2sign_ros.ros import diagnostics, parameters, process, qos
from text2sign_ros.ros.overrides import warn_of_unknown_qos
from text2sign_ros.settings import ConfigError
from text2sign_ros.wire.diagnosis import is_recent
from text2sign_ros.wire.robot_health import Health, assess

_BEGIN = 10**9  # nanoseconds that a clock of our own shows first: 0 would mean that it has not started
_JUMP = 5 * 10**9  # nanoseconds: a clock that is farther ahead has jumped, another is caught up with
_CATCH_UP = 50_000_000  # nanoseconds in one go, so that messages that have waited as long are heard in between
_STALE = 150_000_000  # nanoseconds: a stream of trajectories brings one in each
_LEAP = 0.01  # rad: a smaller one is not worth a warning
_PERIOD = 1.0  # seconds between diagnostics
_WARNING_PERIOD = 5.0  # seconds between warnings of one kind
_MOST_ROWS = 720_000  # of a recording: two hours at 100 Hz, 0.5 GB


class SimulatedRobotNode(Node):
    """Follows the trajectories on the controller's topic as joint_trajectory_controller does; tells the joint states.

    One thread: the executor's. ``TrajectoryFollower`` says where the joints should be, ``Simulation`` moves them there
    in steps of 2 ms, on the ROS clock, or on a clock of its own that it publishes.
    """

    def __init__(self, **options: Any) -> None:
        """Load the robot, open the topics and start.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
            ConfigError: the robot's description, or its model, is not usable.
            QosError: a QoS override is invalid.
        """
        super().__init__("simulated_robot", **options)
        self.add_on_set_parameters_callback(partial(parameters.check, parameters.SIMULATED_ROBOT, unconfigured=True))
        values = parameters.declare(self, parameters.SIMULATED_ROBOT)
        self._owns_clock = values["clock"]
        if self._owns_clock and self.get_parameter("use_sim_time").value:
            raise ConfigError("clock and use_sim_time are both true: the node would wait for its own time; unset one")
        robot = description.load(values["robot"])
        self._simulation = Simulation(robot, time=_BEGIN if self._owns_clock else 0)
        self._shown = self._simulation.time  # what a clock of its own should show
        self._patience = values["clock_patience"] if self._owns_clock else 0.0
        self._stamp, self._waited_from = 0, time.monotonic()  # of the last trajectory; since when it is missed
        self._joints = self._simulation.robot.joints
        self._follower_options = {
            "partial": values["allow_partial_joints_goal"],
            "moving_end": values["allow_nonzero_velocity_at_trajectory_end"],
            "replacement": values["allow_trajectory_replacement"],
        }
        self._follower = self._holding(self._simulation.robot.rest)
        self._folder = Path(values["record"]).resolve() if values["record"] else None
        self._log = JointLog(self._joints)
        self._followed = self._refused = 0
        self._events: dict[str, tuple[Any, float]] = {}  # what happened last, and when by a monotonic clock
        self._counted: dict[tuple[str, str], int] = {}  # steps of each touch as of the last diagnostics
        self._since = (self._simulation.time, time.monotonic())
        self._squares, self._rows, self._farthest = 0.0, 0, np.zeros(len(self._joints))

        topic = values["topic"] or robot.controller
        # Raw: rclpy drops a garbled message without a word.
        self._input = qos.subscription(self, JointTrajectory, topic, self._on_message, qos.TRAJECTORY, raw=True)
        self._states = qos.publisher(self, JointState, "joint_states", qos.STATES)
        self._time = qos.publisher(self, ClockMessage, "/clock", qos.CLOCK) if self._owns_clock else None
        self._diagnostics = qos.publisher(self, DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        warn_of_unknown_qos(self)
        self._message = JointState(name=list(self._joints))
        self._period = round(1e9 / values["rate"])
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # the ROS clock may be stopped, or wait for this node
        pause = self._period * 1e-9 / (values["clock_speed"] if self._owns_clock else 1.0)
        self.create_timer(pause, self._tick, clock=steady)
        self.create_timer(_PERIOD, self._diagnose, clock=steady)
        self.get_logger().info(
            f"ready: {robot.name}, {len(self._joints)} joints, follows {self._input.topic_name} and publishes "
            f"{self._states.topic_name} at {values['rate']:g} Hz"
        )

    def finish(self) -> None:
        """Write the recording, if there is one."""
        if self._folder is None:
            return
        path, recording = self._folder / "joints.npz", self._log.recording()
        try:
            recording.save(path)
        except OSError as error:
            self.get_logger().error(f"the recording can't be written: {error}")
            return
        said = ""
        if tracking := recording.tracking():
            joint, worst = tracking.worst
            said = f"; {tracking.rms:.2f}° rms off ({joint}: {worst:.2f}°), {tracking.lag * 1e3:.0f} ms late"
        self.get_logger().info(f"wrote {path}: {len(self._log)} rows{said}")

    def _holding(self, positions: np.ndarray) -> TrajectoryFollower:
        return TrajectoryFollower(self._joints, positions, **self._follower_options)

    def _tick(self) -> None:
        """Catch up with the clock, and tell where the joints are."""
        simulation = self._simulation
        if self._waits():
            self._states.publish(self._message)  # it lives
            return
        if self._owns_clock:
            until = self._shown = self._shown + self._period
        else:
            now = self.get_clock().now().nanoseconds
            if not simulation.time:
                simulation.time = now
            behind = now - simulation.time
            if not -self._period <= behind <= _JUMP:
                self._jump(now)
                behind = 0
            until = simulation.time + min(behind, _CATCH_UP)
        steps = simulation.steps
        simulation.advance(self._follower.sample, until)
        if simulation.steps > steps:
            self._tell()

    def _waits(self) -> bool:
        """Whether a clock of its own stands still until a trajectory comes that is late."""
        at, now = self._simulation.time, time.monotonic()
        if at - self._stamp <= _STALE or self._follower.stands(at):
            self._waited_from = now
            return False
        return now - self._waited_from < self._patience

    def _jump(self, now: int) -> None:
        """Hold: what is known of the path belongs to another time."""
        seconds = (now - self._simulation.time) * 1e-9
        self._happened("jump", seconds)
        self.get_logger().warning(f"the clock jumped by {seconds:+.1f} s; the robot holds until a new trajectory comes")
        self._follower = self._holding(self._follower.sample(self._simulation.time).positions)
        self._simulation.time = now

    def _tell(self) -> None:
        simulation, message = self._simulation, self._message
        seconds, nanoseconds = divmod(simulation.time, 10**9)
        positions = simulation.positions
        message.header.stamp.sec, message.header.stamp.nanosec = seconds, nanoseconds
        message.position = array("d", positions.tobytes())
        message.velocity = array("d", simulation.velocities.tobytes())
        message.effort = array("d", simulation.torques.tobytes())
        if self._time is not None:
            self._time.publish(ClockMessage(clock=message.header.stamp))
        self._states.publish(message)
        wanted = self._follower.sample(simulation.time).positions
        off = np.abs(positions - wanted)
        self._squares, self._rows = self._squares + float(np.square(off).mean()), self._rows + 1
        self._farthest = np.maximum(self._farthest, off)
        if self._folder is not None:
            if len(self._log) < _MOST_ROWS:
                self._log.add(simulation.time, positions, wanted)
            else:
                self.get_logger().warning("the recording is full; it ends here", once=True)

    def _on_message(self, data: bytes) -> None:
        try:
            command, now = _command(data), self._started()
            leap = self._follower.accept(command, now)
        except TrajectoryRefused as error:
            self._refused += 1
            self._happened("refusal", str(error))
            self.get_logger().warning(f"not followed: {error}", throttle_duration_sec=_WARNING_PERIOD)
            return
        self._followed, self._stamp = self._followed + 1, command.stamp or now
        if leap > _LEAP:
            self._happened("leap", leap)
            self.get_logger().warning(
                f"a trajectory began with a leap of {leap:.2g} rad", throttle_duration_sec=_WARNING_PERIOD
            )

    def _started(self) -> int:
        if not self._simulation.time:
            raise TrajectoryRefused("the clock has not started; publish /clock, or unset use_sim_time")
        return self._simulation.time

    def _happened(self, what: str, value: object) -> None:
        self._events[what] = (value, time.monotonic())

    def _recent(self, what: str, otherwise: Any) -> Any:
        value, at = self._events.get(what, (otherwise, -float("inf")))
        return value if is_recent(at) else otherwise

    def _diagnose(self) -> None:
        simulation = self._simulation
        publishers, ahead = self.count_publishers(self._input.topic_name), self._ahead()
        self._note_collisions()
        factor = self._factor()
        worst = int(self._farthest.argmax())
        off = (self._joints[worst], float(np.degrees(self._farthest[worst])))
        health = Health(
            topic=self._input.topic_name,
            started=simulation.time > 0,
            publishers=publishers,
            advanced=self._rows > 0,
            factor=factor,
            refusal=self._recent("refusal", ""),
            jumped=self._recent("jump", 0.0),
            leap=self._recent("leap", 0.0),
            deep=self._recent("collision", None),
            off=off,
            ahead=ahead,
        )
        deepest = max(simulation.touches.values(), key=lambda touch: touch.depth, default=Touch())
        rms = float(np.degrees(np.sqrt(self._squares / self._rows))) if self._rows else 0.0
        values = {
            "robot": simulation.robot.description.name,
            "trajectories followed": str(self._followed),
            "trajectories refused": str(self._refused),
            "last refusal": self._events.get("refusal", ("-",))[0],
            "motion ahead (s)": f"{ahead:.2f}",
            "error, rms (°)": f"{rms:.2f}",
            "largest error (°)": f"{off[1]:.2f}",
            "joint of the largest error": off[0],
            "seconds of simulation a second": f"{factor:.2f}",
            f"contacts deeper than {DEEP * 1e3:g} mm (steps)": str(sum(t.steps for t in simulation.touches.values())),
            "deepest contact (mm)": f"{deepest.depth * 1e3:.2f}",
            "steps with a torque at its limit": str(simulation.saturated),
            "publishers of the trajectory": str(publishers),
        }
        self._squares, self._rows, self._farthest = 0.0, 0, np.zeros(len(self._joints))
        name = f"{self.get_fully_qualified_name().lstrip('/')}: following"
        self._diagnostics.publish(diagnostics.array(name, simulation.time, assess(health), values))

    def _ahead(self) -> float:
        """Seconds of motion that are still to come."""
        return max(0.0, (self._follower.end - self._simulation.time) * 1e-9)

    def _factor(self) -> float:
        """Seconds of simulation in a second, since the last call; 1 when it has caught up with the ROS clock."""
        (simulated, real), now = self._since, (self._simulation.time, time.monotonic())
        self._since = now
        if not self._owns_clock and self.get_clock().now().nanoseconds - now[0] <= _CATCH_UP:
            return 1.0
        return (now[0] - simulated) * 1e-9 / max(now[1] - real, 1e-9)

    def _note_collisions(self) -> None:
        """Whether there have been contacts that are too deep since the last call."""
        touches = self._simulation.touches
        fresh = [pair for pair, touch in touches.items() if touch.steps > self._counted.get(pair, 0)]
        if fresh:
            pair = max(fresh, key=lambda pair: touches[pair].depth)
            self._happened("collision", (*pair, touches[pair].depth))
        self._counted = {pair: touch.steps for pair, touch in touches.items()}


def _command(data: bytes) -> Command:
    """A message as the follower takes it; an effort is refused, as by a controller of positions."""
    try:
        message = deserialize_message(data, JointTrajectory)
    except (RuntimeError, ValueError) as error:  # the middleware's; the latter where a name is no UTF-8
        raise TrajectoryRefused(f"the message can't be read as a JointTrajectory: {error}") from error
    if any(point.effort for point in message.points):
        raise TrajectoryRefused("the trajectory has efforts, and the robot is driven by positions; leave them out")
    points = [
        Point(_nanoseconds(point.time_from_start), point.positions, point.velocities, point.accelerations)
        for point in message.points
    ]
    return Command(message.joint_names, points, _nanoseconds(message.header.stamp))


def _nanoseconds(value: TimeMessage | DurationMessage) -> int:
    return value.sec * 10**9 + value.nanosec


def _make(stack: ExitStack) -> SimulatedRobotNode:
    node = SimulatedRobotNode()
    stack.callback(node.destroy_node)
    stack.callback(node.finish)
    return node


def main() -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    return process.run("simulated_robot", _make, about=__doc__, settings=parameters.SIMULATED_ROBOT)


if __name__ == "__main__":
    sys.exit(main())
