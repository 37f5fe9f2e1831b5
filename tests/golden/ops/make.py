#!/usr/bin/env python3
"""Writes torch.json: outputs, batch statistics and gradients of all operators in PyTorch (f64), several settings each.

    pip install torch numpy && python3 tests/golden/ops/make.py

Input i of a case is 4*draw(i, dims), the upstream gradient draw(77, ...), both from formula.py, which
tests/it/support/formula.rs repeats; the cases are those of tests/it/ops/golden.rs, by name. Numbers are kept as digests.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from formula import digest, draw

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
cases = {}


def short(values):
    return [float(f"{v:.13g}") for v in digest(values)]


def single(stream, shape, shift):
    return torch.from_numpy((draw(stream, shape) + shift).astype(np.float32).astype(np.float64))


def case(name, function, *dims, floor=False, statistics=None):
    values = [4 * draw(i, d) for i, d in enumerate(dims)]
    inputs = [torch.from_numpy(np.floor(v) if floor else v).requires_grad_() for v in values]
    y = function(*inputs)
    gradients = torch.autograd.grad(y, inputs, torch.from_numpy(draw(77, tuple(y.shape) or (1,))).reshape(y.shape))
    found = {"output": short(y.detach()), "gradients": [short(g) for g in gradients]}
    if statistics:
        found["statistics"] = short(statistics(inputs[0].detach()))
    assert name not in cases, name
    cases[name] = found


def moments(x):
    rows = x.transpose(0, 1).flatten(1)
    return torch.cat([rows.mean(1), rows.var(1)])


for dims in [(3, 4, 5, 6), (6, 3, 11)]:
    for affine in [False, True]:
        for relu in [False, True]:
            for residual in [False, True]:
                def norm(x, *rest):
                    y = F.batch_norm(x, None, None, *(rest[:2] if affine else (None, None)), True, 0.1, 1e-5)
                    y = y + rest[-1] if residual else y
                    return F.relu(y) if relu else y
                extra = [(dims[1],)] * 2 * affine + [dims] * residual
                words = [w for w, on in [("affine", affine), ("relu", relu), ("residual", residual)] if on]
                name = " ".join([f"batch_norm {len(dims)}D"] + words)
                case(name, norm, dims, *extra, statistics=moments)

windows = [("k3 s1 p1", 3, 1, 1), ("k3 s2 p1", 3, 2, 1), ("k2 s2 p0", 2, 2, 0), ("k5 s3 p2", 5, 3, 2), ("k2x3 s3x2 p1x0", (2, 3), (3, 2), (1, 0))]
for name, k, s, p in windows:
    for up in [False, True]:
        end = " ceil" if up else ""
        case(f"max_pool {name}{end}", lambda x: F.max_pool2d(x, k, s, p, ceil_mode=up), (2, 3, 9, 12))
        case(f"max_pool tied {name}{end}", lambda x: F.max_pool2d(x, k, s, p, ceil_mode=up), (2, 3, 9, 12), floor=True)
        for pad in [False, True]:
            pool = lambda x: F.avg_pool2d(x, k, s, p, ceil_mode=up, count_include_pad=pad)
            case(f"average_pool {name}{end}{' padded' if pad else ''}", pool, (2, 3, 9, 12))
case("global_pool", lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), (2, 3, 9, 12))

for h, w in [(18, 24), (7, 5), (1, 30), (13, 12)]:
    case(f"upsample nearest {h}x{w}", lambda x: F.interpolate(x, (h, w), mode="nearest"), (2, 3, 9, 12))
    for corners in [False, True]:
        resize = lambda x: F.interpolate(x, (h, w), mode="bilinear", align_corners=corners)
        case(f"upsample bilinear {h}x{w}{' corners' if corners else ''}", resize, (2, 3, 9, 12))

case("add", lambda a, b, c: a + b + c, *[(2, 3, 5)] * 3)
case("concat", lambda a, b, c: torch.cat([a, b, c], 1), (2, 3, 5), (2, 1, 5), (2, 4, 5))
case("channel_shuffle", lambda x: F.channel_shuffle(x, 4), (2, 12, 3, 5))
case("softmax", lambda x: F.softmax(x, -1), (3, 4, 7))
case("linear", F.linear, (5, 7), (3, 7))
case("linear bias", F.linear, (5, 7), (3, 7), (3,))
for o in [1, 6]:
    case(f"linear positions {o}", lambda x, w, b: F.conv2d(x, w[:, :, None, None], b), (2, 5, 6, 7), (o, 5), (o,))

classes = torch.tensor([(7 * i + 3) % 11 for i in range(9)])
for s in [0.0, 0.1]:
    case(f"cross_entropy {s}", lambda x: F.cross_entropy(x, classes, label_smoothing=s).reshape(1), (9, 11))
y, w = single(9, (2, 1, 6, 7), 0.5), single(8, (2, 1, 6, 7), 0.5)
bce = F.binary_cross_entropy_with_logits
case("bce_with_logits", lambda x: bce(x, y).reshape(1), (2, 1, 6, 7))
case("bce_with_logits weighted", lambda x: bce(x, y, weight=w).reshape(1), (2, 1, 6, 7))
case("mse", lambda x: F.mse_loss(x, y).reshape(1), (2, 1, 6, 7))


def relative(x):
    return (torch.norm((x - y).flatten(1), 2, 1) / torch.norm(y.flatten(1), 2, 1)).sum().reshape(1)


case("relative_l2", relative, (2, 1, 6, 7))


def lstm(x, state, theta):
    i, h = 3, 5
    parts = torch.split(theta, [4 * h * i, 4 * h * h, 4 * h, 4 * h])
    cell = torch.nn.LSTMCell(i, h)
    shapes = {"weight_ih": (4 * h, i), "weight_hh": (4 * h, h), "bias_ih": (4 * h,), "bias_hh": (4 * h,)}
    weights = {name: part.reshape(shape) for part, (name, shape) in zip(parts, shapes.items())}
    return torch.cat(torch.func.functional_call(cell, weights, (x, torch.split(state, h, 1))), 1)


case("lstm_cell", lstm, (4, 3), (4, 10), (4 * 5 * (3 + 5 + 2),))
case("embedding", lambda table: F.embedding(torch.tensor([2, 0, 2, 4, 2]), table), (5, 3))



def spectral(stride):
    """As fourier_2d.py of neuraloperator: corners of rfft2, a complex matrix each, irfft2; every stride-th position of it."""
    def run(x, weights):
        weights = torch.view_as_complex(weights)
        modes = weights.shape[-1]
        if weights.shape[2] == 1:
            n, _, _, width = x.shape
            found = torch.fft.rfft(x[:, :, 0])
            out = torch.zeros(n, weights.shape[1], width // 2 + 1, dtype=torch.cdouble)
            k = min(modes, (width + 1) // 2)
            out[:, :, :k] = torch.einsum("nix,iox->nox", found[:, :, :k], weights[:, :, 0, :k])
            return torch.fft.irfft(out, width)[:, :, None, ::stride]
        n, _, height, width = x.shape
        found = torch.fft.rfft2(x)
        out = torch.zeros(n, weights.shape[1], height, width // 2 + 1, dtype=torch.cdouble)
        above, below, k = min(modes, (height + 1) // 2), min(modes, height // 2), min(modes, (width + 1) // 2)
        mix = lambda a, b: torch.einsum("nixy,ioxy->noxy", a, b)
        out[:, :, :above, :k] = mix(found[:, :, :above, :k], weights[:, :, :above, :k])
        out[:, :, height - below:, :k] = mix(found[:, :, height - below:, :k], weights[:, :, 2 * modes - below:, :k])
        return torch.fft.irfft2(out, s=(height, width))[:, :, ::stride, ::stride]
    return run


for dims, weights in [((2, 3, 9, 12), (3, 2, 6, 3, 2)), ((2, 2, 5, 4), (2, 2, 8, 4, 2)), ((2, 3, 1, 11), (3, 4, 1, 4, 2))]:
    for stride in [1, 2]:
        name = f"spectral {'x'.join(map(str, dims[2:]))} modes {weights[3]} s{stride}"
        case(name, spectral(stride), dims, weights)
case("narrow", lambda x: x[:, 1:4], (2, 5, 3, 4))
case("weighted_sum", lambda a, b, c, w: w[4] * a + w[0] * b + w[2] * c, *[(2, 3, 5)] * 3, (6,))

lines = [f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in cases.items()]
text = "{\n" + ",\n".join(lines) + "\n}\n"
pathlib.Path(__file__).with_name("torch.json").write_text(text)
