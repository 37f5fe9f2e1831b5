#!/usr/bin/env python3
"""Writes torch.json: output and gradients of a dozen convolutions in PyTorch (f64).

    pip install torch numpy && python3 tests/golden/conv/make.py

Arrays are 4·draw(stream, shape) with streams 0, 1, 2 … for the inputs in their order; the upstream gradient is draw(77, shape).
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from formula import digest, draw

torch.set_default_dtype(torch.float64)

# x, weights, stride, padding ((before, after) per axis), dilation, groups, bias, residual
CASES = [
    ((2, 3, 9, 8), (16, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, False, False),
    ((2, 3, 8, 7), (5, 3, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1, True, False),
    ((3, 17, 7, 8), (9, 17, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1, False, True),
    ((2, 12, 9, 6), (20, 12, 1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1, False, False),
    ((2, 20, 7, 5), (12, 20, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, True, False),
    ((2, 16, 10, 11), (24, 16, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, True, True),
    ((1, 33, 6, 21), (16, 33, 3, 3), (1, 1), ((0, 2), (3, 0)), (1, 1), 1, False, False),
    ((2, 16, 1, 101), (24, 16, 1, 8), (1, 1), ((0, 0), (3, 4)), (1, 1), 1, True, False),
    ((2, 9, 1, 60), (16, 9, 1, 5), (1, 1), ((0, 0), (2, 2)), (1, 1), 1, False, False),
    ((2, 16, 1, 45), (16, 16, 1, 3), (1, 1), ((0, 0), (1, 1)), (1, 1), 1, False, True),
    ((2, 6, 8, 9), (4, 3, 3, 2), (1, 2), ((2, 1), (0, 1)), (2, 1), 2, True, False),
    ((2, 12, 9, 10), (12, 1, 5, 5), (1, 1), ((4, 4), (4, 4)), (2, 2), 12, False, False),
    ((3, 10, 7, 8), (10, 1, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 10, False, False),
]


def row(case):
    xs, ws, stride, padding, dilation, groups, bias, residual = case
    (top, bottom), (left, right) = padding
    inputs = [xs, ws] + ([(ws[0],)] if bias else [])
    inputs = [torch.from_numpy(4 * draw(i, shape)).requires_grad_() for i, shape in enumerate(inputs)]
    padded = F.pad(inputs[0], (left, right, top, bottom))
    y = F.conv2d(padded, inputs[1], inputs[2] if bias else None, stride, 0, dilation, groups)
    if residual:
        inputs.append(torch.from_numpy(4 * draw(len(inputs), tuple(y.shape))).requires_grad_())
        y = y + inputs[-1]
    y.backward(torch.from_numpy(draw(77, tuple(y.shape))))
    return {
        "x": xs, "weight": ws, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
        "bias": bias, "residual": residual, "output": list(y.shape),
        "digests": [digest(a.detach().numpy()) for a in [y] + [i.grad for i in inputs]],
    }


target = pathlib.Path(__file__).with_name("torch.json")
rows = [json.dumps(row(case)) for case in CASES]
target.write_text('{"torch": "%s", "cases": [\n%s\n]}\n' % (torch.__version__.split("+")[0], ",\n".join(rows)))
