"""Workbench: a widget that runs one job at a time, shows it, and takes a pick."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import ipywidgets
from traitlets import Bunch, CFloat, Unicode, observe, validate

from .audition_board import AuditionBoard
from .axis import lr_text
from .board import Board
from .bulletin import Bulletin
from .controls import parts
from .curve import Curve
from .curves import Curves, Sweep, points
from .cycle import Cycle
from .fit_board import FitBoard
from .herald import Herald
from .options import Options
from .panel import Panel
from .run import ENDS, Run
from .session import Session
from .still import Still
from .trials import Trials

#: Frames published per second at most; the last one always is. There are fewer, but one
#: a second, where they would take the CPU more than a fiftieth of the time, or of steps
#: that are shorter than a millisecond more than 1.5 us each.
_RATE, _SHARE, _BRIEF, _EACH, _SLOWEST = 15, 0.02, 1e-3, 1.5e-6, 1.0

#: The options that a file has: how a curve is drawn, not what part of it is seen.
_SAVED = ("beta", "measure", "y_log", "regions", "levels", "snap")

#: States in which nothing runs.
_AT_REST = (*ENDS, "idle")

#: Errors shown at most, the newest ones.
_ERRORS = 2


class Workbench(ipywidgets.VBox):
    """All of the finder but what its jobs do: sweeps and fits.

    It knows no torch. A job is an iterator that a `Run` turns in a thread; what becomes
    of it is painted here, at most 15 times a second, under one lock.

    Parameters
    ----------
    start_lr, end_lr
        What the chart spans before there is a curve.
    measures
        What a sweep will measure.
    surroundings, around
        Called in a thread each gives its settings, to be entered in another thread: in
        those that handle what a person does, and in that of a run.
    """

    lr = CFloat(None, allow_none=True)
    state = Unicode("idle", read_only=True)

    def __init__(
        self,
        start_lr: float,
        end_lr: float,
        measures: Iterable[str],
        surroundings: Callable[[], Callable[[], AbstractContextManager[object]]],
        around: Callable[[], Callable[[], AbstractContextManager[object]]],
    ) -> None:
        self._around, self._surroundings = around, surroundings()
        self._run: Run | None = None
        self._job, self._made, self._total = "range test", 0, 0
        self._fitting, self._auditioning, self._said = False, False, ""
        # Puts back what was before the last fit, and the history of then.
        self._way_back: tuple[Callable[[], None], Curve] | None = None
        self._picks: list[float] = []  # since the last range test, the newest last
        # When the next frame is due; when the last was shown, and after how many steps.
        self._due, self._shown = -math.inf, (-math.inf, 0)
        self._grown: Sweep | None = None
        self._closed = False
        self._errors: list[BaseException] = []
        # Guards the widgets: whoever paints holds it, so each has one writer at a time,
        # and what was painted goes to the browser as one message when it is released.
        # The observers of `state` are the user's: the herald calls them without it.
        self._lock = Bulletin()
        self._herald = Herald(self.notify_change, failed=self._report)
        self._board = Board(self._lock, start_lr, end_lr, measures, self._look_anew)
        self._fit_board = FitBoard(self._lock, self._preview)
        self._auditions = AuditionBoard()
        self._panel = Panel(self._board, self._fit_board.panel, self._auditions)
        super().__init__(self._panel.children, layout={"max_width": "1100px"})
        self._subject = ""
        self._still = Still(self.model_id, self._report)
        self.add_class("lr-widget")
        self._listen()
        self._paint()

    @property
    def curves(self) -> Curves:
        """Every range test of this finder, by name."""
        return self._board.curves

    @property
    def curve(self) -> Sweep:
        """The curve in front."""
        with self.curves.held():
            front = self.curves.front
            return Curve() if front is None else self.curves[front]

    @property
    def options(self) -> Options:
        """How the curves are drawn."""
        return self._board.options

    @property
    def cycle(self) -> Cycle:
        """How the next fit will be."""
        return self._fit_board.cycle

    @property
    def history(self) -> Curve:
        """What the last fit has come to."""
        return self._fit_board.history

    @property
    def trials(self) -> Trials | None:
        """The last audition, while it runs, too; None before there is one."""
        return self._auditions.trials

    def range_test(self) -> Run:
        """Start a sweep, as the Run button does."""
        raise NotImplementedError

    def _sweep_again(self, **arguments: Any) -> None:
        """Start a sweep that differs in these from the last."""
        raise NotImplementedError

    def fit_one_cycle(self) -> Run:
        """Start a fit, as the Fit button does."""
        raise NotImplementedError

    def audition(self) -> Run:
        """Start an audition, as the Audition button does."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Freeze, as the Freeze button does."""
        raise NotImplementedError

    def unfreeze(self) -> None:
        """Unfreeze, as the button does."""
        raise NotImplementedError

    def _preview(self) -> tuple[Any, Any]:
        """LRs and momentums of the fit that the Fit button would start."""
        raise NotImplementedError

    def _candidates(self) -> list[float]:
        """The LRs that the Audition button would try, rising.

        Raises
        ------
        ValueError
            If there is none.
        """
        raise NotImplementedError

    def _train_steps(self) -> int | None:
        """Optimizer steps of the fit that the Fit button would start; None: unknown."""
        raise NotImplementedError

    def _sweep(self) -> tuple[float, float, int]:
        """First and last LR of the next sweep, and its steps."""
        raise NotImplementedError

    def _take_sweep(self, start_lr: float, end_lr: float, num_iter: int) -> None:
        """Make these the range of the next sweep."""
        raise NotImplementedError

    def _frozen(self) -> tuple[int, int]:
        """How many param groups are frozen, of how many."""
        raise NotImplementedError

    def pause(self) -> None:
        """Rest before the next step."""
        if self._run is not None:
            self._run.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        if self._run is not None:
            self._run.resume()

    def stop(self) -> None:
        """End the run before the next step; `run.wait()` waits until it has ended."""
        if self._run is not None:
            self._run.stop()

    def undo(self) -> None:
        """Go back to before the last fit: model, optimizer, random state and history.

        Raises
        ------
        RuntimeError
            If a run is in progress, or there is no fit to go back from.
        """
        with self._lock:
            self._refuse_second()
            if self._way_back is None:
                raise RuntimeError(
                    "there is nothing to undo: no fit has been made since the last"
                    " undo, or it was made with undo=False"
                )
            put_back, history = self._way_back
            put_back()
            self._way_back = None
            self._fit_board.replace(history)
            self._forget_run("The fit is undone: the model is as it was before it.")
        self._herald.tell_all()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write curves, history, pick and settings to a JSON file."""
        with self._lock, self.curves.held():
            options = {name: getattr(self.options, name) for name in _SAVED}
            Session(
                self.curves, self.history, self.lr, self._sweep(), self.cycle, options
            ).save(path)

    def close(self) -> None:
        """Stop what runs, wait until everything is put back, and close the widget."""
        if self.comm is None:
            return
        with self._lock:
            self._closed, run = True, self._run
        if run is not None:
            run.stop()
            if not run.inside():
                run.settle()
        with self._lock:
            self._errors.clear()
            self._board.close()
            for part in parts(self, *self._panel.loose, *self._auditions.parts):
                if part is not self:
                    part.close()
            super().close()
            self._lock.close()

    def __repr__(self) -> str:
        """Short: it is what a saved notebook shows in the widget's place."""
        lr = None if self.lr is None else lr_text(self.lr)
        steps = f"step {self._made}/{self._total}"
        return f"LRFinder({self._job} {self.state}, {steps}, lr={lr})"

    def _ipython_display_(self) -> None:
        """Show the widget, and a picture where a saved notebook has no widget."""
        if self.comm is None:
            self._still.show({}, repr(self))  # closed: there is no view of it any more
            return
        view = self._repr_mimebundle_()
        kind = self._subject[:60]
        self._still.show(view, f"LRFinder({kind}): a live widget when the cell is run")
        self._show_still()

    def _listen(self) -> None:
        panel = self._panel
        panel.run.on_click(self._guarded(self.range_test))
        panel.pause.on_click(self._guarded(self._pause_or_resume))
        panel.stop.on_click(self._guarded(self.stop))
        panel.fit.on_click(self._guarded(self.fit_one_cycle))
        panel.lr.on_submit(self._guarded(self._take_lr))
        panel.undo.on_click(self._guarded(self.undo))
        panel.freeze.on_click(self._guarded(self._freeze_or_unfreeze))
        self._fit_board.listen(self._guarded, self._plan_another)
        self._board.listen(self._guarded, self._pick, self._sweep_again)
        self._auditions.listen(self._guarded, self.audition, self._pick)

    def _guarded(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """A handler of what a person does: what goes wrong is shown in the widget."""

        def handle(*said: Any) -> Any:
            try:
                with self._surroundings():
                    return action(*said)
            except (Exception, SystemExit) as error:
                self._report(error)
                return None

        return handle

    def _pick(self, lr: float) -> None:
        self.lr = lr

    def _pause_or_resume(self) -> None:
        (self.resume if self.state == "paused" else self.pause)()

    def _take_lr(self, text: str) -> None:
        try:
            lr = _checked_lr(float(text)) if text.strip() else None
        except ValueError:
            with self._lock:
                self._panel.lr.error = f"{text!r} is no learning rate: try 1e-3"
            return
        with self._lock:
            self._panel.lr.error = ""
        self.lr = lr

    def _freeze_or_unfreeze(self) -> None:
        (self.unfreeze if self._frozen()[0] else self.freeze)()

    @validate("lr")
    def _validate_lr(self, proposal: dict[str, Any]) -> float | None:
        return None if proposal["value"] is None else _checked_lr(proposal["value"])

    @observe("lr")
    def _show_lr(self, change: Bunch) -> None:
        if change["new"] is not None:
            self._picks = [lr for lr in self._picks if lr != change["new"]]
            self._picks.append(change["new"])
        self._plan_another()
        self._show_still()

    def _plan_another(self) -> None:
        """Show what has been set for the next fit."""
        with self._lock:
            self._said = ""
            if not self._closed:
                self._board.aim(self._train_steps())
            self._paint_pick()

    def _become(self, session: Session) -> None:
        """Have the curves and the history of a session; called under the lock."""
        self._way_back = None
        self._take_sweep(*session.sweep)
        self.curves.become(session.curves)
        self._fit_board.replace(session.history)
        self._auditions.begin(None)
        self._forget_run("This is what was saved: pick, run or fit from here.")

    def _become_set(self, session: Session) -> None:
        """Have its pick and settings, whose observers are called under no lock."""
        said = self._said
        self.cycle.take(session.cycle.arguments())
        for name, value in session.options.items():
            if name != "measure" or value in self.options.measures:
                self.options.set_trait(name, value)
        self.lr = session.lr
        with self._lock:
            if self._run is None:  # else an observer has started one
                self._said = said  # which the pick has cleared
                self._panel.show_hint(self._hint())

    def _forget_run(self, hint: str) -> None:
        """Have no run any more, as at the start; `hint` says why."""
        self._run, self._made, self._fitting, self._said = None, 0, False, hint
        self._auditioning = False
        self._errors.clear()
        self._set_state("idle")
        self._panel.show_rest()
        self._paint()

    def _refuse_second(self) -> None:
        if self._closed:
            raise RuntimeError("this finder is closed: make a new one")
        if self._run is not None and self._run.state not in ENDS:
            raise RuntimeError(
                f"the {self._job} is {self.state}: wait for its end, or stop() it first"
            )

    def _new_run(
        self,
        job: str,
        items: Iterator[Any],
        take: Callable[[Any], Sweep | None],
        total: int,
    ) -> Run:
        """Make a run the current one; it is started once the lock is free.

        `take` records an item, and returns the sweep that has grown by it, if one has.
        """

        def note(item: Any) -> None:
            grown = take(item)
            self._made += 1
            if grown is not self._grown:
                self._turn_to(grown)
            if time.monotonic() >= self._due:
                self._paint_frame()

        if self._run is not None and self.state != self._run.state:
            self._show_run()  # its last frame: its thread has not come to that yet
        run = Run(
            items,
            on_item=note,
            on_state=lambda: self._follow(run),
            around=self._around(),
        )
        self._run, self._job, self._made, self._total = run, job, 0, total
        self._fitting, self._auditioning, self._said = False, False, ""
        self._errors.clear()
        self._board.aim(self._train_steps())
        self._set_state("running")
        return run

    def _follow(self, run: Run) -> None:
        """Show a change of the run, and tell the observers of `state`."""
        try:
            with self._lock:
                if run is self._run:
                    if run.state in ENDS:
                        self._forget_empty()
                        self._said = self._after() if self._fitting else ""
                        if self._auditioning:
                            self._auditions.end()
                    self._show_run()
        finally:
            self._herald.tell_all()
        self._show_still()

    def _show_run(self) -> None:
        assert self._run is not None
        self._set_state(self._run.state)
        if self._run.error is not None:
            self._add_error(self._run.error)
        self._paint()

    def _set_state(self, state: str) -> None:
        """Change what `state` reads at once; its observers are told afterwards."""
        old = self.state
        if state != old:
            self._trait_values["state"] = state
            change = Bunch(name="state", old=old, new=state, owner=self, type="change")
            self._herald.add(change)

    def _report(self, error: BaseException) -> None:
        """Show an error that nobody waits for, and log it."""
        self.log.error("error in a handler or an observer", exc_info=error)
        with self._lock:
            self._add_error(error)
            if not self._closed:
                self._panel.show_error(*self._errors)

    def _add_error(self, error: BaseException) -> None:
        if not any(known is error for known in self._errors):
            self._errors = [*self._errors, error][-_ERRORS:]

    def _forget_empty(self) -> None:
        """Remove a sweep that ended before its first step: there is nothing to see."""
        with self.curves.held():
            for name, sweep in self.curves.items():
                if not points(sweep):
                    del self.curves[name]

    def _turn_to(self, sweep: Sweep | None) -> None:
        """Bring the sweep that has begun to grow to the front."""
        with self._lock, self.curves.held():
            self._grown = sweep
            if not self._closed:  # first the state, whoever paints first: it is spoken
                self._panel.show_progress(
                    self._job, self.state, self._made, self._total
                )
            self._board.grow(sweep)
            name = None if sweep is None else self.curves.name(sweep)
            if name is not None and not self.curves.hidden(name):
                self.curves.bring(name)

    def _paint_frame(self) -> None:
        """Publish a frame: what grows, and the progress."""
        with self._lock:
            if self._closed:
                return
            begun, busy = time.monotonic(), time.thread_time()
            if self._fitting:
                self._fit_board.show()
            elif self._auditioning:
                self._auditions.show()
            else:
                self._board.grow(self._grown)
            self._panel.show_progress(self._job, self.state, self._made, self._total)
        took = time.thread_time() - busy  # with the message: it is sent by now
        (since, before), self._shown = self._shown, (begun, self._made)
        step = (begun - since) / max(self._made - before, 1)
        self._due = begun + _gap(took, step)

    def _paint_pick(self) -> None:
        """Publish what depends on the pick: not the curve, nor its suggestions."""
        with self._lock:
            if self._closed:
                return
            self._panel.show_state(self.state)
            active, can_undo = self.state not in _AT_REST, self._way_back is not None
            self._fit_board.show_state(active, lr=self.lr, can_undo=can_undo)
            self._board.show_lr(self.lr)
            self._show_candidates(active)
            self._panel.show_hint(self._hint())

    def _show_candidates(self, active: bool) -> None:
        """Offer an audition of what is suggested and picked now."""
        lrs: list[float] = []
        reason, around = "", "suggestion"
        if not active:
            around = "pick" if self.curve.suggestion.lr is None else around
            try:
                lrs = self._candidates()
            except ValueError as why:
                reason = str(why)
        self._auditions.show_state(active, lrs, reason, around)
        self._auditions.show_lr(self.lr)

    def _paint(self) -> None:
        """Publish everything."""
        with self._lock:
            if self._closed:
                return
            # First what a person needs when drawing fails.
            self._panel.show_error(*self._errors)
            self._paint_pick()
            self._fit_board.show_freezing(*self._frozen())
            if self.state in ENDS:
                self._grown = None
            if self._run is not None:
                self._paint_frame()

    def _look_anew(self) -> None:
        """Follow the curves and options: another curve may be in front."""
        with self._lock:
            if not self._closed:
                active = self.state not in _AT_REST
                self._show_candidates(active)
                about_to_run = self.curves.front is not None and not points(self.curve)
                if not (active or about_to_run):
                    self._panel.show_hint(self._hint())
        self._show_still()

    def _show_still(self) -> None:
        """Keep the picture of the saved notebook up to date, between runs."""
        if self._closed or self.state not in _AT_REST or not points(self.curve):
            return
        self._still.update(self._board.poster, repr(self))

    def _after(self) -> str:
        """What there is to do after a fit; nothing, if it has failed."""
        assert self._run is not None
        come = {"done": "The model is trained.", "stopped": "What was trained stays."}
        words = come.get(self._run.state, "")
        if words:
            words += " Fit goes on from here"
            words += "." if self._way_back is None else "; Undo takes this fit back."
        return words

    def _hint(self) -> str:
        """What to do next, in a sentence."""
        if self._said:
            return self._said
        if self.state == "failed":
            return f"The {self._job} failed: the error is shown below."
        if self._run is None and not points(self.curve):
            return "Press Run: the loss is drawn while the learning rate grows."
        if not self._fitting and self.state not in _AT_REST:
            return ""
        if self.lr is None:
            if self.curve.suggestion.lr is None:
                return "No lr is suggested: do as is said above, or pick one by eye."
            return "Take a suggestion, or click the curve to pick a lr."
        return f"Picked: lr {lr_text(self.lr)}. Fit trains with it as max_lr."


def _gap(took: float, step: float) -> float:
    """Seconds to the next frame, by the CPU seconds of one and those of a step."""
    share = _SHARE if step >= _BRIEF else min(_SHARE, _EACH / max(step, 1e-9))
    return min(max(1 / _RATE, took / share), _SLOWEST)


def _checked_lr(lr: float) -> float:
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"lr must be a positive number, not {lr!r}: try 1e-3")
    return lr
