"""ONNX Runtime settings shared by all networks of a bundle."""

from __future__ import annotations

import onnxruntime


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options for a session that shares the CPU with other sessions and with ROS.

    Args:
        threads: threads of one run on the CPU.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Spinning threads would take CPU time from other sessions and from ROS.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Dequantise int8 weights once, at load. By default, recent versions of ONNX Runtime do so at every product and
    # round the activations to int8 as well, which costs accuracy: the cosine between the text encoder and its
    # original is 0.996 instead of 0.999.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = 3  # errors only: the optimiser warns about Loops that it leaves alone
    return options
