"""The errors of a client, and what most likely keeps it waiting."""

from __future__ import annotations

from enum import Enum

from text2sign_ros.errors import Text2SignError


class ClientError(Text2SignError):
    """The signer can't be used as asked; the base class of all that follow."""


class RefusedError(ClientError):
    """The signer refuses a transition, a parameter or a request; the message has its reason."""


class SignerGoneError(ClientError):
    """The signer has ended, or another process has taken its place, before the text ended: it has to be sent again."""


class Cause(Enum):
    """What most likely keeps the client waiting."""

    NOT_FOUND = "not found"
    """No such node: not started, or of another name, namespace or ROS domain."""
    SILENT = "silent"
    """It was there, and nothing comes from it any more."""
    NOT_ACTIVE = "not active"
    """It is in another state of its lifecycle."""
    CLOCK = "clock"
    """Its clock shows no time, or stands still."""
    PAUSED = "paused"
    NOT_SPUN = "not spun"
    """Nothing spins the node that this client was given."""
    BUSY = "busy"
    """None of these: it takes longer, and the message has what its diagnostics say."""


class WaitError(ClientError, TimeoutError):
    """What was waited for did not come in time; the message says what that was, and the likely cause.

    Attributes:
        cause: the likely one.
    """

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.cause = cause
