"""Whether products of matrices are faster in bfloat16 on this machine."""

from __future__ import annotations

import torch


def bfloat16_pays(device: str) -> bool:
    """Whether to compute in bfloat16 on "cuda" or "cpu".

    A CPU without AVX-512 emulates it: a training step then takes ten times as long as in float32.
    """
    return device == "cuda" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")
