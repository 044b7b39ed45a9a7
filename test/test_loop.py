"""The training loop: a run that was killed and resumed ends exactly where one in a single go does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from text2sign_ros.training.config import StageConfig
from text2sign_ros.training.loop import fit

STEPS = 40
CONFIG = StageConfig(steps=STEPS, learning_rate=0.05, warmup=5, ema=0.9, checkpoint_every=4)


def _loss(model: nn.Linear, rng: np.random.Generator) -> dict[str, Tensor]:
    """Fit y = sum of x from noisy examples, with randomness of both generators."""
    x = torch.from_numpy(rng.normal(size=(16, 3)).astype(np.float32))
    error = (model(x)[:, 0] - x.sum(dim=1) + 0.1 * torch.randn(16)).square().mean()
    return {"loss": error, "error": error.detach()}


def _slow_loss(model: nn.Linear, rng: np.random.Generator) -> dict[str, Tensor]:
    time.sleep(0.05)
    return _loss(model, rng)


def _fit(folder: Path, loss=_loss, model: nn.Linear | None = None) -> nn.Linear:
    torch.set_num_threads(1)
    torch.manual_seed(7)
    return fit("toy", model or nn.Linear(3, 1), loss, CONFIG, folder, seed=3, validate=_loss)


def _state(folder: Path) -> dict:
    return torch.load(folder / "toy.checkpoint.pt", weights_only=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, nn.Linear]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, _fit(folder)


def test_it_learns_and_plots_the_curve(whole) -> None:
    folder, _ = whole
    history = json.loads(_state(folder)["history"])
    assert [row["step"] for row in history] == list(range(4, STEPS + 1, 4))
    assert set(history[0]) == {"step", "loss", "error", "val_loss", "val_error"}
    assert history[-1]["val_loss"] < 0.2 * history[0]["val_loss"]
    assert (folder / "toy.png").read_bytes().startswith(b"\x89PNG")


def test_what_it_returns_is_the_moving_average(whole) -> None:
    folder, model = whole
    state = _state(folder)
    torch.testing.assert_close(model.weight, state["average"]["weight"])
    assert not torch.equal(state["average"]["weight"], state["model"]["weight"])


def test_killed_and_resumed_it_ends_where_an_unbroken_run_does(whole, tmp_path: Path) -> None:
    folder, model = whole
    code = "import sys, test_loop; from pathlib import Path; test_loop._fit(Path(sys.argv[1]), test_loop._slow_loss)"
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "toy.checkpoint.pt").exists() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < _state(tmp_path)["step"] < STEPS

    resumed = _fit(tmp_path)
    torch.testing.assert_close(resumed.weight, model.weight, atol=0, rtol=0)
    one, other = _state(folder), _state(tmp_path)
    assert json.loads(one["history"]) == json.loads(other["history"])
    for part in ("model", "average"):
        assert all(torch.equal(one[part][name], other[part][name]) for name in one[part])


def test_a_finished_run_is_not_trained_again(whole) -> None:
    folder, model = whole

    def fail(*_) -> dict[str, Tensor]:
        raise AssertionError("a finished run was trained on")

    assert torch.equal(_fit(folder, fail).weight, model.weight)


def test_two_processes_train_one_model(whole, tmp_path: Path) -> None:
    """Each draws batches of its own and both end with the same weights, which are not those of one process."""
    _in_two_processes(
        "import test_loop; model = test_loop._fit(out)\n"
        "torch.save(model.state_dict(), out / f'of_process_{os.environ[\"RANK\"]}.pt')\n",
        tmp_path,
    )
    one, other = (torch.load(tmp_path / f"of_process_{rank}.pt", weights_only=True) for rank in (0, 1))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.equal(one["weight"], whole[1].weight)
    history = json.loads(_state(tmp_path)["history"])
    assert history[-1]["step"] == STEPS and history[-1]["val_loss"] < 0.2 * history[0]["val_loss"]


class _Buffered(nn.Linear):
    """With a buffer, as the U-Net has its noise schedule."""

    def __init__(self) -> None:
        super().__init__(3, 1)
        self.register_buffer("scale", torch.ones(()))


def _by_process(model: nn.Linear, rng: np.random.Generator) -> dict[str, Tensor]:
    """Call the model twice in the first process and once in the second, as chains of random length do."""
    for _ in range(int(os.environ["RANK"]) == 0):
        _loss(model, rng)
    return _loss(model, rng)


def test_processes_may_call_the_model_a_different_number_of_times(tmp_path: Path) -> None:
    _in_two_processes("import test_loop; test_loop._fit(out, test_loop._by_process, test_loop._Buffered())\n", tmp_path)
    assert _state(tmp_path)["step"] == STEPS


def test_a_checkpoint_is_taken_up_by_another_number_of_processes(whole, tmp_path: Path) -> None:
    folder, model = whole
    shutil.copyfile(folder / "toy.checkpoint.pt", tmp_path / "toy.checkpoint.pt")
    _in_two_processes("import test_loop; torch.save(test_loop._fit(out).state_dict(), out / 'resumed.pt')\n", tmp_path)
    assert torch.equal(
        torch.load(tmp_path / "resumed.pt", weights_only=True)["weight"], model.weight
    )  # it was finished


def test_two_processes_are_one_run_from_its_start(tmp_path: Path) -> None:
    code = (
        "from accelerate import PartialState; from text2sign_ros.training.config import TrainConfig\n"
        "from text2sign_ros.training.train import Run\n"
        "Run(TrainConfig(), out / 'run'); (out / os.environ['RANK']).write_text(str(PartialState().num_processes))\n"
    )
    _in_two_processes(code, tmp_path)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["2", "2"]


def _in_two_processes(code: str, out: Path) -> None:
    """Run Python ``code``, in which ``out`` is that folder, as torchrun does for two processes on CPUs."""
    script = out / "script.py"
    script.write_text(f"import os, sys, torch; from pathlib import Path\nout = Path(sys.argv[1])\n{code}")
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = subprocess.run(
        [*launch, str(script), str(out)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert process.returncode == 0, process.stderr
