"""Recorder: what is done on a CUDA device captured as a graph, and done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

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
