"""Variants of a bundle in lower precision: fp16 for GPUs, int8 weights for disk space, each compared with fp32."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, external_data_helper, helper, numpy_helper

from text2sign_ros.export.card import CARD
from text2sign_ros.export.writing import ExportError, describe, write_bundle
from text2sign_ros.inference.backends.onnx import CPU, FusedBackend, StepwiseBackend
from text2sign_ros.inference.bundle import Bundle, UnitSettings
from text2sign_ros.inference.feed import Feed, feed
from text2sign_ros.inference.noise import smooth_noise
from text2sign_ros.inference.samplers import alphas_cumprod, solver_table
from text2sign_ros.text import SentenceEncoder
from text2sign_ros.text.sentences import EXAMPLES

PRECISIONS = ("fp16", "int8")
RMS_BOUND_MM, LARGEST_BOUND_MM = 1.0, 10.0
"""How far a variant's keypoints may be from those of fp32. The SignVAE's own reconstruction error of hands is 4 mm on
average, so these bounds are negligible beside it."""
SEEDS = (0, 1, 2)

_NETWORKS = ("step.onnx", "decoder.onnx")
_GRAPHS = (*_NETWORKS, "fused.onnx")
_COPIED = (".onnx", ".weights")
_PRODUCTS = ("Conv", "Gemm", "MatMul")
_EXTERNAL = 1024
"""Weights of at least this many bytes are stored outside the graph, in a file that the graphs share."""
_SENSITIVE = 2**16
"""Convolutions with fewer weights keep them in float32. These are the input and output layers of the networks and the
skip next to the output: one in 17 weights, and all five whose rounding alone moves the keypoints by 0.18 mm or more
(RMS)."""

_EXACT = ("whiten", "plan")
"""In the names of weights that keep float32: whitening blows up what hardly varies (rounded it moved the keypoints by
3 mm, RMS), and the plan (``networks.unet``) says most of what the codes will be."""

_log = logging.getLogger(__name__)


class PrecisionError(ExportError):
    """A variant can't be made from this bundle, or differs too much from it."""


@dataclass(frozen=True)
class Difference:
    """How far a variant is from fp32 on the same texts and noise, over all new codes and frames.

    Attributes:
        codes_largest, codes_rms: difference of the standardised codes.
        positions_largest_mm, positions_rms_mm: distance of the keypoints.
    """

    codes_largest: float
    codes_rms: float
    positions_largest_mm: float
    positions_rms_mm: float

    def __str__(self) -> str:
        return (
            f"keypoints {self.positions_rms_mm:.2g} mm off (RMS; {self.positions_largest_mm:.2g} at most), "
            f"codes {self.codes_rms:.2g} ({self.codes_largest:.2g} at most)"
        )


def derive(bundle: Path, out: Path, precision: str) -> Difference:
    """Write a variant of a bundle, whole or not at all; an older bundle at ``out`` is replaced. Needs no torch.

    Inputs and outputs stay float32, and so does all arithmetic except matrix products (convolutions, linear layers,
    attention): the squares in the norms, the angles of the time embedding and a solver whose first step multiplies by
    15 need the precision, and are little work.

    "fp16": matrix products have inputs, outputs and stored weights in half precision. For GPUs; a CPU has to convert
    back and forth and is slower.

    "int8": weights of matrix products are stored in 8 bits, symmetric, with a float32 scale for each output channel,
    except for a few small convolutions and the layers that say what a text means; arithmetic and speed are those of
    fp32. For disk space, downloads and a smaller engine. Int8 activations too (static QDQ, calibrated by largest
    values) were tried with another model: keypoints were at least 5 mm off instead of 0.5, or 20 mm without zero
    points, the only kind that TensorRT accepts; and a CPU was slower.

    Args:
        bundle: folder of a bundle in fp32.
        out: folder of the variant; its name in ``bundle.json`` is the bundle's with the precision appended.
        precision: one of ``PRECISIONS``.

    Returns:
        the difference, measured by ``compare``.

    Raises:
        BundleError: the bundle is missing or damaged.
        ExportError: ``out`` is something other than an older bundle.
        PrecisionError: an unknown precision; the bundle is itself a variant; or the difference exceeds
            ``RMS_BOUND_MM`` or ``LARGEST_BOUND_MM``.
    """
    bundle, out = Path(bundle), Path(out)
    if precision not in PRECISIONS:
        raise PrecisionError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    about = Bundle.load(bundle)
    with write_bundle(out, source=bundle, card=bundle / CARD) as folder:
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            # onnx refuses weight files with several hard links, as uv installs them.
            source = Path(temporary) / "source"
            shutil.copytree(bundle, source, ignore=lambda _, names: [n for n in names if not n.endswith(_COPIED)])
            rewritten = _rewrite(source, folder, precision)
        for name in (about.files.keys() | about.evaluation_files.keys()) - rewritten:
            if name in about.files or (bundle / name).is_file():
                shutil.copyfile(bundle / name, folder / name)
        describe(folder, replace(about, name=f"{about.name}_{precision}"))
        difference = compare(bundle, folder)
        _log.info("%s of %s: %s", precision, bundle, difference)
        rms, largest = difference.positions_rms_mm, difference.positions_largest_mm
        if not (rms <= RMS_BOUND_MM and largest <= LARGEST_BOUND_MM):  # NaN is refused as well
            raise PrecisionError(
                f"in {precision}, {bundle} has {difference}; {RMS_BOUND_MM:g} mm ({LARGEST_BOUND_MM:g} at most) are "
                "allowed: use it in fp32"
            )
    return difference


def compare(reference: Path, other: Path, *, seeds: tuple[int, ...] = SEEDS) -> Difference:
    """Run two bundles of the same networks, by the fused graph and step by step, on inputs as in signing.

    For each seed the reference signs random texts of its vocabulary, one in every bucket, each continuing from the
    codes of the one before, the first from rest.

    Raises:
        BundleError: one of them is missing or damaged.
        BackendError: ONNX Runtime can't load one.
    """
    about, variant = Bundle.load(reference), Bundle.load(other)
    expected = FusedBackend(reference, about, threads=1)
    got = FusedBackend(other, variant, threads=1), StepwiseBackend(other, variant, provider=CPU, threads=1)
    given, codes, distances = about.prefix_codes, [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        prefix = np.repeat(np.array(about.rest_code, np.float32)[:, None], given, axis=1)
        for inputs in _feeds(reference, about, rng):
            inputs["prefix"][0, :, :given] = prefix
            want_codes, want_positions = expected.sample(inputs)
            for backend in got:
                got_codes, got_positions = backend.sample(inputs)
                codes.append((got_codes - want_codes)[..., given:].ravel())
                new = slice(given * about.stride, None)
                distances.append(np.linalg.norm(got_positions - want_positions, axis=-1)[:, new].ravel())
            prefix = want_codes[0, :, -given:]
    code, distance = np.concatenate(codes), 1e3 * np.concatenate(distances)
    return Difference(
        codes_largest=float(np.abs(code).max()),
        codes_rms=float(np.sqrt(np.square(code).mean())),
        positions_largest_mm=float(distance.max()),
        positions_rms_mm=float(np.sqrt(np.square(distance).mean())),
    )


def _feeds(folder: Path, about: Bundle, rng: np.random.Generator) -> Iterator[Feed]:
    """One segment that fills each bucket, signs and letters alternating; the caller inserts the prefix."""
    encoder = SentenceEncoder(folder, max_tokens=about.max_tokens, threads=1)
    steps = about.presets[about.preset]
    table = solver_table("lcm", alphas_cumprod(about.timesteps, about.beta_start, about.beta_end), steps)
    given = about.prefix_codes
    for number, frames in enumerate(about.buckets):
        total = frames // about.stride
        text = encoder.encode([_text(about, frames - given * about.stride, number, rng)])
        noise = smooth_noise((about.latent_dim, total - given), about.temperature, about.noise_smoothing, rng)
        yield feed(text, table, np.zeros((about.latent_dim, given), np.float32), noise, total)


def _text(about: Bundle, frames: int, number: int, rng: np.random.Generator) -> str:
    """A text that takes about this many frames to sign: signs and letters alternating, or common words."""
    settings = about.segmenter
    if isinstance(settings, UnitSettings):
        kinds = ((settings.signs, settings.frames_per_sign), (settings.letters, settings.frames_per_letter))
        units, length = kinds[number % 2] if settings.letters else kinds[0]
        return " ".join(rng.choice(units, min(settings.max_units, max(1, frames // length))))
    count = int(frames / (settings.frames_per_character * 6))
    return " ".join(rng.choice(EXAMPLES, min(max(1, count), about.max_tokens)))


def _rewrite(bundle: Path, folder: Path, precision: str) -> set[str]:
    """Write the bundle's graphs and their weights in another precision; returns the names of the files."""
    models = {name: onnx.load(bundle / name, load_external_data=False) for name in _GRAPHS}
    for model in models.values():
        if {weight.data_type for weight in model.graph.initializer} & {TensorProto.FLOAT16, TensorProto.INT8}:
            raise PrecisionError("this bundle is itself a variant; make this one from the bundle in fp32")
    # Identified by their place in the shared weight files, because their names differ in the fused graph.
    quantisable = {place for name in _NETWORKS for place in _quantisable_weights(models[name].graph)}
    shared = _SharedWeights()
    for name, model in models.items():
        places = {weight.name: _place(weight) for weight in model.graph.initializer if weight.external_data}
        external_data_helper.load_external_data_for_model(model, str(bundle))
        _Rewriter(model.graph, {weight for weight, place in places.items() if place in quantisable}, precision).run()
        shared.move_out(model.graph, {weight: location for weight, (location, _) in places.items()})
        (folder / name).write_bytes(model.SerializeToString())
    shared.save(folder)
    for name in _GRAPHS:
        onnx.checker.check_model(folder / name)
    return {*_GRAPHS, *shared.names}


def _quantisable_weights(graph: GraphProto) -> set[tuple[str, str]]:
    """Places of a network's weights that tolerate int8."""
    weights = {weight.name: weight for weight in graph.initializer}
    used = (
        (node, weights[node.input[1]]) for node in graph.node if node.op_type in _PRODUCTS and node.input[1] in weights
    )
    return {
        _place(weight)
        for node, weight in used
        if weight.external_data
        and not any(name in weight.name for name in _EXACT)
        and (node.op_type != "Conv" or math.prod(weight.dims) >= _SENSITIVE)
    }


def _place(weight: TensorProto) -> tuple[str, str]:
    """(file, offset) of an external weight."""
    entries = {entry.key: entry.value for entry in weight.external_data}
    return entries["location"], entries.get("offset", "0")


class _Rewriter:
    """Converts one graph, including the bodies of its loops, to another precision, in place.

    Args:
        graph: with all its weights loaded.
        quantisable: weights of matrix products that tolerate int8.
        precision: one of ``PRECISIONS``.
    """

    def __init__(self, graph: GraphProto, quantisable: set[str], precision: str) -> None:
        self._graph, self._quantisable = graph, quantisable
        self._rewrite_product = {"fp16": self._fp16, "int8": self._int8}[precision]
        self._weights = {weight.name: weight for weight in graph.initializer}
        self._first: list[NodeProto] = []  # nodes placed before all others, outside of loops, so that they run once

    def run(self) -> None:
        self._rewrite(self._graph)
        nodes = [*self._first, *self._graph.node]
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        used = _inputs(self._graph)
        kept = [weight for name, weight in self._weights.items() if name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _rewrite(self, graph: GraphProto) -> None:
        nodes: list[NodeProto] = []
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH:
                    self._rewrite(attribute.g)
            nodes.extend(self._rewrite_product(node) if node.op_type in _PRODUCTS else [node])
        del graph.node[:]
        graph.node.extend(nodes)

    def _fp16(self, node: NodeProto) -> Iterator[NodeProto]:
        for i, name in enumerate(node.input):
            half = f"{name}/fp16"
            if name in self._weights:
                self._weights[half] = numpy_helper.from_array(
                    numpy_helper.to_array(self._weights[name]).astype(np.float16), half
                )
            else:
                half = f"{half}/{node.output[0]}"
                yield helper.make_node("Cast", [name], [half], name=half, to=TensorProto.FLOAT16)
            node.input[i] = half
        out = node.output[0]
        node.output[0] = f"{out}/fp16"
        yield node
        yield helper.make_node("Cast", list(node.output), [out], name=f"{out}/fp32", to=TensorProto.FLOAT)

    def _int8(self, node: NodeProto) -> Iterator[NodeProto]:
        name = node.input[1]
        if name in self._quantisable:
            node.input[1] = f"{name}/fp32"
            if f"{name}/int8" not in self._weights:
                self._first.append(self._dequantised(name, axis=_output_axis(node)))
        yield node

    def _dequantised(self, name: str, axis: int) -> NodeProto:
        """Add the parts of an int8 weight to the weights; returns the node that converts it back to float32."""
        integers, scale = int8_channels(numpy_helper.to_array(self._weights[name]), axis)
        zero = np.zeros(scale.shape, np.int8)  # optional by the standard, but required by TensorRT
        parts = {f"{name}/int8": integers, f"{name}/scale": scale, f"{name}/zero": zero}
        self._weights |= {part: numpy_helper.from_array(value, part) for part, value in parts.items()}
        out = f"{name}/fp32"
        return helper.make_node("DequantizeLinear", list(parts), [out], name=out, axis=axis)


def _output_axis(node: NodeProto) -> int:
    """The axis of the output channels in the weight of a matrix product."""
    rows_first = node.op_type == "Conv" or any(a.name == "transB" and a.i for a in node.attribute)
    return 0 if rows_first else 1


def int8_channels(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantise symmetrically by the maximum: int8 of the weight's shape, and a float32 scale per index of ``axis``."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.maximum(np.abs(weight).max(axis=others, keepdims=True), 1e-12) / 127.0
    return np.rint(weight / scale).astype(np.int8), scale.ravel().astype(np.float32)


def _inputs(graph: GraphProto) -> set[str]:
    """Input names of the nodes of the graph and of its loops."""
    names = {name for node in graph.node for name in node.input}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                names |= _inputs(attribute.g)
    return names


class _SharedWeights:
    """Files of weights that several graphs share: the same bytes are stored once."""

    def __init__(self) -> None:
        self._blocks: dict[str, dict[bytes, int]] = {}  # file -> content -> offset, in order
        self._sizes: dict[str, int] = {}

    @property
    def names(self) -> set[str]:
        """Names of the files."""
        return set(self._blocks)

    def move_out(self, graph: GraphProto, locations: dict[str, str]) -> None:
        """Move a graph's larger weights to their files.

        Args:
            graph: with its weights loaded.
            locations: name of a weight in the original graph -> its file; weights derived from it go to the same file.
        """
        for weight in graph.initializer:
            location = locations.get(weight.name) or locations.get(weight.name.rpartition("/")[0])
            content = numpy_helper.to_array(weight).tobytes()
            if location is None or len(content) < _EXTERNAL:
                continue
            blocks = self._blocks.setdefault(location, {})
            if content not in blocks:
                blocks[content] = self._sizes.get(location, 0)
                self._sizes[location] = blocks[content] + len(content) + -len(content) % 64
            weight.raw_data = content
            external_data_helper.set_external_data(weight, location, offset=blocks[content], length=len(content))
            weight.ClearField("raw_data")

    def save(self, folder: Path) -> None:
        """Write the files."""
        for name, blocks in self._blocks.items():
            with (folder / name).open("wb") as file:
                for content, offset in blocks.items():
                    file.seek(offset)
                    file.write(content)
