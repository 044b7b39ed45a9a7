"""What the tutorial, the how-to guides and the README tell a reader to type exists, and their programs run."""

from __future__ import annotations

import ast
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from conftest import ROOT, Companion, Process
from rclpy.node import Node
from std_srvs.srv import Trigger

from text2sign_ros import KEYPOINTS, Signer, cli
from text2sign_ros.ros import parameters
from text2sign_ros.ros.player_node import PlayerNode
from text2sign_ros.ros.signer_node import SignerNode

GUIDES = sorted([*(ROOT / "docs" / "tutorials").glob("*.md"), *(ROOT / "docs" / "how_to").glob("*.md")])
TUTORIAL = ROOT / "docs" / "tutorials" / "first_sign.md"
SETTINGS = {"signer": parameters.SIGNER, "player": parameters.PLAYER}
OPTIONAL = {"/signer/speech": "hri_msgs", "/signer/tts": "tts_msgs"}
"""Where it is installed."""


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def commands() -> list[tuple[str, list[str]]]:
    """(page, words) of every command in the guides, and of those of the README that call `ros2` or `text2sign`."""
    found = []
    for page in GUIDES:
        lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
        found += [(page.name, shlex.split(line, comments=True)) for line in lines]
    for line in (ROOT / "README.md").read_text().splitlines():
        if match := re.fullmatch(r" {4}(?:\.venv/bin/)?((?:ros2|text2sign) .*)", line):
            found.append(("README.md", shlex.split(match[1], comments=True)))
    return found


def after(*start: str) -> list[tuple[str, list[str]]]:
    """(page, the other words) of the commands that start with these."""
    found = [(page, words[len(start) :]) for page, words in commands() if tuple(words[: len(start)]) == start]
    assert found, start
    return found


def test_each_block_of_commands_is_valid_bash() -> None:
    for page in GUIDES:
        for block in blocks(page, "bash"):
            text = block.replace("<this repository>", "address")
            result = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=30)
            assert not result.returncode, f"{page.name}: {result.stderr}"


def test_launch_files_have_the_arguments_that_are_given() -> None:
    for page, (name, *given) in after("ros2", "launch", "text2sign_ros"):
        file = ROOT / "launch" / name
        assert file.is_file(), f"{page}: there is no {name}"
        nodes = list(ast.walk(ast.parse(file.read_text())))
        names = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        ends = [node.values[-1] for node in nodes if isinstance(node, ast.JoinedStr)]
        ends = [end.value for end in ends if isinstance(end, ast.Constant) and len(str(end.value)) > 3]
        for argument in given:
            argument = argument.partition(":=")[0]
            assert argument in names or argument.endswith(tuple(ends)), f"{page}: {name} has no argument {argument}"


def test_executables_exist_and_take_what_they_are_given() -> None:
    setup = (ROOT / "setup.py").read_text()
    for page, (name, *given) in after("ros2", "run", "text2sign_ros"):
        assert f'"{name} = {{NAME}}.' in setup, f"{page}: there is no executable {name}"
        if name == "text2sign":
            cli._parser().parse_args(given)
    for _, given in after("text2sign"):
        cli._parser().parse_args(given)


def test_parameters_exist() -> None:
    names = {setting.name for setting in parameters.SIGNER}
    told = [(page, given[0]) for verb in ("set", "describe") for page, given in after("ros2", "param", verb, "/signer")]
    for page, words in after("ros2", "run", "text2sign_ros", "signer"):
        told += [(page, following.partition(":=")[0]) for word, following in pairwise(words) if word == "-p"]
    for page, name in told:
        assert name in names, f"{page}: the signer has no parameter {name}"


def test_parameter_files_are_accepted(local_node: Callable[..., Node], tmp_path: Path) -> None:
    files = [block for page in GUIDES for block in blocks(page, "yaml") if "ros__parameters" in block]
    assert files
    for text in files:
        ((section, content),) = yaml.safe_load(text).items()
        (tmp_path / "parameters.yaml").write_text(text)
        kind = {"signer": SignerNode, "player": PlayerNode}[section.rpartition("/")[2]]
        node = local_node(kind, "--params-file", str(tmp_path / "parameters.yaml"))
        for name, value in content["ros__parameters"].items():
            assert node.get_parameter(name).value == value, f"{section} has no parameter {name}"


def test_topics_services_and_actions_exist(local_node: Callable[..., Node], bundle: Path) -> None:
    signer = local_node(SignerNode, "-p", f"bundle:={bundle}")
    assert signer.start(), signer.failure
    known = {"/signer/change_state", "/signer/get_state", "/player/markers"}
    known |= {entity.topic_name for entity in (*signer.publishers, *signer.subscriptions)}
    known |= {signer.resolve_service_name(service.srv_name) for service in signer.services}
    sources = " ".join(path.read_text() for path in (ROOT / "text2sign_ros" / "ros").glob("*.py"))
    for name, package in OPTIONAL.items():
        assert f"~/{name.rpartition('/')[2]}" in sources and package in sources, f"the signer has no {name}"
    for page in GUIDES:
        for name in re.findall(r"(?<![\w/.…-])(?:/left|/right)?(/(?:signer|player)/[a-z_]+)", page.read_text()):
            assert name in known | set(OPTIONAL), f"{page.name}: there is no {name}"


def test_messages_are_what_their_types_take() -> None:
    for page, words in after("ros2", "topic", "pub", "--once"):
        name, kind, content = words
        assert name.endswith("/signer/text") and kind == "std_msgs/msg/String", page
        assert set(yaml.safe_load(content)) == {"data"}, page
    for page, words in after("ros2", "service", "call"):
        assert words[1:] == ["std_srvs/srv/Trigger"], page


@pytest.fixture
def companion() -> Iterator[Companion]:
    made = Companion("reader_of_guides")
    yield made
    made.close()


def start(program: str, folder: Path) -> subprocess.Popen:
    """A program of a page as its own process, with its output in ``folder/said``."""
    (folder / "program.py").write_text(program)
    with (folder / "said").open("w") as said:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        }
        command = [sys.executable, "-u", "program.py"]
        return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, cwd=folder, env=environment)


@pytest.mark.slow
def test_the_tutorials_program_follows_the_wrist(
    run_signer: Callable[..., Process], companion: Companion, bundle: Path, tmp_path: Path
) -> None:
    (program,) = blocks(TUTORIAL, "python")
    assert len([line for line in program.splitlines() if line.strip()]) <= 26, "a short program"
    signed = Signer(bundle).sign("hello").positions[:, KEYPOINTS.index("right_wrist")]

    def path() -> list[tuple[float, ...]]:
        """(when it was due, x, y, z) of each line."""
        pattern = r"^([\d.]+) s: right wrist at x (\S+), y (\S+), z (\S+)$"
        return [
            tuple(map(float, found)) for found in re.findall(pattern, (tmp_path / "said").read_text(), re.MULTILINE)
        ]

    signer = run_signer()
    signer.wait_for("ready")
    process = start(program, tmp_path)
    try:
        companion.until(lambda: companion.node.count_subscribers("/signer/trajectory"), "the program")
        time.sleep(1.0)  # for the signer to find it too
        companion.say("hello")
        companion.until(lambda: len(path()) >= len(signed), "the whole path")
        late, hello = time.time() - path()[-1][0], path()
        companion.say("can i get a large coffee please")
        companion.until(lambda: len(path()) > len(hello) + 40, "the middle of another text")
        cancel = companion.node.create_client(Trigger, "/signer/cancel")
        companion.until(cancel.service_is_ready, "the service")
        assert cancel.call_async(Trigger.Request()) is not None
        signer.wait_for("canceled")
        companion.until(lambda: path()[-1][1:] == hello[-1][1:], "rest")
        process.send_signal(signal.SIGINT)
        process.wait(10.0)
    finally:
        process.kill()
        process.wait()
    lines, canceled = np.array(hello), np.array(path()[len(hello) :])
    np.testing.assert_allclose(lines[:, 1:], signed, atol=6e-4)  # to the millimetre
    assert len(canceled) < 150, "the whole text has more than two hundred frames"
    assert np.linalg.norm(np.diff(canceled[:, 1:], axis=0), axis=1).max() < 0.12, "no jump: at most 3 m/s"
    for times in (lines[:, 0], canceled[:, 0]):
        np.testing.assert_allclose(np.diff(times), 0.04, atol=0.011)
    assert -0.01 < late < 1.0, "a point is printed when it is due, not when it arrives"
    shown = re.findall(r"right wrist at x (\S+), y (\S+), z (\S+)$", TUTORIAL.read_text(), re.MULTILINE)
    frames = (0, 33, 67)
    np.testing.assert_allclose(np.array(shown, float), signed[[*frames]], atol=6e-4)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["how_to/voice_pipeline.md", "client.md"])
def test_programs_of_clients(run_signer: Callable[..., Process], tmp_path: Path, page: str) -> None:
    program = blocks(ROOT / "docs" / page, "python")[0]
    run_signer().wait_for("ready")
    process = start(program, tmp_path)
    try:
        assert process.wait(60.0) == 0, (tmp_path / "said").read_text()
    finally:
        process.kill()
        process.wait()
    assert re.search(r"^SUCCEEDED", (tmp_path / "said").read_text(), re.MULTILINE)


def test_leaves_of_behaviour_trees() -> None:
    """As far as that is possible without the packages of behaviour trees: the page says so."""
    page = ROOT / "docs" / "how_to" / "behaviour_tree.md"
    (leaf,) = blocks(page, "python")
    calls = [node for node in ast.walk(ast.parse(leaf)) if isinstance(node, ast.Call)]
    given = {keyword.arg: keyword.value for call in calls for keyword in call.keywords}
    assert given["action_name"].value == "/signer/tts" and {"input", "locale"} <= set(given)
    (tree,) = blocks(page, "xml")
    (klass,) = blocks(page, "cpp")
    leaves = list(ElementTree.fromstring(tree).iter("Sign"))
    assert leaves and "class Sign " in klass
    for element in leaves:
        assert element.get("action_name") == "/signer/tts"
        for port in set(element.keys()) - {"action_name"}:
            assert f'InputPort<std::string>("{port}")' in klass


def made_by(picture: Path) -> list[str]:
    """Commands in the docs, or in the docstring of an experiment, that make a picture of docs/."""
    name = picture.relative_to(ROOT).as_posix()
    pages = [*GUIDES, *(ROOT / "docs").glob("*.md"), ROOT / "README.md", *ROOT.glob("models/*/*.md")]
    text = re.sub(r"\s+", " ", " ".join(page.read_text() for page in pages))
    found = re.findall(rf"text2sign [^`]*? --out {re.escape(name)}", text)
    found += re.findall(rf"text2sign bench [^`]*? --markdown {re.escape(name.replace('.png', '.md'))}", text)
    found += re.findall(rf"cp runs/\w+/[^` ]*\b{picture.stem}\b[^` ]* docs/", text)
    found += re.findall(rf"text2sign evaluate [^`]*? && cp out/evaluate/{re.escape(picture.name)} docs/", text)
    found += re.findall(rf"make robot .{{,120}}? ffmpeg -i out/robot/sheet\.png [^`]*? {re.escape(name)}", text)
    for experiment in (ROOT / "experiments").glob("*.py"):
        if picture.name in experiment.read_text():
            found += re.findall(rf"python -m experiments\.{experiment.stem}\b", text)
    return found


def test_the_docs_name_the_command_that_makes_each_picture() -> None:
    pictures = [path for path in (ROOT / "docs").rglob("*.png") if "api" not in path.parts]
    assert len(pictures) > 10
    for picture in pictures:
        assert made_by(picture), f"no page says what makes {picture.relative_to(ROOT)}"
    assert not made_by(ROOT / "docs" / "no_such_picture.png")


def test_the_tutorials_picture_is_what_its_command_makes(tmp_path: Path) -> None:
    import PIL  # noqa: F401  the command draws with it

    (command,) = [words for page, words in after("ros2", "run", "text2sign_ros", "text2sign") if page == TUTORIAL.name]
    *start, out = command
    assert cli.main([*start, str(tmp_path / "picture.png")]) == 0
    assert (tmp_path / "picture.png").stat().st_size == pytest.approx((ROOT / out).stat().st_size, rel=0.1)
