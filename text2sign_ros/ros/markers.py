"""The skeleton as visualization_msgs/MarkerArray: lines for bones and balls for joints, one colour per group."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from text2sign_ros import palette, skeleton

_THICKNESS = {"body": 0.020, "face": 0.004, "left_hand": 0.008, "right_hand": 0.008}  # of a bone, metres
_JOINT = 1.5  # diameter of a ball, in thicknesses of a bone


class Skeleton:
    """Builds the message: per group of keypoints first the balls, in the order of the keypoints, then the lines.

    Namespaces are ``body_joints``, ``body``, ``face_joints``, ... so that a viewer can switch each off. The message and
    its points are created once and updated: creating 221 points each time takes longer than everything else.
    """

    def __init__(self, frame: str) -> None:
        self._message = MarkerArray()
        ends: list[int] = []
        for group, span in skeleton.GROUPS.items():
            members = range(*span.indices(skeleton.NUM_KEYPOINTS))
            bones = [end for bone in skeleton.GROUP_BONES[group] for end in bone]
            for suffix, kind, points in (("_joints", Marker.SPHERE_LIST, members), ("", Marker.LINE_LIST, bones)):
                self._message.markers.append(_marker(frame, group, suffix, kind, len(points)))
                ends += points
        self._ends = np.array(ends)
        self._points = [point for marker in self._message.markers for point in marker.points]

    def message(self, stamp_ns: int, positions: np.ndarray) -> MarkerArray:
        """The message for ``positions`` (79, 3) metres at ``stamp_ns``; valid until the next call."""
        sec, nanosec = divmod(stamp_ns, 10**9)
        for marker in self._message.markers:
            marker.header.stamp.sec, marker.header.stamp.nanosec = sec, nanosec
        for point, (x, y, z) in zip(self._points, positions[self._ends].tolist(), strict=True):
            point.x, point.y, point.z = x, y, z
        return self._message


def _marker(frame: str, group: str, suffix: str, kind: int, points: int) -> Marker:
    red, green, blue = (part / 255 for part in palette.rgb(palette.GROUPS[group]))
    marker = Marker(ns=group + suffix, type=kind, action=Marker.ADD)
    marker.header.frame_id = frame
    marker.pose.orientation.w = 1.0
    size = _THICKNESS[group] * (_JOINT if kind == Marker.SPHERE_LIST else 1.0)
    marker.scale = Vector3(x=size, y=size, z=size)
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    marker.points = [Point() for _ in range(points)]
    return marker
