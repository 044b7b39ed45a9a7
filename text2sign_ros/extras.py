"""Third-party modules by the extra of this package that brings them, so that a command can say which one it lacks."""

from __future__ import annotations

MODULES: dict[str, tuple[str, ...]] = {
    "": ("num2words", "numpy", "tokenizers", "yaml"),
    "cpu": ("onnxruntime",),
    "files": ("PIL", "av", "pose_format"),
    "train": (
        *("accelerate", "all_minilm_l6_v2", "matplotlib", "onnx", "onnxscript", "rapidfuzz", "rouge_score"),
        *("sacrebleu", "scipy", "sklearn", "torch", "tqdm", "transformers"),
    ),
    "bench": ("matplotlib", "onnx", "psutil", "tqdm"),
}
"""As setup.py declares them; the key "" is what is always required."""


def remedy(error: ModuleNotFoundError, extra: str) -> str | None:
    """What to install for a module that could not be imported.

    Args:
        error: of the import.
        extra: which is named if several bring the module.

    Returns:
        a command; None if no extra brings the module: then a module of this package, or one within a third-party
        package, is missing, which is a bug or a broken installation.
    """
    bringing = [name for name, modules in MODULES.items() if error.name in modules]
    if not bringing:
        return None
    chosen = extra if extra in bringing else bringing[0]
    return f"pip install 'text2sign_ros[{chosen}]'" if chosen else "pip install text2sign_ros"
