"""TensorRT engines: built from an ONNX graph with one profile per length, and cached on disk."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from text2sign_ros.clip import write_whole
from text2sign_ros.inference.backends.base import JETSON, BackendError
from text2sign_ros.resources import require_writable

_log = logging.getLogger(__name__)

Shapes = dict[str, tuple[int, ...]]
"""Shape of every input of a graph, by name."""
OLDEST = 10
"""The oldest major version of TensorRT that is supported: that of JetPack 6."""
NOT_KEPT = (
    "the engines can't be kept in %s (%s), and every start will build them again: name a folder that can be written "
    "with the parameter cache_dir, with --cache, or with XDG_CACHE_HOME"
)
"""The warning where the cache can't be used: the folder, the cause."""
_DIGEST = hashlib.sha256().digest_size


def load_tensorrt() -> Any:
    """The module ``tensorrt``.

    Raises:
        BackendError: it is not installed, is an empty stub package, or is too old.
    """
    remedy = f"pip install 'text2sign_ros[tensorrt]' (on a Jetson: {JETSON}), or use another backend"
    try:
        trt = importlib.import_module("tensorrt")
    except (ImportError, OSError) as error:  # its libraries may be missing
        raise BackendError(f"TensorRT can't be loaded ({error}): {remedy}") from error
    if not hasattr(trt, "Builder"):
        raise BackendError(f"the installed package tensorrt is empty, its libraries are missing: {remedy}")
    if int(trt.__version__.split(".")[0]) < OLDEST:
        raise BackendError(
            f"TensorRT {trt.__version__} is too old, {OLDEST} is needed: {remedy}. TensorRT 8 came with JetPack 5, on "
            "which signing runs on the CPU"
        )
    return trt


def build(graph: Path, profiles: Sequence[Shapes], *, trt: Any, home: Path | None = None) -> bytes:
    """A serialised engine of ``graph`` for exactly the shapes of ``profiles``, one optimisation profile for each.

    The network is strongly typed: every layer computes in the type that the graph gives it, and float32 is not
    rounded to TF32. Takes seconds to minutes; progress is logged.

    Args:
        graph: ONNX file, its external weights beside it.
        profiles: shapes of the inputs.
        trt: the module ``tensorrt``, or ``tensorrt_rtx``, which has the same interface and builds without a GPU.
        home: folder of the bundle to name in messages if ``graph`` is in a copy.

    Raises:
        BackendError: TensorRT can't read or build the graph.
        KeyboardInterrupt: the build was stopped from the keyboard.
    """
    log, shown = _logger(trt), (home or graph.parent) / graph.name
    log.errors.clear()
    _log.info("building a TensorRT %s engine of %s for %d lengths", trt.__version__, graph.name, len(profiles))
    builder = trt.Builder(log)
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # versions without the flag always do so
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, log)  # owns the weights: it must live until the engine is built
    if not parser.parse_from_file(str(graph)):
        errors = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise BackendError(
            f"TensorRT {trt.__version__} can't read {shown}: {errors or log.cause()}; export the bundle "
            "again with this version of text2sign_ros, or use another backend"
        )
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    for shapes in profiles:
        profile = builder.create_optimization_profile()
        for tensor in inputs:
            if -1 in tuple(tensor.shape):
                shape = shapes[tensor.name]
                profile.set_shape(tensor.name, shape, shape, shape)
        if config.add_optimization_profile(profile) < 0:
            raise BackendError(
                f"TensorRT {trt.__version__} refuses {shown} for {shapes}: {log.cause()}; export it again"
            )
    monitor = _monitor(trt, graph.name)
    if monitor is not None:
        config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if monitor is not None and monitor.interrupted:
        raise KeyboardInterrupt
    if plan is None:
        raise BackendError(
            f"TensorRT {trt.__version__} can't build {shown}: {log.cause()}; free memory of the GPU, "
            "update TensorRT, or use another backend"
        )
    return bytes(plan)


def cached(
    graph: Path, profiles: Sequence[Shapes], *, home: Path, sources: Sequence[str], gpu: str, cache: Path, trt: Any
) -> Any:
    """Load the engine of ``build`` from ``cache``; build and store it if it is not there.

    An engine is only valid for the graph, weights, shapes, TensorRT version and GPU that it was built for, so its file
    name has a hash of them all. (The precision is that of the graph.) A copy of a bundle finds the original's engine; a
    new engine replaces those built from the same bundle folder for the same GPU. If processes build at the same time,
    each writes a complete file, and the last one stays.

    Args:
        graph, profiles, home, trt: see ``build``.
        sources: sha256 of the ONNX file and of its weights.
        gpu: name, compute capability and number of multiprocessors of the GPU.
        cache: folder; if it can't be written, a warning is logged, and the engine is built at each start.

    Raises:
        BackendError: the engine can't be built, or a newly built one can't be loaded.
    """
    place = short_hash([str((home / graph.name).resolve()), gpu])
    key = short_hash([list(sources), trt.__version__, gpu, list(profiles)])
    runtime = trt.Runtime(_logger(trt))
    for path in cache.glob(f"{graph.stem}-{key}-*.engine"):
        plan = _read(path)
        engine = runtime.deserialize_cuda_engine(plan) if plan else None
        if engine is not None:
            return engine
        _log.warning("%s %s; rebuilding it", path, "was built with another driver" if plan else "is damaged")
        with suppress(OSError):  # it belongs to another user, or is gone
            path.unlink()
    plan = build(graph, profiles, trt=trt, home=home)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise BackendError(
            f"TensorRT {trt.__version__} can't load the engine of {graph.name} that it has just built for {gpu}: "
            f"{_logger(trt).cause()}; update the GPU's driver, or use another backend"
        )
    path = cache / f"{graph.stem}-{key}-{place}.engine"
    try:
        with write_whole(path) as file:
            file.write(hashlib.sha256(plan).digest() + plan)
        for old in cache.glob(f"{graph.stem}-*-{place}.engine"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError as error:
        _warn_not_kept(cache, error.strerror or str(error))
    return engine


@functools.cache  # once for a folder, not once for each graph
def _warn_not_kept(cache: Path, cause: str) -> None:
    _log.warning(NOT_KEPT, cache, cause)


def require_cache(cache: Path) -> None:
    """Make the folder of engines, and see that they can be written there.

    Raises:
        BackendError: it can't.
    """
    try:
        require_writable(cache)
    except OSError as error:
        raise BackendError(
            f"engines can't be kept in {cache} ({error.strerror or error}): free some space, or name another folder "
            "with --cache or XDG_CACHE_HOME"
        ) from error


def _read(path: Path) -> bytes:
    """The engine in a file written by ``cached``; empty if the file is damaged, on which TensorRT might crash."""
    try:
        content = path.read_bytes()
    except OSError:
        return b""
    digest, plan = content[:_DIGEST], content[_DIGEST:]
    return plan if hashlib.sha256(plan).digest() == digest else b""


def short_hash(values: Sequence[object]) -> str:
    """A hash of JSON values for use in a file name."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


@functools.cache  # TensorRT keeps its first logger for the lifetime of the process
def _logger(trt: Any) -> Any:
    """Forwards TensorRT's messages to ``logging`` and keeps errors, which its calls report only as False or None."""
    severities = trt.ILogger.Severity
    levels = {
        severities.INTERNAL_ERROR: logging.ERROR,
        severities.ERROR: logging.ERROR,
        severities.WARNING: logging.INFO,
        severities.INFO: logging.DEBUG,
    }

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=3)

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity)
            if level is None:
                return
            if level == logging.ERROR:
                self.errors.append(message.strip())
                level = logging.INFO  # the exception that follows reports it; without one it is not an error for us
            _log.log(level, "TensorRT: %s", message.strip())

        def cause(self) -> str:
            return "; ".join(self.errors) or "no reason given"

    return Logger()


def _monitor(trt: Any, name: str) -> Any:
    """Logs the progress of a build in steps of 10 %; None if TensorRT has no progress monitor."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.interrupted = False
            self._lock = threading.Lock()  # TensorRT calls from its own threads
            self._phases: dict[str, list[int]] = {}  # name -> steps, steps done; the outermost phase first
            self._logged = 0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._phases[phase_name] = [max(num_steps, 1), 0]

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                with self._lock:
                    if phase_name in self._phases:
                        self._phases[phase_name][1] = step + 1
                    self._tell()
            except KeyboardInterrupt:  # must not propagate through TensorRT, which stops on False
                self.interrupted = True
            return not self.interrupted

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._phases.pop(phase_name, None)

        def _tell(self) -> None:
            share = 0.0
            for steps, done in reversed(self._phases.values()):  # a step in progress is as far as its inner phase
                share = min(1.0, (done + share) / steps)
            if (tenth := int(10 * share)) > self._logged:
                self._logged = tenth
                _log.info("building the TensorRT engine of %s: %d %%", name, 10 * tenth)

    return Monitor()
