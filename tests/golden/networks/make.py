#!/usr/bin/env python3
"""Writes wrn.json, series.json, derived.json and supernet.json: small networks trained by PyTorch in f64, for tests that train the same.

    pip install torch numpy && python3 tests/golden/networks/make.py

The networks are those of the benchmarks' peers (benches/peer/{wrn,resnet1d,derived,supernet}.py), start values and data come
from the formula of benches/peer/weights.py, which tests/it/support/formula.rs repeats.

Keys of a case
    shape, outputs   of the inputs (N, channels, positions…); classes, labels or channels of the output
    width, cells     stem width of a wide network (then 4, 8, 16 times as wide) or channels of the residual one for series;
                     channels C and number of cells of a DARTS network
    head             wide networks: "global", "corner" (average of the first 8x8 positions), "dense"
    loss             ce, bce (means) or l2 (relative, summed over the batch); `weights.loss_of`
    rate, momentum, nesterov, weight_decay, clip
                     of SGD; clip: largest norm of all gradients together (scaled by clip / (norm + 1e-6) above it), or null
    batches          step s trains on batch s mod batches: inputs(batch), targets(batch) of weights.py
    names            parameters in order, only where every parameter has its own digest. DARTS networks: stem.0.weight,
                     stem.1.weight, stem.1.bias, then cell by cell preprocess0, preprocess1 and the edges node by node; an edge
                     has its primitives in their order (skip_connect of stride 2 before sep_conv_3x3), a primitive depthwise,
                     1x1, depthwise, 1x1 (derived: each 1x1 then has the weight and bias of its batch norm); classifier
    losses           of each step, before its update
    single           losses of the first 5 steps by PyTorch in f32: how far honest rounding goes
    arrays           digest (formula.py) of every parameter and running statistic after the last step; DARTS networks: of
                     `stem…`, `classifier…`, and per cell of all its parameters joined in their order (`cells.0`), of all its
                     running means and variances joined in the order of the modules (`cells.0 statistics`)
    evaluated        digest of the outputs in evaluation mode on batch 0, after the last step
Derived networks also have
    genotype         its name in derived.py; normal, reduce: the pairs, two letters and an input each
Supernets also have
    k                partial channels: 1/k of the channels go through the primitives
    losses           pairs: of the weight step (batch 2s mod batches), then of the architecture step (batch 2s + 1)
    alpha, beta      normal then reduce, after the last step: rows of 8, and one value an edge. In the dense form the reduce
                     ones stay at 1
    early            alpha and beta after the first 5 steps, same layout
    architecture_gradients
                     of the first architecture step, same layout (zeros where there are none)
"""
import json
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "benches" / "peer"))
import supernet  # noqa: E402
from derived import GENOTYPES, Derived  # noqa: E402
from resnet1d import ResNet1d  # noqa: E402
from weights import digests, fill, inputs, loss_of, statistics, targets  # noqa: E402
from wrn import Wrn  # noqa: E402

BATCHES = 4


def precision(dtype):
    torch.set_default_dtype(dtype)


def data(case, batch):
    return inputs(batch, case["shape"]), targets(case["loss"], batch, case["shape"], case["outputs"])


def state(net, group):
    """Digests of parameters and running statistics; statistics of a cell stand apart from its parameters."""
    def of_statistic(name):
        return group(name) + (" statistics" if group(name) != name else "")

    return digests(net.named_parameters(), group) | digests(statistics(net), of_statistic)


def train(make, case, steps):
    net = make()
    fill(net)
    keys = ("momentum", "nesterov", "weight_decay")
    optimiser = torch.optim.SGD(net.parameters(), lr=case["rate"], **{k: case[k] for k in keys})
    losses = []
    for step in range(steps):
        batch = step % BATCHES
        x, y = data(case, batch)
        loss = loss_of(case["loss"], net(x), y)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        if case["clip"] is not None:
            torch.nn.utils.clip_grad_norm_(net.parameters(), case["clip"])
        optimiser.step()
    return net, losses


def finish(net, case, forward, group):
    net.eval()
    with torch.no_grad():
        output = forward(inputs(0, case["shape"]))
    return {"arrays": state(net, group), "evaluated": digests([("", output)])[""]}


def trained(make, case, steps=20, group=lambda name: name):
    """A case of ordinary training."""
    precision(torch.float32)
    _, single = train(make, case, 5)
    precision(torch.float64)
    net, losses = train(make, case, steps)
    names = [n for n, _ in net.named_parameters()]
    listed = {"names": names} if all(group(n) == n for n in names) else {}
    return case | listed | {"losses": losses, "single": single} | finish(net, case, net, group)


def searched(case, steps=10):
    """A case of search: `steps` times a weight step and an architecture step."""

    def run(steps):
        size = (case["outputs"], case["dense"], case["width"], case["cells"])
        net = supernet.Supernet(len(case["shape"]) - 2, case["shape"][1], *size, k=case["k"])
        fill(net)
        arch = supernet.architecture()
        search = supernet.Search(net, arch, lambda *a: loss_of(case["loss"], *a), lean=True, rate=case["rate"])
        losses, first = [], None
        for step in range(steps):
            pair = [data(case, (2 * step + half) % BATCHES) for half in (0, 1)]
            losses.append([loss.item() for loss in search.step(*pair)])
            if first is None:
                first = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in arch]
        return net, arch, losses, first

    precision(torch.float32)
    single = run(5)[2]
    precision(torch.float64)
    early = [p.tolist() for p in run(5)[1]]
    net, arch, losses, first = run(steps)
    rows = [p.tolist() for p in arch]
    first = [p.tolist() for p in first]
    return case | {
        "losses": losses, "single": single, "alpha": rows[:2], "beta": rows[2:],
        "early": {"alpha": early[:2], "beta": early[2:]},
        "architecture_gradients": {"alpha": first[:2], "beta": first[2:]},
    } | finish(net, case, lambda x: net(x, arch), supernet.group)


def sgd(rate, nesterov=True, weight_decay=5e-4, clip=None):
    rule = {"rate": rate, "momentum": 0.9, "nesterov": nesterov, "weight_decay": weight_decay, "clip": clip}
    return rule | {"batches": BATCHES}


def wide(shape, outputs, head, loss, rate):
    case = {"shape": shape, "outputs": outputs, "width": 2, "head": head, "loss": loss} | sgd(rate)
    return trained(lambda: Wrn(len(shape) - 2, shape[1], outputs, head, width=2), case)


def series(shape, outputs, loss, rate):
    case = {"shape": shape, "outputs": outputs, "width": 6, "loss": loss} | sgd(rate)
    return trained(lambda: ResNet1d(shape[1], outputs, width=6), case)


def derived(shape, outputs, genotype, loss, rate, dense=False, width=4, cells=4):
    normal, reduce = GENOTYPES[genotype]
    case = {"shape": shape, "outputs": outputs, "width": width, "cells": cells, "dense": dense, "genotype": genotype,
            "normal": normal, "reduce": reduce, "loss": loss} | sgd(rate, False, 3e-4, 5.0)
    make = lambda: Derived(len(shape) - 2, shape[1], outputs, genotype, dense, width, cells)
    return trained(make, case, group=supernet.group)


def search(shape, outputs, loss, dense=False, width=8, cells=4, k=4, rate=0.1):
    case = {"shape": shape, "outputs": outputs, "width": width, "cells": cells, "k": k, "dense": dense, "loss": loss}
    return searched(case | sgd(rate, False, 3e-4, 5.0))


FILES = {
    "wrn": lambda: {
        "point_corner": wide([4, 3, 33, 35], 10, "corner", "ce", 0.05),
        "point_global": wide([3, 1, 16, 52], 18, "global", "ce", 0.05),
        "dense": wide([2, 3, 13, 17], 1, "dense", "l2", 0.01),
    },
    "series": lambda: {
        "residual": series([4, 4, 57], 6, "bce", 0.05),
        "residual_one_channel": series([5, 1, 46], 4, "ce", 0.05),
        "wide": wide([4, 4, 57], 6, "global", "bce", 0.05),
    },
    "derived": lambda: {
        "point": derived([3, 3, 12, 20], 10, "DARTS_V2", "ce", 0.025),
        "point_all": derived([3, 3, 12, 20], 10, "GAEA_101307", "ce", 0.025),
        "series": derived([4, 4, 46], 6, "PC_DARTS_cifar", "bce", 0.025),
        "dense": derived([2, 3, 11, 9], 1, "PC_DARTS_cifar", "l2", 0.025, dense=True),
    },
    "supernet": lambda: {
        "point": search([3, 3, 12, 20], 10, "ce"),
        "point_plain": search([3, 3, 8, 12], 10, "ce", width=4, k=1),
        "dense": search([2, 3, 11, 9], 1, "l2", dense=True, cells=3),
        "series": search([4, 4, 46], 6, "bce"),
    },
}


def main():
    for name, cases in FILES.items():
        golden = {"torch": torch.__version__.split("+")[0]} | cases()
        # 12 digits: what a different order of sums leaves of f64 after some steps
        rounded = json.loads(json.dumps(golden), parse_float=lambda v: float(f"{float(v):.12g}"))
        text = json.dumps(rounded, separators=(",", ":")).replace('],"', '],\n"').replace('},"', '},\n"')
        pathlib.Path(__file__).with_name(f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
