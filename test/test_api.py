"""The public API of the package's root: lazy, complete, and the same objects as in the modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import text2sign_ros


def _python(script: str) -> str:
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


def _imports() -> dict[str, str]:
    """Name -> module of what type checkers see: the imports under TYPE_CHECKING."""
    tree = ast.parse(Path(text2sign_ros.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_importing_the_root_imports_nothing_else() -> None:
    loaded = _python("import sys, text2sign_ros; print(*sys.modules)").split()
    bare = _python("import sys, importlib, typing; print(*sys.modules)").split()
    assert set(loaded) - set(bare) - set(sys.stdlib_module_names) == {"text2sign_ros"}


def test_signing_with_it_imports_neither_torch_nor_ros() -> None:
    loaded = _python("import sys; from text2sign_ros import *; print(*sys.modules)").split()
    assert "onnxruntime" in loaded and not {"torch", "rclpy", "transformers"} & set(loaded)


def test_the_names_are_those_of_the_modules() -> None:
    imports = _imports()
    assert {*imports, "__version__"} == set(text2sign_ros.__all__)
    for name, module in imports.items():
        assert getattr(text2sign_ros, name) is getattr(import_module(module), name)


def test_the_names_are_listed() -> None:
    assert set(text2sign_ros.__all__) <= set(_python("import text2sign_ros; print(*dir(text2sign_ros))").split())


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Robot'"):
        text2sign_ros.Robot  # noqa: B018
    with pytest.raises(ImportError):
        exec("from text2sign_ros import Robot")


def test_a_text_is_signed_in_three_lines(tmp_path: Path) -> None:
    lines = [line[4:] for line in str(text2sign_ros.__doc__).splitlines() if line.startswith("    ")]
    script = "\n".join(lines).replace("coffee.npz", str(tmp_path / "coffee.npz"))
    assert script.count("\n") == 2 and str(tmp_path) in script
    _python(script)
    clip = text2sign_ros.SignClip.load(tmp_path / "coffee.npz")
    assert clip.fps == 25.0 and len(clip) > 100 and (clip.confidence == 1).all()
    np.testing.assert_array_equal(clip.positions[-1], text2sign_ros.REST_POSE)


def test_sign_and_stream_give_the_same_motion(bundle: Path) -> None:
    signer = text2sign_ros.Signer(bundle)
    limits = text2sign_ros.Limits(velocity=1.0)
    streamed = np.concatenate(list(signer.stream(signer.plan("water please"), seed=3, limits=limits)))
    signed = signer.sign("water please", seed=3, limits=limits)
    np.testing.assert_array_equal(signed.positions, streamed)
    assert len(signed) > len(signer.sign("water please", seed=3)), "limits must reach the motion"
