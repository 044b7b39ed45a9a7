"""Which accelerations the motors of a robot's arms allow: (torque - gravity) / inertia in random poses, by MuJoCo.

The inertia of rotors and gears is in few robot descriptions, and so not in these figures: they are upper bounds.

``python -m experiments.robot_acceleration`` needs the packages mujoco and fourier-robot-descriptions.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

URDF = "assets/urdf/gr3_fourier_hand_12dof.urdf"
MOVED, SHOWN = "shoulder|elbow|wrist|head", "left_(shoulder|elbow|wrist)"


def accelerations(urdf: str, poses: int = 200) -> dict[str, list[float]]:
    """rad/s² of each joint shown, one for each random pose of both arms, the others held still."""
    import mujoco

    bare = re.sub(r"<(visual|collision)>.*?</\1>", "", urdf, flags=re.DOTALL)
    model = mujoco.MjModel.from_xml_string(bare)
    data = mujoco.MjData(model)
    efforts = dict(re.findall(r'<joint name="(\w+)" type="revolute">.*?effort="([\d.]+)"', urdf, flags=re.DOTALL))
    names = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, number) for number in range(model.njnt)]
    rng, inertia = np.random.default_rng(0), np.zeros((model.nv, model.nv))
    found = defaultdict(list)
    for _ in range(poses):
        for number, name in enumerate(names):
            data.qpos[number] = rng.uniform(*model.jnt_range[number]) if re.search(MOVED, name) else 0.0
        mujoco.mj_forward(model, data)
        mujoco.mj_fullM(model, data, inertia)
        for number, name in enumerate(names):
            if re.match(SHOWN, name):
                spare = float(efforts[name]) - abs(data.qfrc_bias[number])
                found[name].append(float(spare / inertia[number, number]))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print least and median of each joint as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urdf", type=Path, help=f"default: {URDF} of fourier-robot-descriptions")
    options = parser.parse_args(arguments)
    if options.urdf is None:
        spec = find_spec("fourier_robot_descriptions")
        if spec is None or spec.origin is None:
            parser.error("pip install fourier-robot-descriptions, or name a --urdf")
        options.urdf = Path(spec.origin).parent / URDF
    found = accelerations(options.urdf.read_text())
    print(
        json.dumps({name: {"least": round(min(a)), "median": round(float(np.median(a)))} for name, a in found.items()})
    )


if __name__ == "__main__":
    main()
