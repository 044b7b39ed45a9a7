"""The path: within its frames, settled once it was passed, and followed no faster than limits allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pacing import FRAME, STEP, limits, smooth, stamps, wild

from text2sign_ros.retarget.joint_path import JointLimits, JointPath
from text2sign_ros.retarget.pacing import TOLERANCE

SEEDS = st.integers(0, 2**32 - 1)


def path(motion: np.ndarray, bounds: JointLimits, tolerance: float = TOLERANCE, first: int | None = None) -> JointPath:
    return JointPath(bounds, tolerance, STEP, 1.1, motion[0], stamps(len(motion))[:first], motion[:first], FRAME / 1e9)


def places(one: JointPath) -> np.ndarray:
    return np.linspace(1.0, one.end, 400)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 49))
def test_it_never_changes_where_it_was_known(seed: int, first: int) -> None:
    motion = wild(seed, 50, 3)
    whole, growing = path(motion, limits(3)), path(motion, limits(3), first=first)
    known = places(growing)
    before = growing.at(known)
    growing.extend(stamps(50)[first:], motion[first:])
    np.testing.assert_allclose(growing.at(known), before, atol=1e-12)
    for one in (whole, growing):
        one.finish()
    np.testing.assert_allclose(growing.at(places(whole)), whole.at(places(whole)), atol=1e-12)
    np.testing.assert_allclose(whole.at(np.array([whole.end]))[0], motion[-1], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(3, 40), st.integers(0, 49))
def test_frames_are_taken_back_up_to_a_place(seed: int, place: int, frame: int) -> None:
    motion, other = wild(seed, 50, 3), wild(seed + 1, 50, 3)
    one = path(motion, limits(3))
    known = np.linspace(1.0, place, 100)
    before = one.at(known)
    one.cut(int(stamps(50)[frame]), place)
    after = stamps(50) > one.times[-1]
    one.extend(stamps(50)[after], other[after])
    one.finish()
    np.testing.assert_allclose(one.at(known), before, atol=1e-12)
    if after.any():
        np.testing.assert_allclose(one.at(np.array([one.end]))[0], other[-1], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0.0, 0.1))
def test_it_stays_within_limits_of_position_and_near_its_frames(seed: int, tolerance: float) -> None:
    motion = wild(seed, 60, 3)
    one = path(motion, limits(3), tolerance)
    one.finish()
    points = one.at(places(one))
    assert (np.abs(points) <= 2.0).all()
    bend = np.abs(np.diff(np.concatenate((motion[:1], motion, motion[-1:])), n=2, axis=0)) / 6
    passed = one.at(one.hold + 1.0 + np.arange(60))
    away = np.abs(passed - motion)
    near = np.max([np.pad(bend, ((2, 2), (0, 0)))[k : k + 60] for k in range(5)], axis=0)
    assert (away <= tolerance + 2 * near + 1e-9).all()


def test_frames_that_demand_little_are_passed_through() -> None:
    motion = smooth(1, 60, 3, 0.5)
    one = path(motion, limits(3, 1e3, 1e5, 1e7))
    np.testing.assert_allclose(one.at(one.hold + 1.0 + np.arange(58)), motion[:-2], atol=np.radians(0.1))


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from((10.0, 60.0)), st.sampled_from((300.0, 3000.0)), st.sampled_from((0.0, 0.05)))
def test_the_full_pace_keeps_the_limits(seed: int, acceleration: float, jerk: float, jumps: float) -> None:
    bounds = limits(3, 6.0, acceleration, jerk)
    one = path(wild(seed, 40, 3, 0.01, jumps), bounds)
    one.finish()
    for place in np.arange(1.0, one.end, 3.0):  # a part of it at a time, as it is followed
        until = one.ease(place, 0)
    assert until == one.end
    times = np.arange(one.pace.time(one.hold + 3.0), one.pace.times[-1], STEP)
    over = bounds.demand(one.at(one.pace.along(times)[0]), STEP)
    assert np.percentile(over.max(axis=1), 99) <= 1.0  # what is left, at the start of a part, the pacer sees to
    assert over.max() < 1.3


def test_place_and_time_are_inverse() -> None:
    one = path(wild(3, 40, 2), limits(2))
    one.finish()
    for place in np.linspace(1.0, one.end, 57):
        assert one.pace.along(np.array([one.pace.time(place)]))[0, 0] == pytest.approx(place, abs=1e-9)


def test_memory_is_freed_behind_the_present_place() -> None:
    motion = wild(4, 600, 2)
    one, other = path(motion, limits(2), first=500), path(motion, limits(2), first=500)
    one.forget(450.0)
    assert len(one.times) < 200 < len(other.times)
    for each in (one, other):
        each.extend(stamps(600)[500:], motion[500:])
        each.finish()
    late = np.linspace(450.0, one.end, 300)
    np.testing.assert_array_equal(one.at(late), other.at(late))
    np.testing.assert_array_equal(one.stamp(late), other.stamp(late))
    one.ease(450.0, 0)
    other.ease(450.0, 0)
    spent = [each.pace.time(550.0) - each.pace.time(450.0) for each in (one, other)]
    assert spent[0] == pytest.approx(spent[1], rel=1e-6)
