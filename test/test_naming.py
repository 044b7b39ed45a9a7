"""Naming: a name leads back to label and alternative."""

from __future__ import annotations

import pytest

from text2sign_ros.corpora.base import Kind, Unit
from text2sign_ros.naming import named, parts


@pytest.mark.parametrize(
    ("label", "alternative", "name"),
    [
        ("alert", "", "alert"),
        ("alert", "person", "alert (person)"),
        ("bad reputation", "alt 2", "bad reputation (alt 2)"),
    ],
)
def test_a_name_leads_back_to_its_label(label: str, alternative: str, name: str) -> None:
    assert named(label, alternative) == name == Unit(label, Kind.SIGN, alternative).name
    assert parts(name) == (label, alternative)


@pytest.mark.parametrize("text", ["", "g", "Is it (really) so?", "a (b) c", " (", "(b)"])
def test_a_text_that_is_no_such_name_is_a_label(text: str) -> None:
    assert parts(text) == (text, "")
