"""Readers of published corpora: what they read, what they refuse, and what the real samples look like."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from published import (
    TEXTS,
    motion,
    sample,
    wholebody,
    write_clip,
    write_openpose,
    write_pose,
    write_skels,
)

from text2sign_ros import skeleton
from text2sign_ros.corpora import holistic, mska, openpose, skels
from text2sign_ros.corpora.base import FPS, CorpusError, Depth, Recording
from text2sign_ros.corpora.inspection import recognise
from text2sign_ros.corpora.lifting import lift, scaled
from text2sign_ros.corpora.registry import PUBLISHED, digest, read
from text2sign_ros.motion import kinematics

ARMS = [skeleton.INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist")]
HANDS = list(range(skeleton.HANDS.start, skeleton.HANDS.stop))


def _seen_from_the_front(recording: Recording, seed: int, keypoints: list[int], within: float = 2e-3) -> None:
    """The keypoints are where ``motion`` has them in the picture, left and right, up and down included."""
    expected = motion(len(recording.points), seed)
    np.testing.assert_allclose(scaled(recording)[:, keypoints, 1:], expected[:, keypoints, 1:], atol=within)


def test_skels(tmp_path: Path) -> None:
    folder = write_skels(tmp_path)
    assert recognise(folder) == "skels"
    found = list(skels.recordings(folder))
    assert [recording.split for recording in found] == ["train"] * 2 + ["val"] * 2 + ["test"] * 2
    first = found[0]
    assert (first.name, first.text, first.gloss, first.fps) == ("train/clip-0", TEXTS[0], "HEUTE REGEN", 25.0)
    assert first.depth == Depth.UNSIGNED
    _seen_from_the_front(first, 0, ARMS + HANDS)
    assert (first.confidence[:, [0, *ARMS, *HANDS]] == 1).all() and (
        first.confidence[:, [1, 2, *range(11, 37)]] == 0
    ).all()
    # Arms of this motion point toward the viewer, as the published depth always does.
    elbow, wrist = skeleton.INDEX["right_elbow"], skeleton.INDEX["right_wrist"]
    assert (first.points[:, wrist, 0] > first.points[:, elbow, 0]).all()


def test_skels_left_and_right_are_not_those_of_openpose() -> None:
    assert {skels.PLACES[skeleton.INDEX[f"right_{joint}"]] for joint in ("shoulder", "elbow", "wrist")} == {5, 6, 8}
    assert skels.PLACES[skeleton.HAND["left"].start] == 29


def test_skels_are_read_a_line_at_a_time(tmp_path: Path) -> None:
    folder, lines = write_skels(tmp_path, ("train",)), 40
    for suffix in ("skels", "text", "files"):
        path = folder / f"train.{suffix}"
        path.write_text(path.read_text().splitlines()[0] + "\n", encoding="utf-8")
        path.write_text(path.read_text() * lines, encoding="utf-8")
    (folder / "train.gloss").unlink()
    size = (folder / "train.skels").stat().st_size
    tracemalloc.start()
    assert sum(1 for _ in skels.recordings(folder)) == lines
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 2, f"{peak} bytes for a file of {size}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text.replace("0.1", "abc", 1), r"line 1 holds something other than numbers"),
        (lambda text: text.replace("0.0000 ", "nan ", 1), r"line 1 holds NaN"),
        (lambda text: text[: len(text) // 3], r"line 1 has \d+ numbers, which is no multiple of 151"),
        (lambda text: " ".join(["0.5"] * 385 * 2) + "\n", r"Prompt2Sign's format of 2025, with 385 numbers"),
        (lambda text: "\n" + text, r"line 1 is empty"),
        (lambda text: text.splitlines()[0] + "\n", r"train.skels has 1 lines and train.text has more"),
        (lambda text: text + text, r"train.text has 2 lines and train.skels has more"),
        (lambda text: " ".join(["0.5"] * 151 * 3) + "\n", r"counter that is not i / 3"),
    ],
)
def test_faulty_skels(tmp_path: Path, change, named: str) -> None:
    path = write_skels(tmp_path, ("train",)) / "train.skels"
    path.write_text(change(path.read_text()))
    with pytest.raises(CorpusError, match=named):
        list(skels.recordings(tmp_path))


def test_prompt2sign_is_told_apart(tmp_path: Path) -> None:
    path = write_skels(tmp_path, ("train",)) / "train.skels"
    frames = np.array(path.read_text().splitlines()[0].split(), float).reshape(-1, 151)
    frames[:, -1] = (np.arange(len(frames)) + 1) / len(frames)
    path.write_text(" ".join(f"{value:.5f}" for value in frames.ravel()) + "\n")
    with pytest.raises(CorpusError, match=r"ends at 1: it is Prompt2Sign's, which writes 0\.016 for what is missing"):
        list(skels.recordings(tmp_path))


def test_skels_of_other_content(tmp_path: Path) -> None:
    folder = write_skels(tmp_path, ("train",))
    (folder / "train.skels").write_bytes(bytes(range(256)) * 50)
    with pytest.raises(CorpusError, match=r"is not UTF-8 text|other than numbers"):
        list(skels.recordings(folder))
    with open(folder / "train.skels", "wb") as file:
        file.truncate(10 << 30)  # ten gigabytes that take no room on the disk, one line
    with pytest.raises(CorpusError, match="has more than 67108864 bytes"):
        list(skels.recordings(folder))
    (folder / "train.text").unlink()
    with pytest.raises(CorpusError, match=r"has train.skels but no train.text"):
        skels.files(folder)
    with pytest.raises(CorpusError, match=r"has no train.skels"):
        skels.files(tmp_path / "nowhere")


def _mska(folder: Path, wrap=lambda array: array, compress: bool = False, protocol: int = 4) -> Path:
    import gzip

    samples = {
        f"train/clip-{k}": {
            "name": f"train/clip-{k}", "keypoint": wrap(wholebody(motion(8 + k, seed=k))), "text": text, "gloss": "A B",
            "num_frames": 8 + k,
        }
        for k, text in enumerate(TEXTS)
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    content = pickle.dumps(samples, protocol=protocol)
    (folder / "Phoenix-2014T.train").write_bytes(gzip.compress(content) if compress else content)
    return folder


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("compress", [False, True])
def test_mska(tmp_path: Path, protocol: int, compress: bool) -> None:
    folder = _mska(tmp_path, compress=compress, protocol=protocol)
    assert recognise(folder) == "mska"
    found = list(mska.recordings(folder))
    assert [(recording.text, recording.split, recording.depth) for recording in found] == [
        (text, "train", Depth.NONE) for text in TEXTS
    ]
    for k, recording in enumerate(found):
        _seen_from_the_front(recording, k, list(range(79)))
        np.testing.assert_allclose(recording.confidence, 0.9)


def test_mska_as_published_with_tensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    folder = _mska(tmp_path, wrap=lambda array: torch.from_numpy(np.concatenate((array, array)))[: len(array)])
    for k, recording in enumerate(mska.recordings(folder)):
        _seen_from_the_front(recording, k, list(range(79)))
    _mska(tmp_path, wrap=lambda array: torch.from_numpy(array.transpose(2, 0, 1).copy()).permute(1, 2, 0))
    for k, recording in enumerate(mska.recordings(folder)):
        _seen_from_the_front(recording, k, list(range(79)))


class _Hostile:
    def __init__(self, function, *arguments) -> None:
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def test_a_hostile_pickle_does_nothing(tmp_path: Path) -> None:
    import os

    made = tmp_path / "made"
    for function, arguments in ((os.mkdir, (str(made),)), (eval, (f"__import__('os').mkdir({str(made)!r})",))):
        folder = _mska(tmp_path / "corpus", wrap=lambda array, f=function, a=arguments: _Hostile(f, *a))
        with pytest.raises(CorpusError, match=r"wants to use (posix|builtins)\.(mkdir|eval); only arrays"):
            list(mska.recordings(folder))
        assert not made.exists()


@pytest.mark.parametrize(
    ("size", "stride"), [((10**9, 133, 3), (399, 3, 1)), ((10**9, 133, 3), (0, 0, 0)), ((4,), (-1,))]
)
def test_a_tensor_that_claims_more_than_it_has(tmp_path: Path, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    storage = torch.zeros(4 * 133 * 3)._typed_storage()
    wrapped = _Hostile(torch._utils._rebuild_tensor_v2, storage, 0, size, stride, False, {})
    with pytest.raises(CorpusError, match=r"a tensor (claims|has an impossible shape)"):
        list(mska.recordings(_mska(tmp_path, wrap=lambda array: wrapped)))


def _claiming(shape: tuple[int, ...]) -> bytes:
    """A pickle of a recording whose array claims another shape than it has numbers for."""
    content = pickle.dumps({"a": {"keypoint": np.zeros((77, 133, 3), np.float32), "text": "b"}}, protocol=2)
    # 77, 133 and 3 are a tuple of small integers.
    new = b"".join(b"\x8a\x08" + n.to_bytes(8, "little") for n in shape)
    old = b"K\x4dK\x85K\x03"
    assert content.count(old) == 1
    return content.replace(old, new)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "has no pickle"),
        (b"plain text", "has no pickle"),
        (b"\x80\x04garbage", "is damaged"),
        (pickle.dumps({"a": 1})[:-4], "is damaged"),
        (pickle.dumps([1, 2]), "holds list; a dictionary"),
        (pickle.dumps({}), "a dictionary of recordings is expected"),
        (pickle.dumps({"a": 1}), "'a' has no keypoint and text"),
        (pickle.dumps({"a": {"keypoint": np.zeros((4, 17, 3)), "text": "b"}}), r"shape \(4, 17, 3\)"),
        (pickle.dumps({"a": {"keypoint": np.zeros((4, 133, 3)), "text": ""}}), "has no text"),
        (
            pickle.dumps({"a": {"keypoint": np.zeros((4, 133, 3)), "text": "b", "num_frames": 9}}),
            "claims 9 frames and has 4",
        ),
        (pickle.dumps({"a": {"keypoint": np.full((4, 133, 3), np.nan), "text": "b"}}), "NaN"),
        (pickle.dumps({"a": {"keypoint": np.array([{}]), "text": "b"}}), "not of numbers"),
        (_claiming((10**10, 133, 3)), "is damaged"),
        (b"\x80\x04\x8e" + (10 << 30).to_bytes(8, "little") + b"x", "is damaged"),  # bytes that claim ten gigabytes
        (b"\x1f\x8b" + b"\0" * 40, "is damaged"),
    ],
)
def test_faulty_pickles(tmp_path: Path, content: bytes, named: str) -> None:
    (tmp_path / "train.pkl").write_bytes(content)
    with pytest.raises(CorpusError, match=named):
        list(mska.recordings(tmp_path))


def test_openpose(tmp_path: Path) -> None:
    folder = write_openpose(tmp_path)
    assert recognise(folder) == "openpose"
    notes: list[str] = []
    found = list(openpose.recordings(folder, notes=notes))
    assert [(r.text, r.signer, r.block, r.split, r.fps) for r in found] == [
        (f"{TEXTS[0]},", "3", "video", "train", 25.0),
        (TEXTS[1], "5", "video", "train", 25.0),
        (TEXTS[2], "3", "video", "train", 25.0),
    ]
    assert notes == ["nothing says the frame rate; taken as 25"]
    for k, recording in enumerate(found):
        _seen_from_the_front(recording, k, list(range(79)))
    assert next(openpose.recordings(folder, fps=24.0)).fps == 24.0
    assert len(openpose.files(folder)) == 1 + 8 + 9 + 10


def test_openpose_takes_the_rate_and_the_split_from_its_table(tmp_path: Path) -> None:
    folder = write_openpose(tmp_path, "how2sign_val.csv", heading=True)
    found = list(openpose.recordings(folder))
    assert all(recording.fps == pytest.approx(20.0) for recording in found)
    assert {recording.split for recording in found} == {"val"}


def test_openpose_realigned(tmp_path: Path) -> None:
    folder = write_openpose(tmp_path, "how2sign_train.csv", heading=True)
    name = "video_1-5-rgb_front"
    realigned = f"SENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE\n{name}\t10.1\t10.3\tanother cut\n"
    (folder / "how2sign_realigned_train.csv").write_text(realigned)
    (cut,) = openpose.recordings(folder)
    assert (cut.name, cut.text, len(cut.points)) == (name, "another cut", 4)  # frames 2 to 5 at 20 a second
    whole = motion(9, seed=1)
    np.testing.assert_allclose(scaled(cut)[:, ARMS, 1:], whole[2:6, ARMS, 1:], atol=2e-3)
    (folder / "how2sign_train.csv").unlink()
    with pytest.raises(CorpusError, match="only a re-aligned table"):
        list(openpose.recordings(folder))


def test_openpose_missing_guessed_and_above_one(tmp_path: Path) -> None:
    found = wholebody(motion(6))
    found[2, 9], found[3], found[1, 112, 2], found[4, 0, 2] = 0, 0, 0.03, 1.07
    write_clip(tmp_path / "a", found)
    (tmp_path / "sentences.tsv").write_text("a\thello\n")
    notes: list[str] = []
    (recording,) = openpose.recordings(tmp_path, notes=notes)
    seen = recording.confidence
    assert seen[2, skeleton.INDEX["left_wrist"]] == 0 and (seen[3] == 0).all()
    assert seen[1, skeleton.HAND["right"].start] == pytest.approx(0.03) and seen[4, 0] == 1.0
    assert "1 confidences above 1, taken as 1" in notes
    nobody = json.dumps({"people": []})
    next((tmp_path / "a").glob("*_000000000005_*")).write_text(nobody)
    assert (next(openpose.recordings(tmp_path)).confidence[5] == 0).all()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"people": [{"pose_keypoints_2d": [1, 2', "is no frame of OpenPose, or cut short: JSONDecodeError"),
        ("{}", "KeyError"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "cannot reshape"),
        ("[" * 100_000, "RecursionError"),
        ("\0" * (2 << 20), "has 2097152 bytes"),
    ],
)
def test_faulty_frames(tmp_path: Path, content: str, named: str) -> None:
    folder = write_openpose(tmp_path)
    next((folder / "video_0-3-rgb_front").glob("*_000000000002_*")).write_text(content)
    with pytest.raises(CorpusError, match=named):
        list(openpose.recordings(folder))


def test_faulty_folders_of_openpose(tmp_path: Path) -> None:
    folder = write_openpose(tmp_path)
    frame = next((folder / "video_0-3-rgb_front").glob("*_000000000002_*"))
    said = json.loads(frame.read_text())
    said["people"][0]["hand_left_keypoints_2d"][4] = float("nan")
    frame.write_text(json.dumps(said))
    with pytest.raises(CorpusError, match="holds NaN"):
        list(openpose.recordings(folder))
    frame.unlink()
    with pytest.raises(CorpusError, match="lacks frame 2 of 8"):
        list(openpose.recordings(folder))
    table = folder / "sentences.tsv"
    for content, named in (
        (b"video_0-3-rgb_front\n", "line 1 has 1 columns"),
        (b"../x\thello\n", "'../x' is no name of a clip"),
        (b"other\thello\n", "has none of the 1 clips"),
        (b"", "lists no clips"),
        (b"\xff\xfe\0", "can't be read as a table"),
    ):
        table.write_bytes(content)
        with pytest.raises(CorpusError, match=named):
            list(openpose.recordings(folder))
    table.unlink()
    with pytest.raises(CorpusError, match="has no table of sentences"):
        openpose.files(folder)


def _names(mesh: int, world: bool) -> tuple[holistic.Name, ...]:
    """MediaPipe's points in the order of pose-format: 33 + mesh + 21 + 21 (+ 33)."""
    body = [name.upper() for name in skeleton.KEYPOINTS[:11]]
    body += [f"OTHER_{k}" for k in range(33 - len(body))]
    hands = tuple((hand, name) for hand in holistic._HANDS.values() for name in holistic._HAND_NAMES)
    names = (
        tuple(("POSE_LANDMARKS", name) for name in body)
        + tuple(("FACE_LANDMARKS", str(k)) for k in range(mesh))
        + hands
    )
    return names + (tuple(("POSE_WORLD_LANDMARKS", name) for name in body) if world else ())


@pytest.mark.parametrize(
    ("mesh", "world", "points"), [(468, False, 543), (478, False, 553), (468, True, 576), (478, True, 586)]
)
def test_pose_of_holistic(tmp_path: Path, mesh: int, world: bool, points: int) -> None:
    pytest.importorskip("pose_format")
    names = _names(mesh, world)
    assert len(names) == points
    write_pose(tmp_path / "dev_1.pose", motion(8), names, fps=30.0)
    (tmp_path / "dev_1.txt").write_text(TEXTS[0], encoding="utf-8")
    assert recognise(tmp_path) == "holistic"
    (recording,) = holistic.recordings(tmp_path)
    assert (recording.text, recording.split, recording.fps, recording.depth) == (TEXTS[0], "val", 30.0, Depth.HANDS)
    _seen_from_the_front(recording, 0, list(range(79)))
    np.testing.assert_allclose(scaled(recording)[:, HANDS], motion(8)[:, HANDS], atol=2e-3)  # depth of hands included
    assert recording.confidence.all()


@pytest.mark.parametrize("names", [holistic.DGS, None])
def test_pose_of_178_points_in_both_orders(tmp_path: Path, names) -> None:
    pytest.importorskip("pose_format")
    write_pose(tmp_path / "a.pose", motion(8), names)
    points, confidence, fps = holistic.points_of(tmp_path / "a.pose")
    missing = {skeleton.KEYPOINTS[k] for k in np.flatnonzero((confidence == 0).all(axis=0))}
    assert missing == {"nose", "nose_tip", "nose_base"} and fps == 25.0
    recording = Recording("a", "b", "", "", "", "train", points, confidence, fps, Depth.HANDS)
    _seen_from_the_front(recording, 0, ARMS + HANDS + skeleton.BROWS)


def test_the_orders_of_178_are_permutations() -> None:
    assert len(holistic.DGS) == 178 and set(holistic.DGS) == set(holistic.SLRTP)
    assert holistic.SLRTP[0] == ("POSE_LANDMARKS", "RIGHT_SHOULDER")
    assert holistic.SLRTP[8] == ("RIGHT_HAND_LANDMARKS", "WRIST") and holistic.SLRTP[29][0] == "LEFT_HAND_LANDMARKS"
    assert holistic.SLRTP[50] == ("FACE_LANDMARKS", "0")


def test_pose_told_by_a_table(tmp_path: Path) -> None:
    pytest.importorskip("pose_format")
    write_pose(tmp_path / "sub" / "a.pose", motion(8), holistic.DGS)
    (tmp_path / "sentences.csv").write_text('file,text,signer,split\nsub/a.pose,"well, hello",anna,test\n')
    assert recognise(tmp_path) == "holistic"
    (recording,) = holistic.recordings(tmp_path)
    assert (recording.text, recording.signer, recording.split) == ("well, hello", "anna", "test")
    for row, named in (
        ("../a.pose,x,a,test", "there is no"),
        ("sub/a.pose,,a,test", "its text"),
        ("sub/a.pose,x,a,all", "a split out of"),
    ):
        (tmp_path / "sentences.csv").write_text(f"file,text,signer,split\n{row}\n")
        with pytest.raises(CorpusError, match=f"line 2: .*{named}"):
            list(holistic.recordings(tmp_path))


def test_faulty_pose_files(tmp_path: Path) -> None:
    pytest.importorskip("pose_format")
    path = tmp_path / "a.pose"
    write_pose(path, motion(8), holistic.DGS)
    whole = path.read_bytes()
    (tmp_path / "a.txt").write_text("hello")
    for content in (b"", b"\0" * 100, bytes(range(256)) * 40, whole[:900], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=r"is no \.pose file, or a damaged one"):
            list(holistic.recordings(tmp_path))
    bad = motion(8)
    bad[3, HANDS[0]] = np.nan
    write_pose(path, bad, holistic.DGS)
    with pytest.raises(CorpusError, match="holds NaN"):
        list(holistic.recordings(tmp_path))
    from text2sign_ros.clip import SignClip

    SignClip(motion(8), np.ones((8, 79)), 25.0).save(path)
    with pytest.raises(CorpusError, match="a clip of text2sign's own"):
        list(holistic.recordings(tmp_path))
    (tmp_path / "a.txt").unlink()
    with pytest.raises(CorpusError, match=r"has no \.pose file with a sentence"):
        holistic.files(tmp_path)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_all_are_read_for_training(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "corpus"
    if name == "holistic":
        pytest.importorskip("pose_format")
        write_pose(folder / "train_1.pose", motion(8), holistic.DGS)
        (folder / "train_1.txt").write_text("hello")
    else:
        {"skels": write_skels, "mska": _mska, "openpose": write_openpose}[name](folder)
    assert recognise(folder) == name
    for how in ("geometric", "flat"):
        first = read(name, folder, lift=how, progress=False)[0]
        assert first.source.endswith(f"depth: {how}") and first.clip.fps == FPS and first.units is None
        lengths = kinematics.bone_lengths(first.clip.positions)
        np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-5)
    before = digest(name, folder)
    changed = max(PUBLISHED[name].files(folder))
    changed.write_bytes(changed.read_bytes() + b" ")
    assert digest(name, folder) != before


def test_a_lift_is_for_published_formats_only(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the reader clips takes no lift"):
        read("clips", tmp_path, lift="flat")
    with pytest.raises(CorpusError, match="there is no reader 'x'"):
        read("x", tmp_path)
    for folder, named in ((tmp_path, "holds no corpus that is known"), (tmp_path / "no", "is no folder")):
        with pytest.raises(CorpusError, match=named):
            recognise(folder)


# -- The real samples. --


def test_the_real_sample_of_phoenix14t() -> None:
    found = list(skels.recordings(sample("phoenix14t")))
    assert len(found) == 15 and sum(len(recording.points) for recording in found) == 1942
    assert found[0].name == "train/11August_2010_Wednesday_tagesschau-1" and found[0].text.endswith("august .")
    assert sum(_right_is_raised(recording) for recording in found) == 14  # of 15, as FORMATS.md counted
    for recording in found:
        points = scaled(recording)
        assert (points[:, skeleton.SHOULDERS[0], 1] > points[:, skeleton.SHOULDERS[1], 1]).all()
        assert (points[:, 0, 2] > 0.1).all(), "the nose is above the shoulders"
    assert _palms_agree(found) > 0.98


def test_the_real_sample_of_how2sign() -> None:
    found = list(openpose.recordings(sample("how2sign")))
    assert [(len(r.points), r.signer, r.block) for r in found[:2]] == [
        (157, "3", "_2FBDaOPYig"),
        (210, "5", "_2FBDaOPYig"),
    ]
    assert found[0].text.startswith("So we are currently heating up the oil") and '"' not in found[0].text
    assert all(_right_is_raised(recording) for recording in found)
    hands = np.concatenate([recording.confidence[:, HANDS] for recording in found])
    assert hands.min() > 0 and 0.1 < (hands < 0.2).mean() < 0.3  # guessed, never missing
    assert max(recording.confidence.max() for recording in found) == 1.0
    assert _palms_agree(found) > 0.95  # frames next to a hand that turns are smoothed


def test_the_real_sample_of_the_dgs_corpus() -> None:
    pytest.importorskip("pose_format")
    found = {recording.name: recording for recording in holistic.recordings(sample("dgs"))}
    assert len(found) == 22 and found["test_14"].text == "Ich muss dir etwas wichtiges sagen."
    assert found["test_14"].gloss == "ICH1* BESCHEID1A* WICHTIG1* WAS1A"
    assert (found["test_14"].confidence == 0).all(axis=1).sum() == 5
    palm = [
        np.linalg.norm(points[:, 46] - points[:, 37], axis=-1)[recording.confidence[:, 46] > 0].mean()
        for recording in found.values()
        for points in [scaled(recording)]
    ]
    assert np.mean(palm) == pytest.approx(0.093, abs=0.006)  # with z in the unit of x; 0.07 without it
    assert sum(_right_is_raised(recording) for recording in found.values()) == 18


def _right_is_raised(recording: Recording) -> bool:
    points = scaled(recording)
    left, right = (points[:, skeleton.INDEX[f"{side}_wrist"], 2].mean() for side in ("left", "right"))
    return bool(right > left)


def _palms_agree(found: list[Recording]) -> float:
    """Share of the hands that clearly show palm or back, whose lifted fingers bend to that side."""
    agreeing = shown = 0
    for recording in found:
        source, lifted = scaled(recording), lift(recording).positions
        for side, hand in skeleton.HAND.items():
            root = source[:, hand.start, 1:]
            index, little = source[:, hand.start + 5, 1:] - root, source[:, hand.start + 17, 1:] - root
            area = (index[:, 0] * little[:, 1] - index[:, 1] * little[:, 0]) * (1 if side == "right" else -1)
            knuckle, tip = hand.start + 9, hand.start + 12
            bent = lifted[:, tip, 0] - lifted[:, knuckle, 0]
            clear = (np.abs(area) > 0.003) & (np.abs(bent) > 0.005)
            shown += clear.sum()
            agreeing += (np.sign(area) == np.sign(bent))[clear].sum()
    assert shown > 100
    return agreeing / shown
