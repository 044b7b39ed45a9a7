"""A companion node with a client of the signer, for tests that ask and watch more than one goal."""

from __future__ import annotations

from collections import deque
from typing import Any

from conftest import Companion
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger
from trajectory_msgs.msg import MultiDOFJointTrajectory

from text2sign_ros.ros.client import RefusedError, SignerClient
from text2sign_ros.wire.tracker import Status

ACCEPTED, EXECUTING = Status.ACCEPTED, Status.EXECUTING
SUCCEEDED, CANCELED, ABORTED = Status.SUCCEEDED, Status.CANCELED, Status.ABORTED


class Observer(Companion):
    """Has a ``client`` of the signer ``name``, and ``said``, all diagnostics; it receives the motion and ignores it.

    Without ``motion`` it does not, and then nobody may see what is signed.
    """

    def __init__(self, own_name: str, name: str = "/signer", *, motion: bool = True) -> None:
        super().__init__(own_name)
        self._name = name
        self.said: deque[str] = deque(maxlen=1000)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        if motion:
            topic, depth = f"{name}/trajectory", QoSProfile(depth=1000)
            self.node.create_subscription(MultiDOFJointTrajectory, topic, lambda _: None, depth, raw=True)
        self.client = self.held.enter_context(SignerClient(name, node=self.node, motion=False))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.said += [s.message for s in message.status if s.name == f"{self._name.lstrip('/')}: signing"]

    @property
    def goals(self) -> list[Status]:
        """Status of the texts."""
        return [goal.status for goal in self.client.goals]

    @property
    def message(self) -> str:
        """What the last diagnostics say."""
        return self.client.diagnostics.message if self.client.diagnostics else ""

    @property
    def values(self) -> dict[str, str]:
        """The values of the latest diagnostics."""
        return dict(self.client.diagnostics.values) if self.client.diagnostics else {}

    def situation(self) -> str:
        return f"goals {self.goals}, diagnostics: {self.message} {self.values}"

    def change(self, label: str) -> bool:
        """Whether a transition succeeded."""
        try:
            self.client.change(label)
        except RefusedError:
            return False
        return True

    def trigger(self, name: str) -> Trigger.Response:
        return self.client.call(Trigger, name, Trigger.Request(), 60.0)

    def set(self, **values: object) -> Any:
        """The result of setting each parameter."""
        request = SetParameters.Request()
        request.parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        return self.client.call(SetParameters, "set_parameters", request, 60.0, repeat=2.0).results
