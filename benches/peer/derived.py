"""The network of a DARTS genotype as the benchmark trains it, point and dense form, without drop-path. Knows no task."""
import functools

import torch
import torch.nn as nn

from dimension import Dimension, per_position
from primitives import FactorizedReduce, primitive, relu_conv_bn

# Two letters and the number of the input, node by node; only the published ones that are timed or tested.
GENOTYPES = {
    "DARTS_V2": ("s30 s31 s30 s31 s31 sk0 sk0 d32", "mp0 mp1 sk2 mp1 mp0 sk2 sk2 mp1"),
    "PC_DARTS_cifar": ("s31 sk0 s30 d31 s50 s31 ap0 d31", "s51 mp0 s51 s52 s30 s33 s31 s32"),
    "GAEA_101307": ("s31 sk0 s30 s32 s32 s51 s31 s50", "mp0 s51 d52 mp0 s32 sk0 d34 mp0"),
}
SHORT = {
    "mp": "max_pool_3x3", "ap": "avg_pool_3x3", "sk": "skip_connect",
    "s3": "sep_conv_3x3", "s5": "sep_conv_5x5", "d3": "dil_conv_3x3", "d5": "dil_conv_5x5",
}


class Cell(nn.Module):
    def __init__(self, d, pairs, before, last, c, reduction, after_reduction, pre_norm, norm):
        super().__init__()
        self.preprocess0 = (FactorizedReduce if after_reduction else relu_conv_bn)(d, before, c, pre_norm)
        self.preprocess1 = relu_conv_bn(d, last, c, pre_norm)
        pairs = [(SHORT[p[:2]], int(p[2:])) for p in pairs.split()]
        self.inputs = [i for _, i in pairs]
        self._ops = nn.ModuleList(
            primitive(name, d, c, 2 if reduction and i < 2 else 1, norm) for name, i in pairs
        )

    def forward(self, s0, s1):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for n in range(0, len(self._ops), 2):
            a, b = (self._ops[n + e](states[self.inputs[n + e]]) for e in (0, 1))
            states.append(a + b)
        return torch.cat(states[2:], 1)


class Derived(nn.Module):
    """Momentum 0.999 and eps 1e-3 are constants of another framework's convention, as the benchmark has them: in the point
    form for all batch norms of the cells, in the dense form for those of the preprocess layers (methods spec, 4.7)."""

    def __init__(self, dim, channels, outputs, genotype, dense=False, width=36, cells=20):
        super().__init__()
        d = Dimension(dim)
        self.dense = dense
        pre_norm = functools.partial(d.norm, momentum=0.999, eps=1e-3)
        norm = d.norm if dense else pre_norm
        self.stem = nn.Sequential(d.conv(channels, 3 * width, 3, padding=1, bias=False), d.norm(3 * width))
        reductions = () if dense else (cells // 3, 2 * cells // 3)
        c, before, last, after_reduction, made = width, 3 * width, 3 * width, False, []
        for i in range(cells):
            reduction = i in reductions
            c *= 2 if reduction else 1
            pairs = GENOTYPES[genotype][int(reduction)]
            made.append(Cell(d, pairs, before, last, c, reduction, after_reduction, pre_norm, norm))
            before, last, after_reduction = last, 4 * c, reduction
        self.cells = nn.ModuleList(made)
        self.classifier = nn.Linear(last, outputs)

    def forward(self, x):
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1)
        return per_position(self.classifier, s1) if self.dense else self.classifier(s1.flatten(2).mean(2))
