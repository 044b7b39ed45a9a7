"""ONNX Runtime as every network of a bundle runs on it."""

from __future__ import annotations

import onnxruntime


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options of a session that shares the processor with others and with ROS.

    Args:
        threads: threads of one run on the CPU.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Waiting threads that spin take the processor from the other sessions and from ROS.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Scale int8 weights back once, at load. Left to itself a recent ONNX Runtime does so at every product and rounds
    # the activations to int8 as well, which costs accuracy: the text encoder's cosine to its original is 0.996
    # instead of 0.999.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = 3  # errors only: the optimiser warns of Loops that it leaves alone
    return options
