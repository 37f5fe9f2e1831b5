"""The layers of PyTorch for series (1) and images (2) under one name each. Knows no network."""
import torch.nn as nn


class Dimension:
    def __init__(self, dim):
        self.dim = dim
        self.conv = nn.Conv2d if dim == 2 else nn.Conv1d
        self.norm = nn.BatchNorm2d if dim == 2 else nn.BatchNorm1d
        self.max_pool = nn.MaxPool2d if dim == 2 else nn.MaxPool1d
        self.avg_pool = nn.AvgPool2d if dim == 2 else nn.AvgPool1d


def per_position(linear, x):
    """A linear layer over the channels at every position of x (N, C, positions…)."""
    return linear(x.movedim(1, -1)).movedim(-1, 1)
