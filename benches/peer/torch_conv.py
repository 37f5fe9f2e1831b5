#!/usr/bin/env python3
"""One convolution in PyTorch. Commands: `forward`, and the gradients `input` and `weight` alone.

    torch_conv.py --batch 32 --channels 64 --outputs 64 --size 32x32 --kernel 3
    torch_conv.py --batch 32 --channels 64 --outputs 64 --size 1000 --kernel 5
"""
import protocol

p = protocol.parser(__doc__.splitlines()[0])
p.add_argument("--batch", type=int, default=32)
p.add_argument("--channels", type=int, default=64)
p.add_argument("--outputs", type=int, default=64)
p.add_argument("--size", type=protocol.sizes, default=[32, 32])
p.add_argument("--kernel", type=int, default=3)
p.add_argument("--stride", type=int, default=1)
p.add_argument("--groups", type=int, default=1)
args = p.parse_args()

import torch  # noqa: E402
from dimension import Dimension  # noqa: E402
from weights import digests, draw, fill, inputs, single  # noqa: E402

torch.set_num_threads(args.threads)
d = Dimension(len(args.size))
conv = d.conv(
    args.channels, args.outputs, args.kernel, args.stride, (args.kernel - 1) // 2, groups=args.groups, bias=False
)
fill(conv)
x = inputs(0, [args.batch, args.channels] + args.size).requires_grad_(True)
y = conv(x)
above = single(draw(3000, list(y.shape)))


def gradient(of):
    return torch.autograd.grad(y, of, above, retain_graph=True)[0]


def forward():
    with torch.no_grad():
        conv(x)


def check():
    arrays = [("output", y), ("input", gradient(x)), ("weight", gradient(conv.weight))]
    return digests(arrays)


def of_input():
    gradient(x)


def of_weight():
    gradient(conv.weight)


commands = {"forward": forward, "input": of_input, "weight": of_weight}
what = {"network": f"conv {d.dim}d", "batch": args.batch, "channels": args.channels, "outputs": args.outputs}
what |= {"size": args.size, "kernel": args.kernel, "stride": args.stride, "groups": args.groups}
protocol.drive(args, what, commands, check)
