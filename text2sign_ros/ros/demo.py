"""The demo: a signer node in a child process signs one text; what a subscriber receives becomes pictures."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from text2sign_ros.child import start_signer
from text2sign_ros.clip import write_whole
from text2sign_ros.drawing import contact_sheet, video
from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.signer import Signer
from text2sign_ros.resources import default_bundle
from text2sign_ros.ros import environment
from text2sign_ros.ros.client import Diagnostics, Goal, SignerClient, WaitError
from text2sign_ros.ros.clock import SIGNER, SPEED, FastClock
from text2sign_ros.wire.diagnosis import Level
from text2sign_ros.wire.textlog import quote

TEXT = "hello can i get a large coffee please thank you"
START_TIMEOUT, SILENCE_TIMEOUT = 60.0, 20.0  # seconds


class DemoError(Text2SignError):
    """The demo can't go on; the message says why."""


@dataclass(frozen=True)
class Summary:
    """summary.json.

    Attributes:
        text: as given.
        segments: captions of the signed segments in order.
        frames, fps, keypoints: size of the motion received.
        first_chunk_ms: from publishing the text to receiving the first chunk, both in the demo's process.
        total_ms: from publishing the text to receiving the last chunk. The node sends a minute ahead by a clock that is
            ``clock_speed`` times as fast as time, so this is what signing and transport took, not the motion.
        real_time_factor: time the node took to make the motion / duration of the motion, by its diagnostics.
        backend, steps: used by the node, by its diagnostics.
        gaps: chunks whose stamp is not the end of the previous chunk, to the nanosecond.
        late_chunks: chunks received after their stamp.
        ros_distro: distribution of ROS 2.
        warnings: what could not be signed as written.
    """

    text: str
    segments: list[str]
    frames: int
    fps: float
    keypoints: int
    duration_s: float
    chunks: int
    first_chunk_ms: float
    total_ms: float
    real_time_factor: float
    backend: str
    steps: int
    gaps: int
    late_chunks: int
    clock_speed: float
    ros_distro: str
    warnings: list[str] = field(default_factory=list)


def run(text: str, out: Path, bundle: Path | None = None) -> Summary:
    """Sign ``text`` with a node in a child process.

    Writes trajectory.npz, contact_sheet.png, motion.mp4 and summary.json to ``out``.

    Raises:
        Text2SignError: (TextError, BundleError, ChildError, ClientError, DemoError) the text, the bundle or the node is
            faulty.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(FastClock())
        process = stack.enter_context(start_signer(bundle, **SIGNER))
        # While the node starts, plan what it has to send. The node loads the bundle itself.
        signer = Signer(bundle or default_bundle())
        plan = signer.plan(text)
        captions = signer.timeline(plan)
        client = stack.enter_context(
            SignerClient("/signer", name="signer_demo", use_sim_time=True, check=process.check)
        )
        try:
            goal, diagnostics = _sign(client, text)
        except WaitError as error:
            raise DemoError(f"{error}; the node's last output:\n{process.tail()}") from error
        clip, gaps = goal.clip(), goal.gaps()
    total = sum(frames for _, frames in captions)
    if len(clip) != total:
        raise DemoError(f"{len(clip)} frames were received; the text has {total}")

    arrivals = goal.arrivals
    summary = Summary(
        text=text,
        segments=[caption for caption, _ in captions if caption],
        frames=len(clip),
        fps=clip.fps,
        keypoints=clip.positions.shape[1],
        duration_s=round(clip.duration, 3),
        chunks=len(arrivals),
        first_chunk_ms=round((arrivals[0].at - goal.sent_at) * 1e3, 1),
        total_ms=round((arrivals[-1].at - goal.sent_at) * 1e3, 1),
        real_time_factor=float(diagnostics.values["real-time factor"]),
        backend=diagnostics.values["backend"],
        steps=int(diagnostics.values["steps"]),
        gaps=sum(gap != 0 for gap in gaps),
        late_chunks=goal.late,
        clock_speed=SPEED,
        ros_distro=os.environ.get("ROS_DISTRO", "unknown"),
        warnings=list(plan.warnings),
    )
    clip.save(out / "trajectory.npz")
    contact_sheet(clip, captions, out / "contact_sheet.png")
    video(clip, captions, out / "motion.mp4")
    with write_whole(out / "summary.json") as file:
        file.write(json.dumps(asdict(summary), indent=2, ensure_ascii=False).encode() + b"\n")
    return summary


def _sign(client: SignerClient, text: str) -> tuple[Goal, Diagnostics]:
    """Have ``text`` signed; returns its goal, and the diagnostics that count it."""
    client.wait_until_ready(START_TIMEOUT)

    def has_time() -> bool:
        return client.diagnostics is not None and client.diagnostics.level is Level.OK

    client.wait_for(has_time, START_TIMEOUT, "the signer to receive /clock")
    goal = client.submit(text)
    for _ in goal.follow(SILENCE_TIMEOUT):
        pass
    result = goal.result()
    if not result.succeeded:
        raise DemoError(f"{quote(text)} was not signed: {result.reason or result.status.name}")

    def up_to_date() -> Diagnostics | None:
        diagnostics = client.diagnostics
        return diagnostics if diagnostics is not None and diagnostics.number("texts signed") else None

    return goal, client.wait_for(up_to_date, SILENCE_TIMEOUT, "the diagnostics of the text")


def command_line(name: str, about: str | None, out: str) -> argparse.ArgumentParser:
    """The arguments of a demo: a text, a folder for the results, and a bundle.

    Args:
        name: of its module.
        about: what it does.
        out: default of the folder.
    """
    parser = argparse.ArgumentParser(prog=f"python -m text2sign_ros.ros.{name}", description=about)
    parser.add_argument("text", nargs="?", default=TEXT, help=f"the text to sign; default: {TEXT!r}")
    parser.add_argument("--out", type=Path, default=Path(out), help="folder for the results (%(default)s)")
    parser.add_argument("--bundle", type=Path, help="model bundle (default: the one in the package)")
    return parser


def execute(
    parser: argparse.ArgumentParser,
    sign: Callable[[argparse.Namespace], Any],
    report: Callable[[Any], str],
    files: str,
) -> int:
    """Run a demo with the arguments given, and print warnings, a report of what ``sign`` returns, and the files made.

    Returns:
        Exit code: 0 done, 1 something is wrong (one line says what), 130 and 143 stopped by a signal.
    """
    arguments = parser.parse_args()
    environment.keep_to_this_machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        summary = sign(arguments)
    except KeyboardInterrupt:
        return 130
    except Text2SignError as error:
        print(f"{parser.prog.rpartition('.')[2]}: {error}", file=sys.stderr)
        return 1
    for warning in summary.warnings:
        print(f"warning: {warning}")
    print(f"{report(summary)}\n{arguments.out}: {files}")
    return 0


def main() -> int:
    """Command line; exit codes as ``execute``."""
    parser = command_line("demo", __doc__, "out/demo")
    return execute(
        parser,
        lambda given: run(given.text, given.out, given.bundle),
        _report,
        "trajectory.npz, contact_sheet.png, motion.mp4, summary.json",
    )


def _report(summary: Summary) -> str:
    return (
        f"signed {quote(summary.text)}: {summary.frames} frames ({summary.duration_s:.1f} s) "
        f"in {summary.chunks} chunks, {summary.gaps} gaps\n"
        f"first chunk after {summary.first_chunk_ms:.0f} ms, everything after {summary.total_ms / 1e3:.1f} s, "
        f"real-time factor {summary.real_time_factor:.4f} "
        f"({summary.steps} steps on {summary.backend})"
    )


if __name__ == "__main__":
    sys.exit(main())
