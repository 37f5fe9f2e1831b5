#!/usr/bin/env python3
"""Preparation of raw data and scores of predictions, by numpy and scipy, on arrays that the benchmark wrote as .npy files.

    preprocess.py --work log_mel --data FOLDER --threads 2

Speaks the protocol of the other peers (protocol.py) with one command, `run`; `check` gives digests of the results. To add a
row: a function here marked @work that takes the arrays by name and `spread`, and gives what is timed, a function from nothing
to results by name; and a row in benches/preprocess.rs.

Each is vectorised over one clip or label, and `spread(function, items)` runs items on that many Python threads: numpy and scipy
let go of the interpreter's lock inside their loops. Libraries' own threads are off, so that the number is what it says.
"""
import os

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import pathlib  # noqa: E402
import sys  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402

import numpy as np  # noqa: E402
import protocol  # noqa: E402
import scipy.fft  # noqa: E402
import scipy.signal  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "golden"))
from formula import digest  # noqa: E402

WORKS = {}


def work(function):
    WORKS[function.__name__] = function
    return function


def mel_bands(dtype):
    top = 2595 * np.log10(1 + 11025 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, 98) / 2595) - 1)
    f = np.arange(961) * 22050 / 1920
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.maximum(0, np.minimum((f - low) / (middle - low), (high - f) / (high - middle))).astype(dtype)


def log_mel_in(dtype):
    """Of one clip. The window is cut out of the frame, as ours does it: a shift changes no power."""
    bands = mel_bands(dtype)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(661) / 661)).astype(dtype)

    def one(clip):
        padded = np.pad(clip.astype(dtype), 331, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, 661)[: len(clip) + 1 : 220]
        spectrum = scipy.fft.rfft(frames * window, 1920, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        db = 10 * np.log10(np.maximum(bands @ power.T, 1e-10))
        db = np.maximum(db, db.max() - 80)
        return (db - db.mean()).astype(np.float32)

    return one


@work
def log_mel(arrays, spread):
    one = log_mel_in(np.float64)
    return lambda: {"maps": spread(one, arrays["clips"])}


@work
def log_mel_single(arrays, spread):
    """What libraries do with f32 samples: everything in f32."""
    one = log_mel_in(np.float32)
    return lambda: {"maps": spread(one, arrays["clips"])}


@work
def resample(arrays, spread):
    """44,100 to 22,050 Hz with the kernel that ours has."""
    kernel = scipy.signal.firwin(161, 0.46, window=("kaiser", 0.1102 * (100 - 8.7)))
    return lambda: {"clips": spread(lambda clip: scipy.signal.resample_poly(clip, 1, 2, window=kernel), arrays["clips"])}


@work
def ranking(arrays, spread):
    """Mean average precision and mean AUROC over labels, ties as one threshold; every label has both classes."""
    scores, truth = arrays["scores"], arrays["truth"]

    def one(label):
        s = scores[:, label]
        order = np.argsort(s)[::-1]
        s, y = s[order], truth[order, label]
        ends = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
        hits = np.cumsum(y, dtype=np.int64)[ends]
        misses = ends + 1 - hits
        precision = hits / (ends + 1)
        ap = np.sum(np.diff(hits, prepend=0) * precision) / hits[-1]
        before = np.append(0, hits[:-1])
        auroc = np.sum(np.diff(misses, prepend=0) * (before + hits)) / (2 * hits[-1] * misses[-1])
        return ap, auroc

    return lambda: {"means": np.mean(spread(one, range(scores.shape[1])), axis=0)}


def main():
    p = protocol.parser(__doc__.splitlines()[0])
    p.add_argument("--work", choices=sorted(WORKS), required=True)
    p.add_argument("--data", type=pathlib.Path, required=True)
    args = p.parse_args()
    idle_mib = protocol.memory_mib("VmRSS")
    arrays = {path.stem: np.load(path) for path in sorted(args.data.glob("*.npy"))}
    pool = ThreadPoolExecutor(args.threads)

    def spread(function, items):
        return list(pool.map(function, items)) if args.threads > 1 else [function(item) for item in items]

    run = WORKS[args.work](arrays, spread)

    def command():
        run()

    def check():
        return {name: digest(np.asarray(values)) for name, values in run().items()}

    what = {"peer": "numpy", "version": np.__version__, "threads": args.threads, "work": args.work}
    if args.check:
        protocol.say(what | {"check": check()})
    elif args.serve:
        protocol.say(what | {"ready": ["run"], "idle_mib": round(idle_mib, 1)})
        for line in sys.stdin:
            protocol.say(check() if line.strip() == "check" else protocol.timed(command))
    else:
        times = sorted(protocol.timed(command)["wall"] for _ in range(args.warmup + args.steps))
        protocol.say(what | {"seconds": times[len(times) // 2]})


main()
