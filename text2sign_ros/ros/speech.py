"""Speech: results of speech recognition (hri_msgs/LiveSpeech, where that is installed) become texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from text2sign_ros.inference.engine import Policy
from text2sign_ros.text.speech import LANGUAGE, Transcript, is_understood, plain
from text2sign_ros.wire.intake import Intake
from text2sign_ros.wire.reports import Reports
from text2sign_ros.wire.textlog import quote

try:
    from hri_msgs.msg import LiveSpeech
except ImportError:  # ROS4HRI is not part of ROS 2
    LiveSpeech = None


class Speech:
    """Submits what one speaker says. Not thread-safe.

    Args:
        value: returns a setting by name: speech, speech_results, speech_confidence, max_characters.
        intake: where the texts go.
        reports: receives a report when the recogniser revises words.
        phrases: signs of several words, as tuples of their words, which must not be split.
        forms: inflected forms of these words.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        value: Callable[[str], Any],
        intake: Intake,
        reports: Reports,
        phrases: Collection[tuple[str, ...]],
        forms: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._value, self._intake, self._reports, self._clock = value, intake, reports, clock
        self._transcript = Transcript(phrases, forms)

    def receive(self, message: LiveSpeech) -> None:
        """Sign what a final result adds to what incremental ones before it had."""
        longest = max(message.final, message.incremental, key=len)
        if len(longest) > self._value("max_characters"):
            self._intake.submit(longest)  # which refuses it
            return
        now, final = self._clock(), plain(message.final)
        locale = message.locale if hasattr(message, "locale") else message.language  # its name up to hri_msgs 2.0.0
        if not final:
            engine = self._intake.engine
            if engine is not None and self._value("speech") == "incremental" and is_understood(locale):
                self._transcript.update(plain(message.incremental), now)
                # While the engine is signing, words are collected, to be signed together.
                if engine.all_sent and (words := self._transcript.take(self._value("speech_results"))):
                    self._intake.submit(words)
            return
        refusal, least = "", self._value("speech_confidence")
        if not is_understood(locale):
            refusal = f"its locale is {quote(locale)}; this node signs {LANGUAGE}"
        elif least > 0 and not message.confidence >= least:
            refusal = f"its confidence is {message.confidence:.2f}, and speech_confidence {least:g}"
        rest = self._transcript.finish(final, now)
        if rest.revised:
            self._reports.revised(final)
        if rest.text:  # the rest of an utterance never replaces what was already signed of it
            self._intake.submit(rest.text, policy=Policy.QUEUE if rest.partly_signed else None, refusal=refusal)
