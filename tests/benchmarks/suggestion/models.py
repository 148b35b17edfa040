"""Models of the suite: small enough that 300 steps take a fraction of a second."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(*widths: int) -> nn.Module:
    """Linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(widths)):
        layers += [nn.ReLU()] * (i > 0) + [nn.Linear(before, after)]
    return nn.Sequential(*layers)


def normed_mlp(*widths: int) -> nn.Module:
    """As `mlp`, with batch norm before each ReLU."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(widths)):
        if i > 0:
            layers += [nn.BatchNorm1d(before), nn.ReLU()]
        layers.append(nn.Linear(before, after))
    return nn.Sequential(*layers)


def cnn() -> nn.Module:
    """Two convolutions with batch norm, for images of 8 x 8."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 2 * 2, 10),
    )


def char_mlp(vocabulary: int, context: int) -> nn.Module:
    """A character from those before it: embeddings side by side, one hidden layer."""
    width = 16
    return nn.Sequential(
        nn.Embedding(vocabulary, width),
        nn.Flatten(),
        nn.Linear(context * width, 128),
        nn.ReLU(),
        nn.Linear(128, vocabulary),
    )


class CharTransformer(nn.Module):
    """A causal layer that predicts a character for each character."""

    def __init__(self, vocabulary: int, length: int, width: int = 32) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(
            width, 2, 2 * width, dropout=0.0, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        self.register_buffer("mask", mask)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of shape (batch, vocabulary, length), for a cross entropy."""
        places = self.places(torch.arange(tokens.shape[1]))
        seen = self.layers(self.tokens(tokens) + places, mask=self.mask, is_causal=True)
        return self.head(seen).transpose(1, 2)
