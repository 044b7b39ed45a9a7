"""Backends on ONNX Runtime: the fused graph on a CPU, the steps chained on a device."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from text2sign_ros.inference.backends.base import BackendError
from text2sign_ros.inference.backends.engines import NOT_KEPT, short_hash
from text2sign_ros.inference.bundle import Bundle
from text2sign_ros.inference.feed import Feed
from text2sign_ros.runtime import session_options

_log = logging.getLogger(__name__)

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


def session(
    path: Path,
    *,
    threads: int,
    provider: str = CPU,
    options: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> onnxruntime.InferenceSession:
    """A session that runs on ``provider``, without falling back to another.

    Args:
        path: the ONNX file.
        threads: threads of one run on the CPU.
        provider: ONNX Runtime's name of the execution provider.
        options: of the provider.
        home: folder of the bundle to name in messages if ``path`` is in a copy.

    Raises:
        BackendError: ONNX Runtime can't load the file, or does not have the provider.
    """
    providers: list[tuple[str, dict[str, str]]] = [(provider, dict(options or {}))]
    if provider == TENSORRT:
        providers.append((CUDA, {}))
    if provider != CPU:
        providers.append((CPU, {}))
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
    try:
        made = onnxruntime.InferenceSession(
            str(path),
            session_options(threads),
            providers=providers,
            enable_fallback=0,
            # ONNX Runtime 1.20 to 1.22 abort the process in this optimiser; it finds nothing to fuse in our graphs.
            disabled_optimizers=["ConvActivationFusion"],
        )
    except Exception as error:  # ONNX Runtime has no common base class for what a bad model can raise
        home = home or path.parent
        cause = str(error).replace(str(path.parent), str(home))
        raise BackendError(f"ONNX Runtime can't load {home / path.name}: {cause}") from error
    if made.get_providers()[0] != provider:  # a provider that fails to load is skipped without an exception
        raise BackendError(
            f"ONNX Runtime runs {path.name} on {made.get_providers()[0]} instead of {provider}: install "
            "onnxruntime-gpu in place of onnxruntime, and the CUDA (and TensorRT) libraries that its release notes name"
        )
    return made


class FusedBackend:
    """The fused graph in one session: one call per segment. For CPUs, where a Loop costs nothing.

    Args:
        folder: the bundle's, or a copy.
        bundle: its description.
        threads: threads of a run.

    Raises:
        BackendError: ONNX Runtime can't load the graph.
    """

    def __init__(self, folder: Path, bundle: Bundle, *, threads: int) -> None:
        self.name = f"onnxruntime {CPU}"
        self._multiple = bundle.code_multiple
        self._session = session(folder / "fused.onnx", threads=threads, home=bundle.folder)

    def sample(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        """See ``Backend``."""
        # Padding would only take time: it does not change the result.
        codes = -(-int(feed["roles"][0, 0].sum()) // self._multiple) * self._multiple
        tokens = max(1, int(feed["mask"].sum()))
        short = {name: feed[name][:, :, :codes] for name in ("noise", "prefix", "roles")}
        short |= {"tokens": feed["tokens"][:, :tokens], "mask": feed["mask"][:, :tokens]}
        made, positions = self._session.run(["codes", "positions"], feed | short)
        return made, positions

    def close(self) -> None:
        del self._session


class StepwiseBackend:
    """Step by step with everything on the device: inputs copied once per segment, steps between two pairs of buffers.

    For GPUs, where a Loop waits for the device in every iteration and can't be captured as a CUDA graph. With CUDA each
    bucket's step is captured at its first run and replayed from then on.

    Args:
        folder: the bundle's, or a copy.
        bundle: its description.
        provider: ONNX Runtime's name of the execution provider.
        threads: threads of what stays on the CPU.
        options: of the provider, for "step" and for "decoder".

    Raises:
        BackendError: the provider is unavailable.
    """

    def __init__(
        self,
        folder: Path,
        bundle: Bundle,
        *,
        provider: str,
        threads: int,
        options: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.name = f"onnxruntime {provider}"
        self._device = "cpu" if provider == CPU else "cuda"

        def load(graph: str, **more: str) -> onnxruntime.InferenceSession:
            own = {**(options or {}).get(graph, {}), **more}
            path, home = folder / f"{graph}.onnx", bundle.folder
            return session(path, threads=threads, provider=provider, options=own, home=home)

        self._decoder = load("decoder")
        self._graphs = provider == CUDA
        if self._graphs:
            try:
                self._step = load("step", enable_cuda_graph="1")
            except BackendError as error:
                _log.warning("CUDA graphs can't be used, signing is slightly slower: %s", error)
                self._graphs = False
        if not self._graphs:
            self._step = load("step")
        self._buckets: dict[int, _Bucket] = {}

    def sample(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        """See ``Backend``."""
        codes = feed["noise"].shape[-1]
        try:
            if codes not in self._buckets:
                first_graph = 1 + 2 * len(self._buckets) if self._graphs else None
                self._buckets[codes] = _Bucket(self._step, self._decoder, feed, self._device, first_graph)
            return self._buckets[codes].run(feed)
        except Exception as error:  # see session()
            raise BackendError(f"{self.name} failed: {error}") from error

    def close(self) -> None:
        self._buckets.clear()
        del self._step, self._decoder


class _Bucket:
    """Buffers and bindings for sequences of one length.

    Even steps go from the first pair of (x, previous) to the second, odd ones back.

    Args:
        step, decoder: sessions.
        feed: any input of that length.
        device: "cpu" or "cuda".
        first_graph: ID of the first of the two CUDA graphs to capture; None captures none.
    """

    def __init__(
        self,
        step: onnxruntime.InferenceSession,
        decoder: onnxruntime.InferenceSession,
        feed: Feed,
        device: str,
        first_graph: int | None,
    ) -> None:
        def empty(array: np.ndarray) -> onnxruntime.OrtValue:
            return onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(array.shape, np.float32), device, 0)

        self._step, self._decoder = step, decoder
        self._inputs = {name: empty(feed[name]) for name in ("prefix", "roles", "tokens", "mask", "sentence")}
        self._row = empty(feed["table"][0])
        self._zeros = np.zeros_like(feed["noise"])
        self._pairs = [(empty(self._zeros), empty(self._zeros)) for _ in range(2)]
        self._steps = []
        for number, (start, end) in enumerate((self._pairs, self._pairs[::-1])):
            binding, options = step.io_binding(), onnxruntime.RunOptions()
            fixed = self._inputs | {"row": self._row, "x": start[0], "previous": start[1]}
            for name, value in fixed.items():
                binding.bind_ortvalue_input(name, value)
            for name, value in zip(("x_out", "clean"), end, strict=True):
                binding.bind_ortvalue_output(name, value)
            if first_graph is not None:
                options.add_run_config_entry("gpu_graph_id", str(first_graph + number))
            self._steps.append((binding, options))
        self._decode = []
        for codes, _ in self._pairs:
            binding = decoder.io_binding()
            binding.bind_ortvalue_input("codes", codes)
            binding.bind_output("positions", device)
            self._decode.append(binding)

    def run(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        for name, value in self._inputs.items():
            value.update_inplace(np.ascontiguousarray(feed[name]))
        given = feed["roles"][:, 1:2]
        x, previous = self._pairs[0]
        x.update_inplace((1 - given) * feed["noise"] + given * feed["prefix"])
        previous.update_inplace(self._zeros)
        for number, row in enumerate(feed["table"]):
            self._row.update_inplace(np.ascontiguousarray(row))
            self._step.run_with_iobinding(*self._steps[number % 2])
        last = len(feed["table"]) % 2
        self._decoder.run_with_iobinding(self._decode[last])
        (positions,) = self._decode[last].copy_outputs_to_cpu()
        return self._pairs[last][0].numpy().copy(), positions


_TENSORRT_GRAPHS = ("step", "decoder")


def engine_options(bundle: Bundle, cache: Path, gpu: str) -> dict[str, dict[str, str]]:
    """Options of the TensorRT provider for each graph: one engine for all lengths, cached in a folder in ``cache``.

    ONNX Runtime names an engine by its graph and compute capability alone, and would load it for a bundle with other
    weights. So the folder name has a hash of what its engines are built from and for, and it replaces that of an
    earlier state of the same bundle. If the folder can't be created, a warning is logged, and nothing is cached.

    Args:
        bundle: its description.
        cache: folder of all engines.
        gpu: what they are built for: ``driver.identity``.
    """
    made_of = [bundle.files[name] for name in ("step.onnx", "unet.weights", "decoder.onnx", "decoder.weights")]
    lengths = [frames // bundle.stride for frames in bundle.buckets]
    shapes = [_shapes(bundle, graph, codes) for graph in _TENSORRT_GRAPHS for codes in lengths]
    key, place = short_hash([made_of, shapes, gpu]), short_hash([str(bundle.folder.resolve()), gpu])
    own_folder = cache / f"onnxruntime-{key}-{place}"
    folder = next(cache.glob(f"onnxruntime-{key}-*"), own_folder)  # a copy of the bundle finds the original's
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in cache.glob(f"onnxruntime-*-{place}"):
            if stale != folder:
                shutil.rmtree(stale)
    except OSError as error:
        _log.warning(NOT_KEPT, cache, error.strerror or error)
        caching = {}
    else:
        caching = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder), "trt_timing_cache_enable": "1"}
    options = {}
    for graph in _TENSORRT_GRAPHS:
        own = dict(caching)
        for which, frames in (("min", bundle.buckets[0]), ("opt", bundle.buckets[0]), ("max", bundle.buckets[-1])):
            own[f"trt_profile_{which}_shapes"] = _shapes(bundle, graph, frames // bundle.stride)
        options[graph] = own
    return options


def _shapes(bundle: Bundle, graph: str, codes: int) -> str:
    dim, tokens = bundle.latent_dim, bundle.max_tokens
    if graph == "decoder":
        return f"codes:1x{dim}x{codes}"
    free = ",".join(f"{name}:1x{dim}x{codes}" for name in ("x", "previous", "prefix"))
    return f"{free},roles:1x3x{codes},tokens:1x{tokens}x{bundle.text_dim},mask:1x{tokens}"
