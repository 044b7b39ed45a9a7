"""Files of tensors, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from text2sign_ros.clip import write_whole


def save(state: dict[str, Any], path: Path) -> None:
    """Write tensors to ``path``, whole or not at all."""
    with write_whole(path) as file:
        torch.save(state, file)
