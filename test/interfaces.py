"""Builds the Python package of a ROS message that has no wheel, with ROS 2's own generators and the C compiler."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy
import pytest

from text2sign_ros.ros import environment


def build(folder: Path, package: str, message: str, idl: str, needs: tuple[str, ...]) -> None:
    """Build ``folder/package``, which can be imported once ``folder`` is on Python's path; skip where that can't be.

    Args:
        folder: for it.
        package, message: names, as "std_msgs", "String".
        idl: definition of the message, as rosidl makes it from a .msg file.
        needs: packages of messages that the definition uses.
    """
    environment.complete()
    if not Path(sysconfig.get_path("include"), "Python.h").is_file() or shutil.which("cc") is None:
        pytest.skip(f"{package} is not installed, and there is no C compiler with Python's headers to build it")
    try:
        import rosidl_generator_c
        import rosidl_generator_py
        import rosidl_generator_type_description
        import rosidl_typesupport_c
        import rosidl_typesupport_fastrtps_c
        from ament_index_python import get_package_prefix
    except ImportError as error:
        pytest.skip(f"{package} is not installed, nor is what builds it: {error}")
    prefix = Path(get_package_prefix("rosidl_generator_c"))
    made = folder / package
    (made / "msg").mkdir(parents=True)
    (made / "__init__.py").touch()
    (made / "msg" / f"{message}.idl").write_text(idl)

    def arguments(generator: str) -> str:
        templates = prefix / "share" / generator / "resource"
        for template in templates.glob(f"{generator}__visibility_control.h.in"):
            header = template.read_text().replace("@PROJECT_NAME@", package)
            header = header.replace("@PROJECT_NAME_UPPER@", package.upper())
            (made / "msg" / template.stem).write_text(header)
        file = folder / f"{generator}.json"
        values = {
            "package_name": package,
            "output_dir": str(made),
            "template_dir": str(templates),
            "idl_tuples": [f"{made}:msg/{message}.idl"],
            "ros_interface_files": [str(made / "msg" / f"{message}.idl")],
            "ros_interface_dependencies": [],
            "target_dependencies": [],
            "include_paths": [f"{path.name}:{path}" for path in (prefix / "share").iterdir()],
            "type_description_tuples": [f"msg/{message}.idl:{made}/msg/{message}.json"],
        }
        file.write_text(json.dumps(values))
        return str(file)

    implementation = "rosidl_typesupport_fastrtps_c"
    rosidl_generator_type_description.generate_type_hash(arguments("rosidl_generator_type_description"))
    rosidl_generator_c.generate_c(arguments("rosidl_generator_c"))
    rosidl_generator_py.generate_py(arguments("rosidl_generator_py"), ["rosidl_typesupport_c"])
    rosidl_typesupport_c.generate_c(arguments("rosidl_typesupport_c"), [implementation])
    rosidl_typesupport_fastrtps_c.generate_typesupport_fastrtps_c(arguments(implementation))

    headers = [folder, prefix / "include", *(prefix / "include").iterdir(), numpy.get_include()]
    kinds = ("rosidl_generator_c", "rosidl_generator_py", implementation)
    libraries = [f"{name}__{kind}" for name in needs for kind in kinds]
    libraries += ["rosidl_typesupport_c", implementation, "rosidl_typesupport_fastrtps_cpp", "rosidl_runtime_c"]
    command = ["cc", "-shared", "-fPIC", "-w", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib"]
    command += [f"-I{path}" for path in (*headers, sysconfig.get_path("include"))]
    command += ["-o", str(made / f"{package}_s__rosidl_typesupport_c{sysconfig.get_config_var('EXT_SUFFIX')}")]
    command += [str(path) for pattern in ("*.c", "*.cpp") for path in sorted(made.rglob(pattern))]
    command += [f"-l{name}" for name in (*libraries, "fastcdr", "rcutils", "stdc++")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
