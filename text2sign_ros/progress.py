"""Progress bars, shown in a terminal only: in a log file every update would be kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(iterable: Iterable[Any] | None = None, *, show: bool = True, **options: Any) -> Any:
    """A ``tqdm`` bar, disabled where standard error is not a terminal.

    Args:
        iterable: to iterate over; None for a bar that is updated by hand.
        show: False disables the bar in a terminal too.
        options: of ``tqdm``.
    """
    return tqdm(iterable, disable=None if show else True, mininterval=0.5, **options)
