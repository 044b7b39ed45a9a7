"""The web page: the avatar and the keypoints as they move, what is signed, and what people ask for by its buttons."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import numpy as np
import viser

from text2sign_ros import palette, skeleton
from text2sign_ros.errors import Text2SignError
from text2sign_ros.viewer.avatar import Surface
from text2sign_ros.viewer.bones import Pose, Poser, quaternions

if TYPE_CHECKING:
    from text2sign_ros.retarget.description import RobotDescription

NOTICE = "Nobody who signs has validated what is shown here. Do not rely on it."
CAMERAS = {
    "front": ((2.7, 0.0, 0.0), (0.0, 0.0, -0.08)),
    "signer's right": ((0.9, -1.9, 0.05), (0.05, 0.0, -0.05)),
    "signer's left": ((0.9, 1.9, 0.05), (0.05, 0.0, -0.05)),
    "right hand": ((1.2, -0.3, 0.05), (0.15, -0.3, 0.02)),
    "robot": ((2.7, -1.2, 0.0), (0.0, -1.2, -0.08)),
}
"""Where from and what at, metres in frame ``signer``."""
_OPENING = np.radians(38.0)
_SAME = 1e-4  # metres, or parts of a turn, below which a bone is not sent again
_SHOWN = 200  # characters of a caption or a line of status
_HEAD_ONLY = ("hair", "eyes", "irises", "pupils", "teeth")


class PageError(Text2SignError):
    """The page can't be served; the message says why and what to do."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound to ``host``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Page:
    """Serves the page. What is asked for there comes in threads of the server; the other methods are for one thread.

    Args:
        host, port: to bind to.
        on_text: called with a text that someone typed; returns what to tell them.
        on_button: called with "cancel", "pause" or "resume"; likewise.
        robot: one to show beside the avatar.

    Attributes:
        joints: names of the robot's joints; empty without one.

    Raises:
        PageError: the port is taken, or the address is not this machine's.
        ConfigError: the robot's model is not usable.
        ModuleNotFoundError: a robot needs the extra ``robot``.
    """

    def __init__(
        self,
        host: str,
        port: int,
        on_text: Callable[[str], str],
        on_button: Callable[[str], str],
        robot: RobotDescription | None = None,
    ) -> None:
        _require_free(host, port)
        self._on_text, self._on_button = on_text, on_button
        self._server = viser.ViserServer(host, port, label="text2sign", verbose=False)
        self.port: int = self._server.get_port()
        self._poser = Poser()
        self._scene()
        self._robot = None
        if robot is not None:
            from text2sign_ros.viewer.robot import RobotFigure

            self._robot = RobotFigure(self._server.scene, robot)
        self.joints = self._robot.joints if self._robot else ()
        self._controls()
        self._next: np.ndarray | None = None
        self._next_joints: np.ndarray | None = None
        self._wake, self._closing = threading.Event(), False
        self._drawer = threading.Thread(target=self._draw_all, name="page", daemon=True)
        self._drawer.start()
        self._server.on_client_connect(lambda client: self._look(client, "front"))

    def close(self) -> None:
        """Serve no longer."""
        self._closing = True
        self._wake.set()
        self._drawer.join()
        self._server.stop()

    @property
    def viewers(self) -> int:
        """How many browsers look at it."""
        return len(self._server.get_clients())

    def show(self, positions: np.ndarray) -> None:
        """Move the figures to a frame of keypoints (79, 3), metres in frame ``signer``.

        Returns at once, so that whoever receives the motion is not held up: a thread draws, and of frames that come
        faster than it can draw only the latest.
        """
        self._next = positions
        self._wake.set()

    def show_robot(self, joints: np.ndarray) -> None:
        """Move the robot with the next frame, to positions (n,) of ``joints``, rad."""
        self._next_joints = joints

    def _draw_all(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closing:
                return
            if self._next is not None:
                self._draw(self._next)

    def _draw(self, positions: np.ndarray) -> None:
        with self._server.atomic():
            if self._skeleton_shown.value:
                self._lines.points = _segments(positions)
            if self._avatar_shown.value:
                self._pose(self._poser.pose(positions))
            if self._robot and self._next_joints is not None and self._robot.frame.visible:
                self._robot.move(self._next_joints)

    def say(self, caption: str, status: str) -> None:
        """Show what is being signed, and how the signer is: plain text, whatever its signs."""
        _write(self._caption, caption)
        _write(self._status, status)
        if self._label.text != (shown := caption[:_SHOWN] or " "):
            self._label.text = shown

    def _scene(self) -> None:
        scene, avatar = self._server.scene, self._poser.avatar
        scene.set_up_direction("+z")
        scene.configure_default_lights(False)
        scene.configure_environment_map(None)
        scene.add_light_ambient("/light/all_round", intensity=1.1)
        scene.add_light_directional("/light/above", intensity=2.0, position=(2.0, 1.0, 2.0))
        self._body = scene.add_frame("/avatar", show_axes=False)
        self._head = scene.add_frame("/avatar/head", show_axes=False)
        self._skins: list[tuple[list[int], list]] = []
        self._sent: dict[int, np.ndarray] = {}
        for surface in avatar.surfaces:
            colour = np.round(255 * np.array(surface.colour)).astype(np.uint8)
            used = np.unique(surface.joints[surface.weights > 0])
            if surface.name in _HEAD_ONLY:  # moves as one piece
                head = avatar.heads[avatar.index["head"]]
                scene.add_mesh_simple(
                    f"/avatar/head/{surface.name}",
                    surface.vertices - head,
                    surface.faces,
                    color=colour,
                    side="double",
                    cast_shadow=False,
                    receive_shadow=False,
                )
                continue
            handle = scene.add_mesh_skinned(
                f"/avatar/{surface.name}",
                surface.vertices,
                surface.faces,
                bone_wxyzs=np.tile((1.0, 0.0, 0.0, 0.0), (len(used), 1)),
                bone_positions=avatar.heads[used],
                skin_weights=_dense(surface, used),
                color=colour,
                side="double",
                cast_shadow=False,
                receive_shadow=False,
            )
            self._skins.append(([int(bone) for bone in used], list(handle.bones)))
        colours = np.repeat([_colour(a, b) for a, b in skeleton.BONES], 2, axis=0).reshape(-1, 2, 3)
        self._lines = scene.add_line_segments(
            "/skeleton", _segments(skeleton.REST_POSE), colours, thickness=0.005, visible=False
        )
        self._label = scene.add_label("/caption", " ", position=(0.15, 0.0, -0.62), anchor="center-center")
        self._pose(self._poser.pose(skeleton.REST_POSE))

    def _controls(self) -> None:
        gui = self._server.gui
        gui.configure_theme(show_logo=False, show_share_button=False)
        gui.main_panel.dock_right()
        gui.add_markdown(f"**{NOTICE}**")
        self._text = gui.add_text("Text", "", hint="What to sign, in English")
        send = gui.add_button("Sign")
        buttons = gui.add_button_group("Signer", ("cancel", "pause", "resume"))
        self._caption = gui.add_text("Now", "", disabled=True)
        self._status = gui.add_text("Status", "", disabled=True, multiline=True)
        self._answer = gui.add_text("Answer", "", disabled=True, multiline=True)
        views = gui.add_button_group("View", tuple(view for view in CAMERAS if view != "robot" or self._robot))
        self._avatar_shown = gui.add_checkbox("Avatar", True)
        self._skeleton_shown = gui.add_checkbox("Keypoints", False)
        if (robot := self._robot) is not None:
            robot_shown = gui.add_checkbox("Robot", True)

            @robot_shown.on_update
            def _(_: object) -> None:
                robot.frame.visible = robot_shown.value

        @send.on_click
        def _(_: object) -> None:
            _write(self._answer, self._on_text(self._text.value))

        @buttons.on_click
        def _(_: object) -> None:
            _write(self._answer, self._on_button(buttons.value))

        @views.on_click
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None and views.value in CAMERAS:
                self._look(event.client, views.value)

        @self._avatar_shown.on_update
        def _(_: object) -> None:
            self._body.visible = self._avatar_shown.value

        @self._skeleton_shown.on_update
        def _(_: object) -> None:
            self._lines.visible = self._skeleton_shown.value

    @staticmethod
    def _look(client: viser.ClientHandle, view: str) -> None:
        place, at = CAMERAS[view]
        client.camera.position, client.camera.look_at, client.camera.fov = place, at, _OPENING

    def _pose(self, pose: Pose) -> None:
        avatar = self._poser.avatar
        turned, at = avatar.joints(pose.rotations, pose.shifts)
        wxyz = quaternions(turned)
        now = np.concatenate((wxyz, at), axis=1)
        moved = {b for b in range(len(now)) if b not in self._sent or np.abs(now[b] - self._sent[b]).max() > _SAME}
        self._sent |= {bone: now[bone] for bone in moved}
        for used, handles in self._skins:
            for bone, handle in zip(used, handles, strict=True):
                if bone in moved:
                    handle.wxyz, handle.position = wxyz[bone], at[bone]
        head = avatar.index["head"]
        if head in moved:
            self._head.wxyz, self._head.position = wxyz[head], at[head]


def _write(field: Any, text: str) -> None:
    """Show a text in a field, cut to what fits there, and send nothing if it is there already."""
    if field.value != text[:_SHOWN]:
        field.value = text[:_SHOWN]


def _dense(surface: Surface, used: np.ndarray) -> np.ndarray:
    """(vertices, bones used) weights."""
    weights = np.zeros((len(surface.vertices), len(used)))
    rows = np.arange(len(weights))
    for column in range(surface.joints.shape[1]):
        numbers = np.searchsorted(used, surface.joints[:, column]).clip(max=len(used) - 1)
        weights[rows, numbers] += surface.weights[:, column]
    return weights


def _segments(positions: np.ndarray) -> np.ndarray:
    """(bones, 2, 3)"""
    return positions[np.array(skeleton.BONES)].astype(np.float32)


def _colour(a: int, b: int) -> tuple[int, ...]:
    """Of a bone of the skeleton: that of the group which its end is in."""
    group = next(name for name, span in skeleton.GROUPS.items() if span.start <= max(a, b) < span.stop)
    return tuple(palette.rgb(palette.GROUPS[group]))


def _require_free(host: str, port: int) -> None:
    """Say what viser would not: it takes the next port where one is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise PageError(
            f"can't serve on {host}:{port}: {error.strerror or error}; choose another host or port"
        ) from error
