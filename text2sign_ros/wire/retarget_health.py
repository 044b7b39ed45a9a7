"""Health of retargeting: what keeps a robot from moving, as a level and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from text2sign_ros.wire.diagnosis import Assessment, Level


@dataclass(frozen=True)
class Health:
    """What the assessment depends on; "recently" means in the last ``wire.diagnosis.RECENT`` seconds.

    Attributes:
        states: topic of the joint states.
        topic: of the trajectories.
        came: whether joint states have come yet.
        lacking: joints that they lack.
        silent: whether they have stopped coming.
        moves: the joint that moves, where the robot must stand first; empty if it stands.
        unfit: why the robot's pose can't be started from; empty if it can.
        jumped: whether the clock jumped recently.
        refusal: why a frame was recently refused; empty if none was.
        subscribers: of ``topic``.
    """

    states: str
    topic: str
    came: bool = True
    lacking: tuple[str, ...] = ()
    silent: bool = False
    moves: str = ""
    unfit: str = ""
    jumped: bool = False
    refusal: str = ""
    subscribers: int = 1


def assess(health: Health) -> Assessment | None:
    """Level and one sentence: why the robot does not move, or not all of the motion; None: nothing keeps it."""
    h = health
    reason = ""
    if not h.came:
        reason = f"no joint states on {h.states}: start joint_state_broadcaster, or compare names and namespaces"
    elif h.lacking:
        reason = (
            f"joint states lack {', '.join(h.lacking[:3])}{', …' if len(h.lacking) > 3 else ''}: is this the robot?"
        )
    elif h.silent:
        reason = f"joint states have stopped: the robot was brought to rest; what publishes {h.states}?"
    elif h.unfit:
        reason = f"the present pose is not allowed: {h.unfit}"
    elif h.moves:
        reason = f"the robot moves: waiting until {h.moves} stands"
    elif h.subscribers == 0:
        reason = f"nobody subscribes to {h.topic}: start the controller, or compare names and namespaces"
    elif h.jumped:
        reason = "the clock jumped: the robot began anew from where it stood"
    elif h.refusal:
        reason = f"a frame was refused: {h.refusal}"
    return Assessment(Level.WARN, reason) if reason else None
