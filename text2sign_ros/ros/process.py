"""The process of a node, from command line to exit code."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from text2sign_ros.errors import Text2SignError
from text2sign_ros.resources import version
from text2sign_ros.ros import log_folder, signals
from text2sign_ros.ros.executor import SideExecutor
from text2sign_ros.ros.parameters import Setting

_SPINNING = {__name__, SideExecutor.__module__}


def run(
    name: str,
    make: Callable[[ExitStack], Node],
    executor: Callable[[], Executor] = SingleThreadedExecutor,
    *,
    about: str | None = None,
    settings: Iterable[Setting] = (),
    arguments: Sequence[str] | None = None,
) -> int:
    """Spin a node, with the process's command line, until SIGINT or SIGTERM.

    While a node is made and configured, a signal takes effect at the next ``signals.check``, or when that is done.

    Args:
        name: of the node, for messages before the node exists.
        make: creates the node, and registers its cleanup with the stack.
        executor: creates the executor that spins it.
        about, settings: what the program does, and the node's parameters, for `--help`.
        arguments: the command line, its first word the program; None: the process's.

    Returns:
        Exit code: 0 after a signal, 1 if the node can't start, after one line that says why.

    Raises:
        SystemExit: with code 0 after `--help`; with 2 if the command line has words that are not ROS's, after a line
            that names them.
    """
    signals.hold()
    arguments = sys.argv if arguments is None else arguments
    try:
        if _parser(name, about, settings).parse_args(remove_ros_args(arguments)[1:]).version:
            print(f"text2sign_ros {version()}")
            return 0
        log_folder.ensure(name)
        rclpy.init(args=list(arguments), signal_handler_options=SignalHandlerOptions.NO)
    except (Text2SignError, RuntimeError) as error:  # the latter rclpy's: it can't read arguments or a parameters file
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        stack.callback(rclpy.try_shutdown)
        spinner = executor()
        signals.call(spinner.wake)
        try:
            try:
                node = make(stack)
            except (Text2SignError, ParameterException) as error:
                rclpy.logging.get_logger(name).fatal(str(error))
                return 1
            spinner.add_node(node)
            while rclpy.ok() and not signals.requested():
                try:
                    spinner.spin_once(timeout_sec=0.5)
                except ValueError as error:  # noqa: PERF203
                    if not _is_conversion(error):
                        raise
                    node.get_logger().warning(f"a message or a request is ignored: {error}", throttle_duration_sec=5.0)
        except (signals.StopRequested, ExternalShutdownException):
            pass
        finally:
            signals.ignore()
            spinner.shutdown()  # waits for running callbacks
            if signals.requested():
                rclpy.try_shutdown()  # a signal ends it in the middle of its work: nobody is told of what is left
    return 0


def _parser(name: str, about: str | None, settings: Iterable[Setting]) -> argparse.ArgumentParser:
    lines = [f"  {setting.name} ({setting.default!r}): {setting.description}" for setting in settings]
    parser = argparse.ArgumentParser(
        name,
        usage="%(prog)s [--help] [--version] [--ros-args ...]",
        description=about,
        epilog="\n".join(
            ["parameters, with their defaults (--ros-args -p NAME:=VALUE, or --params-file FILE):", *lines]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the package's version and exit")
    return parser


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
