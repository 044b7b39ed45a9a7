"""Speech into the node `signer`, as hri_msgs/LiveSpeech over DDS."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Process
from interfaces import build
from observer import ABORTED, SUCCEEDED, Observer

# As hri_msgs has it in Humble and later: https://docs.ros.org/en/humble/p/hri_msgs/msg/LiveSpeech.html
LIVE_SPEECH = """#include "std_msgs/msg/Header.idl"
module hri_msgs { module msg {
  struct LiveSpeech {
    std_msgs::msg::Header header;
    string incremental;
    string final;
    double confidence;
    string locale;
  };
}; };
"""
ALL_AT_ONCE = 60.0
INSTALLED = importlib.util.find_spec("hri_msgs") is not None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interfaces")
    if not INSTALLED:
        build(folder, "hri_msgs", "msg/LiveSpeech", LIVE_SPEECH, ("std_msgs", "builtin_interfaces"))
    return folder


@pytest.fixture
def hri_msgs(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For this test's process and those that it starts."""
    monkeypatch.syspath_prepend(str(built))
    monkeypatch.setenv("PYTHONPATH", str(built), prepend=":")


class Recogniser(Observer):
    """Says what a speech recogniser would."""

    def __init__(self) -> None:
        from hri_msgs.msg import LiveSpeech

        super().__init__("recogniser")
        self._kind, self._speech = LiveSpeech, self.node.create_publisher(LiveSpeech, "/signer/speech", 100)

    def receive(self, *results: str) -> None:
        for result in results:
            self._publish(incremental=result)

    def end(self, final: str, locale: str = "en_GB", confidence: float = 0.9) -> None:
        self._publish(final=final, locale=locale, confidence=confidence)

    def _publish(self, **fields: object) -> None:
        self.until(self._speech.get_subscription_count, "the node to listen")
        self._speech.publish(self._kind(**fields))


@pytest.fixture
def recogniser(hri_msgs: None) -> Iterator[Recogniser]:
    recogniser = Recogniser()
    yield recogniser
    recogniser.close()


def test_final_results_are_signed_as_texts_are(run_signer: Callable[..., Process], recogniser: Recogniser) -> None:
    process = run_signer(at_once=True, speech_confidence=0.5)
    process.wait_for("ready: ")
    recogniser.receive("hello", "hello", "hello you", "hello you", "hello you", "")
    recogniser.end("Hello!")
    process.wait_for("signed 'Hello!'")
    recogniser.end("hola", locale="es_ES")
    assert "WARN" in process.wait_for("'hola' is refused: its locale is 'es_ES'; this node signs en")
    recogniser.end("no", confidence=0.25)
    assert "WARN" in process.wait_for("'no' is refused: its confidence is 0.25, and speech_confidence 0.5")
    recogniser.end("[laughter]")
    recogniser.end("tea [slow] please <unk>", locale="")
    process.wait_for("signed 'tea   please'")
    recogniser.say("you")
    process.wait_for("signed 'you'")
    recogniser.until(lambda: recogniser.goals == [SUCCEEDED, ABORTED, ABORTED, SUCCEEDED, SUCCEEDED], "every goal")
    recogniser.until(lambda: recogniser.values.get("speech") == "final", "diagnostics")


def test_incremental_results_are_signed_before_the_final_one(
    run_signer: Callable[..., Process], recogniser: Recogniser
) -> None:
    process = run_signer(speech="incremental", policy="replace", speech_results=2)
    process.wait_for("ready: ")
    recogniser.receive("no", "no thank", "no thank", "no thank you")
    recogniser.until(lambda: len(recogniser.goals) == 1, "the first word")
    recogniser.receive("no thank you tea", "no thank you tea")
    # It signs already: what is sure by now waits for the end, and does not replace the part already being signed.
    recogniser.end("No, thank you!")
    process.wait_for("signed 'no'")
    process.wait_for("signed 'thank you!'")
    recogniser.until(lambda: recogniser.goals == [SUCCEEDED, SUCCEEDED], "both goals")


def test_what_was_signed_too_early_is_reported_and_not_signed_again(
    run_signer: Callable[..., Process], recogniser: Recogniser
) -> None:
    process = run_signer(at_once=True, speech="incremental", speech_results=2)
    process.wait_for("ready: ")
    recogniser.receive("tea now", "tea now")
    process.wait_for("signed 'tea'")
    recogniser.until(lambda: recogniser.goals == [SUCCEEDED], "its goal")
    recogniser.end("coffee now")
    assert "WARN" in process.wait_for("'coffee now': the recogniser has revised words that were signed already")
    process.wait_for("signed 'now'")
    recogniser.until(lambda: recogniser.goals == [SUCCEEDED] * 2, "its goal")
    recogniser.receive("tea no", "tea no")
    process.wait_for("signed 'tea'")
    recogniser.end("tea")  # nothing is left
    recogniser.receive("hello no", "hello no")
    process.wait_for("signed 'hello'")
    recogniser.until(lambda: recogniser.goals == [SUCCEEDED] * 4, "all goals")


def test_it_can_be_switched_off(run_signer: Callable[..., Process], recogniser: Recogniser) -> None:
    run_signer(speech="none").wait_for("ready: ")
    recogniser.say("hello")
    assert not recogniser.node.count_subscribers("/signer/speech")


@pytest.mark.skipif(INSTALLED, reason="hri_msgs is installed")
def test_without_hri_msgs_the_node_signs_and_logs_what_is_missing(run_signer: Callable[..., Process]) -> None:
    process, listener = run_signer(at_once=True), Observer("listener")
    try:
        assert "INFO" in process.wait_for("there is no ~/speech: hri_msgs is not installed")
        process.wait_for("ready: ")
        listener.say("hello")
        process.wait_for("signed 'hello'")
        assert "/signer/speech" not in dict(listener.node.get_topic_names_and_types())
        listener.until(lambda: "hri_msgs" in listener.values.get("speech", ""), "diagnostics")
    finally:
        listener.close()
