"""Hostile texts: any Unicode, bytes that are none, markup soup, up to a megabyte."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from conftest import Companion, Process
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from observer import CANCELED, EXECUTING, SUCCEEDED
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from std_msgs.msg import String

from faults.ledger import LONG, TIMEOUT, Ledger
from faults.witness import Witness, memory
from text2sign_ros.ros.client import WaitError

TEXTS = 10_000 if LONG else 80
TOGETHER = 5
"""Texts sent at once: few, because a status message holds the last 100 that ended, and none is to be missed."""
MEGABYTE = 2**20
LONGEST = 25
"""Characters that are signed; a longer text is to be refused at once."""
TAGS = [f"[{slash}{name}]" for name in ("slow", "fast", "emphasis", "spell", "question", "wh") for slash in ("", "/")]
SCRAPS = [
    *("[negation]", "[plain]", "[pause]", "[pause 0.1]", "[pause 99]", "[pause -1]", "[pause", "[smile]", "[[", "]"),
    *("hello", "coffee", "no", "Grace", "?", "!", ".", ",", "'", "\n", "\t", " "),
]
TRICKS = [
    *("$(reboot)", "'; DROP TABLE signs; --", "../../etc/passwd", "%s%n%x", "{data: x}", "\\x00", "\x1b[2J", "\x00a"),
    *("\ufeffhello", "\u202ehello", "he\u00adllo", "e" + "\u0301" * 50, "ﷺ", "ﬃ", "ǅ", "１２３", "½", "Ⅷ", "٣"),
    *("nan", "inf", "-0", "1e400", "1/0", "12:99", "99.99.9999", "€ 1,000,000.00", "http://a.b/c?d=e#f", "a@b.c"),
]


def _long(unit: str, size: int) -> str:
    """``unit`` repeated to ``size`` bytes of UTF-8."""
    data = unit.encode()
    return (data * (size // len(data) + 1))[:size].decode(errors="ignore")


# Without lone surrogates: rclpy can't encode them, and publish() raises UnicodeEncodeError before anything is sent.
hostile = st.one_of(
    st.just(""),
    st.text(max_size=12),
    st.text(st.characters(categories=["Cc", "Cf", "Cn", "Co", "Mn", "Zl", "Zp", "Zs"]), max_size=40),
    st.text("🙂👍🏽🇩🇪👩\u200d🚀\ufe0f abc", max_size=20),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    st.lists(st.sampled_from(TAGS + SCRAPS), max_size=8).map("".join),
    st.sampled_from(TRICKS),
    st.one_of(st.integers(-9_999, 9_999), st.floats(width=16)).map(str),
    st.binary(max_size=40),
    st.builds(_long, st.text(min_size=1, max_size=8), st.integers(1_000, MEGABYTE)),
)


@pytest.mark.timeout(TIMEOUT)
def test_every_hostile_text_ends_once(
    run_signer: Callable[..., Process],
    witness: Witness,
    close_books: Callable,
    progress: Callable[[str], None],
) -> None:
    process = run_signer(
        at_once=True, speed=100.0, preset="fastest", max_rate=0.0, max_characters=LONGEST, chunk_frames=60
    )
    witness.connect(process)
    witness.signs()
    before, began = memory(process), time.monotonic()

    @settings(
        max_examples=TEXTS // TOGETHER,
        deadline=None,
        database=None,
        derandomize=not LONG,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(hostile, min_size=TOGETHER, max_size=TOGETHER))
    def attack(texts: list[str | bytes]) -> None:
        witness.send(*texts)
        witness.signs("bye", timeout=120.0)
        progress(f"{witness.sent} texts in {time.monotonic() - began:.0f} s, {memory(process) - before:+.1f} MB")

    attack()
    row = close_books("hostile texts, each five followed by a good one", witness, process, before)
    assert row.sent >= TEXTS + TEXTS // TOGETHER
    assert row.signed >= TEXTS // TOGETHER and row.refused >= TEXTS // 20
    assert row.growth < 40.0


@pytest.mark.timeout(TIMEOUT)
def test_a_megabyte_is_signed_until_it_is_canceled(
    run_signer: Callable[..., Process], witness: Witness, close_books: Callable
) -> None:
    process = run_signer(at_once=True, speed=100.0, preset="fastest", max_rate=0.0, max_characters=10_000_000)
    witness.connect(process)
    witness.signs()
    before = memory(process)
    for unit in ("a", "Grace ", "hello. ", "[slow]no[/slow] ", "é😀 x", "7") if LONG else ("hello. ", "[slow]é7"):
        already = witness.chunks
        witness.send(_long(unit, MEGABYTE))
        witness.until(lambda n=already: witness.chunks > n + 20, "its motion", 60.0)
        assert list(witness.accepted.values())[-1] == EXECUTING
        assert witness.trigger("cancel").message == "canceled 1 text"
        witness.settle()
        assert witness.outcomes(1) == [CANCELED]
        witness.until(witness.at_rest, "rest")
    witness.signs()
    row = close_books("a megabyte each, canceled while it is signed", witness, process, before)
    assert row.growth < 60.0


def test_messages_that_rclpy_can_not_convert(
    run_signer: Callable[..., Process],
    run_module: Callable[..., Process],
    witness: Witness,
    close_books: Callable,
    ledger: Ledger,
) -> None:
    process = run_signer(preset="fastest", max_rate=0.0, use_sim_time="true")
    player = run_module("text2sign_ros.ros.player_node", "--ros-args", "-p", "use_sim_time:=true")
    player.wait_for("ready: ", 60.0)
    witness.connect(process)
    witness.until(lambda: witness.clock.get_subscription_count() == 2, "both to look at the clock")

    def signs_from(clock: float) -> None:
        """The clock runs until a good text was signed."""
        witness.send("hello")
        deadline = time.monotonic() + 60.0
        while len(witness.ended) < witness.sent:
            assert time.monotonic() < deadline, witness.situation()
            witness.set_clock(clock := clock + 0.1)
            time.sleep(0.01)
        witness.settle()
        assert witness.outcomes(1) == [SUCCEEDED]

    signs_from(10.0)
    before = memory(process)
    witness.set_clock(-10.0)
    for one in (process, player):
        assert "must not be negative" in one.wait_for("is ignored")
    signs_from(20.0)
    request = SetParameters.Request(parameters=[ParameterMessage(name="seed", value=ParameterValue(type=200))])
    with pytest.raises(WaitError, match="for an answer of /signer/set_parameters"):
        witness.client.call(SetParameters, "set_parameters", request, timeout=2.0)
    assert witness.set(seed=1)[0].successful
    signs_from(30.0)
    player.signal(signal.SIGTERM)
    assert player.wait(30.0) == 0
    ledger.remark("a time below zero on /clock and a parameter of no type are ignored with a warning")
    close_books("a clock below zero and a parameter of no type", witness, process, before)


def test_bytes_that_are_not_a_message(
    run_signer: Callable[..., Process], witness: Witness, close_books: Callable, ledger: Ledger
) -> None:
    process = run_signer(at_once=True, speed=100.0, preset="fastest", max_rate=0.0)
    witness.connect(process)
    witness.signs()
    before = memory(process)
    with pytest.raises(UnicodeEncodeError):
        witness.texts.publish(String(data="\ud800"))
    broken = [b"\0", b"\0\1\0\0", b"\7" * 40, b"\0\1\0\0\xff\xff\xff\xffhello\0", b"\0\1\0\0\x40\x42\x0f\0hello\0", b""]
    stranger = Companion("stranger")  # what it does to its own connection is not the witness's
    try:
        stranger.until(stranger.texts.get_subscription_count)
        for data in broken:
            stranger.texts.publish(data)
            witness.signs("bye")
    finally:
        stranger.close()
    ledger.remark("bytes that are no message never reach the node's code, and no other publisher is disturbed")
    close_books("bytes that are no message, each followed by a good text", witness, process, before)
