"""Processes that die or freeze in mid-sentence: the signer, a subscriber; and what they leave behind."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Process
from observer import EXECUTING, SUCCEEDED
from rclpy.qos import QoSProfile
from visualization_msgs.msg import MarkerArray

from faults.ledger import LONG, Ledger
from faults.witness import Witness, memory
from text2sign_ros.skeleton import REST_POSE

LONG_TEXT = "can i get a large coffee please"
KILLS = 20 if LONG else 1
SHARED = Path("/dev/shm")
FASTEST = 10.0
"""Metres a second that are no jump, which would be ten times that from one pose to the next; signs reach 5."""


class Audience(Witness):
    """Watches the player's figure too."""

    def __init__(self) -> None:
        super().__init__("audience")
        self.away = 0.0  # metres from rest, of any keypoint along any axis
        self.fastest = 0.0  # m/s from pose to pose, by their stamps: a busy machine shows few of them
        self._last, self._shown_at = REST_POSE, 0
        self.node.create_subscription(MarkerArray, "/player/markers", self._on_markers, QoSProfile(depth=100))

    def _on_markers(self, message: MarkerArray) -> None:
        balls = [marker for marker in message.markers if marker.ns.endswith("_joints")]
        pose = np.array([(p.x, p.y, p.z) for marker in balls for p in marker.points])
        stamp = balls[0].header.stamp
        now = stamp.sec * 10**9 + stamp.nanosec
        if self._shown_at:
            seconds = max(now - self._shown_at, 10_000_000) / 1e9
            self.fastest = max(self.fastest, float(np.abs(pose - self._last).max()) / seconds)
        self.away, self._last, self._shown_at = float(np.abs(pose - REST_POSE).max()), pose, now


def _shared(process: Process) -> set[str]:
    """Shared memory files of Fast DDS that a process has mapped."""
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    return set(re.findall(r"/dev/shm/(\S*fastdds\S*)", maps))


def _megabytes(names: set[str]) -> float:
    return sum(path.stat().st_size for name in names if (path := SHARED / name).exists()) / 1e6


@pytest.mark.timeout(1800)
def test_killed_in_mid_sentence_and_started_again(
    run_signer: Callable[..., Process],
    run_player: Callable[[], Process],
    close_books: Callable,
    ledger: Ledger,
    progress: Callable[[str], None],
) -> None:
    player, left, sizes, killed = run_player(), set[str](), [], 0
    player.wait_for("ready: ", 60.0)
    for number in range(KILLS):
        process = run_signer()
        # A new one each time: who knew the dead signer takes it for alive for 20 s.
        with closing(Audience()) as audience:
            audience.connect(process)
            audience.send(LONG_TEXT, "thank you")
            audience.until(lambda a=audience: a.chunks > 6 and a.away > 0.1, "the figure to sign")
            left |= _shared(process)
            killed += audience.sent
            process.signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            player.wait_for("the motion broke off", 20.0)
            audience.until(lambda a=audience: a.away < 1e-6, "rest")
            assert audience.fastest < FASTEST, "the figure does not jump"
        sizes.append(_megabytes(left))
        progress(f"{number + 1} kills, {sizes[-1]:.1f} MB left in /dev/shm")
    process = run_signer()
    with closing(Audience()) as audience:
        audience.connect(process)
        before = memory(process)
        audience.send("hello")
        audience.until(lambda: audience.away > 0.1, "the figure to follow the new one")
        audience.settle()
        audience.until(lambda: audience.away < 5e-3, "rest")
        assert audience.fastest < FASTEST, "the figure does not jump"
        still = {name for name in left if (SHARED / name).exists()}
        ledger.remark(
            f"{KILLS} × kill -9 in mid-sentence: {killed} texts ended with their process (whoever sent them has to "
            f"send them again); of {len(left)} shared memory files {len(still)} are left ({_megabytes(still):.1f} MB; "
            f"after the first kill {sizes[0]:.1f} MB)"
        )
        close_books("signing again after kill -9", audience, process, before)
    player.signal(signal.SIGTERM)
    assert player.wait(30.0) == 0


def test_a_subscriber_is_killed_and_another_joins(
    run_signer: Callable[..., Process], run_module: Callable[..., Process], witness: Witness, close_books: Callable
) -> None:
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'test'}"}
    process = run_signer(lead_time=1.0)
    witness.connect(process)
    witness.signs()  # what is looked for is a node that is held up, not a busy machine
    before = memory(process)
    for _ in range(10 if LONG else 1):
        subscriber = run_module("faults.subscriber", env=environment)
        witness.send(LONG_TEXT)
        subscriber.wait_for("^chunk", 60.0)
        subscriber.signal(signal.SIGKILL)
        assert subscriber.wait() == -signal.SIGKILL
        another = run_module("faults.subscriber", env=environment)
        assert f"{EXECUTING}]" in another.wait_for("^goals", 60.0), "late joiners get the status"
        chunks = [another.wait_for("^chunk", 60.0).split() for _ in range(5)]
        ends, stamps = [int(c[2]) for c in chunks], [int(c[1]) for c in chunks]
        assert np.abs(np.subtract(stamps[1:], ends[:-1])).max() < 1_000, "no chunk is missing from then on"
        witness.settle()
        another.close()
    row = close_books("subscriber killed and another joins, in mid-sentence", witness, process, before)
    assert row.signed == row.sent and row.late == 0


@pytest.mark.parametrize("seconds", [2.0])
def test_frozen_in_mid_sentence(
    run_signer: Callable[..., Process], witness: Witness, close_books: Callable, seconds: float
) -> None:
    process = run_signer()
    witness.connect(process)
    witness.signs()
    before = memory(process)
    for _ in range(5 if LONG else 1):
        seen = witness.chunks
        witness.send(LONG_TEXT, "hello")
        witness.until(lambda n=seen: witness.chunks > n + 5, "chunks")
        process.signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.signal(signal.SIGCONT)
        process.wait_for("the motion continues at", 30.0)
        witness.settle()
        assert witness.outcomes(2) == [SUCCEEDED, SUCCEEDED]
        witness.until(witness.at_rest, "rest")
    close_books(f"frozen for {seconds:g} s in mid-sentence", witness, process, before)
