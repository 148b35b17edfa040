"""Recorder: what is done on a CUDA device captured as a graph, and done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

import torch
from torch import Tensor

#: Streams that no Graph uses now: cuBLAS keeps a workspace, up to 32 MiB, for each
#: stream that it has ever seen.
_idle: dict[torch.device, list[torch.cuda.Stream]] = {}

#: torch takes one capture at a time in a process.
_capturing = Lock()

#: Graphs whose capture failed.
_broken: list[torch.cuda.CUDAGraph] = []


class Recorder:
    """The CUDA half of a Graph: a stream of its own, a capture, a wait.

    After "CUDA Graphs" in https://docs.pytorch.org/docs/stable/notes/cuda.html.
    """

    def __init__(self, device: torch.device) -> None:
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
                with (
                    _capturing,
                    _unwatched(),
                    _any_stream(),
                    torch.cuda.graph(
                        graph, stream=self._stream, capture_error_mode="thread_local"
                    ),
                ):
                    loss = function()
            except BaseException:
                # The generator may believe that a capture goes on, and refuse; and
                # nobody is to be given this stream, nor this graph's memory: torch's
                # allocator may know the graph still.
                self._idle = []
                self._end(graph)
                generator.graphsafe_set_state(spare)
                graph.reset()  # now: the error's traceback holds it
                _broken.append(graph)
                raise
        self._graph = graph

        def replay() -> Tensor:
            graph.replay()
            return loss.clone()  # the next replay overwrites it

        return replay

    def _end(self, graph: torch.cuda.CUDAGraph) -> None:
        """End a capture that began, but was not entered."""
        with torch.cuda.stream(self._stream):
            if torch.cuda.is_current_stream_capturing():
                with suppress(RuntimeError):
                    graph.capture_end()

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


@contextmanager
def _unwatched() -> Iterator[None]:
    """Let a capture begin under `set_sync_debug_mode`: torch 2.13 waits there, once.

    What waits in the capture itself is an error of CUDA's anyway.
    """
    mode = torch.cuda.get_sync_debug_mode()
    if mode:
        torch.cuda.set_sync_debug_mode(0)
    try:
        yield
    finally:
        if mode:
            torch.cuda.set_sync_debug_mode(mode)


@contextmanager
def _any_stream() -> Iterator[None]:
    """Let autograd forget the stream on which a weight was first used.

    It remembers that while somebody holds an output or a loss, as a notebook's `Out`
    does, and will not mix it with the stream of a capture. torch before 2.13 cannot.
    """
    ask = getattr(torch._C, "_override_stale_capture_stream", None)
    if ask is None:
        yield
        return
    before = ask()
    torch.autograd.graph.set_override_stale_capture_stream(True)
    try:
        yield
    finally:
        torch.autograd.graph.set_override_stale_capture_stream(before)
