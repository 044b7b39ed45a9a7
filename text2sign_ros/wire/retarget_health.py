"""Health of retargeting: what keeps a robot from moving, or from moving safely, as a level and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from text2sign_ros.wire.diagnosis import Assessment, Level, is_recent


@dataclass(frozen=True)
class ModelHealth:
    """What is known of the robot's model.

    Attributes:
        topic: where it comes from; empty: from a file.
        came: whether it has come.
        faulty: why the one that came is not usable; empty if it is.
        replaced_at: when another one came (``time.monotonic``), which is not taken.
        bare: links whose shapes are missing.
    """

    topic: str = ""
    came: bool = True
    faulty: str = ""
    replaced_at: float = -float("inf")
    bare: tuple[str, ...] = ()


def assess_model(model: ModelHealth) -> Assessment | None:
    """Why there is no model to move the robot by, or not the newest; None: there is."""
    if model.faulty:
        return Assessment(Level.ERROR, f"the model on {model.topic} is not usable: {model.faulty}")
    if not model.came:
        reason = f"no robot model on {model.topic}: start robot_state_publisher, or compare names and namespaces"
        return Assessment(Level.WARN, reason)
    if is_recent(model.replaced_at):
        reason = f"another robot model came on {model.topic}: clean the node up and configure it to take it"
        return Assessment(Level.WARN, reason)
    return None


def with_bare(said: Assessment, model: ModelHealth) -> Assessment:
    """``said``, with a warning if shapes are missing and nothing else is wrong."""
    if said.level is not Level.OK or not model.bare:
        return said
    count = f"{len(model.bare)} link{'s' * (len(model.bare) > 1)}"
    return Assessment(Level.WARN, f"no shapes of {count}, whose collisions are not avoided; {said.message}")


@dataclass(frozen=True)
class Health:
    """What the assessment depends on; "recently" means in the last ``wire.diagnosis.RECENT`` seconds.

    Attributes:
        states: topic of the joint states.
        topic: of the trajectories.
        came: whether joint states have come yet.
        unusable: what is wrong with those that come instead of usable ones; empty if nothing is.
        lacking: joints that they lack.
        silent: whether they have stopped coming.
        off: seconds by which they are older than the clock, where that is too much to begin; else 0.
        moves: the joint that moves, where the robot must stand first; empty if it stands.
        unfit: why the robot's pose can't be started from; empty if it can.
        jumped: whether the clock jumped recently.
        refusal: why a frame was recently refused; empty if none was.
        subscribers: of ``topic``.
    """

    states: str
    topic: str
    came: bool = True
    unusable: str = ""
    lacking: tuple[str, ...] = ()
    silent: bool = False
    off: float = 0.0
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
    elif h.unusable:
        reason = f"joint states are not usable: {h.unusable}; mend what publishes {h.states}"
    elif h.lacking:
        reason = (
            f"joint states lack {', '.join(h.lacking[:3])}{', …' if len(h.lacking) > 3 else ''}: is this the robot?"
        )
    elif h.silent:
        reason = f"joint states have stopped: the robot was brought to rest; what publishes {h.states}?"
    elif h.off:
        reason = (
            f"joint states are stamped {abs(h.off):.1f} s {'ago' if h.off > 0 else 'from now'}: does what publishes "
            f"{h.states} use another clock (use_sim_time)?"
        )
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
