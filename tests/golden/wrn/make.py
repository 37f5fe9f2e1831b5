#!/usr/bin/env python3
"""Writes torch.json: a small wide residual network, point and dense form, three training steps in PyTorch (f64).

    pip install torch numpy && python3 tests/golden/wrn/make.py

Weights, inputs and targets come from a formula (formula.py) that tests/it/support/formula.rs repeats.
Structure: methods spec §2.1 and §2.2; names of modules as in the benchmark's backbone.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from formula import draw

torch.set_default_dtype(torch.float64)


def single(values):
    return torch.from_numpy(values.astype(np.float32).astype(np.float64))


class Block(nn.Module):
    def __init__(self, ci, co, s):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(ci)
        self.conv1 = nn.Conv2d(ci, co, 3, s, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(co)
        self.conv2 = nn.Conv2d(co, co, 3, 1, 1, bias=False)
        self.convShortcut = nn.Conv2d(ci, co, 1, s, bias=False) if ci != co else None

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return (x if self.convShortcut is None else self.convShortcut(a)) + y


class Group(nn.Module):
    def __init__(self, ci, co, s):
        super().__init__()
        self.layer = nn.Sequential(Block(ci, co, s), Block(co, co, 1))

    def forward(self, x):
        return self.layer(x)


class Wrn(nn.Module):
    def __init__(self, dense, outputs, width=2, widen=4):
        super().__init__()
        c = [width, width * widen, 2 * width * widen, 4 * width * widen]
        self.dense = dense
        self.conv1 = nn.Conv2d(3, c[0], 3, 1, 1, bias=False)
        self.block1 = Group(c[0], c[1], 1)
        self.block2 = Group(c[1], c[2], 1 if dense else 2)
        self.block3 = Group(c[2], c[3], 1 if dense else 2)
        self.bn1 = nn.BatchNorm2d(c[3])
        self.fc = nn.Linear(c[3], outputs)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        x = F.relu(self.bn1(x))
        if self.dense:
            return self.fc(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.fc(F.avg_pool2d(x, 8, 8).flatten(1))


def start(name, index, shape):
    u = draw(index, shape)
    if len(shape) == 4:
        return u * np.sqrt(24.0 / (shape[0] * shape[2] * shape[3]))
    if len(shape) == 2:
        return u * 2.0 / np.sqrt(shape[1])
    return 0.2 * u if name.endswith("bias") else 1.0 + 0.2 * u


def case(dense, shape, outputs, rate, steps=3):
    net = Wrn(dense, outputs)
    with torch.no_grad():
        for index, (name, p) in enumerate(net.named_parameters()):
            p.copy_(single(start(name, index, tuple(p.shape))))
    optimiser = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    losses = []
    for step in range(steps):
        x = single(4.0 * draw(1000 + step, shape))
        output = net(x)
        if dense:
            y = single(1.0 + draw(2000 + step, (shape[0], 1) + shape[2:]))
            norm = lambda t: t.flatten(1).norm(dim=1)
            loss = (norm(output - y) / norm(y)).sum()
        else:
            labels = torch.tensor([(7 * i + 3 * step) % outputs for i in range(shape[0])])
            loss = F.cross_entropy(output, labels)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()
    with torch.no_grad():
        output = net(single(4.0 * draw(1000, shape))).flatten()
    arrays = {}
    for name, t in list(net.named_parameters()) + list(net.named_buffers()):
        if name.endswith("num_batches_tracked"):
            continue
        t = t.detach().flatten()
        # shape-independent fingerprint: first value, last value, root of the sum of squares
        arrays[name] = [t[0].item(), t[-1].item(), t.norm().item()]
    return {
        "shape": list(shape), "outputs": outputs, "rate": rate, "losses": losses,
        "names": [name for name, _ in net.named_parameters()],
        "arrays": arrays,
        "evaluated": output[:: max(1, len(output) // 16)][:16].tolist(),
    }


golden = {
    "torch": torch.__version__.split("+")[0],
    "draw": draw(5, (4,)).tolist(),
    "point": case(False, (4, 3, 32, 32), 10, 0.05),
    "dense": case(True, (2, 3, 21, 22), 1, 0.02),
}
rounded = json.loads(json.dumps(golden), parse_float=lambda v: float(f"{float(v):.9g}"))
path = pathlib.Path(__file__).with_name("torch.json")
path.write_text(json.dumps(rounded, indent=1) + "\n")
