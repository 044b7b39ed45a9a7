"""ROS 2: nodes, parameters, messages. No mathematics here."""

from text2sign_ros.ros import environment

environment.complete()
