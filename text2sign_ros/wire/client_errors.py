"""The errors of a client, and what most likely keeps it waiting."""

from __future__ import annotations

from enum import Enum

from text2sign_ros.errors import Text2SignError


class ClientError(Text2SignError):
    """The signer can't be used as requested; the base class of all errors below."""


class RefusedError(ClientError):
    """The signer refuses a transition, a parameter or a request; the message has the reason."""


class SignerGoneError(ClientError):
    """The signer ended, or was replaced by another process, before the text ended: send it again."""


class Cause(Enum):
    """The most likely reason why the client is waiting."""

    NOT_FOUND = "not found"
    """No such node: it is not started, or has another name, namespace or ROS domain."""
    SILENT = "silent"
    """It was there, and has stopped sending anything."""
    NOT_ACTIVE = "not active"
    """It is in another state of its lifecycle."""
    CLOCK = "clock"
    """Its clock shows no time, or is not advancing."""
    PAUSED = "paused"
    NOT_SPUN = "not spun"
    """Nothing spins the node that was passed to this client."""
    BUSY = "busy"
    """None of these: it takes longer; the message quotes its diagnostics."""


class WaitError(ClientError, TimeoutError):
    """A timeout; the message says what was waited for, and the likely cause.

    Attributes:
        cause: the likely one.
    """

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.cause = cause
