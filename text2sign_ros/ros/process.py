"""The process of a node, from command line to exit code."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from text2sign_ros.errors import Text2SignError
from text2sign_ros.ros import log_folder
from text2sign_ros.ros.executor import SideExecutor

_SPINNING = {__name__, SideExecutor.__module__}


def run(
    name: str,
    make: Callable[[ExitStack], Node],
    args: list[str] | None = None,
    executor: Callable[[], Executor] = SingleThreadedExecutor,
) -> int:
    """Spin a node until SIGINT or SIGTERM.

    Args:
        name: of the node, for messages before the node exists.
        make: creates the node, and registers its cleanup with the stack.
        args: command line; None is the process's own.
        executor: creates the executor that spins it.

    Returns:
        Exit code: 0 after a signal, 1 if the node can't start, after one line that says why.
    """
    try:
        log_folder.ensure(name)
        rclpy.init(args=args)
    except RuntimeError as error:  # rclpy's RCLError: arguments or a parameters file that can't be read
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    spinner, stack = None, ExitStack()
    try:
        # Created before the long start: if SIGTERM came first, rclpy would print a traceback from a half-made executor.
        spinner = executor()
        try:
            node = make(stack)
        except (Text2SignError, ParameterException) as error:
            if not rclpy.ok():
                raise
            rclpy.logging.get_logger(name).fatal(str(error))
            return 1
        spinner.add_node(node)
        # Not rclpy.spin: one SIGTERM in thirty does not wake an executor that waits without a timeout.
        while rclpy.ok():
            try:
                spinner.spin_once(timeout_sec=0.5)
            except ValueError as error:  # noqa: PERF203
                if not _is_conversion(error):
                    raise
                node.get_logger().warning(f"a message or a request is ignored: {error}", throttle_duration_sec=5.0)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():
            raise
        # else a signal came while something was being created or published, and its context is gone
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleanup
        if spinner is not None:
            spinner.shutdown()  # waits for running callbacks
        stack.close()
        rclpy.try_shutdown()
    return 0


def _is_conversion(error: ValueError) -> bool:
    """Whether rclpy failed to convert a message from outside, with no code of a node involved.

    rclpy's own callbacks raise this for a /clock below zero and for a parameter of an invalid type, so one message from
    anyone would end the node. Whatever a node's own callback raises, or rclpy called by it, is a bug and ends the
    process.
    """
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    while modules and modules[0] in _SPINNING:
        modules.pop(0)
    return bool(modules) and all(map(_is_middleware, modules))


def _is_middleware(module: str) -> bool:
    """Whether a module is rclpy's, of generated messages, or of the standard library, which these use."""
    package, *inner = module.split(".")
    return package == "rclpy" or package in sys.stdlib_module_names or inner[:1] in (["msg"], ["srv"], ["action"])
