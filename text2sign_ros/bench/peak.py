"""The highest speed at which ONNX Runtime multiplies matrices on one thread of this machine."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from text2sign_ros.bench.timing import milliseconds

SIZES = (64, 128, 256, 512, 1024)
"""Rows of the square matrices; those of the U-Net lie between the second and the third size."""


def matmul_gflops(runs: int) -> dict[str, float]:
    """GFLOP/s (float32) of a product with a constant square matrix, the best of ``runs``, by size."""
    return {str(size): _gflops(size, runs) for size in SIZES}


def _gflops(size: int, runs: int) -> float:
    rng = np.random.default_rng(0)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, size]) for name in ("x", "y")]
    weight = onnx.numpy_helper.from_array(rng.standard_normal((size, size), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "matmul", values[:1], values[1:], initializer=[weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = onnxruntime.OrtValue.ortvalue_from_numpy(rng.standard_normal((size, size), np.float32))
    binding = session.io_binding()  # no allocation, no copy: the product alone
    binding.bind_ortvalue_input("x", x)
    binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_shape_and_type([size, size], np.float32))
    best = milliseconds(lambda: session.run_with_iobinding(binding), runs).min()
    return 2 * size**3 / (1e6 * best)
