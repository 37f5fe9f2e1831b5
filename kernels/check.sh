#!/usr/bin/env bash
# Compiles every kernel for compute capability 9.0 and prints registers, shared memory and spills of each; fails where a kernel
# does not compile, or keeps more bytes in local memory than kernels/spills.txt allows it. Needs nvcc (kernels/toolkit.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

nvcc=${NVCC:-}
for place in "${CUDA_HOME:-/nowhere}/bin/nvcc" ../target/cuda/bin/nvcc nvcc; do
    [ -n "$nvcc" ] || ! command -v "$place" >/dev/null || nvcc=$place
done
[ -n "$nvcc" ] || { echo "kernels: no nvcc; kernels/toolkit.sh installs one" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for source in *.cu; do
    "$nvcc" -cubin -arch=sm_90 -O3 -std=c++17 -Xptxas -v -o "$scratch/kernel.cubin" "$source" >>"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        echo "kernels: $source does not compile" >&2
        exit 1
    }
done
awk '
    FNR == NR { if ($0 !~ /^#/ && NF == 2) allowed[$1] = $2; next }
    /Compiling entry function/ { split($0, part, "\047"); name = part[2] }
    /bytes stack frame/ { spilled[name] = $5 > $9 ? $5 : $9 }
    /Used [0-9]+ registers/ {
        for (i = 1; i < NF; i++) { if ($i == "Used") registers = $(i + 1); if ($(i + 1) == "bytes" && $(i + 2) == "smem,") shared = $i }
        printf "%-32s %4d registers %6d bytes spilled\n", name, registers, spilled[name]
        if (spilled[name] > allowed[name] + 0) { bad = bad " " name }
        count++
    }
    END {
        if (count == 0) { print "kernels: the compiler reported none"; exit 1 }
        if (bad != "") { print "kernels: more spills than spills.txt allows:" bad; exit 1 }
        printf "kernels: %d compiled, no spills but those in spills.txt\n", count
    }
' spills.txt "$scratch/log"
