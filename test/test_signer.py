"""The signer: from rest to rest, the same for the same seed, without a break where segments meet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from text2sign_ros.inference.bundle import DESCRIPTION, Bundle, BundleError, sha256
from text2sign_ros.inference.samplers import SamplerError
from text2sign_ros.inference.signer import RETURN_FRAMES, WORD_HOLD, Signer
from text2sign_ros.motion import kinematics, smoothing
from text2sign_ros.motion.limits import Limits
from text2sign_ros.skeleton import GROUPS, HANDS, HEAD, INDEX, REST_POSE
from text2sign_ros.text import TextError

TEXTS = ("water", "my name is Grace", "hello can i get a large coffee please thank you", "zyx, bye!", "a")
MARKED = "you get [pause 0.7] [slow]coffee[/slow]? [pause 1]"


@pytest.fixture(scope="module")
def signer(bundle: Path) -> Signer:
    return Signer(bundle, steps=4)


@pytest.fixture(scope="module", params=(*TEXTS, MARKED))
def pieces(request: pytest.FixtureRequest, signer: Signer) -> list[np.ndarray]:
    return list(signer.stream(signer.plan(request.param), seed=1))


def _sign(signer: Signer, text: str, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(signer.stream(signer.plan(text), seed=seed)))


def test_pieces_are_as_documented(pieces: list[np.ndarray]) -> None:
    for piece in pieces:
        assert piece.dtype == np.float32 and piece.shape[1:] == (79, 3) and len(piece) > 0
        assert np.isfinite(piece).all()


def test_motion_begins_and_ends_at_rest(pieces: list[np.ndarray]) -> None:
    np.testing.assert_allclose(pieces[0][0], REST_POSE, atol=1e-6)
    np.testing.assert_array_equal(pieces[-1][-1], REST_POSE)


def test_bones_keep_their_length(pieces: list[np.ndarray]) -> None:
    lengths = kinematics.bone_lengths(np.concatenate(pieces))
    np.testing.assert_allclose(lengths, np.broadcast_to(kinematics.CANONICAL_LENGTHS, lengths.shape), atol=1e-6)


def test_seams_are_as_smooth_as_segments_are_inside(signer: Signer) -> None:
    signs = signer.bundle.segmenter.signs
    plan = signer.plan(" ".join([*signs[:: len(signs) // 22] * 2, "grace", "bob"]))
    motion = np.concatenate(list(signer.stream(plan)))
    steps = np.linalg.norm(np.diff(motion, n=2, axis=0), axis=-1).max(axis=1)
    seams = np.cumsum([frames for _, frames in signer.timeline(plan)])[:-1]
    at_seam = np.isin(np.arange(len(steps)), (seams - 2, seams - 1))
    assert at_seam.sum() == 2 * len(seams) > 100
    assert steps[at_seam].max() <= np.percentile(steps[~at_seam], 99)


def test_limits_are_kept_and_the_way_stays_the_same(signer: Signer) -> None:
    limits = Limits(velocity=1.5, acceleration=15.0, jerk=300.0)
    plan = signer.plan("hello please")
    free, kept = (np.concatenate(list(signer.stream(plan, limits=which))).astype(float) for which in (Limits(), limits))
    for order, limit in enumerate((1.5, 15.0, 300.0), 1):
        most = [np.linalg.norm(np.diff(m, n=order, axis=0), axis=-1).max() * 25**order for m in (free, kept)]
        assert most[0] > 1.2 * limit and most[1] < 1.01 * limit
    assert len(kept) > len(free)
    np.testing.assert_array_equal(kept[[0, -1]], free[[0, -1]])
    # Every frame of the free motion is passed by: signs are not clipped.
    away = np.linalg.norm(free[:, None] - kept[None], axis=-1).max(axis=-1).min(axis=1)
    assert away.max() < 0.06


@pytest.mark.parametrize("text", (*TEXTS, MARKED))
def test_the_timeline_adds_up_to_the_motion(signer: Signer, text: str) -> None:
    plan = signer.plan(text)
    timeline = signer.timeline(plan)
    assert sum(frames for _, frames in timeline) == len(np.concatenate(list(signer.stream(plan))))
    assert [caption for caption, _ in timeline] == [*(segment.text for segment in plan.segments), ""]


def test_the_seed_determines_the_motion(signer: Signer, bundle: Path) -> None:
    first = _sign(signer, "hello coffee", seed=3)
    _sign(signer, "something else", seed=9)
    np.testing.assert_array_equal(_sign(signer, "hello coffee", seed=3), first)
    np.testing.assert_array_equal(_sign(Signer(bundle, steps=4), "hello coffee", seed=3), first)
    assert np.abs(_sign(signer, "hello coffee", seed=4) - first).max() > 1e-3


def test_the_first_segment_does_not_wait_for_the_others(signer: Signer) -> None:
    short, long = signer.plan("hello"), signer.plan("hello my name is grace and " * 20)
    first = next(iter(signer.stream(long, seed=5)))
    np.testing.assert_array_equal(first, next(iter(signer.stream(short, seed=5))))


def test_each_segment_depends_on_the_one_before(signer: Signer) -> None:
    # The second segment has the same text and the same noise in both: only the codes before it differ.
    after_water, after_bye = (list(signer.stream(signer.plan(f"{word} please")))[1] for word in ("water", "bye"))
    assert np.abs(after_water[0] - after_bye[0]).max() > 1e-4


def test_different_texts_are_signed_differently(signer: Signer) -> None:
    water, hello = (_sign(signer, text) for text in ("water", "hello"))
    count = min(len(water), len(hello)) - 20
    assert np.abs(water[:count] - hello[:count]).max() > 0.01


def test_words_outside_the_vocabulary_are_spelled(signer: Signer) -> None:
    units = [unit for segment in signer.plan("Grace, thank you").segments for unit in segment.units]
    assert [(unit.text, unit.spelled) for unit in units] == [*((c, True) for c in "grace"), ("thank you", False)]


@pytest.mark.parametrize("text", ["", "   ", "'", "你好", "x" * 200_000])
def test_a_text_that_can_not_be_signed_is_refused_and_the_next_one_signed(signer: Signer, text: str) -> None:
    with pytest.raises(TextError):
        signer.plan(text)
    assert len(_sign(signer, "water")) > 0


@pytest.mark.parametrize(("preset", "steps"), [("fastest", 1), ("fast", 2), ("best", 4)])
def test_every_preset_signs_in_its_steps(bundle: Path, preset: str, steps: int) -> None:
    signer = Signer(bundle, preset=preset)
    assert signer.steps == steps
    np.testing.assert_array_equal(_sign(signer, "tea"), _sign(Signer(bundle, steps=steps), "tea"))


def test_defaults_are_those_of_the_bundle(bundle: Path) -> None:
    signer = Signer(bundle)
    assert signer.steps == signer.bundle.presets[signer.bundle.preset] and signer.fps == 25.0
    assert signer.backend == "onnxruntime CPUExecutionProvider"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": -3}, "steps is -3"),
        ({"steps": 1001}, "steps is 1001"),
        ({"preset": "slow"}, "preset is 'slow'; this bundle has fastest, fast, best"),
    ],
)
def test_options_out_of_range_are_refused(bundle: Path, options: dict, named: str) -> None:
    with pytest.raises(SamplerError, match=named):
        Signer(bundle, **options)


def test_an_error_of_the_text_encoder_names_the_users_path(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder, copy_function=os.symlink)
    for name in ("text_encoder.onnx", DESCRIPTION):
        (folder / name).unlink()
    (folder / "text_encoder.onnx").write_bytes(b"no graph")
    about = Bundle.load(bundle)
    files = about.files | {"text_encoder.onnx": sha256(folder / "text_encoder.onnx")}
    replace(about, files=files, segmenter=replace(about.segmenter, max_units=2)).save(folder)
    with pytest.raises(BundleError, match=r"the text encoder of .* can't be loaded") as caught:
        Signer(folder)
    assert str(folder) in str(caught.value) and "text2sign_" not in str(caught.value)


def test_signing_imports_no_torch(bundle: Path) -> None:
    code = (
        "import sys; from text2sign_ros.inference.signer import Signer; s = Signer(sys.argv[1], steps=1); "
        "print(sum(map(len, s.stream(s.plan('hello bob'))))); print([m for m in sys.modules if m == 'torch'])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(bundle)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[1],
    )
    frames, modules = process.stdout.split("\n")[:2] if process.returncode == 0 else pytest.fail(process.stderr)
    assert int(frames) > 0 and modules == "[]"


def test_spelled_words_are_separated_by_a_longer_hold(bundle: Path) -> None:
    signer = Signer(bundle, steps=1)

    def frames(text: str) -> int:
        return sum(count for _, count in signer.timeline(signer.plan(text)))

    hold = round(WORD_HOLD * signer.fps)
    assert hold - 2 <= frames("ab ef") - frames("abef") <= hold + 2
    assert frames("ab coffee") == frames("ab") + frames("coffee") - RETURN_FRAMES


def test_a_statement_is_signed_as_without_any_layer(signer: Signer) -> None:
    plan = signer.plan("hello can i get large coffee. thank you, Grace")
    sampled = signer._pieces(signer._parts(plan), 1)
    bare = np.concatenate(list(smoothing.smooth(sampled, signer.fps)))
    np.testing.assert_array_equal(np.concatenate(list(signer.stream(plan, seed=1))), bare)


def test_punctuation_moves_the_head_and_nothing_else(signer: Signer) -> None:
    statement, question = (_sign(signer, text) for text in ("hello you get coffee.", "hello you get coffee?"))
    head = np.r_[HEAD, GROUPS["face"]]
    others = np.setdiff1d(np.arange(79), head)
    np.testing.assert_array_equal(statement[:, others], question[:, others])
    shown = np.linalg.norm(question - statement, axis=-1)[:, INDEX["nose"]] > 0.01
    assert shown[8:-RETURN_FRAMES].all() and not shown[-RETURN_FRAMES + 8 :].any()


def test_a_marker_lasts_as_long_as_its_sentence(signer: Signer) -> None:
    plain, shaken = (_sign(signer, f"hello. {text} tea. bye") for text in ("[plain]no[/plain]", "no"))
    apart = np.linalg.norm(shaken - plain, axis=-1)[:, INDEX["nose"]]
    (_, hello), (_, no), (_, tea), *_ = signer.timeline(signer.plan("hello. no tea. bye"))
    assert apart[: hello + 1].max() == 0 and apart[hello + no + tea + 8 :].max() == 0
    assert apart[hello : hello + no].max() > 0.015 and apart[hello + no : hello + no + tea].max() > 0.015


def test_speed_and_emphasis_change_how_long_a_sign_takes(signer: Signer) -> None:
    def frames(tag: str) -> int:
        return signer.timeline(signer.plan(f"[{tag}]coffee[/{tag}]"))[0][1]

    usual = frames("plain")
    assert frames("slow") == pytest.approx(usual / 0.7, abs=2) and frames("fast") == pytest.approx(usual / 1.4, abs=2)
    assert usual < frames("emphasis") < frames("slow")
    assert len(_sign(signer, "[slow]coffee[/slow]")) == frames("slow") + RETURN_FRAMES


@pytest.mark.parametrize("seconds", [0.04, 0.1, 1.0, 2.0])
def test_a_pause_holds_the_hands_still_for_its_time(signer: Signer, seconds: float) -> None:
    without, held = (_sign(signer, text) for text in ("hello coffee", f"hello [pause {seconds}] coffee"))
    frames = round(seconds * signer.fps)
    assert len(held) == len(without) + frames
    (_, start), *_ = signer.timeline(signer.plan("hello coffee"))
    np.testing.assert_array_equal(held[: start - 10], without[: start - 10])  # before, but for the smoothing
    np.testing.assert_array_equal(held[start + frames + 10 :], without[start + 10 :])  # and after
    steps = np.linalg.norm(np.diff(held[:, HANDS], axis=0), axis=-1).max(axis=1)
    if seconds >= 1:
        assert steps[start + 10 : start + frames - 10].max() < 1e-3
    bends = [np.linalg.norm(np.diff(m[:, HANDS], n=2, axis=0), axis=-1).max() for m in (without, held)]
    assert bends[1] < 1.5 * bends[0]
    # The way stays the same, no wind-up, no overshoot: between two frames the nearest is half their distance away.
    near = without[start - 12 : start + 12, HANDS]
    away = np.linalg.norm(held[:, None, HANDS] - near[None], axis=-1)
    longest = np.linalg.norm(np.diff(near, axis=0), axis=-1).max()
    assert away[start - 4 : start + frames + 4].max(axis=-1).min(axis=1).max() < 0.5 * longest + 0.01
