"""Learning as a whole: recordings in, the stages, a bundle out that signs; each stage goes on where it stopped."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from text2sign_ros.cli import main
from text2sign_ros.export.bundle import ExportError, export_bundle
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.inference.signer import Signer
from text2sign_ros.networks.aligner import AlignerConfig
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.unet import UNetConfig
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.text.encoder import FILES
from text2sign_ros.training import loop
from text2sign_ros.training.config import (
    ConfigError,
    CorpusConfig,
    DataConfig,
    DiffusionStage,
    DistillationStage,
    StageConfig,
    TrainConfig,
    VAEStage,
)
from text2sign_ros.training.diffusion import semantic_factor
from text2sign_ros.training.segments import encode_all
from text2sign_ros.training.train import STAGES, Run

pytestmark = pytest.mark.filterwarnings("ignore:.*(LeafSpec|The axis name)")  # of torch's exporter
DATA = Path(__file__).parents[2] / "shared" / "data" / "asl_cafe"
SHORT = {"steps": 3, "batch": 8, "checkpoint_every": 2, "warmup": 1}
CONFIG = TrainConfig(
    name="tiny",
    threads=1,
    data=DataConfig(
        corpora=(CorpusConfig("asl_cafe", str(DATA)),), sentences=30, held_out_sentences=10, max_segment_units=3
    ),
    sign_vae=SignVAEConfig(hand_dim=6, channels=16, blocks=1),
    aligner=AlignerConfig(width=16, layers=1, heads=2),
    unet=UNetConfig(channels=(16, 16), context_dim=16, heads=2),
    vae_stage=VAEStage(**SHORT),
    aligner_stage=StageConfig(**SHORT),
    diffusion_stage=DiffusionStage(**SHORT),
    distillation_stage=DistillationStage(**SHORT, guidance=1.5, teacher_steps=4),
)


@pytest.fixture(scope="module")
def run(corpus, bundle: Path, tmp_path_factory) -> Run:
    """A run whose stages were trained one by one, each by a new process's worth of state."""
    folder = tmp_path_factory.mktemp("run")
    if bundle.is_dir():  # exporting the text encoder has tests of its own
        for name in FILES:
            shutil.copy(bundle / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("text2sign_ros.corpora.asl_cafe.read", lambda *_, **__: corpus)
        for stage in STAGES:
            Run(CONFIG, folder).train((stage,))
            parts = {"vae": "sign_vae", "diffusion": "denoiser", "distillation": "student"}
            written = parts.get(stage, stage)
            for suffix in (".pt", ".checkpoint.pt", ".png"):
                assert (folder / f"{written}{suffix}").is_file()
    return Run(CONFIG, folder)


@pytest.mark.slow
def test_a_finished_run_is_loaded_and_not_trained_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_, **__):
        raise AssertionError("trained again")

    for module in ("vae", "aligner", "diffusion"):
        monkeypatch.setattr(f"text2sign_ros.training.{module}.fit", refuse)
    monkeypatch.setattr("text2sign_ros.corpora.asl_cafe.read", refuse)
    again = Run(CONFIG, run.folder)
    again.train()
    for name in ("sign_vae", "aligner", "denoiser"):
        one, other = getattr(run, name).state_dict(), getattr(again, name).state_dict()
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_a_stage_goes_on_from_its_checkpoint(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run.folder, folder)
    (folder / "aligner.pt").unlink()  # as if the run had been killed after the last checkpoint
    before = torch.load(folder / "aligner.checkpoint.pt", weights_only=True)
    assert before["step"] == SHORT["steps"]
    monkeypatch.setattr(loop.nn.utils, "clip_grad_norm_", lambda *_: pytest.fail("a step was made again"))
    Run(CONFIG, folder).train(("aligner",))
    one, other = (torch.load(f / "aligner.pt", weights_only=True) for f in (run.folder, folder))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_another_configuration_is_refused_in_the_same_folder(run: Run) -> None:
    written = (run.folder / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match="another configuration"):
        Run(replace(CONFIG, seed=1), run.folder)
    assert (run.folder / "config.yaml").read_bytes() == written
    with pytest.raises(ConfigError, match="dreaming"):
        run.train(("dreaming",))


@pytest.mark.slow
def test_a_bundle_is_exported_that_signs(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "MODEL_CARD.md").write_text("kept")
    (out / "old.onnx").write_text("replaced")
    (out / "bundle.json").write_text('{"format": 3, "files": {}}')  # of an older version
    assert main(["export", "--run", str(run.folder), "--out", str(out), "--max-units", "2"]) == 0
    assert (out / "MODEL_CARD.md").read_text() == "kept" and not (out / "old.onnx").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]

    signer = Signer(out)
    assert (signer.steps, signer.bundle.guidance, signer.bundle.segmenter.max_units) == (4, 1.5, 2)
    plan = signer.plan("thank you bob")
    motion = np.concatenate(list(signer.stream(plan, seed=1)))
    assert np.isfinite(motion).all() and len(motion) == sum(frames for _, frames in signer.timeline(plan))
    np.testing.assert_array_equal(motion[-1], REST_POSE)


@pytest.mark.slow
@pytest.mark.parametrize(("out", "relation"), [(".", "is"), ("..", "contains")])
def test_the_folder_of_the_run_is_never_replaced(
    run: Run, capsys: pytest.CaptureFixture[str], out: str, relation: str
) -> None:
    def content() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in run.folder.iterdir()}

    before = content()
    assert main(["export", "--run", str(run.folder), "--out", str(run.folder / out)]) == 1
    assert f" {relation} the folder that the bundle is made from; choose another" in capsys.readouterr().err
    assert content() == before and "aligner.checkpoint.pt" in before


@pytest.mark.slow
@pytest.mark.parametrize("units", ["0", "-1", "1000000"])
def test_a_number_of_units_that_can_not_be_signed_leaves_the_old_bundle(
    run: Run, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], units: str
) -> None:
    shutil.copytree(bundle, tmp_path / "bundle", copy_function=os.symlink)
    before = sorted(path.name for path in (tmp_path / "bundle").iterdir())
    assert main(["export", "--run", str(run.folder), "--out", str(tmp_path / "bundle"), "--max-units", units]) == 1
    assert "max_units must be from 1 to 1000" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == before
    Bundle.load(tmp_path / "bundle")


@pytest.mark.slow
def test_the_text_encoder_is_made_by_whoever_composes_the_run(run: Run, tmp_path: Path) -> None:
    """Training does not know how; it names the files that are missing and what makes them."""
    with pytest.raises(ConfigError, match=r"has no text_encoder\.onnx, .*tokenizer\.json: .*by text2sign train"):
        _ = Run(CONFIG, tmp_path / "bare").encoder
    made: list[Path] = []

    def export_encoder(folder: Path) -> None:
        made.append(folder)
        for name in FILES:
            shutil.copy(run.folder / name, folder / name)

    assert Run(CONFIG, tmp_path / "run", export_encoder=export_encoder).encoder.dimensions == 384
    assert made == [tmp_path / "run"]
    assert Run(CONFIG, tmp_path / "run").encoder.dimensions == 384


@pytest.mark.slow
def test_what_is_handed_over_is_all_that_export_takes(run: Run) -> None:
    trained = run.trained
    assert (trained.name, trained.fps, trained.prefix_codes, trained.guidance) == ("tiny", 25.0, 10, 1.5)
    assert trained.recipe == run.recipe and trained.encoder == run.folder and trained.student is run.student
    examples = trained.examples
    assert len(examples.texts) == len(examples.kinds) == len(examples.frames) == len(run.sentences["train"].labels)
    for text, kind in zip(examples.texts[:500], examples.kinds[:500], strict=True):
        assert kind == ("letter" if len(text) == 1 else "sign")


@pytest.mark.slow
def test_a_prefix_that_the_decoder_looks_beyond_is_refused(run: Run, tmp_path: Path) -> None:
    short = Run(CONFIG, run.folder)
    needed = short.sign_vae.context_codes
    short.config = replace(CONFIG, diffusion_stage=DiffusionStage(prefix_codes=needed - 1))
    with pytest.raises(ExportError, match=f"prefix_codes is {needed - 1}, and the decoder looks back {needed}"):
        export_bundle(short.trained, tmp_path / "bundle", max_units=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_segments_hold_the_codes_of_their_signs_after_what_went_before(run: Run) -> None:
    segments, sentences = run.segments["train"], run.sentences["train"]
    codes, starts = encode_all(sentences, run.sign_vae)
    prefix = CONFIG.diffusion_stage.prefix_codes
    chosen = segments.members[0][:5]
    batch = segments.gather(chosen, segments.buckets[0])
    for row, number in enumerate(chosen):
        length, start = int(segments.length[number]), int(segments.start[number])
        exists, given, progress = batch.roles[row].numpy()
        np.testing.assert_array_equal(np.flatnonzero(exists), np.arange(prefix + length))
        np.testing.assert_array_equal(np.flatnonzero(given), np.arange(prefix))
        assert int(batch.new[row].sum()) == length
        new = progress[prefix : prefix + length]
        assert (np.diff(new) > 0).all() and new[-1] == 1.0 and progress.sum() == pytest.approx(new.sum())
        torch.testing.assert_close(batch.codes[row, :, : prefix + length].T, codes[start - prefix : start + length])
        assert (batch.codes[row, :, prefix + length :] == 0).all()
        assert float(batch.seconds[row]) == pytest.approx(length * CONFIG.sign_vae.stride / 25.0)
        sentence = np.searchsorted(starts, start, side="right") - 1
        said = " ".join(sentences.labels[sentences.unit_sentence == sentence])
        assert segments.texts[int(batch.text[row])] in said


@pytest.mark.slow
def test_batches_repeat_with_the_generator(run: Run) -> None:
    segments = run.segments["train"]
    one, same = (segments.batch(np.random.default_rng(4), 16) for _ in range(2))
    assert torch.equal(one.codes, same.codes) and torch.equal(one.text, same.text)


@pytest.mark.parametrize(
    ("kind", "want"), [("early", [0.0, 0.25, 1.0]), ("late", [1.0, 0.75, 0.0]), ("constant", [1.0, 1.0, 1.0])]
)
def test_the_semantic_factor_by_noise(kind: str, want: list[float]) -> None:
    assert semantic_factor(kind, torch.tensor([0.0, 0.25, 1.0])).tolist() == want
