"""Eleven small tasks, of what scikit-learn and Python ship: nothing is downloaded.

Each is a model and a split of data into training and validation samples. The split is
the same for all seeds; a seed draws the initial weights and the order of the batches.

The tasks were rebuilt from the description of an earlier suite, before any suggestion
was seen: sizes, noise, one `SPLIT` for all, and the place of the validation text are
such that initial and best losses come near those of that suite.
"""

from __future__ import annotations

import argparse
import json.decoder
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from .models import CharTransformer, char_mlp, cnn, mlp, normed_mlp

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Split:
    """Training and validation samples: inputs and target each."""

    train: Pair
    valid: Pair


@dataclass(frozen=True)
class Setup:
    """A model that has not trained yet, all that trains it, and what judges it."""

    model: nn.Module
    loader: DataLoader[Pair]
    loss_fn: nn.Module
    optimizer: Optimizer
    valid: Pair


@dataclass(frozen=True)
class Subject:
    """A task of the suite; each `setup` with one seed is the same, bit for bit."""

    name: str
    about: str
    split: Callable[[], Split]
    model: Callable[[], nn.Module]
    loss_fn: Callable[[], nn.Module] = nn.CrossEntropyLoss
    batch_size: int = 64

    def setup(self, optimizer: str, seed: int) -> Setup:
        """A fresh model, an optimizer that holds it, and a shuffled loader."""
        split = self.split()
        torch.manual_seed(seed)
        model = self.model()
        loader = shuffled(split.train, self.batch_size, seed)
        held = OPTIMIZERS[optimizer](model.parameters())
        return Setup(model, loader, self.loss_fn(), held, split.valid)


#: What trains the models. Fused is the same arithmetic in fewer calls.
OPTIMIZERS: dict[str, Callable[[Iterator[nn.Parameter]], Optimizer]] = {
    "sgd": partial(SGD, lr=1e-3, momentum=0.9, fused=True),
    "adam": partial(Adam, lr=1e-3, fused=True),
    "adamw": partial(AdamW, lr=1e-3, weight_decay=0.01, fused=True),
}


class Samples(Dataset[Pair]):
    """Samples that are taken a batch at a time: one index of tensors, no collation."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def __len__(self) -> int:
        return len(self.pair[0])

    def __getitem__(self, rows: Any) -> Pair:
        inputs, target = self.pair
        return inputs[rows], target[rows]


def shuffled(pair: Pair, batch_size: int, seed: int) -> DataLoader[Pair]:
    """A DataLoader of full batches in an order of the seed's own."""
    samples, generator = Samples(pair), torch.Generator().manual_seed(seed)
    drawn = RandomSampler(samples, generator=generator)
    batches = BatchSampler(drawn, batch_size, drop_last=True)
    return DataLoader(samples, batch_size=None, sampler=batches, generator=generator)


# Data ---------------------------------------------------------------------------------

#: The seed of every split of samples that have no order.
SPLIT = 1


def parted(inputs: Any, target: Any, valid: float = 0.2) -> Split:
    """Shuffled by one seed, and the last of it held back."""
    order = np.random.default_rng(SPLIT).permutation(len(inputs))
    inputs, target = np.asarray(inputs)[order], np.asarray(target)[order]
    count = round(valid * len(inputs))
    return Split(
        (as_tensor(inputs[:-count]), as_tensor(target[:-count])),
        (as_tensor(inputs[-count:]), as_tensor(target[-count:])),
    )


def as_tensor(values: Any) -> Tensor:
    """float32, or int64 where they are whole."""
    found = torch.as_tensor(np.ascontiguousarray(values))
    return found.float() if found.is_floating_point() else found.long()


def standard(values: Any) -> Any:
    """Mean 0 and standard deviation 1, column by column."""
    return (values - values.mean(0)) / values.std(0)


@cache
def digits() -> Split:
    """1,797 images of 8 x 8, from 0 to 1."""
    images, target = datasets.load_digits(return_X_y=True)
    return parted(images / 16, target)


@cache
def noisy_digits() -> Split:
    """The digits, 35 % of the training labels drawn anew among the others."""
    split, draw = digits(), np.random.default_rng(1)
    target = split.train[1].numpy()
    wrong = draw.random(len(target)) < 0.35
    moved = (target + draw.integers(1, 10, len(target))) % 10
    return Split(
        (split.train[0], as_tensor(np.where(wrong, moved, target))), split.valid
    )


@cache
def turned_digits() -> Split:
    """400 digits turned by a right angle to fine-tune on, and the held-back ones."""
    split = digits()

    def turned(pair: Pair, count: int | None) -> Pair:
        images = pair[0][:count].unflatten(1, (8, 8))
        return torch.rot90(images, dims=(1, 2)).flatten(1), pair[1][:count]

    return Split(turned(split.train, 400), turned(split.valid, None))


@cache
def breast_cancer() -> Split:
    """569 samples of 30 features, 2 classes."""
    inputs, target = datasets.load_breast_cancer(return_X_y=True)
    return parted(standard(inputs), target, valid=0.25)


@cache
def wine() -> Split:
    """178 samples of 13 features, 3 classes."""
    inputs, target = datasets.load_wine(return_X_y=True)
    return parted(standard(inputs), target, valid=0.25)


@cache
def diabetes() -> Split:
    """442 samples of 10 features, one number."""
    inputs, target = datasets.load_diabetes(return_X_y=True)
    return parted(standard(inputs), standard(target)[:, None])


@cache
def friedman() -> Split:
    """2,000 samples of Friedman's first function with noise: 10 features, 5 of use."""
    inputs, target = datasets.make_friedman1(2000, noise=1.0, random_state=0)
    return parted(standard(inputs), standard(target)[:, None])


@cache
def moons() -> Split:
    """1,000 points of two half circles that overlap a little."""
    return parted(*datasets.make_moons(1000, noise=0.2, random_state=0))


@cache
def text() -> tuple[Tensor, Tensor, int]:
    """The source of three modules as numbers: nine tenths, the rest, and how many."""
    modules = argparse, textwrap, json.decoder
    source = "".join(Path(module.__file__).read_text("utf-8") for module in modules)
    alphabet = {char: i for i, char in enumerate(sorted(set(source)))}
    code = torch.tensor([alphabet[char] for char in source])
    end = len(code) * 9 // 10
    return code[:end], code[end:], len(alphabet)


@cache
def next_char() -> Split:
    """Eight characters, and the one after them."""
    train, valid, _ = text()
    seen, held = train.unfold(0, 9, 3), valid.unfold(0, 9, 5)
    return Split((seen[:, :-1], seen[:, -1]), (held[:, :-1], held[:, -1]))


@cache
def all_chars() -> Split:
    """Thirty-two characters, and for each the one after it."""
    train, valid, _ = text()
    seen, held = train.unfold(0, 33, 16), valid.unfold(0, 33, 32)
    return Split((seen[:, :-1], seen[:, 1:]), (held[:, :-1], held[:, 1:]))


# Models that need the data ------------------------------------------------------------


def pretrained() -> nn.Module:
    """A MLP that knows upright digits: 300 steps of Adam, from the current seed."""
    return pretraining(torch.initial_seed())()


@cache
def pretraining(seed: int) -> Callable[[], nn.Module]:
    """Makes copies of the model that one seed's pretraining came to."""
    model = mlp(64, 64, 10)
    weights = trained_weights(model, shuffled(digits().train, 64, seed))

    def copy() -> nn.Module:
        fresh = mlp(64, 64, 10)
        fresh.load_state_dict(weights)
        return fresh

    return copy


def trained_weights(
    model: nn.Module, loader: DataLoader[Pair], steps: int = 300
) -> dict[str, Tensor]:
    """The model's weights after so many steps of Adam at 1e-2."""
    optimizer, loss_fn = Adam(model.parameters(), lr=1e-2), nn.CrossEntropyLoss()
    made = 0
    while made < steps:
        for inputs, target in loader:
            optimizer.zero_grad()
            loss_fn(model(inputs), target).backward()
            optimizer.step()
            made += 1
    return {name: value.clone() for name, value in model.state_dict().items()}


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("digits_mlp", "digits, MLP", digits, lambda: mlp(64, 64, 10)),
        Subject("digits_cnn", "digits, CNN with batch norm", digits, cnn),
        Subject(
            "breast_cancer",
            "breast cancer, MLP",
            breast_cancer,
            lambda: mlp(30, 32, 2),
            batch_size=32,
        ),
        Subject("wine", "wine, MLP", wine, lambda: mlp(13, 32, 3), batch_size=32),
        Subject(
            "diabetes",
            "diabetes, regression, MLP",
            diabetes,
            lambda: mlp(10, 64, 64, 1),
            nn.MSELoss,
            batch_size=32,
        ),
        Subject(
            "friedman",
            "Friedman's function, regression, MLP with batch norm",
            friedman,
            lambda: normed_mlp(10, 64, 64, 1),
            nn.MSELoss,
        ),
        Subject("moons", "two moons, MLP", moons, lambda: mlp(2, 32, 32, 2)),
        Subject(
            "char_mlp",
            "next character of Python source, MLP",
            next_char,
            lambda: char_mlp(text()[2], 8),
        ),
        Subject(
            "char_transformer",
            "characters of Python source, transformer",
            all_chars,
            lambda: CharTransformer(text()[2], 32),
            batch_size=16,
        ),
        Subject(
            "noisy_digits",
            "digits with 35 % wrong labels, MLP",
            noisy_digits,
            lambda: mlp(64, 128, 10),
        ),
        Subject(
            "fine_tune",
            "pretrained on digits, fine-tuned on 400 turned ones, MLP",
            turned_digits,
            pretrained,
            batch_size=32,
        ),
    )
}
