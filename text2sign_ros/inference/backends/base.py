"""The interface of a backend, which runs the sampling and decoding of one segment."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.feed import Feed

JETSON = "docs/jetson.md"
"""The page that error messages refer to for what to install on a Jetson."""


class BackendError(Text2SignError):
    """A backend is unavailable on this machine or failed; the message names the cause and the remedy."""


class Backend(Protocol):
    """Runs the networks of a bundle. Not thread-safe: one caller at a time.

    Attributes:
        name: what actually runs, for people to read: "onnxruntime CPUExecutionProvider".
    """

    name: str

    def sample(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        """Run every step of ``feed["table"]`` and decode.

        Returns:
            codes (1, D, N), those of the prefix unchanged, and positions (1, T, 79, 3) in metres; the caller owns both.
            Values beyond the codes that exist are meaningless and may be left out.

        Raises:
            BackendError: the device failed.
        """
        ...

    def close(self) -> None:
        """Release what the backend holds; it can't be used after that."""
        ...
