"""Intake: receives texts, limits their rate, and queues each or refuses it with a reason."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from text2sign_ros.inference.engine import Policy, QueueFullError, SigningEngine, Style
from text2sign_ros.motion.limits import Limits
from text2sign_ros.text import TextError
from text2sign_ros.wire.bucket import TokenBucket
from text2sign_ros.wire.reports import Reports

BURST = 100
"""Texts that may come in one burst whatever ``max_rate`` is; ``queue_size`` if that is more."""
LIMITS = ("max_velocity", "max_acceleration", "max_jerk")
"""The settings from which ``Limits`` is made, in the order of its fields."""


class Intake:
    """Queues texts from any source. Not thread-safe.

    Args:
        value: the settings, by name: max_rate, max_characters, max_wait, policy, queue_size, seed, chunk_frames and
            ``LIMITS``, read again for each text.
        state: of the lifecycle while there is no engine: "inactive", "configuring", ...
        reports: receives what becomes of each text.

    Attributes:
        engine: queues the texts; None while texts are refused.
    """

    def __init__(self, value: Callable[[str], Any], state: Callable[[], str], reports: Reports) -> None:
        self._value, self._state, self._reports = value, state, reports
        self._bucket = TokenBucket(max(BURST, value("queue_size")))
        self.engine: SigningEngine | None = None

    def submit(
        self, text: str, *, policy: Policy | None = None, refusal: str = "", id: uuid.UUID | None = None
    ) -> uuid.UUID | None:
        """Queue a text or refuse it; above ``max_rate`` it is refused unread, without a goal.

        Args:
            text: to sign.
            policy: None means the one of the settings.
            refusal: why to refuse it; empty to queue it.
            id: of its goal; None generates one.

        Returns:
            The id of its goal; None if it has none.
        """
        self._reports.received()
        rate, most = self._value("max_rate"), self._value("max_characters")
        if not self._bucket.take(rate):
            self._reports.rate_limited(f"texts come faster than max_rate ({rate:g} a second)")
            return None
        id = id or uuid.uuid4()
        self._reports.accepted(id, text)
        if self.engine is None or refusal:
            self._reports.refused(id, text, refusal or f"the node is {self._state()}; activate it before")
            return id
        limits = Limits(*(self._value(name) for name in LIMITS))
        style = Style(self._value("seed"), most, self._value("chunk_frames"), limits)
        policy, max_wait = policy or Policy(self._value("policy")), self._value("max_wait")
        try:
            self._reports.queued(self.engine.submit(text, style, policy=policy, max_wait=max_wait, id=id))
        except (QueueFullError, TextError) as error:
            self._reports.refused(id, text, str(error))
        return id
