"""Start values and data of networks by formula, so that Rust repeats them without a file. Knows no network.

Parameter number i, in the order of `net.named_parameters()`, is `start(name, shape, draw(i, shape))` rounded to f32:

    convolution (O, I/groups, kernel…)   u * sqrt(24 / (O * kernel positions))    variance 2 / fan-out
    linear (O, I)                        u * 2 / sqrt(I)
    name ends with "bias"                0.2 * u
    else (weight of a batch norm)        1 + 0.2 * u

with u = `draw` of tests/golden/formula.py (stream, uniform in -0.5..0.5). Running means start at 0, running variances at 1.
Inputs are 4 * draw(1000 + batch), targets come from stream 2000 + batch (`targets`), gradients from above of single operators
are draw(3000), weights of primitives are softmax of draw(4000). Rust: `start` in tests/it/wrn.rs.
"""
import pathlib
import sys

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "golden"))
from formula import digest, draw  # noqa: E402


def single(values):
    """As f32, in torch's default type."""
    return torch.from_numpy(np.asarray(values).astype(np.float32)).to(torch.get_default_dtype())


def start(name, shape, u):
    if len(shape) >= 3:
        return u * np.sqrt(24.0 / (shape[0] * np.prod(shape[2:])))
    if len(shape) == 2:
        return u * 2.0 / np.sqrt(shape[1])
    return 0.2 * u if name.endswith("bias") else 1.0 + 0.2 * u


def fill(net):
    """Gives `net` its start values. Whatever else trains (architecture parameters) is no parameter of the module."""
    with torch.no_grad():
        for index, (name, p) in enumerate(net.named_parameters()):
            shape = tuple(p.shape)
            p.copy_(single(start(name, shape, draw(index, shape))))
        for name, b in net.named_buffers():
            b.fill_(1.0 if name.endswith("running_var") else 0.0)


def inputs(batch, shape):
    return single(4.0 * draw(1000 + batch, shape))


def targets(loss, batch, shape, outputs):
    """ce: class (7 i + 3 batch) mod outputs of sample i. bce: 1 where draw > 0.2. l2: 1 + draw, (N, outputs, positions…)."""
    n, stream = shape[0], 2000 + batch
    if loss == "ce":
        return torch.tensor([(7 * i + 3 * batch) % outputs for i in range(n)])
    if loss == "bce":
        return single(draw(stream, (n, outputs)) > 0.2)
    return single(1.0 + draw(stream, (n, outputs) + tuple(shape[2:])))


def loss_of(loss, output, y):
    """ce, bce: means. l2: the sum over the batch of |output - y| / |y|."""
    if loss == "ce":
        return torch.nn.functional.cross_entropy(output, y)
    if loss == "bce":
        return torch.nn.functional.binary_cross_entropy_with_logits(output, y)

    def norm(t):
        return t.flatten(1).norm(dim=1)

    return (norm(output - y) / norm(y)).sum()


def digests(arrays, group=lambda name: name):
    """Digest by group, of (name, tensor) pairs in their order; the arrays of one group are joined."""
    joined = {}
    for name, t in arrays:
        joined.setdefault(group(name), []).append(t.detach().to(torch.float64).flatten().numpy())
    return {name: digest(np.concatenate(parts)) for name, parts in joined.items()}


def statistics(net):
    """Running means and variances of a network, (name, tensor), in the order of its modules."""
    return [(n, b) for n, b in net.named_buffers() if n.endswith(("running_mean", "running_var"))]
