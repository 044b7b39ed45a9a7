"""Makes the files of asl_cafe from two public repositories.

    git clone https://github.com/traduttore/traduttore-model && git -C traduttore-model checkout c7c2f3eba1
    git clone https://github.com/tamtridung/ASL_SignWish && git -C ASL_SignWish checkout 641b923b05

Both are MIT-licensed ("Copyright (c) 2022 traduttore", "Copyright (c) 2021 Tam_Tran"); the notice must go with every
copy. They hold ``<folder>/<label>/<take>/<frame>.npy``: a flat float64 array of MediaPipe Holistic's landmarks,
33 of the pose (x, y, z, visibility) if there is a pose, then 21 of the left and 21 of the right hand (x, y, z).

The 25 landmarks of the upper body and both hands are kept, in half precision, with takes in the order of their labels
and numbers. Takes with the same landmarks as an earlier one are left out (all are zeros: nobody was seen), and so is
every fifth block of takes: ``models/asl`` was trained and measured without those.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text2sign_ros.corpora.base import CorpusError
from text2sign_ros.progress import progress_bar

_POSE, _UPPER_BODY, _HAND = (33, 4), 25, (21, 3)


@dataclass(frozen=True)
class Part:
    """One of the files to make.

    Attributes:
        file: its name, without suffix.
        repository: "traduttore" or "signwish".
        folder: of the labels, in the repository.
        frames: of each take.
        has_body: whether the landmarks of the pose are there.
        block: how many consecutive takes are kept or left out together.
    """

    file: str
    repository: str
    folder: str
    frames: int
    has_body: bool
    block: int


PARTS = (
    Part("words_and_letters", "traduttore", "MP_Data", frames=20, has_body=True, block=15),
    Part("letters_hands", "traduttore", "LETTER_Data", frames=20, has_body=False, block=15),
    Part("greetings", "signwish", "MP_Data", frames=24, has_body=True, block=16),
)


def prepare(traduttore: Path, signwish: Path, out: Path, *, progress: bool = True) -> dict[str, int]:
    """Write the three files to a new folder, whole or not at all.

    Args:
        traduttore: clone of traduttore/traduttore-model.
        signwish: clone of tamtridung/ASL_SignWish.
        out: the folder to create.

    Returns:
        the number of takes by file.

    Raises:
        CorpusError: ``out`` exists and is not empty; a clone is incomplete or another repository.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CorpusError(f"{out} already exists; remove it, or choose another --out")
    repositories = {"traduttore": traduttore, "signwish": signwish}
    takes = {part: _takes(part, repositories[part.repository] / part.folder) for part in PARTS}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        made = Path(temporary) / out.name
        made.mkdir()
        counts = {}
        for part in PARTS:
            bar = progress_bar(takes[part], desc=part.file, show=progress)
            arrays = _arrays(part, bar)
            counts[part.file] = len(arrays["take"])
            np.savez_compressed(made / f"{part.file}.npz", **arrays)  # type: ignore[arg-type]
        os.replace(made, out)
    return counts


def _takes(part: Part, folder: Path) -> list[Path]:
    """Folders of all takes of the blocks that are kept, in order."""
    labels = sorted(path for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []
    takes: list[Path] = []
    for label in labels:
        names = [path.name for path in label.iterdir() if path.name[0] != "."] if label.is_dir() else [""]
        if odd := [name for name in names if not name.isascii() or not name.isdigit()]:
            raise CorpusError(
                f"{label / odd[0]} is not the folder of a take; --{part.repository} must be a clean clone"
            )
        takes += [label / str(number) for number in sorted(map(int, names)) if number // part.block % 5 != 4]
    if not takes:
        raise CorpusError(
            f"{folder} is missing or empty; --{part.repository} must be a clone of the repository with all its files"
        )
    return takes


def _arrays(part: Part, takes: Iterator[Path]) -> dict[str, np.ndarray]:
    """The arrays of the file; see ``asl_cafe``."""
    labels, numbers, motions = [], [], []
    seen: set[bytes] = set()
    for take in takes:
        motion = _motion(part, take)
        if (content := motion.tobytes()) in seen:
            continue
        seen.add(content)
        labels.append(take.parent.name)
        numbers.append(int(take.name))
        motions.append(motion)
    values = np.stack(motions)
    arrays = {}
    if part.has_body:
        size = int(np.prod(_POSE))
        pose = values[..., :size].reshape(*values.shape[:2], *_POSE)
        arrays["pose"] = pose[:, :, :_UPPER_BODY].astype(np.float16)
        values = values[..., size:]
    for name, hand in zip(("left_hand", "right_hand"), np.split(values, 2, axis=-1), strict=True):
        arrays[name] = hand.reshape(*values.shape[:2], *_HAND).astype(np.float16)
    return arrays | {"label": np.array(labels), "take": np.array(numbers, np.int16)}


def _motion(part: Part, take: Path) -> np.ndarray:
    """(frames, numbers) float64 landmarks of a take."""
    size = 2 * int(np.prod(_HAND)) + part.has_body * int(np.prod(_POSE))
    frames = []
    for number in range(part.frames):
        path = take / f"{number}.npy"
        try:
            frame = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise CorpusError(
                f"{path} can't be read: {error}; --{part.repository} must be a clone with all its files"
            ) from error
        if frame.shape != (size,) or not np.issubdtype(frame.dtype, np.floating) or not np.isfinite(frame).all():
            raise CorpusError(
                f"{path} holds {frame.dtype} of shape {frame.shape}; {size} finite numbers are expected: check out the "
                "commit named in text2sign_ros/corpora/prepare_asl_cafe.py"
            )
        frames.append(frame)
    return np.stack(frames)
