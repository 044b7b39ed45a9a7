"""Sign a text to a file, without ROS; then read the file as a player would.

python examples/sign_to_file.py "hello can i get a coffee" --out out/coffee.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

from text2sign_ros import KEYPOINTS, SignClip, Signer, default_bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--out", type=Path, default=Path("out/signed.npz"), help="a .npz or .pose file")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same motion")
    arguments = parser.parse_args()

    Signer(default_bundle()).sign(arguments.text, seed=arguments.seed).save(arguments.out)

    clip = SignClip.load(arguments.out)
    wrist = clip.positions[:, KEYPOINTS.index("right_wrist")]  # (frames, 3) metres: to the viewer, to the left, up
    print(f"{arguments.out}: {len(clip)} frames, {clip.duration:.1f} s, right wrist up to {wrist[:, 2].max():.2f} m")


if __name__ == "__main__":
    main()
