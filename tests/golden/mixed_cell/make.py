#!/usr/bin/env python3
"""Writes torch.json: cells and edges of the (PC-)DARTS search space in PyTorch (f64), forward, backward and evaluation.

    pip install torch numpy && python3 tests/golden/mixed_cell/make.py

Inputs and weights come from formula.py, which tests/it/support/formula.rs repeats. Structure: methods spec §4.1 and §4.2;
names of modules as in yuhuixu1993/PC-DARTS model_search.py and operations.py.
"""
import json
import pathlib
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from formula import digest, draw

torch.set_default_dtype(torch.float64)


class Modules:
    """The 1D or the 2D form of every module."""

    def __init__(self, d):
        self.d = d
        self.conv = nn.Conv2d if d == 2 else nn.Conv1d
        self.norm = nn.BatchNorm2d if d == 2 else nn.BatchNorm1d
        self.max = nn.MaxPool2d if d == 2 else nn.MaxPool1d
        self.avg = nn.AvgPool2d if d == 2 else nn.AvgPool1d

    def bn(self, c):
        # momentum 1: after one pass in training the running values are those of the batch
        return self.norm(c, affine=False, momentum=1.0)


class Block(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    def __init__(self, m, c):
        super().__init__()
        self.d = m.d
        self.conv_1 = m.conv(c, c // 2, 1, 2, bias=False)
        self.conv_2 = m.conv(c, c - c // 2, 1, 2, bias=False)
        self.bn = m.bn(c)

    def forward(self, x):
        x = F.relu(x)
        # 2D: one pixel further, zeros beyond the border; 1D: not shifted (NAS-Bench-360)
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:] if self.d == 2 else x
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(shifted)], 1))


class Zero(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s

    def forward(self, x):
        return x[(slice(None), slice(None)) + (slice(None, None, self.s),) * (x.dim() - 2)] * 0.0


def deep(m, c, k, s, dilation=1):
    return m.conv(c, c, k, s, k // 2 * dilation, dilation=dilation, groups=c, bias=False)


def point(m, c):
    return m.conv(c, c, 1, bias=False)


def sep(m, c, k, s):
    return Block(nn.ReLU(), deep(m, c, k, s), point(m, c), m.bn(c), nn.ReLU(), deep(m, c, k, 1), point(m, c), m.bn(c))


def dil(m, c, k, s):
    return Block(nn.ReLU(), deep(m, c, k, s, 2), point(m, c), m.bn(c))


class MixedOp(nn.Module):
    def __init__(self, m, channels, s, k):
        super().__init__()
        c = self.c = channels // k
        self.k, self.s = k, s
        self.mp = m.max(2, 2, ceil_mode=True)
        self._ops = nn.ModuleList([
            Zero(s),
            nn.Sequential(m.max(3, s, 1), m.bn(c)),
            nn.Sequential(m.avg(3, s, 1, count_include_pad=False), m.bn(c)),
            nn.Identity() if s == 1 else FactorizedReduce(m, c),
            sep(m, c, 3, s), sep(m, c, 5, s), dil(m, c, 3, s), dil(m, c, 5, s),
        ])

    def forward(self, x, weights):
        seen, passed = x[:, :self.c], x[:, self.c:]
        y = sum(w * op(seen) for w, op in zip(weights, self._ops))
        if self.k == 1:
            return y
        y = torch.cat([y, passed if self.s == 1 else self.mp(passed)], 1)
        n, channels = y.shape[:2]
        return y.reshape(n, self.k, channels // self.k, *y.shape[2:]).transpose(1, 2).reshape(y.shape)


class Cell(nn.Module):
    def __init__(self, d, channels, reduction, k, inputs, nodes):
        super().__init__()
        m = Modules(d)
        self.inputs, self.nodes = inputs, nodes
        self._ops = nn.ModuleList(
            MixedOp(m, channels, 2 if reduction and s < inputs else 1, k) for n in range(nodes) for s in range(inputs + n))

    def forward(self, states, alpha, beta):
        states, e = list(states), 0
        for _ in range(self.nodes):
            n = len(states)
            states.append(sum(beta[e + i] * self._ops[e + i](s, alpha[e + i]) for i, s in enumerate(states)))
            e += n
        return torch.cat(states[-self.nodes:], 1)


def packed(cell):
    """Named weights in the order of θ: edge by edge, FactorizedReduce last."""
    named = list(cell.named_parameters())
    return sorted(named, key=lambda p: (int(p[0].split(".")[1]), p[0].split(".")[3] == "3"))


def statistics(cell):
    edges = [(s, n) for n in range(cell.nodes) for s in range(cell.inputs + n)]
    norms = []
    for s in range(cell.inputs + cell.nodes - 1):
        first = cell._ops[[e for e, (f, _) in enumerate(edges) if f == s][0]]
        norms += [first._ops[1][1], first._ops[2][1]]
    for op in cell._ops:
        norms += [op._ops[4].op[3], op._ops[4].op[7], op._ops[5].op[3], op._ops[5].op[7], op._ops[6].op[3], op._ops[7].op[3]]
        norms += [op._ops[3].bn] if op.s == 2 else []
    return torch.cat([v for n in norms for v in (n.running_mean, n.running_var)])


def case(reduction, k, shape, inputs=2, nodes=4):
    n, channels, h, w = shape
    d = 1 if h == 1 else 2
    squeeze = (lambda x: x[:, :, 0]) if d == 1 else (lambda x: x)
    cell = Cell(d, channels, reduction, k, inputs, nodes)
    edges = len(cell._ops)
    count = sum(p.numel() for _, p in packed(cell))
    states = [torch.from_numpy(4 * draw(i, shape)).requires_grad_() for i in range(inputs)]
    theta = torch.from_numpy(4 * draw(inputs, (count + 9 * edges,)))
    at = 0
    for _, p in packed(cell):
        p.data.copy_(theta[at:at + p.numel()].reshape(p.shape))
        at += p.numel()
    arch = theta[count:].clone().requires_grad_()
    run = lambda states: cell([squeeze(s) for s in states], arch[:8 * edges].reshape(edges, 8), arch[8 * edges:])
    y = run(states)
    found = statistics(cell)
    y.backward(torch.from_numpy(draw(77, y.shape)))
    dtheta = torch.cat([p.grad.reshape(-1) for _, p in packed(cell)] + [arch.grad])
    cell.eval()
    other = run([torch.from_numpy(4 * draw(10 + i, shape)) for i in range(inputs)])
    take = lambda t: digest(t.detach().numpy())
    return {
        "reduction": reduction, "factor": k, "shape": shape, "inputs": inputs, "nodes": nodes,
        "parameters": [[name, list(p.shape)] for name, p in packed(cell)] if edges < 3 else len(packed(cell)),
        "weights": count, "output": take(y), "statistics": take(found), "evaluated": take(other),
        "gradients": [take(s.grad) for s in states] + [take(dtheta)],
    }


cases = [
    case(reduction, k, shape)
    for reduction in (False, True) for k, shape in ((4, (9, 16, 9, 6)), (1, (3, 3, 6, 7)), (4, (10, 8, 1, 21)), (1, (2, 2, 1, 16)))
]
cases += [case(reduction, 2, shape, 1, 1) for reduction in (False, True) for shape in ((3, 6, 5, 8), (3, 6, 1, 18))]
path = pathlib.Path(__file__).with_name("torch.json")
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1) + "\n")
