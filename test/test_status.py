"""GoalStatusArray: what it says of each text, and that it stays small."""

from __future__ import annotations

import uuid

import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.serialization import deserialize_message, serialize_message

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.ros.status import HISTORY, Goals


@pytest.fixture
def told() -> list[GoalStatusArray]:
    return []


@pytest.fixture
def goals(told: list[GoalStatusArray]) -> Goals:
    # Through bytes, as over the wire: a later change must not reach what was told before.
    return Goals(lambda message: told.append(deserialize_message(serialize_message(message), GoalStatusArray)))


def states(message: GoalStatusArray) -> list[int]:
    return [goal.status for goal in message.status_list]


def test_every_change_is_told(goals: Goals, told: list[GoalStatusArray]) -> None:
    first, second = uuid.uuid4(), uuid.uuid4()
    goals.accept(first)
    goals.accept(second)
    goals.execute(first, 5_000_000_007)
    goals.end(first, Outcome.SIGNED)
    goals.end(second, Outcome.CANCELED)
    assert [states(message) for message in told] == [[], [1], [1, 1], [2, 1], [4, 1], [4, 5]]
    info = told[-1].status_list[0].goal_info
    assert bytes(info.goal_id.uuid) == first.bytes
    assert (info.stamp.sec, info.stamp.nanosec) == (5, 7)
    assert told[-1].status_list[1].goal_info.stamp.sec == 0, "it had no chunk"


def test_the_history_is_bounded_and_holds_the_latest(goals: Goals, told: list[GoalStatusArray]) -> None:
    ids = [uuid.uuid4() for _ in range(HISTORY + 30)]
    for id in ids:
        goals.accept(id)
        goals.end(id, Outcome.DROPPED)
    assert [bytes(goal.goal_info.goal_id.uuid) for goal in told[-1].status_list] == [id.bytes for id in ids[-HISTORY:]]


def test_what_has_not_ended_is_aborted_at_the_close(goals: Goals, told: list[GoalStatusArray]) -> None:
    goals.accept(uuid.uuid4())
    goals.close()
    assert states(told[-1]) == [GoalStatus.STATUS_ABORTED]
    count = len(told)
    goals.close()
    goals.accept(uuid.uuid4())
    assert len(told) == count
