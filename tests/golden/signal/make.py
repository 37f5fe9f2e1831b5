"""Golden values of the sound front end by librosa and scipy, and of permutations by numpy.

    python3 -m venv VENV && VENV/bin/pip install numpy scipy librosa
    VENV/bin/python tests/golden/signal/make.py > tests/golden/signal/sounds.json

Sounds come from formulas that tests/it/signal.rs repeats, rounded to f32; maps are librosa's in f64 under the parameters of
task specification §6.2(b). Resampled sounds are scipy.signal.upfirdn's with the kernel that src/data/signal/resample.rs states.
Of each array the file holds a digest (../formula.py) and `spots`, values at i*n//24.
"""
import json
import math
import pathlib
import sys

import librosa
import numpy as np
import scipy.signal

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from formula import digest, draw  # noqa: E402


def sound(kind, n):
    t = np.arange(n) / 22050
    if kind == "noise":
        s = draw(5, n)
    elif kind == "sweep":
        s = 0.8 * np.sin(2 * np.pi * (40 * t + 2500 * t * t))
    elif kind == "faint tone":  # 16-bit steps
        s = np.round(32767 * 0.002 * np.sin(2 * np.pi * 440 * t)) / 32768
    elif kind == "loud and quiet":
        s = draw(6, n) * np.where(np.arange(n) // 4000 % 2 == 0, 1.0, 1e-5)
    elif kind == "clicks":
        s = np.where(np.arange(n) % 977 == 5, 0.9, 0.0)
    elif kind == "silence":
        s = np.zeros(n)
    return s.astype(np.float32)


def log_mel(s):
    # librosa warns where the padding is longer than the sound; np.pad mirrors as often as it takes
    y = np.pad(s.astype(np.float64), 960, mode="reflect")
    spectrum = librosa.stft(y, n_fft=1920, hop_length=220, win_length=661, window="hann", center=False, dtype=np.complex128)
    bands = librosa.filters.mel(sr=22050, n_fft=1920, n_mels=96, fmin=0, fmax=11025, htk=True, norm=None, dtype=np.float64)
    db = librosa.power_to_db(bands @ np.abs(spectrum) ** 2, ref=1.0, amin=1e-10, top_db=80.0) + 75
    return db - db.mean()


def resampled(s, start, end):
    g = math.gcd(start, end)
    down, up = start // g, end // g
    wide = max(up, down)
    half, cut, beta = 40 * wide, 0.92 / wide, 0.1102 * (100 - 8.7)
    kernel = up * scipy.signal.firwin(2 * half + 1, cut, window=("kaiser", beta))
    count = -(-len(s) * up // down)
    full = scipy.signal.upfirdn(kernel, s.astype(np.float64), up, 1)[half:]
    return full[::down][:count]


def kept(values):
    flat = np.asarray(values).reshape(-1)
    n = flat.size
    return {"digest": digest(flat), "spots": [float(flat[i * n // 24]) for i in range(24 if n else 0)]}


maps = []
for kind in ["noise", "sweep", "faint tone", "loud and quiet", "clicks", "silence"]:
    for n in [22050] + ([1, 2, 219, 330, 661, 1000, 5000, 100003] if kind in ("noise", "sweep") else [7000]):
        maps.append({"kind": kind, "n": n} | kept(log_mel(sound(kind, n))))
rates = []
for kind, start, end in [("noise", 44100, 22050), ("sweep", 44100, 22050), ("noise", 48000, 22050), ("noise", 16000, 22050), ("sweep", 22050, 44100)]:
    for n in [1, 50, 12001]:
        rates.append({"kind": kind, "n": n, "from": start, "to": end} | kept(resampled(sound(kind, n), start, end)))
orders = []
for n, seed in [(8528, 0), (1706, 0), (1, 0), (2, 5), (100, 42), (65537, 4294967295), (4097, 123456789)]:
    p = np.random.RandomState(seed).permutation(n)
    orders.append({"n": n, "seed": seed, "first": p[:20].tolist(), "last": p[-20:].tolist(), "sum": int((p * (np.arange(n) % 9973)).sum())})


def rows(name, items):
    return f'"{name}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]"


print("{" + ",\n".join([rows("maps", maps), rows("rates", rates), rows("permutations", orders)]) + "}")
