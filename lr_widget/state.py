"""The state of a task as plain data, and back into the very same objects."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import chain
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .batch import moved
from .readback import waited
from .task import Task
from .undo import copy_of

#: What lies in a file as it is; of other types these are made.
_PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.Size)


#: Options of a param group that are none, or that a fit sets and puts back.
_SET = {"params", "lr", "momentum", "betas"}


def plain(value: Any, where: str) -> Any:
    """The value in tensors, numbers, text, lists, tuples and dicts only.

    Nothing else is read from a file, so that no code in it can run.

    Raises
    ------
    ValueError
        If there is something else in it; `where` says in what.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Tensor):
        own = value.detach()
        if own.layout is not torch.strided:
            return own
        # Of a view no more than what it shows.
        whole = own.untyped_storage().nbytes() <= own.numel() * own.element_size()
        return own if whole else own.clone()
    if isinstance(value, (Integral, Real)):  # NumPy's, and enums
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, str):
        return "".join(value)
    if isinstance(value, Mapping):
        return {
            plain(key, where): plain(part, f"{where}[{key!r}]")
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        parts = [plain(part, f"{where}[{i}]") for i, part in enumerate(value)]
        return parts if isinstance(value, list) else tuple(parts)
    raise ValueError(
        f"{where} is a {type(value).__name__}, which a checkpoint cannot hold: make it"
        " of tensors, numbers, text, lists and dicts, or leave checkpoint out"
    )


def weights(task: Task) -> dict[str, Tensor]:
    """Parameters and buffers by name, the very tensors.

    Those of the model, of a `loss_fn` that is a module, and what else the optimizer
    holds; non-persistent buffers too.
    """
    found: dict[str, Tensor] = {}
    for root, module in _roots(task).items():
        for name, tensor in chain(module.named_parameters(), module.named_buffers()):
            found[f"{root}.{name}"] = tensor
    known = {id(tensor) for tensor in found.values()}
    for i, group in enumerate(task.optimizer.param_groups):
        for j, tensor in enumerate(group["params"]):
            if id(tensor) not in known:
                found[f"optimizer.{i}.{j}"] = tensor
    return found


def copied(task: Task) -> dict[str, Tensor]:
    """A copy of `weights` on the CPU."""
    found = {
        name: copy_of(tensor.detach(), "cpu")
        for name, tensor in weights(task).items()
        if not is_lazy(tensor)
    }
    waited(task.device)
    return found


def fill(task: Task, values: Mapping[str, Tensor]) -> None:
    """Write values into the tensors of those names; they stay the same objects."""
    here = weights(task)
    for name, value in values.items():
        tensor: Any = here[name]
        if is_lazy(tensor):
            tensor.materialize(value.shape)
        for dim, stride in enumerate(tensor.stride()):
            if stride == 0 and tensor.size(dim) > 1:  # elements that share memory
                tensor, value = tensor.narrow(dim, 0, 1), value.narrow(dim, 0, 1)
        with torch.inference_mode(tensor.is_inference()), torch.no_grad():
            tensor.copy_(value, non_blocking=tensor.is_cuda)
    waited(task.device)  # it may read the values until then


def kept(task: Task) -> dict[str, Any]:
    """Weights, optimizer state and scaler, as plain data; not copied."""
    found = {k: v for k, v in weights(task).items() if not is_lazy(v)}
    state = task.optimizer.state_dict()["state"]
    owned = _parameters(task)
    apart = {
        key: [name for name, value in entry.items() if _apart(value, owned.get(key))]
        for key, entry in state.items()
        if isinstance(entry, Mapping)
    }
    return {
        "weights": plain(found, "model"),
        "extra": plain(_extra(task), "get_extra_state"),
        "optimizer": plain(state, "optimizer.state"),
        "apart": apart,
        "scaler": None if task.scaler is None else plain(task.scaler.state_dict(), ""),
    }


def put(task: Task, state: Mapping[str, Any]) -> None:
    """Put what `kept` gave back; parameters stay the same objects, options theirs."""
    fill(task, state["weights"])
    for root, module in _roots(task).items():
        for name, part in module.named_modules(prefix=root):
            if name in state["extra"]:
                part.set_extra_state(state["extra"][name])
    owned, held = _parameters(task), task.optimizer.state
    held.clear()
    for key, entry in state["optimizer"].items():
        if key not in owned:
            held[key] = entry
            continue
        apart = state["apart"].get(key, ())
        held[owned[key]] = {
            name: value if name in apart else _beside(value, name, owned[key], task)
            for name, value in entry.items()
        }
    if task.scaler is not None and state["scaler"]:
        task.scaler.load_state_dict(state["scaler"])


def options(task: Task) -> list[dict[str, Any]]:
    """A copy of the options of each param group, but those that a fit sets."""
    return [
        {name: _copy(value) for name, value in group.items() if name not in _SET}
        for group in task.optimizer.param_groups
    ]


def turned(
    task: Task, before: list[dict[str, Any]], also: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Options that are not as `before`, and those in `also`, as plain data.

    Some optimizers keep a state among them, such as the distance of Prodigy.
    """
    return [
        {
            name: plain(value, f"optimizer.param_groups[{i}][{name!r}]")
            for name, value in group.items()
            if name in also[i]
            or name not in before[i]
            or _differ(value, before[i][name])
        }
        for i, group in enumerate(options(task))
    ]


def turn(task: Task, values: list[dict[str, Any]]) -> None:
    """Put back what `turned` gave."""
    for group, those in zip(task.optimizer.param_groups, values, strict=True):
        for name, value in those.items():
            if isinstance(group.get(name), Tensor):
                group[name].copy_(value)
            else:
                group[name] = value


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else copy.copy(value)


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return not torch.equal(one, other)
    return type(one) is not type(other) or bool(one != other)


def trains(task: Task) -> dict[str, bool]:
    """Which parameters train (`requires_grad`), by name."""
    return {
        name: tensor.requires_grad
        for name, tensor in weights(task).items()
        if isinstance(tensor, nn.Parameter)
    }


def set_trains(task: Task, flags: Mapping[str, bool]) -> None:
    """Put back what `trains` gave."""
    here = weights(task)
    for name, flag in flags.items():
        here[name].requires_grad_(flag)


def _beside(value: Any, name: str, parameter: Tensor, task: Task) -> Any:
    """A part of the optimizer's state where torch has it: beside its parameter.

    Not its count of steps, unless a fused or captured step needs it there.
    """
    if name == "step":
        for group in task.optimizer.param_groups:
            if any(parameter is other for other in group["params"]):
                if not (group.get("capturable") or group.get("fused")):
                    return value
    return moved(value, parameter.device)


def _apart(value: Any, parameter: Tensor | None) -> bool:
    """Whether it lies on the CPU while its parameter does not."""
    return (
        isinstance(value, Tensor)
        and parameter is not None
        and value.device.type == "cpu" != parameter.device.type
    )


def _parameters(task: Task) -> dict[Any, Tensor]:
    """The optimizer's parameters by the number that its state_dict has for each."""
    found: dict[int, Tensor] = {}
    for group in task.optimizer.param_groups:
        for parameter in group["params"]:
            found.setdefault(id(parameter), parameter)
    return dict(enumerate(found.values()))


def _roots(task: Task) -> dict[str, nn.Module]:
    roots = {"model": task.model, "loss_fn": task.loss_fn}
    return {k: root for k, root in roots.items() if isinstance(root, nn.Module)}


def _extra(task: Task) -> dict[str, Any]:
    """What modules say of their own accord: quantization, float8 scales."""
    return {
        name: module.get_extra_state()
        for root, whole in _roots(task).items()
        for name, module in whole.named_modules(prefix=root)
        if type(module).get_extra_state is not nn.Module.get_extra_state
    }
