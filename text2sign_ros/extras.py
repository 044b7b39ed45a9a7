"""Third-party modules by the extra that installs them, so that a command can name the missing extra."""

from __future__ import annotations

MODULES: dict[str, tuple[str, ...]] = {
    "": ("num2words", "numpy", "tokenizers", "yaml"),
    "cpu": ("onnxruntime",),
    "files": ("PIL", "av", "pose_format", "rosbags"),
    "train": (
        *("accelerate", "all_minilm_l6_v2", "fastdtw", "matplotlib", "onnx", "onnxscript", "rapidfuzz", "rouge_score"),
        *("sacrebleu", "scipy", "simplemma", "sklearn", "torch", "tqdm", "transformers"),
    ),
    "robot": ("fast_simplification", "mujoco"),
    "robots": ("fourier_robot_descriptions", "gymnasium_robotics"),
    "viewer": ("viser",),
    "bench": ("matplotlib", "onnx", "psutil", "tqdm"),
}
"""As declared in setup.py; the key "" holds what is always required."""


def remedy(error: ModuleNotFoundError, extra: str) -> str | None:
    """What to install for a module that could not be imported.

    Args:
        error: raised by the import.
        extra: the one to name if several install the module.

    Returns:
        a command; None if no extra installs the module. Then a module of this package or of a third-party package is
        missing, which is a bug or a broken installation.
    """
    providing = [name for name, modules in MODULES.items() if error.name in modules]
    if not providing:
        return None
    chosen = extra if extra in providing else providing[0]
    return f"pip install 'text2sign_ros[{chosen}]'" if chosen else "pip install text2sign_ros"
