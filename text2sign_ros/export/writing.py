"""Writing a bundle's folder: whole and valid or not at all, and never over anything but a bundle."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from text2sign_ros.errors import Text2SignError
from text2sign_ros.export.card import CARD, template
from text2sign_ros.inference.bundle import DESCRIPTION, EVALUATION_FILES, Bundle, BundleError, is_bundle, sha256


class ExportError(Text2SignError):
    """A bundle can't be made from this, or can't be written there."""


@contextmanager
def write_bundle(out: Path, *, source: Path | None, card: Path) -> Iterator[Path]:
    """A temporary folder for a bundle's files and description, which replaces ``out`` at the end if it can be loaded.

    An existing model card, which people wrote, is kept; otherwise a template is written.

    Args:
        out: folder of the new bundle; an existing one is replaced if it is a bundle, of any format, or empty.
        source: folder that the bundle is made from; replacing ``out`` must not delete it. None if it is ``out``.
        card: model card to copy if it exists.

    Raises:
        ExportError: ``out`` is neither a bundle nor empty, or contains ``source``; or what was written can't be loaded.
    """
    check_target(out, source)
    out = out.resolve()  # of a link, what it points to is replaced
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        folder = Path(temporary) / out.name
        folder.mkdir()
        yield folder
        try:
            bundle = Bundle.load(folder)
        except BundleError as error:
            cause = str(error).replace(f"{folder}{os.sep}", "")
            raise ExportError(f"the new bundle can't be used, and {out} is left as it was: {cause}") from error
        if card.is_file():
            shutil.copyfile(card, folder / CARD)
        else:
            (folder / CARD).write_text(template(bundle), encoding="utf-8")
        for path in folder.iterdir():
            path.chmod(0o644)
        _swap(folder, out)


def describe(folder: Path, about: Bundle) -> None:
    """Write ``bundle.json`` with the hashes of the files in the folder."""
    hashes = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != DESCRIPTION}
    evaluation = {name: hashes.pop(name) for name in EVALUATION_FILES if name in hashes}
    replace(about, files=hashes, evaluation_files=evaluation).save(folder)


def _swap(folder: Path, out: Path) -> None:
    """Put ``folder`` in the place of ``out``; where that fails, ``out`` is as it was.

    The older one lies beside it meanwhile: a process that is killed in between leaves it there.
    """
    older = out.with_name(f".{out.name}.older")
    if out.exists():
        shutil.rmtree(older, ignore_errors=True)
        os.rename(out, older)
    try:
        os.rename(folder, out)
    except BaseException:
        if older.exists():
            os.rename(older, out)
        raise
    shutil.rmtree(older, ignore_errors=True)


def check_target(out: Path, source: Path | None) -> None:
    """Check that a bundle made of ``source`` may be written to ``out``, before anything is made.

    Raises:
        ExportError: ``out`` holds ``source``, or is neither empty nor a bundle alone.
    """
    target, kept = out.resolve(), source.resolve() if source else None
    if kept and (target == kept or target in kept.parents):
        relation = "is" if target == kept else "contains"
        raise ExportError(f"{out} {relation} the folder that the bundle is made from; choose another")
    if out.exists() and not (is_bundle(out) or (out.is_dir() and not any(out.iterdir()))):
        raise ExportError(
            f"{out} exists and is not a bundle (it has no {DESCRIPTION} of one); remove it, or choose another folder"
        )
    if out.is_dir() and (folders := [path.name for path in out.iterdir() if path.is_dir()]):
        raise ExportError(f"{out} holds {folders[0]}, which belongs to no bundle; move it, or name another folder")
