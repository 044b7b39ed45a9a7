"""A custom backend: this one runs another backend and records how long each segment takes.

python examples/custom_backend.py "hello can i get a coffee"

The attribute name, the methods sample and close, and your own constructor are all that an accelerator needs.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from text2sign_ros import Backend, Bundle, Signer, default_bundle
from text2sign_ros.inference.backends import open_backend
from text2sign_ros.inference.feed import Feed


class TimedBackend:
    """Runs ``inner`` and records the milliseconds of each segment."""

    def __init__(self, inner: Backend) -> None:
        self.name = f"{inner.name}, timed"
        self.milliseconds: list[float] = []
        self._inner = inner

    def sample(self, feed: Feed) -> tuple[np.ndarray, np.ndarray]:
        began = time.perf_counter()
        codes, positions = self._inner.sample(feed)
        self.milliseconds.append(1e3 * (time.perf_counter() - began))
        return codes, positions

    def close(self) -> None:
        self._inner.close()


def main() -> None:
    folder = default_bundle()
    backend = TimedBackend(open_backend("cpu", folder, Bundle.load(folder)))
    signer = Signer(folder, backend=backend)
    clip = signer.sign(" ".join(sys.argv[1:]) or "hello")
    print(f"{signer.backend}: {len(clip)} frames in {len(backend.milliseconds)} segments", end=", ")
    print(f"{np.median(backend.milliseconds):.1f} ms a segment (median)")
    signer.close()


if __name__ == "__main__":
    main()
