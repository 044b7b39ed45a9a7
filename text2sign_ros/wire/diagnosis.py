"""Diagnosis: whether a robot is signing, and if not why, as a level and one sentence."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

RECENT = 10.0
"""Seconds for which diagnostics warn of something that went wrong."""
NO_TIME = "no time on the clock: use_sim_time is set, and nothing publishes /clock"
CLOCK_STOPPED = "the clock is not advancing: is the simulation paused?"


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class Assessment(NamedTuple):
    """A level and one sentence."""

    level: Level
    message: str


def is_recent(at: float) -> bool:
    """Whether something that happened ``at`` (by ``time.monotonic``) is less than ``RECENT`` seconds ago."""
    return time.monotonic() - at < RECENT


@dataclass(frozen=True)
class Condition:
    """What the assessment of a signer depends on.

    Attributes:
        state: of the lifecycle: unconfigured, configuring, inactive, active, deactivating, ... finalized.
        progress: what ``configure`` is doing.
        failure: why the last transition failed; empty if it did not.
        paused: by ``~/pause``.
        time: on the node's clock, nanoseconds; 0 if it shows none yet.
        clock_stopped: whether that clock has not advanced for a while.
        subscribers: of ``~/trajectory``.
        late: whether chunks were late recently.
        rate_limited: whether texts were refused recently because they exceeded ``max_rate``.
        not_signed: why a text was recently refused, dropped or failed; empty if none was.
        busy: whether texts are being signed or are waiting.
    """

    state: str = "unconfigured"
    progress: str = ""
    failure: str = ""
    paused: bool = False
    time: int = 1
    clock_stopped: bool = False
    subscribers: int = 1
    late: bool = False
    rate_limited: bool = False
    not_signed: str = ""
    busy: bool = False


def lifecycle(state: str, failure: str = "", progress: str = "") -> Assessment | None:
    """What the lifecycle of a node says, with the transition that leads on; None: it is active, and nothing failed.

    Args:
        state, failure, progress: as in ``Condition``.
    """
    if failure:
        return Assessment(Level.ERROR, f"{state}: {failure}")
    if state == "unconfigured":
        return Assessment(Level.STALE, "unconfigured: call the transition configure, then activate")
    if state == "configuring":
        return Assessment(Level.WARN, f"configuring: {progress}")
    if state == "inactive":
        return Assessment(Level.WARN, "inactive: call the transition activate")
    if state == "finalized":
        return Assessment(Level.STALE, "finalized: the node was shut down; start it again")
    return None if state == "active" else Assessment(Level.WARN, f"{state}: wait")


def assess(condition: Condition) -> Assessment:
    """Level and one sentence: why the robot is not signing and what to do about it, or that it is ready.

    ERROR: a transition failed, and nothing is signed until that is fixed. WARN: signing is held up or impaired, perhaps
    on purpose. STALE: the node is not configured. OK: it is signing, or would.
    """
    c = condition
    if (said := lifecycle(c.state, c.failure, c.progress)) is not None:
        return said
    if c.time == 0:
        return Assessment(Level.WARN, NO_TIME)
    if c.clock_stopped:
        return Assessment(Level.WARN, CLOCK_STOPPED)
    if c.paused:
        return Assessment(Level.WARN, "paused: call ~/resume")
    if c.subscribers == 0:
        return Assessment(
            Level.WARN,
            "nobody subscribes to ~/trajectory: start the robot's or avatar's node, or compare names and QoS",
        )
    if c.late:
        return Assessment(
            Level.WARN, "chunks were late: the clock jumped, or signing is too slow; take a faster preset or backend"
        )
    if c.rate_limited:
        return Assessment(
            Level.WARN, "texts come faster than max_rate and are refused: stop who floods ~/text, or raise max_rate"
        )
    if c.busy:
        return Assessment(Level.OK, "signing")
    if c.not_signed:
        return Assessment(Level.WARN, f"a text was not signed: {c.not_signed}")
    return Assessment(Level.OK, "ready: waiting for texts")
