"""What export writes: a bundle that can be loaded, in place of nothing but a bundle, or nothing at all."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import UNITS, model

from text2sign_ros.export import bundle as exporting
from text2sign_ros.export.bundle import export_bundle
from text2sign_ros.export.inflections import inflections
from text2sign_ros.export.writing import ExportError, write_bundle
from text2sign_ros.inference.backends.onnx import CPU, FusedBackend, StepwiseBackend
from text2sign_ros.inference.bundle import Bundle, UnitSettings
from text2sign_ros.inference.feed import feed
from text2sign_ros.inference.samplers import alphas_cumprod, solver_table
from text2sign_ros.networks.trained import TrainedModel
from text2sign_ros.text import TextEmbedding

pytestmark = pytest.mark.filterwarnings("ignore:.*(LeafSpec|The axis name)")  # of torch's exporter


@pytest.fixture(scope="module")
def trained(bundle: Path) -> TrainedModel:
    return model(UNITS, bundle)


@pytest.fixture(scope="module")
def exported(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, written to a folder that was there and empty."""
    out = tmp_path_factory.mktemp("exported") / "bundle"
    out.mkdir()
    export_bundle(trained, out, max_units=3)
    return out


def test_buckets_are_what_the_u_net_can_halve(bundle: Path) -> None:
    def buckets(levels: int) -> list[int]:
        return exporting.description(model(UNITS, bundle, levels=levels), None).buckets

    assert buckets(2) == buckets(3) == buckets(4) == [32, 48, 64, 96, 128, 192, 256]
    assert buckets(5) == [32, 64, 96, 128, 192, 256] and buckets(6) == [64, 128, 192, 256]


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_is_no_bundle_is_refused_before_anything_is_done(
    trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of a run, that of all bundles, one with a bundle.json of something else, a file."""
    monkeypatch.setattr(exporting.graphs, "export_unet", lambda *_: pytest.fail("went to work"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "sign_vae.checkpoint.pt").write_bytes(b"hours")
    (tmp_path / "models" / "asl").mkdir(parents=True)
    (tmp_path / "models" / "asl" / "bundle.json").write_text('{"format": 4, "files": {}}')
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "bundle.json").write_text('{"name": "javascript"}')
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "bundle.json").write_text('{"format": 4, "fil')
    (tmp_path / "file").write_text("notes")
    before = _content(tmp_path)
    for name in ("run", "models", "web", "cut", "file"):
        with pytest.raises(ExportError, match=rf"{tmp_path / name} exists and is not a bundle .*choose another folder"):
            export_bundle(trained, tmp_path / name)
    assert _content(tmp_path) == before


def test_a_folder_around_what_the_bundle_is_made_of_is_refused(trained: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "bundle" / "run").mkdir(parents=True)
    (tmp_path / "bundle" / "bundle.json").write_text('{"format": 4, "files": {}}')
    before = _content(tmp_path)
    for inside, relation in {"bundle/run": "contains", "bundle": "is"}.items():
        refusal = f"bundle {relation} the folder that the bundle is made from; choose another"
        with pytest.raises(ExportError, match=refusal):
            export_bundle(replace(trained, encoder=tmp_path / inside), tmp_path / "bundle")
    assert _content(tmp_path) == before


@pytest.mark.parametrize("units", [0, -1, 10**6])
def test_a_value_that_can_not_be_used_leaves_the_old_bundle(trained: TrainedModel, tmp_path: Path, units: int) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text('{"format": 3, "files": {}}')
    before = _content(tmp_path)
    with pytest.raises(ExportError, match="max_units must be from 1 to 1000"):
        export_bundle(trained, tmp_path / "bundle", max_units=units)
    assert _content(tmp_path) == before


def _copy(folder: Path, to: Path) -> None:
    for path in folder.iterdir():
        if path.name != "MODEL_CARD.md":
            shutil.copyfile(path, to / path.name)


def test_what_can_not_be_loaded_again_never_takes_the_place_of_a_bundle(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "bundle")
    before = _content(tmp_path)
    with (
        pytest.raises(ExportError, match=r"can't be used, and .*bundle is left as it was: unet\.weights is damaged"),
        write_bundle(tmp_path / "bundle", source=exported, card=exported / "MODEL_CARD.md") as folder,
    ):
        _copy(exported, folder)
        (folder / "unet.weights").write_bytes(b"the disk is full")
    assert _content(tmp_path) == before


def test_an_older_bundle_is_replaced_and_a_card_kept(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "bundle.json").write_text('{"format": 3, "files": {}}')
    (out / "old.onnx").write_bytes(b"")
    (out / "MODEL_CARD.md").write_text("by hand")
    with write_bundle(out, source=exported, card=out / "MODEL_CARD.md") as folder:
        _copy(exported, folder)
    assert Bundle.load(out) == Bundle.load(exported) and not (out / "old.onnx").exists()
    assert (out / "MODEL_CARD.md").read_text() == "by hand"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_model_of_units_is_exported_as_one(exported: Path) -> None:
    made = Bundle.load(exported)
    assert made.segmenter == UnitSettings(
        *(["hello", "thank you"], ["a", "b"], 3, 44, 22),
        alternatives={"hello": ["at sea", "one handed"]},
        forms=inflections(["hello", "thank you"]),
    )
    assert "is spelled, letter by letter" in (exported / "MODEL_CARD.md").read_text()
    listed = {*made.files, *made.evaluation_files, "bundle.json", "MODEL_CARD.md"}
    assert {path.name for path in exported.iterdir()} == listed
    assert list(made.evaluation_files) == ["learnt.pt", "training.yaml"]
    assert [path.name for path in exported.parent.iterdir()] == ["bundle"]


def test_an_alternative_whose_default_is_too_long_is_left_out(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    longer = replace(UNITS, frames=np.where(UNITS.texts == "hello", 300, UNITS.frames))
    settings = exporting.description(model(longer, bundle), None).segmenter
    assert isinstance(settings, UnitSettings)
    assert (settings.signs, settings.alternatives) == (["thank you"], {})
    assert "left out the alternatives ['at sea', 'one handed'] of 'hello'" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("levels", [2, 4])
def test_u_nets_of_any_depth_sign_every_length(bundle: Path, exported: Path, tmp_path: Path, levels: int) -> None:
    """A CPU trims what is padded, to what the U-Net can halve."""
    folder = exported if levels == 2 else tmp_path / "bundle"
    if levels != 2:
        export_bundle(model(UNITS, bundle, levels=levels), folder)
    about = Bundle.load(folder)
    assert about.unet_levels == levels and about.code_multiple == 2 ** (levels - 1)
    fused = FusedBackend(folder, about, threads=1)
    stepwise = StepwiseBackend(folder, about, provider=CPU, threads=1)
    rng = np.random.default_rng(0)
    text = TextEmbedding(
        tokens=rng.standard_normal((1, about.max_tokens, about.text_dim), np.float32),
        mask=np.arange(about.max_tokens)[None] < 3,
        sentence=rng.standard_normal((1, about.text_dim), np.float32),
    )
    table = solver_table("lcm", alphas_cumprod(about.timesteps, about.beta_start, about.beta_end), 2)
    prefix = rng.standard_normal((about.latent_dim, about.prefix_codes), np.float32)
    for count in range(6, 23):
        existing = about.prefix_codes + count
        noise = rng.standard_normal((about.latent_dim, count), np.float32)
        inputs = feed(text, table, prefix, noise, 32)
        (codes, positions), (want_codes, want_positions) = (b.sample(inputs) for b in (fused, stepwise))
        assert codes.shape[-1] == -(-existing // about.code_multiple) * about.code_multiple
        np.testing.assert_allclose(codes[..., :existing], want_codes[..., :existing], atol=1e-4)
        frames = existing * about.stride
        np.testing.assert_allclose(positions[:, :frames], want_positions[:, :frames], atol=1e-4)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_an_older_bundle_survives_a_swap_that_fails(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    out = tmp_path / "bundle"
    shutil.copytree(exported, out)
    before, rename = _content(tmp_path), os.rename

    def fail(source: Path, target: Path) -> None:
        if Path(target) == out and Path(source).parent != tmp_path:
            raise fault
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(fault), write_bundle(out, source=exported, card=exported / "MODEL_CARD.md") as folder:
        _copy(exported, folder)
    assert _content(tmp_path) == before


def test_what_else_lies_in_a_bundle_s_folder_is_not_lost(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    shutil.copytree(exported, out)
    (out / "run").mkdir()
    (out / "run" / "sign_vae.checkpoint.pt").write_bytes(b"hours")
    before = _content(tmp_path)
    with (
        pytest.raises(ExportError, match="holds run, which belongs to no bundle"),
        write_bundle(out, source=exported, card=exported / "MODEL_CARD.md"),
    ):
        pass
    assert _content(tmp_path) == before


def test_what_a_link_points_to_is_replaced(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "bundle")
    (tmp_path / "bundle" / "old.onnx").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "bundle")
    with write_bundle(tmp_path / "link", source=exported, card=exported / "MODEL_CARD.md") as folder:
        _copy(exported, folder)
    assert (tmp_path / "link").is_symlink() and not (tmp_path / "bundle" / "old.onnx").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "link"]
