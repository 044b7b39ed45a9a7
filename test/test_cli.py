"""The command: files that repeat bit for bit, and one clear line for whatever is impossible."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from text2sign_ros import extras, skeleton
from text2sign_ros.cli import main
from text2sign_ros.clip import SignClip
from text2sign_ros.resources import version

ROOT = Path(__file__).parents[1]


def _sign(bundle: Path, out: Path, *arguments: str) -> int:
    return main(["sign", "--bundle", str(bundle), "--out", str(out), "--preset", "fast", *arguments])


def _one_line(capsys: pytest.CaptureFixture[str], *named: str) -> None:
    error = capsys.readouterr().err
    assert error.startswith("text2sign: ") and error.count("\n") == 1, error
    for text in named:
        assert text in error


def test_the_same_seed_gives_the_same_file_twice_and_no_torch(bundle: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from text2sign_ros.cli import main; status = main(); "
        "assert 'torch' not in sys.modules, 'torch was imported'; sys.exit(status)"
    )
    files = []
    for number in (1, 2):
        out = tmp_path / str(number) / "a.npz"
        command = ["sign", "water please", "--out", str(out), "--seed", "1", "--json", "--bundle", str(bundle)]
        process = subprocess.run(
            [sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=120, cwd=ROOT
        )
        assert process.returncode == 0, process.stderr
        summary = json.loads(process.stdout)
        assert summary["segments"] == ["water", "please"] and summary["seed"] == 1 and summary["keypoints"] == 79
        files.append(out.read_bytes())
        if number == 1:
            time.sleep(2.1)  # the clock of a zip file ticks in steps of two seconds
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--bundle", "BUNDLE"], "--out"),
        (["--bundle", "BUNDLE", "--out", "OUT"], "--precision"),
        (["--run", "nowhere", "--precision", "fp16", "--out", "OUT"], "--precision"),
        (["--bundle", "BUNDLE", "--tensorrt", "--out", "OUT"], "--tensorrt"),
        (["--run", "nowhere", "--tensorrt"], "--tensorrt"),
        (["--bundle", "BUNDLE", "--precision", "fp16", "--out", "OUT", "--cache", "OUT"], "--cache"),
        (["--bundle", "BUNDLE", "--precision", "int2", "--out", "OUT"], "int2"),
        (["--bundle", "OUT", "--tensorrt"], "is missing"),
    ],
)
def test_impossible_exports_are_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    places = {"BUNDLE": str(bundle), "OUT": str(tmp_path / "out")}
    assert main(["export", *(places.get(argument, argument) for argument in arguments)]) == 1
    _one_line(capsys, named)
    assert not (tmp_path / "out").exists()


def test_a_relative_bundle_that_is_missing_is_shown_absolute(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sign", "tea", "--out", "tea.npz", "--bundle", "nowhere"]) == 1
    _one_line(capsys, f"{tmp_path}/nowhere/bundle.json is missing")


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"text2sign_ros {version()}\n"


def test_engines_without_tensorrt_are_one_line(bundle: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert main(["export", "--bundle", str(bundle), "--tensorrt"]) == 1
    _one_line(capsys, "TensorRT", "install")


def test_a_bundle_in_half_precision_signs_alike(bundle: Path, tmp_path: Path, capsys) -> None:
    half = tmp_path / "half"
    assert main(["export", "--bundle", str(bundle), "--precision", "fp16", "--out", str(half)]) == 0
    assert "mm" in capsys.readouterr().out
    assert _sign(half, tmp_path / "half.npz", "water") == _sign(bundle, tmp_path / "full.npz", "water") == 0
    one, other = (SignClip.load(tmp_path / name).positions for name in ("half.npz", "full.npz"))
    assert 0 < np.abs(one - other).max() < 0.01


def test_the_npz_is_as_documented(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _sign(bundle, tmp_path / "a.npz", "my name is Grace", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert " ".join(summary["segments"]).endswith("g r a c e")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        assert sorted(data.files) == ["confidence", "fps", "keypoints", "positions"]
        assert data["positions"].shape == (summary["frames"], 79, 3) and data["positions"].dtype == np.float32
        assert data["confidence"].shape == (summary["frames"], 79)
        assert float(data["fps"]) == summary["fps"] == 25.0
        assert tuple(data["keypoints"]) == skeleton.KEYPOINTS


def test_every_kind_of_file(bundle: Path, tmp_path: Path) -> None:
    for suffix in ("npz", "pose", "png", "mp4"):
        assert _sign(bundle, tmp_path / f"a.{suffix}", "tea") == 0
    npz, pose = (SignClip.load(tmp_path / f"a.{suffix}") for suffix in ("npz", "pose"))
    np.testing.assert_allclose(npz.positions, pose.positions, atol=1e-5)
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 100 and len(np.unique(np.asarray(image))) > 10
    assert (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"


def test_a_batch_gives_one_clip_a_line_and_says_which_it_could_not_sign(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts"
    texts.write_text("hello\n\nwater please\n", encoding="utf-8")
    assert _sign(bundle, tmp_path / "out", "--batch", str(texts), "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == ["hello", "water please"]
    assert [len(SignClip.load(path)) for path in sorted((tmp_path / "out").iterdir())] == [x["frames"] for x in lines]

    texts.write_text("hello\n'\ntea\n", encoding="utf-8")
    assert _sign(bundle, tmp_path / "more", "--batch", str(texts)) == 1
    error = capsys.readouterr().err
    assert "line 2" in error and "1 of 3" in error and "Traceback" not in error
    assert len(list((tmp_path / "more").iterdir())) == 2

    texts.write_text("please\nplease water\n", encoding="utf-8")
    assert _sign(bundle, tmp_path / "limited", "--batch", str(texts), "--max-jerk", "1") == 1
    error = capsys.readouterr().err
    assert "line 1: " in error and "line 2: " in error and "raise the limits" in error and "2 of 2" in error

    texts.write_text("\n \n", encoding="utf-8")
    assert _sign(bundle, tmp_path / "none", "--batch", str(texts)) == 1
    _one_line(capsys, "no text")


def test_one_sign_of_a_batch_is_that_text_signed_alone(bundle: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.write_text("water\nhello\n", encoding="utf-8")
    assert _sign(bundle, tmp_path / "out", "--batch", str(texts), "--seed", "4") == 0
    assert _sign(bundle, tmp_path / "hello.npz", "hello", "--seed", "4") == 0
    second = sorted((tmp_path / "out").iterdir())[1]
    assert second.read_bytes() == (tmp_path / "hello.npz").read_bytes()


@pytest.mark.parametrize("text", ["", "  \t ", "'", "\x00\x07", "😀", "你好", "a" * 120_000])
def test_bad_texts_get_one_line_and_no_file(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert _sign(bundle, tmp_path / "a.npz", text) == 1
    _one_line(capsys)
    assert not list(tmp_path.iterdir())


def test_omissions_are_reported(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _sign(bundle, tmp_path / "a.npz", "hello 😀", "--json") == 0
    output = capsys.readouterr()
    assert "text2sign: warning: " in output.err
    assert json.loads(output.out)["warnings"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["hello", "--out", "a.gif"], "a.gif"),
        (["hello", "--out", "folder"], ".npz"),
        (["--batch", "texts", "--out", "a.npz"], "folder"),
        (["--batch", "nowhere", "--out", "out"], "nowhere"),
        (["hello", "--out", "a.npz", "--seed", "-1"], "--seed"),
        (["hello", "--out", "a.npz", "--preset", "slow"], "preset is 'slow'"),
        (["hello", "--out", "a.npz", "--threads", "0"], "--threads"),
        (["hello", "--out", "a.npz", "--bundle", "nowhere"], "nowhere"),
    ],
)
def test_errors_are_one_line(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--bundle" not in arguments:
        arguments = [*arguments, "--bundle", str(bundle)]
    assert main(["sign", *arguments]) == 1
    _one_line(capsys, named)
    assert not list(tmp_path.iterdir())


def test_a_batch_that_is_no_text(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts").write_bytes(b"\xff\xfe\x00hello")
    assert _sign(bundle, tmp_path / "out", "--batch", str(tmp_path / "texts")) == 1
    _one_line(capsys, "texts")


def test_training_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = str(ROOT / "config" / "train" / "asl.yaml"), str(tmp_path / "run")
    assert main(["train", "--config", config, "--out", out, "--stage", "dreaming"]) == 1
    _one_line(capsys, "dreaming", "diffusion")
    assert main(["train", "--config", str(tmp_path / "nowhere.yaml"), "--out", out]) == 1
    _one_line(capsys, "nowhere.yaml")
    (tmp_path / "bad.yaml").write_text("unet: {chanels: [8]}\n")
    assert main(["train", "--config", str(tmp_path / "bad.yaml"), "--out", out]) == 1
    _one_line(capsys, "chanels")
    (tmp_path / "lost.yaml").write_text(
        "data: {corpora: [{reader: asl_cafe, folder: nowhere}]}\nvae_stage: {steps: 1}\n"
    )
    assert main(["train", "--config", str(tmp_path / "lost.yaml"), "--out", str(tmp_path / "other")]) == 1
    _one_line(capsys, "nowhere", "text2sign corpus prepare asl_cafe")


def test_exporting_a_missing_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--run", str(tmp_path / "nowhere"), "--out", str(tmp_path / "bundle")]) == 1
    _one_line(capsys, "nowhere")
    assert not list(tmp_path.iterdir())


COMMANDS = ("sign", "play", "train", "export", "evaluate", "bench", "robot")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "usage: text2sign" in capsys.readouterr().out


LACKING = """
import sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name in LACKED or name.partition(".")[0] in LACKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

LACKED = sys.argv.pop(1).split(",")
sys.meta_path.insert(0, Refusal())
from text2sign_ros.cli import main
sys.exit(main())
"""
EVERYTHING = {module for modules in extras.MODULES.values() for module in modules}
ALWAYS = set(extras.MODULES[""])


def _lacking(modules: Collection[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where these modules are not installed."""
    command = [sys.executable, "-c", LACKING, ",".join(modules), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_needs_nothing_that_is_not_always_there(command: str) -> None:
    result = _lacking(EVERYTHING, *command.split(), "--help")
    assert result.returncode == 0, result.stderr
    assert "usage: text2sign" in result.stdout and not result.stderr


@pytest.mark.parametrize(
    ("lacked", "arguments", "module", "extra"),
    [
        ({"onnxruntime"}, "sign hello --out OUT/a.npz", "onnxruntime", "cpu"),
        ({"pose_format"}, "sign hello --out OUT/a.pose", "pose_format", "files"),
        ({"rosbags"}, "sign hello --out OUT/a.mcap", "rosbags", "files"),
        ({"rosbags"}, "play OUT", "rosbags", "files"),
        ({"PIL"}, "sign hello --out OUT/a.png", "PIL", "files"),
        ({"av"}, "sign hello --out OUT/a.mp4", "av", "files"),
        (set(extras.MODULES["train"]), "train --config config/train/asl.yaml --out OUT/run", "torch", "train"),
        ({"tqdm"}, "train --config config/train/asl.yaml --out OUT/run", "tqdm", "train"),
        (EVERYTHING - ALWAYS, "export --run OUT/run --out OUT/bundle", "torch", "train"),
        ({"onnx"}, "export --bundle models/asl --precision fp16 --out OUT/bundle", "onnx", "train"),
        (set(extras.MODULES["train"]), "evaluate --bundle models/asl --data OUT", "torch", "train"),
        ({"scipy"}, "evaluate --bundle models/asl --data OUT", "scipy", "train"),
        (set(extras.MODULES["bench"]), "bench --quick", "onnx", "bench"),
        ({"tqdm"}, "bench --quick", "tqdm", "bench"),
        ({"mujoco"}, "robot inspect gr3", "mujoco", "robot"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(
    lacked: set[str], arguments: str, module: str, extra: str, tmp_path: Path
) -> None:
    result = _lacking(lacked, *arguments.replace("OUT", str(tmp_path)).split())
    command = arguments.split()[0]
    assert result.stderr == (
        f"text2sign: {command} needs {module}, which is not installed: pip install 'text2sign_ros[{extra}]'\n"
    )
    assert result.returncode == 1 and not result.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lacked", [{"rclpy"}, {"rclpy", "action_msgs", "std_msgs"}])
def test_playing_without_ros_is_one_line(lacked: set[str], tmp_path: Path) -> None:
    SignClip(skeleton.REST_POSE[None].repeat(5, axis=0), np.ones((5, 79)), 25).save(tmp_path / "rest.npz")
    result = _lacking(lacked, "play", str(tmp_path / "rest.npz"))
    assert result.stderr.startswith("text2sign: play needs ROS 2: source its setup file") and not result.stdout
    assert result.returncode == 1 and result.stderr.count("\n") == 1


def test_what_is_always_required_is_named_too(tmp_path: Path) -> None:
    result = _lacking({"tokenizers"}, "sign", "hello", "--out", str(tmp_path / "a.npz"))
    assert result.stderr == "text2sign: sign needs tokenizers, which is not installed: pip install text2sign_ros\n"
    assert result.returncode == 1


def test_signing_into_npz_needs_the_runtime_and_no_other_extra(tmp_path: Path) -> None:
    result = _lacking(EVERYTHING - ALWAYS - {"onnxruntime"}, "sign", "tea", "--out", str(tmp_path / "a.npz"))
    assert result.returncode == 0, result.stderr
    assert len(SignClip.load(tmp_path / "a.npz"))


@pytest.mark.parametrize("module", ["text2sign_ros.motion.smoothing", "json.decoder", "onnxruntime.capi"])
def test_other_missing_modules_are_bugs_and_not_hidden(module: str, tmp_path: Path) -> None:
    result = _lacking({module}, "sign", "hello", "--out", str(tmp_path / "a.npz"))
    assert result.returncode == 1
    assert "Traceback" in result.stderr and f"ModuleNotFoundError: No module named '{module}'" in result.stderr


def test_which_frames_are_which_sign(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = []
    for limit in ("0", "0.5"):
        assert _sign(bundle, tmp_path / "a.npz", "hello bob, tea?", "--json", "--max-velocity", limit) == 0
        summary = json.loads(capsys.readouterr().out)
        (question,) = (part for part in summary["parts"] if part["kind"] == "marker")
        parts = [part for part in summary["parts"] if part["kind"] != "marker"]
        assert [part["text"] for part in parts] == ["hello", "b", "o", "b", "tea", ""]
        assert (question["text"], question["end_frame"]) == ("question", parts[-1]["start_frame"])
        assert parts[0]["start_frame"] == 0 and parts[-1]["end_frame"] == summary["frames"]
        for one, following in pairwise(parts):
            assert (one["end_frame"], one["end"]) == (following["start_frame"], following["start"])
        assert parts[-1]["end"] == pytest.approx(summary["frames"] / summary["fps"])
        positions = SignClip.load(tmp_path / "a.npz").positions
        assert len(positions) == summary["frames"]
        assert limit == "0" or np.linalg.norm(np.diff(positions, axis=0), axis=-1).max() * summary["fps"] < 0.501
        frames.append(summary["frames"])
    assert frames[1] > 1.3 * frames[0]
    assert _sign(bundle, tmp_path / "b.npz", "hello", "--max-velocity", "-1") == 1
    _one_line(capsys, "velocity is -1")
    assert _sign(bundle, tmp_path / "sheet.png", "hello bob", "--max-velocity", "0.5") == 0, "captions cover the clip"
