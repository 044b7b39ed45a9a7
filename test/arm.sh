#!/usr/bin/env bash
# Signs a text on Debian for Arm (arm64), emulated by QEMU, and compares the motion with that of this machine.
#
#     test/arm.sh PYTHON [FOLDER]
#
# PYTHON is that of an environment with this package and the versions of constraints.txt; FOLDER (out/arm) gets the Arm
# system, which a second run uses again. Takes three to six minutes, half a gigabyte, and the network for Debian's
# packages and PyPI's. No root: proot stands in for chroot, and for binfmt_misc, which runs programs of other processors.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
python=$(realpath --no-symlinks "$1")
folder=$(realpath --canonicalize-missing "${2:-out/arm}")
here=$(realpath "$(dirname "$0")/..")
root=$folder/root
text="hello, can i get a large coffee please" seed=3
bound=5e-6 # metres: sums of float32 in another order differ by 1e-6, wrong ones by far more

# The tools, all packages of Debian and Ubuntu.
declare -A packages=([debootstrap]=debootstrap [fakeroot]=fakeroot [proot]=proot [qemu-aarch64-static]=qemu-user-static)
missing=()
for tool in "${!packages[@]}"; do
    PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || missing+=("${packages[$tool]}")
done
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "test-arm: first install what it needs: sudo apt install ${missing[*]}" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
fi
export PATH=$PATH:/usr/sbin

# on_arm COMMAND...: run it in the Arm system. ONNX Runtime asks the kernel which processors there are; the answer must
# not be this machine's, on which it crashes.
on_arm() {
    env --unset=TMPDIR --unset=PYTHONPATH --unset=PIP_FIND_LINKS HOME=/root OMP_NUM_THREADS=1 PIP_ROOT_USER_ACTION=ignore \
        proot -0 -q qemu-aarch64-static -r "$root" -w /srv -b /dev -b /proc -b "$folder/cpuinfo:/proc/cpuinfo" \
        -b "$folder/processors:/sys/devices/system/cpu/possible" -b "$folder/processors:/sys/devices/system/cpu/present" \
        -b /etc/resolv.conf -b /etc/ssl "$@"
}

mkdir -p "$folder"
echo 0 >"$folder/processors"
printf '%s\t: %s\n' processor 0 BogoMIPS 100.00 Features "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid" \
    "CPU implementer" 0x41 "CPU architecture" 8 "CPU variant" 0x0 "CPU part" 0xd03 "CPU revision" 4 >"$folder/cpuinfo"

# Debian with Python, unpacked and not configured: Python needs no more, and configuring takes minutes when emulated.
if [ ! -e "$folder/unpacked" ]; then
    rm -rf "$root"
    fakeroot debootstrap --foreign --arch=arm64 --variant=minbase --include=python3-venv bookworm "$root" >"$folder/log" ||
        { tail "$folder/log" "$root/debootstrap/debootstrap.log" >&2; exit 1; }
    for package in "$root"/var/cache/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar --extract --directory="$root" --no-same-owner --keep-directory-symlink
    done
    [ ! -L "$root/proc" ] || rm "$root/proc"
    mkdir -p "$root/proc" "$root/sys/devices/system/cpu" "$root/srv"
    touch "$folder/unpacked"
fi

# The package as pip installs it, with the versions that this machine's environment has.
rm -rf "$folder/source" "$root/srv"
mkdir -p "$folder/source" "$root/srv"
for name in setup.py setup.cfg pyproject.toml package.xml LICENSE resource launch config models text2sign_ros; do
    cp -r "$here/$name" "$folder/source/"
done
"$python" -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation -c "$here/constraints.txt" \
    --wheel-dir "$root/srv" "$folder/source" docopt # which num2words needs, and which PyPI has only as source
cp "$here/constraints.txt" "$root/srv/"
on_arm /usr/bin/python3 -m venv environment
wheel=("$root"/srv/text2sign_ros-*.whl)
on_arm environment/bin/python -m pip --disable-pip-version-check install --quiet --only-binary=:all: --find-links /srv \
    -c constraints.txt "/srv/${wheel[0]##*/}[cpu]"
on_arm environment/bin/python -c 'import onnxruntime, platform, numpy
print(f"Python {platform.python_version()} on {platform.machine()}, onnxruntime {onnxruntime.__version__}, numpy {numpy.__version__}")'

on_arm environment/bin/text2sign sign "$text" --seed "$seed" --backend cpu --out arm.npz
(cd "$folder" && OMP_NUM_THREADS=1 "$python" -m text2sign_ros.cli sign "$text" --seed "$seed" --backend cpu --out here.npz)
"$python" - "$root/srv/arm.npz" "$folder/here.npz" "$bound" <<'PYTHON'
import platform
import sys

import numpy as np

arm, here = (np.load(path)["positions"] for path in sys.argv[1:3])
if arm.shape != here.shape:
    sys.exit(f"test-arm: {arm.shape} on arm64 and {here.shape} on {platform.machine()}")
difference = float(np.abs(arm - here).max())
print(f"arm64 and {platform.machine()}: {len(arm)} frames, largest difference {difference:.2e} m")
if not difference <= float(sys.argv[3]):
    sys.exit(f"test-arm: the difference must be at most {sys.argv[3]} m")
PYTHON
