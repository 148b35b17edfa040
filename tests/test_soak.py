"""Long use: nothing leaks, nothing hangs, nothing is lost. `make soak` takes longer."""

import gc
import os
import random
import threading
import weakref

import comm
import numpy as np
import pytest
import torch
from driving import LONG, regression, weights
from ipywidgets.widgets.widget import _instances
from torch import nn

from lr_widget import LRFinder
from lr_widget.line import thin
from lr_widget.run import ENDS

FULL = "SOAK" in os.environ
ROUNDS = 200 if FULL else 12
CYCLES = 1000 if FULL else 60


def held():
    """How many there are of what a finder could leave behind."""
    gc.collect()
    return {
        "threads": threading.active_count(),
        "widgets": len(_instances),
        "comms": len(comm.get_comm_manager().comms),
        "tensors": sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects()),
    }


def a_round(end):
    """Make a finder, use it in one of several ways, close it; what must be gone."""
    model, batches = regression()
    finder = LRFinder(model, batches, nn.MSELoss(), num_iter=8)
    finder.observe(lambda change: finder.lr, ["state", "lr"])
    if end == "failing":
        batches.append("no batch")
        with pytest.raises(ValueError, match="neither"):
            finder.range_test().wait(LONG)
    elif end == "in mid-run":
        finder.range_test(num_iter=10**6)
    elif end == "fitted":
        finder.range_test().wait(LONG)
        finder.lr = 1e-2
        finder.fit_one_cycle(epochs=1).wait(LONG)
    run = finder._run
    finder.close()
    if run is not None:
        run._thread.join(LONG)
    return weakref.ref(finder), weakref.ref(model), run if end != "failing" else None


def test_after_close_everything_is_released():
    ends = ["fitted", "in mid-run", "failing", "unused"]
    for end in ends:
        a_round(end)
    before, objects = held(), len(gc.get_objects())
    for i in range(ROUNDS):
        finder, model, _run = a_round(ends[i % len(ends)])
        gc.collect()
        assert finder() is None
        assert model() is None
        del _run
    assert held() == before
    # Caches of others grow a little at first; a finder is some thousand objects.
    assert len(gc.get_objects()) - objects < 300 + ROUNDS


class Loss:
    """Counts the losses it is asked for, and raises at the one it is told to."""

    def __init__(self):
        self.asked, self.fails_at, self.error = 0, None, None

    def expect(self, fails_at):
        self.asked, self.fails_at = 0, fails_at
        self.error = ArithmeticError("in the loss")

    def __call__(self, output, target):
        self.asked += 1
        if self.asked == self.fails_at:
            raise self.error
        return nn.functional.mse_loss(output, target)


class Cycles:
    """Starts and ends runs of one finder, at moments chosen at random."""

    def __init__(self, seed):
        self.choice, self.loss = random.Random(seed), Loss()
        model, batches = regression(seed)
        self.finder = LRFinder(model, batches, self.loss, end_lr=1e-3)
        self.before = weights(self.finder.task)
        self.states = []
        self.finder.observe(lambda change: self.states.append(change["new"]), "state")

    def one(self):
        choice, finder = self.choice, self.finder
        self.states.clear()
        self.loss.expect(choice.randrange(1, 30) if choice.random() < 0.1 else None)
        run = finder.range_test(num_iter=choice.choice([5, 100, 10**6]))
        for _ in range(choice.randrange(8)):
            choice.choice([finder.pause, finder.resume, finder.resume])()
            if choice.random() < 0.3:
                # A random moment; it is cut short when the run ends by itself.
                run._ended.wait(choice.random() * 0.01)
        finder.stop()
        assert run._ended.wait(LONG)
        if run.error is not None:
            with pytest.raises(ArithmeticError) as caught:
                run.wait(LONG)
            assert caught.value is self.loss.error
            assert "in the loss" in finder._panel._error.value
        self.check(run)

    def check(self, run):
        finder, failed = self.finder, run.error is not None
        assert run.state == finder.state == self.states[-1]
        assert run.state in ENDS
        assert self.states[0] == "running"
        assert failed == (self.loss.asked == self.loss.fails_at)
        made = self.loss.asked - failed
        assert finder._panel._bar.value == made
        # A sweep without a step is not kept: the one before is in front again.
        made = made or len(finder.curve)
        assert len(finder.curve) == made
        drawn = thin(finder.curve.lrs, finder.curve.losses)
        assert np.array_equal(finder._board.chart.raw.x, drawn[0])
        assert np.array_equal(finder._board.chart.raw.y, drawn[1])
        assert all(map(torch.equal, weights(finder.task), self.before))


def test_a_finder_is_started_and_stopped_at_random_moments():
    cycles = Cycles(0)
    for _ in range(CYCLES):
        cycles.one()
    cycles.finder.close()


def test_eight_finders_at_once():
    all_cycles, errors = [Cycles(seed) for seed in range(8)], []

    def drive(cycles):
        try:
            for _ in range(CYCLES // 8):
                cycles.one()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=drive, args=[cycles]) for cycles in all_cycles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG * (CYCLES // 8))  # each cycle may take so long
        assert not thread.is_alive()
    assert errors == []
    for cycles in all_cycles:
        cycles.finder.close()
