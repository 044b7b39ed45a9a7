"""The trained networks as ONNX: U-Net step, decoder, duration, and all of sampling fused into one graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from text2sign_ros.networks.duration import DurationPredictor
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.networks.unet import NUM_ROLES, UNet

OPSET = 18
UNET_INPUTS = ("x", "time", "roles", "tokens", "mask", "sentence")


class Step(nn.Module):
    """The U-Net with its text: what a distilled network is for."""

    def __init__(self, unet: UNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, time: Tensor, roles: Tensor, tokens: Tensor, mask: Tensor, sentence: Tensor) -> Tensor:
        return self.unet(x, time, roles, tokens, mask, sentence, torch.ones_like(time))


class Decoder(nn.Module):
    """Standardised codes (B, D, N) to positions (B, T, 79, 3) in metres."""

    def __init__(self, vae: SignVAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, codes: Tensor) -> Tensor:
        return self.vae.from_codes(codes)


def export_unet(unet: UNet, path: Path) -> None:
    """U-Net step: inputs ``UNET_INPUTS`` with batch and N free, output ``noise``."""
    config = unet.config
    batch, codes = torch.export.Dim("batch"), torch.export.Dim("quarter_codes") * 2 ** (len(config.channels) - 1)
    example = (
        torch.randn(2, config.latent_dim, 32),
        torch.tensor([10.0, 900.0]),
        torch.ones(2, NUM_ROLES, 32),
        torch.randn(2, config.max_tokens, config.text_dim),
        torch.ones(2, config.max_tokens),
        torch.randn(2, config.text_dim),
    )
    shapes = [{0: batch} for _ in UNET_INPUTS]
    shapes[0] = shapes[2] = {0: batch, 2: codes}
    _export(Step(unet).eval(), example, path, list(UNET_INPUTS), ["noise"], tuple(shapes))


def export_decoder(vae: SignVAE, path: Path) -> None:
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
        del node.metadata_props[:]  # stack traces of the machine that exported
        node.doc_string = ""
    del model.graph.value_info[:]
    weights = path.with_suffix(".weights")
    weights.unlink(missing_ok=True)
    onnx.save_model(model, path, save_as_external_data=True, location=weights.name, size_threshold=1024)
    onnx.checker.check_model(path)


def fuse(unet_path: Path, decoder_path: Path, config, path: Path) -> None:
    """One graph that samples and decodes, its weights those in the files of the two graphs given.

    Inputs: noise (1, D, N); prefix (1, D, N) and roles (1, 3, N), whose second channel says which codes are given;
    tokens (1, L, 384), mask (1, L), sentence (1, 384); table (S, 6) of ``samplers.solver_table``.
    Outputs: codes (1, D, N) and positions (1, T, 79, 3). The Loop runs as many steps as the table has rows.
    """
    unet = onnx.load(unet_path, load_external_data=False)
    decoder = onnx.load(decoder_path, load_external_data=False)
    dim, tokens, text = config.latent_dim, config.max_tokens, config.text_dim
    before = [
        helper.make_node("Slice", ["roles", "c_1", "c_2", "c_1"], ["given"]),
        helper.make_node("Sub", ["c_one", "given"], ["free"]),
        helper.make_node("Mul", ["prefix", "given"], ["clean_prefix"]),
        helper.make_node("Mul", ["noise", "free"], ["free_noise"]),
        helper.make_node("Add", ["free_noise", "clean_prefix"], ["start"]),
        helper.make_node("Sub", ["start", "start"], ["nothing"]),
        helper.make_node("Shape", ["table"], ["steps_vector"], start=0, end=1),
        helper.make_node("Squeeze", ["steps_vector"], ["steps"]),
    ]
    feed = {name: name for name in UNET_INPUTS} | {"time": "r_time"}
    unet_nodes, unet_weights = _inline(unet.graph, "unet/", feed, {"noise": "epsilon"})
    body_nodes = [
        helper.make_node("Gather", ["table", "step"], ["row"], axis=0),
        helper.make_node("Split", ["row"], ["r_time", "r_a", "r_b", "r_keep", "r_new", "r_old"], num_outputs=6, axis=0),
        *unet_nodes,
        helper.make_node("Mul", ["x", "r_a"], ["ax"]),
        helper.make_node("Mul", ["epsilon", "r_b"], ["b_epsilon"]),
        helper.make_node("Sub", ["ax", "b_epsilon"], ["clean"]),
        helper.make_node("Mul", ["x", "r_keep"], ["kept"]),
        helper.make_node("Mul", ["clean", "r_new"], ["new"]),
        helper.make_node("Mul", ["previous", "r_old"], ["old"]),
        helper.make_node("Sum", ["kept", "new", "old"], ["stepped"]),
        helper.make_node("Mul", ["stepped", "free"], ["free_stepped"]),
        helper.make_node("Add", ["free_stepped", "clean_prefix"], ["x_out"]),
        helper.make_node("Identity", ["go_on"], ["go_on_out"]),
    ]
    shape = [1, dim, "N"]
    body = helper.make_graph(
        body_nodes,
        "step",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("previous", TensorProto.FLOAT, shape),
        ],
        [
            helper.make_tensor_value_info("go_on_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x_out", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("clean", TensorProto.FLOAT, shape),
        ],
    )
    decoder_nodes, decoder_weights = _inline(decoder.graph, "decoder/", {"codes": "codes"}, {"positions": "positions"})
    # TensorRT refuses a Loop whose condition is left out.
    loop = helper.make_node("Loop", ["steps", "c_true", "start", "nothing"], ["codes", "last_clean"], body=body)
    constants = {
        "c_1": np.array([1]),
        "c_2": np.array([2]),
        "c_one": np.array(1.0, np.float32),
        "c_true": np.array(True),
    }
    graph = helper.make_graph(
        [*before, loop, *decoder_nodes],
        "text2sign",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
            for name, dims in {
                "noise": shape,
                "prefix": shape,
                "roles": [1, NUM_ROLES, "N"],
                "tokens": [1, tokens, text],
                "mask": [1, tokens],
                "sentence": [1, text],
                "table": ["S", 6],
            }.items()
        ],
        [
            helper.make_tensor_value_info("codes", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("positions", TensorProto.FLOAT, [1, "T", 79, 3]),
        ],
        initializer=[onnx.numpy_helper.from_array(v, k) for k, v in constants.items()] + unet_weights + decoder_weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=unet.ir_version)
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(path)


def _inline(
    graph: onnx.GraphProto, prefix: str, inputs: dict[str, str], outputs: dict[str, str]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes and weights of a graph with its inputs and outputs renamed as told and all else prefixed."""
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
