#!/bin/bash
# Entry point of the image: runs a command with ROS 2 and the workspace /ws sourced.
set -e
source /opt/ros/jazzy/setup.bash
source /ws/install/setup.bash
exec "$@"
