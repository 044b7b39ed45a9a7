"""Diagnosis: whether and why a robot is not signing, as a level and one sentence."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

RECENT = 10.0
"""Seconds for which something that went wrong is warned of."""
NO_TIME = "no time on the clock: nothing publishes /clock, which use_sim_time asks for"
STANDING = "the clock stands still: is the simulation paused?"


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class Verdict(NamedTuple):
    """Level, and one sentence."""

    level: Level
    message: str


def is_recent(at: float) -> bool:
    """Whether something that happened ``at`` (by ``time.monotonic``) is still warned of."""
    return time.monotonic() - at < RECENT


@dataclass(frozen=True)
class Condition:
    """What decides whether a robot signs.

    Attributes:
        state: of the lifecycle: unconfigured, configuring, inactive, active, deactivating, ... finalized.
        progress: what ``configure`` is at.
        failure: why the last transition failed; empty if it did not.
        paused: by ``~/pause``.
        time: on the node's clock, nanoseconds; 0 is none.
        standing: whether that clock has not moved for a while.
        subscribers: of ``~/trajectory``.
        late: whether chunks were late recently.
        flooded: whether texts were refused recently because too many came.
        unsigned: why a text was not signed recently; empty if all were, or were canceled.
        busy: whether there are texts.
    """

    state: str = "unconfigured"
    progress: str = ""
    failure: str = ""
    paused: bool = False
    time: int = 1
    standing: bool = False
    subscribers: int = 1
    late: bool = False
    flooded: bool = False
    unsigned: str = ""
    busy: bool = False


def assess(condition: Condition) -> Verdict:
    """Level and one sentence: why the robot is not signing and what helps, or that nothing keeps it from that.

    ERROR: a transition failed, nothing will be signed before that is mended. WARN: something is missing that someone
    may have wanted so. STALE: there is nothing to tell of. OK: it signs, or would.
    """
    c = condition
    if c.failure:
        return Verdict(Level.ERROR, f"{c.state}: {c.failure}")
    if c.state == "unconfigured":
        return Verdict(Level.STALE, "unconfigured: call the transition configure, then activate")
    if c.state == "configuring":
        return Verdict(Level.WARN, f"configuring: {c.progress}")
    if c.state == "inactive":
        return Verdict(Level.WARN, "inactive: call the transition activate")
    if c.state == "finalized":
        return Verdict(Level.STALE, "finalized: the node was shut down; start it again")
    if c.state != "active":
        return Verdict(Level.WARN, f"{c.state}: wait")
    if c.time == 0:
        return Verdict(Level.WARN, NO_TIME)
    if c.standing:
        return Verdict(Level.WARN, STANDING)
    if c.paused:
        return Verdict(Level.WARN, "paused: call ~/resume")
    if c.subscribers == 0:
        return Verdict(
            Level.WARN,
            "nobody subscribes to ~/trajectory: start the robot's or avatar's node, or compare names and QoS",
        )
    if c.late:
        return Verdict(
            Level.WARN, "chunks were late: the clock jumped, or signing is too slow; take a faster preset or backend"
        )
    if c.flooded:
        return Verdict(
            Level.WARN, "texts come faster than max_rate and are refused: stop who floods ~/text, or raise max_rate"
        )
    if c.busy:
        return Verdict(Level.OK, "signing")
    if c.unsigned:
        return Verdict(Level.WARN, f"a text was not signed: {c.unsigned}")
    return Verdict(Level.OK, "ready: waiting for texts")
