"""Expressions: which tags in angle brackets are taken out of a text for a robot's voice, and which mean something."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sign_ros.text.expression import without_tags


@pytest.mark.parametrize(
    ("expression", "signed"),
    [
        ("<set expression(happy)> I am here! <set expression(neutral)>", "I am here!"),
        ("<start motion(wave)> Hello! <wait motion timeout=1> Tea?", "Hello! Tea?"),
        ("<do leds(blue, groups=[ear_leds], effect=blink)> no", "no"),
        ("<set look_at(x=1.0, y=0.5, z=1.2)>no", "no"),
        ("<set expression(happy) <start motion(wave)> Hello!", "Hello!"),  # as in one of its own manuals
        ("<do motion(bow) timeout=3>Tea", "Tea"),
        ("<stop leds Tea", "Tea"),
        ('<speak><prosody rate="slow">Tea</prosody>, <emphasis>no</emphasis><br/></speak>', "Tea , no"),
        ('<?xml version="1.0"?><!-- a --> tea', "tea"),
    ],
)
def test_what_is_for_the_rest_of_the_robot_is_left_out(expression: str, signed: str) -> None:
    assert without_tags(expression)[0] == signed


def test_a_pause_is_a_pause_and_not_left_out() -> None:
    assert without_tags("tea <pause(2)> no<pause(time=0.25)>") == ("tea [pause 2] no [pause 0.25]", "")
    assert without_tags("tea <pause(99)> no <pause(0.0004)>") == ("tea [pause 10] no", "")
    assert without_tags("tea <pause(1.23456)>") == ("tea [pause 1.235]", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello  there",
        "1 < 2 and 3 > 2",
        "a<",
        "<3",
        "tea <3 coffee",
        "x -> y",
        "[slow]tea[/slow]",
        "tea < set",
        "a\n\n b",
    ],
)
def test_a_text_without_tags_stays_as_it_is(text: str) -> None:
    assert without_tags(text) == (text, "")


def test_what_is_left_out_is_named_in_one_short_line() -> None:
    assert without_tags("<a>tea")[1] == "left out 1 tag (<a>)"
    assert without_tags("<a>tea<b>, <a>no<c><d>")[1] == "left out 5 tags (<a>, <b>, <c>)"
    assert without_tags(f"<set\nexpression({'x' * 500})>tea") == (
        "tea",
        f"left out 1 tag (<set expression({'x' * 44})",
    )


@given(
    st.lists(st.sampled_from(["<", ">", "set ", "do motion", "(", ")", "pause", "1", "tea", "/", " timeout=", "\n"]))
)
def test_no_more_than_tags_is_lost(parts: list[str]) -> None:
    text = "".join(parts)
    plain, left_out = without_tags(text)
    assert without_tags(f"a {text}")[0].startswith("a")
    if "<" not in text:
        assert (plain, left_out) == (text, "")


@pytest.mark.parametrize("unit", ["<", "<a", "<set ", "<set x(", "<pause(", "< set", "<set\n", "<do a(b) timeout=1"])
def test_it_takes_no_longer_for_being_hostile(unit: str) -> None:
    began = time.process_time()
    without_tags(unit * 100_000)
    without_tags(unit + " " * 300_000)
    assert time.process_time() - began < 5.0
