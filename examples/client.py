"""Send a text to a running signer and follow it: its chunks as they arrive, how it ended, which frames showed what.

python examples/client.py "hello can i get a coffee"
"""

from __future__ import annotations

import sys

from text2sign_ros.ros.client import SignerClient


def main() -> int:
    with SignerClient("/signer") as signer:
        goal = signer.submit(" ".join(sys.argv[1:]) or "hello", timeout=30.0)
        for arrival in goal.follow():
            chunk = arrival.chunk  # decoded: positions (frames, 79, 3) in metres, and when the first frame is due
            print(f"{1e-9 * chunk.stamp_ns:.2f} s: {len(chunk.positions)} frames")
        result = goal.result()
        print(result.status.name, result.reason, *result.warnings)
        if goal.captions is not None:
            for part in goal.captions.parts:
                print(f"frames {part.start_frame} to {part.end_frame}: {part.kind} {part.text}")
        return 0 if result.succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
