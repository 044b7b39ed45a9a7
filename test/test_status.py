"""GoalStatusArray: what it says of each text, and that it stays small."""

from __future__ import annotations

import uuid
from contextlib import suppress

import numpy as np
import pytest
from action_msgs.msg import GoalInfo, GoalStatus, GoalStatusArray
from builtin_interfaces.msg import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String
from unique_identifier_msgs.msg import UUID

from text2sign_ros.inference.engine import Outcome
from text2sign_ros.wire import messages
from text2sign_ros.wire.goals import HISTORY, Goals
from text2sign_ros.wire.messages import MessageError
from text2sign_ros.wire.tracker import GoalState, Status


@pytest.fixture
def published() -> list[GoalStatusArray]:
    return []


@pytest.fixture
def goals(published: list[GoalStatusArray]) -> Goals:
    # Through bytes, as over the wire.
    return Goals(lambda states: published.append(deserialize_message(messages.goals(states), GoalStatusArray)))


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


STATES = st.builds(GoalState, st.uuids(), st.sampled_from(Status), st.integers(0, 2**31 * 10**9 - 1))


@settings(max_examples=50, deadline=None)
@given(st.lists(STATES, max_size=5))
def test_the_bytes_are_rclpys(states: list[GoalState]) -> None:
    message = GoalStatusArray()
    for state in states:
        info = GoalInfo(goal_id=UUID(uuid=np.frombuffer(state.id.bytes, np.uint8)))
        info.stamp = Time(sec=state.stamp_ns // 10**9, nanosec=state.stamp_ns % 10**9)
        message.status_list.append(GoalStatus(goal_info=info, status=int(state.status)))
    data = messages.goals(states)
    theirs = serialize_message(message)
    assert len(data) == len(theirs), "the same but for the padding, which is not set there"
    assert deserialize_message(data, GoalStatusArray) == message
    assert messages.read_goals(theirs) == messages.read_goals(data) == tuple(states)


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_the_bytes_of_a_string_are_those_of_rclpy(text: str) -> None:
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    assert messages.string(text) == serialize_message(String(data=text))
    assert messages.read_string(messages.string(text)) == text


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda end: b"\0\1\0\0" + end)))
def test_other_bytes_raise_nothing_else(data: bytes) -> None:
    for read in (messages.read_string, messages.read_goals):
        with suppress(MessageError):
            read(data)
