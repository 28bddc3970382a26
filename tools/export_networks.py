"""Small networks for export_models.py, written the way people write them. Each entry: a module, its
inputs for two examples, and the names of the inputs."""

import math

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 2
VOCABULARY = 11


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 4, 3)
        self.fc1 = nn.Linear(4 * 2 * 2, 8)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        return self.fc2(F.relu(self.fc1(x)))


class ResidualBlock(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False)
        self.norm1 = norm(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm2 = norm(4)
        self.down = nn.Sequential(nn.Conv2d(2, 4, 1, stride=2, bias=False), norm(4))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y)) + self.down(x)
        return self.fc(torch.flatten(self.pool(F.relu(y)), 1))


class InvertedResidual(nn.Module):
    """MobileNet's block, with squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU6(),
            nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.BatchNorm2d(6), nn.Hardswish(),
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 2, 1), nn.SiLU(), nn.Conv2d(2, 6, 1), nn.Hardsigmoid()
        )
        self.project = nn.Sequential(nn.Conv2d(6, 3, 1, bias=False), nn.BatchNorm2d(3))
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        y = self.body(x)
        y = x + self.project(y * self.squeeze(y))
        return self.head(y.mean([2, 3]))


class VisionTransformer(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.patch = nn.Conv2d(1, width, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 5, width) * 0.1)
        self.block = nn.TransformerEncoderLayer(
            width, 2, 12, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        return self.head(self.norm(self.block(x))[:, 0])


class SelfAttention(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.batch_first = batch_first
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        if not self.batch_first:
            x = x.transpose(0, 1)
        y, _ = self.attention(x, x, x)
        if not self.batch_first:
            y = y.transpose(0, 1)
        return self.head(y.mean(1))


class EncoderLayers(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 10, dropout=0.1)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.layers(x.permute(1, 0, 2))[0])


class Conv1D(nn.Module):
    """GPT-2's linear layer."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * 0.2)
        self.bias = nn.Parameter(torch.randn(outputs) * 0.1)
        self.outputs = outputs

    def forward(self, x):
        size = x.size()[:-1] + (self.outputs,)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(size)


class Gpt2(nn.Module):
    def __init__(self, width=8, heads=2, length=6, masking="where"):
        super().__init__()
        self.width, self.heads, self.masking = width, heads, masking
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.positions = nn.Embedding(length, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.project = Conv1D(width, 3 * width), Conv1D(width, width)
        self.up, self.down = Conv1D(width, 16), Conv1D(16, width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        self.register_buffer("mask", torch.tril(torch.ones(length, length)).bool()[None, None])

    def split(self, x):
        return x.view(x.size(0), x.size(1), self.heads, -1).permute(0, 2, 1, 3)

    def attend(self, x):
        q, k, v = (self.split(t) for t in self.attention(x).split(self.width, dim=2))
        if self.masking == "where":
            scores = q @ k.transpose(-1, -2) / math.sqrt(v.size(-1))
            scores = torch.where(self.mask, scores, torch.finfo(scores.dtype).min)
            y = scores.softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.permute(0, 2, 1, 3).contiguous()
        return self.project(y.view(y.size()[:-2] + (self.width,)))

    def forward(self, ids):
        position = torch.arange(0, ids.shape[1], dtype=torch.long).unsqueeze(0)
        x = self.tokens(ids) + self.positions(position)
        x = x + self.attend(self.norm1(x))
        x = x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        return self.head(x)


class Bert(nn.Module):
    """Tokens, segments and positions; a mask of the padding, added to the scores."""

    def __init__(self, width=8, heads=2, length=5):
        super().__init__()
        self.heads, self.width = heads, width
        self.words = nn.Embedding(VOCABULARY, width)
        self.places = nn.Embedding(length, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 12), nn.Linear(12, width)
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 3)
        self.register_buffer("position_ids", torch.arange(length).expand((1, -1)))

    def split(self, x):
        return x.view(x.shape[:-1] + (self.heads, self.width // self.heads)).permute(0, 2, 1, 3)

    def forward(self, ids, mask):
        length = ids.size(1)
        x = self.norm1(self.words(ids) + self.places(self.position_ids[:, :length]))
        extended = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
        scores = self.split(self.q(x)) @ self.split(self.k(x)).transpose(-1, -2)
        p = (scores / math.sqrt(self.width // self.heads) + extended).softmax(-1)
        y = (p @ self.split(self.v(x))).permute(0, 2, 1, 3).contiguous()
        x = self.norm2(self.o(y.view(y.shape[:-2] + (self.width,))) + x)
        x = self.norm3(self.down(F.gelu(self.up(x))) + x)
        return self.head(torch.tanh(self.pooler(x[:, 0])))


class Recurrent(nn.Module):
    def __init__(self, kind, bidirectional):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, 4)
        self.rnn = kind(4, 5, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(10 if bidirectional else 5, 3)

    def forward(self, ids):
        y, _ = self.rnn(self.words(ids))
        return self.head(y[:, -1])


class LastState(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4, num_layers=2)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        _, (h, _) = self.rnn(x.transpose(0, 1))
        return self.head(h[-1])


class MeanOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, ids):
        return self.head(self.words(ids).mean(dim=1))


class UNet(nn.Module):
    def __init__(self, bilinear):
        super().__init__()
        self.down1 = nn.Conv2d(1, 3, 3, padding=1)
        self.down2 = nn.Conv2d(3, 4, 3, padding=1)
        if bilinear:
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(4, 3, 1)
            )
        else:
            self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.join = nn.Conv2d(6, 3, 3, padding=1)
        self.out = nn.Conv2d(3, 1, 1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        y = torch.cat([self.up(b), a], dim=1)
        return self.out(F.leaky_relu(self.join(y), 0.1))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ELU(), nn.Flatten(), nn.Linear(18, 4), nn.SELU()
        )
        self.decode = nn.Sequential(
            nn.Linear(4, 18), nn.Mish(), nn.Unflatten(1, (2, 3, 3)),
            nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(2, 1, 3, padding=1), nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decode(self.encode(x))


class WrittenOut(nn.Module):
    """Layer normalisation and attention by hand."""

    def __init__(self, width=6):
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.rand(width) + 0.5), nn.Parameter(torch.randn(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        variance = (x - mean).pow(2).mean(-1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-5) * self.gain + self.shift
        b, s, d = x.shape
        q, k, v = self.qkv(x).reshape(b, s, 3, 2, d // 2).permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * (d // 2) ** -0.5
        y = torch.einsum("bhqk,bhkd->bqhd", scores.softmax(-1), v).reshape(b, s, d)
        return self.head(y.max(dim=1).values)


class Signal(nn.Module):
    """A temporal convolution network with weights shared by two branches."""

    def __init__(self):
        super().__init__()
        self.deep = nn.Conv1d(2, 4, 3, padding=2, dilation=2, groups=2)
        self.norm = nn.InstanceNorm1d(4, affine=True)
        self.point = nn.Conv1d(4, 4, 1)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        y = self.norm(self.deep(F.pad(x, (1, 0))))
        y = torch.tanh(self.point(y)) * torch.sigmoid(self.point(y * 0.5))
        return self.head(F.avg_pool1d(y, 2).amax(-1))


class Recommender(nn.Module):
    """Numbers beside a category, and the products of their features."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, 4)
        self.dense = nn.Sequential(nn.Linear(5, 4), nn.PReLU(4), nn.Dropout(0.2))
        self.head = nn.Linear(4 + 3, 1)

    def forward(self, numbers, category):
        a, b = self.dense(numbers), self.words(category)
        c = a * b
        both = torch.stack([a, b, c], dim=1)
        products = torch.bmm(both, both.transpose(1, 2))
        pairs = torch.cat([products[:, 0, 1:], products[:, 1:2, 2]], dim=1)
        return torch.sigmoid(self.head(torch.cat([c, pairs], dim=1)))


class Llama(nn.Module):
    """Root mean square norm, rotary positions, a gated feed-forward layer."""

    def __init__(self, width=8, heads=2, length=4):
        super().__init__()
        self.heads = heads
        self.gain = nn.Parameter(torch.rand(width) + 0.5)
        self.qkv, self.o = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.gate, self.up = (nn.Linear(width, 12, bias=False) for _ in range(2))
        self.down = nn.Linear(12, 3, bias=False)
        angle = torch.arange(length)[:, None] / 10 ** torch.arange(0, 1, 2 * heads / width)
        self.register_buffer("cos", torch.cat([angle.cos()] * 2, -1))
        self.register_buffer("sin", torch.cat([angle.sin()] * 2, -1))

    def norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.gain

    def rotate(self, x):
        first, second = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat([-second, first], -1) * self.sin

    def forward(self, x):
        b, s, d = x.shape
        q, k, v = (
            t.view(b, s, self.heads, d // self.heads).transpose(1, 2)
            for t in self.qkv(self.norm(x)).chunk(3, dim=-1)
        )
        q, k = self.rotate(q), self.rotate(k)
        scores = q @ k.transpose(2, 3) / math.sqrt(d // self.heads)
        scores = scores + torch.full((s, s), -1e9).triu(1)
        y = (F.softmax(scores, -1) @ v).transpose(1, 2).reshape(b, s, d)
        x = x + self.o(y)
        return self.down(F.silu(self.gate(self.norm(x))) * self.up(x))[:, -1]


def networks():
    def numbers(*shape):
        return torch.randn(BATCH, *shape)

    def tokens(*shape):
        return torch.randint(0, VOCABULARY, (BATCH, *shape))

    mask = torch.ones(BATCH, 5, dtype=torch.int64)
    mask[1, 3:] = 0
    group_norm = lambda channels: nn.GroupNorm(2, channels)  # noqa: E731
    return {
        "mlp": (nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3),
                              nn.LogSoftmax(-1)), [numbers(6)], ["x"]),
        "lenet": (LeNet(), [numbers(1, 12, 12)], ["x"]),
        "resnet-bn": (ResidualBlock(nn.BatchNorm2d), [numbers(2, 6, 6)], ["x"]),
        "resnet-gn": (ResidualBlock(group_norm), [numbers(2, 6, 6)], ["x"]),
        "mobilenet": (InvertedResidual(), [numbers(3, 4, 4)], ["x"]),
        "vit": (VisionTransformer(), [numbers(1, 8, 8)], ["x"]),
        "mha-batch-first": (SelfAttention(True), [numbers(4, 8)], ["x"]),
        "mha-sequence-first": (SelfAttention(False), [numbers(4, 8)], ["x"]),
        "encoder": (EncoderLayers(), [numbers(3, 8)], ["x"]),
        "gpt2": (Gpt2(), [tokens(6)], ["ids"]),
        "gpt2-sdpa": (Gpt2(masking="sdpa"), [tokens(6)], ["ids"]),
        "bert": (Bert(), [tokens(5), mask], ["ids", "mask"]),
        "lstm": (Recurrent(nn.LSTM, True), [tokens(4)], ["ids"]),
        "gru": (Recurrent(nn.GRU, True), [tokens(4)], ["ids"]),
        "lstm-last": (LastState(), [numbers(3, 3)], ["x"]),
        "mean-of-words": (MeanOfWords(), [tokens(5)], ["ids"]),
        "unet-transpose": (UNet(False), [numbers(1, 4, 4)], ["x"]),
        "unet-bilinear": (UNet(True), [numbers(1, 4, 4)], ["x"]),
        "autoencoder": (Autoencoder(), [numbers(1, 6, 6)], ["x"]),
        "written-out": (WrittenOut(), [numbers(4, 6)], ["x"]),
        "signal": (Signal(), [numbers(2, 8)], ["x"]),
        "recommender": (Recommender(), [numbers(5), tokens()], ["numbers", "category"]),
        "llama": (Llama(), [numbers(4, 8)], ["x"]),
    }
