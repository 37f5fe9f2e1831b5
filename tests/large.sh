#!/usr/bin/env bash
# Proof that memory does not grow with files: prepares arrays of 3 to 5 GB as a task of one's own, each through the release
# binary, and fails where any process held 1 GB or more. Takes about three minutes and 20 GB of disk, freed at the end; needs
# python3 to write the files. `tests/large.sh [FOLDER]`: where the files go, a temporary folder by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=${NASPERF_PROGRAM:-${CARGO_TARGET_DIR:-target}/release/nasperf-pipe}
most_kib=$((1000 * 1000 * 1000 / 1024))
[ -x "$program" ] || { echo "large: $program is not there; run cargo build --release" >&2; exit 1; }
program=$(realpath "$program")
folder=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/nasperf-large.XXXXXX")
trap 'rm -rf "$folder"' EXIT

write() { # kind: writes x and y
    python3 - "$folder" "$1" <<'PYTHON'
import random, struct, sys, zipfile, zlib
folder, kind = sys.argv[1:]
LENGTH = 1000

def header(shape, dtype):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()

def labels(rows):
    draw = random.Random(1)
    with open(f"{folder}/y.npy", "wb") as out:
        out.write(header((rows,), "|u1") + bytes(draw.randrange(2) for _ in range(rows)))

block_rows = 500
draw = random.Random(2)
block = struct.pack(f"<{block_rows * LENGTH}f", *(draw.gauss(0, 1) for _ in range(block_rows * LENGTH)))

def blocks(rows):
    for start in range(0, rows, block_rows):
        # each block begins elsewhere in the same noise, so that no two rows are the same by place
        at = 4 * (start // block_rows * 977 % (block_rows * LENGTH))
        yield block[at:] + block[:at]

if kind == "npy":
    rows = 750_000  # 3.0 GB of f32
    labels(rows)
    with open(f"{folder}/x.npy", "wb") as out:
        out.write(header((rows, 1, LENGTH), "<f4"))
        for piece in blocks(rows):
            out.write(piece)
elif kind == "zip64":
    rows = 750_000
    labels(rows)
    with zipfile.ZipFile(f"{folder}/x.npz", "w") as archive, archive.open("x.npy", "w", force_zip64=True) as out:
        out.write(header((rows, 1, LENGTH), "<f4"))
        for piece in blocks(rows):
            out.write(piece)
else:
    rows = 1_100_000  # 4.4 GB of zeros, nothing of it on disk
    labels(rows)
    head = header((rows, 1, LENGTH), "<f4")
    size = len(head) + 4 * rows * LENGTH
    crc, left, zeros = zlib.crc32(head), size - len(head), bytes(1 << 24)
    while left:
        count = min(left, len(zeros))
        crc = zlib.crc32(zeros[:count], crc)
        left -= count
    name, full = b"x.npy", 0xFFFFFFFF
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    with open(f"{folder}/x.npz", "wb") as out:
        out.write(struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 0x21, crc, full, full, len(name), len(extra)) + name + extra + head)
        start = out.seek(size - len(head), 1)
        out.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 0, 0, 0x21, crc, full, full, len(name), len(extra), 0, 0, 0, 0, 0) + name + extra)
        length = out.tell() - start
        out.write(struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, length, start))
        out.write(struct.pack("<4sLQL", b"PK\6\7", 0, start + length, 1))
        out.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, length, full, 0))
PYTHON
}

failed=0
for kind in npy zip64 sparse; do
    write "$kind"
    file=x.npz:x
    [ "$kind" = npy ] && file=x.npy
    cat > "$folder/large.toml" <<MANIFEST
[run]
name = "large"
seeds = [0]
[task.large]
dir = "$folder"
dimension = 1
kind = "point"
x = "$file"
y = "y.npy"
[[grid]]
task = ["large"]
method = ["wrn/default"]
MANIFEST
    SECONDS=0
    # The most that any process held, of those that were waited for: the command and its nodes.
    peak=$(python3 - "$program" "$folder/large.toml" --cache "$folder/cache" --only preprocess <<'PYTHON'
import resource, subprocess, sys
result = subprocess.run(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(result.returncode)
PYTHON
    ) || { echo "large: $kind: the command failed" >&2; exit 1; }
    verdict=ok
    [ "$peak" -lt "$most_kib" ] || { verdict="TOO MUCH (the limit is $((most_kib / 1024)) MiB)"; failed=1; }
    echo "large: $kind: file $(du --apparent-size -m "$folder"/x.np? | cut -f1) MiB, peak $((peak / 1024)) MiB, ${SECONDS} s: $verdict"
    rm -rf "$folder/cache" "$folder"/x.np?
done
exit "$failed"
