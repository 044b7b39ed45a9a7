"""Security: who may do what, what a flood does at most, and that nothing that is signed with runs code."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import psutil
import pytest
from action_msgs.msg import GoalStatus
from conftest import ROOT, Process
from observer import Observer
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node, NodeNameNonExistentError
from std_msgs.msg import String

from text2sign_ros.clip import SignClip
from text2sign_ros.inference.backends.base import BackendError
from text2sign_ros.inference.backends.onnx import session
from text2sign_ros.ros import signer_node
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.wire import trajectory
from text2sign_ros.wire.intake import BURST
from text2sign_ros.wire.textlog import LINES

PACKAGE = ROOT / "text2sign_ros"
POLICY = ROOT / "config" / "security" / "text2sign.policy.xml"
LONG = " ".join(["can i get a large coffee please"] * 4)
ACTION = {"publish": ("feedback", "status"), "reply": ("send_goal", "cancel_goal", "get_result")}
"""What an action server has open, by name below the action's."""
Access = dict[str, set[str]]


class Auditor(Observer):
    """Counts."""

    def count(self, key: str) -> int:
        return int(self.values.get(key, 0))


@pytest.fixture
def companion() -> Iterator[Auditor]:
    auditor = Auditor("auditor")
    yield auditor
    auditor.close()


def allowed(enclave: str) -> Access:
    """What the policy lets an enclave do, by the attribute that says so; names in full."""
    profile = ElementTree.parse(POLICY).find(f"enclaves/enclave[@path='{enclave}']/profiles/profile")
    assert profile is not None
    namespace, node = profile.attrib["ns"], profile.attrib["node"]
    access: Access = {kind: set() for kind in ("subscribe", "publish", "reply", "request")}
    for group in profile:
        assert set(group.attrib.values()) == {"ALLOW"}
        for entry in group:
            name = (entry.text or "").replace("~", f"{namespace}{node}")
            name = name if name.startswith("/") else namespace + name
            for kind in group.attrib:
                if kind == "execute":
                    for part, names in ACTION.items():
                        access[part] |= {f"{name}/_action/{each}" for each in names}
                else:
                    access[kind].add(name)
    return access


def seen(observer: Node, name: str) -> Access:
    """What a running node has open, as another node sees it; nothing before it sees that node."""
    questions = {
        "subscribe": observer.get_subscriber_names_and_types_by_node,
        "publish": observer.get_publisher_names_and_types_by_node,
        "reply": observer.get_service_names_and_types_by_node,
        "request": observer.get_client_names_and_types_by_node,
    }
    try:
        return {kind: {topic for topic, _ in ask(name, "/")} for kind, ask in questions.items()}
    except NodeNameNonExistentError:
        return {}


@pytest.mark.parametrize("name", ["signer", "player", "play", "simulated_robot", "retarget", "viewer"])
def test_the_policy_allows_what_the_node_has_open_and_no_more(
    name: str, run_module: Callable[..., Process], companion: Auditor, tmp_path: Path
) -> None:
    command = [f"text2sign_ros.ros.{name}_node"]
    if name == "play":
        SignClip(REST_POSE[None].repeat(9, axis=0), np.ones((9, 79)), 25).save(tmp_path / "rest.npz")
        command = ["text2sign_ros.cli", "play", str(tmp_path / "rest.npz")]
    robot = ["-p", "robot:=gr3"] if name == "viewer" else []  # whose joint states it receives
    process = run_module(*command, "--ros-args", "-p", "use_sim_time:=true", *robot)
    process.wait_for("ready: ")
    wanted = allowed(f"/{name}")
    # Not importlib.util.find_spec, which also finds what an earlier test has imported from elsewhere.
    if PathFinder.find_spec("type_description_interfaces") is None:  # before Iron
        wanted["reply"].discard(f"/{name}/get_type_description")
    if PathFinder.find_spec("hri_msgs") is None:
        wanted["subscribe"].discard("/signer/speech")
    if PathFinder.find_spec("tts_msgs") is None:
        wanted = {kind: {each for each in names if "/_action/" not in each} for kind, names in wanted.items()}
    if PathFinder.find_spec("tf2_msgs") is None:
        wanted["publish"].discard("/tf")
    if name == "viewer":  # it opens them when a button is pressed for the first time
        wanted["request"] = set()
    deadline = time.monotonic() + 20.0  # discovery takes its time
    while seen(companion.node, name) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen(companion.node, name) == wanted


def test_every_node_has_its_enclave() -> None:
    enclaves = {enclave.attrib["path"] for enclave in ElementTree.parse(POLICY).iter("enclave")}
    assert enclaves == {f"/{path.stem.removesuffix('_node')}" for path in PACKAGE.glob("ros/*_node.py")}


def test_a_node_with_enforced_security_does_not_run_without_keys(
    run_module: Callable[..., Process], tmp_path: Path
) -> None:
    """Without keys here; with keys, the wheels' Fast DDS says that it was built without security, and that is fatal."""
    secure = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce", "ROS_SECURITY_KEYSTORE": str(tmp_path)}
    process = run_module("text2sign_ros.ros.signer_node", "--ros-args", "--enclave", "/signer", env=secure)
    assert process.wait(30.0) == 1
    assert any("signer: " in line and "SECURITY ERROR" in line for line in process.log), process.log
    assert not any("Traceback" in line or "ready" in line for line in process.log)


FLOODS = {
    "short": ["hello"] * 3000,
    "long": ["a " * 400_000] * 60,
    "nothing to sign": ["\U0001f642 " * 50_000] * 300,
    "markup": ["<slow>hello</slow> <pause 9> <spell>" * 2700] * 300,
    "unknown words": [
        " ".join(f"{chr(97 + k % 26)}x{chr(97 + k // 26 % 26)}q{chr(97 + k // 676)}" for k in range(9000))
    ]
    * 300,
}
SLOW_FLOODS = {"nothing to sign", "long"}


@pytest.mark.parametrize(
    "flood", [pytest.param(name, marks=pytest.mark.slow if name in SLOW_FLOODS else ()) for name in FLOODS]
)
def test_a_flood_of_texts_is_counted_and_neither_stops_the_motion_nor_fills_the_log(
    flood: str, run_signer: Callable[..., Process], companion: Auditor
) -> None:
    process = run_signer(lead_time=3.0)
    process.wait_for("ready: ")
    companion.say(LONG)
    companion.until(lambda: companion.goals == [GoalStatus.STATUS_EXECUTING], "the motion")
    memory = psutil.Process(process.pid).memory_info().rss
    for text in FLOODS[flood]:
        companion.texts.publish(String(data=text))
    companion.until(lambda: companion.count("texts refused") >= 30, "texts to be refused")
    before, settled = -1, time.monotonic() + 60.0
    while before != companion.count("texts received") and time.monotonic() < settled:
        before = companion.count("texts received")
        time.sleep(2.0)  # longer than the diagnostics' period

    values = companion.values
    ended = sum(companion.count(f"texts {how}") for how in ("signed", "refused", "dropped", "canceled", "failed"))
    assert companion.count("texts received") == ended + companion.count("texts under way"), values
    assert len(companion.goals) <= 111, "the last hundred that ended, one being signed, ten that wait"
    assert values["chunks late"] == "0" and values["texts failed"] == "0"
    assert psutil.Process(process.pid).memory_info().rss - memory < 250e6, (
        "a hundred texts in the middleware, ten of bounded length in the queue"
    )
    process.signal(2)
    assert process.wait(20.0) == 0
    lines = [line for line in process.log if "WARN" in line]
    assert len(lines) < LINES + 60 and max(map(len, process.log)) < 500


def test_texts_beyond_max_rate_are_counted_and_logged_once(local_node: Callable[..., Node], capfd) -> None:
    node = local_node(signer_node.SignerNode, "-p", "max_rate:=0.001")
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    for _ in range(BURST + 500):
        node._on_text(String(data="hello"))
    values = node._statistics.values()
    assert values["texts received"] == values["texts refused"] == str(BURST + 500)
    assert values["of them refused for max_rate"] == "500"
    said = "".join(capfd.readouterr())
    assert said.count("max_rate") == 1 and said.count("the node is inactive") == BURST


def test_a_burst_of_fifty_is_not_rate_limited(run_signer: Callable[..., Process], companion: Auditor) -> None:
    process = run_signer(queue_size=50)
    process.wait_for("ready: ")
    companion.say(*["hello"] * 50)
    companion.until(lambda: companion.count("texts received") == 50, "all of them")
    assert companion.count("texts refused") == 0
    companion.until(lambda: len(companion.goals) == 50, "a goal for each")


def test_a_text_that_is_too_long_is_refused_immediately(run_signer: Callable[..., Process], companion: Auditor) -> None:
    process = run_signer()
    process.wait_for("ready: ")
    companion.say(LONG, "a" * 100_001)
    assert "the text has 100001 characters" in process.wait_for("is refused: ")
    companion.until(lambda: GoalStatus.STATUS_ABORTED in companion.goals, "its status")
    assert GoalStatus.STATUS_SUCCEEDED not in companion.goals


@pytest.mark.parametrize("joints", [1001, 2**31, 2**32 - 1])
def test_a_trajectory_with_absurd_counts_costs_nothing(joints: int) -> None:
    header = b"\0\1\0\0" + bytes(8) + (7).to_bytes(4, "little") + b"signer\0\0" + joints.to_bytes(4, "little")
    with pytest.raises(trajectory.TrajectoryError, match="joints"):
        trajectory.decode(header + (1).to_bytes(4, "little") * 100_000)


def test_what_a_peer_can_choose_is_not_cached_without_bound() -> None:
    for joints in range(50):
        trajectory._points(joints)
    assert trajectory._points.cache_info().currsize <= 4


def unsafe(source: str) -> list[str]:
    """Calls in a Python source that can run what they read."""
    names = {
        "eval",
        "exec",
        "compile",
        "__import__",
        "pickle",
        "cPickle",
        "dill",
        "marshal",
        "shelve",
        "joblib",
        "cloudpickle",
    }
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in names]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").split(".")[0] in names else []
        elif isinstance(node, ast.Call):
            call, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            wrong = call in names or call in (
                "yaml.load",
                "yaml.unsafe_load",
                "yaml.full_load",
                "os.system",
                "os.popen",
            )
            wrong |= call.endswith("register_custom_ops_library") or given.get("shell", "False") != "False"
            wrong |= call == "np.load" and given.get("allow_pickle") != "False"
            wrong |= given.get("allow_pickle", "False") != "False" or given.get("trust_remote_code", "False") != "False"
            wrong |= call == "torch.load" and given.get("weights_only") != "True"
            found += [ast.unparse(node)] if wrong else []
    return found


def test_nothing_in_the_package_runs_what_it_reads() -> None:
    paths = sorted(PACKAGE.rglob("*.py"))
    assert len(paths) > 50
    found = {path.name: calls for path in paths if (calls := unsafe(path.read_text()))}
    # A loader derived from PyYAML's safe one, and an unpickler that makes plain values only: both have hostile tests.
    assert found == {
        "grammar.py": ["yaml.load(Path(path).read_text(encoding='utf-8'), _Loader)"],
        "safe_pickle.py": ["pickle"],
    }


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from pickle import loads", "eval(x)", "yaml.load(f)", "np.load(f)", "torch.load(f)"),
        *("np.load(f, allow_pickle=True)", "torch.load(f, weights_only=False)", "subprocess.run(x, shell=True)"),
    ],
)
def test_the_guard_against_code_can_fail(source: str) -> None:
    assert unsafe(source)


@pytest.fixture
def graph(tmp_path: Path) -> Callable[..., Path]:
    """Writes an ONNX graph y = x + w into a folder of its own; w lies outside of the file, where it is told to be."""
    onnx = pytest.importorskip("onnx")

    def make(location: str, domain: str = "", kind: str = "Add") -> Path:
        folder = tmp_path / "bundle"
        folder.mkdir(exist_ok=True)
        for place in (folder, tmp_path):
            (place / "weights").write_bytes(np.ones(4, np.float32).tobytes())
        weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4], data_location="EXTERNAL")
        weight.external_data.add(key="location", value=location)
        x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4]) for name in "xy")
        node = onnx.helper.make_node(kind, ["x", "w"], ["y"], domain=domain)
        model = onnx.helper.make_model(
            onnx.helper.make_graph([node], "graph", [x], [y], [weight]),
            opset_imports=[onnx.helper.make_opsetid(name, 17 if not name else 1) for name in {"", domain}],
            ir_version=9,
        )
        (folder / "graph.onnx").write_bytes(model.SerializeToString())
        return folder / "graph.onnx"

    return make


def test_a_graph_reads_its_weights_from_its_own_folder_only(graph: Callable[..., Path], tmp_path: Path) -> None:
    x = np.zeros(4, np.float32)
    assert session(graph("weights"), threads=1).run(None, {"x": x})[0].tolist() == [1.0] * 4
    for outside in ("../weights", str(tmp_path / "weights"), "../bundle/../weights"):
        with pytest.raises(BackendError, match=r"external|outside|escape"):
            session(graph(outside), threads=1)


def test_a_graph_with_operators_of_its_own_is_not_loaded(graph: Callable[..., Path]) -> None:
    with pytest.raises(BackendError):
        session(graph("weights", domain="evil", kind="System"), threads=1)


def test_nothing_is_reported_home(bundle: Path, tmp_path: Path) -> None:
    """ONNX Runtime would keep an identifier of this machine, and a database of what it has to report."""
    code = f"from text2sign_ros.inference.signer import Signer; s = Signer({str(bundle)!r}); s.warm_up()"
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR")}
    subprocess.run([sys.executable, "-c", code], env=kept | home | {"PYTHONPATH": str(ROOT)}, check=True, timeout=60)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
