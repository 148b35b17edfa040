"""Freezing: param groups that do not train, and what was switched off for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

#: Layers that go on training in frozen groups: BatchNorm and InstanceNorm of any
#: dimension (`_NormBase`) and LayerNorm, which are the `norm_types` of fastai's
#: torch_core.py; and GroupNorm and RMSNorm, which it does not name.
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


class Freezing:
    """Which param groups of an optimizer are frozen; one for all who share it.

    >>> import torch
    >>> body, head = nn.Linear(2, 2), nn.Linear(2, 1)
    >>> groups = [{"params": m.parameters()} for m in (body, head)]
    >>> freezing = Freezing(torch.optim.SGD(groups, lr=0.1))
    >>> freezing.freeze(None, spared=())
    >>> freezing.groups, body.weight.requires_grad, head.weight.requires_grad
    ((0,), False, True)
    >>> freezing.unfreeze()
    >>> body.weight.requires_grad
    True
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._off: list[Tensor] = []
        self.groups: tuple[int, ...] = ()

    def freeze(self, groups: Sequence[int] | None, spared: Iterable[Tensor]) -> None:
        """Switch off what trains in `groups`, `spared` apart, and on what was off.

        Raises
        ------
        ValueError
            If that cannot be; nothing has been changed then.
        """
        held = [group["params"] for group in self._optimizer.param_groups]
        chosen = _chosen(groups, len(held))
        ours, spare = _ids(self._off), _ids(spared)

        def trains(parameter: Tensor) -> bool:
            return parameter.requires_grad or id(parameter) in ours

        off = [
            parameter
            for index in chosen
            for parameter in held[index]
            if trains(parameter) and id(parameter) not in spare
        ]
        left = {id(p) for group in held for p in group if trains(p)} - _ids(off)
        if chosen and not left:
            raise ValueError(
                f"groups={list(chosen)} leaves nothing to train: leave out a param"
                f" group of the {len(held)}" + (_TWO if len(held) == 1 else "")
            )
        self.unfreeze()
        for parameter in off:
            parameter.requires_grad_(False)
        self._off, self.groups = off, chosen

    def unfreeze(self) -> None:
        """Switch on again exactly what `freeze` has switched off."""
        for parameter in self._off:
            parameter.requires_grad_(True)
        self._off, self.groups = [], ()


def norms(modules: Iterable[nn.Module]) -> Iterator[Tensor]:
    """The parameters of normalisation layers."""
    for module in modules:
        if isinstance(module, NORMS):
            yield from module.parameters()


_TWO = (
    "; make two with torch.optim.AdamW("
    '[{"params": body.parameters()}, {"params": head.parameters()}])'
)


def _chosen(groups: Any, count: int) -> tuple[int, ...]:
    """The indices that are meant, from 0, in their order."""
    if groups is None:
        if count == 1:
            raise ValueError(
                "groups: the optimizer has only one param group, and freeze holds all"
                " but the last" + _TWO
            )
        return tuple(range(count - 1))
    if isinstance(groups, (str, bytes)) or not isinstance(groups, Iterable):
        raise ValueError(
            f"groups must be a list of indices of param groups, not {groups!r}: try"
            " [0], or leave it out for all but the last"
        )
    chosen = list(groups)
    for index in chosen:
        if not isinstance(index, Integral) or isinstance(index, bool):
            raise ValueError(
                f"groups must have whole numbers, not {index!r}: indices of param"
                f" groups, 0 to {count - 1}"
            )
        if not -count <= int(index) < count:
            raise ValueError(
                f"groups has {index}, and the optimizer has {count} param group"
                f"{'s' * (count > 1)}: pass indices from 0 to {count - 1}, or from the"
                " last one as -1"
            )
    return tuple(sorted({int(index) % count for index in chosen}))


def _ids(tensors: Iterable[Tensor]) -> set[int]:
    return {id(tensor) for tensor in tensors}
