"""What is trained: three models, each with random batches that are made beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader

#: The LRs of every sweep, low enough that no loss overflows: steps on NaN take another
#: time than steps on numbers.
START_LR, END_LR = 1e-6, 1e-2

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Setup:
    """A model that has not trained yet, and all that trains it."""

    model: nn.Module
    loader: DataLoader[Batch]
    loss_fn: nn.Module
    optimizer: Optimizer


@dataclass(frozen=True)
class Subject:
    """A model and its batches; each `setup` is the same, bit for bit."""

    title: str
    model: Callable[[], nn.Module]
    batch: Callable[[], Batch]

    def setup(self, num_iter: int) -> Setup:
        """A fresh model and optimizer, and a loader of at most 100 batches.

        An epoch is never longer than the sweep: pytorch-ignite 0.5.5 would make one
        step more than asked for.
        """
        torch.manual_seed(0)
        model = self.model()
        loader = DataLoader(
            batches(self)[:num_iter], batch_size=None, collate_fn=as_it_is
        )
        return Setup(model, loader, nn.CrossEntropyLoss(), Adam(model.parameters()))

    @property
    def parameters(self) -> int:
        """How many parameters the model has."""
        with torch.device("meta"):
            return sum(p.numel() for p in self.model().parameters())


@cache
def batches(subject: Subject) -> list[Batch]:
    """The subject's 100 batches; every variant trains on these."""
    torch.manual_seed(1)
    return [subject.batch() for _ in range(100)]


def as_it_is(batch: Any) -> Any:
    """Collate nothing: it is a batch already."""
    return batch


class Transformer(nn.Module):
    """Two encoder layers that predict a token for each token."""

    def __init__(self, vocabulary: int = 6000, width: int = 256, length: int = 128):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.zeros(length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of shape (batch, vocabulary, length), for a cross entropy."""
        seen = self.layers(self.tokens(tokens) + self.places)
        return self.head(seen).transpose(1, 2)


def mlp() -> nn.Module:
    """2.8 thousand parameters: a step is as short as steps get."""
    return nn.Sequential(
        nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 20)
    )


def cnn() -> nn.Module:
    """25.7 thousand parameters, for images of 32 x 32."""
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 10),
    )


MLP = Subject("tiny MLP", mlp, lambda: (torch.randn(64, 32), torch.randint(20, (64,))))
CNN = Subject(
    "CNN", cnn, lambda: (torch.randn(64, 3, 32, 32), torch.randint(10, (64,)))
)
TRANSFORMER = Subject(
    "transformer",
    Transformer,
    lambda: (torch.randint(6000, (16, 128)), torch.randint(6000, (16, 128))),
)
