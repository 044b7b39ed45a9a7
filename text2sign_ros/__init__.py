"""Text in, sign-language motion out: real-time latent diffusion for ROS 2.

Sign a text, in three lines and without ROS::

    from text2sign_ros import Signer, default_bundle
    signer = Signer(default_bundle())
    signer.sign("hello can i get a coffee").save("coffee.npz")

The names exported here are the public API; changes to it are listed in CHANGELOG.rst. Everything is imported on
first use: importing the package itself is cheap and needs neither ONNX Runtime nor ROS 2.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

# Since 1.29 ONNX Runtime reports to its maker what it runs, from its first session on, unless this is set before.
# A robot reports to nobody; whoever wants it to sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from text2sign_ros.clip import SignClip
    from text2sign_ros.errors import Text2SignError
    from text2sign_ros.inference.backends.base import Backend
    from text2sign_ros.inference.bundle import Bundle
    from text2sign_ros.inference.signer import Signer
    from text2sign_ros.motion.limits import Limits
    from text2sign_ros.resources import default_bundle
    from text2sign_ros.skeleton import BONES, KEYPOINTS, REST_POSE

__version__ = "0.2.0"

__all__ = [
    "BONES",
    "KEYPOINTS",
    "REST_POSE",
    "Backend",
    "Bundle",
    "Limits",
    "SignClip",
    "Signer",
    "Text2SignError",
    "__version__",
    "default_bundle",
]

_HOMES = {
    "BONES": "skeleton",
    "KEYPOINTS": "skeleton",
    "REST_POSE": "skeleton",
    "Backend": "inference.backends.base",
    "Bundle": "inference.bundle",
    "Limits": "motion.limits",
    "SignClip": "clip",
    "Signer": "inference.signer",
    "Text2SignError": "errors",
    "default_bundle": "resources",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
