"""Readback: numbers on their way from the device, while it goes on computing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

#: A loss or a metric: a number, or a tensor with one, that may still be computed.
Number = float | Tensor

Key = TypeVar("Key")

#: How many steps the CPU may run ahead of a GPU, and for about how many seconds: that
#: long a Stop waits for steps that have been asked for already.
_STEPS, _SECONDS = 64, 0.2


class Readback(Generic[Key]):
    """Numbers sent by a loop, got back in their order without making the device wait.

    >>> readback = Readback()
    >>> readback.send("step 0", [torch.tensor(2.5), 1.0])
    >>> readback.arrived()
    [('step 0', [2.5, 1.0])]

    On the CPU all is there at once. On CUDA the numbers are copied into pinned memory,
    with an event behind them in the stream, and arrive when the event has happened, a
    few steps late: the GPU has its next step before it has finished this one. Of short
    steps many are on their way, of long ones none but the last. Nothing here
    synchronises a stream (`torch.cuda.set_sync_debug_mode("error")` is silent).

    Parameters
    ----------
    ahead
        How many steps may be on their way; with 0 each arrives before the next one.
    """

    def __init__(self, ahead: int = _STEPS) -> None:
        self._ahead, self._most = min(1, ahead), ahead
        self._sent: deque[tuple[Key, Sequence[Number], _Event | None]] = deque()

    def __len__(self) -> int:
        return len(self._sent)

    def send(self, key: Key, numbers: Sequence[Number]) -> None:
        """Have the numbers of a step, which `key` tells, come back."""
        event = None
        for number in numbers:
            if isinstance(number, Tensor) and number.is_cuda:
                event = _Event(number.device)
                break
        if event is not None:
            numbers = [_leaving(number) for number in numbers]
            event.record()
        self._sent.append((key, numbers, event))

    def arrived(self) -> list[tuple[Key, list[float]]]:
        """What has come back; waits only if too much is on its way."""
        return self._back(self._ahead)

    def rest(self) -> list[tuple[Key, list[float]]]:
        """All that is on its way; waits for it."""
        return self._back(0)

    def _back(self, ahead: int) -> list[tuple[Key, list[float]]]:
        back, sent = [], self._sent
        while sent:
            key, numbers, event = sent[0]
            if event is not None and not event.happened():
                if len(sent) <= ahead:
                    break
                event.wait()
                self._pace(event.age())
            sent.popleft()
            back.append((key, [float(number) for number in numbers]))
        return back

    def _pace(self, age: float) -> None:
        """Run less far ahead if a step was long on its way, further if it was short."""
        if age > _SECONDS:
            self._ahead //= 2
        elif age < _SECONDS / 2:
            self._ahead = min(self._most, max(1, 2 * self._ahead))


class _Event:
    """A point in the work of a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Blocking: who waits for it sleeps, and leaves the core to others.
        self._event: Any = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]

    def record(self) -> None:
        """Have it happen when all that has been asked for until now is done."""
        self._event.record(torch.cuda.current_stream(self._device))
        self._since = perf_counter()

    def happened(self) -> bool:
        """Whether that is done."""
        happened: bool = self._event.query()
        return happened

    def age(self) -> float:
        """Seconds since it was recorded."""
        return perf_counter() - self._since

    def wait(self) -> None:
        """Sleep until that is done; other threads go on."""
        self._event.synchronize()


def waited(device: torch.device) -> None:
    """Wait until a GPU has done what this thread's stream was asked to; others go on.

    No synchronisation in the sense of `torch.cuda.set_sync_debug_mode`.
    """
    if device.type == "cuda":
        event = _Event(device)
        event.record()
        event.wait()


def pending(number: Any) -> Number:
    """The number, but as it is where a GPU computes it: to ask would make it wait."""
    if isinstance(number, Tensor) and number.is_cuda:
        return number.detach()
    return float(number)


def fetched(numbers: Sequence[Number]) -> list[float]:
    """The numbers themselves; waits for what computes them, and for nothing else."""
    readback: Readback[None] = Readback()
    readback.send(None, numbers)
    ((_, back),) = readback.rest()
    return back


def _leaving(number: Number) -> Number:
    """The number, or a copy of it that is being written; torch pins its memory."""
    if isinstance(number, Tensor) and number.is_cuda:
        return number.detach().to("cpu", non_blocking=True)
    return number
