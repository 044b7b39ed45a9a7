"""The TensorRT backend gives what the fused graph gives on the CPU: on a stand-in for the GPU, and on a real one.

The stand-in keeps CUDA's rules and TensorRT's: memory of the device is not the host's and holds nothing when new, work
on a stream happens when the stream is waited for, what is captured does not happen, and a replay does what was captured
with the addresses of then. Its engines run the bundle's own graphs by ONNX Runtime.
"""

from __future__ import annotations

import ctypes
import dataclasses
import enum
import itertools
import json
import logging
import math
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from text2sign_ros.cli import main
from text2sign_ros.inference.backends import engines
from text2sign_ros.inference.backends.base import BackendError
from text2sign_ros.inference.backends.tensorrt import TensorRTBackend, _Cuda
from text2sign_ros.inference.bundle import Bundle, open_bundle
from text2sign_ros.inference.feed import Feed
from text2sign_ros.inference.samplers import alphas_cumprod, solver_table

BUCKETS = [32, 48, 64]
CPU = ["CPUExecutionProvider"]


class _Error(enum.IntEnum):
    SUCCESS, INVALID_VALUE, OUT_OF_MEMORY, INSUFFICIENT_DRIVER, NO_DEVICE, CAPTURE = 0, 1, 2, 35, 100, 900


class CaptureMode(enum.IntEnum):
    cudaStreamCaptureModeThreadLocal = 1


class CopyKind(enum.IntEnum):
    cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost = 1, 2


class Stream:
    """A stream: work that waits, and what is being captured, if anything is."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.waiting: list[Callable[[], None]] = []
        self.capture: list[Callable[[], None]] | None = None

    def __int__(self) -> int:
        return self.number

    def put(self, work: Callable[[], None]) -> None:
        (self.waiting if self.capture is None else self.capture).append(work)


class Device:
    """The functions of ``cuda.bindings.runtime`` that the backend uses, each returning (error, values ...)."""

    cudaStreamNonBlocking = 1
    cudaMemcpyKind = CopyKind
    cudaStreamCaptureMode = CaptureMode

    def __init__(self) -> None:
        self.count = 1
        self.multiprocessors = 8
        self.fail: set[str] = set()
        self.calls: list[str] = []
        self._numbers = itertools.count(0x7000_0000_0000, 1 << 32)
        self._memory: dict[int, np.ndarray] = {}
        self._pinned: dict[int, ctypes.Array] = {}
        self.streams: dict[int, Stream] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if not name.startswith("cuda") or not callable(found) or isinstance(found, type):
            return found

        def call(*arguments: object) -> tuple:
            self.calls.append(name)
            if name in self.fail:
                return _Error.OUT_OF_MEMORY, None
            values = found(*arguments)
            return values if isinstance(values, tuple) else (_Error.SUCCESS, values)

        return call

    @property
    def held(self) -> int:
        """Things that were not given back."""
        return sum(map(len, (self._memory, self._pinned, self.streams, self.graphs)))

    def at(self, address: int, size: int) -> np.ndarray:
        """Bytes of the device's memory; only ever within one piece of it."""
        for start, memory in self._memory.items():
            if start <= address and address + size <= start + len(memory):
                return memory[address - start : address - start + size]
        raise AssertionError(f"{size} bytes at {address:#x} are not the device's")

    def floats(self, address: int, shape: tuple[int, ...]) -> np.ndarray:
        assert address % 256 == 0, "TensorRT wants tensors aligned to 256 bytes"
        return self.at(address, 4 * math.prod(shape)).view(np.float32).reshape(shape)

    def cudaGetErrorString(self, error: int) -> bytes:
        return _Error(error).name.lower().replace("_", " ").encode()

    def cudaGetDeviceCount(self) -> tuple:
        if "driver" in self.fail:
            return _Error.INSUFFICIENT_DRIVER, None
        return (_Error.SUCCESS, self.count) if self.count else (_Error.NO_DEVICE, None)

    def cudaGetDevice(self) -> int:
        return 0

    def cudaGetDeviceProperties(self, number: int) -> types.SimpleNamespace:
        return types.SimpleNamespace(name=b"Stand-in\0\0", major=8, minor=7, multiProcessorCount=self.multiprocessors)

    def cudaMalloc(self, size: int) -> int:
        assert not any(stream.capture is not None for stream in self.streams.values())
        address = next(self._numbers)
        self._memory[address] = np.full(size, 0xFF, np.uint8)  # not a number
        return address

    def cudaFree(self, address: int) -> None:
        del self._memory[address]

    def cudaMallocHost(self, size: int) -> int:
        memory = (ctypes.c_byte * size)()
        ctypes.memset(memory, 0xFF, size)
        self._pinned[ctypes.addressof(memory)] = memory
        return ctypes.addressof(memory)

    def cudaFreeHost(self, address: int) -> None:
        del self._pinned[address]

    def cudaStreamCreateWithFlags(self, flags: int) -> Stream:
        stream = Stream(next(self._numbers))
        self.streams[int(stream)] = stream
        return stream

    def cudaStreamDestroy(self, stream: Stream) -> None:
        del self.streams[int(stream)]

    def cudaStreamSynchronize(self, stream: Stream) -> tuple:
        if stream.capture is not None:
            return (_Error.CAPTURE,)
        while stream.waiting:
            stream.waiting.pop(0)()
        return (_Error.SUCCESS,)

    def cudaMemcpyAsync(self, to: int, start: int, size: int, kind: CopyKind, stream: Stream) -> tuple:
        device, host = (to, start) if kind == CopyKind.cudaMemcpyHostToDevice else (start, to)
        assert size <= len(self._pinned[host])

        def work() -> None:
            pinned = np.frombuffer(self._pinned[host], np.uint8)[:size]
            ends = (self.at(device, size), pinned)
            target, source = ends if kind == CopyKind.cudaMemcpyHostToDevice else ends[::-1]
            target[:] = source

        stream.put(work)
        return (_Error.SUCCESS,)

    def cudaStreamBeginCapture(self, stream: Stream, mode: CaptureMode) -> tuple:
        assert isinstance(mode, CaptureMode)
        assert not stream.waiting
        stream.capture = []
        return (_Error.SUCCESS,)

    def cudaStreamEndCapture(self, stream: Stream) -> int | tuple:
        captured, stream.capture = stream.capture, None
        if captured is None or "capture" in self.fail:
            return _Error.CAPTURE, None
        number = next(self._numbers)
        self.graphs[number] = captured
        return number

    def cudaGraphInstantiate(self, graph: int, flags: int) -> int:
        number = next(self._numbers)
        self.graphs[number] = list(self.graphs[graph])
        return number

    def cudaGraphLaunch(self, graph: int, stream: Stream) -> tuple:
        stream.waiting.extend(self.graphs[graph])
        return (_Error.SUCCESS,)

    def cudaGraphDestroy(self, graph: int) -> None:
        del self.graphs[graph]

    cudaGraphExecDestroy = cudaGraphDestroy


class Engine:
    """A graph of the bundle and the shapes that it was "built" for."""

    def __init__(self, device: Device, plan: bytes) -> None:
        content = json.loads(plan)
        self.device, self.profiles = device, content["profiles"]
        self.session = onnxruntime.InferenceSession(content["graph"], providers=CPU)
        self.inputs = {i.name: i.shape for i in self.session.get_inputs()}
        self._names = [*self.inputs, *(o.name for o in self.session.get_outputs())]
        self.num_io_tensors = len(self._names)

    def get_tensor_name(self, number: int) -> str:
        return self._names[number]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name in self.inputs else "out"

    def get_tensor_dtype(self, name: str) -> str:
        return "float32"

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    """Runs an engine for one of its profiles, at the addresses given last."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.profile = engine, -1
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.ran = False

    def set_optimization_profile_async(self, number: int, stream: int) -> bool:
        assert stream in self.engine.device.streams
        self.profile = number
        return number < len(self.engine.profiles)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = shape
        return tuple(self.engine.profiles[self.profile][name]) == shape

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self.engine.inputs:
            return self.shapes[name]
        (shape,) = (o.shape for o in self.engine.session.get_outputs() if o.name == name)
        codes = self.shapes["x" if "x" in self.shapes else "codes"]
        return (1, 2 * codes[2], 79, 3) if len(shape) == 4 else codes

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return name in self.engine._names

    def execute_async_v3(self, stream: int) -> bool:
        device, addresses = self.engine.device, dict(self.addresses)
        assert addresses.keys() == set(self.engine._names)
        arrays = {name: device.floats(place, self.get_tensor_shape(name)) for name, place in addresses.items()}
        inputs = {name: arrays[name] for name in self.engine.inputs}
        outputs = [name for name in arrays if name not in inputs]
        written = [arrays[name] for name in outputs]
        for array in written:
            assert not any(np.shares_memory(array, other) for other in arrays.values() if other is not array)

        def work() -> None:
            feed = {name: array.copy() for name, array in inputs.items()}
            assert all(np.isfinite(array).all() for array in feed.values()), "read before anything was written there"
            for array, value in zip(written, self.engine.session.run(outputs, feed), strict=True):
                array[:] = value
            self.ran = True

        # TensorRT has things to do at the first run that can't be captured.
        if device.streams[stream].capture is not None and (not self.ran or "run" in device.fail):
            return False
        device.streams[stream].put(work)
        return True


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    """A stand-in for the GPU, found where the real packages would be."""
    made = Device()
    trt = types.ModuleType("tensorrt")
    trt.__version__, trt.float32 = "10.3.0", "float32"
    trt.TensorIOMode = types.SimpleNamespace(INPUT="in")
    trt.ILogger = type("ILogger", (), {"Severity": types.SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3)})
    trt.Builder = object
    trt.Runtime = lambda logger: types.SimpleNamespace(deserialize_cuda_engine=lambda plan: Engine(made, plan))

    def build(graph: Path, profiles: list, *, trt: object, home: Path) -> bytes:
        made.calls.append(f"build {graph.name}")
        return json.dumps({"graph": str(home / graph.name), "profiles": profiles}).encode()

    monkeypatch.setattr(engines, "build", build)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    bindings = types.ModuleType("cuda.bindings")
    bindings.runtime = made
    monkeypatch.setitem(sys.modules, "cuda", types.ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    return made


@pytest.fixture(scope="module")
def description(bundle: Path) -> Bundle:
    return dataclasses.replace(Bundle.load(bundle), buckets=BUCKETS)


@pytest.fixture
def backend(device: Device, bundle: Path, description: Bundle, tmp_path: Path) -> Iterator[TensorRTBackend]:
    made = TensorRTBackend(bundle, description, cache=tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def reference(bundle: Path) -> Callable[[Feed], list[np.ndarray]]:
    """The fused graph on the CPU."""
    session = onnxruntime.InferenceSession(str(bundle / "fused.onnx"), providers=CPU)
    return lambda feed: session.run(["codes", "positions"], feed)


def _feed(description: Bundle, frames: int, steps: int, *, sampler: str = "dpmpp_2m", seed: int = 0) -> Feed:
    rng = np.random.default_rng(seed)
    codes, given, tokens = frames // description.stride, 3, 5
    at = np.arange(codes)
    roles = np.stack((at < codes - 2, at < given, np.where(at < given, 0, (at - given) / codes)))
    shape = (1, description.latent_dim, codes)
    schedule = alphas_cumprod(description.timesteps, description.beta_start, description.beta_end)
    values = {
        "noise": rng.standard_normal(shape),
        "prefix": rng.standard_normal(shape) * (at < given),
        "roles": roles[None],
        "tokens": rng.standard_normal((1, description.max_tokens, description.text_dim)),
        "mask": np.arange(description.max_tokens)[None] < tokens,
        "sentence": rng.standard_normal((1, description.text_dim)),
        "table": solver_table(sampler, schedule, steps),
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in values.items()}


def _check(backend: TensorRTBackend, feed: Feed, reference: Callable, tolerance: float = 1e-4) -> None:
    codes, positions = reference(feed)
    got_codes, got_positions = backend.sample(feed)
    np.testing.assert_allclose(got_codes, codes, atol=tolerance * np.abs(codes).max())
    np.testing.assert_allclose(got_positions, positions, atol=tolerance * np.abs(positions).max())
    np.testing.assert_array_equal(got_codes[:, :, :3], feed["prefix"][:, :, :3])


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_first_run_and_replays_give_what_the_fused_graph_gives(
    device: Device, backend: TensorRTBackend, description: Bundle, reference: Callable, steps: int
) -> None:
    for seed in range(3):  # the first without a CUDA graph, the others replay it
        feed = _feed(description, 32, steps, seed=seed)
        feed["table"][0, 5] = 0.5  # no solver does that; it shows that each run starts with zeros as the previous end
        _check(backend, feed, reference)
    assert device.calls.count("cudaGraphLaunch") == 2
    assert device.calls.count("cudaStreamBeginCapture") == 1


def test_lengths_steps_and_tables_may_follow_each_other_in_any_order(
    device: Device, backend: TensorRTBackend, description: Bundle, reference: Callable
) -> None:
    for number, (frames, steps, sampler) in enumerate(
        [(64, 2, "lcm"), (32, 3, "ddim"), (48, 1, "lcm"), (32, 2, "lcm"), (64, 2, "ddim"), (32, 3, "dpmpp_2m")]
    ):
        _check(backend, _feed(description, frames, steps, sampler=sampler, seed=number), reference)
    assert device.calls.count("cudaGraphLaunch") == 2  # of the last two, whose length and steps came before


def test_nothing_is_allocated_or_built_while_it_runs(
    device: Device, backend: TensorRTBackend, description: Bundle
) -> None:
    for seed in range(2):
        backend.sample(_feed(description, 32, 2, seed=seed))
    device.calls.clear()
    backend.sample(_feed(description, 32, 2, seed=2))
    assert device.calls == ["cudaGraphLaunch", "cudaStreamSynchronize"]


def test_the_caller_owns_the_results(backend: TensorRTBackend, description: Bundle) -> None:
    first = backend.sample(_feed(description, 32, 1))
    copies = [array.copy() for array in first]
    backend.sample(_feed(description, 32, 1, seed=1))
    backend.close()
    for array, copy in zip(first, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_name_says_what_runs(backend: TensorRTBackend) -> None:
    assert backend.name == "tensorrt 10.3.0 on Stand-in"


def test_engines_are_cached_for_the_next_start(
    device: Device, bundle: Path, description: Bundle, tmp_path: Path
) -> None:
    for _ in range(2):
        TensorRTBackend(bundle, description, cache=tmp_path).close()
    assert [call for call in device.calls if call.startswith("build")] == ["build step.onnx", "build decoder.onnx"]
    weights = dataclasses.replace(description, files=description.files | {"unet.weights": "0" * 64})
    TensorRTBackend(bundle, weights, cache=tmp_path).close()
    assert [call for call in device.calls if call.startswith("build")][2:] == ["build step.onnx"]


def test_engines_of_an_earlier_state_of_the_bundle_go_whatever_copy_is_loaded(
    device: Device, bundle: Path, tmp_path: Path
) -> None:
    """A node loads a private copy, in a folder of another name each time."""

    def start(files: dict[str, str]) -> set[str]:
        with open_bundle(bundle) as (description, copy):
            about = dataclasses.replace(description, files=description.files | files)
            TensorRTBackend(copy, about, cache=tmp_path).close()
        return {path.name for path in tmp_path.iterdir()}

    first = start({})
    assert start({}) == first and len(first) == 2
    retrained = start({"unet.weights": "0" * 64})
    assert len(retrained) == 2 and len(retrained & first) == 1


@pytest.mark.parametrize("failing", ["run", "capture", "cudaStreamBeginCapture", "cudaGraphInstantiate"])
def test_without_a_cuda_graph_it_continues_with_one_warning(
    device: Device,
    backend: TensorRTBackend,
    description: Bundle,
    reference: Callable,
    caplog: pytest.LogCaptureFixture,
    failing: str,
) -> None:
    device.fail = {failing}
    for seed in range(2):
        _check(backend, _feed(description, 32, 2, seed=seed), reference)
    _check(backend, _feed(description, 48, 1), reference)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "can't capture a CUDA graph" in warning
    assert "cudaGraphLaunch" not in device.calls


def test_everything_is_freed(device: Device, bundle: Path, description: Bundle, tmp_path: Path) -> None:
    backend = TensorRTBackend(bundle, description, cache=tmp_path)
    for frames, steps in ((32, 1), (32, 2), (64, 2)):
        for _ in range(2):
            backend.sample(_feed(description, frames, steps))
    assert device.held == 3 * (3 + 2 + 1) + 1  # memory, pinned memory and a graph each, and the stream
    backend.close()
    backend.close()
    assert device.held == 0


@pytest.mark.parametrize("failing", ["cudaStreamSynchronize", "cudaStreamCreateWithFlags"])
def test_a_start_that_fails_leaves_nothing_behind(
    device: Device, bundle: Path, description: Bundle, tmp_path: Path, failing: str
) -> None:
    device.fail = {failing}
    with pytest.raises(BackendError, match=f"CUDA's {failing} failed: out of memory"):
        TensorRTBackend(bundle, description, cache=tmp_path)
    assert device.held == 0


@pytest.mark.parametrize("failing", ["cudaMalloc", "cudaMallocHost", "cudaMemcpyAsync", "cudaStreamSynchronize"])
def test_a_device_that_fails_is_named_with_the_call_and_the_cause(
    device: Device, backend: TensorRTBackend, description: Bundle, failing: str
) -> None:
    device.fail = {failing}
    with pytest.raises(BackendError, match=f"CUDA's {failing} failed: out of memory; .*nvidia-smi"):
        backend.sample(_feed(description, 32, 2))
    device.fail = {"cudaFree", "cudaFreeHost", "cudaStreamDestroy"}
    backend.close()  # complains no more


def test_inputs_that_the_engines_do_not_take_are_refused(backend: TensorRTBackend, description: Bundle) -> None:
    feed = _feed(description, 32, 1)
    with pytest.raises(BackendError, match=r"tokens has shape \(1, 5, 384\); it must be \(1, 64, 384\)"):
        backend.sample(feed | {"tokens": feed["tokens"][:, :5]})
    with pytest.raises(BackendError, match=r"no engine for 48 codes; the bundle has \[16, 24, 32\]"):
        backend.sample(_feed(description, 96, 1))


def test_an_engine_of_half_precision_outside_is_refused(
    device: Device, bundle: Path, description: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "get_tensor_dtype", lambda self, name: "float16")
    with pytest.raises(BackendError, match="must be float32"):
        TensorRTBackend(bundle, description, cache=tmp_path)
    assert device.held == 0


def test_without_a_gpu_the_error_says_so(device: Device, bundle: Path, description: Bundle, tmp_path: Path) -> None:
    device.count = 0
    with pytest.raises(BackendError, match=r"no device; .*nvidia-smi"):
        TensorRTBackend(bundle, description, cache=tmp_path)


def test_without_cuda_bindings_the_error_says_what_to_install(
    device: Device, bundle: Path, description: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(BackendError, match=r"cuda-bindings .*pip install 'text2sign_ros\[tensorrt\]' .*docs/jetson.md"):
        TensorRTBackend(bundle, description, cache=tmp_path)


def test_a_driver_older_than_the_runtime_is_named(
    device: Device, bundle: Path, description: Bundle, tmp_path: Path
) -> None:
    device.fail.add("driver")
    with pytest.raises(BackendError, match=r"insufficient driver; .* newer CUDA than the driver's.*docs/jetson\.md"):
        TensorRTBackend(bundle, description, cache=tmp_path)


def test_an_engine_of_a_module_with_other_multiprocessors_is_not_used(
    device: Device, bundle: Path, description: Bundle, tmp_path: Path
) -> None:
    """As the modules of Orin, which have the same name and compute capability."""
    for device.multiprocessors in (8, 16, 8):
        TensorRTBackend(bundle, description, cache=tmp_path).close()
    assert [call for call in device.calls if call.startswith("build")] == 2 * ["build step.onnx", "build decoder.onnx"]


def test_a_cache_that_can_not_be_written_is_one_warning_with_the_mend(
    device: Device, bundle: Path, description: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    TensorRTBackend(bundle, description, cache=tmp_path / "file" / "cache").close()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"can't be kept in {tmp_path}/file/cache (Not a directory)" in warning
    assert "cache_dir" in warning and "--cache" in warning


def test_the_command_builds_engines_into_the_given_folder(
    device: Device, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["export", "--bundle", str(bundle), "--tensorrt", "--cache"]
    assert main([*command, str(tmp_path / "engines")]) == 0
    assert {path.name.split("-")[0] for path in (tmp_path / "engines").iterdir()} == {"step", "decoder"}
    assert f"{tmp_path}/engines: engines for tensorrt 10.3.0 on Stand-in" in capsys.readouterr().out
    built = [call for call in device.calls if call.startswith("build")]
    assert main(["sign", "tea", "--cache", str(tmp_path / "engines"), "--out", str(tmp_path / "tea.npz")]) == 0
    assert [call for call in device.calls if call.startswith("build")] == built, "engines were found where they are"
    (tmp_path / "file").touch()
    assert main([*command, str(tmp_path / "file")]) == 1
    assert "engines can't be kept in" in capsys.readouterr().err
    assert [call for call in device.calls if call.startswith("build")] == built, "nothing is built for nothing"


def test_the_older_name_of_cuda_bindings_serves_too(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.setattr(sys.modules["cuda"], "cudart", device, raising=False)
    assert _Cuda().gpu() == ("Stand-in", "Stand-in 8.7 with 8 multiprocessors")


def test_the_stand_in_has_the_functions_of_cuda_bindings_with_their_parameters() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    names = [name for name in vars(Device) if name.startswith("cuda") and callable(vars(Device)[name])]
    assert len(names) > 15
    for name in names:
        if isinstance(vars(Device)[name], type):
            for member in vars(Device)[name]:
                assert int(getattr(getattr(runtime, name), member.name)) == member
            continue
        code = vars(Device)[name].__code__
        signature = getattr(runtime, name).__doc__.split(")")[0].split("(")[1]
        assert len([part for part in signature.split(",") if part.strip()]) == code.co_argcount - 1, name
    assert runtime.cudaStreamNonBlocking == Device.cudaStreamNonBlocking
    assert isinstance(runtime.cudaDeviceProp().name, bytes)


@pytest.fixture
def gpu() -> None:
    """Skips where there is no GPU with TensorRT, saying what is missing."""
    try:
        engines.load_tensorrt()
        _Cuda().gpu()
    except BackendError as error:
        pytest.skip(str(error))


@pytest.mark.gpu
def test_a_real_gpu_gives_what_the_cpu_gives(
    gpu: None,
    bundle: Path,
    description: Bundle,
    reference: Callable,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for start in range(2):  # the second with the engines kept by the first
        caplog.clear()
        with caplog.at_level(logging.INFO, "text2sign_ros"):
            backend = TensorRTBackend(bundle, description, cache=tmp_path)
        assert ("building" in caplog.text) == (start == 0)
        for number, (frames, steps) in enumerate([(32, 1), (64, 4), (32, 1), (48, 2), (64, 4), (64, 4)]):
            _check(backend, _feed(description, frames, steps, seed=number), reference, tolerance=2e-3)
        backend.close()
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
