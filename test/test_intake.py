"""Texts on their way in, without ROS: queued or refused, each with one goal, and what speech makes of results."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from text2sign_ros.inference.engine import Outcome, Policy, QueueFullError, Style, Utterance
from text2sign_ros.motion.limits import Limits
from text2sign_ros.ros.speech import Speech
from text2sign_ros.text import TextError
from text2sign_ros.wire.captions import Captioner, Captions
from text2sign_ros.wire.intake import BURST, Intake
from text2sign_ros.wire.reports import Reports
from text2sign_ros.wire.statistics import Statistics
from text2sign_ros.wire.textlog import TextLog


class House:
    """All that an intake tells, in the order in which it does, and an engine that takes three texts."""

    def __init__(self) -> None:
        self.reported: list[tuple[object, ...]] = []
        self.settings: dict[str, Any] = {
            "max_rate": 0.0,
            "max_characters": 20,
            "max_wait": 2.0,
            "policy": "queue",
            "queue_size": 3,
            "seed": 7,
            "chunk_frames": 5,
            "max_velocity": 1.0,
            "max_acceleration": 20.0,
            "max_jerk": 300.0,
            "speech": "incremental",
            "speech_results": 2,
            "speech_confidence": 0.0,
        }
        self.submitted: list[tuple[str, Style, Policy, float]] = []
        self.all_sent, self.lines = True, list[str]()
        log = SimpleNamespace(
            warning=lambda line, **_: self.lines.append(line), info=self.lines.append, error=self.lines.append
        )
        self.statistics, captioner = Statistics(), Captioner(25.0, self._caption)
        self.reports = Reports(self, captioner, self.statistics, TextLog(log), 25.0)
        self.intake = Intake(self.settings.__getitem__, lambda: "inactive", self.reports)
        self.intake.engine = self  # type: ignore[assignment]
        self.speech = Speech(self.settings.__getitem__, self.intake, self.reports, [("thank", "you")], {}, lambda: 0.0)

    # As goals

    def accept(self, id: uuid.UUID) -> None:
        self.reported.append(("accept", id))

    def execute(self, id: uuid.UUID, stamp: int) -> None:
        raise AssertionError("nothing is sent here")

    def end(self, id: uuid.UUID, outcome: Outcome) -> None:
        self.reported.append(("end", id, outcome))

    def _caption(self, captions: Captions) -> None:
        self.reported.append((captions.state.value, captions.id, captions.outcome, captions.reason))

    # As an engine

    def submit(self, text: str, style: Style, *, policy: Policy, max_wait: float, id: uuid.UUID) -> Utterance:
        if len(text) > 20:
            raise TextError("the text has 21 characters, more than the 20 allowed")
        if len(self.submitted) == 3:
            raise QueueFullError("3 texts are waiting")
        self.submitted.append((text, style, policy, max_wait))
        return Utterance(text, style, id)

    def receive(self, final: str = "", incremental: str = "", locale: str = "en", confidence: float = 0.9) -> None:
        self.speech.receive(SimpleNamespace(final=final, incremental=incremental, locale=locale, confidence=confidence))


@pytest.fixture
def house() -> House:
    return House()


def test_a_text_is_queued_as_the_settings_say(house: House) -> None:
    house.intake.submit("tea")
    style = Style(7, 20, 5, Limits(1.0, 20.0, 300.0))
    assert house.submitted == [("tea", style, Policy.QUEUE, 2.0)]
    (first, id, *_), (second, same) = house.reported
    assert (first, second) == ("accepted", "accept") and id == same, "the captions are first"
    house.settings |= {"policy": "replace", "seed": 8}
    house.intake.submit("no")
    house.intake.submit("no", policy=Policy.QUEUE)
    assert [policy for _, _, policy, _ in house.submitted[1:]] == [Policy.REPLACE, Policy.QUEUE]
    assert house.submitted[1][1].seed == 8


@pytest.mark.parametrize(
    ("text", "refusal", "reason"),
    [
        ("tea", "its locale is 'de'", "its locale is 'de'"),
        ("a" * 21, "", "the text has 21 characters, more than the 20 allowed"),
        ("tea", "", "3 texts are waiting"),
        ("tea", "", "the node is inactive; activate it before"),
    ],
)
def test_refused_texts_have_a_goal_and_a_reason(house: House, text: str, refusal: str, reason: str) -> None:
    if "inactive" in reason:
        house.intake.engine = None
    if "waiting" in reason:
        for _ in range(3):
            house.intake.submit("tea")
        house.reported.clear()
        house.submitted = house.submitted[:3]
    before = len(house.submitted)
    house.intake.submit(text, refusal=refusal)
    assert len(house.submitted) == before
    assert [what for what, *_ in house.reported] == ["accepted", "accept", "ended", "end"]
    assert len({id for _, id, *_ in house.reported}) == 1
    assert house.reported[2][2:] == (Outcome.REFUSED, reason) and house.reported[3][2] is Outcome.REFUSED
    assert house.lines == [f"{text!r} is refused: {reason}"]
    assert house.statistics.not_signed_recently() == reason


def test_a_flood_has_no_goals(house: House) -> None:
    house.settings["max_rate"] = 0.001
    for _ in range(BURST + 50):
        house.intake.submit("tea")
    assert sum(what == "accept" for what, *_ in house.reported) == BURST
    values = house.statistics.values()
    assert values["texts received"] == str(BURST + 50) and values["of them refused for max_rate"] == "50"


def test_words_are_signed_before_the_final_result_and_never_replaced_by_it(house: House) -> None:
    house.settings["policy"] = "replace"
    for heard in ("no thank", "no thank", "no thank you"):
        house.receive(incremental=heard)
    assert [text for text, *_ in house.submitted] == ["no"]
    house.all_sent = False
    house.receive(incremental="no thank you tea")
    house.receive(incremental="no thank you tea")
    assert len(house.submitted) == 1, "while it signs words gather"
    house.receive("No, thank you!")
    assert [(text, policy) for text, _, policy, _ in house.submitted] == [
        ("no", Policy.REPLACE),
        ("thank you!", Policy.QUEUE),
    ]


def test_speech_that_is_not_understood_is_refused(house: House) -> None:
    house.settings["speech_confidence"] = 0.5
    house.receive("hola", locale="es_ES")
    house.receive("no", confidence=0.25)
    house.receive("a" * 21)
    house.receive("[noise]")
    assert not house.submitted
    assert [what[3] for what in house.reported if what[0] == "ended"] == [
        "its locale is 'es_ES'; this node signs en",
        "its confidence is 0.25, and speech_confidence 0.5",
        "the text has 21 characters, more than the 20 allowed",
    ]


def test_only_final_results_if_configured_so(house: House) -> None:
    house.settings["speech"] = "final"
    for _ in range(4):
        house.receive(incremental="no tea")
    assert not house.submitted
    house.receive("no tea")
    assert [text for text, *_ in house.submitted] == ["no tea"]


def test_what_was_signed_too_early_is_reported(house: House) -> None:
    house.receive(incremental="tea now")
    house.receive(incremental="tea now")
    house.receive("coffee now")
    assert "the recogniser has revised words" in house.lines[-1]
    assert [text for text, *_ in house.submitted] == ["tea", "now"]
