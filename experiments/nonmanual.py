"""What head and brows do in marked texts, to look at: their curves over time, and the face at its fullest.

``python -m text2sign_ros.evaluation.nonmanual --bundle models/asl_cafe --pictures docs``
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.inference.signer import Signer

SHOWN = (
    "hello. You get coffee? Thank you.",
    "hello. How much coffee? Thank you.",
    "hello. No coffee. Thank you.",
    "hello. [affirmation]You get coffee.[/affirmation] Thank you.",
)
"""What is shown, each beside itself as a plain statement."""

_FACE_LINES = [(a, b) for a, b in skeleton.BONES if a in range(11, 37) and b in range(11, 37)]
_BROWS = [i for i, name in enumerate(skeleton.KEYPOINTS) if "brow" in name]
_EYES = [i for i, name in enumerate(skeleton.KEYPOINTS) if name in ("left_eye", "right_eye")]
_NOSE = skeleton.INDEX["nose"]


def _angles(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Yaw to the left and pitch downwards of the way from between the ears to the nose, degrees."""
    ears = motion[:, [skeleton.INDEX["left_ear"], skeleton.INDEX["right_ear"]]].mean(axis=1)
    x, y, z = (motion[:, _NOSE] - ears).T
    return np.degrees(np.arctan2(y, x)), -np.degrees(np.arctan2(z, np.hypot(x, y)))


def _brows(motion: np.ndarray) -> np.ndarray:
    """Millimetres from the eyes to the brows."""
    return 1000 * np.linalg.norm(motion[:, _BROWS].mean(axis=1) - motion[:, _EYES].mean(axis=1), axis=-1)


def draw(signer: Signer, path: Path, seed: int) -> None:
    """A row a text: curves of brows, yaw and pitch beside those of the plain statement, and the face at its fullest."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.2 * len(SHOWN)), layout="constrained")
    rows = figure.subplots(len(SHOWN), 4, width_ratios=(3, 3, 3, 2.2), squeeze=False)
    for row, text in zip(rows, SHOWN, strict=True):
        bare = text.replace("[affirmation]", "").replace("[/affirmation]", "")
        plan = signer.plan(text)
        marked, plain = (
            np.concatenate(list(signer.stream(signer.plan(each), seed=seed)))
            for each in (text, f"[plain]{bare}[/plain]")
        )
        ends = np.cumsum([0, *(frames for _, frames in signer.timeline(plan))]) / signer.fps
        for axes, name, curves in zip(
            row,
            ("brows above the eyes, mm", "head to its left, degrees", "head downwards, degrees"),
            zip(*((_brows(m), *_angles(m)) for m in (plain, marked)), strict=True),
            strict=False,
        ):
            for curve, colour, label in zip(curves, ("#999999", "#b4563c"), ("plain", "marked"), strict=True):
                axes.plot(np.arange(len(curve)) / signer.fps, curve, color=colour, label=label)
            for start, stop, segment in zip(ends, ends[1:], plan.segments, strict=False):
                axes.axvspan(start, stop, color="#3f6ea8", alpha=0.12 if segment.manner.markers else 0.0, lw=0)
            low, high = axes.get_ylim()
            least = 16.0 if "mm" in name else 30.0
            axes.set_ylim((low + high - least) / 2, (low + high + least) / 2) if high - low < least else None
            axes.set(title=name, xlabel="seconds")
        row[0].set_ylabel(re.sub(r"(?<=[.?\]]) |\](?! )", lambda m: m[0].strip() + "\n", text), fontsize=8)
        frame = np.linalg.norm(marked - plain, axis=-1)[:, [*_BROWS, _NOSE]].sum(axis=1).argmax()
        for pose, colour in ((plain[frame], "#999999"), (marked[frame], "#b4563c")):
            for a, b in _FACE_LINES:
                row[3].plot(pose[[a, b], 1], pose[[a, b], 2], color=colour, lw=2)
        row[3].set(title=f"face at {frame / signer.fps:.1f} s", aspect="equal", xticks=[], yticks=[])
    rows[0][0].legend()
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/asl_cafe"))
    parser.add_argument("--pictures", type=Path, default=Path("docs"), help="folder to write into")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw(Signer(options.bundle), options.pictures / "nonmanual.png", options.seed)


if __name__ == "__main__":
    main()
