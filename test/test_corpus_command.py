"""`text2sign corpus inspect` and `convert`: recognised, described, drawn, written and read again."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from published import TEXTS, motion, sample, wholebody, write_clip, write_openpose, write_skels

from text2sign_ros import cli, skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora import clips, skels
from text2sign_ros.corpora.base import CorpusError
from text2sign_ros.corpora.conversion import convert
from text2sign_ros.corpora.inspection import inspect, lines
from text2sign_ros.corpora.lifting import lift


def test_inspection_of_openpose(tmp_path: Path) -> None:
    found = inspect(write_openpose(tmp_path), progress=False)
    assert (found.reader, found.counts, found.frames) == ("openpose", {"train": 3, "val": 0, "test": 0}, 27)
    assert found.fps == (25.0, 25.0) and found.seconds[0] == pytest.approx(8 / 25)
    assert found.missing == {"body": 0, "face": 0, "left_hand": 0, "right_hand": 0}
    assert found.signers == {"3": 2, "5": 1} and found.right_handed == 1.0
    assert found.words == (13, 11)  # "es" and "." come twice
    assert found.bones["right upper arm"].length == pytest.approx(skeleton.UPPER_ARM, abs=0.02)
    assert any("no recordings of split val" in problem for problem in found.problems)
    assert [len(clip) for _, clip in found.shown] == [8, 9, 10]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    exchanged = wholebody(motion(8))
    exchanged[..., 0] = 1280 - exchanged[..., 0]  # a picture that is mirrored
    upside_down = wholebody(motion(8))
    upside_down[..., 1] = 720 - upside_down[..., 1]
    lost = wholebody(motion(8))
    lost[:4], lost[:, 112:] = 0, 0
    for name, found in {"a": exchanged, "b": upside_down, "c": lost}.items():
        write_clip(tmp_path / name, found)
    rows = ["a\tone", "b\ttwo", "c\tthree", "d\tfour"]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n")
    found = inspect(tmp_path, progress=False)
    text = "\n".join(lines(found))
    for named in (
        "1 of 4 clips of the tables are not there",
        "1 recordings have the left shoulder where the right one belongs",
        "1 recordings have the head below the shoulders",
        "4 of 24 frames show nobody",
        "33% of the keypoints of right hand are missing",
    ):
        assert named in text
    assert found.missing["right_hand"] == pytest.approx(8 / 24)


def test_inspect_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, picture = write_skels(tmp_path / "corpus"), tmp_path / "out" / "six.png"
    assert cli.main(["corpus", "inspect", str(folder), "--out", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "Progressive Transformers" in said and "recordings: 2 train, 2 val, 2 test" in said
    assert "glosses: 4, 0 of them once" in said and "6 sequences" in said
    with Image.open(picture) as image:
        assert image.width > 1000 and np.asarray(image).std() > 5
    assert cli.main(["corpus", "inspect", str(folder), "--out", "six.jpg"]) == 1
    assert "must end in .png" in capsys.readouterr().err
    assert cli.main(["corpus", "inspect", str(folder), "--lift", "magic"]) == 1
    assert capsys.readouterr().err.startswith("text2sign: there is no lift 'magic'")


@pytest.mark.parametrize("to", ["npz", "pose"])
def test_converted_clips_are_read_again(tmp_path: Path, to: str) -> None:
    if to == "pose":
        pytest.importorskip("pose_format")
    folder, out = write_openpose(tmp_path / "in"), tmp_path / "out"
    assert convert(folder, out, to, progress=False) == {"train": 3}
    found = clips.read(out, progress=False)
    assert [example.text for example in found] == [f"{TEXTS[0]},", *TEXTS[1:]]
    assert [example.signer for example in found] == ["3", "5", "3"]
    from text2sign_ros.corpora import openpose

    for example, recording in zip(found, openpose.recordings(folder), strict=True):
        np.testing.assert_allclose(example.clip.positions, lift(recording).positions, atol=2e-3)
        np.testing.assert_allclose(example.clip.confidence, recording.confidence, atol=1e-6)
    again = inspect(out, progress=False)
    assert (again.reader, again.counts["train"]) == ("clips", 3)


def test_converted_to_skels_and_back(tmp_path: Path) -> None:
    folder, out = write_openpose(tmp_path / "in"), tmp_path / "out"
    assert convert(folder, out, "skels", progress=False) == {"train": 3}
    found = list(skels.recordings(out))
    assert [(recording.name, recording.text) for recording in found][1] == ("video_1-5-rgb_front", TEXTS[1])
    for k, recording in enumerate(found):
        arms = [skeleton.INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("elbow", "wrist")]
        np.testing.assert_allclose(
            lift(recording).positions[:, arms, 1:], motion(8 + k, seed=k)[:, arms, 1:], atol=0.03
        )
    third = convert(out, tmp_path / "third", "npz", progress=False)
    assert third == {"train": 3}
    with open(tmp_path / "third" / "sentences.csv", newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["text"] == f"{TEXTS[0]},"


def test_what_skels_cannot_hold_is_refused(tmp_path: Path) -> None:
    found = wholebody(motion(8))
    found[3, 120] = 0
    write_clip(tmp_path / "in" / "a", found)
    (tmp_path / "in" / "train.tsv").write_text("a\thello\n")
    out = tmp_path / "out"
    with pytest.raises(CorpusError, match=r"missing in up to 1 of 8 frames; \.skels has no mark for what is missing"):
        convert(tmp_path / "in", out, "skels", progress=False)
    assert not out.exists() and [path.name for path in tmp_path.iterdir()] == ["in"]
    with pytest.raises(CorpusError, match=r"24 frames a second, and \.skels has 25"):
        convert(write_openpose(tmp_path / "other"), out, "skels", fps=24.0, progress=False)
    with pytest.raises(CorpusError, match="there is no format 'bvh' to write; known are npz, pose, skels"):
        convert(tmp_path / "in", out, "bvh", progress=False)
    with pytest.raises(CorpusError, match="already exists"):
        convert(tmp_path / "in", tmp_path / "in", "npz", progress=False)


def test_convert_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = write_skels(tmp_path / "in"), tmp_path / "out"
    assert cli.main(["corpus", "convert", str(folder), str(out), "--format", "npz", "--lift", "flat"]) == 0
    assert capsys.readouterr().out == f"{out}: 2 train, 2 val, 2 test\n"
    clip = SignClip.load(next((out / "train").glob("*.npz")))
    assert np.abs(clip.positions[:, skeleton.HANDS, 0]).max() < 1e-6


def test_a_table_with_commas(tmp_path: Path) -> None:
    SignClip(motion(8), np.ones((8, 79)), 25.0).save(tmp_path / "a.npz")
    table = tmp_path / "sentences.csv"
    table.write_bytes(b'\xef\xbb\xbffile,text,signer,block,split\r\na.npz,"well, ""hello""",anna,b,train\r\n')
    (example,) = clips.read(tmp_path, progress=False)
    assert example.text == 'well, "hello"' and clips.files(tmp_path)[0] == table
    table.write_text("file\ttext\n")
    with pytest.raises(CorpusError, match="columns are separated by commas"):
        clips.files(tmp_path)


def test_a_clip_that_claims_ten_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    (tmp_path / "sentences.tsv").write_text("file\ttext\tsigner\tblock\tsplit\na.npz\thello\tanna\tb\ttrain\n")
    SignClip(motion(8), np.ones((8, 79)), 25.0).save(path)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")  # of the last file in the archive: its size, and that it is packed
    content[at + 24 : at + 28] = (0xF0000000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"claims 4\.0 GB; a clip has at most 2\.1 GB"):
        clips.read(tmp_path, progress=False)
    with open(path, "wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(CorpusError, match=r"claims 10\.7 GB"):
        clips.read(tmp_path, progress=False)
    np.savez(path, keypoints=np.array(skeleton.KEYPOINTS), fps=25.0, confidence=np.ones((8, 79)), positions=np.zeros(3))
    with pytest.raises(CorpusError, match=r"positions have shape \(3,\)"):
        clips.read(tmp_path, progress=False)


@pytest.mark.parametrize(("name", "reader"), [("phoenix14t", "skels"), ("how2sign", "openpose"), ("dgs", "holistic")])
def test_the_real_samples(name: str, reader: str, capsys: pytest.CaptureFixture[str]) -> None:
    if reader == "holistic":
        pytest.importorskip("pose_format")
    found = inspect(sample(name), progress=False)
    assert found.reader == reader and found.right_handed > 0.8
    expected = {"phoenix14t": (0.32, 0.34), "how2sign": (0.27, 0.34), "dgs": (0.25, 0.34)}[name]
    for side in ("left", "right"):
        assert expected[0] < found.bones[f"{side} upper arm"].length < expected[1]
        assert 0.07 < found.bones[f"{side} palm"].length < 0.1
    assert not any("mirrored" in problem or "upside" in problem for problem in found.problems)
    if name == "phoenix14t":
        assert len(found.never) == 30 and found.missing["face"] == 1.0
        with pytest.raises(CorpusError, match="already exists"):
            convert(sample(name), sample(name), "npz", progress=False)


def test_what_is_missing_reaches_training_as_missing(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from text2sign_ros.training.config import REST_FRAMES, CorpusConfig
    from text2sign_ros.training.sentences import compose

    corpus = CorpusConfig("skels", str(write_skels(tmp_path / "in")), lift="flat")
    found = compose((corpus,), "train", 0, 0, tmp_path)
    assert sorted(found.labels.tolist()) == sorted(TEXTS[:2])
    for first, last in zip(found.starts[:-1], found.starts[1:], strict=True):
        middle = found.confidence[(first + last) // 2]
        assert (middle[skeleton.GROUPS["face"]] == 0).all() and (middle[skeleton.HANDS] == 1).all()
        assert last - first >= 2 * REST_FRAMES + 10


def test_an_encoder_by_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from text2sign_ros.export.text_encoder import EncoderSourceError
    from text2sign_ros.training.config import TrainConfig

    with pytest.raises(EncoderSourceError, match="nowhere"):
        _ = cli._run(TrainConfig(encoder=str(tmp_path / "nowhere")), tmp_path / "run").encoder
