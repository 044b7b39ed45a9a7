"""The bench: its parts on small cases, its DDPM against diffusers, and all of it with a real node, briefly."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from torch.utils.flop_counter import FlopCounterMode

from text2sign_ros import bench
from text2sign_ros.bench import reference, report, signing, texts, timing, unet
from text2sign_ros.evaluation import learnt
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.inference.samplers import alphas_cumprod

TINY = bench.Effort(runs=2, long_runs=1, first=2, starts=1, each=2, streaming=0.6, words=4, ddpm_steps=2)


@pytest.fixture(scope="module")
def described(bundle: Path) -> Bundle:
    return Bundle.load(bundle)


@pytest.fixture(scope="module")
def results(bundle: Path) -> dict[str, Any]:
    """Everything that the bench measures, each once or twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "LENGTHS", (32, 256, 512))
        return bench.run(bundle, effort=TINY, progress=False)


def test_is_imported_without_torch() -> None:
    code = "import sys; from text2sign_ros.bench import node, report; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_call_is_timed_the_given_number_of_times_after_the_warm_up() -> None:
    calls = itertools.count()
    times = timing.milliseconds(lambda: next(calls), 5, warm_up=3)
    assert len(times) == 5 and next(calls) == 8 and (times >= 0).all()
    assert timing.percentiles(np.arange(101.0)) == {"p50": 50.0, "p99": 99.0}


def test_every_text_of_one_sign_is_new_to_the_encoder(described: Bundle) -> None:
    single = texts.single(described)
    assert len(set(single)) == len(single) == len(described.segmenter.signs + described.segmenter.letters) - 1
    assert described.segmenter.signs[0] not in single  # what a signer warms up with


@given(words=st.integers(1, 300))
def test_a_long_text_has_the_given_number_of_words(described: Bundle, words: int) -> None:
    text = texts.long(described, words)
    most = max(len(sign.split()) for sign in described.segmenter.signs)
    assert words <= len(text.split()) < words + most
    assert all(0 < len(sentence.split()) <= most * texts.SENTENCE for sentence in text.split(".")[:-1])


class Recorder:
    """A backend that returns the numbers of the codes and frames it was asked for, from where the prefix ended."""

    name = "recorder"

    def __init__(self) -> None:
        self.feeds: list[dict[str, np.ndarray]] = []

    def sample(self, feed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        self.feeds.append(feed)
        given = int(feed["roles"][0, 1].sum())
        start = feed["prefix"][0, 0, given - 1] + 1 - given if given else 0.0
        numbers = start + np.arange(feed["noise"].shape[-1], dtype=np.float32)
        codes = np.broadcast_to(numbers, feed["noise"].shape).copy()
        frames = 2 * start + np.arange(2 * len(numbers), dtype=np.float32)
        return codes, np.broadcast_to(frames[None, :, None, None], (1, len(frames), 79, 3)).copy()

    def close(self) -> None:
        pass


@settings(max_examples=10, deadline=None)
@given(codes=st.integers(1, 600))
def test_a_clip_has_the_given_length_and_continues_across_segments(bundle: Path, described: Bundle, codes: int) -> None:
    backend = Recorder()
    made = signing.Clips(bundle, described, backend, 4).make(2 * codes)
    np.testing.assert_array_equal(made[:, 0, 0], np.arange(2 * codes))
    most = described.buckets[-1]
    per_segment = most - described.prefix_codes * described.stride
    assert len(backend.feeds) == 1 + max(0, -(-(2 * codes - most) // per_segment))
    for feed in backend.feeds:
        assert feed["noise"].shape[-1] * described.stride in described.buckets
        assert feed["table"].shape == (4, 6)
    sentences = {feed["sentence"].tobytes() for feed in backend.feeds}
    assert len(sentences) == len(backend.feeds)  # each has a new text


def test_a_line_is_fitted() -> None:
    straight = signing.line([32, 64, 128], [6.4 + 1, 12.8 + 1, 25.6 + 1])
    assert straight == pytest.approx({"ms_per_frame": 0.2, "ms_at_zero": 1.0, "r2": 1.0})
    assert signing.line([1, 2, 3, 4], [1, 4, 9, 16])["r2"] < 0.99


def _graph(path: Path, nodes: list[onnx.NodeProto], **weights: tuple[int, ...]) -> Path:
    """A graph from x (1, 3, 10) to y."""
    free = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "n"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    values = [onnx.numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()]
    graph = helper.make_graph(nodes, "graph", [free], [out], initializer=values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_arithmetic_is_counted_as_by_hand(tmp_path: Path) -> None:
    feed = {"x": np.ones((1, 3, 10), np.float32)}
    conv = helper.make_node("Conv", ["x", "w"], ["y"])
    # 5 channels out, 10 - 4 + 1 = 7 places, each the sum of 3 channels times 4 taps.
    assert unet.flops(_graph(tmp_path / "conv.onnx", [conv], w=(5, 3, 4)), feed) == 2 * 5 * 7 * 3 * 4
    product = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    assert unet.flops(_graph(tmp_path / "product.onnx", product, w=(10, 6)), feed) == 2 * 3 * 6 * 10


@pytest.mark.slow
def test_arithmetic_of_the_unet_is_what_torch_counts(bundle: Path, results: dict[str, Any]) -> None:
    described = Bundle.load(bundle)
    for frames in (256, described.buckets[1]):
        inputs = {k: torch.from_numpy(v) for k, v in signing.example(bundle, described, frames, 4).items()}
        text = [inputs[name] for name in ("roles", "tokens", "mask", "sentence")]
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            learnt.load(bundle).denoiser.unet(inputs["noise"], torch.tensor([1.0]), *text, torch.ones(1))
        assert results["unet"][str(frames)]["gflop"] * 1e9 == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_ddpm_equals_that_of_diffusers_for_the_same_noise() -> None:
    steps, start, end = 30, 0.00085, 0.3
    scheduler = DDPMScheduler(
        num_train_timesteps=steps,
        beta_start=start,
        beta_end=end,
        beta_schedule="scaled_linear",
        variance_type="fixed_large",
        clip_sample=False,
    )
    scheduler.set_timesteps(steps)

    def denoise(x: torch.Tensor, t: float) -> torch.Tensor:
        return torch.tanh(x) * (0.5 + t / steps)

    noise = torch.randn((2, 3, 4), generator=torch.Generator().manual_seed(1))
    wanted, generator = noise, torch.Generator().manual_seed(2)
    for t in scheduler.timesteps:
        wanted = scheduler.step(denoise(wanted, float(t)), t, wanted, generator=generator).prev_sample
    schedule = alphas_cumprod(steps, start, end)
    got = reference.ddpm(denoise, noise, schedule, torch.Generator().manual_seed(2))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_ddpm_can_be_stopped_early() -> None:
    times: list[float] = []

    def denoise(x: torch.Tensor, t: float) -> torch.Tensor:
        times.append(t)
        return x

    reference.ddpm(denoise, torch.ones(3), alphas_cumprod(1000, 0.00085, 0.012), torch.Generator(), steps=3)
    assert times == [999.0, 998.0, 997.0]


@pytest.mark.slow
def test_everything_is_measured(results: dict[str, Any], described: Bundle) -> None:
    assert not results["missing"]
    assert set(results["clip256_ms"]) == {"1", "2", "4", "8"}
    numbers = (
        *results["first_chunk_ms"].values(),
        *results["clip256_ms"].values(),
        *results["speedup"].values(),
        *results["matmul_gflops"].values(),
        *results["encode_ms"].values(),
        *(results[name] for name in ("real_time_factor", "unet_ms_per_step", "unet_share_of_peak", "cold_start_s")),
        *(results[name] for name in ("rss_mb", "encode_chunk_ms")),
        *(results["stream"][name] for name in ("real_time_factor", "slowest_piece_ms", "pieces")),
    )
    assert all(isinstance(number, float | int) and number > 0 for number in numbers), results
    # The system counts a process's time in ticks of 10 ms: of a stream this short it may count none.
    assert 0 <= results["cpu_share_streaming"] < 1
    assert results["first_chunk_ms"]["p50"] <= results["first_chunk_ms"]["p99"]
    assert json.loads(json.dumps(results, allow_nan=False)) == results


@pytest.mark.slow
def test_the_results_are_consistent(results: dict[str, Any], described: Bundle) -> None:
    node, stream, eager = results["node"], results["stream"], results["pytorch"]
    assert node["texts"] == TINY.starts * TINY.each
    assert not node["torch_in_node"] and node["streamed_frames"] > 0
    assert (
        stream["velocity_step_inside"] > 0
        and stream["velocity_step_seam"] > 0
        and stream["frames"] >= stream["words"] * 10
    )
    assert results["length"]["frames"] == [32, 256, 512]
    clip = results["clip256_ms"][str(described.presets[described.preset])]
    assert results["real_time_factor"] == pytest.approx(clip / 10240, rel=1e-3)
    assert results["extrapolated"] and eager["extrapolated"]
    assert results["speedup"]["ddpm1000"] == pytest.approx(eager["ddpm1000_ms"] / clip, rel=2e-3)
    assert results["speedup"]["ddim50"] == pytest.approx(eager["ddim50_ms"] / clip, rel=2e-3)
    whole = results["unet"]["256"]
    best = max(results["matmul_gflops"].values())
    assert whole["share_of_peak"] == pytest.approx(1e3 * whole["gflop"] / whole["ms"] / best, rel=2e-3)
    assert 0 < whole["products_share"] < 1 and 0 < whole["products_calls"] < whole["calls"]
    assert {results["backend"], f"{results['backend']}, step by step"} <= set(results["backends"])


@pytest.mark.slow
def test_the_page_is_complete(results: dict[str, Any], tmp_path: Path) -> None:
    report.write(results, tmp_path / "performance.md")
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert results["machine"]["cpu"] in page and "(performance.png)" in page and "**extrapolated**" in page
    assert (tmp_path / "performance.png").read_bytes().startswith(b"\x89PNG")
    assert report.table(results).count("≥") == 3
    assert not any(word in page for word in ("None", "nan", "{"))
    tables = [block for block in page.split("\n\n") if block.startswith("|")]
    assert all(len({line.count("|") for line in table.splitlines()}) == 1 for table in tables)


@pytest.mark.slow
def test_a_bundle_installed_without_its_networks_is_still_measured(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "bundle"
    shutil.copytree(bundle, installed, ignore=shutil.ignore_patterns("learnt.pt", "training.yaml"))
    monkeypatch.setattr("text2sign_ros.bench._node", lambda *_: {})
    monkeypatch.setattr(bench, "STEPS", (4,))
    monkeypatch.setattr(bench, "LENGTHS", (32, 64))
    results = bench.run(installed, effort=TINY, progress=False)
    assert results["pytorch"] is None and "was installed without" in results["missing"]["PyTorch"]


@pytest.mark.slow
def test_what_is_not_installed_is_skipped_and_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "STEPS", (4,))
    monkeypatch.setattr(bench, "LENGTHS", (32, 64))
    monkeypatch.setitem(sys.modules, "text2sign_ros.bench.node", None)
    monkeypatch.delattr(bench, "node", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    results = bench.run(bundle, effort=TINY, progress=False)
    assert set(results["missing"]) == {"node", "PyTorch"}
    nothing = ("cold_start_s", "rss_mb", "cpu_share_streaming", "node", "pytorch", "extrapolated")
    assert all(results[name] is None for name in nothing)
    assert results["first_chunk_ms"] == {"p50": None, "p99": None}
    assert results["speedup"] == {"ddpm1000": None, "ddim50": None}
    page = report.table(results)
    assert "**Not measured: node**" in page and page.count("not measured |") == 6  # of the targets
    assert "| None" not in page and "nan" not in page
    json.dumps(results, allow_nan=False)
