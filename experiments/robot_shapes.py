"""Which letters a robot's hand cannot form, why, and what it makes of them: a table, and a sheet of pictures per robot.

``python -m experiments.robot_shapes --pictures docs/images`` (``letters_gr3.png`` and so on); ``--robots gr3`` for one
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from experiments.robot_performance import Stage
from experiments.robot_reading import Motion, recorded
from text2sign_ros import palette, skeleton
from text2sign_ros.clip import write_whole
from text2sign_ros.corpora import registry
from text2sign_ros.drawing.captions import font
from text2sign_ros.drawing.figure import hand_image
from text2sign_ros.evaluation import evaluate, finger_relations
from text2sign_ros.evaluation.confusion import confusions, written
from text2sign_ros.evaluation.finger_relations import CLEAR_MM, NEAR_MM, NEIGHBOURS, TOUCHED, TOUCHING_MM
from text2sign_ros.evaluation.hand_reader import letters_among
from text2sign_ros.motion import frames
from text2sign_ros.retarget import description
from text2sign_ros.retarget.description import FINGERS
from text2sign_ros.retarget.inspection import abilities
from text2sign_ros.retarget.picture import Camera

_SIDE = "right"
_HAND = skeleton.HAND[_SIDE]
_LEAST_SPREAD = 8.0  # degrees; less is no sideways motion that shows
_APART, _BENT = 10.0, 25.0  # degrees, of spread and of a finger's phalanges, that are worth a word
_FROM_END = 3  # frames before the end of the first take that are drawn: a hand is on its way before
_CELL, _COLUMNS, _CAPTION = 112, 7, 20  # pixels


@dataclass(frozen=True)
class Made:
    """A letter as a robot makes it.

    Attributes:
        letter: the letter.
        read: what was read in its takes.
        real, robot: (T, 21, 3) right hands of all its takes' frames.
        moment: (79, 3) keypoints near the end of the first take's frames that are read.
        joints: (n,) rad, of the robot there.
    """

    letter: str
    read: Sequence[str]
    real: np.ndarray
    robot: np.ndarray
    moment: np.ndarray
    joints: np.ndarray

    @property
    def right(self) -> bool:
        """Whether it is read in most takes."""
        return 2 * sum(one == self.letter for one in self.read) > len(self.read)


def reasons(made: Made, spreads: dict[str, float]) -> list[str]:
    """How the robot's hand differs, in words; ``spreads``: how far each of its fingers can go sideways, degrees."""
    real, robot = (_medians(hand) for hand in (made.real, made.robot))
    said = []
    for i, pair in enumerate(NEIGHBOURS):
        both = pair.split("-")
        stiff = [finger for finger in both if spreads.get(finger, 0.0) < _LEAST_SPREAD]
        cause = f" ({' and '.join(stiff)} cannot move sideways)" if stiff else ""
        if real["order_mm"][i] < -CLEAR_MM and robot["order_mm"][i] > 0:
            said.append(f"{' and '.join(both)} do not cross{cause}")
        elif abs(real["spread_degrees"][i] - robot["spread_degrees"][i]) > _APART:
            angle, wanted = robot["spread_degrees"][i], real["spread_degrees"][i]
            said.append(f"{' and '.join(both)} are {angle:.0f}° apart, not {wanted:.0f}°{cause}")
    for i, finger in enumerate(TOUCHED):
        gap, wanted = robot["finger_gap_mm"][i], real["finger_gap_mm"][i]
        lost = wanted < TOUCHING_MM and gap > wanted + 2 * NEAR_MM
        if lost or (wanted > TOUCHING_MM + NEAR_MM and gap < TOUCHING_MM - NEAR_MM):
            said.append(f"thumb {gap:.0f} mm from the {finger} finger, not {wanted:.0f}")
    for finger, angle in zip(FINGERS, _off(made.real, made.robot), strict=True):
        if angle > _BENT:
            said.append(f"{finger} {angle:.0f}° off")
    return said


def _medians(hand: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.median(values, axis=0) for name, values in vars(finger_relations.relations(hand)).items()}


def _off(real: np.ndarray, robot: np.ndarray) -> list[float]:
    """Degrees by which the phalanges of each finger point elsewhere in the palm's frame: the median over frames."""
    ways = []
    for hand in (real, robot):
        local = hand @ np.swapaxes(finger_relations.palm_frame(hand), 1, 2)
        bones = np.diff(local[:, 1:].reshape(-1, len(FINGERS), 4, 3), axis=2)
        ways.append(bones / np.linalg.norm(bones, axis=-1, keepdims=True))
    angles = np.degrees(np.arccos(np.clip((ways[0] * ways[1]).sum(axis=-1), -1.0, 1.0)))
    angles[:, 0, 0] = np.nan  # the thumb's first bone turns about other axes on every robot
    return np.nanmedian(np.nanmean(angles, axis=2), axis=0).tolist()


def alphabet(stage: Stage, motions: Sequence[Motion], read: evaluate.HandReader) -> list[Made]:
    """Every letter among motions of one letter each."""
    found: dict[str, list[tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]] = defaultdict(list)
    for motion, made in zip(
        motions, stage.perform_all([(motion.clip, motion.span[1]) for motion in motions]), strict=True
    ):
        span = slice(*motion.span)
        real, joints = motion.clip.positions[span], made.frames[span]
        robot = stage.forward.keypoints(joints)
        (shown,) = read.read([robot], [motion.clip.confidence[span]])
        found[motion.units[0]].append((shown, real, robot, real[-_FROM_END], joints[-_FROM_END]))
    return [
        Made(
            letter,
            [shown for shown, *_ in rows],
            np.concatenate([real[:, _HAND] for _, real, *_ in rows]),
            np.concatenate([robot[:, _HAND] for _, _, robot, *_ in rows]),
            *rows[0][3:],
        )
        for letter, rows in sorted(found.items())
    ]


def sheet(robot: str, letters: Sequence[Made], path: Path) -> None:
    """Write a PNG: of each letter the person's right hand and the robot's, palms toward the camera, fingers up."""
    about = description.load(robot)
    rows = -(-len(letters) // _COLUMNS)
    width, height = 2 * _CELL, _CELL + _CAPTION
    page = Image.new("RGB", (_COLUMNS * width, rows * height + _CAPTION), palette.PAPER)
    draw = ImageDraw.Draw(page)
    with Camera(about, 2 * _CELL) as camera:
        fingers = camera.robot.groups[f"{_SIDE}_hand"]
        for number, made in enumerate(letters):
            left, top = number % _COLUMNS * width, number // _COLUMNS * height
            page.paste(_person(made.moment), (left, top))
            joints = camera.robot.rest.copy()
            joints[fingers] = made.joints[fingers]
            image = Image.fromarray(camera.image(joints, f"{_SIDE}_palm"))
            page.paste(image.resize((_CELL, _CELL)), (left + _CELL, top))
            shares = written(made.letter, confusions([made.letter] * len(made.read), made.read)[made.letter])
            colour = palette.INK if made.right else "#b00020"
            draw.text(
                (left + _CELL, top + _CELL + _CAPTION / 2), f"{made.letter.upper()}  {shares}", colour, font(13), "mm"
            )
    said = f"{robot}: right hands of a real take (left) and of the robot (right), palms toward you; how often read"
    draw.text((8, page.height - _CAPTION / 2), said, palette.FAINT, font(13), "lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as file:
        page.quantize(96).save(file, "PNG", optimize=True)


def _person(keypoints: np.ndarray) -> Image.Image:
    """The right hand (79, 3), its palm toward the camera, fingers up."""
    palm = frames.rotations(keypoints)[2]
    turned = keypoints.copy()
    along, left = palm[:, 0], palm[:, 1]
    axes = np.stack((np.cross(left, along), left, along))  # rows: toward the camera, to the person's left, up
    turned[_HAND] = (keypoints[_HAND] - keypoints[_HAND.start]) @ axes.T
    return hand_image(turned.astype(np.float32), np.ones(len(turned)), _SIDE, (_CELL, _CELL))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", nargs="*", help="names or files; default: all that come with the package")
    parser.add_argument("--takes", type=int, default=3, help="held-out takes of each letter")
    parser.add_argument("--data", type=Path, default=Path("data/asl_cafe"), help="recordings of asl_cafe")
    parser.add_argument("--work", type=Path, default=Path("out/evaluate"), help="reader and performances are kept here")
    parser.add_argument("--pictures", type=Path, default=Path("out/robots"), help="folder for the sheets")
    options = parser.parse_args()
    cafe = registry.read("asl_cafe", options.data)
    read = evaluate.hand_reader_of([take for take in cafe if take.split in ("train", "val")], options.work)
    motions = recorded(letters_among([t for t in cafe if t.split == "test"]), options.takes, approach=False)
    for robot in options.robots or description.names():
        stage = Stage(robot, options.work / "robots")
        letters = alphabet(stage, motions, read)
        about = description.load(robot)
        path = options.pictures / f"letters_{about.name}.png"
        sheet(robot, letters, path)
        spreads = {of.finger: of.spread for of in abilities(stage.robot, _SIDE)}
        print(f"\n### {about.name}: {path}\n\n| letter | read | how the hand differs |\n|---|---|---|")
        for made in letters:
            if not made.right:
                shares = written(made.letter, confusions([made.letter] * len(made.read), made.read)[made.letter])
                print(f"| {made.letter.upper()} | {shares} | {'; '.join(reasons(made, spreads)) or '–'} |", flush=True)


if __name__ == "__main__":
    main()
