"""Graph: the training step captured once as a CUDA graph, then replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from .capturable import check, on_host, prepare
from .form import form, placed, still, tensors
from .recorder import Recorder
from .task import Task

#: Eager steps before the capture: what torch's notes on CUDA graphs ask for, so that
#: libraries have chosen their kernels and the optimizer has made its state.
_WARM_UP = 3


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
    gradients of one step in a pool that nothing else can use until it is left; of a
    capture that failed, some of that stays torch's (2.13) until the process ends. The
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
        found = [form(batch) for batch in window]
        if not self._form:
            self._form = still(found, window)
        fits = found == self._form
        if not fits or self._fitting < _WARM_UP:
            self._fitting += fits
            with self._recorder.aside():
                return self._task.update(iter(window))
        if self._replay is None:
            self._replay = self._captured(window, self._recorder)
        with torch.inference_mode(False), torch.no_grad():
            for static, batch in zip(self._static, window, strict=True):
                pairs = zip(tensors(static), tensors(batch), strict=True)
                for target, source in pairs:
                    target.copy_(source, non_blocking=True)
        return self._replay()

    def _captured(self, window: list[Any], recorder: Recorder) -> Callable[[], Tensor]:
        task = self._task
        with torch.inference_mode(False), torch.no_grad():
            self._static = [placed(batch, task.device) for batch in window]

        failed: list[Exception] = []

        def step() -> Tensor:
            # Weights that an autocast has cast before would be cast no more.
            torch.clear_autocast_cache()
            try:
                return task.update(iter(self._static))
            except Exception as error:
                failed.append(error)  # the end of a broken capture fails as well
                raise

        before = on_host(task.optimizer)
        try:
            replay = recorder.record(step)
        except Exception as error:
            cause = failed[0] if failed else error
            raise RuntimeError(
                f"cuda_graph could not capture the step ({cause}): leave cuda_graph"
                " out, or take out of model, loss_fn, hooks and optimizer what waits"
                " for the device, as .item(), .cpu() and branches on a value do"
            ) from cause
        if on_host(task.optimizer) != before:
            raise RuntimeError(
                f"cuda_graph cannot replay {type(task.optimizer).__name__}, which"
                " counts on the CPU or makes new state at each step: leave cuda_graph"
                " out, or use SGD, Adam or AdamW of torch"
            )
        return replay


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
    check(task.optimizer)
