#!/usr/bin/env bash
# Packs what checks the kernels on a machine with a GPU, without Rust or a network there: target/gpu-check.tar.xz holds the tests
# of the kernels, stripped, and `run.sh`. Then, here, unpacks it and runs it, which ends at the question for a device where there is
# none. Needs nvcc (kernels/toolkit.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kernels/toolkit.sh
binary=$(cargo test --release --features cuda --test it --no-run --message-format=json |
    sed -n 's/.*"kind":\["test"\].*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -x "$binary" ] || { echo "gpu-check: cargo named no test binary" >&2; exit 1; }
folder=target/gpu-check
rm -rf "$folder"
mkdir -p "$folder"
strip -o "$folder/it" "$binary"
cp kernels/gpu-run.sh "$folder/run.sh"
tar -C target -cJf target/gpu-check.tar.xz gpu-check
bytes=$(wc -c <target/gpu-check.tar.xz)
echo "gpu-check: target/gpu-check.tar.xz, $bytes bytes"
[ "$bytes" -le $((24 << 20)) ] || { echo "gpu-check: more than 24 MiB" >&2; exit 1; }
status=0
"$folder/run.sh" || status=$?
# 3: no device, which is how it ends on most machines that can build this
[ "$status" -eq 3 ] && exit 0
exit "$status"
