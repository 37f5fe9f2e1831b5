"""The search network of the DARTS space, with partial channels (k = 4) or without (k = 1): point form with two reduction
cells, dense form with none. Follows the benchmark's code: softmax over each row of alpha and over the beta of each node,
although the update keeps both on simplices. Knows no task."""
import torch
import torch.nn as nn

from dimension import Dimension, per_position
from primitives import NAMES, FactorizedReduce, primitive, relu_conv_bn


class MixedOp(nn.Module):
    """One edge. The first c/k channels go through the primitives, the others pass by; then the channels are shuffled."""

    def __init__(self, d, c, stride, k):
        super().__init__()
        self.k, self.part = k, c // k

        def norm(c):
            return d.norm(c, affine=False)

        # `none` gives zeros and is not computed; its place keeps the numbers of the others
        self._ops = nn.ModuleList(
            nn.Identity() if name == "none" else primitive(name, d, self.part, stride, norm, norm) for name in NAMES
        )
        self.down = None
        if stride == 2 and k > 1:
            self.down = d.max_pool(2, 2, ceil_mode=d.dim == 1)

    def forward(self, x, weights):
        part = x if self.k == 1 else x[:, : self.part]
        y = sum(w * op(part) for w, op in zip(weights[1:], self._ops[1:]))
        if self.k == 1:
            return y
        rest = x[:, self.part :]
        z = torch.cat([y, rest if self.down is None else self.down(rest)], 1)
        # channel g (c/k) + j goes to j k + g
        return z.unflatten(1, (self.k, self.part)).transpose(1, 2).flatten(1, 2)


class Cell(nn.Module):
    def __init__(self, d, before, last, c, reduction, after_reduction, k, nodes):
        super().__init__()
        self.reduction, self.nodes = reduction, nodes

        def norm(c):
            return d.norm(c, affine=False)

        self.preprocess0 = (FactorizedReduce if after_reduction else relu_conv_bn)(d, before, c, norm)
        self.preprocess1 = relu_conv_bn(d, last, c, norm)
        self._ops = nn.ModuleList(
            MixedOp(d, c, 2 if reduction and j < 2 else 1, k) for node in range(nodes) for j in range(2 + node)
        )

    def forward(self, s0, s1, alpha, beta):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        edge = 0
        for _ in range(self.nodes):
            ends = range(edge, edge + len(states))
            states.append(sum(beta[e] * self._ops[e](s, alpha[e]) for e, s in zip(ends, states)))
            edge = ends.stop
        return torch.cat(states[2:], 1)


class Supernet(nn.Module):
    def __init__(self, dim, channels, outputs, dense=False, width=16, cells=8, nodes=4, k=4):
        super().__init__()
        d = Dimension(dim)
        self.dense, self.nodes = dense, nodes
        self.stem = nn.Sequential(d.conv(channels, 3 * width, 3, padding=1, bias=False), d.norm(3 * width))
        reductions = () if dense else (cells // 3, 2 * cells // 3)
        c, before, last, after_reduction, made = width, 3 * width, 3 * width, False, []
        for i in range(cells):
            reduction = i in reductions
            c *= 2 if reduction else 1
            made.append(Cell(d, before, last, c, reduction, after_reduction, k, nodes))
            before, last, after_reduction = last, nodes * c, reduction
        self.cells = nn.ModuleList(made)
        self.classifier = nn.Linear(last, outputs)

    def forward(self, x, arch):
        """`arch` as `architecture` makes it; what is no tensor of a graph gets no gradient."""
        rows = [row.softmax(-1) for row in arch[:2]]
        ends = [slice(n * (n + 3) // 2, (n + 1) * (n + 4) // 2) for n in range(self.nodes)]
        edges = [torch.cat([beta[e].softmax(0) for e in ends]) for beta in arch[2:]]
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            kind = int(cell.reduction)
            s0, s1 = s1, cell(s0, s1, rows[kind], edges[kind])
        return per_position(self.classifier, s1) if self.dense else self.classifier(s1.flatten(2).mean(2))


def architecture(nodes=4):
    """alpha normal, alpha reduce (edges, 8), beta normal, beta reduce (edges): all ones (methods spec, 4.2)."""
    edges = nodes * (nodes + 3) // 2
    return [torch.ones(s).requires_grad_() for s in [(edges, len(NAMES))] * 2 + [(edges,)] * 2]


class Search:
    """One step of the search: the weights on one batch, then the architecture on another (methods spec, 4.3, 4.4).

    `lean` asks for the gradients that the step uses and no others, as the benchmark does; else each backward pass computes
    both kinds."""

    def __init__(self, net, arch, loss, lean, rate=0.1):
        self.net, self.arch, self.loss, self.lean = net, arch, loss, lean
        self.weights = list(net.parameters())
        self.optimiser = torch.optim.SGD(self.weights, lr=rate, momentum=0.9, weight_decay=3e-4)

    def gradients(self, x, y, wanted):
        """Loss, and gradients in the fields `grad` of the wanted half (None where there is none)."""
        for p in self.weights + self.arch:
            p.grad = None
            p.requires_grad_(True)
        if self.lean:
            for p in self.arch if wanted == "weights" else self.weights:
                p.requires_grad_(False)
        loss = self.loss(self.net(x, self.arch), y)
        loss.backward()
        return loss.detach()

    def weight_step(self, x, y):
        loss = self.gradients(x, y, "weights")
        torch.nn.utils.clip_grad_norm_(self.weights, 5.0)
        self.optimiser.step()
        return loss

    def architecture_step(self, x, y):
        """Exponentiated gradient with rate 0.1: rows of alpha sum to 1, all of beta together sums to 1."""
        loss = self.gradients(x, y, "architecture")
        with torch.no_grad():
            for p in self.arch:
                if p.grad is not None:
                    p.mul_(torch.exp(-0.1 * p.grad))
                    p.div_(p.sum(-1, keepdim=True))
        return loss

    def step(self, train, held_out):
        return self.weight_step(*train), self.architecture_step(*held_out)


def group(name):
    """The group of a parameter or statistic in a digest: a whole cell is one, else hundreds of arrays would be listed."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "cells" else name
