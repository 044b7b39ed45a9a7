"""What /diagnostics says: the reason comes first, the statistics add up."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.serialization import serialize_message

from text2sign_ros.inference.engine import Outcome, Style, Utterance
from text2sign_ros.ros import diagnostics
from text2sign_ros.wire.diagnosis import Assessment, Condition, Level, assess
from text2sign_ros.wire.statistics import Statistics

OK, WARN, ERROR, STALE = Level


def test_a_reason_is_shown_for_a_while_and_not_after_the_next_activation() -> None:
    statistics = Statistics()
    assert statistics.not_signed_recently() == ""
    statistics.ended(Utterance("hello", Style(), outcome=Outcome.CANCELED, error=ValueError("a newer text")), 25.0)
    assert statistics.not_signed_recently() == "", "who cancels knows why"
    statistics.refused("the node is inactive")
    assert statistics.not_signed_recently() == "the node is inactive"
    statistics.activated()
    assert statistics.not_signed_recently() == ""


@pytest.mark.parametrize(
    ("level", "words", "condition"),
    [
        (STALE, "configure", Condition()),
        (ERROR, "sha256", Condition(failure="the sha256 is wrong")),
        (WARN, "30 %", Condition("configuring", progress="building: 30 %")),
        (WARN, "activate", Condition("inactive")),
        (WARN, "deactivating", Condition("deactivating")),
        (STALE, "start it again", Condition("finalized")),
        (WARN, "/clock", Condition("active", time=0, clock_stopped=True, paused=True, subscribers=0)),
        (WARN, "not advancing", Condition("active", clock_stopped=True)),
        (WARN, "~/resume", Condition("active", paused=True)),
        (WARN, "~/trajectory", Condition("active", subscribers=0)),
        (WARN, "late", Condition("active", late=True)),
        (WARN, "max_rate", Condition("active", rate_limited=True)),
        (WARN, "not signed: it is empty", Condition("active", not_signed="it is empty")),
        (OK, "waiting for texts", Condition("active")),
        (OK, "signing", Condition("active", busy=True, not_signed="it is empty")),
    ],
)
def test_the_reason_why_a_robot_is_not_signing(level: Level, words: str, condition: Condition) -> None:
    assert assess(condition)[0] == level
    assert words in assess(condition)[1]


def test_statistics_add_up() -> None:
    statistics, fps = Statistics(), 25.0
    assert statistics.values()["real-time factor"] == "-"
    for number, outcome in enumerate([*Outcome, Outcome.SIGNED], 1):
        statistics.received()
        signed = outcome is Outcome.SIGNED
        utterance = Utterance("hello", Style(), outcome=outcome, error=None if signed else ValueError("a wire"))
        utterance.frames, utterance.first_chunk, utterance.work = 50, 0.01 * number, 0.1 * number
        statistics.ended(utterance, fps)
    statistics.received()
    statistics.refused("as many wait as may")
    statistics.received()
    for late in (False, True):
        statistics.sent(late)
    values = statistics.values()
    assert values["texts received"] == "9" and values["texts under way"] == "1"
    assert [values[f"texts {outcome.value}"] for outcome in Outcome] == ["2", "1", "2", "1", "1", "1"]
    assert values["first chunk ready, last (ms)"] == "70.0"
    assert values["first chunk ready, median of 3 (ms)"] == "20.0"
    assert values["real-time factor"] == f"{1.0 / 6.0:.4f}"
    assert (values["chunks sent"], values["chunks late"]) == ("2", "1") and statistics.late_recently()
    assert values["last text not signed because"] == statistics.not_signed_recently() == "as many wait as may"


def test_the_message_can_be_sent() -> None:
    message = diagnostics.array(
        "robot/signer: signing", 3_000_000_005, Assessment(WARN, "inactive"), Statistics().values(), "a CPU"
    )
    assert serialize_message(message)
    assert (message.status[0].level, message.status[0].message) == (DiagnosticStatus.WARN, "inactive")
    assert message.status[0].name == "robot/signer: signing"
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 5)


def test_levels_are_those_of_the_message() -> None:
    assert {level.name: bytes([level]) for level in Level} == {
        name: getattr(DiagnosticStatus, name) for name in ("OK", "WARN", "ERROR", "STALE")
    }
