"""What a corpus holds, and what is wrong with it: `text2sign corpus inspect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.corpora import registry
from text2sign_ros.corpora.base import SPLITS, CorpusError, Depth, Recording
from text2sign_ros.corpora.lifting import check, lift, scaled
from text2sign_ros.progress import progress_bar

SHOWN = 6
"""Sequences in the picture."""
GUESSED = 0.2
"""Confidence below which a keypoint is more guessed than seen."""

_BONES = {
    "upper arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "palm": ("hand_root", "middle_mcp"),
    "index, first bone": ("index_mcp", "index_pip"),
}
_NAMED = {
    f"{side} {bone}": (f"{side}_{a}", f"{side}_{b}") for bone, (a, b) in _BONES.items() for side in ("left", "right")
}
_LOST, _UNEVEN, _ONE_SIDED = 0.25, 0.25, 0.7


@dataclass(frozen=True)
class Bone:
    """Length of a bone at shoulders of ``skeleton.SHOULDER_WIDTH``, metres: median, and its relative standard
    deviation within a recording (median over recordings)."""

    length: float
    spread: float


@dataclass(frozen=True)
class Inspection:
    """What a corpus holds.

    Attributes:
        reader: its name in ``registry.READERS``; ``about`` says what that format is.
        depth: what the source knows of depth.
        counts: recordings by split.
        frames: of all recordings.
        fps: frames per second, lowest and highest.
        seconds: durations: shortest, median, 95th percentile, longest.
        missing, guessed: by group of keypoints, shares of confidence 0, and of confidence above 0 and below
        ``GUESSED``.
        never: keypoints that are missing in all recordings.
        bones: by name.
        right_handed: share of recordings in which the right hand is raised more than the left.
        signers: by how many recordings; empty if not known.
        words, glosses: how many different ones there are, and how many of these once only.
        unseen: share of the words of the other splits that training does not have.
        problems: what is wrong, or was left out.
        shown: up to ``SHOWN`` recordings, evenly chosen, and their clips.
    """

    reader: str
    about: str
    depth: Depth
    counts: dict[str, int]
    frames: int
    fps: tuple[float, float]
    seconds: tuple[float, float, float, float]
    missing: dict[str, float]
    guessed: dict[str, float]
    never: tuple[str, ...]
    bones: dict[str, Bone]
    right_handed: float
    signers: dict[str, int]
    words: tuple[int, int]
    glosses: tuple[int, int]
    unseen: float
    problems: tuple[str, ...]
    shown: tuple[tuple[str, SignClip], ...] = field(repr=False)


def recognise(folder: Path) -> str:
    """The name of the reader whose format a folder has.

    Raises:
        CorpusError: none has, or the folder is missing.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder} is no folder; give the folder of a corpus")
    for name, reader in registry.PUBLISHED.items():
        if reader.holds(folder):
            return name
    for name, known in registry.READERS.items():
        if name not in registry.PUBLISHED:
            try:
                known.files(folder)
                return name
            except CorpusError as error:
                if name == "clips" and any((folder / table).is_file() for table in ("sentences.tsv", "sentences.csv")):
                    raise CorpusError(f"{folder} looks like a folder of clips: {error}") from error
    raise CorpusError(
        f"{folder} holds no corpus that is known: .skels files, pickles named after a split, a table beside folders "
        "of OpenPose's files, .pose files with their sentences, or sentences.tsv beside clips (docs/corpora.md)"
    )


def recordings(name: str, folder: Path, *, fps: float = 0.0, notes: list[str] | None = None) -> Iterator[Recording]:
    """The recordings of a corpus, also of one whose reader gives clips only: those are then as lifted.

    Args:
        fps: as that of ``base.PublishedReader.recordings``.
        notes: likewise.

    Raises:
        CorpusError: as the reader.
    """
    if name in registry.PUBLISHED:
        yield from registry.PUBLISHED[name].recordings(folder, fps=fps, notes=notes)
        return
    for number, example in enumerate(registry.read(name, folder, fps=fps, progress=False)):
        clip = example.clip
        yield Recording(
            f"{number:05d}", example.text, "", example.signer, example.block, example.split, clip.positions,
            clip.confidence, clip.fps, Depth.FULL,
        )  # fmt: skip


def inspect(folder: Path, *, how: str = "geometric", fps: float = 0.0, progress: bool = True) -> Inspection:
    """Read a corpus once, a recording at a time, and say what is in it.

    Args:
        how: lift of what is shown, one of ``lifting.LIFTS``.
        fps: as that of ``recordings``.

    Raises:
        CorpusError: the format is not known, or a file does not follow it.
    """
    check(how)
    name = recognise(folder)
    notes: list[str] = []
    gathered = _Gathered()
    for recording in progress_bar(recordings(name, folder, fps=fps, notes=notes), desc=folder.name, show=progress):
        gathered.add(recording)
    if not gathered.names:
        raise CorpusError(f"{folder} holds no recording that can be read{': ' if notes else ''}{'; '.join(notes)}")
    shown = [(recording.name, lift(recording, how)) for recording in gathered.spread()]
    about = registry.PUBLISHED[name].ABOUT if name in registry.PUBLISHED else f"the package's own reader {name}"
    return gathered.report(name, about, notes, shown)


class _Gathered:
    """What is kept of each recording: a few numbers."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.splits: Counter[str] = Counter()
        self.signers: Counter[str] = Counter()
        self.words = {split: Counter[str]() for split in SPLITS}
        self.glosses: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.fps: list[float] = []
        self.frames = 0
        self.missing = np.zeros(skeleton.NUM_KEYPOINTS)
        self.guessed = np.zeros(skeleton.NUM_KEYPOINTS)
        self.bones: dict[str, list[tuple[float, float]]] = {bone: [] for bone in _NAMED}
        self.right: list[bool] = []
        self.upside_down = self.mirrored = self.bodiless = 0
        self.depth = Depth.FULL
        self.unusable: list[str] = []

        self._kept: list[Recording] = []
        self._every, self._usable = 1, 0

    def spread(self) -> list[Recording]:
        """At most ``SHOWN`` recordings that can be lifted, evenly chosen."""
        at = np.linspace(0, len(self._kept) - 1, min(SHOWN, len(self._kept))).round().astype(int)
        return [self._kept[i] for i in at]

    def add(self, recording: Recording) -> None:
        self.names.append(recording.name)
        self.splits[recording.split] += 1
        if recording.signer:
            self.signers[recording.signer] += 1
        self.words[recording.split].update(recording.text.split())
        self.glosses.update(recording.gloss.split())
        self.seconds.append(len(recording.points) / recording.fps)
        self.fps.append(recording.fps)
        self.frames += len(recording.points)
        self.depth = recording.depth
        confidence = recording.confidence
        self.missing += (confidence == 0).sum(axis=0)
        self.guessed += ((confidence > 0) & (confidence < GUESSED)).sum(axis=0)
        self.bodiless += int((confidence[:, : skeleton.GROUPS["body"].stop] == 0).all(axis=1).sum())
        try:
            points = scaled(recording)
        except CorpusError as error:
            self.unusable.append(str(error))
            return
        if self._usable % self._every == 0:
            self._kept.append(recording)
            if len(self._kept) > 4 * SHOWN:  # so that few are in memory
                self._kept, self._every = self._kept[::2], 2 * self._every
        self._usable += 1
        self._measure(points, confidence > 0, recording.depth)

    def _measure(self, points: np.ndarray, seen: np.ndarray, depth: Depth) -> None:
        axes = slice(1, 3) if depth in (Depth.NONE, Depth.HANDS) else slice(0, 3)
        for bone, ends in _NAMED.items():
            a, b = (skeleton.INDEX[end] for end in ends)
            both = seen[:, a] & seen[:, b]
            if both.sum() > 1:
                used = slice(0, 3) if depth == Depth.HANDS and a >= skeleton.HANDS.start else axes
                length = np.linalg.norm(points[both, a, used] - points[both, b, used], axis=-1)
                self.bones[bone].append((float(np.median(length)), float(length.std() / max(length.mean(), 1e-9))))
        height = {side: points[:, skeleton.INDEX[f"{side}_wrist"], 2].mean() for side in ("left", "right")}
        self.right.append(bool(height["right"] >= height["left"]))
        left, right = (points[:, shoulder, 1].mean() for shoulder in skeleton.SHOULDERS)
        self.mirrored += bool(left < right)
        head = seen[:, : skeleton.HEAD.stop].any(axis=0)
        self.upside_down += bool(head.any() and points[:, : skeleton.HEAD.stop][:, head, 2].mean() < 0)

    def report(self, name: str, about: str, notes: Sequence[str], shown: Sequence[tuple[str, SignClip]]) -> Inspection:
        missing, guessed = self.missing / self.frames, self.guessed / self.frames
        known = {bone: values for bone, values in self.bones.items() if values}
        words = sum(self.words.values(), Counter())
        others = self.words["val"] + self.words["test"]
        return Inspection(
            name, about, self.depth,
            {split: self.splits[split] for split in SPLITS},
            self.frames,
            (min(self.fps), max(self.fps)),
            tuple(float(value) for value in np.percentile(self.seconds, (0, 50, 95, 100))),  # type: ignore[arg-type]
            {group: float(missing[part].mean()) for group, part in skeleton.GROUPS.items()},
            {group: float(guessed[part].mean()) for group, part in skeleton.GROUPS.items()},
            tuple(np.array(skeleton.KEYPOINTS)[missing == 1].tolist()),
            {bone: Bone(*np.median(values, axis=0).tolist()) for bone, values in known.items()},
            float(np.mean(self.right)) if self.right else 0.0,
            dict(self.signers.most_common()),
            _once(words),
            _once(self.glosses),
            sum(count for word, count in others.items() if word not in self.words["train"]) / max(others.total(), 1),
            tuple(self._problems(missing, notes)),
            tuple(shown),
        )  # fmt: skip

    def _problems(self, missing: np.ndarray, notes: Sequence[str]) -> Iterator[str]:
        yield from notes
        yield from self.unusable[:3]
        if len(self.unusable) > 3:
            yield f"{len(self.unusable) - 3} more recordings can't be used"
        if lacking := [split for split in ("train", "val") if not self.splits[split]]:
            yield f"there are no recordings of split {' and none of '.join(lacking)}: training needs both"
        if double := [name for name, count in Counter(self.names).items() if count > 1]:
            yield f"{len(double)} names come more than once, such as {double[0]}"
        if self.bodiless:
            yield f"{self.bodiless} of {self.frames} frames show nobody"
        for group, part in skeleton.GROUPS.items():
            if _LOST < missing[part].mean() < 1:
                yield f"{missing[part].mean():.0%} of the keypoints of {group.replace('_', ' ')} are missing"
        if self.upside_down:
            yield f"{self.upside_down} recordings have the head below the shoulders: upside down?"
        if self.mirrored:
            yield (
                f"{self.mirrored} recordings have the left shoulder where the right one belongs: mirrored, or left and "
                "right exchanged?"
            )
        if self.right and np.mean(self.right) < 1 - _ONE_SIDED:
            yield "most recordings are left-handed: mirrored, or left and right exchanged?"
        if min(self.fps) != max(self.fps):
            yield f"frame rates differ: {min(self.fps):g} to {max(self.fps):g}"
        for bone in _BONES:
            sides = [
                np.median([length for length, _ in self.bones[f"{side} {bone}"]])
                for side in ("left", "right")
                if self.bones[f"{side} {bone}"]
            ]
            if len(sides) == 2 and abs(sides[0] - sides[1]) > _UNEVEN * max(sides):
                yield f"the left {bone} is {sides[0]:.3f} m and the right one {sides[1]:.3f} m"


def _once(counted: Counter[str]) -> tuple[int, int]:
    return len(counted), sum(count == 1 for count in counted.values())


def lines(found: Inspection) -> list[str]:
    """The inspection as text, a line at a time."""
    said = [f"format: {found.about} (reader {found.reader})"]
    depth = {
        Depth.NONE: "none: two-dimensional, to be lifted",
        Depth.HANDS: "of hands only; arms are lifted",
        Depth.UNSIGNED: "without its sign: whether bones point toward the viewer is decided by the lift",
        Depth.FULL: "known",
    }
    said += [f"depth: {depth[found.depth]}"]
    said += [
        "recordings: "
        + ", ".join(f"{count} {split}" for split, count in found.counts.items())
        + f"; {found.frames} frames"
    ]
    low, high = found.fps
    said += [f"frames a second: {low:.4g}" + (f" to {high:.4g}" if high != low else "")]
    said += ["seconds: shortest {:.1f}, median {:.1f}, 95 % below {:.1f}, longest {:.1f}".format(*found.seconds)]
    said += ["keypoints missing, and guessed (confidence below 0.2):"]
    said += [
        f"  {group.replace('_', ' '):<11} {found.missing[group]:6.1%} {found.guessed[group]:6.1%}"
        for group in found.missing
    ]
    if found.never:
        said += [
            f"  never there: {len(found.never)} ({', '.join(found.never[:4])}{', …' if len(found.never) > 4 else ''})"
        ]
    plane = " in the picture" if found.depth in (Depth.NONE, Depth.HANDS) else ""
    said += [f"bones{plane}, shoulders {skeleton.SHOULDER_WIDTH} m apart: median length, spread within a recording"]
    said += [f"  {bone:<24} {about.length:.3f} m  {about.spread:4.0%}" for bone, about in found.bones.items()]
    said += [f"right hand raised more: {found.right_handed:.0%} of recordings"]
    if found.signers:
        shown = ", ".join(f"{signer} ({count})" for signer, count in list(found.signers.items())[:8])
        said += [f"signers: {len(found.signers)}: {shown}"]
    said += [
        f"words: {found.words[0]}, {found.words[1]} of them once; {found.unseen:.0%} of those of val and test are not "
        "in train"
    ]
    if found.glosses[0]:
        said += [f"glosses: {found.glosses[0]}, {found.glosses[1]} of them once"]
    said += ["wrong or left out:" if found.problems else "nothing wrong was found"]
    return said + [f"  - {problem}" for problem in found.problems]


def together(found: Inspection) -> tuple[SignClip, list[tuple[str, int]]]:
    """The shown sequences one after the other, and (name, frames) of each, as ``drawing.contact_sheet`` takes them.

    Raises:
        CorpusError: none could be lifted.
    """
    if not found.shown:
        raise CorpusError("no recording can be shown: the shoulders are never seen")
    clips = [clip for _, clip in found.shown]
    joined = SignClip(
        np.concatenate([clip.positions for clip in clips]),
        np.concatenate([clip.confidence for clip in clips]),
        clips[0].fps,
    )
    # The sheet gives a long caption more pictures; a name without blanks gets three.
    return joined, [(Path(name).name.replace(" ", "_"), len(clip)) for name, clip in found.shown]
