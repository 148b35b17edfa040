"""Task: a model, its data, its loss and its optimizer, and one training step."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import AdamW, Optimizer

from .batch import Tally, checked, detached, moved, outcome, samples
from .curve import RESERVED
from .update import Update, check_update

Metric = Callable[[Any, Any], Any]


class Task:
    """What is trained, and how one batch becomes one optimizer step.

    >>> model, batch = nn.Linear(4, 2), (torch.randn(8, 4), torch.randint(2, (8,)))
    >>> task = Task(model, [batch], nn.CrossEntropyLoss())
    >>> task.step(batch).shape
    torch.Size([])

    Parameters
    ----------
    model : nn.Module
        Moved to `device`; its parameters stay the same objects.
    loader : iterable of batches
        Gone through once per epoch. A batch is `(input, target)`,
        `(input, ..., target)` (the model gets the inputs as positional arguments), or
        a mapping, which the model gets as keyword arguments: with a `loss_fn` all but
        `target_key`, without one everything, and the model then returns its own loss
        (`output.loss`, `output["loss"]` or `output[0]`, as Hugging Face models do).
        Tensors anywhere in a batch are moved to the model's device.
    loss_fn : callable `(output, target) -> scalar tensor`, optional
        Not needed with `step`, or with a model that returns its own loss.
    optimizer : torch.optim.Optimizer, optional
        Holds the model's parameters. Default: AdamW with its defaults.
    valid_loader : iterable of batches, optional
        Gone through after each epoch of a fit.
    metrics : mapping or sequence of callables `(output, target) -> value`, optional
        Computed on each validation batch and averaged over the samples; in a range
        test also on each training batch, from the output that its loss came from.
    step : callable `(model, batch) -> scalar tensor`, optional
        Computes the loss of a batch; `loss_fn` is not used then.
    device : torch.device or str, optional
        Default: where the model is, if that is an accelerator; else the accelerator,
        if there is one; else the CPU.
    target_key : str
        Where a mapping holds the target, when there is a `loss_fn`.
    accumulate : int
        Batches per optimizer step. Each loss is divided by that number before its
        backward pass, and the loss of the step is their mean. An epoch of a fit whose
        length it does not divide ends with a shorter step, each loss divided by the
        number of batches that are left; a range test fills its steps across epochs.
    clip_norm : float, optional
        Highest norm of the gradients of what the optimizer holds, taken together
        (`torch.nn.utils.clip_grad_norm_`); they are unscaled before.
    autocast : torch.dtype, optional
        `torch.bfloat16` or `torch.float16`: forward pass and loss run under
        `torch.autocast`, in validation too; backward pass and step do not.
    scaler : torch.amp.GradScaler, optional
        Scales the loss, and skips a step whose gradients are not finite. In a fit such
        a step keeps its place in the schedule, as in torch's own recipe; the range test
        makes it again, at the same LR, with the next batches.

    Raises
    ------
    ValueError
        If an argument cannot work; nothing has been changed then.
    """

    def __init__(
        self,
        model: nn.Module,
        loader: Iterable[Any],
        loss_fn: Callable[[Any, Any], Tensor] | None = None,
        optimizer: Optimizer | None = None,
        *,
        valid_loader: Iterable[Any] | None = None,
        metrics: Mapping[str, Metric] | Sequence[Metric] | None = None,
        step: Callable[[nn.Module, Any], Tensor] | None = None,
        device: torch.device | str | None = None,
        target_key: str = "labels",
        accumulate: int = 1,
        clip_norm: float | None = None,
        autocast: torch.dtype | None = None,
        scaler: GradScaler | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise ValueError(f"model must be a torch.nn.Module, not {_kind(model)}")
        _check_loader("loader", loader)
        if valid_loader is not None:
            _check_loader("valid_loader", valid_loader)
        for name, given in {"loss_fn": loss_fn, "step": step}.items():
            if given is not None and not callable(given):
                raise ValueError(f"{name} must be callable, not {_kind(given)}")
        self.metrics = _named(metrics)
        if self.metrics and step is not None:
            raise ValueError(
                "metrics need the model's output, which step does not give: leave"
                " metrics out, or pass loss_fn instead of step"
            )
        _check_optimizer(model, optimizer)
        check_update(accumulate, clip_norm, scaler)
        home = _device(model, device)
        if home.type != "meta" and any(p.is_meta for p in model.parameters()):
            raise ValueError(
                "model has parameters without values, on the meta device: give it some"
                f" with model.to_empty(device={home.type!r}) or from a checkpoint first"
            )
        _check_precision(model, home, autocast, scaler)
        self.model = model
        self.loader = loader
        self.loss_fn = loss_fn
        self.valid_loader = valid_loader
        self.target_key = target_key
        self._step = step
        self.device = home
        self.autocast = autocast
        for root in (model, loss_fn):
            if isinstance(root, nn.Module) and not _at(root, home):
                root.to(home)
        if optimizer is None:
            trainable = [p for p in model.parameters() if p.requires_grad]
            optimizer = AdamW(trainable)
        elif _apart(optimizer):
            # torch's own policy decides which state lives beside its parameter.
            optimizer.load_state_dict(optimizer.state_dict())
        self.optimizer: Optimizer = optimizer
        self.accumulate, self.scaler = int(accumulate), scaler
        self._update = Update(
            optimizer, accumulate=accumulate, clip_norm=clip_norm, scaler=scaler
        )

    def with_loader(self, loader: Iterable[Any]) -> Task:
        """The same task with another loader; it shares model, optimizer and all else.

        Raises
        ------
        ValueError
            If `loader` is none, or is empty.
        """
        _check_loader("loader", loader)
        task = copy.copy(self)
        task.loader = loader
        return task

    def modules(self) -> Iterator[nn.Module]:
        """The model's modules, and those of a `loss_fn` that is a module itself."""
        yield from self.model.modules()
        if isinstance(self.loss_fn, nn.Module):
            yield from self.loss_fn.modules()

    def batches(self) -> Generator[Any, None, None]:
        """The loader's batches, epoch after epoch, without end."""
        while True:
            empty = True
            for batch in self.loader:
                empty = False
                yield batch
            if empty:
                raise ValueError(
                    "loader gave no batch: it is empty, or an iterator that has ended;"
                    " pass a DataLoader, a list, or another iterable that starts anew"
                )

    def epoch(self, count: int) -> Iterator[Any]:
        """One epoch of exactly `count` batches."""
        given = 0
        for given, batch in enumerate(self.loader, start=1):
            if given > count:
                return
            yield batch
        if given < count:
            raise ValueError(
                f"loader gave {given} batches where {count} were due: pass"
                f" steps_per_epoch={given // self.accumulate or '...'} or a loader that"
                " starts anew"
            )

    # stub: to be replaced ------------------------------------------------------------

    _off: list[nn.Parameter]

    def freeze(
        self, groups: Sequence[int] | None = None, *, train_norm: bool = True
    ) -> None:
        """Turn `requires_grad` off for some param groups (stub: to be replaced)."""
        count = len(self.optimizer.param_groups)
        if count < 2:
            raise ValueError("optimizer has a single param group: make two")
        kinds = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
        norm = {
            id(p)
            for module in self.modules()
            if isinstance(module, kinds)
            for p in module.parameters(recurse=False)
        }
        self._off = getattr(self, "_off", [])
        for i in range(count - 1) if groups is None else groups:
            for p in self.optimizer.param_groups[i]["params"]:
                if p.requires_grad and not (train_norm and id(p) in norm):
                    p.requires_grad_(False)
                    self._off.append(p)

    def unfreeze(self) -> None:
        """Turn it on again (stub: to be replaced)."""
        for p in getattr(self, "_off", []):
            p.requires_grad_(True)
        self._off = []

    # end of the stub -----------------------------------------------------------------

    def set_lrs(self, lrs: Sequence[float]) -> None:
        """Set the LR of each param group."""
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)  # a compiled or captured step holds this tensor
            else:
                group["lr"] = lr

    def step(self, batch: Any) -> Tensor:
        """Train on one batch; its loss before the update, a detached scalar tensor."""
        return self.update(iter([batch]), 1)

    def update(
        self,
        batches: Iterator[Any],
        count: int | None = None,
        tally: Tally | None = None,
    ) -> Tensor:
        """Take one optimizer step for the next `count` batches; their mean loss.

        A batch is drawn when the one before is done with. Default: `accumulate`. The
        task's metrics of each batch go into `tally`, where one is given.
        """
        count = self.accumulate if count is None else count
        with torch.inference_mode(False), torch.enable_grad():
            return self._update(self._losses(islice(batches, count), tally), count)

    def scale(self) -> float:
        """The scaler's factor; lower after a step than before, it was skipped."""
        return self._update.scale()

    def validate(
        self, stopping: Callable[[], bool] = lambda: False
    ) -> tuple[float, dict[str, float]] | None:
        """Mean loss and metrics over `valid_loader`, in eval mode, without gradients.

        None where there is no `valid_loader`, or when `stopping()` turned true on the
        way. Each module's train flag is put back.
        """
        if self.valid_loader is None:
            return None
        return self.evaluate(self.valid_loader, stopping)

    def evaluate(
        self, batches: Iterable[Any], stopping: Callable[[], bool] = lambda: False
    ) -> tuple[float, dict[str, float]] | None:
        """Mean loss and metrics over `batches`; see `validate`.

        Raises
        ------
        ValueError
            If there is no batch.
        """
        tally = Tally()
        with self.mode(train=False), torch.no_grad():
            for batch in batches:
                if stopping():
                    return None
                batch = self._moved(batch)
                with self._precision():
                    output, target, loss = self._forward(batch)
                values = {"loss": loss, **self._measured(output, target)}
                tally.add(values, samples(batch))
        if not tally.count:
            raise ValueError("valid_loader gave no batch: leave it out or fill it")
        metrics = tally.means()
        return metrics.pop("loss"), metrics

    @contextmanager
    def mode(self, *, train: bool) -> Iterator[None]:
        """Put the model into train or eval mode, and every flag back afterwards.

        A model that is in train mode already is taken as it is: a BatchNorm that was
        frozen with `.eval()` stays frozen.
        """
        flags = [(module, module.training) for module in self.modules()]
        if not (train and self.model.training):
            self.model.train(train)
        try:
            yield
        finally:
            for module, flag in flags:
                module.training = flag

    def _losses(self, batches: Iterable[Any], tally: Tally | None) -> Iterator[Tensor]:
        """Loss of each batch, and its metrics once its gradients are there.

        No name here holds a loss: its graph is gone before the next batch's is made.
        """
        for batch in batches:
            if tally is None:
                yield self._loss(batch)
                continue
            made: list[Any] = []
            yield self._loss(batch, made)
            output, target, size = made
            with torch.no_grad():
                tally.add(self._measured(output, target), size)

    def _loss(self, batch: Any, made: list[Any] | None = None) -> Tensor:
        """Loss of a batch; output without its graph, target and size go to `made`."""
        batch = self._moved(batch)
        with self._precision():
            output, target, loss = self._forward(batch)
        if made is not None:
            made += [detached(output), target, samples(batch)]
        return self._checked(loss)

    def _measured(self, output: Any, target: Any) -> dict[str, float]:
        return {
            name: float(metric(output, target)) for name, metric in self.metrics.items()
        }

    def _precision(self) -> AbstractContextManager[object]:
        if self.autocast is None:
            # The caller's, if there is one. It keeps the weights that it has cast until
            # it ends, and would go on with those of the first step.
            torch.clear_autocast_cache()
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast)

    def _moved(self, batch: Any) -> Any:
        try:
            return moved(batch, self.device)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            raise ValueError(
                f"loader gave a batch of type {_kind(batch)} that cannot be moved to"
                f" {self.device} ({error}): let its collate_fn give tensors, or"
                " something with a .to(device)"
            ) from error

    def _forward(self, batch: Any) -> tuple[Any, Any, Any]:
        """Output, target and loss of a batch."""
        if self._step is not None:
            return None, None, self._step(self.model, batch)
        return outcome(self.model, batch, self.loss_fn, self.target_key)

    def _checked(self, loss: Any) -> Tensor:
        origin = "step" if self._step is not None else "loss_fn"
        if self._step is None and self.loss_fn is None:
            origin = "the model"
        return checked(loss, origin)


class Surroundings:
    """The torch state that belongs to a thread: autocast, default and current device.

    Made in the thread whose settings count, entered in the thread that trains.
    """

    def __init__(self) -> None:
        kinds = {"cpu", "cuda"}
        self._autocast = {
            kind: torch.get_autocast_dtype(kind)
            for kind in kinds
            if torch.is_autocast_enabled(kind)
        }
        self._default = torch.get_default_device()
        cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        self._cuda = torch.cuda.current_device() if cuda else None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Work under these settings in another thread."""
        with ExitStack() as stack:
            for kind, dtype in self._autocast.items():
                stack.enter_context(torch.autocast(kind, dtype=dtype))
            if self._default != torch.device("cpu"):
                stack.enter_context(self._default)
            if self._cuda is not None:
                stack.enter_context(torch.cuda.device(self._cuda))
            yield


def _kind(value: object) -> str:
    return type(value).__name__


def _named(
    metrics: Mapping[str, Metric] | Sequence[Metric] | None,
) -> dict[str, Metric]:
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        if callable(metrics):
            raise ValueError("metrics must be a list or a mapping: pass [metric]")
        names = [getattr(metric, "__name__", _kind(metric)) for metric in metrics]
        if len({*names}) < len(names):
            raise ValueError(
                f"metrics have one name more than once ({', '.join(names)}): pass a"
                " mapping of name to metric"
            )
        metrics = dict(zip(names, metrics, strict=True))
    for name, metric in metrics.items():
        if name in RESERVED or name.startswith("valid_"):
            raise ValueError(
                f"metrics cannot have the name {name!r}, which a curve uses itself:"
                " pass a mapping of another name to the metric"
            )
        if not callable(metric):
            raise ValueError(
                f"metrics[{name!r}] must be callable as (output, target) -> value"
            )
    return dict(metrics)


def _check_loader(name: str, loader: object) -> None:
    if not isinstance(loader, Iterable):
        raise ValueError(f"{name} must be an iterable of batches, not {_kind(loader)}")
    try:
        size = len(loader)  # type: ignore[arg-type]
    except TypeError:  # it has no length; what it gives is seen when it is used
        return
    if size == 0:
        raise ValueError(f"{name} is empty: pass one that gives at least one batch")


def _check_optimizer(model: nn.Module, optimizer: Optimizer | None) -> None:
    trainable = {id(p) for p in model.parameters() if p.requires_grad}
    if not trainable:
        raise ValueError(
            "model has no parameter with requires_grad=True: unfreeze what is to train"
        )
    if optimizer is None:
        return
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"optimizer must be a torch.optim.Optimizer, not {_kind(optimizer)}"
        )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not held & trainable:
        raise ValueError(
            "optimizer does not hold the model's parameters: build it from"
            " model.parameters() of this very model"
        )
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(
            f"optimizer {_kind(optimizer)} needs a closure at each step, which is not"
            " supported: use SGD, AdamW or another that steps without one"
        )


def _check_precision(
    model: nn.Module,
    device: torch.device,
    autocast: torch.dtype | None,
    scaler: GradScaler | None,
) -> None:
    if autocast not in (None, torch.bfloat16, torch.float16):
        raise ValueError(
            f"autocast must be torch.bfloat16 or torch.float16, not {autocast!r}: pass"
            " one of these, or leave it out"
        )
    if autocast is not None and not torch.amp.is_autocast_available(device.type):
        raise ValueError(
            f"autocast is not to be had on {device.type}: leave it out, or pass device="
        )
    half = any(p.dtype == torch.float16 for p in model.parameters() if p.requires_grad)
    if half and scaler is not None and scaler.is_enabled():
        raise ValueError(
            "scaler cannot unscale the gradients of a model in float16: keep the model"
            " in float32 (model.float()) and pass autocast=torch.float16"
        )


def _device(model: nn.Module, device: torch.device | str | None) -> torch.device:
    if device is not None:
        try:
            return torch.device(device)
        except RuntimeError as error:
            raise ValueError(
                f'device must be one that torch knows, not {device!r}: try "cpu"'
            ) from error
    homes = {str(tensor.device): tensor.device for tensor in model.parameters()}
    if len(homes) > 1:
        raise ValueError(
            f"model lies on several devices ({', '.join(sorted(homes))}): move it to"
            " one with model.to(device), or pass device= to have it moved"
        )
    (home,) = homes.values()
    if home.type in ("cpu", "meta") and torch.accelerator.is_available():
        return torch.accelerator.current_accelerator() or home
    return home


def _at(module: nn.Module, device: torch.device) -> bool:
    """Whether a module lies there; then it is not moved, which rebuilds an LSTM."""
    tensors = [*module.parameters(), *module.buffers()]
    return all(tensor.device == device for tensor in tensors)


def _apart(optimizer: Optimizer) -> bool:
    """Whether some state lies on another device than its parameter."""
    return any(
        isinstance(value, Tensor) and value.dim() and value.device != parameter.device
        for parameter, state in optimizer.state.items()
        for value in state.values()
    )
