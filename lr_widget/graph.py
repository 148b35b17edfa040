"""Graph: the training step captured once as a CUDA graph, then replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from copy import copy
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from .task import Task

#: Eager steps before the capture: what torch's notes on CUDA graphs ask for, so that
#: libraries have chosen their kernels and the optimizer has made its state.
_WARM_UP = 3

#: Streams that no Graph uses now: cuBLAS keeps a workspace, up to 32 MiB, for each
#: stream that it has ever seen.
_idle: dict[torch.device, list[torch.cuda.Stream]] = {}


class Recorder:
    """The CUDA half of a Graph: a stream of its own, a capture, a wait.

    After "CUDA Graphs" in https://docs.pytorch.org/docs/stable/notes/cuda.html.
    """

    def __init__(self, device: torch.device) -> None:
        if device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        self._device, self._idle = device, _idle.setdefault(device, [])
        try:
            self._stream = self._idle.pop()
        except IndexError:
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Work on the stream of the capture, after and before all else."""
        main = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(main)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            main.wait_stream(self._stream)

    def record(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Capture what `function` does, without doing it; what it gives does it.

        Waits once for all that the device has to do, as `torch.cuda.graph` does.
        """
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self._device.index]
        spare = generator.clone_state()
        main = torch.cuda.current_stream(self._device)
        # The outer stream: torch.cuda.graph does not go back to it if it fails.
        with torch.cuda.device(self._device), torch.cuda.stream(main):
            try:
                # A notebook's other cells may allocate meanwhile: only what this
                # thread does is watched.
                with torch.cuda.graph(
                    graph, stream=self._stream, capture_error_mode="thread_local"
                ):
                    loss = function()
            except BaseException:
                # The generator may believe that a capture goes on, and refuse; and
                # nobody is to be given this stream.
                self._idle = []
                generator.graphsafe_set_state(spare)
                graph.reset()  # now: the error's traceback holds it
                raise
        self._graph = graph

        def replay() -> Tensor:
            graph.replay()
            return loss.clone()  # the next replay overwrites it

        return replay

    def close(self) -> None:
        """Wait until all is done, and free the graph and its memory."""
        # An event: to wait for a stream is what `set_sync_debug_mode("error")` forbids.
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        event.synchronize()
        if self._graph is not None:
            self._graph.reset()
        self._graph = None
        self._idle.append(self._stream)


class Graph:
    """A task's optimizer step, captured once and replayed for every further batch.

    with restored(task), Graph(task) as graph:
        task.set_lrs([1e-3])
        loss = graph.update(batches)

    A replay is one launch instead of hundreds, so that a model whose kernels are short
    is no longer held up by Python. The first three steps are eager. Then the step is
    captured, forward pass to optimizer, and replayed for that batch and all further
    ones, at the LR that `task.set_lrs` has written into a tensor on the device. Each
    step is one of the sweep: none is made twice, none for nothing.

    What is captured is what the device does. Python code of model, loss, hooks and
    `task.step` runs in the eager steps and once more in the capture, and not in a
    replay: a branch is taken for good, and a number from Python or from torch's CPU
    generator is drawn once. Dropout and all else that draws on the device draws anew.

    A batch whose form (containers, shapes, dtypes, values that are no tensors) is not
    that of the first is trained on eagerly, in its turn: the short last one of an
    epoch, say. Where every batch has a shape of its own nothing is gained.

    It costs device memory: the batches of one step once more, and the activations and
    gradients of one step in a pool that nothing else can use until it is left. The
    optimizer takes torch's `foreach` or fused implementation, which is the default on
    CUDA or equal to it but for rounding; the LR is rounded to float32. The capture
    waits once for all that the device does, for other threads too. While it lasts, for
    the time of one eager step or so, a `torch.cuda.synchronize()` in another thread is
    an error of CUDA's, and can be one of the capture.

    It changes options and state of the optimizer, and leaves it to `restored` to put
    them back: `lr`, `capturable`, `foreach`, `fused`, where step counters lie, and
    momentum buffers, zero where there are none yet.

    Parameters
    ----------
    task
        What is trained. Nobody else may train it meanwhile, nor replace its tensors.
    recorder
        What captures. Default: the `Recorder` of the task's device.

    Raises
    ------
    ValueError
        At once, where nothing can be captured: a model that is not on CUDA, a scaler,
        metrics, sparse gradients, an optimizer of torch that steps with the CPU's help.
    """

    def __init__(self, task: Task, recorder: Recorder | None = None) -> None:
        if recorder is None and task.device.type != "cuda":
            raise ValueError(
                "cuda_graph needs a CUDA device, and the model is on"
                f' {task.device}: pass device="cuda" to the task, or leave cuda_graph'
                " out"
            )
        _check(task)
        self._task = task
        self._recorder = recorder
        self._form: list[Any] = []
        self._static: list[Any] = []
        self._fitting = 0  # steps of the first one's form, up to _WARM_UP
        self._replay: Callable[[], Tensor] | None = None

    def __enter__(self) -> Graph:
        if self._recorder is None:
            self._recorder = Recorder(self._task.device)
        with torch.inference_mode(False), torch.no_grad():
            prepare(self._task.optimizer, self._task.device)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._recorder is not None:
                self._recorder.close()
        finally:
            self._replay, self._static = None, []
            # Neither gradients nor weights cast by a caller's autocast keep its memory.
            self._task.optimizer.zero_grad(set_to_none=True)
            torch.clear_autocast_cache()

    def update(self, batches: Iterator[Any]) -> Tensor:
        """Take one optimizer step for the next `task.accumulate` batches.

        Their mean loss is returned, detached, on the device, in a tensor of its own.
        All batches of the step are drawn before it.

        Raises
        ------
        ValueError
            If the first batches hold something that cannot be held still.
        RuntimeError
            If the step cannot be captured; the cause is torch's own error.
        """
        assert self._recorder is not None, "entered first"
        window = list(islice(batches, self._task.accumulate))
        form = [_form(batch) for batch in window]
        if not self._form:
            self._form = _still(form, window)
        fits = form == self._form
        if not fits or self._fitting < _WARM_UP:
            self._fitting += fits
            with self._recorder.aside():
                return self._task.update(iter(window))
        if self._replay is None:
            self._replay = self._captured(window, self._recorder)
        with torch.inference_mode(False), torch.no_grad():
            for static, batch in zip(self._static, window, strict=True):
                pairs = zip(_tensors(static), _tensors(batch), strict=True)
                for target, source in pairs:
                    target.copy_(source, non_blocking=True)
        return self._replay()

    def _captured(self, window: list[Any], recorder: Recorder) -> Callable[[], Tensor]:
        task = self._task
        with torch.inference_mode(False), torch.no_grad():
            self._static = [_placed(batch, task.device) for batch in window]

        def step() -> Tensor:
            # Weights that an autocast has cast before would be cast no more.
            torch.clear_autocast_cache()
            return task.update(iter(self._static))

        before = _on_host(task.optimizer)
        try:
            replay = recorder.record(step)
        except Exception as error:
            cause = _first(error)
            raise RuntimeError(
                f"cuda_graph could not capture the step ({cause}): leave cuda_graph"
                " out, or take out of model, loss_fn, hooks and optimizer what waits"
                " for the device, as .item(), .cpu() and branches on a value do"
            ) from cause
        if _on_host(task.optimizer) != before:
            raise RuntimeError(
                f"cuda_graph cannot replay {type(task.optimizer).__name__}, which"
                " counts on the CPU or makes new state at each step: leave cuda_graph"
                " out, or use SGD, Adam or AdamW of torch"
            )
        return replay


# The optimizer ------------------------------------------------------------------------


def _check(task: Task) -> None:
    """Refuse what can be seen at once to be no subject of a capture."""
    out = ", or leave cuda_graph out"
    if task.scaler is not None and task.scaler.is_enabled():
        raise ValueError(
            "cuda_graph cannot capture a scaler, which asks the device whether to step:"
            f" pass autocast=torch.bfloat16 without a scaler{out}"
        )
    if task.metrics:
        raise ValueError(
            "cuda_graph gives no metrics, as Python does not see the output of a"
            f" replay: make the task without metrics{out}"
        )
    for module in task.modules():
        if isinstance(module, (nn.Embedding, nn.EmbeddingBag)) and module.sparse:
            raise ValueError(
                "cuda_graph cannot capture sparse gradients: make"
                f" {type(module).__name__} with sparse=False{out}"
            )
    optimizer, groups = task.optimizer, task.optimizer.param_groups
    theirs = type(optimizer).__module__.startswith("torch.optim")
    capturable = all("capturable" in group for group in groups)
    if theirs and not capturable and not isinstance(optimizer, SGD):
        raise ValueError(
            f"cuda_graph cannot capture {type(optimizer).__name__}, which reads its LR"
            " or counts its steps on the CPU: use SGD, Adam, AdamW, RMSprop or another"
            f" with a capturable option{out}"
        )
    held = (parameter for group in groups for parameter in group["params"])
    if isinstance(optimizer, SGD) and not all(p.is_floating_point() for p in held):
        raise ValueError(
            "cuda_graph needs the fused SGD of torch, which takes floating-point"
            f" parameters only: use Adam{out}"
        )


def prepare(optimizer: Optimizer, device: torch.device) -> None:
    """Have an optimizer step without the CPU: LR and counters on the device.

    Of torch's implementations those are taken that never read a tensor LR back: with
    `capturable` the foreach ones (the for-loops of RMSprop and Adadelta do read it),
    of SGD the fused one (both others do).
    """
    # Else torch warns that a capturable optimizer takes eager steps.
    vars(optimizer)["_warned_capturable_if_run_uncaptured"] = True
    for group in optimizer.param_groups:
        group["lr"] = _scalar(group["lr"], device)
        if "capturable" in group:
            group["capturable"] = True
            group["foreach"] = not group.get("fused")
            _move(optimizer, group)
        elif isinstance(optimizer, SGD):
            group["fused"], group["foreach"] = True, False
            _begin(optimizer, group)


def _scalar(lr: float | Tensor, device: torch.device) -> Tensor:
    """An LR in a tensor of its own; float32 is what fused kernels read."""
    if isinstance(lr, Tensor):
        lr = lr.detach().reshape(())
        return lr.to(device, torch.float32, non_blocking=True, copy=True)
    # Filled on the device: torch.tensor would wait for a copy.
    return torch.full((), float(lr), dtype=torch.float32, device=device)


def _move(optimizer: Optimizer, group: dict[str, Any]) -> None:
    """Counters of steps lie on the CPU, unless they are to be captured."""
    for parameter in group["params"]:
        state = optimizer.state.get(parameter, {})
        for key, value in state.items():
            if isinstance(value, Tensor) and value.device != parameter.device:
                state[key] = value.to(parameter.device, non_blocking=True)


def _begin(optimizer: Optimizer, group: dict[str, Any]) -> None:
    """Momentum from zero, which is how SGD begins; fused, it wants all or none.

    With dampening it begins otherwise, and is left alone.
    """
    if not group["momentum"] or group["dampening"]:
        return
    for parameter in group["params"]:
        if parameter.requires_grad:
            state = optimizer.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)


def _on_host(optimizer: Optimizer) -> list[Any]:
    """What a replay leaves as it is: numbers, CPU tensors, and which tensors there are.

    If Python changed any of it during a capture, then each eager step does, and a
    replay would not.
    """
    found: list[Any] = []
    for held in (*optimizer.param_groups, *optimizer.state.values()):
        # Some optimizers keep in `state` what belongs to no parameter.
        for key, value in held.items() if isinstance(held, dict) else [("", held)]:
            found += [key, value if isinstance(value, (int, float)) else id(value)]
            if isinstance(value, Tensor) and value.is_cpu:
                found.append(value._version)  # grows with each change in place
    return found


# Batches ------------------------------------------------------------------------------


def _form(batch: Any) -> Any:
    """All of a batch but the values in its tensors; equal for equal forms only.

    What is unknown equals nothing, not even itself.
    """
    if isinstance(batch, Tensor):
        if batch.layout is torch.strided and not batch.is_nested:
            return Tensor, batch.dtype, batch.shape
    elif isinstance(batch, Mapping):
        return type(batch), [(key, _form(value)) for key, value in batch.items()]
    elif isinstance(batch, (tuple, list)) and not hasattr(batch, "to"):
        return type(batch), [_form(part) for part in batch]
    elif batch is None or isinstance(batch, (bool, int, float, str, bytes)):
        return type(batch), batch
    return object()


def _still(form: list[Any], window: list[Any]) -> list[Any]:
    """The form of the first batches, if a batch can have the same form again."""
    if form != [_form(batch) for batch in window]:
        raise ValueError(
            "cuda_graph needs batches of plain tensors, numbers and strings in tuples,"
            f" lists and mappings, and the loader gave {type(window[0]).__name__} with"
            " something else in it: change its collate_fn, or leave cuda_graph out"
        )
    return form


def _tensors(batch: Any) -> Iterator[Tensor]:
    """The tensors in a batch, in an order that its form decides."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from _tensors(value)
    elif isinstance(batch, (tuple, list)):
        for part in batch:
            yield from _tensors(part)


def _placed(batch: Any, device: torch.device) -> Any:
    """The batch with a copy of every tensor in it on the device."""
    if isinstance(batch, Tensor):
        return batch.detach().to(device, non_blocking=True, copy=True)
    if isinstance(batch, Mapping):
        parts = {key: _placed(value, device) for key, value in batch.items()}
        if not isinstance(batch, MutableMapping):
            return parts
        copied = copy(batch)  # of its own type, which may have attributes too
        copied.update(parts)
        return copied
    if isinstance(batch, (tuple, list)):
        inner = [_placed(part, device) for part in batch]
        return type(batch)(*inner) if hasattr(batch, "_fields") else type(batch)(inner)
    return batch


def _first(error: BaseException) -> BaseException:
    """The error that began it: the end of a broken capture fails as well."""
    while error.__context__ is not None:
        error = error.__context__
    return error
