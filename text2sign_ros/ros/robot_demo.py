"""The robot's demo: signer, retarget and simulated robot in processes of their own sign one text; pictures of it."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Float64

from text2sign_ros.child import start_node, start_signer
from text2sign_ros.clip import SignClip, write_whole
from text2sign_ros.errors import Text2SignError
from text2sign_ros.retarget import description, film
from text2sign_ros.retarget.model import build
from text2sign_ros.retarget.recording import Recording, violations
from text2sign_ros.retarget.solver import FPS
from text2sign_ros.retarget.stream import limits_of
from text2sign_ros.ros.client import Goal, SignerClient, WaitError
from text2sign_ros.ros.demo import SILENCE_TIMEOUT, DemoError, command_line, execute
from text2sign_ros.wire.textlog import quote

LEAD = 0.6
"""Seconds that the signer sends ahead: with the delay of retargeting, enough to move at the joints' full pace."""
HORIZON = 0.4
"""Seconds within which the demo's trajectories must arrive: more than the node's own, for a machine that also draws."""
SPEED = 0.5
"""Of the clock: with half the time a second, a machine that has other things to do keeps up too."""
PATIENCE = 60.0
"""Seconds for which the clock waits for a late trajectory."""
_SLOW = 20.0  # how much slower than its clock the physics may be before we give up
_PATIENCE = 240.0  # seconds in which three nodes start


@dataclass(frozen=True)
class Summary:
    """summary.json. Times are of the simulated clock, in seconds from the first row of joints.npz.

    Attributes:
        text: as given.
        robot: its name.
        segments: the parts of the text in order, each with the times at which the robot begins and ends it.
        duration_s: of the motion, as the signer sent it.
        tracking: how the joints followed what was commanded: degrees rms without the lag, the lag in seconds, the
            joint that is farthest off and its rms.
        limits_violated: rows of joints.npz at which a commanded joint exceeds its limit, by kind of limit. Differences
            of float32 positions, so only what exceeds rounding counts.
        lag_s: how much later than the keypoints the joints are commanded: the median and the largest.
        frames: solved, and refused by retargeting, with the reason for the last one.
        deepest_contact_mm: of two links in physics.
        warnings: what could not be signed as written.
    """

    text: str
    robot: str
    segments: list[tuple[str, float, float]]
    duration_s: float
    tracking: dict[str, float | str]
    limits_violated: dict[str, int]
    lag_s: dict[str, float]
    frames: dict[str, int | str]
    deepest_contact_mm: float
    warnings: list[str] = field(default_factory=list)


class _Ears:
    """What the robot's nodes say: diagnostics by name, and the lag with its times."""

    def __init__(self, client: SignerClient) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, Mapping[str, str]] = {}
        self.message = ""
        self.lags: list[tuple[int, float]] = []  # each with the time, ns
        client.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        self._clock = client.node.get_clock()
        client.node.create_subscription(Float64, "/retarget/lag", self._on_lag, 100)

    def _on_lag(self, message: Float64) -> None:
        self.lags.append((self._clock.now().nanoseconds, message.data))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._lock:
            for status in message.status:
                self._values[status.name] = {pair.key: pair.value for pair in status.values}
                if status.name == "retarget: signing":
                    self.message = status.message

    def values(self, name: str) -> Mapping[str, str]:
        with self._lock:
            return self._values.get(name, {})


def run(text: str, out: Path, robot: str = "gr3", bundle: Path | None = None) -> Summary:
    """Sign ``text`` with a robot in physics.

    Writes robot.mp4, sheet.png, joints.npz and summary.json to ``out``. The simulated robot is the source of time, so
    that a slow processor makes it take longer, and changes nothing else.

    Raises:
        Text2SignError: (ConfigError, TextError, BundleError, ChildError, ClientError, DemoError, PictureError) the
            text, the robot, the bundle or a node is faulty.
    """
    about = description.load(robot)
    limits = limits_of(build(about))
    out.mkdir(parents=True, exist_ok=True)
    (out / "joints.npz").unlink(missing_ok=True)  # the robot writes it at the end
    with contextlib.ExitStack() as stack:
        record: dict[str, float | str] = {
            "clock": True,
            "clock_speed": SPEED,
            "clock_patience": PATIENCE,
            "record": str(out.resolve()),
        }
        body = stack.enter_context(start_node("simulated_robot", robot=robot, **record))
        mover = stack.enter_context(start_node("retarget", robot=robot, use_sim_time=True, horizon=HORIZON))
        signer = stack.enter_context(start_signer(bundle, use_sim_time=True, lead_time=LEAD))
        children = (signer, mover, body)

        def check() -> None:
            for child in children:
                child.check()

        client = stack.enter_context(SignerClient("/signer", name="robot_demo", use_sim_time=True, check=check))
        ears = _Ears(client)
        try:
            goal = _sign(client, ears, text)
        except WaitError as error:
            tails = "\n".join(child.tail() for child in children)
            raise DemoError(f"{error}; the nodes' last output:\n{tails}") from error
        clip = goal.clip()
        mover_values, body_values = ears.values("retarget: signing"), ears.values("simulated_robot: following")
        body.close()  # which makes it write the recording
        moments, lags = np.array([at for at, _ in ears.lags]), np.array([lag for _, lag in ears.lags])
    try:
        recording = Recording.load(out / "joints.npz")
    except Text2SignError as error:
        raise DemoError(f"the simulated robot left no recording ({error}); its last output:\n{body.tail()}") from error
    if not len(lags):
        raise DemoError(f"retarget sent no trajectory; its last output:\n{mover.tail()}")
    shown_at = _Warp(moments, lags)
    captions = _captions(goal, shown_at)
    tracked = _cut(recording, goal.stamp_ns).tracking()
    assert tracked is not None and goal.captions is not None
    since = int(recording.stamps[0])
    summary = Summary(
        text=text,
        robot=about.name,
        segments=[(c.text, round((c.begin - since) * 1e-9, 3), round((c.end - since) * 1e-9, 3)) for c in captions],
        duration_s=round(clip.duration, 3),
        tracking={
            "rms_deg": round(tracked.rms, 3),
            "lag_s": round(tracked.lag, 3),
            "worst_joint": tracked.worst[0],
            "worst_rms_deg": round(tracked.worst[1], 3),
        },
        limits_violated=violations(recording, limits),
        lag_s={"median": round(float(np.median(lags)), 3), "largest": round(float(lags.max()), 3)},
        frames={
            "solved": int(mover_values["frames solved"]),
            "refused": int(mover_values["frames refused"]),
            "last_refusal": mover_values["last refusal of a frame"],
        },
        deepest_contact_mm=float(body_values["deepest contact (mm)"]),
        warnings=list(goal.captions.warnings),
    )
    with write_whole(out / "summary.json") as file:
        file.write(json.dumps(asdict(summary), indent=2, ensure_ascii=False).encode() + b"\n")
    signed = film.Signed(shown_at.warped(clip, goal.stamp_ns), goal.stamp_ns)
    shown = _cut(recording, goal.stamp_ns - 10**9)
    film.contact_sheet(about, shown, out / "sheet.png", captions=captions, signed=signed)
    film.video(about, shown, out / "robot.mp4", captions=captions, signed=signed)
    return summary


class _Warp:
    """When the robot shows what: by its lag, which changes.

    Args:
        times: (m,) ns of the clock, growing.
        lags: (m,) seconds by which the joints are late then.
    """

    def __init__(self, times: np.ndarray, lags: np.ndarray) -> None:
        self._origin = int(times[0])
        self._times = (times - self._origin) * 1e-9
        self._sources = np.maximum.accumulate(self._times - lags)  # of the motion's own time

    def __call__(self, source: int) -> int:
        """The time at which the robot shows what was due at ``source``, both ns."""
        at = (source - self._origin) * 1e-9
        if at >= self._sources[-1]:
            return source + round((self._times[-1] - self._sources[-1]) * 1e9)
        return self._origin + round(float(np.interp(at, self._sources, self._times)) * 1e9)

    def warped(self, clip: SignClip, stamp: int) -> SignClip:
        """A clip that begins at ``stamp``, ns, as the robot shows it: beside its pictures at the same times."""
        end = self(stamp + round(clip.duration * 1e9))
        times = (np.arange(stamp, end, round(1e9 / clip.fps)) - self._origin) * 1e-9
        sources = np.interp(times, self._times, self._sources) - (stamp - self._origin) * 1e-9
        frames = np.clip(np.rint(sources * clip.fps), 0, len(clip) - 1).astype(int)
        return SignClip(clip.positions[frames], clip.confidence[frames], clip.fps)


def _sign(client: SignerClient, ears: _Ears, text: str) -> Goal:
    """Have ``text`` signed, and wait until the robot stands again."""
    client.wait_until_ready(_PATIENCE)
    client.wait_for(
        lambda: ears.values("retarget: signing").get("joints") == "standing" and "at rest" in ears.message,
        _PATIENCE,
        "retarget to know where the robot's joints are",
    )
    goal = client.submit(text)
    for _ in goal.follow(SILENCE_TIMEOUT * _SLOW):
        pass
    result = goal.result()
    if not result.succeeded:
        raise DemoError(f"{quote(text)} was not signed: {result.reason or result.status.name}")
    end = goal.stamp_ns + round((goal.frames / FPS + 1.0) * 1e9)

    def stands() -> bool:
        now = client.node.get_clock().now().nanoseconds
        values = ears.values("retarget: signing")
        return now > end and values["joints"] == "standing" and values["motion ahead (s)"] == "0.00"

    client.wait_for(stands, SILENCE_TIMEOUT * _SLOW, "the robot to come to rest")
    return goal


def _captions(goal: Goal, shown_at: _Warp) -> list[film.Caption]:
    """The words with the times at which the robot shows them."""
    assert goal.captions is not None
    return [
        film.Caption(part.text, shown_at(part.start_stamp), shown_at(part.end_stamp))
        for part in goal.captions.parts
        if part.text and part.end_stamp is not None
    ]


def _cut(recording: Recording, begin: int) -> Recording:
    """What follows a stamp: before it the robot waits for the signer."""
    rows = recording.stamps >= begin
    return Recording(recording.joints, recording.stamps[rows], recording.positions[rows], recording.wanted[rows])


def main() -> int:
    """Command line; exit codes as ``demo.execute``."""
    parser = command_line("robot_demo", __doc__, "out/robot")
    parser.add_argument("--robot", default="gr3", help="its description: a file, or a name (%(default)s)")
    return execute(
        parser,
        lambda given: run(given.text, given.out, given.robot, given.bundle),
        _report,
        "robot.mp4, sheet.png, joints.npz, summary.json",
    )


def _report(summary: Summary) -> str:
    return (
        f"{summary.robot} signed {quote(summary.text)}: {summary.duration_s:.1f} s of motion, "
        f"{summary.lag_s['median']} s later than the keypoints\n"
        f"joints follow within {summary.tracking['rms_deg']}° rms, limits violated: "
        f"{sum(summary.limits_violated.values())}, deepest contact {summary.deepest_contact_mm} mm"
    )


if __name__ == "__main__":
    sys.exit(main())
