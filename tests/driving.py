"""Driving a finder: a loader that waits to be let on, and hands that press and type."""

import threading
from contextlib import contextmanager

import torch
from torch import nn

from lr_widget import LRFinder, Task

LONG = 20  # seconds; only ever waited for by a test that fails


def regression(seed=0):
    torch.manual_seed(seed)
    model = nn.Linear(4, 1)
    batches = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(5)]
    return model, batches


class Gate:
    """A loader whose batches wait until they are let through.

    `fault` replaces the next batch: an exception is raised, "nan" makes its loss one.
    """

    def __init__(self, batches):
        self.batches = batches
        self.asked = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.fault = None

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for inputs, targets in self.batches:
            self.asked.release()
            assert self.let.acquire(timeout=LONG)
            fault, self.fault = self.fault, None
            if isinstance(fault, BaseException):
                raise fault
            yield inputs, targets * float("nan") if fault == "nan" else targets

    def wait_until_asked(self):
        assert self.asked.acquire(timeout=LONG)

    def open(self):
        """Let everything through."""
        self.let.release(10_000)


@contextmanager
def gated_finder(num_iter):
    """A finder whose sweep goes on step by step as its gate lets it, and the gate."""
    model, batches = regression()
    gate = Gate(batches)
    finder = LRFinder(model, gate, nn.MSELoss(), num_iter=num_iter)
    yield finder, gate
    gate.open()
    finder.close()


def press(button):
    """Press a button as the browser does."""
    button._handle_custom_msg({"action": "click"}, [])


def submit(field, text):
    """Type into a field, and Enter."""
    field._handle_custom_msg({"action": "submit", "text": text}, [])


def pick(finder, lr):
    """Click the chart."""
    finder._board.picker._handle_custom_msg({"action": "pick", "lr": lr}, [])


def weights(task: Task):
    """A copy of the model's parameters."""
    return [parameter.detach().clone() for parameter in task.model.parameters()]
