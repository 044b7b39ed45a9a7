"""Experiments: each runs from the repository's root, and produces its results and pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image
from robots import robot
from test_playback import motion

from experiments import ablation, lift, nonmanual, pacing, pictures, robot_sentences
from text2sign_ros.retarget.stream import JointStream
from text2sign_ros.training import config
from text2sign_ros.training.config import SEMANTIC_FACTORS

DATA = ROOT.parent / "shared" / "data" / "asl_cafe"
NAMES = sorted(path.stem for path in (ROOT / "experiments").glob("[!_]*.py") if "__main__" in path.read_text())


def assert_drawn(path: Path) -> None:
    with Image.open(path) as picture:
        assert min(picture.size) > 200 and len(np.unique(np.asarray(picture.convert("L")))) > 20


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_the_root_of_the_repository(name: str) -> None:
    command = [sys.executable, "-m", f"experiments.{name}", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert result.returncode == 0 and f"experiments.{name}" in result.stdout, result.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_its_configuration_loads(path: Path) -> None:
    assert path.stem in NAMES and config.load(path).name == path.stem


@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings in ../shared/data are not here")
def test_the_lift_keeps_bone_lengths_and_corrects_the_arms() -> None:
    with np.load(DATA / "words_and_letters.npz") as data:
        results = lift.measure(data["pose"], {side: data[f"{side}_hand"] for side in ("left", "right")}, 60)
    assert results["bone_spread_lifted_percent"] < 0.01 < 1 < results["bone_spread_proportions_percent"]
    assert results["bone_spread_proportions_percent"] < results["bone_spread_landmarks_percent"]
    assert results["wrist_forward_lifted_p95_m"] < 0.5 < results["wrist_forward_landmarks_p95_m"]
    assert results["moved_in_image_median_mm"] < 30


def test_head_and_brows_are_drawn(bundle: Path, tmp_path: Path) -> None:
    nonmanual.main(["--bundle", str(bundle), "--pictures", str(tmp_path), "--texts", "No coffee."])
    assert_drawn(tmp_path / "nonmanual.png")


def test_the_pace_of_a_joint_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pacing.main(["--texts", "water", "--text", "water", "--tolerances", "2", "--out", str(tmp_path / "joint.png")])
    assert_drawn(tmp_path / "joint.png")
    results = json.loads(capsys.readouterr().out)["generated"]
    for chosen in pacing.SETS:
        assert results[chosen]["tolerance 2 deg"]["greatest part of a limit"] <= 1.0
        assert results[chosen]["seconds to stop"]["most"] < 1.0
    longer = [results[chosen]["tolerance 2 deg"]["times as long"] for chosen in ("strict", "default", "brisk")]
    assert longer == sorted(longer, reverse=True) and longer[-1] >= 1.0


@pytest.mark.slow
def test_signs_are_drawn_beside_real_ones(
    bundle: Path, corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("text2sign_ros.corpora.asl_cafe.read", lambda *_, **__: corpus)
    where = ["--bundle", str(bundle), "--data", str(DATA), "--pictures", str(tmp_path)]
    pictures.main([*where, "--signs", "tea", "thank you", "a"])
    assert_drawn(tmp_path / "real_and_generated.png")
    assert_drawn(tmp_path / "speeds.png")


@pytest.mark.slow
def test_the_ablation_trains_every_kind_and_reads_what_it_signs(
    bundle: Path, corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a budget too small to learn anything: only that everything is measured."""
    monkeypatch.setattr("text2sign_ros.corpora.asl_cafe.read", lambda *_, **__: corpus)
    monkeypatch.setattr("text2sign_ros.training.loop._plot", lambda *_: None)  # slow, and has tests of its own
    settings = yaml.safe_load((ROOT / "experiments" / "ablation.yaml").read_text())
    settings["data"] |= {"corpora": [{"reader": "asl_cafe", "folder": str(DATA)}]}
    settings["data"] |= {"sentences": 40, "held_out_sentences": 40}
    settings["unet"] = {"channels": [8, 8, 8], "context_dim": 8}
    settings["diffusion_stage"] |= {"steps": 2, "batch": 2, "warmup": 1}
    (tmp_path / "ablation.yaml").write_text(yaml.safe_dump(settings))
    places = {"bundle": bundle, "config": tmp_path / "ablation.yaml", "out": tmp_path, "picture": tmp_path / "a.png"}
    arguments = [word for name, path in places.items() for word in (f"--{name}", str(path))]
    budget = ["--takes", "1", "--seeds", "3", "--guidances", "2", "--steps", "1", "--recogniser-steps", "2"]
    ablation.main([*arguments, *budget])
    results = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert results == json.loads((tmp_path / "ablation.json").read_text())
    assert set(results) == set(SEMANTIC_FACTORS)
    for row in results.values():
        assert set(row) == {"val_ddpm", "guidance_2"} and len(row["val_ddpm"]) == 1
        assert all(0 <= share <= 1 for shares in row["guidance_2"].values() for share in shares)
    assert_drawn(tmp_path / "a.png")


def test_every_command_of_a_sentence_is_checked() -> None:
    model = robot("gr3")
    stream = JointStream(
        model, period=robot_sentences.PERIOD, horizon=robot_sentences.HORIZON, delay=robot_sentences.DELAY
    )
    frames = np.concatenate([chunk.positions for chunk in motion()])
    checked = robot_sentences.check(model, "raised", stream, frames, 25.0)
    assert checked.ended and not checked.refused and checked.commands > 100 * len(frames) / 25.0
    assert 0.1 < max(checked.velocity, checked.acceleration, checked.jerk) <= 1.0 and checked.beyond < 1e-9
    inside = model.rest.copy()
    inside[model.groups["right_arm"]] = model.upper[model.groups["right_arm"]]
    depths = [robot_sentences.depths(model, np.stack((model.rest, pose)))[0] for pose in (model.rest, inside)]
    assert depths[0] <= 0.0 < depths[1], "the forearm is in the body"
