"""Metrics: a number per batch and its mean, or one gathered from all batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor

from .arguments import kind
from .curve import RESERVED
from .readback import Number, pending


class Gathering(Protocol):
    """A metric that is exact over many batches, as those of torchmetrics are."""

    def reset(self) -> Any:
        """Forget what was seen."""

    def update(self, output: Any, target: Any, /) -> Any:
        """Take in one batch."""

    def compute(self) -> Any:
        """One number of all that was seen."""


def gathers(metric: Any) -> TypeGuard[Gathering]:
    """Whether a metric is one of these."""
    methods = ("reset", "update", "compute")
    return all(callable(getattr(metric, name, None)) for name in methods)


Metric = Callable[[Any, Any], Any] | Gathering


def named(
    metrics: Mapping[str, Metric] | Sequence[Metric] | None,
) -> dict[str, Metric]:
    """The metrics of a Task by name.

    Of a collection, as torchmetrics has them (it gathers, and has `items()`), each
    metric is taken for itself, in a copy: a compute group of theirs is formed by what
    the first batch made equal, and may be wrong from the second one on.

    Raises
    ------
    ValueError
        If one cannot be a metric, or have its name.
    """
    if metrics is None:
        return {}
    if _collects(metrics):
        metrics = dict(copy.deepcopy(metrics).items())
    elif not isinstance(metrics, Mapping):
        metrics = _listed(metrics)
    for name, metric in metrics.items():
        _check(name, metric)
    return dict(metrics)


def _collects(metrics: Any) -> TypeGuard[Mapping[str, Gathering]]:
    return gathers(metrics) and callable(getattr(metrics, "items", None))


def _listed(metrics: Any) -> dict[str, Metric]:
    if callable(metrics) or gathers(metrics):
        raise ValueError("metrics must be a list or a mapping: pass [metric]")
    names = [getattr(metric, "__name__", kind(metric)) for metric in metrics]
    if len({*names}) < len(names):
        raise ValueError(
            f"metrics have one name more than once ({', '.join(names)}): pass a"
            " mapping of name to metric"
        )
    return dict(zip(names, metrics, strict=True))


def _check(name: str, metric: Any) -> None:
    if name in RESERVED or name.startswith("valid_"):
        raise ValueError(
            f"metrics cannot have the name {name!r}, which a curve uses itself:"
            " pass a mapping of another name to the metric"
        )
    if gathers(metric):
        if isinstance(metric, type):
            raise ValueError(
                f"metrics[{name!r}] is a class: pass an object, {metric.__name__}(...)"
            )
        if _collects(metric):
            raise ValueError(
                f"metrics[{name!r}] is a collection of metrics: pass it alone, as"
                " metrics=, or pass its metrics"
            )
    elif not callable(metric):
        raise ValueError(
            f"metrics[{name!r}] must be callable as (output, target) -> value, or have"
            " reset(), update(output, target) and compute()"
        )


def gathering(metrics: Mapping[str, Metric]) -> Iterator[Gathering]:
    """Those that gather, each once, though it may have two names."""
    found = [metric for metric in metrics.values() if gathers(metric)]
    yield from {id(metric): metric for metric in found}.values()


def settled(metrics: Mapping[str, Metric], device: torch.device) -> None:
    """Move the metrics that gather to where the outputs will be."""
    for metric in gathering(metrics):
        move = getattr(metric, "to", None)
        if callable(move):
            move(device)


def begun(metrics: Mapping[str, Metric]) -> None:
    """Have the metrics that gather forget what they have seen."""
    for metric in gathering(metrics):
        metric.reset()


def measured(
    metrics: Mapping[str, Any], output: Any, target: Any
) -> dict[str, Number | None]:
    """What each metric makes of a batch; None of those that gather it."""
    for metric in gathering(metrics):
        metric.update(output, target)
    return {
        name: None if gathers(metric) else number(name, metric(output, target))
        for name, metric in metrics.items()
    }


def gathered(metrics: Mapping[str, Metric]) -> dict[str, Number]:
    """What the metrics that gather make of all batches since `begun`."""
    return {
        name: number(name, metric.compute())
        for name, metric in metrics.items()
        if gathers(metric)
    }


def number(name: str, value: Any) -> Number:
    """A metric's value; where a GPU computes it, it is not waited for.

    Raises
    ------
    ValueError
        If it is not one number.
    """
    found = f"a {kind(value)}"
    if isinstance(value, Tensor) and value.numel() != 1:
        found = f"a tensor of shape {tuple(value.shape)}"
    else:
        try:
            return pending(value)
        except (TypeError, ValueError):
            pass
    raise ValueError(
        f"metrics[{name!r}] gives {found}, not one number: have it averaged (as"
        ' average="macro" does in torchmetrics), or pass a function of it instead'
    )
