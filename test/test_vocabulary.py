"""The table of a bundle's vocabulary: what is written at export, completed after evaluation, and searched."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from text2sign_ros import cli
from text2sign_ros.export.vocabulary import entries, set_read_rates
from text2sign_ros.export.writing import ExportError
from text2sign_ros.inference.bundle import VOCABULARY, Bundle, BundleError
from text2sign_ros.inference.vocabulary import Entry, load, save, search
from text2sign_ros.text import Vocabulary

SHIPPED = ROOT / "models" / "asl"
ALTERNATIVES = {"bear": ("animal", "birth 2")}
WORDS = Vocabulary(("bear", "bear in mind", "tea"), ("a", "b"), ALTERNATIVES, {"bears": "bear"})
TAKES = np.array(
    [
        ("bear", "sign", "mine", "CC0", "anna", "attic"),
        ("bear", "sign", "yours", "MIT, with a comma", "", "cellar"),
        ("bear", "sign", "mine", "CC0", "bo", "attic"),
        ("bear (animal)", "sign", "mine", "CC0", "anna", "attic"),
        ("a", "letter", "yours", "MIT, with a comma", "", "cellar"),
        ("forgotten", "sign", "mine", "CC0", "anna", "attic"),
    ]
)


def test_each_sign_alternative_and_letter_has_a_row() -> None:
    rows = entries(WORDS, TAKES)
    assert [row.name for row in rows] == ["bear", "bear (animal)", "bear (birth 2)", "bear in mind", "tea", "a", "b"]
    bear, animal, birth, _, _, a, _ = rows
    assert bear == Entry("bear", "", "sign", "mine; yours", "CC0; MIT, with a comma", "anna; bo", "attic; cellar", 3)
    assert animal == Entry("bear", "animal", "sign", "mine", "CC0", "anna", "attic", 1)
    assert birth == Entry("bear", "birth 2", "sign", "", "", "", "", 0)
    assert a == Entry("a", "", "letter", "yours", "MIT, with a comma", "", "cellar", 1)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    rows = [*entries(WORDS, TAKES), Entry("tea", "hot", "sign", "", 'a "quoted"\nline', "", "", 7, 0.25)]
    save(rows, tmp_path)
    assert load(tmp_path) == rows


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "holds no vocabulary.csv"),
        ("text,kind\n", "its columns must be text, alternative, kind"),
        ("text,alternative,kind,corpus,licence,signer,source,takes,read_rate\ntea,,sign,,,,,many,\n", "'many'"),
        ("text,alternative,kind,corpus,licence,signer,source,takes,read_rate\ntea,,sign,,,,,3,1.5\n", "from 0 to 1"),
        ("text,alternative,kind,corpus,licence,signer,source,takes,read_rate\ntea,,sign\n", "can't be read"),
    ],
)
def test_a_table_that_can_not_be_used_is_refused(tmp_path: Path, content: str | None, named: str) -> None:
    if content is not None:
        (tmp_path / VOCABULARY).write_text(content)
    with pytest.raises(BundleError, match=named):
        load(tmp_path)


def test_the_table_of_the_shipped_bundle_has_its_vocabulary(bundle: Path) -> None:
    about, rows = Bundle.load(bundle), load(bundle)
    known = about.segmenter.vocabulary
    assert [row.name for row in rows] == [*known.names, *known.letters]
    assert all(row.takes > 0 and row.licence for row in rows)
    assert {row.corpus for row in rows} == {"asl_cafe", "galt"}
    assert all(row.corpus == "asl_cafe" for row in rows if row.kind == "letter")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_read_rates_are_written_and_nothing_else_changes(copy: Path) -> None:
    others = {path.name: path.read_bytes() for path in copy.iterdir() if path.name not in ("bundle.json", VOCABULARY)}
    shipped = {row.name: row.read_rate for row in load(copy)}
    set_read_rates(copy, {"tea": 0.5, "g": 1.0})
    set_read_rates(copy, {"tea": 0.75})
    rates = {row.name: row.read_rate for row in load(copy)}
    assert rates == shipped | {"tea": 0.75, "g": 1.0}
    before, after = Bundle.load(SHIPPED), Bundle.load(copy)  # whose hashes it verifies
    assert {name for name in after.files if after.files[name] != before.files[name]} == {VOCABULARY}
    assert after.evaluation_files == before.evaluation_files
    assert {name: (copy / name).read_bytes() for name in others} == others
    assert [path.name for path in copy.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("rates", "named"), [({"zebra": 0.5}, "no sign or letter 'zebra'"), ({"tea": 1.5}, "from 0 to 1: tea 1.5")]
)
def test_read_rates_of_something_else_change_nothing(copy: Path, rates: dict[str, float], named: str) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(ExportError, match=named):
        set_read_rates(copy, rates)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("tea", ["tea exact"]),
        ("Bear", ["bear exact", "bear (animal) exact", "bear (birth 2) exact", "bear in mind prefix"]),
        ("bears", ["bear inflected", "bear (animal) inflected", "bear (birth 2) inflected"]),
        ("BEARS in  mind", ["bear in mind inflected"]),
        ("mind", ["bear in mind part"]),
        ("te", ["tea prefix"]),
        ("beart", ["bear near", "bear (animal) near", "bear (birth 2) near"]),
        ("zebra", []),
    ],
)
def test_a_search_finds_what_words_may_mean(words: str, found: list[str]) -> None:
    assert [f"{entry.name} {how}" for entry, how in search(entries(WORDS, TAKES), words, WORDS.forms)] == found


def test_the_command_lists_and_searches(capsys: pytest.CaptureFixture[str], bundle: Path) -> None:
    assert cli.main(["vocabulary"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["text", "alternative", "takes"] and len(lines) == 1 + len(load(bundle))
    assert cli.main(["vocabulary", "--search", "coffees", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [(row["text"], row["number"], row["alternative"], row["found"]) for row in rows]
    assert found == [("coffee", 1, "", "inflected"), ("coffee", 2, "other galt", "inflected")]
    assert [row["read_rate"] for row in rows] == [row.read_rate for row in load(bundle) if row.text == "coffee"]


def test_the_command_numbers_alternatives_as_the_markup_does(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    about = json.loads((copy / "bundle.json").read_text())
    about["segmenter"]["alternatives"] = {"tea": ["hot", "iced"]}
    (copy / "bundle.json").write_text(json.dumps(about))
    monkeypatch.setattr("text2sign_ros.inference.bundle.sha256", lambda path, *_: about["files"].get(path.name))
    rows = load(copy)
    iced = Entry("tea", "iced", "sign", "mine", "CC0", "", "", 1, 0.9)
    save([*rows, iced], copy)
    for name in ("learnt.pt", "training.yaml"):
        (copy / name).unlink()
    assert cli.main(["vocabulary", "--bundle", str(copy), "--search", "tea"]) == 0
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "tea" and second.split()[:5] == ["tea", "3", "iced", "1", "90%"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--search", "xylophone"], "asl has no sign like 'xylophone': it would be spelled"),
        (["--search", " "], "--search needs a word"),
        (["--bundle", "nowhere"], "nowhere.*is missing"),
    ],
)
def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str], arguments: list[str], named: str) -> None:
    assert cli.main(["vocabulary", *arguments]) == 1
    assert re.search(named, capsys.readouterr().err)


def test_what_was_matched_to_what_stands_in_the_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sign", "Coffees, [alt 2]tea!", "--out", str(tmp_path / "a.npz"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    parts = [(part["text"], part["said"], part["alternative"]) for part in summary["parts"]]
    assert parts == [("coffee", "coffees", ""), ("tea", "tea", ""), ("", "", "")]
    assert summary["warnings"] == ['"tea" has no alternative "2", its default is signed; it has 1 (the default)']
