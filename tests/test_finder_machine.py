"""LRFinder against a plain model of its states, in sequences nobody thought of.

The loader is a gate, so that every sequence runs the same way each time.
"""

import threading

import numpy as np
import pytest
import torch
from driving import LONG, Gate, pick, press, regression, submit, weights
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from torch import nn

from lr_widget import LRFinder
from lr_widget.run import ENDS

STEPS, EPOCH = 6, 5

NEXT = {
    "idle": {"running"},
    "running": {"paused", "stopping", *ENDS},
    "paused": {"running", "stopping", "stopped", "failed"},
    "stopping": {"stopped", "failed"},
    **{end: {"running", "idle"} for end in ENDS},
}

lrs = st.floats(1e-3, 1.0)


class Finder(RuleBasedStateMachine):
    """What is known: `state`, whether the thread waits at the gate, the points made."""

    def __init__(self):
        super().__init__()
        self.model, batches = regression()
        self.gate = Gate(batches)
        self.finder = None
        self.open_finder()

    def open_finder(self):
        loss_fn = nn.MSELoss()
        self.finder = LRFinder(self.model, self.gate, loss_fn, num_iter=STEPS)
        self.told = ["idle"]
        self.finder.observe(lambda change: self.told.append(change["new"]), "state")
        self.state, self.job, self.points, self.at_gate = "idle", None, 0, False
        self.lr, self.epochs, self.closed = None, 3, False
        self.total, self.error, self.fault = STEPS, None, None
        self.way_back, self.swept = None, []

    def teardown(self):
        self.gate.open()
        self.finder.close()

    @property
    def active(self):
        return self.state in ("running", "paused", "stopping")

    # What the thread does, once it may

    def go_on(self):
        """The thread, resting between two steps, may do the next."""
        self.at_gate = False
        if self.state == "paused":
            return
        if self.state == "stopping":
            self.ended("stopped")
        elif self.fault == "nan":
            self.ended("diverged")
        elif self.points == self.total:
            self.ended("done")
        else:
            self.gate.wait_until_asked()
            self.at_gate = True

    def ended(self, state):
        self.state, self.at_gate = state, False
        if self.job == "range test" and self.points:
            self.swept = self.shown  # one without a step leaves this one in front
        assert self.finder._run._ended.wait(LONG)
        same = all(map(torch.equal, weights(self.finder.task), self.before))
        assert same == (self.job == "range test" or not self.points)

    def begun(self, run, job, total):
        assert run is self.finder._run
        self.job, self.total, self.points, self.state = job, total, 0, "running"
        self.error = self.fault = None
        self.before = weights(self.finder.task)
        if job == "fit":
            self.way_back = self.before
        self.made = threading.Semaphore(0)
        self.shown = curve = self.finder.history if job == "fit" else self.finder.curve
        append = curve.append
        curve.append = lambda point: (append(point), self.made.release())
        self.go_on()

    # What a person does

    def refused(self):
        return "closed" if self.closed else f"the {self.job} is {self.state}"

    @rule(by_button=st.booleans())
    def run(self, by_button):
        if self.active or self.closed:
            with pytest.raises(RuntimeError, match=self.refused()):
                self.finder.range_test()
            return
        if by_button:
            press(self.finder._panel.run)
        else:
            self.finder.range_test()
        self.begun(self.finder._run, "range test", STEPS)

    @rule(by_button=st.booleans())
    def fit(self, by_button):
        if self.active or self.closed:
            with pytest.raises(RuntimeError, match=self.refused()):
                self.finder.fit_one_cycle(max_lr=0.1)
            return
        if self.lr is None:
            with pytest.raises(ValueError, match="max_lr is missing"):
                self.finder.fit_one_cycle()
            return
        if by_button:
            press(self.finder._panel.fit)
        else:
            self.finder.fit_one_cycle()
        self.begun(self.finder._run, "fit", EPOCH * self.epochs)

    @rule(by_button=st.booleans())
    def undo(self, by_button):
        if self.active or self.closed or self.way_back is None:
            with pytest.raises(RuntimeError, match=r"nothing to undo|is \w+"):
                self.finder.undo()
            return
        if by_button:
            press(self.finder._panel.undo)
        else:
            self.finder.undo()
        assert all(map(torch.equal, weights(self.finder.task), self.way_back))
        self.state, self.job, self.way_back, self.error = "idle", None, None, None

    @precondition(lambda self: self.at_gate)
    @rule()
    def step(self):
        self.gate.let.release()
        self.points += 1
        assert self.made.acquire(timeout=LONG)
        self.go_on()

    @precondition(lambda self: self.at_gate)
    @rule(kind=st.sampled_from(["nan", ValueError, SystemExit]))
    def spoil(self, kind):
        if kind == "nan":
            if self.job == "range test":
                self.fault = self.gate.fault = kind
                self.step()
            return
        self.error = self.gate.fault = kind("<b>in the loader</b>")
        self.gate.let.release()
        self.ended("failed")

    @rule()
    def pause(self):
        self.finder.pause()
        if self.state == "running":
            self.state = "paused"

    @rule()
    def resume(self):
        self.finder.resume()
        self.resumed()

    @rule()
    def press_pause(self):
        press(self.finder._panel.pause)
        if self.state == "running":
            self.state = "paused"
        else:
            self.resumed()

    def resumed(self):
        if self.state == "paused":
            self.state = "running"
            if not self.at_gate:
                self.go_on()

    @rule(by_button=st.booleans())
    def stop(self, by_button):
        if by_button:
            press(self.finder._panel.stop)
        else:
            self.finder.stop()
        if self.state in ("running", "paused"):
            self.state = "stopping"
            if not self.at_gate:
                self.go_on()

    @rule(lr=lrs, how=st.sampled_from(["click", "type", "code"]))
    def pick(self, lr, how):
        if how == "click":
            pick(self.finder, lr)
        elif how == "type":
            submit(self.finder._panel.lr, repr(lr))
        else:
            self.finder.lr = lr
        self.lr = lr

    @rule(text=st.sampled_from(["fast", "-1", "nan", "1e999"]))
    def type_nonsense(self, text):
        submit(self.finder._panel.lr, text)
        submit(self.finder._panel.epochs, text)
        if not self.closed:
            assert text in self.finder._panel.lr.error
            assert text in self.finder._panel.epochs.error

    @rule()
    def unpick(self):
        submit(self.finder._panel.lr, " ")
        self.lr = None

    @precondition(lambda self: not self.active)
    @rule(epochs=st.integers(1, 2))
    def type_epochs(self, epochs):
        submit(self.finder._panel.epochs, str(epochs))
        self.epochs = epochs

    @rule()
    def wait(self):
        run = self.finder._run
        if run is None:
            return
        if self.active:
            with pytest.raises(TimeoutError):
                run.wait(0)
        elif self.error is None:
            assert run.wait(LONG).state == self.state
        else:
            with pytest.raises(type(self.error)) as caught:
                run.wait(LONG)
            assert caught.value is self.error

    @rule()
    def close(self):
        if self.at_gate:  # the step that is being made ends once it is the last
            self.points += 1
            if self.state == "stopping":
                self.gate.let.release()
            else:
                self.finder.observe(self.let_the_last_step, "state")
        self.finder.close()
        self.closed = True
        if self.active:
            self.ended("stopped")

    def let_the_last_step(self, change):
        if change["new"] == "stopping":
            self.gate.let.release()

    @precondition(lambda self: self.closed)
    @rule()
    def open_another(self):
        self.open_finder()

    # What always holds

    @invariant()
    def the_finder_is_in_the_state_of_the_model(self):
        assert self.finder.state == self.state
        assert (self.finder._run.state if self.finder._run else "idle") == self.state
        assert self.finder.lr == self.lr
        if self.job:
            assert len(self.shown) == self.points

    @invariant()
    def the_states_told_follow_each_other_to_the_last(self):
        assert self.told[-1] == self.state
        pairs = zip(self.told, self.told[1:], strict=False)
        assert not [pair for pair in pairs if pair[1] not in NEXT[pair[0]]]

    @invariant()
    def the_widget_shows_it(self):
        if self.closed:
            return
        panel = self.finder._panel
        assert panel.run.disabled == self.active
        assert panel.fit.disabled == (self.active or self.lr is None)
        assert panel.undo.disabled == (self.active or self.way_back is None)
        assert panel.stop.disabled == (self.state not in ("running", "paused"))
        assert panel.pause.description == (
            "Resume" if self.state == "paused" else "Pause"
        )
        assert self.finder._board.picker.lr == self.lr
        assert ("&lt;b&gt;in the loader" in panel._error.value) == bool(self.error)
        if self.job and not self.active:
            chart = self.finder._board.chart
            chart = chart if self.job == "range test" else self.finder._fit_board.chart
            shown = self.shown
            if self.job == "range test" and not self.points:
                shown = self.swept
            losses = shown.losses if shown else []
            finite = np.flatnonzero(np.isfinite(losses))  # NaN is no line
            assert len(chart.raw.y) == (finite[-1] + 1 if len(finite) else 0)
            assert panel._bar.value == self.points


def test_no_sequence_of_actions_confuses_the_finder():
    run_state_machine_as_test(
        Finder, settings=settings(stateful_step_count=30, deadline=None)
    )
