"""Run: any iterator, turned in a thread that can be paused, stopped and waited for."""

from __future__ import annotations

import asyncio
import atexit
import math
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import Any

#: A run is in one of these states; the last four are ends.
STATES = (
    "idle",
    "running",
    "paused",
    "stopping",
    "done",
    "stopped",
    "diverged",
    "failed",
)
ENDS = frozenset(STATES[4:])

#: Runs whose threads may still be at work, for the exit of the interpreter.
_live: weakref.WeakSet[Run] = weakref.WeakSet()
_live_lock = threading.Lock()


def _nothing(*_: object) -> None:
    """Do nothing: what a run calls that nobody follows, or that has ended."""


class Run:
    """Turns an iterator in a daemon thread, item by item.

    >>> run = Run(iter(range(3)), on_item=print)
    >>> run.start().wait().state
    0
    1
    2
    'done'

    The iterator is asked for items, and closed, in that thread only. What a generator
    returns is the state the run ends in, if it is the name of an end. Every method may
    be called from any thread.

    Parameters
    ----------
    items
        What to turn; a generator is closed when the run stops.
    on_item
        Called in the thread with each item.
    on_state
        Called after each change of `state`, in the thread that made it. If it raises,
        the run fails.
    around
        Makes a context manager to work in, e.g. the caller's thread-local settings.
    """

    def __init__(
        self,
        items: Iterator[Any],
        *,
        on_item: Callable[[Any], object] = _nothing,
        on_state: Callable[[], object] = _nothing,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._items = items
        self._on_item = on_item
        self._on_state = on_state
        self._around = around
        self._state = "idle"
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._then: list[Callable[[], object]] = []
        self._thread = threading.Thread(
            target=self._turn, name="lr_widget", daemon=True
        )
        #: The exception that ended the run, or None.
        self.error: BaseException | None = None
        self._traceback: TracebackType | None = None

    def __repr__(self) -> str:
        return f"<Run {self.state}>"

    @property
    def state(self) -> str:
        """One of `STATES`."""
        return self._state

    @property
    def active(self) -> bool:
        """Whether the thread may still touch what the iterator works on."""
        return self._state in ("running", "paused", "stopping")

    def inside(self) -> bool:
        """Whether it is the run's own thread that asks."""
        return threading.current_thread() is self._thread

    def stopping(self) -> bool:
        """Whether a stop has been asked for and not yet happened."""
        return self._state == "stopping"

    def start(self) -> Run:
        """Begin turning; returns at once."""
        with self._changed:
            if self._state != "idle":
                raise RuntimeError(f"this run is {self.state}: make a new one")
            self._state = "running"
        try:
            self._thread.start()
        except Exception as error:  # there can be too many threads
            self._fail(error)
            self._shut()
            self._finish("failed")
            raise
        with _live_lock:
            _live.add(self)
        self._tell()
        return self

    def pause(self) -> None:
        """Rest before the next item; the one being made is finished."""
        self._change({"running"}, "paused")

    def resume(self) -> None:
        """Go on after a pause."""
        self._change({"paused"}, "running")

    def stop(self) -> None:
        """End before the next item; returns at once, `wait` waits for the end."""
        with self._changed:
            unborn = self._state == "idle"
            if unborn:
                self._state = "stopping"
        if unborn:
            self._shut()
            self._finish("stopped")
        else:
            self._change({"running", "paused"}, "stopping")

    def wait(self, timeout: float | None = None) -> Run:
        """Block until the run has ended; an interrupt (Ctrl-C) stops it first.

        Raises
        ------
        TimeoutError
            If it has not ended after `timeout` seconds; it goes on.
        BaseException
            What ended the run, with its traceback, if it failed.
        KeyboardInterrupt
            After the run has been stopped and everything been put back.
        """
        try:
            self._wait(timeout)
        except KeyboardInterrupt:
            self.stop()
            self._wait(None)
            raise
        return self._outcome()

    def settle(self) -> None:
        """Block until the run has ended, however; a failure is not raised here."""
        self._wait(None)

    def __await__(self) -> Generator[Any, None, Run]:
        """Wait in a coroutine; cancelling it stops the run first."""
        return self._awaited().__await__()

    async def _awaited(self) -> Run:
        try:
            await self._future()
        except asyncio.CancelledError:
            self.stop()
            await self._future()
            raise
        return self._outcome()

    def _future(self) -> asyncio.Future[None]:
        """Make a future of the running loop that is done when the run has ended."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def resolve() -> None:
            if not future.done():
                future.set_result(None)

        def tell() -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody waits
                loop.call_soon_threadsafe(resolve)

        with self._changed:
            if not self._ended.is_set():
                self._then.append(tell)
                return future
        resolve()
        return future

    def _wait(self, timeout: float | None) -> None:
        if self.inside():
            raise RuntimeError("a run cannot wait for itself: wait in another thread")
        until = math.inf if timeout is None else time.monotonic() + timeout
        # In short turns: on some systems a bare wait cannot be interrupted.
        while not self._ended.wait(max(0, min(0.1, until - time.monotonic()))):
            if time.monotonic() >= until:
                raise TimeoutError(
                    f"the run is {self.state} after {timeout:g} s: wait longer, or"
                    " stop() it"
                )

    def _outcome(self) -> Run:
        if self.error is not None:
            # As it was when it was kept: else each wait would add its own frames.
            raise self.error.with_traceback(self._traceback)
        return self

    def _turn(self) -> None:
        end = "failed"
        try:
            with self._around():
                end = self._work()
        except BaseException as error:  # of the surroundings
            self._fail(error)
            self._shut()
        self._finish(end)

    def _work(self) -> str:
        """Turn the iterator, and close it, which may be work as well."""
        try:
            end = self._loop()
        except BaseException as error:  # kept for whoever waits
            end = "failed"
            self._fail(error)
        self._shut()
        return end

    def _loop(self) -> str:
        while self._may_go_on():
            try:
                item = next(self._items)
            except StopIteration as last:
                known = isinstance(last.value, str) and last.value in ENDS
                return last.value if known else "done"
            # No time.sleep(0) to offer the GIL: torch gives it up within each step, and
            # the kernel answers as fast without; it takes 0.2 ms on Linux.
            self._on_item(item)
        return "stopped"

    def _may_go_on(self) -> bool:
        if self._state == "running":  # as nearly always; a lock takes its time
            return True
        with self._changed:
            self._changed.wait_for(lambda: self._state != "paused")
            return self._state == "running"

    def _change(self, before: set[str], after: str) -> None:
        with self._changed:
            if self._state not in before:
                return
            self._state = after
            self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        """Call `on_state`; an error in it is the run's, as long as the run goes on."""
        try:
            self._on_state()
        except BaseException as error:
            # An interrupt is for the thread that it hit.
            ours = isinstance(error, Exception) or self.inside()
            if not (ours and self._fail(error)):
                raise

    def _fail(self, error: BaseException) -> bool:
        """Keep the error, the first one, and stop; False if the run has ended."""
        with self._changed:
            if self._ended.is_set():
                return False
            if self.error is None:
                self.error, self._traceback = error, error.__traceback__
            if self._state in ("running", "paused"):
                self._state = "stopping"
                self._changed.notify_all()
            return True

    def _shut(self) -> None:
        """Close the iterator, where it can be closed."""
        items, self._items = self._items, iter(())
        try:
            getattr(items, "close", _nothing)()
        except BaseException as error:
            self._fail(error)

    def _finish(self, end: str) -> None:
        """Tell the end, or the failure if telling it failed, and wake all who wait."""
        while True:
            with self._changed:
                end = end if self.error is None else "failed"
                if self._state == end:
                    self._ended.set()
                    break
                self._state = end
            self._tell()
        then, self._then = self._then, []
        for tell in then:
            tell()
        # Whoever keeps the run does not keep what it worked on.
        self._around = nullcontext
        self._on_item = self._on_state = _nothing


@atexit.register
def _stop_all() -> None:
    """Let what is being trained be put back before the interpreter goes."""
    with _live_lock:
        runs = list(_live)
    for run in runs:
        run.stop()
    deadline = time.monotonic() + 2
    for run in runs:
        run._ended.wait(max(0, deadline - time.monotonic()))
