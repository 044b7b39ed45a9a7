"""Goals: the state of each text, as action_msgs/GoalStatusArray."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable

import numpy as np
from action_msgs.msg import GoalInfo, GoalStatus, GoalStatusArray
from rclpy.time import Time
from unique_identifier_msgs.msg import UUID

from text2sign_ros.inference.engine import Outcome

HISTORY = 100
"""Ended texts that are still published."""
_STATUS = {
    Outcome.SIGNED: GoalStatus.STATUS_SUCCEEDED,
    Outcome.UNSEEN: GoalStatus.STATUS_ABORTED,
    Outcome.CANCELED: GoalStatus.STATUS_CANCELED,
    Outcome.REFUSED: GoalStatus.STATUS_ABORTED,
    Outcome.DROPPED: GoalStatus.STATUS_ABORTED,
    Outcome.FAILED: GoalStatus.STATUS_ABORTED,
}


class Goals:
    """One goal for each text: accepted, executing once its first chunk was sent, then succeeded, canceled or aborted.

    Every change is published immediately, as a complete list: the last ``HISTORY`` texts that ended, in that order,
    then the others in the order in which they were received. ``goal_info.stamp`` is the stamp of the text's first
    chunk, and zero before. Thread-safe; nothing is published after ``close``.

    Args:
        publish: called with the message, which it must serialise before it returns.
    """

    def __init__(self, publish: Callable[[GoalStatusArray], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._live: dict[uuid.UUID, GoalStatus] = {}
        self._ended: deque[GoalStatus] = deque(maxlen=HISTORY)
        self._closed = False
        self._publish_list()

    def accept(self, id: uuid.UUID) -> None:
        """A text was received."""
        with self._lock:
            goal = GoalStatus(goal_info=GoalInfo(goal_id=UUID(uuid=np.frombuffer(id.bytes, np.uint8))))
            goal.status = GoalStatus.STATUS_ACCEPTED
            self._live[id] = goal
            self._publish_list()

    def execute(self, id: uuid.UUID, stamp: int) -> None:
        """The first chunk of a text was sent, to be played at ``stamp`` (nanoseconds); again if the text restarts."""
        with self._lock:
            goal = self._live[id]
            goal.goal_info.stamp = Time(nanoseconds=stamp).to_msg()
            goal.status = GoalStatus.STATUS_EXECUTING
            self._publish_list()

    def end(self, id: uuid.UUID, outcome: Outcome) -> None:
        """A text ended."""
        with self._lock:
            goal = self._live.pop(id)
            goal.status = _STATUS[outcome]
            self._ended.append(goal)
            self._publish_list()

    def close(self) -> None:
        """Abort all texts that have not ended, and publish no more."""
        with self._lock:
            if self._live:
                for goal in self._live.values():
                    goal.status = GoalStatus.STATUS_ABORTED
                self._ended.extend(self._live.values())
                self._live.clear()
                self._publish_list()
            self._closed = True

    def _publish_list(self) -> None:
        if not self._closed:
            self._publish(GoalStatusArray(status_list=[*self._ended, *self._live.values()]))
