"""Backends: all give the same results, and one warning when an unavailable one is replaced by the next best."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from text2sign_ros.inference import backends
from text2sign_ros.inference.backends import Backend, BackendError, default_cache, driver, open_backend
from text2sign_ros.inference.backends.onnx import CPU, CUDA, FusedBackend, StepwiseBackend, engine_options, session
from text2sign_ros.inference.bundle import Bundle, open_bundle
from text2sign_ros.inference.feed import Feed
from text2sign_ros.inference.samplers import alphas_cumprod, solver_table

CPU_NAME = f"onnxruntime {CPU}"


@pytest.fixture(scope="module")
def about(bundle: Path) -> Bundle:
    return Bundle.load(bundle)


@pytest.fixture(scope="module")
def both(bundle: Path) -> Iterator[tuple[Backend, Backend]]:
    about = Bundle.load(bundle)
    made = FusedBackend(bundle, about, threads=1), StepwiseBackend(bundle, about, provider=CPU, threads=1)
    yield made
    for backend in made:
        backend.close()


def _feed(about: Bundle, total: int, existing: int, steps: int, tokens: int = 3) -> Feed:
    """``existing`` of ``total`` codes, the first ``prefix_codes`` given."""
    rng = np.random.default_rng(total + steps)
    at, given = np.arange(total), about.prefix_codes
    progress = np.where((at >= given) & (at < existing), (at - given + 1) / (existing - given), 0)
    shape = (1, about.latent_dim, total)
    mask = np.array([np.arange(about.max_tokens) < tokens], np.float32)
    schedule = alphas_cumprod(about.timesteps, about.beta_start, about.beta_end)
    return {
        "noise": rng.standard_normal(shape, np.float32),
        "prefix": rng.standard_normal(shape, np.float32) * (at < given),
        "roles": np.stack((at < existing, at < given, progress))[None].astype(np.float32),
        "tokens": rng.standard_normal((1, about.max_tokens, about.text_dim), np.float32) * mask[..., None],
        "mask": mask,
        "sentence": rng.standard_normal((1, about.text_dim), np.float32),
        "table": solver_table("lcm", schedule, steps),
    }


@pytest.mark.parametrize(("total", "existing"), [(16, 16), (24, 21), (48, 33), (128, 128)])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_fused_and_stepwise_results_are_the_same(both, about: Bundle, total: int, existing: int, steps: int) -> None:
    feed = _feed(about, total, existing, steps)
    before = {name: value.copy() for name, value in feed.items()}
    (codes, positions), (want_codes, want_positions) = (backend.sample(feed) for backend in both)
    frames = existing * about.stride
    assert np.abs(want_positions[:, :frames]).max() > 0.1
    np.testing.assert_allclose(codes[:, :, :existing], want_codes[:, :, :existing], atol=1e-4)
    np.testing.assert_allclose(positions[:, :frames], want_positions[:, :frames], atol=1e-4)
    np.testing.assert_array_equal(codes[:, :, : about.prefix_codes], feed["prefix"][:, :, : about.prefix_codes])
    for name, value in before.items():
        np.testing.assert_array_equal(feed[name], value)


def test_padding_changes_nothing(both, about: Bundle) -> None:
    short = _feed(about, 24, 21, 4)
    long = dict(short)
    for name in ("noise", "prefix", "roles"):
        filler = np.full((1, short[name].shape[1], 40), 7.0 if name == "noise" else 0.0, np.float32)
        long[name] = np.concatenate((short[name], filler), axis=2)
    for backend in both:
        codes, padded = (backend.sample(feed)[0][:, :, :21] for feed in (short, long))
        np.testing.assert_allclose(codes, padded, atol=1e-4)


def test_the_caller_owns_the_results(both, about: Bundle) -> None:
    for backend in both:
        first = [array.copy() for array in backend.sample(_feed(about, 24, 24, 2))]
        kept = backend.sample(_feed(about, 24, 24, 2))
        backend.sample(_feed(about, 24, 24, 4))
        for one, other in zip(first, kept, strict=True):
            np.testing.assert_array_equal(one, other)


def _open(caplog: pytest.LogCaptureFixture, name: str, bundle: Path, about: Bundle, cache: Path) -> list[str]:
    """Open a backend that must become the CPU's; the warnings."""
    with caplog.at_level(logging.WARNING, "text2sign_ros"):
        backend = open_backend(name, bundle, about, cache=cache)
    assert backend.name == CPU_NAME
    _, positions = backend.sample(_feed(about, 24, 24, 4))
    assert np.isfinite(positions).all()
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_nothing_is_logged_if_the_requested_backend_works(
    caplog, bundle: Path, about: Bundle, tmp_path, name, without_gpu
):
    assert _open(caplog, name, bundle, about, tmp_path) == []


@pytest.mark.parametrize("name", ["cuda", "onnxruntime_tensorrt", "tensorrt"])
def test_an_unavailable_backend_is_logged_once(
    caplog, bundle: Path, about: Bundle, tmp_path, name, without_gpu
) -> None:
    (warning,) = _open(caplog, name, bundle, about, tmp_path)
    assert f"backend {name} is unavailable: " in warning and "install" in warning


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a machine that has one."""
    monkeypatch.setattr(driver, "LIBRARY", "libcuda-is-not-here.so")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CPU])
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)


def _pretend_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(
        backends, "_usable_gpu", lambda: driver.Gpu("Orin", "Orin 8.7 with 16 multiprocessors", (12, 6))
    )


def test_without_a_driver_onnx_runtime_is_not_asked(caplog, bundle, about, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA, CPU])

    def no_library(name: str):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", no_library)
    (warning,) = _open(caplog, "cuda", bundle, about, tmp_path)
    assert "driver" in warning and "libcuda" in warning


DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return %(failure)d; }
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuDeviceGet(int *device, int number) { *device = 7; return number; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Orin", size); return device != 7; }
int cuDeviceGetAttribute(int *value, int which, int device) {
    *value = which == 16 ? 8 : which == 75 ? 8 : which == 76 ? 7 : -1;
    return device != 7;
}
"""
"""A driver's library with one GPU: the few functions of it that are asked."""


@pytest.fixture
def make_driver(tmp_path: Path) -> Callable[..., Path]:
    def make(failure: int = 0) -> Path:
        library = tmp_path / "driver" / "libcuda.so.1"
        library.parent.mkdir()
        compile = ("cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library))
        subprocess.run(compile, input=DRIVER % {"failure": failure}, text=True, check=True)
        return library

    return make


@pytest.fixture
def a_driver(make_driver: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU and its driver, but without any package that uses it."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CPU])
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setattr(driver, "LIBRARY", str(make_driver()))


def test_the_driver_is_asked_for_its_gpu(a_driver: None) -> None:
    assert driver.first_gpu() == driver.Gpu("Orin", "Orin 8.7 with 8 multiprocessors", (12, 6))


def test_auto_says_once_that_a_gpu_is_not_used_and_why(caplog, bundle, about, tmp_path, a_driver) -> None:
    (warning,) = _open(caplog, "auto", bundle, about, tmp_path)
    assert "there is a GPU (Orin, driver for CUDA 12.6), and it is not used: " in warning
    assert "tensorrt: TensorRT can't be loaded" in warning and "(on a Jetson: docs/jetson.md)" in warning
    assert "cuda: this ONNX Runtime has no CUDAExecutionProvider: install onnxruntime-gpu" in warning
    assert warning.endswith("set backend to cpu")


def test_cpu_is_chosen_without_a_word_where_a_gpu_is(caplog, bundle, about, tmp_path, a_driver) -> None:
    assert _open(caplog, "cpu", bundle, about, tmp_path) == []


def test_a_driver_without_a_gpu_is_no_reason_to_warn(
    caplog, bundle, about, tmp_path, without_gpu, make_driver, monkeypatch
) -> None:
    monkeypatch.setattr(driver, "LIBRARY", str(make_driver(failure=100)))
    with pytest.raises(BackendError, match=r"finds no GPU \(cuInit returns 100\): check with nvidia-smi"):
        driver.first_gpu()
    assert _open(caplog, "auto", bundle, about, tmp_path) == []


def test_a_driver_too_old_for_onnx_runtime_is_named_with_both_versions(
    caplog, bundle, about, tmp_path, a_driver, monkeypatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr("onnxruntime.cuda_version", "13.0", raising=False)
    (warning,) = _open(caplog, "auto", bundle, about, tmp_path)
    assert "built for CUDA 13.0, and the driver of Orin supports CUDA up to 12.6: update the driver" in warning
    monkeypatch.setattr("onnxruntime.cuda_version", "12.8")  # a newer minor version works
    assert backends._usable_gpu().name == "Orin"


def test_the_command_warns_of_a_gpu_that_it_does_not_use(bundle: Path, make_driver, tmp_path: Path) -> None:
    """The whole way, with the driver's library found where the system's loader finds it."""
    if CUDA in __import__("onnxruntime").get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    environment = os.environ | {"LD_LIBRARY_PATH": str(make_driver().parent)}
    command = (sys.executable, "-m", "text2sign_ros.cli", "sign", "tea", "--out", str(tmp_path / "tea.npz"))
    ended = subprocess.run(command, capture_output=True, text=True, cwd=bundle.parents[1], env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("there is a GPU (Orin, driver for CUDA 12.6), and it is not used") == 1


def test_a_provider_that_fails_silently_is_detected(caplog, bundle, about, tmp_path, monkeypatch) -> None:
    if CUDA in __import__("onnxruntime").get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    _pretend_cuda(monkeypatch)
    with pytest.warns(UserWarning, match="not in available"):  # ONNX Runtime's own; it goes on with the CPU
        (warning,) = _open(caplog, "cuda", bundle, about, tmp_path)
    assert f"on {CPU} instead of {CUDA}" in warning


class _Wrong:
    """A device whose driver is broken."""

    name = "a broken device"
    spoil = 0.1

    def __init__(self, folder: Path, about: Bundle, **_) -> None:
        self._right = FusedBackend(folder, about, threads=1)

    def sample(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        codes, positions = self._right.sample(feed)
        return codes, positions + np.float32(self.spoil)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("spoil", "said"), [(0.1, "differs from the CPU by 100 mm"), (np.nan, "not finite")])
def test_a_device_with_different_results_is_not_used(
    caplog, bundle, about, tmp_path, monkeypatch, spoil: float, said: str
) -> None:
    monkeypatch.setattr(_Wrong, "spoil", spoil)
    _pretend_cuda(monkeypatch)
    monkeypatch.setattr(backends, "StepwiseBackend", _Wrong)
    (warning,) = _open(caplog, "cuda", bundle, about, tmp_path)
    assert said in warning


def test_a_device_with_the_same_results_is_used(bundle, about, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_Wrong, "spoil", 0.001)
    _pretend_cuda(monkeypatch)
    monkeypatch.setattr(backends, "StepwiseBackend", _Wrong)
    assert open_backend("cuda", bundle, about, cache=tmp_path).name == _Wrong.name


def test_without_the_fused_graph_signing_goes_step_by_step(caplog, bundle: Path, about: Bundle, tmp_path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns("learnt.pt", "text_encoder.onnx"))
    (folder / "fused.onnx").write_bytes(b"not a graph")
    (warning,) = _open(caplog, "cpu", folder, about, tmp_path)
    assert "step by step" in warning and "fused.onnx" in warning


def test_an_unknown_name_is_refused_with_the_known_names(bundle: Path, about: Bundle) -> None:
    with pytest.raises(BackendError, match="backend is 'gpu'; it must be one of auto, cpu, cuda"):
        open_backend("gpu", bundle, about)


def test_a_file_that_is_no_graph_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x00\xff")
    with pytest.raises(BackendError, match=r"bad\.onnx"):
        session(tmp_path / "bad.onnx", threads=1)


def test_the_engines_of_onnx_runtime_cover_every_length(bundle: Path, about: Bundle, tmp_path: Path) -> None:
    import onnx

    for graph, options in engine_options(about, tmp_path / "cache", "Orin").items():
        free = {
            value.name
            for value in onnx.load(bundle / f"{graph}.onnx", load_external_data=False).graph.input
            if any(dim.dim_param for dim in value.type.tensor_type.shape.dim)
        }
        for which, frames in (("min", about.buckets[0]), ("max", about.buckets[-1])):
            shapes = dict(part.split(":") for part in options[f"trt_profile_{which}_shapes"].split(","))
            assert set(shapes) == free
            assert str(frames // about.stride) in shapes["codes" if graph == "decoder" else "x"].split("x")[-1]
        assert Path(options["trt_engine_cache_path"]).is_dir()


def _engines(about: Bundle, cache: Path, gpu: str = "Orin") -> Path:
    (folder,) = {options["trt_engine_cache_path"] for options in engine_options(about, cache, gpu).values()}
    return Path(folder)


def test_the_engines_of_onnx_runtime_are_those_of_one_state_of_one_bundle(about: Bundle, tmp_path: Path) -> None:
    first = _engines(about, tmp_path)
    (first / "step.engine").write_bytes(b"minutes")
    other = replace(about, folder=tmp_path / "another", files=about.files | {"unet.weights": "1" * 64})
    assert _engines(other, tmp_path) != first
    assert _engines(replace(about, folder=tmp_path / "a copy"), tmp_path) == first
    assert _engines(about, tmp_path) == first and (first / "step.engine").is_file()
    for changed in ({"files": about.files | {"unet.weights": "0" * 64}}, {"buckets": about.buckets[:-1]}):
        retrained = _engines(replace(about, **changed), tmp_path)
        assert retrained != first and list(retrained.iterdir()) == []
        assert not first.exists() and _engines(other, tmp_path).exists()
        first = retrained


def test_the_engines_of_onnx_runtime_are_those_of_one_gpu(about: Bundle, tmp_path: Path) -> None:
    first, other = (_engines(about, tmp_path, driver.identity("Orin", 8, 7, count)) for count in (8, 16))
    assert first != other and first.is_dir() and other.is_dir()


def test_without_a_cache_onnx_runtime_builds_its_engines_at_each_start_with_one_warning(
    caplog: pytest.LogCaptureFixture, about: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    options = engine_options(about, tmp_path / "file" / "cache", "Orin")
    (warning,) = [record.getMessage() for record in caplog.records]
    assert f"can't be kept in {tmp_path}/file/cache (Not a directory)" in warning
    assert "cache_dir" in warning and "--cache" in warning and "XDG_CACHE_HOME" in warning
    for own in options.values():
        assert not any("cache" in name for name in own) and "trt_profile_max_shapes" in own


@pytest.mark.parametrize("home", ["/nonexistent", "none", "no folder"])
def test_signing_on_a_cpu_needs_no_home(bundle: Path, tmp_path: Path, home: str) -> None:
    """As a service's user that has none, as a user unknown to /etc/passwd, and where nothing can be made in it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    environment |= {"TMPDIR": str(temporary)} | ({} if home == "none" else {"HOME": home})
    if home == "no folder":
        (tmp_path / "file").touch()
        environment["HOME"] = str(tmp_path / "file")
    program = (
        "import pathlib, pwd, sys\n"
        "def unknown(number): raise KeyError(number)\n"
        "pwd.getpwuid = unknown\n"
        "from text2sign_ros.cli import main\n"
        "sys.exit(main(['sign', 'tea', '--out', sys.argv[1]]))"
    )
    command = (sys.executable, "-c", program, str(tmp_path / "tea.npz"))
    ended = subprocess.run(command, capture_output=True, text=True, cwd=bundle.parents[1], env=environment)
    assert (ended.returncode, ended.stderr) == (0, "") and (tmp_path / "tea.npz").is_file()
    assert not list(temporary.iterdir())


def test_the_cache_of_a_user_without_a_home_is_a_folder_that_can_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert default_cache() == Path("/nonexistent/.cache/text2sign_ros")


def test_messages_name_the_bundle_and_not_the_copy_that_is_loaded(bundle: Path, tmp_path: Path) -> None:
    with open_bundle(bundle) as (about, copy):
        (copy / "fused.onnx").write_bytes(b"no graph")
        with pytest.raises(BackendError) as caught:
            FusedBackend(copy, about, threads=1)
    assert str(bundle / "fused.onnx") in str(caught.value) and str(copy) not in str(caught.value)
