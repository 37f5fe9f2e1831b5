"""The step of a peer that trains a network with SGD, as commands of protocol.py. Knows no network in particular."""
import torch
from weights import digests, fill, inputs, loss_of, targets


def parameters_of(net):
    return sum(p.numel() for p in net.parameters())


class Training:
    def __init__(self, make, shape, outputs, loss, sgd, clip=None, group=lambda name: name, channels_last=False):
        self.make, self.shape, self.outputs, self.loss = make, shape, outputs, loss
        self.clip, self.group = clip, group
        self.net = self.fresh()
        self.x, self.y = self.data()
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(self.net.parameters(), **sgd)

    def fresh(self):
        net = self.make()
        fill(net)
        return net

    def data(self):
        return inputs(0, self.shape), targets(self.loss, 0, self.shape, self.outputs)

    def step(self):
        self.optimiser.zero_grad()
        loss = loss_of(self.loss, self.net(self.x), self.y)
        loss.backward()
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        self.optimiser.step()
        return loss.item()

    def check(self):
        net, (x, y) = self.fresh(), self.data()
        x.requires_grad_(True)
        output = net(x)
        loss = loss_of(self.loss, output, y)
        loss.backward()
        gradients = [(name, p.grad) for name, p in net.named_parameters()]
        return {
            "loss": loss.item(), "output": digests([("", output)])[""], "input": digests([("", x.grad)])[""],
            "gradients": digests(gradients, self.group),
        }
