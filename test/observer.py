"""A companion node that keeps what the signer says of itself and its texts, and calls its services."""

from __future__ import annotations

from collections import deque
from typing import Any

from action_msgs.msg import GoalStatus, GoalStatusArray
from conftest import Companion
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

ACCEPTED, EXECUTING, SUCCEEDED, CANCELED, ABORTED = (
    getattr(GoalStatus, f"STATUS_{name}") for name in ("ACCEPTED", "EXECUTING", "SUCCEEDED", "CANCELED", "ABORTED")
)
LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Observer(Companion):
    """Of the signer ``name`` keeps the last ``diagnostics``, and as ``statuses`` the last messages of ``~/status``."""

    def __init__(self, own_name: str, name: str = "/signer") -> None:
        super().__init__(own_name)
        self._name = name
        self.diagnostics: deque[DiagnosticStatus] = deque(maxlen=1000)
        self.statuses: deque[GoalStatusArray] = deque(maxlen=1000)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        self.node.create_subscription(GoalStatusArray, f"{name}/status", self.on_status, LATCHED)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics += [s for s in message.status if s.name == f"{self._name.lstrip('/')}: signing"]

    def on_status(self, message: GoalStatusArray) -> None:
        self.statuses.append(message)

    @property
    def goals(self) -> list[int]:
        """How the texts stand."""
        return [goal.status for goal in self.statuses[-1].status_list] if self.statuses else []

    @property
    def message(self) -> str:
        """What the last diagnostics say."""
        return self.diagnostics[-1].message if self.diagnostics else ""

    @property
    def values(self) -> dict[str, str]:
        """The figures in the last diagnostics."""
        return {pair.key: pair.value for pair in self.diagnostics[-1].values} if self.diagnostics else {}

    def situation(self) -> str:
        return f"goals {self.goals}, diagnostics: {self.message} {self.values}"

    def call(self, kind: type, name: str, request: object, timeout: float = 60.0) -> Any:
        """The answer of the service ``~/name``."""
        # What comes from the node shows that it has found this one, which may take seconds longer than being found.
        self.until(lambda: self.diagnostics, "the node to find this one", timeout)
        return self.ask(kind, f"{self._name}/{name}", request, timeout)

    def change(self, label: str) -> bool:
        """Whether a transition succeeded."""
        request = ChangeState.Request()
        request.transition.label = label
        return self.call(ChangeState, "change_state", request).success

    def trigger(self, name: str) -> Trigger.Response:
        return self.call(Trigger, name, Trigger.Request())

    def set(self, **values: object) -> Any:
        """The result of setting each parameter."""
        request = SetParameters.Request()
        request.parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        return self.call(SetParameters, "set_parameters", request).results
