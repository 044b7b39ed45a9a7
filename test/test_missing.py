"""A test that needs a package which is not installed is skipped, or fails where everything is to be installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

CONFTEST = """
import sys

sys.path.insert(0, {folder!r})
sys.modules["torch"] = sys.modules["psutil"] = sys.modules["num2words"] = None  # as if they were not installed
from missing import pytest_addoption, pytest_configure, pytest_make_collect_report, pytest_runtest_makereport
"""
TESTS = {
    "needs_torch": "import torch.nn\n\ndef test():\n    pass\n",
    "needs_psutil": "def test():\n    try:\n        import psutil\n    except ImportError as error:\n"
    "        raise RuntimeError('no memory') from error\n",
    "needs_num2words": "import num2words\n\ndef test():\n    pass\n",
    "misspelt": "import tourch\n\ndef test():\n    pass\n",
    "fails": "import pytest\n\n@pytest.mark.timeout(10)\ndef test():\n    assert False\n",
}


@pytest.mark.parametrize("complete", [False, True])
def test_only_what_a_robot_does_without_is_skipped(tmp_path: Path, complete: bool) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.format(folder=str(ROOT / "test")))
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\ntimeout = 60\n")
    for name, source in TESTS.items():
        (tmp_path / f"test_{name}.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-rsEf", "--continue-on-collection-errors"]
    result = subprocess.run([*command, *["--complete"] * complete], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1, result.stdout
    said = {line for line in result.stdout.splitlines() if line.startswith(("SKIPPED", "ERROR test", "FAILED"))}

    def outcome(name: str) -> str:
        return " ".join(line for line in said if f"test_{name}.py" in line)

    assert outcome("misspelt").startswith("ERROR") and outcome("needs_num2words").startswith("ERROR"), result.stdout
    assert outcome("fails").startswith("FAILED"), result.stdout
    if complete:
        assert outcome("needs_torch").startswith("ERROR") and outcome("needs_psutil").startswith("FAILED")
    else:
        assert "torch is not installed" in outcome("needs_torch").replace(".nn", ""), result.stdout
        assert "psutil is not installed" in outcome("needs_psutil"), result.stdout
