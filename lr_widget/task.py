"""Task: a model, its data, its loss and its optimizer, and one training step."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import AdamW, Optimizer

from .arguments import (
    check_callable,
    check_loader,
    check_model,
    check_optimizer,
    check_precision,
    check_values,
)
from .batch import Tally, arrived, checked, detached, outcome, samples
from .device import apart, at, home
from .freezing import Freezing, norms
from .metric import Metric as Metric
from .metric import begun, gathered, measured, named, settled
from .readback import Readback, pending
from .surroundings import Surroundings as Surroundings
from .update import Update, check_update


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
        Tensors anywhere in a batch are moved to the model's device; to CUDA without
        waiting, so that a loader must not write again into pinned memory that it gave.
    loss_fn : callable `(output, target) -> scalar tensor`, optional
        Not needed with `step`, or with a model that returns its own loss.
    optimizer : torch.optim.Optimizer, optional
        Holds the model's parameters. Default: AdamW with its defaults.
    valid_loader : iterable of batches, optional
        Gone through after each epoch of a fit.
    metrics : mapping or sequence of metrics, optional
        Measured in validation, and in a range test also on the training batches, from
        the output that their loss came from. A callable `(output, target) -> value` is
        averaged over the samples. An object with `reset()`, `update(output, target)`
        and `compute()`, as torchmetrics has them, is exact where a mean over batches is
        not (F1, AUROC): it sees all of the validation, or all batches of a step, and
        is reset before. It is moved to the device, and holds what it saw until it is
        reset. A torchmetrics `MetricCollection` is taken too, its metrics in a copy.
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
        check_model(model)
        check_loader("loader", loader)
        if valid_loader is not None:
            check_loader("valid_loader", valid_loader)
        check_callable("loss_fn", loss_fn)
        check_callable("step", step)
        self.metrics = named(metrics)
        if self.metrics and step is not None:
            raise ValueError(
                "metrics need the model's output, which step does not give: leave"
                " metrics out, or pass loss_fn instead of step"
            )
        parameters = [*model.parameters()]  # to ask each time takes 10 us
        check_optimizer(parameters, optimizer)
        check_update(accumulate, clip_norm, scaler)
        place = home(parameters, device)
        check_values(parameters, place)
        check_precision(parameters, place, autocast, scaler)
        self.model = model
        self.loader = loader
        self.loss_fn = loss_fn
        self.valid_loader = valid_loader
        self.target_key = target_key
        self._outcome: Callable[..., tuple[Any, Any, Any]]
        self._outcome = outcome if step is None else _stepped(step)
        self._origin = "the model" if loss_fn is None else "loss_fn"
        self._origin = self._origin if step is None else "step"
        self.device = place
        self.autocast = autocast
        settled(self.metrics, place)
        for root in (model, loss_fn):
            if isinstance(root, nn.Module) and not at(root, place):
                root.to(place)
        if optimizer is None:
            optimizer = AdamW([p for p in parameters if p.requires_grad])
        elif apart(optimizer):
            # torch's own policy decides which state lives beside its parameter.
            optimizer.load_state_dict(optimizer.state_dict())
        self.optimizer: Optimizer = optimizer
        self.accumulate, self.clip_norm = int(accumulate), clip_norm
        self.scaler = scaler
        self._update = Update(
            optimizer, accumulate=accumulate, clip_norm=clip_norm, scaler=scaler
        )
        self.freezing = Freezing(optimizer)

    def with_loader(self, loader: Iterable[Any]) -> Task:
        """The same task with another loader; it shares model, optimizer and all else.

        Raises
        ------
        ValueError
            If `loader` is none, or is empty.
        """
        check_loader("loader", loader)
        task = copy.copy(self)
        task.loader = loader
        return task

    def freeze(
        self, groups: Sequence[int] | None = None, *, train_norm: bool = True
    ) -> None:
        """Have param groups of the optimizer not train, until `unfreeze`.

        Their weights do not move then, whatever momentum or weight decay there is: what
        has no gradient, an optimizer leaves out. What was frozen by an earlier call and
        is not in this one trains again.

        Parameters
        ----------
        groups
            Indices into `optimizer.param_groups`, negative ones from the end. Default:
            all but the last, as in fastai. An empty list is `unfreeze`.
        train_norm
            Whether normalisation layers in frozen groups go on training: BatchNorm,
            InstanceNorm, LayerNorm, GroupNorm and RMSNorm, as in fastai (`train_bn`).
            The running statistics of a BatchNorm move in either case while it is in
            train mode; `.eval()` holds them.

        Raises
        ------
        ValueError
            If there is no such group, or nothing would be left to train; nothing has
            been changed then.
        """
        self.freezing.freeze(groups, norms(self.modules()) if train_norm else ())

    def unfreeze(self) -> None:
        """Have train again what `freeze` holds; what was frozen by hand stays so."""
        self.freezing.unfreeze()

    @property
    def frozen(self) -> tuple[int, ...]:
        """Indices of the param groups that `freeze` holds."""
        return self.freezing.groups

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

    def set_lrs(self, lrs: Sequence[float]) -> None:
        """Set the LR of each param group."""
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            held = group["lr"]
            if isinstance(held, Tensor):
                held.fill_(lr)  # a compiled or captured step holds this tensor
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
        if not torch.is_grad_enabled() or torch.is_inference_mode_enabled():
            with torch.inference_mode(False), torch.enable_grad():
                return self.update(batches, count, tally)
        try:
            if count == 1 and tally is None:  # the usual one, as short as it gets
                update = self._update
                return update.step([update.add(self._loss(next(batches)), 0, 1)])
            return self._updated(batches, count, tally)
        except torch.OutOfMemoryError as error:
            _let_go(error)
            raise

    def loss_of(self, batch: Any) -> Tensor:
        """Loss of a batch as a step computes it, but no step: a detached scalar tensor.

        The model is taken in the mode that it is in; a BatchNorm in train mode moves.
        """
        with torch.inference_mode(False), torch.enable_grad():
            return self._loss(batch).detach()

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
        tally, pace = Tally(), Readback[None]()
        with self.mode(train=False), torch.no_grad():
            begun(self.metrics)
            for batch in batches:
                if stopping():
                    return None
                try:
                    batch = arrived(batch, self.device)
                    output, target, loss = self._forward(batch)
                    values = measured(self.metrics, output, target)
                except torch.OutOfMemoryError as error:
                    _let_go(error)
                    raise
                tally.add({"loss": loss, **values}, samples(batch))
                # No further ahead of a GPU than in training: a Stop waits for it.
                pace.send(None, [pending(loss)])
                pace.arrived()
            if not tally.count:
                raise ValueError("valid_loader gave no batch: leave it out or fill it")
            tally.settle(gathered(self.metrics))
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
                if module.training is not flag:
                    module.training = flag

    def _updated(
        self, batches: Iterator[Any], count: int, tally: Tally | None
    ) -> Tensor:
        # No name here holds a loss: its graph is gone before the next batch's is made.
        update = self._update
        seen: list[Tensor] = []
        if tally is None:
            for i, batch in enumerate(islice(batches, count)):
                seen.append(update.add(self._loss(batch), i, count))
            return update.step(seen)
        begun(self.metrics)
        for i, batch in enumerate(islice(batches, count)):
            made: list[Any] = []
            seen.append(update.add(self._loss(batch, made), i, count))
            with torch.no_grad():
                output, target, size = made
                tally.add(measured(self.metrics, output, target), size)
        loss = update.step(seen)
        with torch.no_grad():
            tally.settle(gathered(self.metrics))
        return loss

    def _loss(self, batch: Any, made: list[Any] | None = None) -> Tensor:
        """Loss of a batch; output without its graph, target and size go to `made`."""
        batch = arrived(batch, self.device)
        output, target, loss = self._forward(batch)
        if made is not None:
            made += [detached(output), target, samples(batch)]
        return checked(loss, self._origin)

    def _forward(self, batch: Any) -> tuple[Any, Any, Any]:
        """Output, target and loss of a batch, in the task's precision."""
        # A caller's autocast, if there is one, keeps the weights that it has cast until
        # it ends, and would go on with those of the first step.
        torch.clear_autocast_cache()
        made = self._outcome
        if self.autocast is None:
            return made(self.model, batch, self.loss_fn, self.target_key)
        with torch.autocast(self.device.type, dtype=self.autocast):
            return made(self.model, batch, self.loss_fn, self.target_key)


def _let_go(error: torch.OutOfMemoryError) -> None:
    """Have it hold no activations: whoever shows the error would hold them as well."""
    traceback.clear_frames(error.__traceback__)


def _stepped(step: Callable[[nn.Module, Any], Tensor]) -> Callable[..., Any]:
    """What `outcome` is of a task that has a step of its own: the loss, no output."""
    return lambda model, batch, *_: (None, None, step(model, batch))
