"""Confusions: shares, cells and the picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from text2sign_ros.evaluation.confusion import confusions, draw, right, written


def test_shares_of_what_was_read() -> None:
    confused = confusions(list("rrrruu"), list("urukuu"))
    assert confused == {"r": {"u": 0.5, "r": 0.25, "k": 0.25}, "u": {"u": 1.0}}
    assert right(confused) == {"r": 0.25, "u": 1.0}
    assert right(confusions(["r"], ["u"])) == {"r": 0.0}
    assert written("r", confused["r"]) == "25 % (u 50, k 25)"
    assert written("u", confused["u"]) == "100 %" and written("r", {}) == "0 %"


def test_a_picture_has_a_matrix_for_each_row(tmp_path: Path) -> None:
    rows = {"real": confusions("ru", "ru"), "generated": confusions("ru", "ux")}
    draw(rows, tmp_path / "new" / "both.png")
    draw({"real": rows["real"]}, tmp_path / "one.png")
    with Image.open(tmp_path / "new" / "both.png") as both, Image.open(tmp_path / "one.png") as one:
        assert both.size[0] == 2 * one.size[0] and both.size[1] == one.size[1] > 300
