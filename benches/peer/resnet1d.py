"""The residual network for series that the benchmark runs under the name of WRN. Knows no task.

Names: blocks.<b>.conv<1..3>.weight/bias, blocks.<b>.bn<1..3>.*, blocks.<b>.shortcut.conv.*, blocks.<b>.shortcut.bn.*, fc.*."""
import torch.nn as nn
import torch.nn.functional as F


class Shortcut(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 1)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        for i, (kernel, before) in enumerate([(8, inputs), (5, outputs), (3, outputs)], 1):
            setattr(self, f"conv{i}", nn.Conv1d(before, outputs, kernel))
            setattr(self, f"bn{i}", nn.BatchNorm1d(outputs))
        # with equal widths there is no connection at all, not even the identity (methods spec, 2.3)
        self.shortcut = Shortcut(inputs, outputs) if inputs != outputs else None

    def forward(self, x):
        y = x
        # "same" length: of the 7 zeros that a kernel of 8 needs, 3 stand before and 4 after
        for conv, bn, pad in [(self.conv1, self.bn1, (3, 4)), (self.conv2, self.bn2, (2, 2)), (self.conv3, self.bn3, (1, 1))]:
            y = F.relu(bn(conv(F.pad(y, pad))))
        return y if self.shortcut is None else y + self.shortcut(x)


class ResNet1d(nn.Module):
    def __init__(self, channels, outputs, width=64):
        super().__init__()
        self.blocks = nn.Sequential(Block(channels, width), Block(width, 2 * width), Block(2 * width, 2 * width))
        self.fc = nn.Linear(2 * width, outputs)

    def forward(self, x):
        return self.fc(self.blocks(x).mean(2))
