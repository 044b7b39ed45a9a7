"""GoalStatusArray: what it says of each text, and that it stays small."""

from __future__ import annotations

import uuid

import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.serialization import deserialize_message, serialize_message

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.ros.status import HISTORY, Goals


@pytest.fixture
def published() -> list[GoalStatusArray]:
    return []


@pytest.fixture
def goals(published: list[GoalStatusArray]) -> Goals:
    # Through bytes, as over the wire: a later change must not reach what was published before.
    return Goals(lambda message: published.append(deserialize_message(serialize_message(message), GoalStatusArray)))


def states(message: GoalStatusArray) -> list[int]:
    return [goal.status for goal in message.status_list]


def test_every_change_is_published(goals: Goals, published: list[GoalStatusArray]) -> None:
    first, second = uuid.uuid4(), uuid.uuid4()
    goals.accept(first)
    goals.accept(second)
    goals.execute(first, 5_000_000_007)
    goals.end(first, Outcome.SIGNED)
    goals.end(second, Outcome.CANCELED)
    assert [states(message) for message in published] == [[], [1], [1, 1], [2, 1], [4, 1], [4, 5]]
    info = published[-1].status_list[0].goal_info
    assert bytes(info.goal_id.uuid) == first.bytes
    assert (info.stamp.sec, info.stamp.nanosec) == (5, 7)
    assert published[-1].status_list[1].goal_info.stamp.sec == 0, "it had no chunk"


def test_the_history_is_bounded_and_holds_the_latest(goals: Goals, published: list[GoalStatusArray]) -> None:
    ids = [uuid.uuid4() for _ in range(HISTORY + 30)]
    for id in ids:
        goals.accept(id)
        goals.end(id, Outcome.DROPPED)
    assert [bytes(goal.goal_info.goal_id.uuid) for goal in published[-1].status_list] == [
        id.bytes for id in ids[-HISTORY:]
    ]


def test_open_goals_are_aborted_at_close(goals: Goals, published: list[GoalStatusArray]) -> None:
    goals.accept(uuid.uuid4())
    goals.close()
    assert states(published[-1]) == [GoalStatus.STATUS_ABORTED]
    count = len(published)
    goals.close()
    goals.accept(uuid.uuid4())
    assert len(published) == count
