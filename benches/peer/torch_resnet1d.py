#!/usr/bin/env python3
"""One training step of the residual network for series in PyTorch: forward, backward, SGD with Nesterov momentum.

    torch_resnet1d.py --batch 32 --channels 4 --size 1000 --outputs 36 --loss bce
"""
import protocol

p = protocol.parser(__doc__.splitlines()[0])
p.add_argument("--batch", type=int, default=32)
p.add_argument("--channels", type=int, default=1)
p.add_argument("--size", type=protocol.sizes, default=[1000])
p.add_argument("--outputs", type=int, default=4)
p.add_argument("--width", type=int, default=64)
p.add_argument("--loss", choices=["ce", "bce"], default="ce")
args = p.parse_args()

import torch  # noqa: E402
from resnet1d import ResNet1d  # noqa: E402
from training import Training, parameters_of  # noqa: E402

torch.set_num_threads(args.threads)
training = Training(
    lambda: ResNet1d(args.channels, args.outputs, args.width),
    [args.batch, args.channels] + args.size, args.outputs, args.loss,
    {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
)
what = {"network": "resnet1d", "batch": args.batch, "size": args.size, "parameters": parameters_of(training.net)}
protocol.drive(args, what, {"step": training.step}, training.check)
