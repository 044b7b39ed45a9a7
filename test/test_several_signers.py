"""Several signers in one system, each in its namespace; and the parameter files that demo and launch files share."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest
from audience import CANCELED, EXECUTING, SIGNED, Audience
from conftest import ROOT, Process

from text2sign_ros import child

NAMESPACES = ("/left", "/right")


@pytest.fixture
def audience() -> Iterator[Audience]:
    audience = Audience()
    yield audience
    audience.close()


def test_each_signer_signs_its_own_texts(run_signer: Callable[..., Process], audience: Audience) -> None:
    processes = {}
    for namespace in NAMESPACES:
        audience.attend(namespace)
        processes[namespace] = run_signer("-r", f"__ns:={namespace}", frame=f"{namespace[1:]}/signer")
    for namespace, process in processes.items():
        audience.clients[namespace].check = process.check
        audience.clients[namespace].wait_until_ready()
    left = audience.submit("/left", "can i get a large coffee please")
    audience.until(lambda: audience.goals["/left"] == [EXECUTING] and audience.chunks["/left"], "the left one")
    assert not audience.goals["/right"] and not audience.chunks["/right"]

    right = audience.submit("/right", "hello")
    audience.until(lambda: audience.goals["/right"] == [EXECUTING], "the right one")
    assert audience.clients["/left"].cancel() == "canceled 1 text"
    assert left.result().status is CANCELED and right.result().status is SIGNED
    assert audience.goals == {"/left": [CANCELED], "/right": [SIGNED]}
    assert "signed 'hello'" in processes["/right"].wait_for("signed ")
    processes["/left"].wait_for("canceled 'can i get a large coffee please'")
    signing = {f"{namespace[1:]}/signer: signing" for namespace in NAMESPACES}
    audience.until(lambda: audience.diagnosed >= signing, "diagnostics of both")
    frames = {"/left": {"left/signer"}, "/right": {"right/signer"}}
    assert audience.chunk_frames == audience.layout_frames == frames


def _parameter_files(name: str) -> set[str]:
    """Names of the parameter files in a launch file's source."""
    tree = ast.parse((ROOT / "launch" / f"{name}.launch.py").read_text())
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {string for string in strings if string.endswith(".yaml")}


def test_demo_and_launch_files_read_the_same_parameter_files(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def note(command: list[str], **_: object) -> None:
        commands.append(command)
        raise OSError

    monkeypatch.setattr(child.subprocess, "Popen", note)
    with pytest.raises(OSError):
        child.start_signer()
    (command,) = commands
    assert command[command.index("--params-file") + 1] == str(ROOT / "config" / "signer.yaml")
    expected = {"signer": {"signer.yaml"}, "player": {"player.yaml"}, "text2sign": {".yaml", "viewer.yaml"}}
    expected |= {"robot": {".yaml"}, "two_signers": set(), "mounted": set()}  # .yaml of each node, by its name
    found = {path.name.removesuffix(".launch.py") for path in (ROOT / "launch").glob("*.launch.py")}
    assert {name: _parameter_files(name) for name in found} == expected
