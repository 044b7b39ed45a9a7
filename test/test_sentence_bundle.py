"""A bundle of sentences, with random networks and with trained ones: signer and node sign texts as they are written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import Companion, Process, peak_memory
from trajectory_msgs.msg import MultiDOFJointTrajectory

pytest.importorskip("torch", reason="bundles are made by the extra train")

from tiny import SENTENCES, UNITS, model

from text2sign_ros.bench import texts
from text2sign_ros.cli import main
from text2sign_ros.clip import SignClip
from text2sign_ros.export import precision
from text2sign_ros.export.bundle import description, export_bundle
from text2sign_ros.export.writing import ExportError
from text2sign_ros.inference.bundle import Bundle, SentenceSettings, UnitSettings
from text2sign_ros.inference.signer import RETURN_FRAMES, Signer
from text2sign_ros.ros import qos
from text2sign_ros.ros.client import SignerClient
from text2sign_ros.skeleton import KEYPOINTS, REST_POSE
from text2sign_ros.text.encoder import FILES
from text2sign_ros.wire import trajectory

pytestmark = pytest.mark.filterwarnings("ignore:.*(LeafSpec|The axis name)")  # of torch's exporter
TEXT = "Hi there, could I have a big coffee?"


@pytest.fixture(scope="module")
def sentences(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sentences") / "bundle"
    export_bundle(model(SENTENCES, bundle), out)
    return out


@pytest.fixture(scope="module")
def signer(sentences: Path) -> Iterator[Signer]:
    made = Signer(sentences)
    made.warm_up()
    yield made
    made.close()


def test_the_bundle_says_how_its_texts_are_cut_and_what_becomes_of_any_word(sentences: Path) -> None:
    made = Bundle.load(sentences)
    assert isinstance(made.segmenter, SentenceSettings)
    assert made.segmenter.max_frames == 120 and made.segmenter.out_of_vocabulary == "as written"
    per_character = [frames / (len(text) + 1) for text, frames in zip(SENTENCES.texts, SENTENCES.frames, strict=True)]
    assert made.segmenter.frames_per_character == pytest.approx(np.percentile(per_character, 95), abs=1e-3)
    assert "phrases.npz" not in made.files
    assert "tokenizer takes any word" in " ".join((sentences / "MODEL_CARD.md").read_text().split())


def test_a_model_that_learnt_both_is_asked_for_units(bundle: Path, tmp_path: Path) -> None:
    trained = model(SENTENCES, bundle)
    with pytest.raises(ExportError, match="this model learnt whole sentences: omit it"):
        export_bundle(trained, tmp_path / "bundle", max_units=1)
    both = replace(UNITS, kinds=np.array(["sign", "sentence", "letter", "letter", "sign", "sentence", "sign"]))
    segmenter = description(replace(trained, examples=both), None).segmenter
    assert isinstance(segmenter, UnitSettings)
    assert (segmenter.signs, segmenter.letters) == (["hello"], ["a", "b"])
    assert segmenter.alternatives == {"hello": ["at sea"]}


@pytest.mark.parametrize("options", [[], ["--write-read-rates"]])
def test_evaluation_reads_units_only(
    sentences: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert main(["evaluate", "--bundle", str(sentences), "--data", str(tmp_path), *options]) == 1
    assert "signs whole sentences" in capsys.readouterr().err


def test_a_sentence_is_signed_as_written_and_nothing_is_spelled(signer: Signer) -> None:
    assert signer.phrases == frozenset()
    plan = signer.plan(TEXT)
    units = [unit for segment in plan.segments for unit in segment.units]
    assert " ".join(unit.text for unit in units) == TEXT and {unit.kind for unit in units} == {"clause"}
    assert plan.warnings == ()
    motion = np.concatenate(list(signer.stream(plan, seed=1)))
    assert np.isfinite(motion).all() and motion.shape[1:] == (79, 3)
    np.testing.assert_allclose(motion[0], REST_POSE, atol=1e-6)
    np.testing.assert_array_equal(motion[-1], REST_POSE)
    timeline = signer.timeline(plan)
    assert sum(frames for _, frames in timeline) == len(motion)
    assert [caption for caption, _ in timeline] == [*(unit.text for unit in units), ""]


def test_case_and_punctuation_are_the_encoder_s_business(signer: Signer) -> None:
    """The model is given what is written: this encoder makes no difference between cases, and marks are tokens."""

    def sign(text: str) -> np.ndarray:
        return np.concatenate(list(signer.stream(signer.plan(text))))

    np.testing.assert_array_equal(sign("Coffee now"), sign("coffee NOW"))
    with_comma = sign("coffee, now")
    assert with_comma.shape != sign("coffee now").shape or np.abs(with_comma - sign("coffee now")).max() > 1e-4


def test_a_long_sentence_is_cut_at_a_clause_and_never_too_long(signer: Signer) -> None:
    text = "I would like a coffee, a very big one with milk, and my friend here takes a glass of water, please."
    found = [segment.text for segment in signer.plan(text).segments]
    assert len(found) > 1 and " ".join(found) == text
    assert all(part.endswith((",", ".")) for part in found)
    assert all(frames <= signer.bundle.longest_segment for _, frames in signer.timeline(signer.plan(text)))


def test_what_can_not_be_read_is_left_out_with_a_warning(signer: Signer) -> None:
    plan = signer.plan("Coffee 😀 please\u202e [spell]now[/spell]")
    assert " ".join(segment.text for segment in plan.segments) == "Coffee please now"
    control, emoji, spell = sorted(plan.warnings, key=lambda line: ("emoji" in line, "spell" in line))
    assert "left out 1 control" in control and "left out 1 emoji" in spell + emoji and "[spell]" in spell + emoji


def test_pace_pauses_and_markers_work_on_clauses(signer: Signer) -> None:
    def frames(text: str) -> list[int]:
        return [count for _, count in signer.timeline(signer.plan(text))]

    (usual, back), (slow, _) = frames("coffee"), frames("[slow]coffee[/slow]")
    assert back == RETURN_FRAMES and slow >= usual
    (held, _) = frames("coffee [pause 1]")
    assert held == usual + 25
    plain, asked = (np.concatenate(list(signer.stream(signer.plan(text)))) for text in ("[plain]why?[/plain]", "why?"))
    assert plain.shape == asked.shape and np.abs(plain - asked).max() > 1e-3


def test_a_text_of_any_length_streams_in_little_memory(signer: Signer) -> None:
    def peak(sentences: int) -> int:
        return peak_memory(signer.stream(signer.plan("Could I have a coffee? It is 5 p.m. " * sentences)))

    peak(2)
    assert peak(200) < peak(40) + 300_000


def test_the_command_signs_with_it(sentences: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "clip.npz"
    assert main(["sign", "--bundle", str(sentences), "--json", "--out", str(out), TEXT]) == 0
    assert TEXT.split(",")[0] in capsys.readouterr().out and out.is_file()


def test_a_variant_in_half_precision_is_made_and_texts_to_measure_with(sentences: Path, tmp_path: Path) -> None:
    difference = precision.derive(sentences, tmp_path / "half", "fp16")
    assert difference.positions_rms_mm < 1 and isinstance(Bundle.load(tmp_path / "half").segmenter, SentenceSettings)
    single = texts.single(Bundle.load(sentences))
    assert len(set(single)) == len(single) > 40


class Listener(Companion):
    """Receives the motion."""

    def __init__(self) -> None:
        super().__init__("listener")
        self.frames = 0
        self.node.create_subscription(
            MultiDOFJointTrajectory, "/signer/trajectory", self._on_chunk, qos.TRAJECTORY, raw=True
        )

    def _on_chunk(self, data: bytes) -> None:
        self.frames += len(trajectory.decode(data).positions)


def test_the_node_signs_with_it(signer: Signer, sentences: Path, run_signer: Callable[..., Process]) -> None:
    listener = Listener()
    try:
        process = run_signer(bundle=sentences)
        process.wait_for("ready")
        listener.until(lambda: listener.node.count_publishers("/signer/trajectory"), "the node")
        listener.say(TEXT + " 😀")
        process.wait_for("left out 1 emoji")
        process.wait_for("signed 'Hi there, could I")
        wanted = sum(frames for _, frames in signer.timeline(signer.plan(TEXT)))
        listener.until(lambda: listener.frames == wanted, f"{wanted} frames")
    finally:
        listener.close()


# A corpus of sentences without signs or letters, all four stages of training, export, and the bundle they make

RECORDED = (
    "my name is anna",
    "where is the station",
    "Good morning, how are you?",
    "I would like a cup of tea with milk.",
)


def record(text: str, seed: int) -> SignClip:
    """(3 * len(text), 79, 3): the right arm goes out and back, each time differently."""
    frames = 3 * len(text)
    part = [i for i, keypoint in enumerate(KEYPOINTS) if keypoint.startswith("right_")]
    way = np.random.default_rng(seed).uniform((0.1, -0.1, 0.2), (0.2, 0.1, 0.5))
    positions = np.repeat(REST_POSE[None], frames, axis=0)
    positions[:, part] += (np.sin(np.linspace(0, np.pi, frames))[:, None, None] * way).astype(np.float32)
    return SignClip(positions, np.ones(positions.shape[:2], np.float32), 25.0)


@pytest.fixture(scope="module")
def trained(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle made by the commands from clips and a table that has no column ``kind``: each clip is a sentence."""
    work = tmp_path_factory.mktemp("trained")
    corpus, run, out = work / "corpus", work / "run", work / "bundle"
    rows = ["file\ttext\tsigner\tblock\tsplit"]
    for split in ("train", "val"):
        for number, text in enumerate(RECORDED):
            record(text, seed=number).save(corpus / f"{split}{number}.npz")
            rows.append(f"{split}{number}.npz\t{text}\tanna\t{split}\t{split}")
    (corpus / "sentences.tsv").write_text("\n".join(rows) + "\n")
    short = {"steps": 3, "batch": 4, "warmup": 1, "checkpoint_every": 3}
    configuration = {
        "name": "sentences",
        "threads": 1,
        "data": {"corpora": [{"reader": "clips", "folder": str(corpus)}]},
        "sign_vae": {"channels": 16, "blocks": 1},
        "aligner": {"width": 16, "layers": 1, "heads": 2},
        "unet": {"channels": [16, 16], "context_dim": 16, "heads": 2},
        **{f"{stage}_stage": short for stage in ("vae", "aligner", "diffusion", "distillation")},
    }
    (work / "config.yaml").write_text(yaml.safe_dump(configuration))
    run.mkdir()
    for name in FILES:  # exporting the text encoder has tests of its own
        shutil.copy(bundle / name, run / name)
    assert main(["train", "--config", str(work / "config.yaml"), "--out", str(run)]) == 0
    assert main(["export", "--run", str(run), "--out", str(out)]) == 0
    return out


@pytest.mark.slow
def test_training_on_sentences_makes_a_bundle_of_sentences(trained: Path) -> None:
    segmenter = json.loads((trained / "bundle.json").read_text())["segmenter"]
    assert segmenter["kind"] == "sentences" and segmenter["out_of_vocabulary"] == "as written"
    settings = Bundle.load(trained).segmenter
    assert isinstance(settings, SentenceSettings)
    longest = 3 * max(map(len, RECORDED))
    assert longest <= settings.max_frames < longest + 10, "with a part of the way from rest and back"
    assert 2.5 < settings.frames_per_character < 3.5


@pytest.mark.slow
def test_the_command_signs_words_never_recorded_as_one_clause(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clip.npz"
    assert main(["sign", "--bundle", str(trained), "--json", "--out", str(out), TEXT]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["segments"] == [TEXT] and printed["warnings"] == []
    clip = SignClip.load(out)
    marker, clause, rest = printed["parts"]
    assert (marker["kind"], marker["text"]) == ("marker", "question")
    assert (clause["kind"], clause["text"], clause["start_frame"]) == ("clause", TEXT, 0)
    assert (rest["kind"], rest["start_frame"], rest["end_frame"]) == ("rest", clause["end_frame"], len(clip))
    assert np.isfinite(clip.positions).all()
    np.testing.assert_allclose(clip.positions[[0, -1]], np.stack((REST_POSE, REST_POSE)), atol=1e-5)


@pytest.mark.slow
def test_the_node_signs_them_as_one_clause(trained: Path, run_signer: Callable[..., Process]) -> None:
    run_signer(bundle=trained, lead_time=60.0)  # all chunks at once, for whenever they are due
    with SignerClient() as client:
        client.wait_until_ready()
        goal = client.submit(TEXT)
        result, captions, gaps = goal.result(), goal.captions, goal.gaps()
    assert result.succeeded and not result.warnings
    assert captions is not None and captions.text == TEXT and not captions.spelled
    clause, rest = (part for part in captions.parts if part.kind != "marker")
    assert (clause.kind, clause.text, clause.start_frame) == ("clause", TEXT, 0)
    assert (rest.kind, rest.start_frame, rest.end_frame) == ("rest", clause.end_frame, captions.frames)
    signer = Signer(trained)
    wanted = sum(frames for _, frames in signer.timeline(signer.plan(TEXT)))
    assert len(goal.chunks) > 1 and goal.frames == captions.frames == wanted and not any(gaps)
