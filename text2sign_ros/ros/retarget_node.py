"""The node `retarget`: chunks of motion in, trajectories of a robot's joints out, within their limits."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from std_msgs.msg import Float64, String
from trajectory_msgs.msg import JointTrajectory

from text2sign_ros.retarget import description
from text2sign_ros.retarget.model import RobotModel, build
from text2sign_ros.retarget.stream import JointStream
from text2sign_ros.ros import diagnostics, parameters, process, qos, signals
from text2sign_ros.ros.executor import SideExecutor, SideGroup
from text2sign_ros.ros.joint_mover import JointMover
from text2sign_ros.ros.lifecycle import ManagedNode
from text2sign_ros.ros.overrides import warn_of_unknown_qos
from text2sign_ros.settings import ConfigError
from text2sign_ros.wire.diagnosis import Assessment, Level, lifecycle
from text2sign_ros.wire.retarget_health import ModelHealth, assess_model, with_bare
from text2sign_ros.wire.sender import CLOCK_STOPPED_AFTER, POLL

_PATIENCE = 30 * 10**9  # nanoseconds that the robot may take to come to rest when the node is deactivated
_PERIOD, _LOOK = 1.0, 0.1  # seconds between diagnostics, and between looks whether they have changed


class RetargetNode(ManagedNode):
    """Turns ``signer/trajectory`` into trajectories for a joint_trajectory_controller, while it is active.

    Transitions, each of which creates what the opposite one destroys:
        - configure reads the robot's description and builds its model, or waits for it on a topic, where the
          description names one: then the model is built when it comes, and until then nothing is commanded. If that
          fails the node stays unconfigured.
        - activate opens the topics of chunks and joint states, and moves the robot, from the pose in which it stands
          (``JointMover``); deactivate receives no more chunks, and returns when the robot has come to rest with the
          figure, or has stopped.
        - cleanup and shutdown release everything, shutdown after coming to rest.

    Threads. Transitions and the model's topic have one callback group, in which nothing else runs; chunks, joint states
    and diagnostics go on meanwhile in the executor's thread: spin the node with a ``SideExecutor``.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters and start publishing ``/diagnostics``.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
        """
        self._group = SideGroup()
        self._mover: JointMover | None = None
        self._stream: JointStream | None = None
        self._urdf = ""  # from a topic
        self._model = ModelHealth()
        self._name = ""
        super().__init__("retarget", self._group, **options)
        self.add_on_set_parameters_callback(self._check)
        parameters.declare(self, parameters.RETARGET)
        self._diagnostics = qos.publisher(self, DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        self._said: tuple[Assessment | None, float] = (None, -float("inf"))  # last, and when
        self._busy = (time.monotonic(), time.process_time())
        # On a steady clock: the ROS clock may be stopped.
        self.create_timer(_LOOK, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def stop(self) -> None:
        """Send nothing more; the robot comes to rest by what it has been sent."""
        self.release()

    # Transitions

    def configure(self) -> ExitStack:
        """Read the description and build the model, or wait for it; create the topics that lead to the robot."""
        with ExitStack() as stack:
            self._robot = description.load(self._value("robot"))
            self._name = self._robot.name
            stack.callback(self._forget)
            signals.check()
            topic = self._value("topic") or self._robot.controller
            self._trajectories = qos.publisher(self, JointTrajectory, topic, qos.TRAJECTORY)
            stack.callback(self.destroy_publisher, self._trajectories)
            self._lags = qos.publisher(self, Float64, "~/lag", qos.STATES)
            stack.callback(self.destroy_publisher, self._lags)
            if source := self._robot.source.topic:
                models = qos.subscription(self, String, source, self._on_urdf, qos.LATEST, callback_group=self._group)
                stack.callback(self.destroy_subscription, models)
                self._model = ModelHealth(topic=models.topic_name, came=False)
            else:
                self._load(build(self._robot))
            signals.check()
            return stack.pop_all()

    def activate(self) -> ExitStack:
        """Begin to move the robot, or when its model has come."""
        with ExitStack() as stack:
            stack.callback(self._dismiss)
            if self._stream is not None:
                self._move()
            else:
                self.get_logger().info(f"waiting for the robot's model on {self._model.topic}")
            return stack.pop_all()

    def come_to_rest(self) -> None:
        """Return to rest with the figure, and wait until the robot stands."""
        mover = self._mover
        if mover is None:
            return
        mover.retire()
        begun = seen = self.get_clock().now().nanoseconds
        since = time.monotonic()
        while not mover.rested.wait(POLL) and self.context.ok() and not signals.requested():
            if (now := self.get_clock().now().nanoseconds) != seen:
                seen, since = now, time.monotonic()
            stopped = time.monotonic() - since > CLOCK_STOPPED_AFTER
            if stopped or not 0 <= now - begun <= _PATIENCE:
                why = "the clock is not advancing" if stopped else f"that took more than {_PATIENCE * 1e-9:g} s"
                self.get_logger().warning(f"the robot comes to rest by what it has been sent: {why}")
                return

    def entered(self) -> None:
        """``/diagnostics`` change by themselves."""

    def settled(self) -> None:
        """Log what the node waits for; ``activate`` has logged that it is ready."""
        if said := lifecycle(self.state):
            self.get_logger().info(said.message)

    # The robot

    def _load(self, model: RobotModel) -> None:
        """Take a model of the robot."""
        self._period = round(1e9 / self._value("rate"))
        horizon, delay = (round(self._value(name) * 1e9) for name in ("horizon", "delay"))
        self._stream = JointStream(model, period=self._period, horizon=horizon, delay=delay)
        self._model = ModelHealth(topic=self._model.topic, bare=model.bare)
        if model.bare:
            self.get_logger().warning(
                f"shapes are missing of {len(model.bare)} links, such as {model.bare[0]}: collisions of these are "
                "not avoided"
            )

    def _forget(self) -> None:
        self._stream, self._model, self._urdf, self._name = None, ModelHealth(), "", ""

    def _move(self) -> None:
        assert self._stream is not None
        self._mover = JointMover(
            self,
            self._stream,
            self._robot.controlled,
            period=self._period,
            every=self._value("every"),
            horizon=round(self._value("horizon") * 1e9),
            trajectories=self._trajectories,
            lags=self._lags,
        )
        warn_of_unknown_qos(self)
        self.get_logger().info(
            f"ready: {self._name}, {len(self._robot.controlled)} joints, follows {self._mover.follows} and publishes "
            f"{self._trajectories.topic_name}"
        )

    def _dismiss(self) -> None:
        mover, self._mover = self._mover, None
        if mover is not None:
            mover.close()

    def _on_urdf(self, message: String) -> None:
        if self.state not in ("inactive", "active"):
            return
        if self._stream is not None:
            if message.data != self._urdf:
                self._model = replace(self._model, replaced_at=time.monotonic())
                self.get_logger().warning(
                    f"another model has come on {self._model.topic}; clean the node up and configure it to take it",
                    throttle_duration_sec=5.0,
                )
            return
        try:
            self._load(build(self._robot, message.data))
        except ConfigError as error:
            self._model = ModelHealth(topic=self._model.topic, faulty=str(error))
            self.get_logger().error(f"the model on {self._model.topic} is not usable: {error}")
            return
        self._urdf = message.data
        if self.state == "active":
            self._move()

    # Parameters and diagnostics

    def _check(self, changed: list[Parameter]) -> SetParametersResult:
        return parameters.check(parameters.RETARGET, changed, unconfigured=self.state == "unconfigured")

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _look(self) -> None:
        said = self._assess()
        before, at = self._said
        if said != before or time.monotonic() - at >= _PERIOD:
            self._said = (said, time.monotonic())
            self._diagnose(said)

    def _assess(self) -> Assessment:
        mover = self._mover
        said = lifecycle(self.state, self.failure, f"building the model of {self._name or 'the robot'}")
        if said is not None:
            return said
        if (said := assess_model(self._model)) is not None:
            return said
        return (
            with_bare(mover.assess(), self._model) if mover is not None else Assessment(Level.WARN, "activating: wait")
        )

    def _diagnose(self, said: Assessment) -> None:
        (since, used), self._busy = self._busy, (time.monotonic(), time.process_time())
        values = {"state": self.state, "robot": self._name or "-"}
        if (mover := self._mover) is not None:
            values |= mover.values()
        values["part of a core"] = f"{(self._busy[1] - used) / max(self._busy[0] - since, 1e-9):.2f}"
        name = self.get_fully_qualified_name().lstrip("/")
        now = self.get_clock().now().nanoseconds
        self._diagnostics.publish(diagnostics.array(f"{name}: signing", now, said, values))


def _make(stack: ExitStack) -> RetargetNode:
    node = RetargetNode()
    stack.callback(node.destroy_node)
    stack.callback(node.stop)
    node.autostart()
    return node


def main() -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    return process.run("retarget", _make, SideExecutor, about=__doc__, settings=parameters.RETARGET)


if __name__ == "__main__":
    sys.exit(main())
