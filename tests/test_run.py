"""Run: any iterator in a thread that can be paused, stopped and waited for."""

import asyncio
import gc
import os
import queue
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import weakref
from contextlib import contextmanager

import pytest

from lr_widget import Run
from lr_widget.run import ENDS, STATES

LONG = 20  # seconds; only ever waited for by a test that fails


class Belt:
    """A generator under the test's control: one order in, one item out.

    A string ends it with that value, an exception is raised in it.
    """

    def __init__(self):
        self.orders = queue.Queue()
        self.asked = threading.Semaphore(0)
        self.closed_in = []
        self.items = self._items()

    def _items(self):
        try:
            while True:
                self.asked.release()
                order = self.orders.get(timeout=LONG)
                if isinstance(order, BaseException):
                    raise order
                if isinstance(order, (str, list)):
                    return order
                yield order
        finally:
            self.closed_in.append(threading.current_thread())

    def wait_until_asked(self):
        assert self.asked.acquire(timeout=LONG)


@pytest.fixture
def belt():
    return Belt()


def counting(stop=None):
    number = 0
    while number != stop:
        yield number
        number += 1


def endless(closed=None):
    """Items for ever; `closed` is set when it has been closed."""
    try:
        yield from counting()
    finally:
        if closed is not None:
            closed.set()


def under_way(items, kind=Run):
    """A run that has handed out an item, so that its generator has begun."""
    begun = threading.Event()
    run = kind(items, on_item=lambda _: begun.set()).start()
    assert begun.wait(LONG)
    return run


# Start and end ------------------------------------------------------------------------


def test_a_run_hands_every_item_to_on_item_in_order():
    seen = []
    run = Run(counting(5), on_item=seen.append)
    assert run.start().wait(LONG) is run
    assert (seen, run.state, run.error) == ([0, 1, 2, 3, 4], "done", None)


def test_start_returns_at_once(belt):
    run = Run(belt.items).start()
    belt.wait_until_asked()
    assert run.state == "running"
    assert run.active
    belt.orders.put("")
    run.wait(LONG)
    assert not run.active


def test_a_run_that_has_not_started_is_idle_and_has_asked_for_nothing(belt):
    run = Run(belt.items)
    assert run.state == "idle"
    assert not run.active
    assert not belt.asked.acquire(blocking=False)


def test_items_are_made_in_a_daemon_thread(belt):
    seen = []
    run = Run(belt.items, on_item=lambda _: seen.append(threading.current_thread()))
    run.start()
    belt.orders.put(1)
    belt.orders.put("")
    run.wait(LONG)
    assert seen == belt.closed_in
    assert seen[0] is not threading.current_thread()
    assert seen[0].daemon


def test_any_iterator_can_be_run():
    seen = []
    Run(iter([1, 2]), on_item=seen.append).start().wait(LONG)
    assert seen == [1, 2]


@pytest.mark.parametrize("end", sorted(ENDS))
def test_what_a_generator_returns_is_the_state_it_ends_in(belt, end):
    belt.orders.put(end)
    assert Run(belt.items).start().wait(LONG).state == end


@pytest.mark.parametrize("value", ["", "running", ["unhashable"]])
def test_a_generator_that_returns_something_else_is_done(belt, value):
    belt.orders.put(value)
    assert Run(belt.items).start().wait(LONG).state == "done"


def test_a_run_cannot_start_twice(belt):
    run = Run(belt.items).start()
    with pytest.raises(RuntimeError, match="this run is running: make a new one"):
        run.start()
    belt.orders.put("")
    run.wait(LONG)
    with pytest.raises(RuntimeError, match="this run is done: make a new one"):
        run.start()


def test_the_repr_tells_the_state(belt):
    assert repr(Run(belt.items)) == "<Run idle>"


# Pause, resume, stop ------------------------------------------------------------------


def test_a_paused_run_finishes_its_item_and_asks_for_no_other(belt):
    seen = queue.Queue()
    run = Run(belt.items, on_item=seen.put).start()
    belt.wait_until_asked()
    run.pause()
    assert run.state == "paused"
    belt.orders.put(1)
    assert seen.get(timeout=LONG) == 1
    assert not belt.asked.acquire(timeout=0.05)
    run.resume()
    belt.wait_until_asked()
    assert run.state == "running"
    belt.orders.put("")
    run.wait(LONG)


def test_stop_closes_the_generator_in_the_thread_that_ran_it(belt):
    seen = []
    run = Run(belt.items, on_item=lambda _: seen.append(threading.current_thread()))
    run.start()
    belt.wait_until_asked()
    run.stop()
    assert run.state == "stopping"
    assert run.stopping()
    belt.orders.put(1)
    assert run.wait(LONG).state == "stopped"
    assert belt.closed_in == seen
    assert not run.stopping()


def test_a_paused_run_can_be_stopped(belt):
    closed = threading.Event()
    run = under_way(endless(closed))
    run.pause()
    run.stop()
    assert run.wait(LONG).state == "stopped"
    assert closed.is_set()


def test_a_run_that_was_stopped_before_its_start_never_starts(belt):
    run = Run(belt.items)
    run.stop()
    assert run.state == "stopped"
    assert run.wait(LONG).state == "stopped"
    with pytest.raises(RuntimeError, match="this run is stopped: make a new one"):
        run.start()
    assert not belt.asked.acquire(blocking=False)


def test_an_iterator_without_close_can_be_stopped():
    run = Run(iter(int, 1)).start()
    run.stop()
    assert run.wait(LONG).state == "stopped"


@pytest.mark.parametrize("call", ["pause", "resume", "stop"])
def test_nothing_changes_a_run_that_has_ended(call):
    run = Run(counting(1)).start().wait(LONG)
    getattr(run, call)()
    assert run.state == "done"


@pytest.mark.parametrize("call", ["pause", "resume"])
def test_an_idle_run_stays_idle(belt, call):
    run = Run(belt.items)
    getattr(run, call)()
    assert run.state == "idle"


def test_a_stopping_run_cannot_be_resumed(belt):
    run = Run(belt.items).start()
    belt.wait_until_asked()
    run.stop()
    run.resume()
    run.pause()
    assert run.state == "stopping"
    belt.orders.put(1)
    assert run.wait(LONG).state == "stopped"


def test_a_run_may_be_stopped_from_on_item():
    seen = []

    def take(item):
        seen.append(item)
        if item == 3:
            run.stop()

    run = Run(counting(), on_item=take)
    assert run.start().wait(LONG).state == "stopped"
    assert seen == [0, 1, 2, 3]


def test_on_state_is_told_of_every_state_in_order(belt):
    states = []
    run = Run(belt.items, on_state=lambda: states.append(run.state))
    run.start()
    belt.wait_until_asked()
    run.pause()
    run.resume()
    run.stop()
    belt.orders.put(1)
    run.wait(LONG)
    assert states == ["running", "paused", "running", "stopping", "stopped"]
    assert set(states) < set(STATES)


def test_on_state_is_told_of_the_end_before_wait_returns():
    states = []

    def told():
        states.append(run.state)

    for _ in range(50):
        run = Run(counting(1), on_state=told)
        run.start().wait(LONG)
        assert states[-1] == "done"
        states.clear()


# Waiting ------------------------------------------------------------------------------


def test_wait_gives_up_after_its_timeout_and_the_run_goes_on(belt):
    run = Run(belt.items).start()
    with pytest.raises(
        TimeoutError, match=r"the run is running after 0\.01 s: wait lo"
    ):
        run.wait(0.01)
    assert run.state == "running"
    belt.orders.put("")
    assert run.wait(LONG).state == "done"


def test_wait_with_timeout_zero_only_looks(belt):
    run = Run(belt.items).start()
    with pytest.raises(TimeoutError):
        run.wait(0)
    belt.orders.put("")
    run.wait(LONG)
    assert run.wait(0) is run


def test_a_run_cannot_wait_for_itself():
    run = Run(counting(1), on_item=lambda _: run.wait())
    with pytest.raises(RuntimeError, match="a run cannot wait for itself"):
        run.start().wait(LONG)


def test_many_threads_can_wait_for_one_run(belt):
    run, ended = Run(belt.items).start(), queue.Queue()
    threads = [
        threading.Thread(target=lambda: ended.put(run.wait(LONG).state))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    belt.orders.put("diverged")
    assert [ended.get(timeout=LONG) for _ in threads] == ["diverged"] * 8
    for thread in threads:
        thread.join()


def test_a_run_can_be_awaited(belt):
    async def main():
        run = Run(belt.items).start()
        belt.orders.put("diverged")
        assert await run is run
        assert await run is run  # it has ended already
        return run.state

    assert asyncio.run(main()) == "diverged"


def test_the_event_loop_goes_on_while_a_run_is_awaited(belt):
    async def main():
        run = Run(belt.items).start()
        waiting = asyncio.ensure_future(run)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        belt.orders.put("")
        return (await waiting).state

    assert asyncio.run(main()) == "done"


def test_cancelling_an_await_stops_the_run_first():
    closed = threading.Event()

    async def main():
        run = under_way(endless(closed))
        waiting = asyncio.ensure_future(run)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return run.state

    assert asyncio.run(main()) == "stopped"
    assert closed.is_set()


def test_a_timeout_around_an_await_stops_the_run():
    async def main():
        run = under_way(endless())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run, 0.01)
        return run.state

    assert asyncio.run(main()) == "stopped"


def test_two_coroutines_can_await_one_run(belt):
    async def main():
        run = Run(belt.items).start()
        both = asyncio.gather(run, run)
        await asyncio.sleep(0)
        belt.orders.put("")
        return [r.state for r in await both]

    assert asyncio.run(main()) == ["done", "done"]


# Errors -------------------------------------------------------------------------------


def failing():
    yield 1
    deep_inside()


def deep_inside():
    raise ZeroDivisionError("in the model")


def frames(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_an_error_is_raised_again_by_wait_with_its_traceback():
    run = Run(failing()).start()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="in the model") as caught:
            run.wait(LONG)
        assert caught.value is run.error
        assert frames(caught.value)[-2:] == ["failing", "deep_inside"]
    assert run.state == "failed"


def test_an_error_is_raised_again_by_await_with_its_traceback():
    async def main():
        await Run(failing()).start()

    with pytest.raises(ZeroDivisionError, match="in the model") as caught:
        asyncio.run(main())
    assert frames(caught.value)[-2:] == ["failing", "deep_inside"]


def test_settle_waits_for_a_failed_run_without_raising():
    run = Run(failing()).start()
    run.settle()
    assert isinstance(run.error, ZeroDivisionError)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError])
def test_an_error_of_any_kind_is_kept(belt, error):
    belt.orders.put(error())
    run = Run(belt.items).start()
    with pytest.raises(error):
        run.wait(LONG)
    assert run.state == "failed"


def test_an_error_in_on_item_closes_the_generator_and_is_kept():
    closed = threading.Event()
    run = Run(endless(closed), on_item=lambda _: deep_inside()).start()
    with pytest.raises(ZeroDivisionError):
        run.wait(LONG)
    assert closed.is_set()
    assert run.state == "failed"


def test_an_error_while_the_generator_is_closed_is_kept():
    def items():
        try:
            yield from counting()
        finally:
            deep_inside()

    seen = threading.Event()
    run = Run(items(), on_item=lambda _: seen.set()).start()
    assert seen.wait(LONG)
    run.stop()
    with pytest.raises(ZeroDivisionError):
        run.wait(LONG)
    assert run.state == "failed"


def test_an_error_of_the_surroundings_is_kept(belt):
    run = Run(belt.items, around=deep_inside).start()
    with pytest.raises(ZeroDivisionError):
        run.wait(LONG)
    assert run.state == "failed"


@pytest.mark.parametrize(
    ("when", "error"),
    [
        ("running", ZeroDivisionError),
        ("done", ZeroDivisionError),
        ("done", SystemExit),
    ],
)
def test_an_error_in_on_state_fails_the_run_and_is_raised_by_wait(when, error):
    states, started = [], threading.Event()

    def told():
        states.append(run.state)
        started.set()
        if run.state == when:
            raise error

    def items():
        assert started.wait(LONG)  # else it may be done before start() has told
        yield from counting(None if when == "running" else 1)

    run = Run(items(), on_state=told)
    run.start()
    for _ in range(2):
        with pytest.raises(error):
            run.wait(LONG)
    assert states == [*dict.fromkeys(["running", when]), "failed"]


def test_an_interrupt_in_on_state_is_for_the_thread_that_it_hit(belt):
    def told():
        if run.state == "paused":
            raise KeyboardInterrupt

    run = Run(belt.items, on_state=told)
    run.start()
    with pytest.raises(KeyboardInterrupt):
        run.pause()
    run.stop()
    belt.orders.put(1)
    assert run.wait(LONG).state == "stopped"


def test_an_error_in_on_state_at_every_state_keeps_the_first_and_ends_the_run(belt):
    errors = []

    def told():
        errors.append(ValueError(run.state))
        raise errors[-1]

    run = Run(belt.items, on_state=told)
    run.start()
    belt.orders.put(1)
    with pytest.raises(ValueError, match="running") as caught:
        run.wait(LONG)
    assert caught.value is errors[0]
    assert run.state == "failed"


def test_an_error_in_on_state_of_a_pause_fails_the_run_and_not_the_pause(belt):
    def told():
        if run.state == "paused":
            deep_inside()

    run = Run(belt.items, on_state=told)
    run.start()
    belt.wait_until_asked()
    run.pause()
    belt.orders.put(1)
    with pytest.raises(ZeroDivisionError):
        run.wait(LONG)
    assert run.state == "failed"


def test_the_traceback_does_not_grow_with_each_wait():
    run, depths = Run(failing()).start(), set()
    for _ in range(5):
        with pytest.raises(ZeroDivisionError) as caught:
            run.wait(LONG)
        depths.add(len(frames(caught.value)))
    assert len(depths) == 1


def test_an_error_while_an_unstarted_run_is_closed_is_kept():
    class Items:
        def __iter__(self):
            return self

        def __next__(self):
            return 1

        def close(self):
            deep_inside()

    run = Run(Items())
    run.stop()
    with pytest.raises(ZeroDivisionError):
        run.wait(LONG)
    assert run.state == "failed"


def test_an_ended_run_keeps_nothing_of_what_it_worked_on():
    class Model:
        def items(self):
            yield from counting(3)

        def told(self, *_):
            pass

    model = Model()
    gone = weakref.ref(model)
    run = Run(model.items(), on_item=model.told, on_state=model.told).start()
    run.wait(LONG)
    run._thread.join(LONG)
    del model
    gc.collect()
    assert gone() is None


def test_the_surroundings_are_entered_and_left_in_the_thread():
    log = []

    @contextmanager
    def around():
        log.append(("in", threading.current_thread()))
        yield
        log.append(("out", threading.current_thread()))

    run = Run(
        counting(1),
        on_item=lambda _: log.append(("item", threading.current_thread())),
        around=around,
    )
    run.start().wait(LONG)
    assert [word for word, _ in log] == ["in", "item", "out"]
    assert len({thread for _, thread in log}) == 1


# Interrupts and exits -----------------------------------------------------------------


class Telling(Run):
    """Tells when somebody waits, so that an interrupt hits nothing else."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.waited_for = threading.Event()

    def _wait(self, timeout):
        self.waited_for.set()
        super()._wait(timeout)


def interrupted_in_wait(run, *timeout):
    """Wait for a run, and press Ctrl-C once the wait has begun."""

    def interrupt():
        assert run.waited_for.wait(LONG)
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        run.wait(*timeout)
    interrupting.join()


@pytest.mark.parametrize("timeout", [None, LONG])
def test_an_interrupt_in_wait_stops_the_run_closes_and_is_raised(timeout):
    closed = threading.Event()
    run = under_way(endless(closed), Telling)

    interrupted_in_wait(run, timeout)
    assert run.state == "stopped"
    assert closed.is_set()


def test_an_interrupt_in_the_wait_for_a_paused_run_stops_it():
    run = under_way(endless(), Telling)
    run.pause()

    interrupted_in_wait(run)
    assert run.state == "stopped"


EXITING = """
    import atexit, sys, threading
    import torch
    batch = torch.ones(4, 2), torch.ones(4, 1)
    models = [torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)]
    before = [model.weight.detach().clone() for model in models]

    def same():
        return [torch.equal(m.weight, w) for m, w in zip(models, before)]

    @atexit.register  # registered first, so called last
    def tell():
        print(same(), [run.state for run in runs], flush=True)

    from lr_widget import Run, Task, range_test

    runs = []
    for model in models:
        task = Task(model, [batch], torch.nn.MSELoss(), device="cpu")
        points = range_test(task, start_lr=1e-3, end_lr=1.0, num_iter=10**6)
        middle = threading.Event()
        run = Run(points, on_item=lambda p: p.step == 20 and middle.set())
        runs.append(run.start())
        assert middle.wait(60)
    run.pause()
    print(same(), run.state, flush=True)
    {leave}
"""


@pytest.mark.parametrize(
    ("leave", "code"), [("pass", 0), ("sys.exit(3)", 3)], ids=["end", "sys.exit"]
)
def test_a_process_that_exits_in_mid_run_puts_everything_back(leave, code):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(EXITING).format(leave=leave)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "[False, False] paused\n"
        began = time.monotonic()
        told = process.stdout.readline()
        assert told == "[True, True] ['stopped', 'stopped']\n"
        assert time.monotonic() - began < 3  # the interpreter's own end may take longer
        assert process.wait(LONG) == code
        assert process.stderr.read() == ""


# Many threads -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_a_run_that_four_threads_quarrel_over_ends_properly(seed):
    closed_in, turned_in, begun = [], set(), threading.Event()

    def items():
        try:
            begun.set()
            yield from counting()
        finally:
            closed_in.append(threading.current_thread())

    states = []
    run = Run(
        items(),
        on_item=lambda _: turned_in.add(threading.current_thread()),
        on_state=lambda: states.append(run.state),
    )
    begin = threading.Barrier(4)
    errors = []

    def quarrel(number):
        choice = random.Random(10 * seed + number)
        try:
            begin.wait(LONG)
            for _ in range(200):
                getattr(run, choice.choice(["pause", "resume", "resume"]))()
            run.stop()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=quarrel, args=[n]) for n in range(4)]
    run.start()
    assert begun.wait(LONG)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert run.wait(LONG).state == "stopped"
    assert errors == []
    assert len(closed_in) == 1
    assert turned_in <= set(closed_in)
    assert states[-1] == "stopped"


def test_a_run_that_was_dropped_goes_on_to_its_end():
    ended = threading.Event()

    def items():
        yield from counting(100)
        ended.set()

    Run(items()).start()
    gc.collect()
    assert ended.wait(LONG)
