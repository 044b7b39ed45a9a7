"""A lifecycle node whose transitions leave nothing behind, and which knows why the last one failed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node

from text2sign_ros.errors import Text2SignError


class StartError(Text2SignError):
    """The node can't be configured or activated."""


class ManagedNode(LifecycleNodeMixin, Node, ABC):
    """``configure`` and ``activate`` of a subclass create resources, and return an ExitStack that releases them.

    A transition that fails releases what it created, is logged, and leaves the reason in ``failure``; the node can be
    configured again.

    Args:
        name, options: of the node.
        group: of the callbacks of the lifecycle's services.

    Attributes:
        state: unconfigured, configuring, inactive, activating, active, deactivating, ... finalized.
        failure: why the last transition failed; empty if it did not.
    """

    def __init__(self, name: str, group: CallbackGroup, **options: Any) -> None:
        Node.__init__(self, name, **options)
        self.state, self.failure = "unconfigured", ""
        self._starting = False
        self._configured, self._activated = ExitStack(), ExitStack()
        LifecycleNodeMixin.__init__(self, callback_group=group)
        # In Humble a transition that is not possible now raises in this callback, which would end the node.
        self._service_change_state.callback = answer_instead_of_raising(self._service_change_state.callback)

    @abstractmethod
    def configure(self) -> ExitStack:
        """Create what exists in every state but unconfigured; returns an ExitStack that releases it."""

    @abstractmethod
    def activate(self) -> ExitStack:
        """Start working; returns an ExitStack that stops the work."""

    @abstractmethod
    def come_to_rest(self) -> None:
        """Finish the work in good order, before what ``activate`` created is released."""

    @abstractmethod
    def entered(self) -> None:
        """Called when ``state`` or ``failure`` has changed."""

    @abstractmethod
    def settled(self) -> None:
        """Called when a transition that somebody asked for has succeeded: the node waits for the next one."""

    def start(self) -> bool:
        """Configure and activate, without a lifecycle manager.

        Returns:
            Whether that worked. If not, nothing is logged: the caller reports ``failure``.
        """
        success = TransitionCallbackReturn.SUCCESS
        self._starting = True
        try:
            return self.trigger_configure() == success and self.trigger_activate() == success
        finally:
            self._starting = False

    def autostart(self) -> None:
        """Configure and activate, if the parameter ``autostart`` says so.

        Raises:
            StartError: that failed; the message is the reason.
        """
        if not self.get_parameter("autostart").value:
            self.settled()
        elif not self.start():
            raise StartError(self.failure)

    def release(self) -> None:
        """Release everything, in the middle of work if need be."""
        self._activated.close()
        self._configured.close()

    # Called by rclpy

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Returns FAILURE, which leads back to unconfigured, if it fails."""

        def work() -> None:
            self._configured = self.configure()

        return self._transition("configuring", work, "inactive", TransitionCallbackReturn.FAILURE)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Returns ERROR, which leads to unconfigured, if it fails; so do all callbacks below."""

        def work() -> None:
            self._activated = self.activate()

        return self._transition("activating", work, "active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Come to rest."""
        return self._transition("deactivating", self._deactivate, "inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything."""
        return self._transition("cleaning up", self._configured.close, "unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Come to rest and release everything."""
        active = self.state == "active"

        def leave() -> None:
            if active:
                self._deactivate()
            self._configured.close()

        return self._transition("shutting down", leave, "finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything; the node can be configured again."""
        failure = self.failure
        failed = TransitionCallbackReturn.FAILURE
        result = self._transition("processing an error", self.release, "unconfigured", failed)
        if result == failed:
            self._enter("finalized")
        self.failure = self.failure or failure
        return result

    def _deactivate(self) -> None:
        self.come_to_rest()
        self._activated.close()

    def _transition(
        self,
        during: str,
        work: Callable[[], None],
        after: str,
        otherwise: TransitionCallbackReturn = TransitionCallbackReturn.ERROR,
    ) -> TransitionCallbackReturn:
        """Do the ``work`` of a transition; what it raises is logged, since rclpy swallows it."""
        before, self.failure = self.state, ""
        self._enter(during)
        try:
            work()
        except Exception as error:
            self.failure = str(error) if isinstance(error, Text2SignError) else f"{type(error).__name__}: {error}"
            self._enter(before)
            if self.context.ok() and not self._starting:  # without a context the process is ending, which is no failure
                self.get_logger().error(f"{during} failed: {self.failure}")
            return otherwise
        self._enter(after)
        if self.context.ok() and not self._starting:
            self.settled()
        return TransitionCallbackReturn.SUCCESS

    def _enter(self, state: str) -> None:
        self.state = state
        self.entered()


def answer_instead_of_raising(callback: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Wrap a service's ``callback`` so that it answers ``success: false`` where it would raise rclpy's RCLError."""

    def call(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except RuntimeError:
            response.success = False
            return response

    return call
