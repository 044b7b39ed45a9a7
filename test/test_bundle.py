"""The bundle: anything missing, damaged or foreign is named before a model is loaded."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from text2sign_ros.inference.bundle import (
    DESCRIPTION,
    FORMAT,
    MAX_DESCRIPTION_BYTES,
    VOCABULARY,
    Bundle,
    BundleError,
    SentenceSettings,
    UnitSettings,
    open_bundle,
    sha256,
)
from text2sign_ros.inference.signer import Signer
from text2sign_ros.inference.vocabulary import Entry

SENTENCES = {"kind": "sentences", "max_frames": 200, "frames_per_character": 2.5, "out_of_vocabulary": "as written"}


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A bundle to damage: its files are links, so replace one, never write into it."""
    shutil.copytree(bundle, tmp_path / "bundle", copy_function=os.symlink)
    return tmp_path / "bundle"


def _replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def _describe(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    values = json.loads((folder / DESCRIPTION).read_bytes())
    change(values)
    _replace(folder / DESCRIPTION, json.dumps(values).encode())


@pytest.fixture(autouse=True)
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_, **__):
        raise AssertionError("a model was loaded before the bundle was verified")

    monkeypatch.setattr("onnxruntime.InferenceSession", refuse)


def _refused(folder: Path, *named: str) -> None:
    with pytest.raises(BundleError) as caught:
        Signer(folder)
    for text in named:
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_shipped_bundle_is_whole_and_lists_every_file(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    present = {path.name for path in bundle.iterdir()} - {DESCRIPTION, "MODEL_CARD.md"}
    assert loaded.files.keys() | loaded.evaluation_files.keys() == present
    assert set(loaded.files) == {*loaded.required, VOCABULARY}
    assert {"text_encoder.onnx", "tokenizer.json", "step.onnx", "decoder.onnx", "fused.onnx"} <= present
    assert loaded.latent_dim == 64 and loaded.fps == 25.0
    assert len(loaded.segmenter.letters) == 26 and "thank you" in loaded.segmenter.signs
    assert sum(path.stat().st_size for path in bundle.iterdir()) < 100e6
    assert (bundle / "text_encoder.onnx").stat().st_size < 50e6


def test_its_page_explains_every_entry(bundle: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "bundle.md").read_text()
    explained = {
        name for row in page.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    entries = set(json.loads((bundle / DESCRIPTION).read_bytes())) | {f.name for f in fields(UnitSettings)}
    assert explained == entries | {f.name for f in fields(SentenceSettings)} | {f.name for f in fields(Entry)}
    assert f"format {FORMAT}" in page


def test_save_and_load_round_trip(bundle: Path, copy: Path) -> None:
    loaded = Bundle.load(bundle)
    (copy / DESCRIPTION).unlink()
    loaded.save(copy)
    assert Bundle.load(copy) == loaded


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    _refused(tmp_path / "nowhere", "nowhere", DESCRIPTION, "missing")


def test_every_missing_file_is_named(copy: Path) -> None:
    for name in Bundle.load(copy).files:
        (copy / name).rename(copy.parent / name)
        _refused(copy, name, "missing")
        (copy.parent / name).rename(copy / name)


def test_evaluation_files_may_be_missing_but_not_damaged(copy: Path) -> None:
    about = Bundle.load(copy)
    assert sorted(about.evaluation_files) == ["learnt.pt", "training.yaml"]
    for name in about.evaluation_files:
        assert about.evaluation_file(name) == copy / name
        content = (copy / name).read_bytes()
        _replace(copy / name, content + b" ")
        _refused(copy, name, "damaged")
        (copy / name).unlink()
        assert Bundle.load(copy) == about
        with pytest.raises(BundleError, match=rf"{copy} was installed without {name}, .* source tree"):
            about.evaluation_file(name)
    with pytest.raises(BundleError, match=r"holds no nowhere\.pt, which evaluation needs; export it again"):
        about.evaluation_file("nowhere.pt")


@pytest.mark.parametrize("name", ["unet.weights", "fused.onnx", "tokenizer.json"])
def test_a_damaged_file_is_named(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    _replace(copy / name, bytes(content))
    _refused(copy, name, "damaged")


def test_a_file_cut_short_is_named(copy: Path) -> None:
    _replace(copy / "decoder.weights", (copy / "decoder.weights").read_bytes()[:-1])
    _refused(copy, "decoder.weights", "damaged")


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_description_cut_short(copy: Path, part: float) -> None:
    content = (copy / DESCRIPTION).read_bytes()
    _replace(copy / DESCRIPTION, content[: int(part * len(content))])
    _refused(copy, DESCRIPTION, "can't be read")


@pytest.mark.parametrize("content", [b"[]", b"3", b"null"])
def test_a_description_that_is_no_object(copy: Path, content: bytes) -> None:
    _replace(copy / DESCRIPTION, content)
    _refused(copy, DESCRIPTION, "JSON object")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda v: v.update(format=5), "format 6"),
        (lambda v: v.pop("format"), "format 6"),
        (lambda v: v.update(colour="red"), "colour"),
        (lambda v: v.pop("fps"), "fps"),
        (lambda v: v.update(fps="25"), "fps"),
        (lambda v: v.update(buckets=64), "buckets"),
        (lambda v: v.update(files=[]), "files"),
        (lambda v: v["keypoints"].reverse(), "keypoints"),
        (lambda v: v["rest_code"].pop(), "rest_code"),
        (lambda v: v["rest_code"].__setitem__(0, float("nan")), "rest_code"),
        (lambda v: v["rest_code"].__setitem__(0, "a"), "rest_code"),
        (lambda v: v.update(buckets=["a"]), "buckets"),
        (lambda v: v.update(buckets=[]), "bucket"),
        (lambda v: v.update(buckets=[128, 64]), "buckets must grow"),
        (lambda v: v.update(stride=0), "stride"),
        (lambda v: v.update(max_tokens=10**12), "max_tokens"),
        (lambda v: v.update(timesteps=10**9), "timesteps"),
        (lambda v: v.update(fps=10**400), "fps"),
        (lambda v: v["buckets"].append(10**9), "buckets"),
        (lambda v: v["presets"].update(best=10**9), "presets"),
        (lambda v: v.update(timesteps=True), "timesteps"),
        (lambda v: v.update(preset="slow"), "preset"),
        (lambda v: v.update(presets={"best": "4"}), "presets"),
        (lambda v: v.update(presets={}), "presets"),
        (lambda v: v["presets"].update(best=0), "presets"),
        (lambda v: v.update(beta_start=0.5), "beta_start"),
        (lambda v: v.update(temperature=0.0), "temperature"),
        (lambda v: v.update(noise_smoothing=float("nan")), "noise_smoothing"),
        (lambda v: v.update(noise_smoothing=1e9), "noise_smoothing"),
        (lambda v: v["files"].pop("fused.onnx"), "fused.onnx"),
        (lambda v: v["files"].pop("phrases.npz"), "phrases.npz"),
        (lambda v: v.update(evaluation_files=[]), "evaluation_files"),
        (lambda v: v["evaluation_files"].update({"unet.weights": "0" * 64}), "both name unet.weights"),
        (lambda v: v.update(unet_levels=0), "unet_levels"),
        (lambda v: v.update(unet_levels=10**9), "unet_levels"),
        (lambda v: v.update(unet_levels=5), "buckets must be multiples of 32"),
        (lambda v: v["buckets"].__setitem__(0, 33), "buckets must be multiples of 8"),
        (lambda v: v.update(segmenter="units"), "segmenter must be an object"),
        (lambda v: v["segmenter"].pop("kind"), "kind is one of units, sentences"),
        (lambda v: v["segmenter"].update(kind=[]), "kind is one of units, sentences"),
        (lambda v: v["segmenter"].update(kind="glosses"), "kind is one of units, sentences"),
        (lambda v: v["segmenter"].update(kind="sentences"), "segmenter: alternatives, forms, frames_per_character"),
        (lambda v: v["segmenter"].update(max_units="1"), "segmenter: max_units must be int"),
        (lambda v: v["segmenter"].update(max_units=0), "max_units must be from 1 to 1000"),
        (lambda v: v["segmenter"].update(max_units=10**9), "max_units must be from 1 to 1000"),
        (lambda v: v["segmenter"].update(frames_per_sign=0), "frames_per_sign"),
        (lambda v: v["segmenter"].update(frames_per_letter=237), "must hold the prefix and a sign"),
        (lambda v: v["segmenter"].update(signs=["Hello"]), "'Hello' in signs"),
        (lambda v: v["segmenter"].update(alternatives={"tea": ["2"]}), "'2' in the alternatives of 'tea'"),
        (lambda v: v["segmenter"].update(alternatives={"tea": ["hot", "hot"]}), "'hot' occurs 2 times"),
        (lambda v: v["segmenter"].update(alternatives={"milk": ["hot"]}), "'milk' has alternatives"),
        (lambda v: v["segmenter"].update(alternatives={"tea": "hot"}), "alternatives must be dict[str, list[str]]"),
        (lambda v: v["segmenter"].update(forms={"milks": "milk"}), "'milk' has alternatives or forms"),
        (lambda v: v["segmenter"].update(forms={"Teas": "tea"}), "'Teas' in forms"),
        (lambda v: v["segmenter"].update(signs=[], letters=[], alternatives={}, forms={}), "both empty"),
        (lambda v: v["segmenter"].update(out_of_vocabulary="refuse"), "out_of_vocabulary must be 'spell'"),
        (lambda v: v.update(segmenter=SENTENCES | {"max_frames": 0}), "max_frames must be from 1 to 236"),
        (lambda v: v.update(segmenter=SENTENCES | {"max_frames": 237}), "max_frames must be from 1 to 236"),
        (lambda v: v.update(segmenter=SENTENCES | {"frames_per_character": 0}), "frames_per_character"),
        (lambda v: v.update(segmenter=SENTENCES | {"frames_per_character": float("nan")}), "frames_per_character"),
        (lambda v: v.update(segmenter=SENTENCES | {"out_of_vocabulary": "spell"}), "must be 'as written'"),
    ],
)
def test_a_description_of_something_else(copy: Path, change: Callable[[dict], Any], named: str) -> None:
    _describe(copy, change)
    _refused(copy, DESCRIPTION, named)


@pytest.mark.parametrize(
    "content", [b"[" * 1_000_000, b'{"a":' * 100_000, b" " * (MAX_DESCRIPTION_BYTES + 1), b"9" * 10_000]
)
def test_a_description_made_to_exhaust_the_reader(copy: Path, content: bytes) -> None:
    _replace(copy / DESCRIPTION, content)
    _refused(copy, DESCRIPTION, "can't be read")


@pytest.mark.parametrize("name", [DESCRIPTION, "tokenizer.json"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(copy: Path, name: str) -> None:
    (copy / name).unlink()
    os.mkfifo(copy / name)
    _refused(copy, name, "missing")


@pytest.mark.parametrize("name", ["", ".", "..", "a\0b", "\\"])
def test_a_name_that_is_no_file(copy: Path, name: str) -> None:
    _describe(copy, lambda v: v["files"].update({name: "0" * 64}))
    _refused(copy)


def test_links_are_followed(copy: Path) -> None:
    """`colcon build --symlink-install` makes links; where one leads is all one, what is there must have the hash."""
    secret = copy.parent / "secret"
    secret.write_bytes(b"secret")
    (copy / "tokenizer.json").unlink()
    (copy / "tokenizer.json").symlink_to(secret)
    _refused(copy, "tokenizer.json", "damaged")


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/file"])
def test_a_file_outside_the_folder_is_refused(copy: Path, name: str) -> None:
    secret = copy.parent / "secret"
    secret.write_bytes(b"secret")
    _describe(copy, lambda v: v["files"].update({name: sha256(secret)}))
    _refused(copy, DESCRIPTION, name, "outside")


def test_a_bundle_is_opened_as_a_temporary_copy(bundle: Path, copy: Path) -> None:
    with open_bundle(copy) as (description, own):
        assert description == Bundle.load(bundle)
        assert sorted(path.name for path in own.iterdir()) == sorted(description.required)
        _replace(copy / "unet.weights", b"")
        assert sha256(own / "unet.weights") == description.files["unet.weights"]
    assert not own.exists()


def test_no_space_for_the_copy_is_reported(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.raises(BundleError, match=r"No space left on device.*TMPDIR"), open_bundle(bundle):
        pass
