#!/usr/bin/env python3
"""One step of the search in PyTorch: weights on one batch (clip, SGD), then architecture on another (exponentiated gradient).

    torch_supernet.py --lean --batch 64 --channels 3 --size 32x32 --outputs 10
    torch_supernet.py --lean --batch 64 --channels 1 --size 1000 --outputs 4
    torch_supernet.py --lean --form dense --batch 4 --channels 3 --size 85x85 --outputs 1

`--lean` asks in each half only for the gradients it uses, as the benchmark's code does. Commands: `step`, and its halves
`weights` and `architecture`.
"""
import protocol

p = protocol.parser(__doc__.splitlines()[0])
p.add_argument("--form", choices=["point", "dense"], default="point")
p.add_argument("--batch", type=int, default=64)
p.add_argument("--channels", type=int, default=3)
p.add_argument("--size", type=protocol.sizes, default=[32, 32])
p.add_argument("--outputs", type=int, default=10)
p.add_argument("--width", type=int, default=16)
p.add_argument("--cells", type=int, default=8)
p.add_argument("--partial", type=int, default=4, help="k: 1/k of the channels go through the primitives")
p.add_argument("--loss", choices=["ce", "bce", "l2"])
p.add_argument("--lean", action="store_true")
p.add_argument("--halves", action="store_true", help="time the halves of the step as well")
args = p.parse_args()

import torch  # noqa: E402
from supernet import Search, Supernet, architecture, group  # noqa: E402
from training import parameters_of  # noqa: E402
from weights import digests, fill, inputs, loss_of, targets  # noqa: E402

torch.set_num_threads(args.threads)
dense = args.form == "dense"
loss = args.loss or ("l2" if dense else "ce")
shape = [args.batch, args.channels] + args.size


def fresh():
    size = (args.outputs, dense, args.width, args.cells)
    net = Supernet(len(args.size), args.channels, *size, k=args.partial)
    fill(net)
    return Search(net, architecture(), lambda *a: loss_of(loss, *a), args.lean)


def data(batch):
    return inputs(batch, shape), targets(loss, batch, shape, args.outputs)


search, train, held_out = fresh(), data(0), data(1)


def check():
    """Gradients of both halves from the start, on their own batches, without an update in between."""
    search, found = fresh(), {}
    for batch, half in enumerate(("weights", "architecture")):
        value = search.gradients(*data(batch), half)
        found[half] = {"loss": value.item()}
        if half == "weights":
            gradients = [(name, q.grad) for name, q in search.net.named_parameters()]
            found[half]["gradients"] = digests(gradients, group)
        else:
            # alpha normal, alpha reduce, beta normal, beta reduce; null where there is none
            found[half]["gradients"] = [None if q.grad is None else q.grad.tolist() for q in search.arch]
    return found


commands = {
    "step": lambda: search.step(train, held_out)[0].item(),
    "weights": lambda: search.weight_step(*train).item(),
    "architecture": lambda: search.architecture_step(*held_out).item(),
}
if not (args.halves or args.serve):
    commands = {"step": commands["step"]}
what = {"network": f"supernet {args.form} {len(args.size)}d", "batch": args.batch, "size": args.size, "k": args.partial}
what |= {"lean": args.lean, "parameters": parameters_of(search.net)}
protocol.drive(args, what, commands, check)
