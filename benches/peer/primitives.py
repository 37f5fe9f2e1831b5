"""The candidate operations of a DARTS cell, 1D and 2D, with the names of modules of the published code. Knows no cell.

`norm` makes the batch norm of c channels; the caller decides about scale and shift, momentum and eps."""
import torch
import torch.nn as nn
import torch.nn.functional as F

NAMES = [
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
]


def relu_conv_bn(d, inputs, outputs, norm):
    return Op(nn.ReLU(), d.conv(inputs, outputs, 1, bias=False), norm(outputs))


class Op(nn.Module):
    """A sequence under the name `op`."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    """Halves the resolution. The second half of the channels sees the input shifted by one pixel in both axes; in the
    series form it does not (methods spec, 4.1). Images need even sizes."""

    def __init__(self, d, inputs, outputs, norm):
        super().__init__()
        self.shift = d.dim == 2
        self.conv_1 = d.conv(inputs, outputs // 2, 1, 2, bias=False)
        self.conv_2 = d.conv(inputs, outputs - outputs // 2, 1, 2, bias=False)
        self.bn = norm(outputs)

    def forward(self, x):
        x = F.relu(x)
        y = x[:, :, 1:, 1:] if self.shift else x
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(y)], 1))


def sep_conv(d, c, kernel, stride, norm):
    def half(stride):
        depthwise = d.conv(c, c, kernel, stride, kernel // 2, groups=c, bias=False)
        return nn.ReLU(), depthwise, d.conv(c, c, 1, bias=False), norm(c)

    return Op(*half(stride), *half(1))


def dil_conv(d, c, kernel, stride, norm):
    depthwise = d.conv(c, c, kernel, stride, kernel - 1, dilation=2, groups=c, bias=False)
    return Op(nn.ReLU(), depthwise, d.conv(c, c, 1, bias=False), norm(c))


def primitive(name, d, c, stride, norm, pool_norm=None):
    """A primitive of c channels; pools get a batch norm only if `pool_norm` makes one."""
    if name in ("max_pool_3x3", "avg_pool_3x3"):
        pool = d.max_pool(3, stride, 1) if name[0] == "m" else d.avg_pool(3, stride, 1, count_include_pad=False)
        return pool if pool_norm is None else nn.Sequential(pool, pool_norm(c))
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(d, c, c, norm)
    make = sep_conv if name.startswith("sep") else dil_conv
    return make(d, c, int(name[-1]), stride, norm)
