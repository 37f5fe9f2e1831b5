"""Numbers that both sides of a golden file make for themselves, so that the file holds results only.

`draw` is repeated in tests/it/support/formula.rs; the two must stay the same.
"""
import numpy as np


def draw(stream, shape):
    """Numbers in -0.5..0.5 with 24 bits, so that f32 holds them exactly. `stream` numbers the array."""
    n = int(np.prod(shape))
    h = np.arange(n, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(stream) * np.uint64(974593)
    h = h + np.uint64(12345)
    for _ in range(3):
        h = (h ^ (h >> np.uint64(15))) * np.uint64(2246822519) & np.uint64(0xFFFFFFFF)
    return ((h >> np.uint64(8)).astype(np.float64) / 2**24 - 0.5).reshape(shape)


def digest(values):
    """What a golden file keeps of an array: its sum, the sum of its absolute values, its sum against draw(999983, shape),
    and up to eight of its values, spread evenly (index i*n//8)."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    n = flat.size
    kept = [float(flat[i * n // min(8, n)]) for i in range(min(8, n))]
    return [float(flat.sum()), float(np.abs(flat).sum()), float((flat * draw(999983, (n,))).sum())] + kept
