"""The node `viewer`: a web page with an avatar that moves as the signer's motion, and a field for texts."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from text2sign_ros.errors import Text2SignError
from text2sign_ros.extras import remedy
from text2sign_ros.ros import parameters, process, qos
from text2sign_ros.ros.client import SignerClient
from text2sign_ros.ros.input import TrajectoryInput
from text2sign_ros.ros.overrides import warn_of_unknown_qos
from text2sign_ros.wire.bucket import TokenBucket
from text2sign_ros.wire.captions import Captions, CaptionsError

_BURST = 3  # texts that may come at once
_KEPT = 20  # texts whose captions are kept
_ANSWER = 3.0  # seconds that someone at the page waits for the signer's answer


class ViewerError(Text2SignError):
    """The page can't be served."""


class ViewerNode(Node):
    """Shows ``signer/trajectory`` on a page, on its stamps; texts that are typed there go to ``signer/text``.

    The executor's thread follows the motion and hands frames to the page, which draws them in a thread of its own. The
    page's server has others, which call ``_on_text`` and
    ``_on_button`` and touch nothing else of the node than the client, which is thread-safe.
    """

    def __init__(self, **options: Any) -> None:
        """Open the topics and serve the page.

        Raises:
            rclpy.exceptions.ParameterException: a parameter's type or value is not allowed.
            ViewerError: viser, or what a robot needs, is not installed.
            PageError: the port is taken.
            ConfigError: the robot's description, or its model, is not usable.
            QosError: a QoS override is invalid.
        """
        super().__init__("viewer", **options)
        self.add_on_set_parameters_callback(partial(parameters.check, parameters.VIEWER, unconfigured=True))
        values = parameters.declare(self, parameters.VIEWER)
        self._most, self._rate, self._bucket = values["max_characters"], values["max_rate"], TokenBucket(_BURST)
        self._captions: dict[str, Captions] = {}
        self._client = SignerClient("signer", node=self, motion=False)
        self._input = TrajectoryInput(self, doing="showing", values=self._values)
        qos.subscription(self, String, "signer/captions", self._on_captions, qos.CAPTIONS)
        host = values["host"]
        try:
            from text2sign_ros.viewer.page import Page, is_loopback

            robot = None
            if values["robot"]:
                from text2sign_ros.retarget import description

                robot = description.load(values["robot"])
            self._page = Page(host, values["port"], self._on_text, self._on_button, robot)
        except ModuleNotFoundError as error:
            advice = remedy(error, "viewer")
            if advice is None:
                raise
            raise ViewerError(f"the page needs {error.name}, which is not installed: {advice}") from error
        if robot is not None:
            from text2sign_ros.retarget.joint_states import JointStates

            self._states = JointStates(self._page.joints)
            qos.subscription(self, JointState, "joint_states", self._on_state, qos.STATES)
        warn_of_unknown_qos(self)
        # On a steady clock: when the ROS clock stops, the page still says so.
        self.create_timer(1.0 / values["rate"], self._show, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.create_timer(0.1, self._say, clock=Clock(clock_type=ClockType.STEADY_TIME))
        if not is_loopback(host):
            self.get_logger().warning(
                f"the page is bound to {host}: everyone who reaches this machine can have texts signed, and cancel "
                "those of others; there is no password and no encryption"
            )
        self.get_logger().info(f"ready: shows {self._input.topic} at http://{host}:{self._page.port}")

    def close(self) -> None:
        """Serve no longer."""
        self._page.close()
        self._client.close()

    def _show(self) -> None:
        _, moment = self._input.sample()
        self._page.show(moment.positions)

    def _say(self) -> None:
        latest = self._client.diagnostics
        if not self._client.present:
            status = "no signer is there"
        elif latest is None:
            status = "waiting for the signer"
        else:
            first = latest.values.get("first chunk ready, last (ms)", "-")
            status = f"{latest.message}; the last text's first chunk was ready after {first} ms"
        self._page.say(self._caption(self._input.time), status)

    def _caption(self, now: int) -> str:
        for captions in reversed(self._captions.values()):
            for part in captions.parts:
                if part.text and part.start_stamp <= now and (part.end_stamp is None or now < part.end_stamp):
                    return part.text
        return ""

    def _on_captions(self, message: String) -> None:
        try:
            captions = Captions.parse(message.data)
        except CaptionsError:
            return  # not from a signer: anyone may publish on the topic
        self._captions[captions.id.hex] = captions
        if captions.outcome is not None:
            del self._captions[captions.id.hex]
        while len(self._captions) > _KEPT:
            del self._captions[next(iter(self._captions))]

    def _on_state(self, message: JointState) -> None:
        self._states.receive(message.name, message.position, message.velocity, time.monotonic())
        if self._states.complete:
            self._page.show_robot(self._states.positions.copy())

    def _on_text(self, text: str) -> str:
        text = text.strip()
        if not text:
            return "type a text first"
        if len(text) > self._most:
            return f"the text has {len(text)} characters; {self._most} are allowed"
        if not self._bucket.take(self._rate):
            return "texts come too fast; wait a moment"
        try:
            self._client.submit(text, timeout=_ANSWER)
        except Text2SignError as error:
            return str(error)
        return "sent"

    def _on_button(self, name: str) -> str:
        if name not in ("cancel", "pause", "resume"):
            return f"there is no {name!r}"
        try:
            return getattr(self._client, name)(timeout=_ANSWER)
        except Text2SignError as error:
            return str(error)

    def _values(self) -> dict[str, str]:
        return {"browsers": str(self._page.viewers)}


def _make(stack: ExitStack) -> ViewerNode:
    node = ViewerNode()
    stack.callback(node.destroy_node)
    stack.callback(node.close)
    return node


def main() -> int:
    """Run the node until SIGINT or SIGTERM (exit code 0); 1 when it can't start."""
    return process.run("viewer", _make, about=__doc__, settings=parameters.VIEWER)


if __name__ == "__main__":
    sys.exit(main())
