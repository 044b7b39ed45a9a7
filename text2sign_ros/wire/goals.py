"""Goals: the state of each text, as on ``~/status``."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.wire.tracker import GoalState, Status

HISTORY = 100
"""Ended texts that are still published."""
_STATUS = {
    Outcome.SIGNED: Status.SUCCEEDED,
    Outcome.UNSEEN: Status.ABORTED,
    Outcome.CANCELED: Status.CANCELED,
    Outcome.REFUSED: Status.ABORTED,
    Outcome.DROPPED: Status.ABORTED,
    Outcome.FAILED: Status.ABORTED,
}


class Goals:
    """One goal for each text: accepted, executing once its first chunk was sent, then succeeded, canceled or aborted.

    Every change is published immediately, as a complete list: the last ``HISTORY`` texts that ended, in that order,
    then the others in the order in which they were received. ``stamp_ns`` is the stamp of the text's first chunk, and
    zero before. Thread-safe; nothing is published after ``close``.

    Args:
        publish: called with the list.
    """

    def __init__(self, publish: Callable[[tuple[GoalState, ...]], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._live: dict[uuid.UUID, GoalState] = {}
        self._ended: deque[GoalState] = deque(maxlen=HISTORY)
        self._closed = False
        self._publish_list()

    def accept(self, id: uuid.UUID) -> None:
        """A text was received."""
        with self._lock:
            self._live[id] = GoalState(id, Status.ACCEPTED, 0)
            self._publish_list()

    def execute(self, id: uuid.UUID, stamp: int) -> None:
        """The first chunk of a text was sent, to be played at ``stamp`` (nanoseconds); again if the text restarts."""
        with self._lock:
            self._live[id] = GoalState(id, Status.EXECUTING, stamp)
            self._publish_list()

    def end(self, id: uuid.UUID, outcome: Outcome) -> None:
        """A text ended."""
        with self._lock:
            self._ended.append(self._live.pop(id)._replace(status=_STATUS[outcome]))
            self._publish_list()

    def close(self) -> None:
        """Abort all texts that have not ended, and publish no more."""
        with self._lock:
            if self._live:
                self._ended.extend(goal._replace(status=Status.ABORTED) for goal in self._live.values())
                self._live.clear()
                self._publish_list()
            self._closed = True

    def _publish_list(self) -> None:
        if not self._closed:
            self._publish((*self._ended, *self._live.values()))
