"""Surroundings: the torch settings of a thread, carried into another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


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
