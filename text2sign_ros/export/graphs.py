"""The trained networks as ONNX: U-Net step, decoder, duration, and the whole of sampling fused into one graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from text2sign_ros.networks.duration import DurationPredictor
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.networks.unet import NUM_ROLES, UNet, UNetConfig
from text2sign_ros.skeleton import NUM_KEYPOINTS

OPSET = 18
Shape = list[int | str]
UNET_INPUTS = ("x", "time", "roles", "tokens", "mask", "sentence")


class Step(nn.Module):
    """The U-Net always conditioned on its text, as a distilled network is used."""

    def __init__(self, unet: UNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, time: Tensor, roles: Tensor, tokens: Tensor, mask: Tensor, sentence: Tensor) -> Tensor:
        return self.unet(x, time, roles, tokens, mask, sentence, torch.ones_like(mask[:, 0]))


class Decoder(nn.Module):
    """Standardised codes (B, D, N) to positions (B, T, 79, 3) in metres."""

    def __init__(self, vae: PoseVAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, codes: Tensor) -> Tensor:
        return self.vae.from_codes(codes)


def export_unet(unet: UNet, path: Path) -> None:
    """U-Net step: inputs ``UNET_INPUTS`` with dynamic batch and N, output ``noise``."""
    config = unet.config
    multiple = 2 ** (len(config.channels) - 1)
    batch, codes = torch.export.Dim("batch"), torch.export.Dim("quarter_codes") * multiple
    example = (
        torch.randn(2, config.latent_dim, 8 * multiple),
        torch.tensor([10.0, 900.0]),
        torch.ones(2, NUM_ROLES, 8 * multiple),
        torch.randn(2, config.max_tokens, config.text_dim),
        torch.ones(2, config.max_tokens),
        torch.randn(2, config.text_dim),
    )
    length = torch.export.Dim("tokens", max=config.max_tokens)
    shapes = [{0: batch} for _ in UNET_INPUTS]
    shapes[0] = shapes[2] = {0: batch, 2: codes}
    shapes[3] = shapes[4] = {0: batch, 1: length}
    _export(Step(unet).eval(), example, path, list(UNET_INPUTS), ["noise"], tuple(shapes))


def export_decoder(vae: PoseVAE, path: Path) -> None:
    """Decoder: input ``codes`` (B, D, N), output ``positions`` (B, T, 79, 3)."""
    example = (torch.randn(2, vae.config.latent_dim, 32),)
    shapes = ({0: torch.export.Dim("batch"), 2: torch.export.Dim("codes")},)
    _export(Decoder(vae).eval(), example, path, ["codes"], ["positions"], shapes)


def export_duration(duration: DurationPredictor, tokens: int, text_dim: int, path: Path) -> None:
    """Duration: inputs ``tokens`` (B, L, 384) and ``mask`` (B, L), output ``seconds`` (B,)."""
    batch = torch.export.Dim("batch")
    example = (torch.randn(2, tokens, text_dim), torch.ones(2, tokens))
    _export(duration, example, path, ["tokens", "mask"], ["seconds"], ({0: batch}, {0: batch}))


def _export(
    module: nn.Module, example: tuple[Tensor, ...], path: Path, inputs: list[str], outputs: list[str], shapes: tuple
) -> None:
    program = torch.onnx.export(
        module,
        example,
        input_names=inputs,
        output_names=outputs,
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes=shapes,
        verbose=False,
    )
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces from the exporting machine
        node.doc_string = ""
    del model.graph.value_info[:]
    weights = path.with_suffix(".weights")
    weights.unlink(missing_ok=True)
    onnx.save_model(model, path, save_as_external_data=True, location=weights.name, size_threshold=1024)
    onnx.checker.check_model(path)


def fuse(unet_path: Path, decoder_path: Path, config: UNetConfig, folder: Path) -> None:
    """Write ``step.onnx`` and ``fused.onnx``, which use the weight files of the two given graphs.

    ``step.onnx`` is one row of a solver's table (``samplers.solver_table``) on codes, some of which may be given.
    Inputs: x and previous (1, D, N), row (6,), prefix (1, D, N) and roles (1, 3, N), whose second channel marks the
    given codes; tokens (1, L, 384), mask (1, L), sentence (1, 384). Outputs: x_out and clean, the next step's x and
    previous. The first x is the noise with the given codes inserted, the first previous is zeros.

    ``fused.onnx`` is a Loop around it, followed by the decoder. Inputs: noise instead of x and previous, table (S, 6)
    instead of row. Outputs: codes (1, D, N) and positions (1, T, 79, 3). What is the same in every step is
    computed before the Loop.
    """
    unet = onnx.load(unet_path, load_external_data=False)
    decoder = onnx.load(decoder_path, load_external_data=False)
    codes: Shape = [1, config.latent_dim, "N"]
    row: Shape = [6]
    table: Shape = ["S", 6]
    shapes: dict[str, Shape] = {
        "prefix": codes,
        "roles": [1, NUM_ROLES, "N"],
        "tokens": [1, "L", config.text_dim],
        "mask": [1, "L"],
        "sentence": [1, config.text_dim],
    }
    constants = [
        onnx.numpy_helper.from_array(value, name)
        for name, value in {"c_1": np.array([1]), "c_2": np.array([2]), "c_one": np.array(1.0, np.float32)}.items()
    ]
    feed = {name: name for name in UNET_INPUTS} | {"time": "r_time"}
    nodes, weights = _inline(unet.graph, "unet/", feed, {"noise": "epsilon"})
    given = [
        helper.make_node("Slice", ["roles", "c_1", "c_2", "c_1"], ["given"]),
        helper.make_node("Sub", ["c_one", "given"], ["free"]),
        helper.make_node("Mul", ["prefix", "given"], ["clean_prefix"]),
    ]
    step = [
        *given,
        helper.make_node("Split", ["row"], ["r_time", "r_a", "r_b", "r_keep", "r_new", "r_old"], num_outputs=6, axis=0),
        *nodes,
        helper.make_node("Mul", ["x", "r_a"], ["ax"]),
        helper.make_node("Mul", ["epsilon", "r_b"], ["b_epsilon"]),
        helper.make_node("Sub", ["ax", "b_epsilon"], ["clean"]),
        helper.make_node("Mul", ["x", "r_keep"], ["kept"]),
        helper.make_node("Mul", ["clean", "r_new"], ["new"]),
        helper.make_node("Mul", ["previous", "r_old"], ["old"]),
        helper.make_node("Sum", ["kept", "new", "old"], ["stepped"]),
        helper.make_node("Mul", ["stepped", "free"], ["free_stepped"]),
        helper.make_node("Add", ["free_stepped", "clean_prefix"], ["x_out"]),
    ]
    graph = helper.make_graph(
        step,
        "step",
        _floats({"x": codes, "previous": codes, "row": row} | shapes),
        _floats({"x_out": codes, "clean": codes}),
        initializer=constants + weights,
    )
    _save(graph, unet.ir_version, folder / "step.onnx")

    before, body = _hoist(step, varying={"x", "previous", "row"})
    loop = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "step"], ["row"], axis=0),
            *body,
            helper.make_node("Identity", ["go_on"], ["go_on_out"]),
        ],
        "steps",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            *_floats({"x": codes, "previous": codes}),
        ],
        [helper.make_tensor_value_info("go_on_out", TensorProto.BOOL, []), *_floats({"x_out": codes, "clean": codes})],
    )
    decoder_nodes, decoder_weights = _inline(decoder.graph, "decoder/", {"codes": "codes"}, {"positions": "positions"})
    graph = helper.make_graph(
        [
            *before,
            helper.make_node("Mul", ["noise", "free"], ["free_noise"]),
            helper.make_node("Add", ["free_noise", "clean_prefix"], ["start"]),
            helper.make_node("Sub", ["start", "start"], ["nothing"]),
            helper.make_node("Shape", ["table"], ["steps_vector"], start=0, end=1),
            helper.make_node("Squeeze", ["steps_vector"], ["steps"]),
            # TensorRT rejects a Loop without a condition.
            helper.make_node("Loop", ["steps", "c_true", "start", "nothing"], ["codes", "last_clean"], body=loop),
            *decoder_nodes,
        ],
        "text2sign",
        _floats({"noise": codes, "table": table} | shapes),
        _floats({"codes": codes, "positions": [1, "T", NUM_KEYPOINTS, 3]}),
        initializer=[*constants, onnx.numpy_helper.from_array(np.array(True), "c_true"), *weights, *decoder_weights],
    )
    _save(graph, unet.ir_version, folder / "fused.onnx")


def _floats(shapes: dict[str, Shape]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def _save(graph: onnx.GraphProto, ir_version: int, path: Path) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=ir_version)
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(path)


def _hoist(nodes: list[onnx.NodeProto], varying: set[str]) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """Split ordered nodes into those that do not depend on ``varying`` and those that do."""
    varying = set(varying)
    same, changing = [], []
    for node in nodes:
        if varying.isdisjoint(node.input):
            same.append(node)
        else:
            changing.append(node)
            varying.update(node.output)
    return same, changing


def _inline(
    graph: onnx.GraphProto, prefix: str, inputs: dict[str, str], outputs: dict[str, str]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes and weights of a graph with its inputs and outputs renamed as given and all other names prefixed."""
    names = inputs | outputs

    def rename(name: str) -> str:
        return names.get(name, prefix + name) if name else ""

    nodes, weights = [], []
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = prefix + node.name
        copy.input[:] = [rename(name) for name in node.input]
        copy.output[:] = [rename(name) for name in node.output]
        nodes.append(copy)
    for weight in graph.initializer:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(weight)
        tensor.name = rename(weight.name)
        weights.append(tensor)
    return nodes, weights
