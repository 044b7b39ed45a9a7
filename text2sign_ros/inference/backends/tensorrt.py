"""The native TensorRT backend: step and decoder engines chained on the GPU and replayed as one CUDA graph."""

from __future__ import annotations

import ctypes
import logging
import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros.inference.backends import engines
from text2sign_ros.inference.backends.base import JETSON, BackendError
from text2sign_ros.inference.backends.driver import identity
from text2sign_ros.inference.backends.engines import Shapes
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.inference.feed import Feed
from text2sign_ros.skeleton import NUM_KEYPOINTS

_log = logging.getLogger(__name__)

_COPIED = ("prefix", "roles", "tokens", "mask", "sentence")
"""Inputs of the step that are the same in every step."""
_GRAPHS = {
    "step": ("unet.weights", ("x", "previous", "row", *_COPIED)),
    "decoder": ("decoder.weights", ("codes",)),
}
"""File of the weights and inputs of each graph."""
_ALIGNMENT = 256
"""Bytes; TensorRT requires it for tensor addresses (``setTensorAddress``), so each row of the table is aligned too."""
_FLOAT = 4
"""Bytes of a float32, the type of all inputs and outputs."""


class TensorRTBackend:
    """Runs a bundle with NVIDIA's ``tensorrt`` and ``cuda-bindings`` alone. Not thread-safe: one caller at a time.

    For each length and number of steps there is one block of inputs and one of outputs, each copied in one go.
    The copies, steps and decoder are captured at the first run as one CUDA graph, which later runs replay.
    (A Loop inside an engine can't be captured, hence the chain.)

    Args:
        folder: the bundle's, or a copy.
        bundle: its description, verified.
        cache: folder for built engines (see ``engines.cached``).

    Raises:
        BackendError: there is no GPU, TensorRT or cuda-bindings, or the engines can't be built.
    """

    def __init__(self, folder: Path, bundle: Bundle, *, cache: Path) -> None:
        self._trt = engines.load_tensorrt()
        self._cuda = _Cuda()
        gpu, built_for = self._cuda.gpu()
        self.name = f"tensorrt {self._trt.__version__} on {gpu}"
        self._use_graphs = True
        self._shapes = {frames // bundle.stride: _shapes(bundle, frames // bundle.stride) for frames in bundle.buckets}
        self._contexts: dict[int, tuple[Any, Any]] = {}
        self._sequences: dict[tuple[int, int], _Sequence] = {}
        with ExitStack() as held:
            self._stream = self._cuda("cudaStreamCreateWithFlags", self._cuda.api.cudaStreamNonBlocking)
            held.callback(self._cuda.free, "cudaStreamDestroy", self._stream)
            held.callback(self._contexts.clear)
            step, decoder = (self._engine(graph, folder, bundle, built_for, cache) for graph in _GRAPHS)
            for profile, (codes, shapes) in enumerate(self._shapes.items()):
                self._contexts[codes] = self._context(step, profile, shapes), self._context(decoder, profile, shapes)
            self._cuda("cudaStreamSynchronize", self._stream)
            self._held = held.pop_all()

    def _engine(self, graph: str, folder: Path, bundle: Bundle, gpu: str, cache: Path) -> Any:
        """The engine of a graph, one profile for each length."""
        weights, inputs = _GRAPHS[graph]
        return engines.cached(
            folder / f"{graph}.onnx",
            [{name: shapes[name] for name in inputs} for shapes in self._shapes.values()],
            home=bundle.folder,
            sources=[bundle.files[f"{graph}.onnx"], bundle.files[weights]],
            gpu=gpu,
            cache=cache,
            trt=self._trt,
        )

    def _context(self, engine: Any, profile: int, shapes: Shapes) -> Any:
        """An execution context for one profile; its tensors are checked to have the given shapes."""
        context = engine.create_execution_context()
        if context is None:
            raise BackendError(f"{self.name} has no memory for an execution context; free some, or use another backend")
        if not context.set_optimization_profile_async(profile, int(self._stream)):
            raise BackendError(f"{self.name} refuses its own profile {profile}; delete the cached engines")
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        for name in names:
            is_input = engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT
            if is_input and not context.set_input_shape(name, shapes[name]):
                raise BackendError(f"{self.name} refuses {name} of shape {shapes[name]}; export the bundle again")
        for name in names:  # another shape or type would overrun its buffer
            shape, kind = tuple(context.get_tensor_shape(name)), engine.get_tensor_dtype(name)
            if shape != shapes[name] or kind != self._trt.float32:
                raise BackendError(
                    f"{self.name}: {name} is {kind} {shape} and must be float32 {shapes[name]}; export the bundle again"
                )
        return context

    def sample(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        codes, steps = feed["noise"].shape[-1], len(feed["table"])
        if codes not in self._shapes:
            raise BackendError(f"{self.name} has no engine for {codes} codes; the bundle has {list(self._shapes)}")
        if (codes, steps) not in self._sequences:
            self._sequences[codes, steps] = _Sequence(
                self._cuda, self._stream, *self._contexts[codes], self._shapes[codes], steps, self._held
            )
        sequence = self._sequences[codes, steps]
        result = sequence.run(feed)
        if self._use_graphs and not sequence.captured:
            try:
                sequence.capture()
            except BackendError as error:
                self._use_graphs = False
                _log.warning("%s can't capture a CUDA graph, signing is slightly slower: %s", self.name, error)
        return result

    def close(self) -> None:
        self._sequences.clear()
        self._held.close()


class _Sequence:
    """Buffers for one length and one number of steps, and the operations on them.

    Args:
        cuda: the CUDA runtime.
        stream: the CUDA stream to run on.
        step, decoder: execution contexts for that length, shared with sequences of other numbers of steps.
        shapes: of all tensors.
        steps: rows of the table.
        held: takes what has to be freed.
    """

    def __init__(
        self, cuda: _Cuda, stream: Any, step: Any, decoder: Any, shapes: Shapes, steps: int, held: ExitStack
    ) -> None:
        self._cuda, self._stream, self._step, self._decoder, self._held = cuda, stream, step, decoder, held
        self._graph: Any = None
        inputs = {name: shapes[name] for name in ("x", "previous", *_COPIED)}
        inputs["table"] = (steps, _ALIGNMENT // _FLOAT)
        self._inputs = _Block(cuda, inputs, held, host=True)
        self._outputs = _Block(cuda, {name: shapes[name] for name in ("codes", "positions")}, held, host=True)
        self._scratch = _Block(cuda, {name: shapes[name] for name in ("x", "previous")}, held)

    @property
    def captured(self) -> bool:
        """Whether there is a CUDA graph to replay."""
        return self._graph is not None

    def run(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        """Codes and positions of one segment."""
        given = feed["roles"][:, 1:2]
        values = {name: feed[name] for name in _COPIED}
        values["x"] = (1 - given) * feed["noise"] + given * feed["prefix"]
        values["previous"] = np.zeros_like(feed["noise"])
        for name, value in values.items():
            if value.shape != self._inputs.host[name].shape:
                raise BackendError(f"{name} has shape {value.shape}; it must be {self._inputs.host[name].shape}")
            self._inputs.host[name][:] = value
        self._inputs.host["table"][:, : feed["table"].shape[1]] = feed["table"]
        if self.captured:
            self._cuda("cudaGraphLaunch", self._graph, self._stream)
        else:
            self._enqueue()
        self._cuda("cudaStreamSynchronize", self._stream)
        return self._outputs.host["codes"].copy(), self._outputs.host["positions"].copy()

    def capture(self) -> None:
        """Capture a run as a CUDA graph. Call it after a first run, in which TensorRT initialises itself.

        Raises:
            BackendError: something in it can't be captured; runs go on without the graph.
        """
        # Other threads of the process may continue to use CUDA meanwhile.
        mode = self._cuda.api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._cuda("cudaStreamBeginCapture", self._stream, mode)
        try:
            self._enqueue()
        except BaseException:
            error, graph = self._cuda.api.cudaStreamEndCapture(self._stream)  # or the stream stays in capture mode
            if not int(error):
                self._cuda.free("cudaGraphDestroy", graph)
            raise
        graph = self._cuda("cudaStreamEndCapture", self._stream)
        try:
            self._graph = self._cuda("cudaGraphInstantiate", graph, 0)
        finally:
            self._cuda.free("cudaGraphDestroy", graph)
        self._held.callback(self._cuda.free, "cudaGraphExecDestroy", self._graph)

    def _enqueue(self) -> None:
        """Put a complete run on the stream. The steps alternate between writing to the scratch and to the inputs."""
        self._inputs.copy(self._stream, to_device=True)
        fixed = {name: self._inputs.address(name) for name in _COPIED}
        x, previous = self._inputs.address("x"), self._inputs.address("previous")
        spare = self._scratch.address("x"), self._scratch.address("previous")
        steps = len(self._inputs.host["table"])
        for number in range(steps):
            x_out, clean = spare
            if number == steps - 1:
                x_out = self._outputs.address("codes")
            row = self._inputs.address("table") + number * _ALIGNMENT
            tensors = {"x": x, "previous": previous, "row": row, "x_out": x_out, "clean": clean}
            self._execute(self._step, fixed | tensors)
            x, previous, spare = x_out, clean, (x, previous)
        names = ("codes", "positions")
        self._execute(self._decoder, {name: self._outputs.address(name) for name in names})
        self._outputs.copy(self._stream, to_device=False)

    def _execute(self, context: Any, addresses: dict[str, int]) -> None:
        for name, address in addresses.items():
            if not context.set_tensor_address(name, address):
                raise BackendError(f"TensorRT has no tensor {name}; export the bundle again with this version")
        if not context.execute_async_v3(int(self._stream)):
            raise BackendError("TensorRT can't run its engine; the log says more. Restart the node, or use the CPU")


class _Block:
    """Arrays of float32 in one block of GPU memory, and with ``host`` also in one of pinned memory.

    Args:
        cuda: the CUDA runtime.
        shapes: of the arrays.
        held: takes what has to be freed.
        host: whether there is a counterpart of the same layout in host memory.
    """

    def __init__(self, cuda: _Cuda, shapes: Shapes, held: ExitStack, *, host: bool = False) -> None:
        self._cuda, self._offsets = cuda, dict[str, int]()
        self._size = 0
        for name, shape in shapes.items():
            self._offsets[name] = self._size
            self._size += -(-_FLOAT * math.prod(shape) // _ALIGNMENT) * _ALIGNMENT
        self._device = cuda("cudaMalloc", self._size)
        held.callback(cuda.free, "cudaFree", self._device)
        self.host: dict[str, np.ndarray] = {}
        if host:
            self._pinned = cuda("cudaMallocHost", self._size)
            held.callback(cuda.free, "cudaFreeHost", self._pinned)
            floats = (ctypes.c_float * (self._size // _FLOAT)).from_address(self._pinned)
            memory = np.ctypeslib.as_array(floats)
            memory[:] = 0.0
            for name, shape in shapes.items():
                start = self._offsets[name] // _FLOAT
                self.host[name] = memory[start : start + math.prod(shape)].reshape(shape)

    def address(self, name: str) -> int:
        """Address of an array on the GPU."""
        return self._device + self._offsets[name]

    def copy(self, stream: Any, *, to_device: bool) -> None:
        """Copy all arrays to the GPU, or back."""
        kinds = self._cuda.api.cudaMemcpyKind
        ends = (self._device, self._pinned) if to_device else (self._pinned, self._device)
        kind = kinds.cudaMemcpyHostToDevice if to_device else kinds.cudaMemcpyDeviceToHost
        self._cuda("cudaMemcpyAsync", *ends, self._size, kind, stream)


class _Cuda:
    """NVIDIA's CUDA runtime through its own Python package, with errors as ``BackendError``.

    Attributes:
        api: the module, whose functions return (error, values ...).
    """

    def __init__(self) -> None:
        try:
            from cuda.bindings import runtime as api
        except ImportError:
            try:
                from cuda import cudart as api  # the name before CUDA 12.6
            except ImportError as error:
                raise BackendError(
                    f"NVIDIA's Python package cuda-bindings can't be loaded ({error}): "
                    f"pip install 'text2sign_ros[tensorrt]' (on a Jetson: {JETSON}), or use another backend"
                ) from error
        self.api: Any = api

    def __call__(self, function: str, *arguments: Any) -> Any:
        """Call a function; returns its result without the error code.

        Raises:
            BackendError: the function reports one.
        """
        try:
            error, *values = getattr(self.api, function)(*arguments)
        except RuntimeError as problem:  # the driver's library is missing
            raise BackendError(f"CUDA's {function} failed: {problem}; {_NO_DRIVER}") from problem
        if int(error):
            _, text = self.api.cudaGetErrorString(error)
            message = text.decode() if isinstance(text, bytes) else text
            remedy = _OLD_DRIVER if int(error) == _INSUFFICIENT_DRIVER else _NO_DRIVER
            raise BackendError(f"CUDA's {function} failed: {message}; {remedy}")
        return values[0] if values else None

    def free(self, function: str, handle: Any) -> None:
        """Free something; errors are only logged at debug level, since the device may have failed before."""
        try:
            self(function, handle)
        except BackendError as error:
            _log.debug("%s", error)

    def gpu(self) -> tuple[str, str]:
        """The name of the GPU in use, and what an engine is built for (``driver.identity``).

        Raises:
            BackendError: there is none.
        """
        if not self("cudaGetDeviceCount"):
            raise BackendError(f"there is no CUDA device; {_NO_DRIVER}")
        found = self("cudaGetDeviceProperties", self("cudaGetDevice"))
        name = found.name.rstrip(b"\0").decode()
        return name, identity(name, found.major, found.minor, found.multiProcessorCount)


_NO_DRIVER = "check with nvidia-smi whether the GPU and its driver work, or use another backend"
_INSUFFICIENT_DRIVER = 35
"""The CUDA runtime's error code where the driver is older than the runtime needs."""
_OLD_DRIVER = (
    "the installed cuda-bindings (or cuda-python) are for a newer CUDA than the driver's: install the version that "
    f"belongs to it (on a Jetson: {JETSON}), update the driver, or use another backend"
)


def _shapes(bundle: Bundle, codes: int) -> Shapes:
    """Shapes of all tensors of the step and the decoder for ``codes`` codes."""
    latent = (1, bundle.latent_dim, codes)
    return {
        **dict.fromkeys(("x", "previous", "prefix", "x_out", "clean", "codes"), latent),
        "row": (6,),
        "roles": (1, 3, codes),
        "tokens": (1, bundle.max_tokens, bundle.text_dim),
        "mask": (1, bundle.max_tokens),
        "sentence": (1, bundle.text_dim),
        "positions": (1, codes * bundle.stride, NUM_KEYPOINTS, 3),
    }
