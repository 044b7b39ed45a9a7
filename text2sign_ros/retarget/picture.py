"""Pictures of a robot, without a screen: from the front, the side, each hand; fingers have the colours of figures."""

from __future__ import annotations

import ctypes.util
import os
from importlib import import_module

import mujoco
import numpy as np

from text2sign_ros import palette
from text2sign_ros.errors import Text2SignError
from text2sign_ros.motion import frames
from text2sign_ros.retarget import model
from text2sign_ros.retarget.description import FINGERS, SIDES, RobotDescription
from text2sign_ros.retarget.model import RobotModel

VIEWS = ("front", "side", "left_hand", "right_hand", "left_palm", "right_palm")
"""The body from the front and from its left; each hand as seen from the front, and its palm, fingers up."""
_ANGLE = 20.0  # degrees from the top of a picture to its bottom: from so far away little is distorted
# Height of a picture, as shares of the distance between the shoulders and of the length of a hand, seen from the front
# and with its palm, from which a thumb may stand off.
_BODY, _HAND, _PALM = 3.1, 1.1, 1.4
_DOWN = 0.16  # what a picture of the body looks at lies so much of its height below the shoulders
_EDGE = 0.03  # metres between hands at rest and the picture's edge
_FROM = {"front": (180.0, -4.0), "side": (-90.0, -4.0)}  # degrees: the camera's azimuth and elevation
_LINKS = "#d4d8de"
_TINT = 0.55  # of the figures' colours in those of arms and palms


class PictureError(Text2SignError):
    """There is nothing to draw with."""


class Camera:
    """Draws a robot at any position of its joints.

    Args:
        description: the robot.
        size: pixels, width and height of the largest picture.
        urdf: the model, where the description names a topic as its source.

    Attributes:
        robot: its model.

    Raises:
        ConfigError: there is no such model, or it lacks what the description names.
        PictureError: neither EGL nor OSMesa is there; the message names Debian's packages.
    """

    def __init__(self, description: RobotDescription, size: int, urdf: str | None = None) -> None:
        self.robot = model.build(description, urdf, visual=True, prepare=_paper)
        self._size = size
        mj = self.robot.mj
        colour(self.robot)
        mj.vis.global_.offwidth = mj.vis.global_.offheight = size
        mj.vis.global_.fovy = _ANGLE
        mj.vis.headlight.ambient[:], mj.vis.headlight.diffuse[:] = 0.35, 0.5
        mj.vis.headlight.specular[:] = 0.1
        self._data = mujoco.MjData(mj)
        self._context = _context(size)
        self._context.make_current()
        self._drawer = mujoco.MjrContext(mj, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawer)
        self._scene = mujoco.MjvScene(mj, maxgeom=4 * mj.ngeom + 100)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = [group != 3 for group in range(6)]  # not what collides only
        self._option.sitegroup[:] = 0
        self._place(self.robot.rest)
        self._reach = {side: max(self._span(side), 0.05) for side in SIDES}
        self._palms = {side: self._geoms(mj.site_bodyid[self.robot.ends[f"{side}_wrist"]]) for side in SIDES}
        middle = (self._end("left_shoulder") + self._end("right_shoulder")) / 2
        lowest = min(self._end(f"{side}_{part}")[2] for side in SIDES for part in self._tips(side))
        self._least = (middle[2] - lowest) / (0.5 + _DOWN) + 2 * _EDGE

    def image(self, joints: np.ndarray, view: str, size: int | None = None) -> np.ndarray:
        """Draw the robot.

        Args:
            joints: (n,) rad.
            view: one of ``VIEWS``; of a hand, the picture follows it.
            size: pixels, at most those of the largest picture; None: as many.

        Returns:
            (size, size, 3) uint8 RGB.
        """
        self._place(joints)
        side = view.partition("_")[0]
        palm = view.endswith("palm")
        centre, height = self._hand(side, _PALM if palm else _HAND) if side in SIDES else self._front()
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        camera.lookat[:] = centre
        camera.azimuth, camera.elevation = _FROM.get(view, _FROM["front"])
        camera.distance = height / 2 / np.tan(np.radians(_ANGLE / 2))
        mj, size = self.robot.mj, size or self._size
        self._context.make_current()
        everything = int(mujoco.mjtCatBit.mjCAT_ALL)
        mujoco.mjv_updateScene(mj, self._data, self._option, None, camera, everything, self._scene)
        if palm:
            forward, up = self._palm(side)
            for eye in self._scene.camera:
                eye.pos[:], eye.forward[:], eye.up[:] = centre - camera.distance * forward, forward, up
            for light in self._scene.lights[: self._scene.nlight]:
                light.pos[:], light.dir[:] = centre - camera.distance * forward, forward
            own = self._palms[side]  # what else there is may be in front of it
            for geom in self._scene.geoms[: self._scene.ngeom]:
                geom.rgba[3] = float(geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.objid in own)
        window = mujoco.MjrRect(0, 0, size, size)
        mujoco.mjr_render(window, self._scene, self._drawer)
        pixels = np.empty((size, size, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, window, self._drawer)
        return np.flipud(pixels)

    def close(self) -> None:
        """Free what draws."""
        self._context.make_current()
        self._drawer.free()
        self._context.free()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _place(self, joints: np.ndarray) -> None:
        self._data.qpos[:] = self.robot.full(joints)
        mujoco.mj_kinematics(self.robot.mj, self._data)
        mujoco.mj_camlight(self.robot.mj, self._data)

    def _end(self, name: str) -> np.ndarray:
        return self._data.site_xpos[self.robot.ends[name]]

    def _front(self) -> tuple[np.ndarray, float]:
        """What a picture of the body looks at, and its height, metres."""
        left, right = self._end("left_shoulder"), self._end("right_shoulder")
        height = max(_BODY * float(np.linalg.norm(left - right)), self._least)
        return (left + right) / 2 - (0.0, 0.0, _DOWN * height), height

    def _hand(self, side: str, share: float) -> tuple[np.ndarray, float]:
        names = [name for name in self.robot.ends if name.startswith(f"{side}_") and name[-1].isdigit()]
        places = np.array([self._end(name) for name in (*names, f"{side}_wrist")])
        return (places.min(axis=0) + places.max(axis=0)) / 2, share * self._reach[side]

    def _palm(self, side: str) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors (3,) into the palm, and in it toward the fingers."""
        outer = [*self.robot.description.side(side).fingers()][-1]
        parts = ("wrist", "middle_0", "index_0", f"{outer}_0")
        wrist, middle, index, last = (self._end(f"{side}_{part}") for part in parts)
        across = index - last if side == "right" else last - index
        _, left, back = frames.axes((middle - wrist)[None], across[None])[0].T
        return back, np.cross(left, back)

    def _geoms(self, top: int) -> set[int]:
        """Numbers of the shapes of a body and of all that hang on it."""
        return set(np.flatnonzero(np.isin(self.robot.mj.geom_bodyid, _below(self.robot.mj, top))).tolist())

    def _tips(self, side: str) -> list[str]:
        return [f"{finger}_{len(parts) - 1}" for finger, parts in self.robot.description.side(side).fingers().items()]

    def _span(self, side: str) -> float:
        """From the wrist along the middle finger, metres."""
        parts = [f"{side}_wrist", *(name for name in self.robot.ends if name.startswith(f"{side}_middle_"))]
        places = np.array([self._end(name) for name in parts])
        return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def _paper(spec: mujoco.MjSpec) -> None:
    """Make the background as white as that of all pictures."""
    white, flat = _rgb(palette.PAPER), mujoco.mjtBuiltin.mjBUILTIN_FLAT
    spec.add_texture(type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=flat, rgb1=white, rgb2=white, width=16, height=16)


def _context(size: int):
    """An OpenGL context without a screen."""
    chosen = os.environ.get("MUJOCO_GL", "").lower()
    found = {kind: ctypes.util.find_library(library) for kind, library in (("egl", "EGL"), ("osmesa", "OSMesa"))}
    kind = chosen if chosen in found else next((kind for kind, library in found.items() if library), "")
    try:
        if not kind:
            raise ImportError("there is neither EGL nor OSMesa")
        return import_module(f"mujoco.{kind}").GLContext(size, size)
    except Exception as error:  # PyOpenGL and MuJoCo raise all kinds of them
        raise PictureError(
            f"the robot can't be drawn: {error}. Without a GPU's driver, install libegl1, libegl-mesa0 and "
            "libgl1-mesa-dri (Debian, Ubuntu), or libosmesa6 and set MUJOCO_GL=osmesa"
        ) from error


def colour(robot: RobotModel) -> None:
    """Give each finger its colour, arms and palms those of their side, and what moves none of them a grey."""
    mj = robot.mj
    colours = np.tile(_rgb(_LINKS), (mj.nbody, 1))
    for side in SIDES:
        for root, colour in (("shoulder", palette.ARM[side]), ("wrist", palette.PALM[side][1])):
            tinted = _TINT * _rgb(colour) + (1 - _TINT) * _rgb(_LINKS)
            if body := int(mj.site_bodyid[robot.ends[f"{side}_{root}"]]):  # hands may hang on nothing
                colours[_below(mj, body)] = tinted
        for finger, colour in zip(FINGERS, palette.FINGERS[side], strict=True):
            if (number := robot.ends.get(f"{side}_{finger}_0")) is not None:
                body = int(mj.site_bodyid[number])
                if body != mj.site_bodyid[robot.ends[f"{side}_wrist"]]:
                    colours[_below(mj, body)] = _rgb(colour)
    mj.geom_rgba[:, :3] = colours[mj.geom_bodyid]
    mj.geom_rgba[:, 3] = 1.0
    mj.geom_matid[:] = -1


def _below(mj: mujoco.MjModel, top: int) -> list[int]:
    """A body and all that hang on it."""
    found = {int(top)}
    for body in range(int(top) + 1, mj.nbody):  # parents first
        if int(mj.body_parentid[body]) in found:
            found.add(body)
    return sorted(found)


def _rgb(colour: str) -> np.ndarray:
    return np.array(palette.rgb(colour)) / 255
