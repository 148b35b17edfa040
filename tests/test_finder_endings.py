"""However a sweep in a widget ends: nothing is left changed, and it is told."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from driving import LONG
from jupyter_client.manager import KernelManager
from subjects import changes, fingerprint, subject
from torch import nn

from lr_widget import LRFinder, Run

STEPS = 12

#: Seconds. What is to end would go on for half an hour; one takes its end a moment, but
#: the interpreter and the kernel take theirs, on a machine that does much else besides.
SOON = 15


class Loss:
    """Tells when the fifth loss is computed."""

    def __init__(self):
        self.asked, self.fifth = 0, threading.Event()

    def __call__(self, output, target):
        self.asked += 1
        if self.asked == 5:
            self.fifth.set()
        return nn.functional.cross_entropy(output, target)


@pytest.fixture
def finder():
    task = subject("cnn", "AdamW, used", loss_fn=Loss())
    finder = LRFinder(
        task.model, task.loader, task.loss_fn, task.optimizer, num_iter=STEPS
    )
    yield finder
    finder.close()


def mid_run(finder, **arguments):
    """A sweep without end, some steps after its start."""
    run = finder.range_test(end_lr=1e-5, num_iter=10**6, **arguments)
    assert finder.task.loss_fn.fifth.wait(LONG)
    return run


def to_the_end(finder):
    return finder.range_test(stop_div=False).wait(LONG).state


def stopped(finder):
    run = mid_run(finder)
    finder.stop()
    return run.wait(LONG).state


def paused_and_stopped(finder):
    run = mid_run(finder)
    finder.pause()
    finder.stop()
    return run.wait(LONG).state


def closed(finder):
    run = mid_run(finder)
    finder.close()
    return run.state


def closed_while_paused(finder):
    run = mid_run(finder)
    finder.pause()
    finder.close()
    return run.state


def interrupted(finder):
    class Telling(Run):
        waited_for = threading.Event()

        def _wait(self, timeout):
            self.waited_for.set()
            super()._wait(timeout)

    def interrupt():
        assert Telling.waited_for.wait(LONG)
        os.kill(os.getpid(), signal.SIGINT)

    run = mid_run(finder)
    run.__class__ = Telling
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run.wait(LONG)
    thread.join(LONG)
    return run.state


def three_in_a_row(finder):
    return [finder.range_test(stop_div=False).wait(LONG).state for _ in range(3)][-1]


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        (to_the_end, "done"),
        (stopped, "stopped"),
        (paused_and_stopped, "stopped"),
        (closed, "stopped"),
        (closed_while_paused, "stopped"),
        (interrupted, "stopped"),
        (three_in_a_row, "done"),
    ],
)
def test_a_sweep_leaves_no_trace(finder, ending, state):
    before = fingerprint(finder.task)
    assert ending(finder) == finder.state == state
    assert changes(before, fingerprint(finder.task)) == []


@pytest.mark.parametrize(
    "place",
    [
        ("_board", "grow"),
        ("_board", "show_lr"),
        ("_panel", "show_progress"),
        ("_panel", "show_state"),
        ("_panel", "show_hint"),
    ],
    ids=".".join,
)
@pytest.mark.parametrize("when", ["at the start", "in mid-run", "at the end", "always"])
def test_an_error_in_drawing_ends_in_failed_shown_and_raised(
    finder, place, when, monkeypatch
):
    part, method = place
    owner = getattr(finder, part)
    draw, drawn = getattr(owner, method), []

    def failing(*args, **kwargs):
        drawn.append(finder.state)
        first = len(drawn) == 1
        over = finder.state not in ("idle", "running", "failed")
        mid = finder.task.loss_fn.asked > 3
        if {"at the start": first, "in mid-run": mid, "at the end": over}.get(when, 1):
            raise ArithmeticError("<i>in drawing</i>")
        return draw(*args, **kwargs)

    monkeypatch.setattr(owner, method, failing)
    monkeypatch.setattr("lr_widget.workbench._RATE", 1e9)
    before = fingerprint(finder.task)
    run = finder.range_test()
    for _ in range(2):
        with pytest.raises(ArithmeticError, match="in drawing"):
            run.wait(LONG)
    assert run.state == finder.state == "failed"
    assert "&lt;i&gt;in drawing&lt;/i&gt;" in finder._panel._error.value
    assert changes(before, fingerprint(finder.task)) == []
    monkeypatch.undo()
    finder.range_test().wait(LONG)
    assert finder._panel._error.value == ""


# Leaving ------------------------------------------------------------------------------

SWEEPING = """
import atexit, threading, time
import torch
model = torch.nn.Linear(2, 1)
before = model.weight.detach().clone()

@atexit.register  # registered first, so called last
def tell():
    with open({told!r}, "w") as file:
        print(finder.state, torch.equal(model.weight, before), file=file)
        print(time.monotonic(), file=file)

from lr_widget import LRFinder

batch, begun = (torch.ones(4, 2), torch.ones(4, 1)), threading.Event()

class Loss(torch.nn.MSELoss):
    steps = 0
    def forward(self, output, target):
        self.steps += 1
        if self.steps == 50:
            begun.set()
        return super().forward(output, target)

finder = LRFinder(model, [batch], Loss())
other = LRFinder(torch.nn.Linear(2, 1), [batch], Loss())
run = finder.range_test(end_lr=1e-6, num_iter=10**7)
assert begun.wait(60)
{then}
"""


@pytest.mark.parametrize("then", ["", "run.pause()", "import sys; sys.exit(3)"])
def test_a_script_that_ends_in_mid_run_ends_at_once_and_in_silence(then, tmp_path):
    told = tmp_path / "told"
    code = SWEEPING.format(told=str(told), then=f"print(flush=True)\n{then}")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "\n"
        began = time.monotonic()
        assert process.wait(LONG) == (3 if "exit" in then else 0)
        assert process.stderr.read() == ""
    ended, at = told.read_text().splitlines()
    assert ended == "stopped True"
    assert float(at) - began < SOON


@pytest.mark.parametrize("then", ["", "run.pause()", "run.wait()"])
def test_a_kernel_that_is_shut_down_in_mid_run_ends_soon(then, tmp_path):
    told, log = tmp_path / "told", tmp_path / "log"
    code = textwrap.dedent(SWEEPING).format(told=str(told), then=then)
    manager = KernelManager()
    with log.open("w") as file:
        manager.start_kernel(stdout=file, stderr=file)
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        busy = then == "run.wait()"
        if busy:  # the cell goes on; an interrupt comes before the shutdown, as in Lab
            client.execute(code.replace(then, f"print('begun')\n{then}"))
            while client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
                pass
            manager.interrupt_kernel()
        else:
            reply = client.execute_interactive(code, timeout=60)
            assert reply["content"]["status"] == "ok", reply
        process = manager.provisioner.process
        began = time.monotonic()
        client.shutdown()
        process.wait(LONG)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    # A busy ipykernel has a traceback of its own to show when it is shut down.
    assert "in thread" not in log.read_text()
    assert "lr_widget" not in log.read_text()
    ended, at = told.read_text().splitlines()
    assert ended == "stopped True"
    assert float(at) - began < SOON
