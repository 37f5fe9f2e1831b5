#!/usr/bin/env bash
# Puts the CUDA compiler into a folder, from the packages that NVIDIA publishes for Python (104 MB; needs python3 with pip, no
# GPU and no driver): `kernels/toolkit.sh` fills target/cuda, `kernels/toolkit.sh DIR` another one. Then
# `CUDA_HOME=$PWD/target/cuda cargo build --features cuda` builds the kernels; the folder is also found without the variable.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# CUDA 13.0: what is built runs with drivers of that version or later.
readonly packages=(
    nvidia-cuda-nvcc==13.0.88
    nvidia-nvvm==13.0.88
    nvidia-cuda-crt==13.0.88
    nvidia-cuda-runtime==13.0.96
    nvidia-cuda-cccl==13.0.85
)
folder=${1:-target/cuda}
if [ -x "$folder/bin/nvcc" ] && "$folder/bin/nvcc" --version | grep -q "release 13.0"; then
    echo "toolkit: $folder has nvcc 13.0"
    exit 0
fi
mkdir -p "$(dirname "$folder")"
aside=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$aside"' EXIT
python3 -m pip install --quiet --no-deps --disable-pip-version-check --target "$aside" "${packages[@]}"
"$aside/nvidia/cu13/bin/nvcc" --version | tail -n 2
rm -rf "$folder"
mv "$aside/nvidia/cu13" "$folder"
echo "toolkit: $folder"
