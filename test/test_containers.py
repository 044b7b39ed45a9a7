"""Container files: a linter accepts them, and they install what setup.py and the README say."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

DEVCONTAINER = ROOT / ".devcontainer"
FILES = sorted([ROOT / "Dockerfile", DEVCONTAINER / "Dockerfile", *(ROOT / "deploy").glob("Dockerfile.*")])
SCRIPTS = [ROOT / "deploy" / "entrypoint.sh", DEVCONTAINER / "post_create"]
HADOLINT = Path(sys.executable).parent / "hadolint"
KEYS = {  # of a devcontainer.json that builds a Dockerfile, https://containers.dev/implementors/json_reference
    *("name", "build", "features", "overrideFeatureInstallOrder", "customizations", "forwardPorts", "portsAttributes"),
    *("otherPortsAttributes", "containerEnv", "remoteEnv", "containerUser", "remoteUser", "updateRemoteUserUID"),
    *("userEnvProbe", "overrideCommand", "shutdownAction", "init", "privileged", "capAdd", "securityOpt", "mounts"),
    *("workspaceMount", "workspaceFolder", "runArgs", "appPort", "hostRequirements", "waitFor", "initializeCommand"),
    *("onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand", "postAttachCommand"),
}
EXTENSION = r"[A-Za-z0-9][A-Za-z0-9-]*\.[A-Za-z0-9][A-Za-z0-9-]*"
README = (ROOT / "README.md").read_text()


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands(path: Path) -> str:
    """A file without comments, with continued lines joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"\\\n\s*", " ", "\n".join(lines))


def ranges() -> dict[str, set[str]]:
    """Version ranges of each package in setup.py."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = [
        (match[1].lower(), match[2])
        for text in texts
        if (match := re.fullmatch(r"([\w.-]+)((?:>=|<)[\d.,<>=]+)", text))
    ]
    return {package: {versions for name, versions in found if name == package} for package, _ in found}


@pytest.mark.skipif(not HADOLINT.is_file(), reason="hadolint is not in this environment")
@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_linter_has_nothing_to_say(path: Path) -> None:
    result = subprocess.run([HADOLINT, "--no-color", path], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(not HADOLINT.is_file(), reason="hadolint is not in this environment")
def test_the_linter_can_fail(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text((ROOT / "Dockerfile").read_text().replace("USER 10001", "USER root"))
    assert subprocess.run([HADOLINT, tmp_path / "Dockerfile"], capture_output=True, timeout=60).returncode


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_scripts_are_valid_and_executable(path: Path) -> None:
    assert path.stat().st_mode & 0o111 == 0o111
    result = subprocess.run(["bash", "-n", path], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", [*FILES, *SCRIPTS], ids=name)
def test_pip_installs_what_setup_py_allows(path: Path) -> None:
    """A range that is given is that of setup.py, and numpy is the numpy of the distribution's ROS 2."""
    allowed = ranges()
    for package, versions in re.findall(r"'([A-Za-z0-9_.-]+?)((?:>=|<|==)[^']*)'", commands(path)):
        given = allowed.get(package.lower())
        assert given, f"{name(path)} installs {package}, which setup.py does not name"
        if package == "numpy":
            assert versions == ">=1.26,<2" and f"'{package}{versions}'" in README
        elif not versions.startswith("=="):
            assert versions in given, f"{name(path)}: {package}{versions}, but setup.py says {given}"


@pytest.mark.parametrize("path", [ROOT / "Dockerfile", DEVCONTAINER / "post_create"], ids=name)
def test_signing_needs_what_the_readme_installs(path: Path) -> None:
    (told,) = re.findall(r"^    pip install (.*'numpy.*)$", README, re.MULTILINE)
    names = {re.split("[<>=]", word.strip("'"))[0] for word in told.split()}
    installed = {package for package, _ in re.findall(r"'([A-Za-z0-9_-]+)([<>=][^']*)'", commands(path))}
    assert names <= installed


@pytest.mark.parametrize("path", [ROOT / "Dockerfile", DEVCONTAINER / "Dockerfile"], ids=name)
def test_apt_installs_what_the_readme_and_package_xml_name(path: Path) -> None:
    (packages,) = re.findall(r"apt-get install --yes --no-install-recommends (.*?) &&", commands(path))
    told = set(re.findall(r"[a-z0-9-]+", re.search(r"^    sudo apt install (.*)$", README, re.MULTILINE)[1]))
    assert {"python3-venv", "python3-colcon-common-extensions", "ros-jazzy-tf2-msgs"} <= told
    needs = set(re.findall(r"_depend>([\w-]+)<", (ROOT / "package.xml").read_text()))
    guides = " ".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    for package in packages.split():
        plain = package.removeprefix("ros-jazzy-").replace("-", "_") if package.startswith("ros-") else package
        command = package == "git" or plain in ("ros2bag", "tf2_ros")  # called by the guides
        assert package in told or plain in needs or command or package in guides, f"nothing names {package}"


@pytest.mark.parametrize("path", [ROOT / "Dockerfile", DEVCONTAINER / "post_create"], ids=name)
def test_the_build_is_that_of_the_readme(path: Path) -> None:
    text = commands(path)
    assert re.search(r"python3 -m venv --system-site-packages venv", text) and "touch venv/COLCON_IGNORE" in text
    assert re.search(r'venv/bin/python "\$\(command -v colcon\)" build .*--packages-select text2sign_ros', text)
    assert "python3 $(which colcon) build --packages-select text2sign_ros" in README
    assert text.index("source /opt/ros/jazzy/setup.bash") < text.index("command -v colcon")


def test_the_image_runs_as_a_user_and_copies_what_exists() -> None:
    text = commands(ROOT / "Dockerfile")
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users and users[-1] not in ("0", "root")
    for source in re.findall(r"^COPY (?:--\S+ )*(\S+) ", text, re.MULTILINE):
        assert (ROOT / source).exists(), source
    (start,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert (ROOT / "launch" / json.loads(start)[-1]).is_file()
    assert "docker build" in (ROOT / "docs" / "how_to" / "container.md").read_text()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_build_context_has_what_the_package_is_made_of() -> None:
    """.dockerignore leaves everything out but these."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    for path in kept:
        assert (ROOT / path).exists(), f".dockerignore keeps {path}, which does not exist"
    setup = (ROOT / "setup.py").read_text()
    folders = re.search(r"for top in \(([^)]*)\)", setup)
    assert folders and set(re.findall(r'"(\w+)"', folders[1])) <= kept
    assert {"text2sign_ros", "resource", "setup.py", "setup.cfg", "pyproject.toml", "package.xml", "LICENSE"} <= kept


def test_the_build_context_builds(tmp_path: Path) -> None:
    """With what .dockerignore keeps, and nothing else."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for kept in (line[1:] for line in lines if line.startswith("!")):
        (tmp_path / "context" / kept).parent.mkdir(parents=True, exist_ok=True)
        left_out = shutil.ignore_patterns("__pycache__", "learnt.pt")
        if (ROOT / kept).is_dir():
            shutil.copytree(ROOT / kept, tmp_path / "context" / kept, ignore=left_out)
        else:
            shutil.copy(ROOT / kept, tmp_path / "context" / kept)
    assert "models/*/learnt.pt" in lines
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-build-isolation"]
    target = ["--no-deps", "--no-index", "--target", tmp_path / "target", tmp_path / "context"]
    result = subprocess.run([*pip, *target], capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
    share = tmp_path / "target" / "share" / "text2sign_ros"
    assert (share / "models" / "asl" / "bundle.json").is_file() and (share / "launch").is_dir()


def test_the_devcontainer_is_one() -> None:
    content = json.loads((DEVCONTAINER / "devcontainer.json").read_text())
    assert set(content) <= KEYS, f"not keys of a devcontainer.json: {set(content) - KEYS}"
    assert {"name", "build", "remoteUser", "postCreateCommand", "customizations"} <= set(content)
    assert (DEVCONTAINER / content["build"]["dockerfile"]).is_file()
    assert (DEVCONTAINER / content["build"]["context"]).resolve() == ROOT
    assert (ROOT / content["postCreateCommand"]).is_file()
    extensions = content["customizations"]["vscode"]["extensions"]
    assert extensions and all(re.fullmatch(EXTENSION, extension) for extension in extensions)
    folder = content["workspaceFolder"]
    assert f"target={folder}," in content["workspaceMount"]
    home = f"/home/{content['remoteUser']}/ws"
    assert folder.startswith(f"{home}/src/") and f"WORKDIR {home}" in (DEVCONTAINER / "Dockerfile").read_text()
