"""Reader for ``.pose`` files of MediaPipe Holistic: those of sign-language-processing, and of the Public DGS Corpus
as they prepare it.

A folder of ``.pose`` files, each with its sentence: in ``<name>_metadata.json`` (``sentence: german``, and timed
glosses), in ``<name>.txt``, or in a table ``sentences.tsv`` or ``sentences.csv`` with columns ``file`` and ``text``
(and ``signer``, ``block``, ``split``). Where nothing names the split, a name that begins with train, dev, val or test
does.

Points are found by their names, so that any choice of MediaPipe's will do: all 543 (pose, face, hands), 553 (with
irises), 576 and 586 (with world landmarks, which are not used), or the 178 of the DGS files. A single component of
178 unnamed points is taken as SLRTP-2025's, which has another order (``SLRTP``). MediaPipe's z is in another unit
than its x and y: it is multiplied by the header's depth, or by its width if it has no depth; how far a hand's points
are in front of its wrist is used, z of the body is not (``Depth.HANDS``).

Of the 79 keypoints the sets of 178 lack the nose: nose, tip and base have confidence 0. Eyes are the middles of their
corners, and ears where the face's outline meets them, if the pose has none. Masked points have confidence 0.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from text2sign_ros import holistic, skeleton
from text2sign_ros.clip import is_ours
from text2sign_ros.corpora.base import SPLITS, CorpusError, Depth, Recording

ABOUT = ".pose files of MediaPipe Holistic"
SOURCE = "MediaPipe Holistic keypoints (.pose)"
LICENCE = "as the corpus"
_TABLES = {"sentences.tsv": "\t", "sentences.csv": ","}
_SPLIT_NAMES = {"train": "train", "dev": "val", "val": "val", "test": "test"}
_BODY, _FACE = "POSE_LANDMARKS", "FACE_LANDMARKS"
_HANDS = {"left": "LEFT_HAND_LANDMARKS", "right": "RIGHT_HAND_LANDMARKS"}

_MESH = dict(zip(skeleton.KEYPOINTS[skeleton.GROUPS["face"]], holistic.GROUPS["face"][1], strict=True))
_INSTEAD = {"left_eye": (263, 362), "right_eye": (33, 133), "left_ear": (454,), "right_ear": (234,)}
"""Points of the face mesh whose middle stands for a point that a choice of points lacks."""

FACE_178 = tuple(name for name in holistic.COMPONENTS[_FACE] if name not in holistic.NOSE)
"""The 128 points of the face mesh in the sets of 178, in order."""
_HAND_NAMES = holistic.COMPONENTS["LEFT_HAND_LANDMARKS"]
Name = tuple[str, str]
"""Component and point."""
DGS: tuple[Name, ...] = (
    *((_BODY, f"{side}_{joint}") for joint in ("SHOULDER", "ELBOW", "WRIST", "HIP") for side in ("LEFT", "RIGHT")),
    *((_FACE, point) for point in FACE_178),
    *((hand, name) for hand in _HANDS.values() for name in _HAND_NAMES),
)
"""The 178 points in the order of the DGS files."""
SLRTP: tuple[Name, ...] = tuple(
    DGS[i] for i in (1, 3, 5, 0, 2, 4, 7, 6, *range(157, 178), *range(136, 157), *range(8, 136))
)
"""The same points in the order of the SLRTP-2025 challenge."""


def holds(folder: Path) -> bool:
    """Whether there are ``.pose`` files of MediaPipe's components."""
    first = sorted(folder.glob("**/*.pose"))[:1] if folder.is_dir() else []
    try:
        return bool(first) and _indices(_header_names(_pose(first[0]))) is not None
    except CorpusError:
        return False


def files(folder: Path) -> list[Path]:
    """The ``.pose`` files, and the table or the files with their sentences.

    Raises:
        CorpusError: there is none, or one has no sentence.
    """
    rows = _rows(folder, [])
    return [
        *(folder / name for name in _TABLES if (folder / name).is_file()),
        *(p for path, told in rows for p in (path, told["from"]) if p),
    ]


def recordings(folder: Path, *, fps: float = 0.0, notes: list[str] | None = None) -> Iterator[Recording]:
    """The files in the order of their names, or of the table; those without a sentence are left out, and noted.

    Raises:
        CorpusError: there is none with a sentence; one is damaged, shows several people or has other points.
        ModuleNotFoundError: ``pose-format`` is missing (extra ``files``).
    """
    notes = [] if notes is None else notes
    for path, told in _rows(folder, notes):
        points, confidence, rate = points_of(path)
        name = path.relative_to(folder).with_suffix("").as_posix()
        gloss, signer, block, split = (told[key] for key in ("gloss", "signer", "block", "split"))
        yield Recording(
            name, told["text"], gloss, signer, block or name, split, points, confidence, fps or rate, Depth.HANDS
        )


def points_of(path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Points (T, 79, 3) and confidence (T, 79) as those of ``Recording``, in the file's unit, and frames per second.

    Raises:
        CorpusError: the file is damaged, shows several people, or has points of something other than MediaPipe
        Holistic.
        ModuleNotFoundError: ``pose-format`` is missing (extra ``files``).
    """
    pose = _pose(path)
    names = _header_names(pose)
    index = _indices(names)
    if index is None:
        raise CorpusError(
            f"{path} has {len(names)} points that are not MediaPipe Holistic's: {', '.join(n for _, n in names[:4])}, …"
        )
    if pose.body.data.shape[1] != 1:
        raise CorpusError(f"{path} shows {pose.body.data.shape[1]} people; one is expected")
    data = np.ma.filled(pose.body.data.astype(np.float64), 0.0)[:, 0]
    seen = np.asarray(pose.body.confidence, np.float64)[:, 0]
    masked = np.ma.getmaskarray(pose.body.data)[:, 0].any(axis=-1) & (seen > 0)
    seen = np.clip(np.where(masked, 0.0, seen), 0.0, 1.0)
    if data.shape[-1] < 2 or not np.isfinite(data).all() or not np.isfinite(seen).all():
        raise CorpusError(f"{path} has {data.shape[-1]} coordinates a point, or holds NaN or infinity")
    depth = data[..., 2] if data.shape[-1] > 2 else np.zeros(data.shape[:2])
    size = pose.header.dimensions
    unit = float(size.depth or size.width) if _is_fraction(data, depth, index) else 1.0
    found = np.stack((-unit * depth, data[..., 0], -data[..., 1]), axis=-1)
    points = np.zeros((len(found), skeleton.NUM_KEYPOINTS, 3), np.float32)
    confidence = np.zeros(points.shape[:2], np.float32)
    for keypoint, places in index.items():
        confidence[:, keypoint] = seen[:, places].min(axis=1)
        points[:, keypoint] = found[:, places].mean(axis=1)
    return points, confidence, float(pose.body.fps)


def _is_fraction(data: np.ndarray, depth: np.ndarray, index: dict[int, list[int]]) -> bool:
    """Whether z is a fraction of the picture: hands are as flat as paper."""
    hands = [places[0] for keypoint, places in index.items() if keypoint >= skeleton.HANDS.start]
    across = np.ptp(data[:, hands, 0], axis=1).mean()
    return bool(np.ptp(depth[:, hands], axis=1).mean() < 0.02 * across)


def _pose(path: Path) -> Any:
    from pose_format import Pose

    try:
        pose = Pose.read(path.read_bytes())
    except ModuleNotFoundError:
        raise
    except Exception as error:  # pose-format raises all kinds of exceptions for broken files
        raise CorpusError(f"{path} is no .pose file, or a damaged one: {type(error).__name__}: {error}") from error
    if is_ours(pose.header):  # which has names of MediaPipe's, and metres
        raise CorpusError(f"{path} is a clip of text2sign's own, not MediaPipe Holistic's: the reader is clips")
    return pose


def _header_names(pose: Any) -> list[Name]:
    components = pose.header.components
    if len(components) == 1 and len(components[0].points) == len(SLRTP) and components[0].name != _FACE:
        return list(SLRTP)
    return [(component.name, point) for component in components for point in component.points]


def _indices(names: list[Name]) -> dict[int, list[int]] | None:
    """Keypoint -> the points whose middle it is; None if arms or hands are not there."""
    at = {name: i for i, name in enumerate(names)}
    wanted: dict[str, Name] = {
        name: (_BODY, name.upper()) for name in skeleton.KEYPOINTS[: skeleton.GROUPS["body"].stop]
    }
    wanted |= {name: (_FACE, point) for name, point in _MESH.items()}
    found = {skeleton.INDEX[name]: [at[point]] for name, point in wanted.items() if point in at}
    for side, hand in skeleton.HAND.items():
        places = [at.get((_HANDS[side], name)) for name in _HAND_NAMES]
        joints = [skeleton.INDEX[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist")]
        if None in places or not set(joints) <= set(found):
            return None
        found |= {hand.start + k: [place] for k, place in enumerate(places) if place is not None}
    for name, points in _INSTEAD.items():
        if skeleton.INDEX[name] not in found and all((_FACE, str(point)) in at for point in points):
            found[skeleton.INDEX[name]] = [at[_FACE, str(point)] for point in points]
    return found


def _rows(folder: Path, notes: list[str]) -> list[tuple[Path, dict[str, Any]]]:
    """Each file with what is told of it."""
    table = next((folder / name for name in _TABLES if (folder / name).is_file()), None)
    if table:
        return [(folder / row["file"], {"gloss": "", **row, "from": None}) for row in _table(table)]
    rows, silent = [], 0
    for path in sorted(folder.glob("**/*.pose")):
        told = _beside(path)
        if told is None:
            silent += 1
            continue
        start = next(
            (word for word in _SPLIT_NAMES if path.relative_to(folder).as_posix().lower().startswith(word)), "train"
        )
        rows.append((path, {"signer": "", "block": "", "split": _SPLIT_NAMES[start], **told}))
    if not rows:
        raise CorpusError(
            f"{folder} has no .pose file with a sentence; give each a <name>.txt or <name>_metadata.json, or write a "
            "sentences.tsv"
        )
    if silent:
        notes.append(f"{silent} of {silent + len(rows)} .pose files have no sentence and are left out")
    return rows


def _beside(path: Path) -> dict[str, Any] | None:
    text, metadata = path.with_suffix(".txt"), path.with_name(f"{path.stem}_metadata.json")
    try:
        if text.is_file():
            said = text.read_text(encoding="utf-8").strip()
            return {"text": said, "gloss": "", "from": text} if said else None
        if not metadata.is_file():
            return None
        content = json.loads(metadata.read_text(encoding="utf-8"))
        sentence = content["sentence"]
        gloss = " ".join(map(str, sentence.get("glosses", {}).get("gloss", [])))
        said = str(sentence["german"]).strip()
        block = str(content.get("document_id", ""))
        return {"text": said, "gloss": gloss, "block": block, "from": metadata} if said else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f"the sentence of {path} can't be read: {type(error).__name__}: {error}") from error


def _table(table: Path) -> list[dict[str, str]]:
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter=_TABLES[table.name], restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table} can't be read: {error}") from error
    found = []
    for number, row in enumerate(rows, start=2):
        told = {"signer": "", "block": "", "split": "train"} | {k: (v or "").strip() for k, v in row.items() if k and v}
        if not told.get("file") or not told.get("text") or told["split"] not in SPLITS:
            raise CorpusError(
                f"{table}, line {number}: a file, its text, and a split out of {', '.join(SPLITS)} are needed"
            )
        if (
            Path(told["file"]).is_absolute()
            or ".." in Path(told["file"]).parts
            or not (table.parent / told["file"]).is_file()
        ):
            raise CorpusError(f"{table}, line {number}: there is no {told['file']} in {table.parent}")
        found.append(told)
    if not found:
        raise CorpusError(f"{table} lists no files")
    return found
