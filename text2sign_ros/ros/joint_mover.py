"""JointMover: while `retarget` is active, chunks and joint states in, trajectories of the joints out."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration as DurationMessage
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from text2sign_ros.retarget.joint_path import PacingError
from text2sign_ros.retarget.joint_states import JointStates
from text2sign_ros.retarget.pacing import Command
from text2sign_ros.retarget.stream import JointStream
from text2sign_ros.ros import qos
from text2sign_ros.ros.input import TrajectoryInput
from text2sign_ros.wire.diagnosis import Assessment, is_recent
from text2sign_ros.wire.retarget_health import Health, assess

SILENCE = 0.5
"""Seconds without joint states after which the robot is brought to rest."""
_STILL = 0.3  # rad/s: a slower joint stands; sensors are noisy
_OLD = 0.5  # seconds: older joint states do not tell where the robot is
_STANDING = 0.2  # seconds for which the robot must have stood
_SAME = np.radians(3.0)  # rad between where joints were sent and where they are, that gravity and friction explain
_BLINK = 0.05  # seconds at most that one turn of the timer counts for silence: when we were frozen, messages wait
_FROZEN = 0.1  # seconds: a turn of the timer that comes so late is left out
_WARNING_PERIOD = 5.0  # seconds between warnings of one kind


class JointMover:
    """Moves a robot as the signer moves, from its creation until ``close``.

    A timer asks the listener what motion is to come, and ``JointStream`` what to command; every few points a trajectory
    goes out that holds all that is known from now on, to a standstill. So when this ends or hangs, the robot comes to
    rest by itself. Nothing is sent before the robot's pose is known.

    Callbacks run in the thread that spins the node; ``retire`` and ``close`` may be called from another one.

    Args:
        node: provides clock, logger and topics.
        stream: of the robot.
        joints: their names.
        period: ns between two points.
        every: points after which a trajectory is sent.
        trajectories, lags: where these go.

    Attributes:
        rested: set when, after ``retire``, the robot has come to rest and nothing is sent any more.

    Raises:
        QosError: a QoS override is invalid.
    """

    def __init__(
        self,
        node: Node,
        stream: JointStream,
        joints: Sequence[str],
        *,
        period: int,
        every: int,
        trajectories: Publisher,
        lags: Publisher,
    ) -> None:
        self._node, self._stream, self._joints = node, stream, tuple(joints)
        self._period, self._every = period, every
        self._trajectories, self._lags = trajectories, lags
        stream.forget()
        self._states = JointStates(joints)
        self._turned, self._frozen = time.monotonic(), False
        self._moves = self._unfit = ""
        self._off = 0.0  # seconds by which joint states were older than now when the robot was to begin
        self._quiet_from = 0  # time from which what was sent has come to rest, ns
        self._turns = self._sent = 0
        self._streaming = False  # whether the last trajectory that was due was sent
        self._seen_refused = stream.refused
        self._jumped_at = self._refused_at = -float("inf")
        self._lock, self._closed, self._retiring = threading.Lock(), False, False
        self.rested = threading.Event()
        self._input = TrajectoryInput(node, doing="signing", diagnose=False)
        self._topic = qos.subscription(node, JointState, "joint_states", self._on_state, qos.STATES)
        # On a steady clock: the robot is to stop when joint states stop, whatever the ROS clock does.
        self._timer = node.create_timer(period * 1e-9, self._turn, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def follows(self) -> str:
        """Name of the topic of chunks."""
        return self._input.topic

    def retire(self) -> None:
        """Receive no more chunks, return to rest with the figure, or where joint states have stopped just stop."""
        self._retiring = True
        self._input.close()

    def close(self) -> None:
        """Send nothing more."""
        with self._lock:
            self._closed = True
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._topic)
        if not self._retiring:
            self._input.close()

    def _on_state(self, message: JointState) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self._states.receive(message.name, message.position, message.velocity, time.monotonic(), stamp)

    def _turn(self) -> None:
        with self._lock:
            if not self._closed:
                self._advance()

    def _advance(self) -> None:
        turned, self._turned = self._turned, time.monotonic()
        self._frozen = not self._frozen and self._turned - turned > _FROZEN
        if self._frozen:
            return  # what came meanwhile, the time among it, is heard first
        now, _ = self._input.sample()
        stream, states = self._stream, self._states
        if self._retiring and not stream.started:
            self.rested.set()
        if now == 0:
            return
        states.wait(min(self._turned - turned, _BLINK))
        if self._retiring:
            self._input.playback.leave(now)
        if stream.has_lost(now):
            self._jumped_at, self._quiet_from = self._turned, 0
            self._node.get_logger().warning("the clock jumped; the robot begins anew from where it stands")
            stream.forget()
            states.forget()
        elif states.complete and states.silence > SILENCE:
            if stream.started and not stream.stopped:
                why = f" that are usable ({states.problem})" if states.problem else ""
                self._node.get_logger().warning(f"no joint states{why} for {SILENCE} s: the robot is brought to rest")
                stream.stop()
        elif (
            states.complete
            and not self._retiring
            and (not stream.started or (stream.stopped and stream.standing))
            and now >= self._quiet_from
        ):
            self._begin(now)
        stream.advance(self._input.playback, now)
        if stream.refused > self._seen_refused:
            self._seen_refused, self._refused_at = stream.refused, self._turned
            self._node.get_logger().warning(
                f"a frame was refused: {stream.refusal}", throttle_duration_sec=_WARNING_PERIOD
            )
        self._turns += 1
        if self._turns % self._every == 0 or not self._streaming:
            commands = stream.trajectory()
            self._streaming = commands is not None
            if commands is not None:
                self._publish(commands)
        if self._retiring and stream.standing and now >= self._quiet_from:
            figure_rests = self._input.playback.at_rest(now)
            if figure_rests or stream.stopped or not stream.started:
                self.rested.set()

    def _begin(self, now: int) -> None:
        """Start at the robot's pose, if it stands."""
        measured = self._states.stamp
        self._off = 0.0 if measured is None else (now - measured) * 1e-9
        if abs(self._off) > _OLD or (measured is not None and measured < self._quiet_from):
            return  # it moved after that
        joint, speed = self._states.fastest
        last, stood = self._states.latest
        self._moves = joint if speed > _STILL else last if stood < _STANDING else ""
        if self._moves:
            return
        joints, goal = self._states.positions, self._stream.pose
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
        # Where the joints stand at first is left to the controller, which holds them a little elsewhere than they are:
        # it leads from there into the last of these points instead of leaping to the first.
        moving = (i for i, c in enumerate(commands) if c.velocities.any() or c.accelerations.any())
        commands = commands[max(next(moving, len(commands)) - 1, 0) :]
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
        self._trajectories.publish(message)
        self._lags.publish(Float64(data=self._stream.lag))
        self._sent += 1
        self._quiet_from = commands[-1].time

    def assess(self) -> Assessment:
        """Whether the robot signs, and if not why; in the thread that spins the node."""
        concern = None
        if self._input.time:
            states = self._states
            concern = assess(
                Health(
                    self._topic.topic_name,
                    self._trajectories.topic_name,
                    came=states.came,
                    unusable=states.problem if states.silence > SILENCE else "",
                    lacking=states.lacking,
                    silent=states.complete and states.silence > SILENCE,
                    off=self._off if abs(self._off) > _OLD else 0.0,
                    moves=self._moves,
                    unfit=self._unfit,
                    jumped=is_recent(self._jumped_at),
                    refusal=self._stream.refusal if is_recent(self._refused_at) else "",
                    subscribers=self._trajectories.get_subscription_count(),
                )
            )
        return concern or self._input.assess()

    def values(self) -> dict[str, str]:
        """Diagnostic values by name, formatted for people."""
        stream, states = self._stream, self._states
        return {
            **self._input.values(),
            "seconds since the last joint states": f"{states.silence:.2f}" if states.complete else "-",
            "frames solved": str(stream.solved),
            "frames refused": str(stream.refused),
            "last refusal of a frame": stream.refusal or "-",
            "trajectories sent": str(self._sent),
            "joints": "unknown" if not stream.started else "standing" if stream.standing else "moving",
            "lag (s)": f"{stream.lag:.3f}",
        }
