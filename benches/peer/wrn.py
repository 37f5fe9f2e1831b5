"""Wide residual network of depth 16 with the benchmark's names. Forms: point (strides 1, 2, 2; pooled), dense (all strides
1; a linear layer per position). `dim` 1 is the literal series twin, with kernels 3 instead of 3x3. Knows no task."""
import torch.nn as nn
import torch.nn.functional as F

from dimension import Dimension, per_position


class Block(nn.Module):
    def __init__(self, d, inputs, outputs, stride):
        super().__init__()
        self.bn1 = d.norm(inputs)
        self.conv1 = d.conv(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = d.norm(outputs)
        self.conv2 = d.conv(outputs, outputs, 3, 1, 1, bias=False)
        self.convShortcut = d.conv(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return (x if self.convShortcut is None else self.convShortcut(a)) + y


class Group(nn.Module):
    def __init__(self, d, inputs, outputs, stride):
        super().__init__()
        self.layer = nn.Sequential(Block(d, inputs, outputs, stride), Block(d, outputs, outputs, 1))

    def forward(self, x):
        return self.layer(x)


class Wrn(nn.Module):
    """`head`: "global" (mean over positions), "corner" (average of the first 8x8), "dense" (per position)."""

    def __init__(self, dim, channels, outputs, head, width=16, widen=4):
        super().__init__()
        d = Dimension(dim)
        c = [width, width * widen, 2 * width * widen, 4 * width * widen]
        down = 1 if head == "dense" else 2
        self.head = head
        self.conv1 = d.conv(channels, c[0], 3, 1, 1, bias=False)
        self.block1 = Group(d, c[0], c[1], 1)
        self.block2 = Group(d, c[1], c[2], down)
        self.block3 = Group(d, c[2], c[3], down)
        self.bn1 = d.norm(c[3])
        self.fc = nn.Linear(c[3], outputs)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        x = F.relu(self.bn1(x))
        if self.head == "dense":
            return per_position(self.fc, x)
        if self.head == "corner":
            return self.fc(F.avg_pool2d(x, 8, 8).flatten(1))
        return self.fc(x.flatten(2).mean(2))
