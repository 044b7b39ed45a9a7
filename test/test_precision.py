"""Variants of a bundle: smaller, near enough to fp32, whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from text2sign_ros.export import precision
from text2sign_ros.export.precision import PRECISIONS, Difference, PrecisionError, compare, derive, int8_channels
from text2sign_ros.export.writing import ExportError
from text2sign_ros.inference.bundle import Bundle, BundleError

GRAPHS = ("step.onnx", "decoder.onnx", "fused.onnx")
WEIGHTS = ("unet.weights", "decoder.weights")


@pytest.fixture(scope="module", params=PRECISIONS)
def variant(request: pytest.FixtureRequest, bundle: Path, tmp_path_factory: pytest.TempPathFactory):
    """(precision, folder, difference) of a variant of the packaged bundle."""
    folder = tmp_path_factory.mktemp("variants") / request.param
    return request.param, folder, derive(bundle, folder, request.param)


def test_a_variant_is_a_bundle_like_any_other(variant, bundle):
    kind, folder, _ = variant
    made, original = Bundle.load(folder), Bundle.load(bundle)
    assert made.name == f"{original.name}_{kind}"
    assert made.files.keys() == original.files.keys()
    assert made.evaluation_files == original.evaluation_files
    changed = {name for name, digest in made.files.items() if digest != original.files[name]}
    assert changed == {*GRAPHS, *WEIGHTS}
    assert (folder / "MODEL_CARD.md").read_bytes() == (bundle / "MODEL_CARD.md").read_bytes()


def test_it_is_as_small_as_it_says(variant, bundle):
    kind, folder, _ = variant
    # Not in int8 are the plan, a quarter of the U-Net, and small convolutions, which are all that a decoder has.
    most = {"unet.weights": {"fp16": 0.51, "int8": 0.52}, "decoder.weights": {"fp16": 0.51, "int8": 1.01}}
    for name in WEIGHTS:
        share = (folder / name).stat().st_size / (bundle / name).stat().st_size
        assert share < most[name][kind], name


def test_it_is_near_fp32_but_not_the_same(variant):
    kind, _, difference = variant
    assert 0 < difference.positions_rms_mm < {"fp16": 0.3, "int8": 0.8}[kind]
    assert 0 < difference.codes_rms < {"fp16": 0.003, "int8": 0.008}[kind]
    assert difference.positions_rms_mm < difference.positions_largest_mm
    assert difference.codes_rms < difference.codes_largest


def test_inputs_and_outputs_are_those_of_fp32(variant, bundle):
    _, folder, _ = variant
    for name in GRAPHS:
        made, original = (onnx.load(f / name, load_external_data=False).graph for f in (folder, bundle))
        assert list(made.input) == list(original.input)
        assert list(made.output) == list(original.output)


def test_a_variant_of_a_variant_is_refused(variant, tmp_path):
    _, folder, _ = variant
    with pytest.raises(PrecisionError, match="itself a variant"):
        derive(folder, tmp_path / "again", "fp16")
    assert not list(tmp_path.iterdir())


def test_a_bundle_is_no_different_from_itself(bundle):
    assert compare(bundle, bundle, seeds=(0,)).positions_largest_mm < 0.01


def test_a_wrong_variant_is_refused_and_the_old_one_kept(bundle, tmp_path, monkeypatch):
    def wrong(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
        integers, scale = int8_channels(weight, axis)
        return integers, scale * np.float32(1.05)

    out = tmp_path / "int8"
    shutil.copytree(bundle, out)
    before = sorted((path.name, path.read_bytes()) for path in out.iterdir())
    monkeypatch.setattr(precision, "int8_channels", wrong)
    with pytest.raises(PrecisionError, match="mm off"):
        derive(bundle, out, "int8")
    assert sorted((path.name, path.read_bytes()) for path in out.iterdir()) == before
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("off", [(2.0, 3.0), (0.1, 50.0), (float("nan"), float("nan"))])
def test_the_bounds_hold_for_the_mean_and_the_largest(bundle, tmp_path, monkeypatch, off):
    monkeypatch.setattr(precision, "compare", lambda *_: Difference(0.0, 0.0, off[1], off[0]))
    with pytest.raises(PrecisionError, match="use it in fp32"):
        derive(bundle, tmp_path / "fp16", "fp16")
    assert not list(tmp_path.iterdir())


def test_an_older_variant_is_replaced(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "compare", lambda *_: Difference(0.0, 0.0, 0.0, 0.0))
    for kind in PRECISIONS:
        derive(bundle, tmp_path / "small", kind)
    assert Bundle.load(tmp_path / "small").name.endswith(PRECISIONS[-1])
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_what_is_no_place_for_a_variant(bundle, tmp_path):
    with pytest.raises(PrecisionError, match=r"'fp8'.*fp16, int8"):
        derive(bundle, tmp_path / "out", "fp8")
    with pytest.raises(ExportError, match="is the folder that the bundle is made from; choose another"):
        derive(bundle, bundle, "fp16")
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(ExportError, match="is not a bundle"):
        derive(bundle, tmp_path, "fp16")
    assert (tmp_path / "thesis.txt").read_text() == "three years"
    with pytest.raises(BundleError, match="missing"):
        derive(tmp_path, tmp_path / "out", "fp16")


floats = st.floats(-1e3, 1e3, width=32)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=floats), st.integers(0, 1))
def test_int8_rounds_to_half_a_step_of_its_channel(weight, axis):
    integers, scale = int8_channels(weight, axis)
    steps = scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    assert integers.dtype == np.int8 and scale.dtype == np.float32 and scale.shape == (weight.shape[axis],)
    assert np.all(np.abs(integers * steps - weight) <= 0.5001 * steps)
    assert not integers[weight == 0].any()


def test_it_needs_no_torch():
    code = "import sys, text2sign_ros.export.precision; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_bundle_whose_files_have_a_second_name_is_read(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "first", ignore=shutil.ignore_patterns("learnt.pt"))
    about = Bundle.load(bundle)
    replace(about, evaluation_files={"training.yaml": about.evaluation_files["training.yaml"]}).save(tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second", copy_function=os.link)
    assert derive(tmp_path / "second", tmp_path / "out", "fp16").positions_rms_mm < 1
