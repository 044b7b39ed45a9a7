"""The web page without a browser: where it is served, what it sends of a pose, what it does with what is typed."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("viser", reason="viser comes with the extra viewer")

from text2sign_ros.skeleton import INDEX, REST_POSE
from text2sign_ros.viewer.page import NOTICE, Page, PageError, is_loopback


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def asked() -> list[str]:
    return []


@pytest.fixture(scope="module")
def page(asked: list[str]) -> Iterator[Page]:
    def ask(what: str) -> str:
        asked.append(what)
        return "sent"

    page = Page("127.0.0.1", free_port(), ask, ask)
    yield page
    page.close()


def test_it_is_served_on_this_machine_only(page: Page) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=5.0) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert page.viewers == 0
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("192.168.1.7") and not is_loopback("robot")


def test_a_taken_port_is_said_so(page: Page) -> None:
    with pytest.raises(PageError, match=rf"127\.0\.0\.1:{page.port}: .*choose another"):
        Page("127.0.0.1", page.port, str, str)
    with pytest.raises(PageError, match="can't serve on"):
        Page("192.0.2.1", free_port(), str, str)


def test_only_bones_that_moved_are_sent(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    queue = type(page._server.scene)._queue_scene_message
    monkeypatch.setattr(
        type(page._server.scene),
        "_queue_scene_message",
        lambda self, message: (sent.append(type(message).__name__), queue(self, message))[1],
    )
    page._draw(REST_POSE)
    sent.clear()
    page._draw(REST_POSE)
    assert not sent
    moved = REST_POSE.astype(float)
    moved[[INDEX["right_elbow"], INDEX["right_wrist"], *range(58, 79)]] += (0.05, 0.0, 0.05)
    page._draw(moved)
    assert {"SetBoneOrientationMessage", "SetBonePositionMessage"} <= set(sent)
    assert np.isfinite(np.array([*page._sent.values()])).all()


def test_what_others_wrote_is_shown_as_plain_text(page: Page) -> None:
    """The server renders markdown as a program (MDX): only the page's own words are given to that."""
    page.say("**hello** {alert(1)} <script>", "x" * 10_000)
    assert page._caption.value == "**hello** {alert(1)} <script>"
    assert len(page._status.value) == 200
    assert "validated" in NOTICE


def test_a_robot_stands_beside_the_avatar_and_its_links_are_where_its_joints_put_them() -> None:
    mujoco = pytest.importorskip("mujoco", reason="robots come with the extra robot")
    pytest.importorskip("fourier_robot_descriptions", reason="its model comes with the extra robots")
    from text2sign_ros.retarget import description, model

    about = description.load("gr3")
    page = Page("127.0.0.1", free_port(), str, str, about)
    try:
        robot = model.build(about)
        assert page.joints == tuple(robot.joints)
        figure = page._robot
        assert figure is not None and len(figure._links) > 40
        joints = robot.rest.copy()
        joints[robot.joints.index("right_elbow_pitch_joint")] -= 1.0
        before = {body: np.array(link.position) for body, link in figure._links.items()}
        page.show_robot(joints)
        page.show(REST_POSE)
        hand = robot.mj.body("R_hand_base_link").id
        deadline = time.monotonic() + 10.0
        while np.allclose(figure._links[hand].position, before[hand]) and time.monotonic() < deadline:
            time.sleep(0.01)
        data = mujoco.MjData(robot.mj)
        data.qpos[:] = robot.full(joints)
        mujoco.mj_kinematics(robot.mj, data)
        assert figure._links[hand].position == pytest.approx(data.xpos[hand], abs=2e-4)
        still = robot.mj.body("L_hand_base_link").id
        assert figure._links[still].position == pytest.approx(before[still], abs=1e-9)
        up = quaternion_turn(figure.frame.wxyz, data.xpos[hand]) + figure.frame.position
        assert up[1] < -1.2, "its right hand is on the avatar's right of the robot's middle"
    finally:
        page.close()


def quaternion_turn(wxyz: np.ndarray, point: np.ndarray) -> np.ndarray:
    w, axis = wxyz[0], np.asarray(wxyz[1:])
    return point + 2 * np.cross(axis, np.cross(axis, point) + w * point)
