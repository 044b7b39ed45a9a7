"""NVIDIA's driver, asked through its own library: which GPU is there, and which CUDA the driver supports."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from text2sign_ros.inference.backends.base import BackendError

LIBRARY = "libcuda.so.1"
"""Comes with the driver, not with CUDA; a path in tests."""
_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76
"""Numbers of attributes in CUDA's enumeration ``CUdevice_attribute``."""
_NAME_BYTES = 256


@dataclass(frozen=True)
class Gpu:
    """A GPU, and its driver.

    Attributes:
        name: "Orin".
        identity: see ``identity``.
        cuda: the newest version of CUDA that the driver supports, (major, minor).
    """

    name: str
    identity: str
    cuda: tuple[int, int]


def identity(name: str, major: int, minor: int, multiprocessors: int) -> str:
    """What an engine is built for. Modules of one family may share name and compute capability, as those of Orin do."""
    return f"{name} {major}.{minor} with {multiprocessors} multiprocessors"


def first_gpu() -> Gpu:
    """The GPU that CUDA programs use unless told otherwise.

    Raises:
        BackendError: NVIDIA's driver is not installed, or finds no GPU.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise BackendError(f"NVIDIA's driver can't be loaded ({error}): install it, or use the CPU") from error

    def call(function: str, *arguments: object) -> None:
        if code := getattr(library, function)(*arguments):
            raise BackendError(
                f"NVIDIA's driver finds no GPU ({function} returns {code}): check with nvidia-smi whether the GPU and "
                "its driver work, and in a container whether it was started with the GPU, or use the CPU"
            )

    def attribute(which: int) -> int:
        call("cuDeviceGetAttribute", ctypes.byref(number), which, device)
        return number.value

    number, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDeviceGetName", name, _NAME_BYTES, device)
    call("cuDriverGetVersion", ctypes.byref(number))
    cuda = number.value // 1000, number.value % 1000 // 10
    found = identity(name.value.decode(), attribute(_MAJOR), attribute(_MINOR), attribute(_MULTIPROCESSORS))
    return Gpu(name.value.decode(), found, cuda)
