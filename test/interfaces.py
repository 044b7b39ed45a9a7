"""Builds the Python package of a ROS interface that has no wheel, with ROS 2's own generators and the C compiler."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy
import pytest

from text2sign_ros.ros import environment


def build(folder: Path, package: str, interface: str, idl: str, needs: tuple[str, ...]) -> None:
    """Build ``folder/package``, which can be imported once ``folder`` is on Python's path; skip where that can't be.

    Args:
        folder: for it.
        package, interface: names, as "std_msgs", "msg/String" or "tf2_msgs", "action/LookupTransform".
        idl: definition of the interface, as rosidl makes it from a .msg or .action file.
        needs: packages of interfaces that the definition uses.
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
        import rosidl_typesupport_introspection_c
        from ament_index_python import get_package_prefix
    except ImportError as error:
        pytest.skip(f"{package} is not installed, nor is what builds it: {error}")
    prefix = Path(get_package_prefix("rosidl_generator_c"))
    module, generated = folder / package, folder / "generated"
    definition = generated / f"{interface}.idl"
    for path in (module, definition.parent):
        path.mkdir(parents=True)
    (module / "__init__.py").touch()
    definition.write_text(idl)

    def arguments(generator: str, output: Path | None = None) -> str:
        templates, output = prefix / "share" / generator / "resource", output or generated / generator / package
        for template in templates.glob(f"{generator}__visibility_control.h.in"):
            header = template.read_text().replace("@PROJECT_NAME@", package)
            (output / "msg").mkdir(parents=True, exist_ok=True)  # there whatever the kind
            (output / "msg" / template.stem).write_text(header.replace("@PROJECT_NAME_UPPER@", package.upper()))
        hashes = generated / "rosidl_generator_type_description" / package / f"{interface}.json"
        values = {
            "package_name": package,
            "output_dir": str(output),
            "template_dir": str(templates),
            "idl_tuples": [f"{generated}:{interface}.idl"],
            "ros_interface_files": [str(definition)],
            "ros_interface_dependencies": [],
            "target_dependencies": [],
            "include_paths": [f"{path.name}:{path}" for path in (prefix / "share").iterdir()],
            "type_description_tuples": [f"{interface}.idl:{hashes}"],
        }
        file = generated / f"{generator}.json"
        file.write_text(json.dumps(values))
        return str(file)

    fastrtps, introspection = "rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c"
    rosidl_generator_type_description.generate_type_hash(arguments("rosidl_generator_type_description"))
    rosidl_generator_c.generate_c(arguments("rosidl_generator_c"))
    rosidl_typesupport_fastrtps_c.generate_typesupport_fastrtps_c(arguments(fastrtps))
    rosidl_typesupport_introspection_c.generate_c(arguments(introspection))
    rosidl_typesupport_c.generate_c(arguments("rosidl_typesupport_c"), [fastrtps, introspection])
    rosidl_generator_py.generate_py(arguments("rosidl_generator_py", module), ["rosidl_typesupport_c"])

    headers = [path for path in generated.iterdir() if path.is_dir()]
    headers += [prefix / "include", *(prefix / "include").iterdir()]
    headers += [Path(numpy.get_include()), Path(sysconfig.get_path("include"))]
    compiler = ["cc", "-shared", "-fPIC", "-w", f"-L{module}", f"-L{prefix}/lib", f"-Wl,-rpath,{module}:{prefix}/lib"]
    compiler += ["-Wl,--no-as-needed", *(f"-I{path}" for path in headers)]

    def compile(sources: Path, name: str, *libraries: str) -> None:
        files = [str(path) for pattern in ("*.c", "*.cpp") for path in sources.rglob(pattern)]
        command = [*compiler, "-o", str(module / name), f"-Wl,-soname,{name}", *files, *(f"-l{x}" for x in libraries)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert result.returncode == 0, result.stderr

    def made(kind: str) -> list[str]:
        """The libraries of one kind: of this package and of those that it needs."""
        return [f"{name}__{kind}" for name in (package, *needs)]

    runtime = ["rosidl_runtime_c", "rcutils", "stdc++"]
    # As colcon does: a library for each kind, which rosidl_typesupport_c finds by its name.
    for kind, libraries in (
        ("rosidl_generator_c", []),
        (fastrtps, [*made("rosidl_generator_c"), fastrtps, "rosidl_typesupport_fastrtps_cpp", "fastcdr"]),
        (introspection, [*made("rosidl_generator_c"), introspection]),
        ("rosidl_typesupport_c", [*made(fastrtps), *made(introspection), "rosidl_typesupport_c"]),
    ):
        others = [f"{name}__{kind}" for name in needs]
        compile(generated / kind, f"lib{package}__{kind}.so", *others, *libraries, *runtime)
    libraries = [*made("rosidl_typesupport_c"), *made("rosidl_generator_c")]
    libraries += [f"{name}__rosidl_generator_py" for name in needs]
    compile(module, f"{package}_s__rosidl_typesupport_c{sysconfig.get_config_var('EXT_SUFFIX')}", *libraries, *runtime)
