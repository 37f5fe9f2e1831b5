#!/usr/bin/env python3
"""One training step of the wide residual network WRN-16-4 in PyTorch: forward, backward, SGD with Nesterov momentum.

    torch_wrn.py --form point --batch 32 --channels 3 --size 32x32 --outputs 100       the image form
    torch_wrn.py --form dense --batch 4 --channels 3 --size 85x85 --outputs 1          all strides 1
    torch_wrn.py --form point --batch 32 --channels 4 --size 1000 --outputs 36 --loss bce    the literal series form
"""
import protocol

p = protocol.parser(__doc__.splitlines()[0])
p.add_argument("--form", choices=["point", "dense"], default="point")
p.add_argument("--batch", type=int, default=32)
p.add_argument("--channels", type=int, default=3)
p.add_argument("--size", type=protocol.sizes, default=[32, 32])
p.add_argument("--outputs", type=int, default=100)
p.add_argument("--width", type=int, default=16)
p.add_argument("--loss", choices=["ce", "bce", "l2"])
p.add_argument("--channels-last", action="store_true")
args = p.parse_args()

import torch  # noqa: E402
from training import Training, parameters_of  # noqa: E402
from wrn import Wrn  # noqa: E402

torch.set_num_threads(args.threads)
dense = args.form == "dense"
loss = args.loss or ("l2" if dense else "ce")
dim = len(args.size)
# at 32x32 the last map is 8x8, where the benchmark's average of the first 8x8 is the global one
head = "dense" if dense else "global"
sgd = {"lr": 0.001 if dense else 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
training = Training(
    lambda: Wrn(dim, args.channels, args.outputs, head, args.width),
    [args.batch, args.channels] + args.size, args.outputs, loss, sgd, channels_last=args.channels_last,
)
what = {"network": f"wrn {args.form} {dim}d", "batch": args.batch, "size": args.size, "channels_last": args.channels_last}
what |= {"parameters": parameters_of(training.net)}
protocol.drive(args, what, {"step": training.step}, training.check)
