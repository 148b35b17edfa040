"""Subjects: small models, data and optimizers to train, and what they consist of."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset

from lr_widget import Task

torch.set_num_threads(1)  # the models are tiny

CLASSES, SIDE = 3, 5


class Blown(Exception):
    """What a Fuse raises."""


class Fuse:
    """Raises `Blown` the `at`-th time that it is passed at `place`."""

    def __init__(self, place: str = "", at: int = 4) -> None:
        self.place, self.at, self.passed = place, at, 0
        self.error = Blown(f"in {place}")

    def __call__(self, place: str) -> None:
        self.passed += place == self.place
        if place == self.place and self.passed == self.at:
            raise self.error


# Models -------------------------------------------------------------------------------


class Net(nn.Module):
    """A body, and a buffer that no checkpoint holds but that each batch changes."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.register_buffer("seen", torch.zeros(1), persistent=False)
        self.fuse = Fuse()

    def forward(self, images):
        self.fuse("model")
        self.seen += len(images)
        return self.body(images)


def cnn() -> Net:
    return Net(
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(2 * (SIDE - 2) ** 2, CLASSES),
    )


def frozen() -> Net:
    """A CNN in train mode whose BatchNorm does not train."""
    net = cnn()
    net.body[1].eval().requires_grad_(False)
    return net


def tied() -> Net:
    """An MLP two layers of which are one matrix."""
    net = Net(
        nn.Flatten(),
        nn.Linear(SIDE**2, 6),
        nn.Tanh(),
        nn.Linear(6, 6),
        nn.Tanh(),
        nn.Linear(6, 6),
        nn.Tanh(),
        nn.Linear(6, CLASSES),
    )
    net.body[5].weight = net.body[3].weight
    return net


MODELS: dict[str, Callable[[], Net]] = {
    "cnn": cnn,
    "frozen batchnorm": frozen,
    "eval mode": lambda: cnn().eval(),
    "tied weights": tied,
}

# Data ---------------------------------------------------------------------------------


class Pictures(Dataset):
    """Random pictures, augmented with all three global generators."""

    def __init__(self, count: int = 24, *, seed: int = 0, augment: bool = True) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randn(count, 1, SIDE, SIDE, generator=generator)
        self.labels = torch.arange(count) % CLASSES
        self.augment = augment
        self.fuse = Fuse()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int):
        self.fuse("loader")
        image = self.images[index]
        if self.augment:
            image = image * random.uniform(0.9, 1.1) + np.random.normal(0, 0.01)
            image = image.float() + 0.01 * torch.randn(())
        return image, self.labels[index]


def pictures(
    count: int = 24, *, own_generator: bool = True, shuffle: bool = True, **kwargs: Any
) -> DataLoader:
    """A DataLoader of batches of six."""
    generator = torch.Generator().manual_seed(5) if own_generator else None
    dataset = Pictures(count, **kwargs)
    return DataLoader(dataset, batch_size=6, shuffle=shuffle, generator=generator)


def batches(count: int = 4, size: int = 6, *, seed: int = 0) -> list[Any]:
    """The same kind of data as a plain list of batches."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(size, 1, SIDE, SIDE, generator=generator),
            torch.randint(CLASSES, (size,), generator=generator),
        )
        for _ in range(count)
    ]


# Optimizers ---------------------------------------------------------------------------


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.05, momentum=0.9)


def with_scheduler(model: nn.Module) -> Optimizer:
    optimizer = sgd(model)
    optimizer.owner = StepLR(optimizer, 2)  # keeps the scheduler alive
    return optimizer


#: Name to (maker, steps made before the test).
OPTIMIZERS: dict[str, tuple[Callable[[nn.Module], Optimizer], int]] = {
    "SGD, fresh": (sgd, 0),
    "SGD, used": (sgd, 3),
    "AdamW, fresh": (lambda model: AdamW(model.parameters()), 0),
    "AdamW, used": (lambda model: AdamW(model.parameters()), 3),
    "SGD, scheduled": (with_scheduler, 3),
    "RMSprop, used": (lambda model: RMSprop(model.parameters(), momentum=0.5), 3),
}


def seeded(seed: int = 0) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def subject(
    model: str | Callable[[], nn.Module] = "cnn",
    optimizer: str | Callable[[nn.Module], Optimizer] = "SGD, fresh",
    *,
    loader: Any = None,
    loss_fn: Any = None,
    **kwargs: Any,
) -> Task:
    """A task on seeded ground, its optimizer with the history that its name says."""
    seeded()
    net = MODELS[model]() if isinstance(model, str) else model()
    make, used = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else (optimizer, 0)
    task = Task(
        net,
        pictures() if loader is None else loader,
        nn.CrossEntropyLoss() if loss_fn is None else loss_fn,
        make(net),
        **kwargs,
    )
    for batch, _ in zip(batches(used), range(used), strict=True):
        flags = [(module, module.training) for module in net.modules()]
        task.step(batch)
        for module, flag in flags:
            module.training = flag
    if used:  # with gradients of the user's own
        sum(p.square().sum() for p in net.parameters() if p.requires_grad).backward()
    return task


# What a task consists of --------------------------------------------------------------


class Is:
    """An object, equal to itself only; held, so that its id is not given away."""

    def __init__(self, held: object) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Is) and self.held is other.held

    __hash__ = None


def bits(tensor: torch.Tensor) -> tuple[Any, ...]:
    values = tensor.detach().cpu().contiguous().reshape(-1)
    raw = values.view(torch.uint8) if values.numel() else values
    address = tensor.data_ptr() if tensor.device.type != "meta" else 0
    return tensor.dtype, tensor.device, tuple(tensor.shape), address, raw.tolist()


def fingerprint(task: Task) -> dict[str, Any]:
    """All that a run may change, flat: where it is, and what is there."""
    parts: dict[str, Any] = {}
    _modules(parts, task)
    _optimizer(parts, task.optimizer)
    parts["python"] = random.getstate()
    parts["numpy"] = [_plain(part) for part in np.random.get_state()]
    parts["torch"] = torch.get_rng_state().tolist()
    for name in ("", "sampler", "batch_sampler", "dataset"):
        owner = getattr(task.loader, name, None) if name else task.loader
        for key, value in getattr(owner, "__dict__", {}).items():
            if isinstance(value, torch.Generator):
                parts[f"loader {name}.{key}"] = value.get_state().tolist()
    return parts


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Where two fingerprints differ."""
    names = [*before, *(name for name in after if name not in before)]
    nothing = object()
    found = [n for n in names if before.get(n, nothing) != after.get(n, nothing)]
    if not found and list(before) != list(after):
        return ["order"]
    return found


def _modules(parts: dict[str, Any], task: Task) -> None:
    for root in (task.model, task.loss_fn):
        if not isinstance(root, nn.Module):
            continue
        for path, module in root.named_modules(
            prefix=type(root).__name__, remove_duplicate=False
        ):
            parts[f"{path} training"] = module.training
            for kind in ("_parameters", "_buffers"):
                for name, tensor in getattr(module, kind).items():
                    _tensor(parts, f"{path}.{name}", tensor)
            for name, value in vars(module).items():
                if isinstance(value, torch.Tensor):
                    _tensor(parts, f"{path}.{name} (attribute)", value)


def _tensor(parts: dict[str, Any], path: str, tensor: torch.Tensor | None) -> None:
    parts[path] = Is(tensor)
    if tensor is None:
        return
    parts[f"{path} bits"] = bits(tensor)
    parts[f"{path} requires_grad"] = tensor.requires_grad
    if tensor.is_leaf:
        parts[f"{path} grad"] = Is(tensor.grad)
        if tensor.grad is not None:
            parts[f"{path} grad bits"] = bits(tensor.grad)


def _optimizer(parts: dict[str, Any], optimizer: Optimizer) -> None:
    for name, value in vars(optimizer).items():
        if value is None or isinstance(value, (bool, int, float, str)):
            parts[f"optimizer.{name}"] = value
    parts["optimizer.state"] = Is(optimizer.state)
    parts["optimizer.param_groups"] = Is(optimizer.param_groups)
    parts["state of"] = [Is(parameter) for parameter in optimizer.state]
    parts["groups"] = [Is(group) for group in optimizer.param_groups]
    held = {f"group {i}": group for i, group in enumerate(optimizer.param_groups)}
    held |= {f"state {i}": s for i, s in enumerate(optimizer.state.values())}
    for path, mapping in held.items():
        for key, value in mapping.items():
            if isinstance(value, torch.Tensor):
                _tensor(parts, f"{path} {key}", value)
            elif key == "params":
                parts[f"{path} params"] = [Is(parameter) for parameter in value]
            else:
                parts[f"{path} {key}"] = value


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


#: How a step is made, as arguments of a Task.
RECIPES = {
    "plain": {},
    "accumulate": {"accumulate": 2},
    "clip": {"clip_norm": 0.3},
    "bf16": {"autocast": torch.bfloat16},
    "all": {"accumulate": 2, "clip_norm": 0.3, "autocast": torch.bfloat16},
}


def returned(generator):
    """The points, and the generator's last word."""
    points = []
    while True:
        try:
            points.append(next(generator))
        except StopIteration as last:
            return points, last.value
