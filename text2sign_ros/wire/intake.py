"""Intake: texts on their way to the engine, so many a second; each is queued or refused with the reason."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from text2sign_ros.inference.engine import Policy, QueueFullError, SigningEngine, Style
from text2sign_ros.motion.limits import Limits
from text2sign_ros.wire.bucket import TokenBucket
from text2sign_ros.wire.reports import Reports

BURST = 100
"""Texts that may come at once whatever ``max_rate`` is; ``queue_size`` of them where that is more."""
LIMITS = ("max_velocity", "max_acceleration", "max_jerk")
"""Names of the values that ``Limits`` are made of, in its order."""


class Intake:
    """Queues texts, wherever they come from. Not thread-safe.

    Args:
        value: the settings, by name: max_rate, max_characters, max_wait, policy, queue_size, seed, chunk_frames and
            ``LIMITS``, asked for anew for each text.
        state: what the signer is while there is no engine: "inactive", "configuring", ...
        reports: who is told.

    Attributes:
        engine: where the texts go; None while they are refused.
    """

    def __init__(self, value: Callable[[str], Any], state: Callable[[], str], reports: Reports) -> None:
        self._value, self._state, self._reports = value, state, reports
        self._bucket = TokenBucket(max(BURST, value("queue_size")))
        self.engine: SigningEngine | None = None

    def submit(self, text: str, *, policy: Policy | None = None, refusal: str = "") -> None:
        """Queue a text, or refuse it: unread, without a goal, where too many come.

        Args:
            text: to sign.
            policy: None is that of the settings.
            refusal: why it is not signed, if it is not.
        """
        self._reports.received()
        rate, most = self._value("max_rate"), self._value("max_characters")
        if not self._bucket.take(rate):
            self._reports.rate_limited(f"texts come faster than max_rate ({rate:g} a second)")
            return
        id = uuid.uuid4()
        self._reports.accepted(id, text)
        if self.engine is None or refusal:
            self._reports.refused(id, text, refusal or f"the node is {self._state()}; activate it before")
            return
        if len(text) > most:  # also while it waits it would take memory
            reason = f"it has {len(text)} characters; send it in parts, or raise max_characters ({most})"
            self._reports.refused(id, text, reason)
            return
        limits = Limits(*(self._value(name) for name in LIMITS))
        style = Style(self._value("seed"), most, self._value("chunk_frames"), limits)
        policy, max_wait = policy or Policy(self._value("policy")), self._value("max_wait")
        try:
            self.engine.submit(text, style, policy=policy, max_wait=max_wait, id=id)
        except QueueFullError as error:
            self._reports.refused(id, text, str(error))
        self._reports.queued()
