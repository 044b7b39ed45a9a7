"""The node, context and thread of a client that was given no node."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions


def create_node(stack: ExitStack, name: str | None, use_sim_time: bool) -> Node:
    """A node in a context of its own; ``stack`` destroys both. Without ``name`` it gets a random one."""
    context = rclpy.Context()
    # Signals stay Python's own: Ctrl-C raises KeyboardInterrupt in whatever waits.
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    stack.callback(rclpy.try_shutdown, context=context)
    node = rclpy.create_node(
        name or f"signer_client_{secrets.token_hex(3)}",
        context=context,
        parameter_overrides=[Parameter("use_sim_time", value=use_sim_time)],
    )
    stack.callback(node.destroy_node)
    return node


def spinner(stack: ExitStack, node: Node, on_error: Callable[[Exception], None]) -> threading.Thread:
    """A thread, to be started by the caller, that spins ``node`` until ``stack`` stops and joins it.

    Args:
        stack: stops it.
        node: to spin.
        on_error: called with what a callback raised.
    """
    executor = SingleThreadedExecutor(context=node.context)
    stack.callback(executor.shutdown)
    executor.add_node(node)
    stopping = threading.Event()

    def spin() -> None:
        while not stopping.is_set() and node.context.ok():
            try:
                executor.spin_once(timeout_sec=0.1)
            except Exception as error:  # noqa: PERF203  as rclpy's own does at a /clock below zero
                on_error(error)

    thread = threading.Thread(target=spin, name="signer client", daemon=True)
    stack.callback(thread.join)
    stack.callback(stopping.set)
    return thread
