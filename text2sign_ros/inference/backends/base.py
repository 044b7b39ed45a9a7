"""What a backend is: it runs the sampling and the decoding of one segment."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from text2sign_ros.errors import Text2SignError
from text2sign_ros.inference.feed import Feed


class BackendError(Text2SignError):
    """A backend can't be had on this machine, or failed; the message says why and what helps."""


class Backend(Protocol):
    """Runs the networks of a bundle. Not thread-safe: one caller at a time.

    Attributes:
        name: what really runs, for people: "onnxruntime CPUExecutionProvider".
    """

    name: str

    def sample(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        """Run every step of ``feed["table"]`` and decode.

        Returns:
            codes (1, D, N), the given ones as given, and positions (1, T, 79, 3) in metres; the caller's to keep. What
            is beyond the codes that exist means nothing and may be left out.

        Raises:
            BackendError: the device failed.
        """
        ...

    def close(self) -> None:
        """Give back what the backend holds; it can't be used after that."""
        ...
