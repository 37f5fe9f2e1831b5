#!/usr/bin/env python3
"""One mixed-op edge in PyTorch. Commands: `forward` (with its graph), `step` (forward and backward, all gradients).

    torch_edge.py --batch 64 --channels 16 --size 32x32
    torch_edge.py --batch 64 --channels 16 --size 1000 --stride 2
"""
import protocol

p = protocol.parser(__doc__.splitlines()[0])
p.add_argument("--batch", type=int, default=64)
p.add_argument("--channels", type=int, default=16)
p.add_argument("--size", type=protocol.sizes, default=[32, 32])
p.add_argument("--stride", type=int, choices=[1, 2], default=1)
p.add_argument("--partial", type=int, default=4, help="k: 1/k of the channels go through the primitives")
args = p.parse_args()

import torch  # noqa: E402
from dimension import Dimension  # noqa: E402
from supernet import MixedOp  # noqa: E402
from training import parameters_of  # noqa: E402
from weights import digests, draw, fill, inputs, single  # noqa: E402

torch.set_num_threads(args.threads)
edge = MixedOp(Dimension(len(args.size)), args.channels, args.stride, args.partial)
fill(edge)
x = inputs(0, [args.batch, args.channels] + args.size).requires_grad_(True)
weights = single(draw(4000, (8,))).softmax(0).requires_grad_(True)
shape = list(edge(x, weights).shape)
above = single(draw(3000, shape))


def step():
    for t in [x, weights, *edge.parameters()]:
        t.grad = None
    edge(x, weights).backward(above)


def forward():
    edge(x, weights)


def check():
    step()
    return {
        "output": digests([("", edge(x, weights))])[""], "input": digests([("", x.grad)])[""],
        "primitives": weights.grad.tolist(), "gradients": digests([(n, q.grad) for n, q in edge.named_parameters()]),
    }


what = {"network": f"edge {len(args.size)}d", "batch": args.batch, "channels": args.channels, "size": args.size}
what |= {"stride": args.stride, "k": args.partial, "parameters": parameters_of(edge)}
protocol.drive(args, what, {"forward": forward, "step": step}, check)
