"""Engines: TensorRT takes every graph of the bundle, and engines are cached, found and rebuilt when stale."""

from __future__ import annotations

import logging
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from text2sign_ros.inference.backends import engines
from text2sign_ros.inference.backends.base import BackendError
from text2sign_ros.inference.bundle import Bundle

LENGTHS = {
    "N": (16, 128),
    "codes": (16, 128),
    "L": (64, 64),
    "tokens": (64, 64),
    "length": (16, 64),
    "batch": (1, 1),
    "S": (4, 4),
}
"""Sizes of named axes, shortest and longest."""


def _profiles(graph: Path) -> list[engines.Shapes]:
    inputs = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"]).get_inputs()
    return [
        {i.name: tuple(LENGTHS[size][which] if isinstance(size, str) else size for size in i.shape) for i in inputs}
        for which in range(2)
    ]


@pytest.mark.parametrize("name", ["step", "decoder", "fused", "duration", "text_encoder"])
def test_tensorrt_builds_every_graph_of_the_bundle(bundle: Path, name: str) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX, which builds without a GPU, is not installed")
    graph = bundle / f"{name}.onnx"
    plan = engines.build(graph, _profiles(graph), trt=trt)
    assert len(plan) > 0.9 * graph.stat().st_size


def test_a_build_logs_its_progress(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    graph = bundle / "duration.onnx"
    with caplog.at_level(logging.INFO, "text2sign_ros"):
        engines.build(graph, _profiles(graph), trt=trt)
    shares = [record.args[1] for record in caplog.records if "%d %%" in record.msg]
    assert len(shares) >= 3
    assert shares == sorted(set(shares))


def test_a_build_can_be_interrupted(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trt = pytest.importorskip("tensorrt_rtx")

    def interrupt(level: int, message: str, *_: object) -> None:
        if "%d %%" in message:
            raise KeyboardInterrupt

    monkeypatch.setattr(engines._log, "info", lambda *arguments: interrupt(logging.INFO, *arguments))
    graph = bundle / "duration.onnx"
    with pytest.raises(KeyboardInterrupt):
        engines.build(graph, _profiles(graph), trt=trt)


def test_a_graph_that_tensorrt_cannot_read_is_named_with_the_cause(tmp_path: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    graph = tmp_path / "step.onnx"
    graph.write_bytes(b"no protobuf at all")
    with pytest.raises(BackendError, match=r"can't read .*step\.onnx: .*pars"):
        engines.build(graph, [], trt=trt)


def test_messages_name_the_bundle_and_not_a_copy_of_it(tmp_path: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    (tmp_path / "copy").mkdir()
    graph = tmp_path / "copy" / "step.onnx"
    graph.write_bytes(b"no protobuf at all")
    with pytest.raises(BackendError) as caught:
        engines.build(graph, [], trt=trt, home=tmp_path / "models")
    assert str(tmp_path / "models" / "step.onnx") in str(caught.value) and str(graph) not in str(caught.value)


def test_shapes_that_a_graph_cannot_have_are_named_with_the_cause(bundle: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    graph = bundle / "step.onnx"
    odd = _profiles(graph)[0] | {"roles": (1, 3, 32)}  # not as long as x
    with pytest.raises(BackendError, match=r"can't build .*step\.onnx: .*\w"):
        engines.build(graph, [odd], trt=trt)


def test_a_process_that_built_an_engine_exits_cleanly(bundle: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    graph = bundle / "duration.onnx"
    program = (
        "import sys, tensorrt_rtx\nfrom pathlib import Path\nfrom text2sign_ros.inference.backends import engines\n"
        f"engines.build(Path(sys.argv[1]), {_profiles(graph)!r}, trt=tensorrt_rtx)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, graph], capture_output=True, text=True, cwd=bundle.parents[1]
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@dataclass
class Library:
    """A TensorRT that loads every engine unless told otherwise, with builds counted."""

    trt: types.ModuleType
    builds: int = 0
    accepts: bytes = b"engine"

    def cached(self, cache: Path, graph: str = "a/step.onnx", **changes: object) -> bytes:
        values = {"profiles": [{"x": (1, 2)}], "sources": ["12", "34"], "gpu": "Orin 8.7"} | changes
        home = values.pop("home", Path(graph).parent)
        return engines.cached(Path(graph), values.pop("profiles"), home=home, cache=cache, trt=self.trt, **values)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    trt = types.ModuleType("tensorrt")
    trt.__version__ = "10.3.0"
    trt.ILogger = type("ILogger", (), {"Severity": types.SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3)})
    made = Library(trt)

    class Runtime:
        def __init__(self, logger: object) -> None:
            self.logger = logger

        def deserialize_cuda_engine(self, plan: bytes) -> bytes | None:
            if plan.startswith(made.accepts):
                return plan
            self.logger.log(1, "The engine plan file is not compatible")
            return None

    def build(graph: Path, profiles: list, *, trt: types.ModuleType, home: Path) -> bytes:
        made.builds += 1
        return b"engine %d of %s" % (made.builds, str(graph).encode())

    trt.Runtime = Runtime
    monkeypatch.setattr(engines, "build", build)
    return made


def test_an_engine_is_built_once(library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = library.cached(tmp_path / "new" / "folder")
    assert library.cached(tmp_path / "new" / "folder") == first == b"engine 1 of a/step.onnx"
    assert library.cached(tmp_path / "new" / "folder", graph="a copy/step.onnx") == first
    assert library.builds == 1
    assert not caplog.records


@pytest.mark.parametrize(
    "change",
    [
        {"sources": ["12", "35"]},
        {"sources": ["13", "34"]},
        {"profiles": [{"x": (1, 3)}]},
        {"profiles": [{"x": (1, 2)}, {"x": (1, 3)}]},
        {"version": "10.4.0"},
    ],
    ids=str,
)
def test_a_stale_engine_is_rebuilt_and_the_old_one_deleted(library: Library, tmp_path: Path, change: dict) -> None:
    library.cached(tmp_path)
    library.cached(tmp_path, graph="a/decoder.onnx")
    library.trt.__version__ = change.pop("version", library.trt.__version__)
    assert library.cached(tmp_path, **change) == b"engine 3 of a/step.onnx"
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["decoder", "step"]
    assert library.cached(tmp_path, **change) == b"engine 3 of a/step.onnx"


def test_a_stale_engine_is_deleted_wherever_its_copy_was(library: Library, tmp_path: Path) -> None:
    library.cached(tmp_path / "cache", graph="/tmp/text2sign_1/step.onnx", home=tmp_path)
    library.cached(tmp_path / "cache", graph="/tmp/text2sign_2/step.onnx", home=tmp_path, sources=["12", "35"])
    assert library.builds == 2 and len(list((tmp_path / "cache").iterdir())) == 1


def test_engines_of_other_gpus_and_other_bundles_stay(library: Library, tmp_path: Path) -> None:
    library.cached(tmp_path)
    library.cached(tmp_path, gpu="RTX 4090 8.9")
    library.cached(tmp_path, graph="another/step.onnx", sources=["56", "78"])
    assert library.cached(tmp_path) == b"engine 1 of a/step.onnx"
    assert library.builds == len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", [lambda content: content[:-3], lambda content: b"", lambda content: content + b"."])
def test_a_damaged_engine_is_rebuilt_with_one_warning(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage
) -> None:
    library.cached(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert library.cached(tmp_path) == b"engine 2 of a/step.onnx"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"{file} is damaged; rebuilding it"
    ]
    assert library.cached(tmp_path) == b"engine 2 of a/step.onnx"


def test_an_engine_that_the_driver_refuses_is_rebuilt_with_one_warning(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library.cached(tmp_path)
    library.accepts = b"engine 2"
    assert library.cached(tmp_path) == b"engine 2 of a/step.onnx"
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "built with another driver" in warning


def test_a_new_engine_that_cannot_be_loaded_is_an_error_with_the_cause(library: Library, tmp_path: Path) -> None:
    library.accepts = b"nothing"
    with pytest.raises(BackendError, match=r"can't load the engine of step\.onnx .* The engine plan file is not comp"):
        library.cached(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_causes_a_warning(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert library.cached(tmp_path / "file" / "cache") == b"engine 1 of a/step.onnx"
    assert "can't be kept" in caplog.text and "cache_dir" in caplog.text


def test_two_concurrent_builds_leave_one_complete_engine(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = engines.build

    def slow(*arguments: object, **more: object) -> bytes:
        monkeypatch.setattr(engines, "build", build)
        assert library.cached(tmp_path) == b"engine 1 of a/step.onnx"  # another one, while this one builds
        return build(*arguments, **more)

    monkeypatch.setattr(engines, "build", slow)
    assert library.cached(tmp_path) == b"engine 2 of a/step.onnx"
    assert library.cached(tmp_path) == b"engine 2 of a/step.onnx"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, r"can't be loaded .*pip install 'text2sign_ros\[tensorrt\]'"),
        (types.ModuleType("tensorrt"), r"is empty.*pip install 'text2sign_ros\[tensorrt\]'"),
        (
            types.SimpleNamespace(Builder=1, __version__="8.6.1"),
            r"8\.6\.1 is too old, 10 is needed: .*docs/jetson\.md.*JetPack 5",
        ),
    ],
)
def test_without_a_usable_tensorrt_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: object, message: str
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    with pytest.raises(BackendError, match=message):
        engines.load_tensorrt()


def test_the_graphs_take_the_lengths_of_all_buckets(bundle: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    description = Bundle.load(bundle)
    codes = np.array(description.buckets) // description.stride
    shapes = [{"codes": (1, description.latent_dim, int(length))} for length in codes]
    assert engines.build(bundle / "decoder.onnx", shapes, trt=trt)
