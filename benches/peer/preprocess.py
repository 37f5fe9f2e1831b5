#!/usr/bin/env python3
"""Preparation of raw data and scores of predictions, by numpy and scipy, on arrays that the benchmark wrote as .npy files.

    preprocess.py --work log_mel --data FOLDER --threads 2

Speaks the protocol of the other peers (protocol.py) with one command, `run`; `check` gives digests of the results. To add a
row: a function here marked @work that takes the arrays by name (`raw` and `out` are folders of files) and `spread`, and gives what is timed, a function from nothing
to results by name; and a row in benches/preprocess.rs.

Each is vectorised over one clip or label, and `spread(function, items)` runs items on that many Python threads: numpy and scipy
let go of the interpreter's lock inside their loops. Libraries' own threads are off, so that the number is what it says.
"""
import os

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import io  # noqa: E402
import pathlib  # noqa: E402
import pickle  # noqa: E402
import sys  # noqa: E402
import tarfile  # noqa: E402
import zipfile  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402

import numpy as np  # noqa: E402
import protocol  # noqa: E402
import scipy.fft  # noqa: E402
import scipy.io  # noqa: E402
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


def counts(s, truth):
    """Positives and negatives at or above each threshold of one label's scores, ties as one threshold."""
    order = np.argsort(s)[::-1]
    s, y = s[order], truth[order]
    ends = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    hits = np.cumsum(y, dtype=np.int64)[ends]
    return hits, ends + 1 - hits


@work
def precision(arrays, spread):
    """Mean average precision over labels; every label has both classes."""
    scores, truth = arrays["scores"], arrays["truth"]

    def one(label):
        hits, misses = counts(scores[:, label], truth[:, label])
        return np.sum(np.diff(hits, prepend=0) * (hits / (hits + misses))) / hits[-1]

    return lambda: {"mean": [np.mean(spread(one, range(scores.shape[1])))]}


@work
def auroc(arrays, spread):
    """Mean area under the ROC curve over labels; every label has both classes."""
    scores, truth = arrays["scores"], arrays["truth"]

    def one(label):
        hits, misses = counts(scores[:, label], truth[:, label])
        before = np.append(0, hits[:-1])
        return np.sum(np.diff(misses, prepend=0) * (before + hits)) / (2 * hits[-1] * misses[-1])

    return lambda: {"mean": [np.mean(spread(one, range(scores.shape[1])))]}


def save(arrays, part, **tensors):
    """Each tensor as the bytes of a file; ours writes them one behind the other into one."""
    for name, values in tensors.items():
        path = arrays["out"] / f"{part}.{name}"
        path.unlink(missing_ok=True)  # as ours: a file that is made shorter and closed is flushed at once by some file systems
        np.ascontiguousarray(values).tofile(path)


def pictures(arrays, part):
    with open(arrays["raw"] / part, "rb") as file:
        found = pickle.load(file, encoding="latin1")
    return found["data"], np.asarray(found["fine_labels"], np.uint32)


@work
def cifar100(arrays, spread):
    def one(part):
        x, y = pictures(arrays, part)
        save(arrays, part, x=x, y=y)
        return x

    return lambda: {"x": spread(one, ["train", "test"])[0]}


@work
def spherical(arrays, spread):
    """One matrix of taps per chunk of pictures with the same rotation."""
    size = int(arrays["chunk"][0])
    beta, alpha = np.pi * np.arange(60) / 60, np.pi * np.arange(60) / 30
    sphere = np.stack(np.broadcast_arrays(
        np.sin(beta)[:, None] * np.cos(alpha), np.sin(beta)[:, None] * np.sin(alpha), np.cos(beta)[:, None]), -1).reshape(-1, 3)

    def axis(at):
        at = at * 32
        i = np.trunc(at)
        return [(i - 1, i + 1 - at), (i + 1, at - (i - 1))]

    def chunk(job):
        planes, rotation = job
        turned = sphere @ rotation.T
        height = turned[:, 2] + 1
        t = -height / (height - 2.001)
        x, y = ((turned[:, k] * (1 + t) + 1.5) / 3 for k in (0, 1))
        planes = planes.reshape(-1, 1024).astype(np.float64)
        values = np.zeros((len(planes), 3600))
        for row, by_row in axis(x):
            for column, by_column in axis(y):
                inside = (row >= 0) & (row < 32) & (column >= 0) & (column < 32)
                place = np.where(inside, row * 32 + column, 0).astype(np.intp)
                values += planes[:, place] * np.where(inside, by_row * by_column, 0)
        values -= values.min(axis=1, keepdims=True)
        top = values.max(axis=1, keepdims=True)
        return (values / np.where(top == 0, 1, top) * 255).astype(np.uint8)

    def run():
        results = {}
        for part in ("train", "test"):
            x, y = pictures(arrays, part)
            rotations = arrays[f"{part}_high"].astype(np.float64) + arrays[f"{part}_low"]
            jobs = [(x[size * n:size * (n + 1)], rotation) for n, rotation in enumerate(rotations)]
            results[part] = np.concatenate(spread(chunk, jobs))
            save(arrays, part, x=results[part], y=y)
        return {"x": results["train"]}

    return run


@work
def ninapro(arrays, spread):
    def one(parts):
        x = np.concatenate([np.load(arrays["raw"] / f"ninapro_{part}.npy") for part in parts])
        if not np.isfinite(x).all():
            raise ValueError(parts)
        x = np.ascontiguousarray(x.transpose(0, 2, 1), np.float32)
        y = np.concatenate([np.load(arrays["raw"] / f"label_{part}.npy") for part in parts]).astype(np.uint32)
        save(arrays, parts[0], x=x, y=y)
        return x

    return lambda: {"x": spread(one, [("train", "val"), ("test",)])[0]}


@work
def darcy(arrays, spread):
    def one(path):
        found = scipy.io.loadmat(path, variable_names=["coeff", "sol"])
        x, y = (np.ascontiguousarray(found[name][:, ::5, ::5], np.float32) for name in ("coeff", "sol"))
        save(arrays, path.stem, x=x, y=y)
        return x

    return lambda: {"x": spread(one, sorted(arrays["raw"].glob("*.mat")))[0]}


@work
def psicov(arrays, spread):
    """Maps that equal their transposes are kept as upper triangles, as ours does it."""

    def one(name):
        with zipfile.ZipFile(arrays["raw"] / "protein.zip") as archive:
            x, maps, y = [], [], []
            for line in archive.read(f"{name}.lst").decode().splitlines():
                protein = line.split()[0]
                found = pickle.loads(archive.read(f"{name}/features/{protein}.pkl"))
                distances = np.load(io.BytesIO(archive.read(f"{name}/distance/{protein}-cb.npy")), allow_pickle=True)[2]
                rows = [found["ss"].ravel(), found["pssm"].T.ravel(), found["sa"], found["entropy"]]
                x.append(np.concatenate(rows).astype(np.float32))
                y.append(len(found["seq"]))
                upper = np.triu_indices(y[-1])
                for values in (found["ccmpred"], found["freecon"], found["potential"], distances):
                    values = np.asarray(values, np.float32)
                    maps.append(values[upper] if np.array_equal(values, values.T) else values.ravel())
        maps = np.concatenate(maps)
        save(arrays, name, x=np.concatenate(x), maps=maps, y=np.asarray(y, np.uint32))
        return maps

    return lambda: {"maps": spread(one, ["deepcov", "psicov"])[0]}


@work
def cosmic(arrays, spread):
    def one(part):
        stamps, sky = {}, {}
        with tarfile.open(arrays["raw"] / f"deepCR.ACS-WFC.{part}.tar") as archive:
            for member in archive:
                *folder, name = member.name.split("/")
                if not name.endswith(".npy"):
                    continue
                values = np.load(io.BytesIO(archive.extractfile(member).read()))
                if name == "sky.npy":
                    sky[tuple(folder)] = values
                else:
                    exposure, stamp = name[:-4].split("_")
                    stamps[int(folder[-2]), folder[-1], tuple(folder), int(exposure), int(stamp)] = values[:, 64:192, 64:192]
        order = sorted(stamps)
        x = np.stack([stamps[key][0] for key in order]).astype(np.float32)
        y = np.stack([stamps[key][1:] for key in order]).astype(np.uint8)
        levels = np.array([sky[key[2]][key[3] - 1] for key in order], np.float32)
        save(arrays, part, x=x, y=y, sky=levels)
        return x

    return lambda: {"x": spread(one, ["train", "test"])[0]}


@work
def ecg(arrays, spread):
    order = arrays["order"].astype(int)

    def run():
        with open(arrays["raw"] / "challenge2017.pkl", "rb") as file:
            found = pickle.load(file, encoding="latin1")
        rest = np.setdiff1d(np.arange(len(found["data"])), order)
        results = {}
        for part, numbers in (("train", order), ("test", rest)):
            signals = [found["data"][number] for number in numbers]
            lengths = np.array([len(signal) for signal in signals])
            if any((signal == signal[0]).all() for signal in signals):
                raise ValueError(part)
            results[part] = np.concatenate(signals)
            save(arrays, part, x=results[part], offset=np.cumsum(lengths), y=found["label"][numbers])
        return {"x": results["train"]}

    return run


@work
def satellite(arrays, spread):
    def one(part):
        found = np.load(arrays["raw"] / f"satellite_{part}.npy", allow_pickle=True)[()]
        x = found["data"]
        x = ((x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)).astype(np.float32)
        save(arrays, part, x=x, y=(found["label"] - 1).astype(np.uint32))
        return x

    return lambda: {"x": spread(one, ["train", "test"])[0]}


@work
def deepsea(arrays, spread):
    def one(part):
        with np.load(arrays["raw"] / "deepsea_filtered.npz") as found:
            x, y = found[f"x_{part}"], found[f"y_{part}"]
        if x.max() > 1 or x.sum(axis=2, dtype=np.uint8).max() > 1:
            raise ValueError(part)
        x = np.ascontiguousarray(x.transpose(0, 2, 1))
        save(arrays, part, x=x, y=y.astype(np.float32))
        return x

    return lambda: {"x": spread(one, ["train", "val", "test"])[0]}


def main():
    p = protocol.parser(__doc__.splitlines()[0])
    p.add_argument("--work", choices=sorted(WORKS), required=True)
    p.add_argument("--data", type=pathlib.Path, required=True)
    args = p.parse_args()
    idle_mib = protocol.memory_mib("VmRSS")
    arrays = {path.stem: np.load(path) for path in sorted(args.data.glob("*.npy"))}
    arrays |= {"raw": args.data / "raw", "out": args.data / "peer"}
    arrays["out"].mkdir(exist_ok=True)
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
