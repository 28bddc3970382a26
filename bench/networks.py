"""The benchmark's networks (catalogue.py) as PyTorch modules, and batches for them.

Dropout and stochastic depth are left out, and nothing works in place, which per-example hooks could
not stand. Normalisation is by groups because batch statistics mix examples.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from catalogue import IMAGE_CLASSES, NETWORKS

GROUPS_MAX = 8


def groups_of(channels):
    return nn.GroupNorm(min(GROUPS_MAX, channels), channels)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=8, stride=2, padding=3)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=4, stride=2)
        self.fc1 = nn.Linear(512, 32)
        self.fc2 = nn.Linear(32, IMAGE_CLASSES)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = F.max_pool2d(F.relu(conv(x)), kernel_size=2, stride=1)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def vgg9():
    layers = []
    before = 3
    for widths in ((32, 64), (128, 128), (256, 256)):
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())
    before = 256 * 4 * 4
    for _ in range(2):
        layers += [nn.Linear(before, 512), nn.ReLU()]
        before = 512
    return nn.Sequential(*layers, nn.Linear(before, IMAGE_CLASSES))


def convolution(before, after, kernel, stride=1, groups=1):
    return nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut: every second position, and channels of zeros around."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = convolution(before, after, 3, stride)
        self.norm1 = groups_of(after)
        self.conv2 = convolution(after, after, 3)
        self.norm2 = groups_of(after)
        self.shrinks = stride != 1 or before != after
        self.zeros = (after - before) // 2

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.shrinks:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.zeros, self.zeros))
        return F.relu(y + x)


class MeanAndClassify(nn.Module):
    """The mean over the positions, then a linear layer."""

    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Linear(channels, IMAGE_CLASSES)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


def resnet32():
    layers = [convolution(3, 16, 3), groups_of(16), nn.ReLU()]
    before = 16
    for width, first_stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(5):
            layers.append(Residual(before, width, first_stride if block == 0 else 1))
            before = width
    return nn.Sequential(*layers, MeanAndClassify(before))


def mobilenetv1():
    layers = [convolution(3, 32, 3), groups_of(32), nn.ReLU()]
    before = 32
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    plan += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for width, stride in plan:
        layers += [convolution(before, before, 3, stride, groups=before), groups_of(before)]
        layers += [nn.ReLU(), convolution(before, width, 1), groups_of(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, MeanAndClassify(before))


class InvertedResidual(nn.Module):
    def __init__(self, before, after, factor, stride):
        super().__init__()
        inside = before * factor
        layers = []
        if factor != 1:
            layers += [convolution(before, inside, 1), groups_of(inside), nn.ReLU6()]
        layers += [convolution(inside, inside, 3, stride, groups=inside), groups_of(inside)]
        layers += [nn.ReLU6(), convolution(inside, after, 1), groups_of(after)]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and before == after

    def forward(self, x):
        y = self.layers(x)
        return x + y if self.adds else y


def mobilenetv2():
    layers = [convolution(3, 32, 3), groups_of(32), nn.ReLU6()]
    before = 32
    # Expansion, channels, blocks, stride of the first block.
    for factor, width, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2),
                                          (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                          (6, 320, 1, 1)):
        for block in range(blocks):
            layers.append(InvertedResidual(before, width, factor, stride if block == 0 else 1))
            before = width
    layers += [convolution(before, 1280, 1), groups_of(1280), nn.ReLU6()]
    return nn.Sequential(*layers, MeanAndClassify(1280))


def gcd_groups_of(channels):
    return nn.GroupNorm(math.gcd(GROUPS_MAX, channels), channels)


class SqueezeAndExcite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        gate = F.silu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return torch.sigmoid(self.excite(gate)) * x


class ExciteBlock(nn.Module):
    """EfficientNet's block: expand, filter each channel, excite, project."""

    def __init__(self, before, after, factor, kernel, stride):
        super().__init__()
        inside = before * factor
        layers = []
        if factor != 1:
            layers += [convolution(before, inside, 1), gcd_groups_of(inside), nn.SiLU()]
        layers += [convolution(inside, inside, kernel, stride, inside), gcd_groups_of(inside)]
        layers += [nn.SiLU(), SqueezeAndExcite(inside, max(1, before // 4))]
        layers += [convolution(inside, after, 1), gcd_groups_of(after)]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and before == after

    def forward(self, x):
        y = self.layers(x)
        return x + y if self.adds else y


def efficientnet_b0():
    layers = [convolution(3, 32, 3, 2), gcd_groups_of(32), nn.SiLU()]
    before = 32
    # Expansion, kernel, channels, blocks, stride of the first block.
    for factor, kernel, width, blocks, stride in ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2),
                                                  (6, 5, 40, 2, 2), (6, 3, 80, 3, 2),
                                                  (6, 5, 112, 3, 1), (6, 5, 192, 4, 2),
                                                  (6, 3, 320, 1, 1)):
        for block in range(blocks):
            first = block == 0
            layers.append(ExciteBlock(before, width, factor, kernel, stride if first else 1))
            before = width
    layers += [convolution(before, 1280, 1), gcd_groups_of(1280), nn.SiLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        batch, tokens, width = x.shape
        depth = width // self.heads

        def by_head(linear):
            return linear(x).view(batch, tokens, self.heads, depth).transpose(1, 2)

        scores = (by_head(self.query) / math.sqrt(depth)) @ by_head(self.key).transpose(2, 3)
        mixed = scores.softmax(-1) @ by_head(self.value)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class EncoderLayer(nn.Module):
    def __init__(self, width, heads, inside):
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.up = nn.Linear(width, inside)
        self.down = nn.Linear(inside, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x):
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    POSITIONS = 512

    def __init__(self, width=768, heads=12, inside=3072, layers=6):
        super().__init__()
        self.words = nn.Embedding(NETWORKS["distilbert32"].words, width)
        self.positions = nn.Embedding(self.POSITIONS, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.Sequential(*(EncoderLayer(width, heads, inside) for _ in range(layers)))
        self.pre = nn.Linear(width, width)
        self.fc = nn.Linear(width, NETWORKS["distilbert32"].classes)

    def forward(self, x):
        # A row of positions for each example, so that per-example hooks see the batch axis.
        places = torch.arange(x.shape[1]).unsqueeze(0).expand_as(x).contiguous()
        y = self.layers(self.norm(self.words(x) + self.positions(places)))
        return self.fc(F.relu(self.pre(y[:, 0])))


class TextMlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(NETWORKS["textmlp"].words, 64)
        self.fc1 = nn.Linear(64, 128)
        self.fc2 = nn.Linear(128, NETWORKS["textmlp"].classes)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(self.words(x).mean(1))))


def signals():
    return nn.Sequential(
        nn.Conv1d(12, 32, 7, padding=3), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(64, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
        nn.Linear(64, NETWORKS["signals"].classes))


def volumes():
    layers = []
    before = 1
    for width in (16, 32, 64):
        layers += [nn.Conv3d(before, width, 3, padding=1, bias=False), groups_of(width), nn.ReLU()]
        layers.append(nn.MaxPool3d(2))
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(),
                         nn.Linear(before, NETWORKS["volumes"].classes))


MAKERS = {
    "lenet": LeNet,
    "vgg9": vgg9,
    "resnet32": resnet32,
    "mobilenetv1": mobilenetv1,
    "mobilenetv2": mobilenetv2,
    "efficientnet_b0": efficientnet_b0,
    "distilbert32": Encoder,
    "distilbert128": Encoder,
    "textmlp": TextMlp,
    "signals": signals,
    "volumes": volumes,
}


def make_network(name, seed=1):
    """The module with weights drawn from `seed`. Those of the normalisations are not left at ones
    and zeros: exporters join parameters that begin with the same numbers."""
    torch.manual_seed(seed)
    module = MAKERS[name]()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter += 0.05 * torch.randn_like(parameter)
    return module


def make_batch(name, size, seed=2):
    """Standard normal images or random ids, and random labels."""
    network = NETWORKS[name]
    generator = torch.Generator().manual_seed(seed)
    shape = (size, *network.shape)
    if network.words:
        x = torch.randint(0, network.words, shape, generator=generator)
    else:
        x = torch.randn(shape, generator=generator)
    return x, torch.randint(0, network.classes, (size,), generator=generator)
