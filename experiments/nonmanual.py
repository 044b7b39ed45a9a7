"""Head and brows in marked texts: curves over time, and the face at its largest deviation from the plain statement.

``python -m experiments.nonmanual``
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from text2sign_ros import palette, skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.inference.signer import Signer
from text2sign_ros.motion.timeline import MARKER, Timeline

SHOWN = (
    "hello. You get coffee? Thank you.",
    "hello. How much coffee? Thank you.",
    "hello. No coffee. Thank you.",
    "hello. [affirmation]You get coffee.[/affirmation] Thank you.",
)
"""The texts shown by default, each compared with itself as a plain statement."""

_NOSE = skeleton.INDEX["nose"]


def _angles(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Yaw to the left and pitch downwards of the vector from between the ears to the nose, degrees."""
    ears = motion[:, skeleton.EARS].mean(axis=1)
    x, y, z = (motion[:, _NOSE] - ears).T
    return np.degrees(np.arctan2(y, x)), -np.degrees(np.arctan2(z, np.hypot(x, y)))


def _brows(motion: np.ndarray) -> np.ndarray:
    """Millimetres from the eyes to the brows."""
    return 1000 * np.linalg.norm(
        motion[:, skeleton.BROWS].mean(axis=1) - motion[:, skeleton.EYES].mean(axis=1), axis=-1
    )


def draw(signer: Signer, texts: Sequence[str], path: Path, seed: int) -> None:
    """Draw a row for each text: brows, yaw and pitch against the plain statement; the face where they differ most."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.2 * len(texts)), layout="constrained")
    rows = figure.subplots(len(texts), 4, width_ratios=(3, 3, 3, 2.2), squeeze=False)
    for row, text in zip(rows, texts, strict=True):
        bare = re.sub(r"\[/?\w+\]", "", text)
        timeline = Timeline()
        marked = np.concatenate(list(signer.stream(signer.plan(text), seed=seed, timeline=timeline)))
        plain = np.concatenate(list(signer.stream(signer.plan(f"[plain]{bare}[/plain]"), seed=seed)))
        spans = {(part.start, part.end) for part in timeline.take() if part.kind == MARKER and part.end is not None}
        for axes, name, curves in zip(
            row,
            ("brows above the eyes, mm", "head to its left, degrees", "head downwards, degrees"),
            zip(*((_brows(m), *_angles(m)) for m in (plain, marked)), strict=True),
            strict=False,
        ):
            for curve, colour, label in zip(curves, (palette.GREY, palette.WARM), ("plain", "marked"), strict=True):
                axes.plot(np.arange(len(curve)) / signer.fps, curve, color=colour, label=label)
            for start, end in spans:
                axes.axvspan(start / signer.fps, end / signer.fps, color=palette.COOL, alpha=0.12, lw=0)
            low, high = axes.get_ylim()
            least = 16.0 if "mm" in name else 30.0
            axes.set_ylim((low + high - least) / 2, (low + high + least) / 2) if high - low < least else None
            axes.set(title=name, xlabel="seconds")
        row[0].set_ylabel(re.sub(r"(?<=[.?\]]) |\](?! )", lambda m: m[0].strip() + "\n", text), fontsize=8)
        frame = np.linalg.norm(marked - plain, axis=-1)[:, [*skeleton.BROWS, _NOSE]].sum(axis=1).argmax()
        for pose, colour in ((plain[frame], palette.GREY), (marked[frame], palette.WARM)):
            for a, b in skeleton.GROUP_BONES["face"]:
                row[3].plot(pose[[a, b], 1], pose[[a, b], 2], color=colour, lw=2)
        row[3].set(title=f"face at {frame / signer.fps:.1f} s", aspect="equal", xticks=[], yticks=[])
    rows[0][0].legend()
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=80)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw nonmanual.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/asl"))
    parser.add_argument("--pictures", type=Path, default=Path("docs"), help="folder to write into")
    parser.add_argument("--texts", nargs="+", default=SHOWN, help="texts to show")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    draw(Signer(options.bundle), options.texts, options.pictures / "nonmanual.png", options.seed)


if __name__ == "__main__":
    main()
