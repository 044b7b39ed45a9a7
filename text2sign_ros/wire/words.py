"""Words: what is signed when, word by word, by the captions of a text."""

from __future__ import annotations

from collections.abc import Callable

from text2sign_ros.motion.timeline import MARKER, PAUSE, REST
from text2sign_ros.wire.captions import MAX_PARTS, Captions, TimedPart


class Words:
    """The words of one text as they are played: of each sign, each clause and each spelled word, at its start.

    Not thread-safe.

    Args:
        spelled: the word with a number, see ``TimedPart.word``: when its first letter is played, the captions do not
            have the others yet. Called with rising numbers, after a pause from the start again.
    """

    def __init__(self, spelled: Callable[[int], str]) -> None:
        self._spelled = spelled
        self._attempt = 0
        self._coming: dict[int, TimedPart] = {}  # by index: parts whose start was not seen to be played
        self._played = -1  # index of the last one that was
        self._words: list[str] = []
        self._word: int | None = None  # number of the word that is being spelled

    @property
    def text(self) -> str:
        """What was played so far; of a spelled word the letters that were."""
        return " ".join(self._words)

    @property
    def next_stamp(self) -> int | None:
        """When the next part known so far is played (nanoseconds)."""
        return min((part.start_stamp for part in self._coming.values()), default=None)

    def update(self, captions: Captions) -> None:
        """Take in the newest captions of the text.

        Parts that were played before a pause are played again: the text starts again then. Parts that are no longer
        listed, though later ones or none are, were taken back.
        """
        if captions.attempt != self._attempt:
            self._attempt, self._coming, self._played = captions.attempt, {}, -1
            self._words, self._word = [], None
        latest = captions.parts[-MAX_PARTS:]
        first = latest[0].index if latest else 0
        earlier = {index: part for index, part in self._coming.items() if index < first}  # no longer in the message
        self._coming = earlier | {part.index: part for part in latest if part.index > self._played}

    def take(self, now: int) -> list[str]:
        """The words whose start has been played by ``now`` (nanoseconds) since the last call, in order."""
        begun = []
        for index in sorted(self._coming):
            part = self._coming[index]
            if part.start_stamp > now:
                break
            del self._coming[index]
            self._played = index
            if part.kind in (MARKER, PAUSE, REST):
                continue
            if part.kind == "letter" and part.word is not None and part.word == self._word:
                self._words[-1] += part.text
                continue
            words = part.said or part.text
            self._words.append(words)
            self._word = part.word if part.kind == "letter" else None
            begun.append(words if self._word is None else self._spelled(self._word))
        return begun
