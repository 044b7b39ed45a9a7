"""Goals: what has become of each text, as action_msgs/GoalStatusArray."""

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
"""Ended texts that are still told of."""
_STATUS = {
    Outcome.SIGNED: GoalStatus.STATUS_SUCCEEDED,
    Outcome.CANCELED: GoalStatus.STATUS_CANCELED,
    Outcome.REFUSED: GoalStatus.STATUS_ABORTED,
    Outcome.DROPPED: GoalStatus.STATUS_ABORTED,
    Outcome.FAILED: GoalStatus.STATUS_ABORTED,
}


class Goals:
    """One goal for each text: accepted, executing once its first chunk was sent, then succeeded, canceled or aborted.

    Every change is published at once, whole: the last ``HISTORY`` texts that ended, in that order, then those on their
    way in the order in which they came. ``goal_info.stamp`` is the stamp of the text's first chunk, and zero before.
    Thread-safe; after ``close`` nothing is published any more.

    Args:
        publish: what to do with the message; it is serialised before it returns.
    """

    def __init__(self, publish: Callable[[GoalStatusArray], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._live: dict[uuid.UUID, GoalStatus] = {}
        self._ended: deque[GoalStatus] = deque(maxlen=HISTORY)
        self._closed = False
        self._tell()

    def accept(self, id: uuid.UUID) -> None:
        """A text came."""
        with self._lock:
            goal = GoalStatus(goal_info=GoalInfo(goal_id=UUID(uuid=np.frombuffer(id.bytes, np.uint8))))
            goal.status = GoalStatus.STATUS_ACCEPTED
            self._live[id] = goal
            self._tell()

    def execute(self, id: uuid.UUID, stamp: int) -> None:
        """The first chunk of a text was sent, to be played at ``stamp`` (nanoseconds); again where it begins again."""
        with self._lock:
            goal = self._live[id]
            goal.goal_info.stamp = Time(nanoseconds=stamp).to_msg()
            goal.status = GoalStatus.STATUS_EXECUTING
            self._tell()

    def end(self, id: uuid.UUID, outcome: Outcome) -> None:
        """A text ended."""
        with self._lock:
            goal = self._live.pop(id)
            goal.status = _STATUS[outcome]
            self._ended.append(goal)
            self._tell()

    def close(self) -> None:
        """Abort what has not ended, and publish no more."""
        with self._lock:
            if self._live:
                for goal in self._live.values():
                    goal.status = GoalStatus.STATUS_ABORTED
                self._ended.extend(self._live.values())
                self._live.clear()
                self._tell()
            self._closed = True

    def _tell(self) -> None:
        if not self._closed:
            self._publish(GoalStatusArray(status_list=[*self._ended, *self._live.values()]))
