"""What a frame asks of a robot, and keypoints that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import robots

from text2sign_ros.retarget.body import Body
from text2sign_ros.retarget.target import FREE, KeypointError, Target, Tolerances
from text2sign_ros.skeleton import INDEX, REST_POSE

RIGHT_HAND = slice(58, 79)


@pytest.fixture(scope="module")
def body() -> Body:
    return Body(robots.robot("gr3"))


def _target(body: Body, keypoints: np.ndarray) -> Target:
    return Target(body, keypoints, Tolerances())


def test_a_hand_is_asked_for_where_its_knuckle_is(body: Body) -> None:
    target = _target(body, robots.together(0.3))
    hand = body.hands["right"]
    knuckle = target.wrists["right"] + target.palms["right"] @ hand.knuckle
    asked = robots.together(0.3)[RIGHT_HAND][9]
    assert body.space.to_signer(knuckle) == pytest.approx(asked, abs=2e-3)
    assert np.linalg.norm(target.ways["right"], axis=1) == pytest.approx(1.0)


def test_contacts_are_asked_for_only_where_there_are_any(body: Body) -> None:
    def touching(keypoints: np.ndarray) -> int:
        target = _target(body, keypoints)
        left, right = (set(body.hands[side].points.tolist()) for side in ("left", "right"))
        return sum(p in left and m in right for p, m in zip(target.plus, target.minus, strict=True))

    assert touching(robots.together(0.3)) == 0 and touching(robots.together(0.01)) > 0


def test_a_hand_at_the_chin_is_asked_for_at_the_robots(body: Body) -> None:
    keypoints = robots.together(0.3)
    chin = keypoints[INDEX["right_jaw_chin"]] + (0.02, 0.0, -0.01)
    away = chin - keypoints[INDEX["right_index_tip"]]
    keypoints[RIGHT_HAND] += away
    keypoints[INDEX["right_wrist"]] += away
    target = _target(body, keypoints)
    at_head = (target.minus == body.numbers["head"]) & np.isin(target.plus, body.hands["right"].points)
    assert at_head.any() and (target.weight[at_head] > 0).all() and (target.movers[at_head] == FREE).all()


def test_weights_grow_smoothly_as_hands_come_together(body: Body) -> None:
    """What begins to matter does so little by little, or the robot would jerk."""

    def pull(gap: float) -> float:
        target = _target(body, robots.together(gap))
        return float((target.weight[np.isin(target.plus, body.hands["left"].points) & (target.movers == FREE)]).sum())

    pulls = np.array([pull(gap) for gap in np.linspace(0.1, 0.0, 51)])
    assert pulls[0] == 0 < pulls[-1] and np.diff(pulls).max() < 0.12 * pulls[-1]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda k: k[:70], r"shape \(70, 3\); give \(79, 3\)"),
        (lambda k: np.where(np.arange(79)[:, None] == INDEX["left_elbow"], np.nan, k), "left_elbow is not finite"),
        (lambda k: np.where(np.arange(79)[:, None] == INDEX["nose"], np.inf, k), "nose is not finite"),
        (lambda k: 1000 * k, "m from the shoulders; give metres"),
        (lambda k: np.zeros_like(k), "shoulders are 0.00 m apart; scale"),
        (lambda k: 1e-3 * k, "shoulders are 0.00 m apart; scale"),
        (lambda k: np.where(np.arange(79)[:, None] >= 58, k[58], k), "right palm is 0 mm long"),
    ],
)
def test_keypoints_of_nobody_are_refused(body: Body, change, named: str) -> None:
    with pytest.raises(KeypointError, match=named):
        _target(body, change(REST_POSE.astype(float)))
