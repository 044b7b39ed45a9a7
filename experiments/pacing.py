"""How much limits of a robot's joints slow signing down: a table as JSON, and the picture of one joint.

The joints are angles of elbows, wrists and fingers computed from keypoints, so that no robot and no inverse kinematics
is needed: what a robot's joints do is similar, not the same.

``python -m experiments.pacing --data data/asl_cafe --out docs/robot_limits.png``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from text2sign_ros import Signer, default_bundle, skeleton
from text2sign_ros.corpora import asl_cafe
from text2sign_ros.corpora.base import FPS
from text2sign_ros.corpora.composition import Composer
from text2sign_ros.motion.kinematics import unit
from text2sign_ros.retarget.joint_path import JointLimits
from text2sign_ros.retarget.pacing import PERIOD, TOLERANCE, Command, Pacer

SETS = {
    "strict": {"arm": (6.28, 40.0, 1000.0), "hand": (6.0, 40.0, 1000.0)},
    "default": {"arm": (6.28, 60.0, 1500.0), "hand": (6.0, 60.0, 3000.0)},
    "brisk": {"arm": (6.28, 60.0, 3000.0), "hand": (8.0, 150.0, 5000.0)},
}
"""Limits of velocity, acceleration and jerk: rad/s, rad/s², rad/s³."""
TEXTS = (
    "hello can i get a large coffee please thank you",
    "my name is grace",
    "how much is the tea",
    "answer the baby",
)
SECOND = 1_000_000_000
FRAME = round(1e9 / FPS)
CHUNK, LEAD = 8, 200_000_000
"""As the signer sends: frames in a chunk, and ns by which it is ahead of its stamp."""
STOPS = 7
"""Every how many commands a stop is tried."""


def joint_angles(positions: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """(T, 79, 3) metres -> (T, 34) rad, as many as two arms have with hands of 12 joints, and their names."""
    angles: dict[str, np.ndarray] = {}
    at = {name: positions[:, number].astype(float) for name, number in skeleton.INDEX.items()}
    for side in ("left", "right"):
        upper = unit(at[f"{side}_elbow"] - at[f"{side}_shoulder"])
        lower = unit(at[f"{side}_wrist"] - at[f"{side}_elbow"])
        root = at[f"{side}_hand_root"]
        along = unit(at[f"{side}_middle_mcp"] - root)
        normal = unit(np.cross(along, at[f"{side}_little_mcp"] - at[f"{side}_index_mcp"]))
        across = np.cross(normal, along)
        angles[f"{side}_shoulder_pitch"] = np.arctan2(upper[:, 0], -upper[:, 2])
        angles[f"{side}_shoulder_roll"] = np.arcsin(np.clip(upper[:, 1], -1, 1))
        angles[f"{side}_elbow"] = _between(upper, lower)
        angles[f"{side}_wrist_pitch"] = np.arcsin(np.clip(_dot(lower, normal), -1, 1))
        angles[f"{side}_wrist_yaw"] = np.arcsin(np.clip(_dot(lower, across), -1, 1))
        for finger in ("thumb", "index", "middle", "ring", "little"):
            joints = ("cmc", "mcp", "ip") if finger == "thumb" else ("mcp", "pip", "dip")
            points = [at[f"{side}_{finger}_{joint}"] for joint in joints]
            first, second = unit(points[1] - points[0]), unit(points[2] - points[1])
            angles[f"{side}_{finger}_base"] = np.arctan2(_dot(first, normal), _dot(first, along))
            angles[f"{side}_{finger}_middle"] = _between(first, second)
            if finger in ("thumb", "index"):
                angles[f"{side}_{finger}_spread"] = np.arcsin(np.clip(_dot(first, across), -1, 1))
    return np.unwrap(np.stack([*angles.values()], axis=1), axis=0), tuple(angles)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=-1)


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), _dot(a, b))


def limits(names: Sequence[str], chosen: dict[str, tuple[float, float, float]]) -> JointLimits:
    """Of these joints, of which shoulder, elbow and wrist are of the arm. Positions are free: a robot has others."""
    arm = np.array([any(part in name for part in ("shoulder", "elbow", "wrist")) for name in names])
    most = np.where(arm[:, None], chosen["arm"], chosen["hand"]).T
    return JointLimits(tuple(names), np.full(len(names), -10.0), np.full(len(names), 10.0), *most)


def play(motion: np.ndarray, bounds: JointLimits, tolerance: float = TOLERANCE) -> tuple[list[Command], np.ndarray]:
    """Commands of a motion (T, n) rad that is sent in chunks, and CPU seconds that each took."""
    pacer, now = Pacer(bounds, tolerance=tolerance), 0
    pacer.start(now, motion[0])
    times = SECOND + FRAME * np.arange(len(motion))
    commands, seconds, sent = [], [], 0
    while sent < len(motion) or not pacer.standing:
        began = time.thread_time()
        while sent < len(motion) and now >= times[sent] - LEAD:
            part = slice(sent, sent + CHUNK)
            pacer.add(times[part], motion[part], last=part.stop >= len(motion))
            sent = part.stop
        commands.append(pacer.step())
        seconds.append(time.thread_time() - began)
        now += PERIOD
    return commands, np.array(seconds)


def measure(motions: Sequence[np.ndarray], bounds: JointLimits, tolerance: float) -> dict[str, float]:
    """How much longer the motions (T, n) rad take, how far from the frames they pass, and what it costs."""
    sent = shown = 0.0
    away, used, lags, worst = [], [], [], 0.0
    for motion in motions:
        commands, seconds = play(motion, bounds, tolerance)
        used.append(seconds)
        source = np.array([(c.source, c.time) for c in commands if c.source is not None], float).T
        times = SECOND + FRAME * np.arange(len(motion))
        moment = np.interp(times, *source)
        sent, shown = sent + len(motion) / FPS, shown + (moment[-1] - moment[0]) / 1e9 + 1 / FPS
        lags.append((moment - times).max() / 1e9)
        positions = np.array([c.positions for c in commands])
        command_times = np.array([c.time for c in commands])
        passed = np.stack([np.interp(moment, command_times, joint) for joint in positions.T], axis=1)
        away.append(np.abs(passed - motion).ravel())
        for order, bound in enumerate((bounds.velocity, bounds.acceleration, bounds.jerk), 1):
            worst = max(
                worst, float((np.abs(np.diff(positions, n=order, axis=0)) / bound).max() / (PERIOD / 1e9) ** order)
            )
    degrees, cpu = np.degrees(np.concatenate(away)), np.concatenate(used)
    return {
        "seconds sent": round(sent, 1),
        "times as long": round(float(shown / sent), 3),
        "greatest lag s": round(float(max(lags)), 2),
        "off the frames rms deg": round(float(np.sqrt(np.mean(degrees**2))), 2),
        "off the frames p99 deg": round(float(np.percentile(degrees, 99)), 2),
        "greatest part of a limit": round(worst, 4),
        "CPU percent of a core": round(100 * float(cpu.mean()) / (PERIOD / 1e9), 2),
        "slowest command ms": round(1e3 * float(cpu.max()), 1),
    }


def stops(motion: np.ndarray, bounds: JointLimits) -> dict[str, float]:
    """Seconds from a stop at any moment of a motion (T, n) rad to a standstill."""
    taken = []
    total = len(play(motion, bounds)[0])
    for moment in range(0, total, STOPS):
        pacer = Pacer(bounds)
        pacer.start(0, motion[0])
        pacer.add(SECOND + FRAME * np.arange(len(motion)), motion, last=True)
        for _ in range(moment):
            pacer.step()
        pacer.stop()
        count = 0
        while not pacer.standing:
            pacer.step()
            count += 1
        taken.append(count * PERIOD / 1e9)
    return {
        name: round(float(np.percentile(taken, part)), 3) for name, part in (("median", 50), ("p99", 99), ("most", 100))
    }


def draw(motion: np.ndarray, bounds: JointLimits, joint: int, path: Path) -> None:
    """A joint as it was sent and as it is commanded, with its limits."""
    from matplotlib.figure import Figure

    commands, _ = play(motion, bounds)
    times = np.array([c.time for c in commands]) / 1e9 - 1
    values = np.array([c[1:4] for c in commands])[:, :, joint]
    jerk = np.diff(values[:, 2], prepend=0.0) / (PERIOD / 1e9)
    sent = motion[:, joint]
    frames = np.arange(len(sent)) / FPS
    figure = Figure((11, 10), layout="constrained")
    axes = figure.subplots(5, 1, sharex=True)
    axes[0].set_title(
        f"{bounds.names[joint]}: as sent (grey, 25 fps) and as commanded (100 Hz), limits dashed; no robot"
    )
    rows = [(values[:, 0], "rad"), (values[:, 1], "rad/s"), (values[:, 2], "rad/s²"), (jerk, "rad/s³")]
    most = (None, bounds.velocity[joint], bounds.acceleration[joint], bounds.jerk[joint])
    for order, (axis, (line, unit_name), bound) in enumerate(zip(axes, rows, most, strict=False)):
        asked = np.diff(sent, n=order) * FPS**order
        axis.plot(frames[: len(asked)] + order / 2 / FPS, asked, color="0.6", marker="." if order == 0 else "", lw=1)
        axis.plot(times, line, color="tab:blue", lw=1.2)
        axis.set_ylabel(unit_name)
        if bound is not None:
            axis.axhline(bound, ls="--", color="tab:red", lw=0.8)
            axis.axhline(-bound, ls="--", color="tab:red", lw=0.8)
            axis.set_ylim(-1.6 * bound, 1.6 * bound)
    source = np.array([(c.time / 1e9 - 1, (c.time - c.source) / 1e9) for c in commands if c.source is not None]).T
    axes[4].plot(source[0], np.maximum(source[1], 0.0), color="tab:blue")
    axes[4].set_ylabel("lag, s")
    axes[4].set_xlabel("s")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the results as JSON and draw a joint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="recordings of asl_cafe; without them only generated motion is used")
    parser.add_argument("--sentences", type=int, default=5, help="sentences of real takes (default: 5)")
    parser.add_argument("--texts", nargs="+", default=TEXTS, help="texts to generate")
    parser.add_argument("--tolerances", nargs="+", type=float, default=(0.0, 2.0, 4.0), help="degrees")
    parser.add_argument("--joint", default="right_wrist_yaw", help="which is drawn")
    parser.add_argument("--text", default="water please", help="of which a joint is drawn")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    signer = Signer(default_bundle())
    motions = {"generated": [joint_angles(signer.sign(text).positions)[0] for text in options.texts]}
    names = joint_angles(np.repeat(skeleton.REST_POSE[None], 2, axis=0))[1]
    if options.data:
        composer = Composer(take for take in asl_cafe.read(options.data) if take.split == "test")
        rng = np.random.default_rng(0)
        labels = [composer.sentence(rng) for _ in range(options.sentences)]
        motions["real"] = [joint_angles(composer.compose(label, rng).clip.positions)[0] for label in labels]
    results = {
        kind: {
            chosen: {f"tolerance {tolerance:g} deg": measure(some, bounds, float(np.radians(tolerance)))
                     for tolerance in options.tolerances}
            | {"seconds to stop": stops(some[-1], bounds)}
            for chosen, bounds in ((name, limits(names, values)) for name, values in SETS.items())
        }
        for kind, some in motions.items()
    }  # fmt: skip
    print(json.dumps(results, indent=1))
    drawn = joint_angles(signer.sign(options.text).positions)[0]
    draw(drawn, limits(names, SETS["default"]), names.index(options.joint), options.out)


if __name__ == "__main__":
    main()
