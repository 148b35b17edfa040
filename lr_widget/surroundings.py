"""Surroundings: the torch settings of a thread, carried into another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import torch


class Surroundings:
    """The torch state that belongs to a thread: autocast, default and current device.

    Made in the thread whose settings count, entered in the thread that trains.

    Parameters
    ----------
    apart
        A device that is worked on in the block. If it is a CUDA device, that is done
        in a stream of the library's own, one per device: what other threads ask for in
        theirs, the default stream in a notebook, does not queue behind it. It begins
        when what the making thread has asked for is done, and on leaving the block all
        is done, so that every stream may use the results. Default: no such stream.
    """

    def __init__(self, apart: torch.device | None = None) -> None:
        kinds = {"cpu", "cuda"}
        self._autocast = {
            kind: torch.get_autocast_dtype(kind)
            for kind in kinds
            if torch.is_autocast_enabled(kind)
        }
        self._default = torch.get_default_device()
        cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        self._cuda = torch.cuda.current_device() if cuda else None
        self._before: torch.cuda.Stream | None = None
        if apart is not None and apart.type == "cuda":
            self._before = torch.cuda.current_stream(apart)

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
            if self._before is not None:
                stack.enter_context(_after(self._before))
            yield


@contextmanager
def _after(before: torch.cuda.Stream) -> Iterator[None]:
    """Work in the stream of one's own, after what is in another one."""
    own = _own_stream(before.device)
    own.wait_stream(before)
    with torch.cuda.stream(own):
        try:
            yield
        finally:
            # Blocking: the thread sleeps, and leaves its core to others.
            end = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            end.record(own)
            end.synchronize()


@cache
def _own_stream(device: torch.device) -> torch.cuda.Stream:
    """Always the same one: each stream has a pool of memory that no other one uses."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
