#!/bin/bash
# Runs a command with ROS 2 and this workspace sourced.
set -e
source /opt/ros/jazzy/setup.bash
source "$HOME/ws/install/setup.bash"
exec "$@"
