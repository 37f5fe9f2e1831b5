#!/usr/bin/env python3
"""One training step of a derived DARTS network in PyTorch: forward, backward, clip to norm 5, SGD with momentum. Drop-path 0.

    torch_derived.py --batch 16 --channels 3 --size 32x32 --outputs 100
    torch_derived.py --form dense --batch 4 --channels 3 --size 85x85 --outputs 1
    torch_derived.py --batch 16 --channels 1 --size 1000 --outputs 4
"""
import protocol

p = protocol.parser(__doc__.splitlines()[0])
p.add_argument("--form", choices=["point", "dense"], default="point")
p.add_argument("--genotype", default="DARTS_V2")
p.add_argument("--batch", type=int, default=16)
p.add_argument("--channels", type=int, default=3)
p.add_argument("--size", type=protocol.sizes, default=[32, 32])
p.add_argument("--outputs", type=int, default=100)
p.add_argument("--width", type=int, default=36)
p.add_argument("--cells", type=int, default=20)
p.add_argument("--loss", choices=["ce", "bce", "l2"])
p.add_argument("--channels-last", action="store_true")
args = p.parse_args()

import torch  # noqa: E402
from derived import Derived  # noqa: E402
from supernet import group  # noqa: E402
from training import Training, parameters_of  # noqa: E402

torch.set_num_threads(args.threads)
dense = args.form == "dense"
training = Training(
    lambda: Derived(len(args.size), args.channels, args.outputs, args.genotype, dense, args.width, args.cells),
    [args.batch, args.channels] + args.size, args.outputs, args.loss or ("l2" if dense else "ce"),
    {"lr": 0.025, "momentum": 0.9, "weight_decay": 3e-4}, 5.0, group, args.channels_last,
)
what = {"network": f"derived {args.genotype} {args.form} {len(args.size)}d", "batch": args.batch, "size": args.size}
what |= {"channels_last": args.channels_last, "parameters": parameters_of(training.net)}
protocol.drive(args, what, {"step": training.step}, training.check)
