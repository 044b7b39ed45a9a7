"""Whether what a robot is commanded keeps its limits and its parts apart, over many generated sentences.

Sentences are sampled, sent in chunks as the signer sends them, and followed by ``JointStream`` as the node ``retarget``
does it, without ROS and as fast as the processors allow. Every command, 100 a second, is checked: position, velocity,
acceleration, jerk, and how far parts of the robot are in each other.

``python -m experiments.robot_sentences --out out/robot_sentences.json``; Ctrl-C ends it with what there is
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import mujoco
import numpy as np

from text2sign_ros import Signer, default_bundle
from text2sign_ros.inference.bundle import Bundle, UnitSettings
from text2sign_ros.motion.chunks import chunks
from text2sign_ros.motion.playback import Piece, Playback
from text2sign_ros.progress import progress_bar
from text2sign_ros.retarget import description
from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.model import RobotModel, build
from text2sign_ros.retarget.pacing import Command
from text2sign_ros.retarget.stream import JointStream

SECOND = 1_000_000_000
PERIOD, EVERY, HORIZON, DELAY = SECOND // 100, 4, SECOND // 10, 4 * SECOND // 10
CHUNK, LEAD = 8, SECOND // 5
"""As the nodes' parameters are by default: retarget's, and the signer's."""
PHRASES = (
    *("hello can i get a large coffee please thank you", "good morning. how are you?", "i want tea with milk, please."),
    *("my name is grace. nice to meet you.", "do you have water? yes. thank you.", "sorry, no sugar.", "i love you"),
    *(
        "the coffee is hot",
        "where is the bathroom?",
        "see you later. goodbye.",
        "please wait. help me.",
        "happy birthday",
    ),
)
"""What is said in a café."""
_LONGEST = 60.0
"""Seconds after which a sentence that has not come to an end is given up."""


@dataclass(frozen=True)
class Checked:
    """One sentence. Ratios are of the limits: above 1 one is exceeded.

    Attributes:
        text: what was signed.
        seconds, commands: of motion.
        velocity, acceleration, jerk: the largest ratio of any joint, at any command.
        beyond: rad, the farthest beyond a limit of position.
        deepest: metres that parts were in each other at most, except within a hand; negative where they were apart.
        deepest_pair: which those were.
        within_hand: metres that parts of one hand, as capsules, were in each other at most.
        refused: frames that were not followed.
        lag: seconds by which the last command was later than the keypoints.
        ended: whether it came to rest.
    """

    text: str
    seconds: float
    commands: int
    velocity: float
    acceleration: float
    jerk: float
    beyond: float
    deepest: float
    deepest_pair: str
    within_hand: float
    refused: int
    lag: float
    ended: bool


def texts(bundle: Bundle, count: int, seed: int = 0) -> list[str]:
    """Sentences of many kinds: those of a café, then random signs of the vocabulary, some with a spelled name."""
    rng = np.random.default_rng(seed)
    settings = bundle.segmenter
    words = settings.signs if isinstance(settings, UnitSettings) else " ".join(PHRASES).split()
    made = list(PHRASES)
    while len(made) < count:
        parts = [str(word) for word in rng.choice(words, rng.integers(2, 6))]
        if rng.random() < 0.3:
            name = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(3, 7)))
            parts.insert(int(rng.integers(len(parts) + 1)), name.capitalize())
        made.append(" ".join(parts) + ".")
    return made[:count]


def pieces(motion: np.ndarray, begin: int, fps: float) -> Iterator[Piece]:
    """A motion (T, 79, 3) as the signer sends it, from ``begin``, ns."""
    for chunk in chunks([motion], fps, CHUNK):
        times = begin + np.rint((chunk.start + np.arange(len(chunk))) * SECOND / fps).astype(np.int64)
        yield Piece(times, chunk.positions, chunk.velocities)


def commanded(stream: JointStream, model: RobotModel, motion: np.ndarray, fps: float) -> tuple[list[Command], bool]:
    """What a controller that gets each trajectory at once commands, from rest to rest; and whether it came to rest."""
    now, playback = 100 * SECOND, Playback()
    stream.start(now, model.rest)
    waiting = list(pieces(motion, now + LEAD, fps))[::-1]
    latest: list[Command] = []
    done: list[Command] = []
    end = now + LEAD + round(len(motion) / fps * SECOND)
    for turn in range(round((len(motion) / fps + _LONGEST) * SECOND / PERIOD)):
        while waiting and waiting[-1].start - LEAD <= now:
            playback.add(waiting.pop(), now)
        playback.knot(now)
        stream.advance(playback, now)
        if turn % EVERY == 0 and (commands := stream.trajectory()):
            latest = list(commands)
        now += PERIOD
        done += [command for command in latest if now - PERIOD < command.time <= now]
        if now > end + SECOND and stream.standing:
            return done, True
    return done, False


def check(model: RobotModel, text: str, stream: JointStream, motion: np.ndarray, fps: float) -> Checked:
    """Sign one motion (T, 79, 3) with the robot, and look at every command."""
    refused = stream.refused
    commands, ended = commanded(stream, model, motion, fps)
    positions = np.array([c.positions for c in commands])
    pushes = np.array([c.accelerations for c in commands])
    speeds = np.array([c.velocities for c in commands])
    jerks = np.abs(np.diff(pushes, axis=0)) / (PERIOD / SECOND)
    deepest, pair, within = depths(model, positions)
    return Checked(
        text,
        (commands[-1].time - commands[0].time) / SECOND,
        len(commands),
        float((np.abs(speeds) / model.velocity).max()),
        float((np.abs(pushes) / model.acceleration).max()),
        float((jerks / model.jerk).max()),
        float(np.maximum(positions - model.upper, model.lower - positions).max()),
        deepest,
        pair,
        within,
        stream.refused - refused,
        stream.lag,
        ended,
    )


def depths(model: RobotModel, positions: np.ndarray) -> tuple[float, str, float]:
    """The deepest two parts are in each other, metres, which they are, and the deepest within a hand."""
    mj, data, hands = model.mj, mujoco.MjData(model.mj), _hands(model)
    deepest, pair, within = -np.inf, "", -np.inf
    for row in positions:
        data.qpos[:] = model.full(row)
        mujoco.mj_kinematics(mj, data)
        mujoco.mj_collision(mj, data)
        depth, geoms = -data.contact.dist[: data.ncon], data.contact.geom[: data.ncon]
        inside = (hands[geoms[:, 0]] == hands[geoms[:, 1]]) & (hands[geoms[:, 0]] > 0)
        within = max(within, depth[inside].max(initial=-np.inf))
        if not inside.all() and (most := float(depth[~inside].max())) > deepest:
            deepest = most
            bodies = mj.geom_bodyid[geoms[~inside][int(depth[~inside].argmax())]]
            pair = " in ".join(mj.body(int(body)).name for body in bodies)
    return deepest, pair, float(within)


def _hands(model: RobotModel) -> np.ndarray:
    """Of each shape, 1 in the left hand, 2 in the right one, else 0."""
    body, mj = Body(model), model.mj
    hand = np.zeros(mj.nbody, int)
    for number, of_side in enumerate(body.hands.values()):
        hand[body.bodies[of_side.wrist]] = number + 1
    for i in range(1, mj.nbody):
        hand[i] = hand[i] or hand[mj.body_parentid[i]]
    return hand[mj.geom_bodyid]


@cache
def _parts(bundle: Path, robot: str) -> tuple[Signer, RobotModel, JointStream]:
    model = build(description.load(robot))
    return Signer(bundle), model, JointStream(model, period=PERIOD, horizon=HORIZON, delay=DELAY)


def _one(job: tuple[Path, str, int, str]) -> Checked:
    bundle, robot, seed, text = job
    signer, model, stream = _parts(bundle, robot)
    return check(model, text, stream, signer.sign(text, seed=seed).positions, signer.fps)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends


def report(results: list[Checked], seconds: float) -> dict[str, object]:
    """What is said about all of them."""
    deep = np.array([r.deepest for r in results])
    within = np.array([r.within_hand for r in results])
    worst = results[int(deep.argmax())]
    return {
        "sentences": len(results),
        "commands": sum(r.commands for r in results),
        "minutes of motion": round(sum(r.seconds for r in results) / 60, 1),
        "most of a limit used": {
            name: round(max(getattr(r, name) for r in results), 4) for name in ("velocity", "acceleration", "jerk")
        },
        "rad beyond a limit of position": round(max(r.beyond for r in results), 6),
        "sentences that exceed a limit": sum(
            max(r.velocity, r.acceleration, r.jerk) > 1 + 1e-6 or r.beyond > 1e-6 for r in results
        ),
        "mm in each other, most": round(1000 * float(deep.max()), 2),
        "where": f"{worst.deepest_pair}: {worst.text}",
        "sentences with more than 2 mm": int((deep > 0.002).sum()),
        "mm within a hand, most": round(1000 * float(within.max()), 2),
        "sentences with more than 2 mm within a hand": int((within > 0.002).sum()),
        "frames refused": sum(r.refused for r in results),
        "sentences that did not come to rest": sum(not r.ended for r in results),
        "lag at the end, median, s": round(float(np.median([r.lag for r in results])), 2),
        "seconds it took": round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", default="gr3", help="name or file")
    parser.add_argument("--bundle", type=Path, default=default_bundle(), help="folder of the model")
    parser.add_argument("--sentences", type=int, default=1000, help="how many")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--seed", type=int, default=0, help="of the sentences")
    parser.add_argument("--out", type=Path, help="JSON of each sentence and of all")
    arguments = parser.parse_args()
    signer = Signer(arguments.bundle)
    chosen = texts(signer.bundle, arguments.sentences, arguments.seed)
    signer.close()
    jobs = [(arguments.bundle, arguments.robot, number, text) for number, text in enumerate(chosen)]
    results: list[Checked] = []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs would ignore it
    begun = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(arguments.jobs, _begin) as pool:
        try:
            results.extend(progress_bar(pool.imap_unordered(_one, jobs), desc="sentences", total=len(jobs)))
        except KeyboardInterrupt:
            pool.terminate()
    if not results:
        parser.error("no sentence was finished")
    said = report(results, time.monotonic() - begun)
    print(json.dumps(said, indent=2))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        each = [asdict(result) for result in sorted(results, key=lambda r: -r.deepest)]
        arguments.out.write_text(json.dumps({"all": said, "each": each}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
