"""Schedule: chooses the stamp of each chunk."""

from __future__ import annotations

JUMP = 100_000_000
"""Nanoseconds that the clock must go back to count as a jump; a smaller step is a correction, which is waited out."""


class Schedule:
    """Stamps for the chunks of one text after another, in nanoseconds of a clock that may stop or jump.

    Not thread-safe: one thread owns it. Guarantees: within a text a chunk's stamp is the end of the chunk before; a
    text starts no earlier than the previous one ends; no stamp lies in the past when it is given. Where the first rule
    would break the last (signing slower than real time, a jump of the clock), the rest of the motion is rescheduled.
    """

    def __init__(self) -> None:
        self._origin: int | None = None  # when the current text started, or would have
        self._due: int | None = None  # the stamp at which it is resumed
        self._end = 0  # of the last chunk that was sent
        self._seen = 0  # latest time on the clock

    def jumped_back(self, now: int) -> bool:
        """Whether the clock, which shows ``now``, has jumped back since the last call; all stamps are void then."""
        back = now < self._seen - JUMP
        self._seen = now if back else max(self._seen, now)
        if back:
            self._origin, self._due, self._end = None, None, 0
        return back

    def begin(self) -> None:
        """The next chunks belong to a new text."""
        self._origin = self._due = None

    def resume(self, origin: int | None, start: int) -> int | None:
        """The next chunk starts ``start`` ns into a text whose frame 0 has the stamp ``origin``; None if it is void.

        Returns:
            The stamp that the chunk should have. If chunks were sent for that time, it replaces them.
        """
        self._origin = origin
        self._due = None if origin is None else origin + start
        return self._due

    def stamp(self, start: int, now: int, delay: int) -> int:
        """Stamp of the chunk that starts ``start`` ns into its text; call again, as time passes, until it is sent.

        ``delay`` (ns) is how far ahead of ``now`` a text starts, or continues after it was rescheduled.
        """
        if self._origin is None or now > self._origin + start:
            end = self._end if self._due is None else min(self._end, self._due)
            self._origin = max(now + delay, end) - start
        return self._origin + start

    def sent(self, end: int) -> None:
        """The chunk that ends ``end`` ns into its text has been sent with the latest stamp returned."""
        assert self._origin is not None, "stamp() comes first"
        self._end = self._origin + end
