"""Quality of the lift from MediaPipe to metres: bone lengths before and after, how far it moves keypoints, a picture.

``python -m experiments.lift --data data/asl_cafe --out docs/lift.png``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora import asl_cafe
from text2sign_ros.corpora.base import FPS
from text2sign_ros.corpora.mediapipe import lift
from text2sign_ros.drawing import contact_sheet
from text2sign_ros.motion.kinematics import bone_lengths

WORDS = ("hello", "can", "get", "large", "coffee", "tea", "water", "muffin", "please", "thank you", "b", "y")
_NOTICE = "real takes of asl_cafe, lifted from MediaPipe landmarks"
_SOURCE = asl_cafe.SOURCES[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the results as JSON and write a sheet of a take of each word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--takes", type=int, default=400, help="takes to measure (default: 400)")
    parser.add_argument("--words", nargs="+", default=WORDS, help="words to show")
    options = parser.parse_args(arguments)
    with np.load(options.data / f"{_SOURCE.file}.npz", allow_pickle=False) as data:
        hands = {side: data[f"{side}_hand"] for side in ("left", "right")}
        print(json.dumps(measure(data["pose"], hands, options.takes), indent=1))
    takes = [take for take in asl_cafe.read(options.data) if take.split == "test"]
    chosen = [next(take for take in takes if take.text == word) for word in options.words]
    clip = SignClip(
        np.concatenate([take.clip.positions for take in chosen]),
        np.concatenate([take.clip.confidence for take in chosen]),
        FPS,
    )
    contact_sheet(clip, [(take.text, len(take.clip)) for take in chosen], options.out, notice=_NOTICE)


def measure(pose: np.ndarray, hands: dict[str, np.ndarray], takes: int) -> dict[str, float]:
    """Spread of bone lengths within takes (standard deviation over mean, percent), and how far the lift moves points.

    "landmarks" are MediaPipe's raw numbers, x, y and z in their own units; "proportions" has the image's aspect ratio
    and the hands' depth corrected; "lifted" is the clip that the model is trained on. A random ``takes`` of the takes
    in which body and right hand were always seen are measured.
    """
    rng, source = np.random.default_rng(0), _SOURCE
    right = skeleton.GROUPS["right_hand"]
    whole = (np.abs(hands["right"]).sum(axis=(2, 3)) > 0).all(axis=1) & (np.abs(pose).sum(axis=(2, 3)) > 0).all(axis=1)
    spreads: dict[str, list[float]] = {"landmarks": [], "proportions": [], "lifted": []}
    moved, forward_before, forward_after = [], [], []
    for i in rng.choice(np.flatnonzero(whole), takes, replace=False):
        raw, hand = (a[i, source.first_frame :].astype(float) for a in (pose, hands["right"]))
        clip = lift(
            raw, {"right": hand, "left": np.zeros_like(hand)}, aspect=source.aspect,
            hand_depth=source.hand_depth, fps=asl_cafe.SOURCE_FPS,
        )  # fmt: skip
        across = (raw[:, 11, :2] - raw[:, 12, :2]) * (1.0, source.aspect)
        scale = skeleton.SHOULDER_WIDTH / np.median(np.linalg.norm(across, axis=-1))
        versions = {
            "landmarks": hand,
            "proportions": hand * (1.0, source.aspect, source.hand_depth),
            "lifted": clip.positions[:, right],
        }
        for name, points in versions.items():
            canvas = np.zeros((len(points), skeleton.NUM_KEYPOINTS, 3))
            canvas[:, right] = points
            lengths = bone_lengths(canvas)[:, -20:]
            spreads[name].append(float(np.median(lengths.std(axis=0) / lengths.mean(axis=0))))
        middle = raw[:, (11, 12), :2].mean(axis=1, keepdims=True)
        image = (hand[..., :2] - middle) * (scale, -source.aspect * scale)
        moved.append(np.linalg.norm(clip.positions[:, right, 1:] - image, axis=-1))
        forward_before.append((raw[:, (11, 12), 2].mean(axis=1) - raw[:, 16, 2]) * scale)
        forward_after.append(clip.positions[:, skeleton.INDEX["right_wrist"], 0])
    result = {f"bone_spread_{name}_percent": 100 * float(np.median(values)) for name, values in spreads.items()}
    result |= {
        "moved_in_image_median_mm": 1000 * float(np.median(np.concatenate(moved))),
        "moved_in_image_p95_mm": 1000 * float(np.percentile(np.concatenate(moved), 95)),
        "wrist_forward_landmarks_p95_m": float(np.percentile(np.concatenate(forward_before), 95)),
        "wrist_forward_lifted_p95_m": float(np.percentile(np.concatenate(forward_after), 95)),
    }
    return {name: round(value, 3) for name, value in result.items()}


if __name__ == "__main__":
    main()
