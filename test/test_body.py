"""Points and frames of robots that stand for a person's."""

from __future__ import annotations

import numpy as np
import pytest
import robots

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.description import names
from text2sign_ros.retarget.pose import Pose


@pytest.mark.parametrize("name", names())
def test_frames_at_rest_are_a_persons(name: str) -> None:
    """Hands hang: fingers down, backs outward, and so the thumbs forward."""
    model = robots.robot(name)
    body = Body(model)
    pose = Pose(model, body.bodies, body.local)
    pose.move(model.rest)
    frames = body.frames(pose.points())
    assert frames.shape == (4, 3, 3)
    for frame in frames:
        assert frame.T @ frame == pytest.approx(np.eye(3), abs=1e-6) and np.linalg.det(frame) > 0
    for palm, sign in zip(frames[1:3], (1, -1), strict=True):
        assert (body.space.axes.T @ palm[:, 0])[2] < -0.7, "fingers down"
        assert (body.space.axes.T @ palm[:, 2])[1] * sign > 0.7, "the back of the hand outward"
    assert frames[3] == pytest.approx(body.space.axes, abs=0.05), "the head looks forward"


@pytest.mark.parametrize("name", names())
def test_hands(name: str) -> None:
    body = Body(robots.robot(name))
    for hand in body.hands.values():
        assert 0.8 < hand.scale < 1.4 and (hand.lengths > 0.005).all()
        assert hand.keypoints[hand.thumb_tip] == 4 and hand.keypoints[hand.middle_knuckle] == 9
        assert len(hand.points) == len(set(hand.points.tolist())) == len(hand.keypoints)
        moved = {body.model.joints[column] for column in hand.thumb_columns}
        assert moved and all("thumb" in joint or "TH" in joint for joint in moved)
    left, right = body.hands["left"], body.hands["right"]
    assert left.lengths == pytest.approx(right.lengths, rel=0.12)
