"""What `ros2 launch FILE [NAME:=VALUE ...]` does, where there is no ros2 command: `python -m launcher FILE ...`."""

from __future__ import annotations

import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def main(file: str, *arguments: str) -> int:
    service = LaunchService(argv=list(arguments), noninteractive=True)
    given = [tuple(argument.split(":=", 1)) for argument in arguments]
    include = IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=given)
    service.include_launch_description(LaunchDescription([include]))
    return service.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
