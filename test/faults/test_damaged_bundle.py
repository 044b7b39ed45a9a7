"""A bundle that is damaged or deleted while a node signs with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from conftest import Process

from faults.ledger import Ledger
from faults.witness import Witness, memory
from text2sign_ros.inference.bundle import DESCRIPTION, Bundle
from text2sign_ros.inference.signer import Signer

TEXT = "hello grace"


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _overwrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:  # in place, as cp does it
        file.write(np.random.default_rng(0).bytes(size))


def test_a_running_node_no_longer_needs_its_bundle(
    run_signer: Callable[..., Process],
    witness: Witness,
    close_books: Callable,
    ledger: Ledger,
    bundle: Path,
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    process = run_signer(bundle=folder, at_once=True)
    witness.connect(process)

    signer = Signer(bundle)
    frames = sum(frames for _, frames in signer.timeline(signer.plan(TEXT)))

    def motion() -> np.ndarray:
        witness.kept = []
        witness.signs(TEXT)
        witness.until(lambda: sum(map(len, witness.kept or ())) == frames, f"{frames} frames")
        return np.concatenate(witness.kept)

    wanted, before = motion(), memory(process)
    needed = Bundle.load(folder).required
    for damage in (_overwrite, _empty):
        for name in needed:
            damage(folder / name)
        np.testing.assert_array_equal(motion(), wanted)
    shutil.rmtree(folder)
    np.testing.assert_array_equal(motion(), wanted)

    witness.bring("deactivate", "cleanup")
    faults: list[tuple[str, Callable[[Path], object]]] = [
        (DESCRIPTION, Path.unlink),
        ("unet.weights", Path.unlink),
        ("decoder.weights", _empty),
        ("word_embeddings.npy", _overwrite),
    ]
    for name, damage in faults:
        shutil.copytree(bundle, folder, dirs_exist_ok=True)
        damage(folder / name)
        assert not witness.change("configure")
        assert name in process.wait_for("ERROR")
        witness.until(lambda n=name: witness.is_broken() and n in witness.message, f"diagnostics to name {name}")
    shutil.copytree(bundle, folder, dirs_exist_ok=True)
    witness.bring("configure", "activate")
    np.testing.assert_array_equal(motion(), wanted)
    process.log = [line for line in process.log if "configuring failed" not in line]
    close_books("bundle overwritten, emptied, deleted while running; mended", witness, process, before)
    ledger.remark(f"the motion of {TEXT!r} stayed the same to the bit while the bundle was damaged and deleted")
