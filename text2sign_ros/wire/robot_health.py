"""Health of a simulated robot: whether it follows, and if not why, as a level and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from text2sign_ros.wire.diagnosis import CLOCK_STOPPED, NO_TIME, Assessment, Level

FAR = 5.0
"""Degrees by which a joint may be off before diagnostics warn of it."""
SLOW = 0.9
"""Seconds of simulation in a second, below which diagnostics warn."""


@dataclass(frozen=True)
class Health:
    """What the assessment depends on; "recently" means in the last ``wire.diagnosis.RECENT`` seconds.

    Attributes:
        topic: of the trajectories.
        started: whether the clock has shown a time yet.
        publishers: of ``topic``.
        advanced: whether the clock has advanced since the last diagnostics.
        factor: seconds of simulation in a second of the clock, since then.
        refusal: why a trajectory was recently refused; empty if none was.
        jumped: by how many seconds the clock recently jumped; 0 if it did not.
        leap: rad by which a trajectory recently made a joint leap; 0 if none did.
        deep: the two links that were recently deepest in each other, with the depth in metres; None if none were.
        off: the joint that is farthest from where it should be, with the angle in degrees.
        ahead: seconds of motion that are still to come.
    """

    topic: str
    started: bool = True
    publishers: int = 1
    advanced: bool = True
    factor: float = 1.0
    refusal: str = ""
    jumped: float = 0.0
    leap: float = 0.0
    deep: tuple[str, str, float] | None = None
    off: tuple[str, float] = ("", 0.0)
    ahead: float = 0.0


def assess(health: Health) -> Assessment:
    """Level and one sentence; WARN: the robot does not do what it was told to, or does more."""
    h = health
    if not h.started:
        return Assessment(Level.WARN, NO_TIME)
    if not h.advanced:
        return Assessment(Level.WARN, CLOCK_STOPPED)
    if h.publishers == 0:
        return Assessment(
            Level.WARN, f"nobody publishes {h.topic}: start what moves the robot, or compare names and namespaces"
        )
    if h.refusal:
        return Assessment(Level.WARN, f"a trajectory was refused: {h.refusal}")
    if h.jumped:
        return Assessment(Level.WARN, f"the clock jumped by {h.jumped:+.1f} s: the robot holds until a new trajectory")
    if h.deep is not None:
        first, second, depth = h.deep
        return Assessment(Level.WARN, f"links collide: {first} and {second}, {depth * 1e3:.1f} mm in each other")
    if h.leap:
        return Assessment(
            Level.WARN,
            f"a trajectory began with a leap of {h.leap:.2g} rad: send its first point later than its start, or from "
            "where the robot is",
        )
    if h.off[1] > FAR:
        return Assessment(Level.WARN, f"joints do not follow: {h.off[0]} is off by {h.off[1]:.0f}°; is it in the way?")
    if h.factor < SLOW:
        return Assessment(Level.WARN, f"the simulation is slower than its clock ({h.factor:.2f}): free the processor")
    return Assessment(Level.OK, "following" if h.ahead > 0 else "holding: waiting for a trajectory")
