"""A picture to check a robot's description by: the robot at rest, and how far each hand opens, spreads and closes."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from text2sign_ros import palette
from text2sign_ros.clip import write_whole
from text2sign_ros.drawing.captions import fit, font
from text2sign_ros.retarget.description import SIDES, RobotDescription
from text2sign_ros.retarget.inspection import POSTURES, abilities, posture
from text2sign_ros.retarget.picture import Camera

_BODY, _HAND, _LINE, _MARGIN = 420, 208, 18, 12  # pixels


def portrait(description: RobotDescription, path: str | Path, urdf: str | None = None) -> None:
    """Write a PNG: the robot at rest from the front and from its left, and its hands with the palms toward the camera.

    Args:
        description: the robot.
        path: the file, written whole or not at all.
        urdf: the model, where the description names a topic as its source.

    Raises:
        ConfigError, PictureError: as ``Camera``.
    """
    width, height = 2 * _BODY + 3 * _HAND + 2 * _MARGIN, 2 * (_HAND + 3 * _LINE) + 2 * _MARGIN + 2 * _LINE
    page = Image.new("RGB", (width, height), palette.PAPER)
    draw = ImageDraw.Draw(page)
    with Camera(description, _BODY, urdf) as camera:
        robot = camera.robot
        draw.text((_MARGIN, _MARGIN), f"{description.name}, at rest", palette.INK, font(18))
        for column, view in enumerate(("front", "side")):
            left = _MARGIN + column * _BODY
            page.paste(Image.fromarray(camera.image(robot.rest, view)), (left, _MARGIN + 2 * _LINE))
            draw.text((left + _BODY / 2, _BODY + 3 * _LINE + _MARGIN), view, palette.FAINT, font(13), "mm")
        for row, side in enumerate(SIDES):
            top = _MARGIN + 2 * _LINE + row * (_HAND + 3 * _LINE)
            said = ", ".join(f"{of.finger} {of.flexion:.0f}°/{of.spread:.0f}°" for of in abilities(robot, side))
            for column, name in enumerate(POSTURES):
                left = _MARGIN + 2 * _BODY + column * _HAND
                image = camera.image(posture(robot, side, name), f"{side}_palm", _HAND)
                page.paste(Image.fromarray(image), (left, top))
                caption = f"{side} hand, {name}"
                draw.text((left + _HAND / 2, top + _HAND + _LINE / 2), caption, palette.INK, font(13), "mm")
            left = _MARGIN + 2 * _BODY
            text = fit(f"bends/spreads: {said}", 11, 3 * _HAND)
            draw.text((left, top + _HAND + 1.5 * _LINE), text, palette.FAINT, font(11), "lm")
    with write_whole(Path(path)) as file:
        page.save(file, "PNG")
