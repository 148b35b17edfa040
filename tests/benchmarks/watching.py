"""What watching costs: a finder in a real JupyterLab, in Chromium, on this machine.

Kernel, server and browser share its cores, as on a laptop.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from .figure import Absent, Figure

TITLE = "Watched in JupyterLab, in Chromium"

# Beside this folder, whether it is called `benchmarks` or `tests.benchmarks`.
_BROWSER = f"{(__package__ or '').removesuffix('benchmarks')}browser"

#: Lengths of the curve that grows.
LENGTHS = (10**2, 10**4, 10**6)

SETUP = """
import threading, time
import numpy as np, torch
from torch import nn
from lr_widget import Curve, LRFinder, Point

torch.set_num_threads(1)
torch.manual_seed(0)

def mlp():
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 64), nn.ReLU(),
                          nn.Linear(64, 1))
    batches = [(torch.randn(64, 20), torch.randn(64, 1)) for _ in range(100)]
    return model, batches, nn.MSELoss()

def cnn():
    model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(),
                          nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                          nn.MaxPool2d(4), nn.Flatten(), nn.Linear(4096, 10))
    batches = [(torch.randn(16, 3, 32, 32), torch.randint(10, (16,)))
               for _ in range(100)]
    return model, batches, nn.CrossEntropyLoss()

def finder_of(model, batches, loss_fn):
    optimizer = torch.optim.Adam(model.parameters())
    return LRFinder(model, batches, loss_fn, optimizer,
                    start_lr=1e-7, end_lr=1e-3, num_iter=1_000_000)

finder, images = finder_of(*mlp()), finder_of(*cnn())

def bare(finder, steps):
    '''Seconds of as many steps, in a thread of their own, as a sweep's are.'''
    took = []
    thread = threading.Thread(target=lambda: took.append(trained(finder, steps)))
    thread.start()
    thread.join()
    return took[0]

def trained(finder, steps):
    '''Seconds of as many steps of the same model on the same batches.'''
    task = finder.task
    batches = task.loader
    begun = time.perf_counter()
    losses = []
    for i in range(steps):
        x, y = batches[i % len(batches)]
        task.optimizer.zero_grad()
        loss = task.loss_fn(task.model(x), y)
        loss.backward()
        task.optimizer.step()
        losses.append(loss.item())
    return time.perf_counter() - begun

def watched(finder, steps):
    '''Seconds of a sweep, from the call to where all is put back.'''
    begun = time.perf_counter()
    finder.range_test(num_iter=steps, stop_div=False).wait()
    took = time.perf_counter() - begun
    for name in [*finder.curves]:
        del finder.curves[name]
    return took

def noting(finder, steps):
    '''CPU seconds that the run's thread spends on what is not the sweep itself.'''
    make, spent, clock = finder._new_run, [0.0, 0.0], time.thread_time

    def timed(*args):
        run = make(*args)
        note = run._on_item

        def on_item(item):
            begun = clock()
            noted = clock()  # what looking at the clock costs
            note(item)
            spent[0] += clock() - noted
            spent[1] += noted - begun

        run._on_item = on_item
        return run

    finder._new_run = timed
    try:
        watched(finder, steps)
    finally:
        del finder._new_run
    return spent[0] - spent[1]

def grown(length):
    '''A sweep that has made so many steps already.'''
    loss = {"step": [*range(length)], "lr": np.geomspace(1e-7, 1.0, length).tolist(),
            "value": (np.random.default_rng(0).random(length) + 1).tolist()}
    curve = Curve.of({"num_iter": None, "measures": {"loss": loss}, "epochs": []})
    curve.smooth(finder.options.beta)
    return curve

def stream(length, seconds):
    '''Start a run that adds points to a curve that is long already.'''
    curve = grown(length)

    def points():
        until, i = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            time.sleep(0.01)  # so few that a curve stays about as long
            yield Point(length + i, 1.0 + 1e-6 * (i + 1), 1 + 0.618034 * i % 1)
            i += 1
        return "done"

    def take(point):
        curve.append(point)
        return curve

    with finder._lock:
        finder._board.plan(1e-7, 10.0)
        finder.curves.add(curve, None)
        return finder._new_run("range test", points(), take, length + 100_000).start()

def clear():
    for name in [*finder.curves]:
        del finder.curves[name]

picked, ended = [], []
finder.observe(lambda change: picked.append(time.time()), "lr")
finder.observe(lambda change: change["new"] == "stopped" and ended.append(time.time()),
               "state")
"""

# The kernel's messages that the page receives: when, and with `weigh` how heavy.
COUNT = """weigh => {
  const panel = window.jupyterapp.shell.currentWidget;
  window.received = [];
  window.uncount?.();
  const {kernel} = panel.sessionContext.session;
  const note = (_, message) => {
    if (message.header.msg_type !== 'comm_msg') return;
    const bytes = weigh ? JSON.stringify(message.content).length
      + (message.buffers ?? []).reduce((sum, part) => sum + part.byteLength, 0) : 0;
    window.received.push(bytes);
  };
  kernel.iopubMessage.connect(note);
  window.uncount = () => kernel.iopubMessage.disconnect(note);
}"""

# When a person did something, by the clock that the kernel has too.
CLICKS = """() => {
  window.clicks = [];
  for (const type of ['pointerup', 'click']) {
    document.addEventListener(type, () => window.clicks.push([type, Date.now()]), true);
  }
}"""


class Tries(NamedTuple):
    """How long, and how often."""

    laps: int
    steps: int
    images: int
    seconds: float
    asks: int
    clicks: int
    stops: int


_LONG = Tries(9, 2000, 60, 8.0, 200, 40, 10)
_SHORT = Tries(1, 200, 3, 1.0, 10, 3, 1)


def measure(short: bool) -> list[Figure]:
    """Everything that a person who watches might notice.

    Raises
    ------
    Absent
        If there is no Chromium, or the browser half is not installed.
    """
    tries = _SHORT if short else _LONG
    with watching() as watch:
        return [
            *watch.ratios(tries),
            watch.noting(tries),
            *watch.messages(tries),
            *watch.main_thread(tries),
            *watch.answers(tries),
        ]


@contextmanager
def watching() -> Iterator[Watch]:
    """A finder on a page of JupyterLab, in view."""
    try:
        sync = import_module("playwright.sync_api")
        chromium = import_module(f"{_BROWSER}.chromium")
        notebook = import_module(f"{_BROWSER}.notebook")
        server = import_module(f"{_BROWSER}.server")
        widget = import_module(f"{_BROWSER}.widget")
    except ImportError as error:
        raise Absent(f"{error}: pip install -e .[dev]") from error
    with tempfile.TemporaryDirectory() as home, sync.sync_playwright() as playwright:
        try:
            path = chromium.executable(playwright)
        except FileNotFoundError as error:
            raise Absent(str(error)) from error
        browser = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        jupyter = server.JupyterServer(Path(home), "lab")
        try:
            name = jupyter.add_notebook([SETUP, "finder"])
            page = notebook.NotebookPage(browser, jupyter, name)
            try:
                page.open()
                page.run_all()
                page.wait_for_idle()
                yield Watch(page, widget.FinderWidget(page))
            finally:
                page.close()
        finally:
            jupyter.stop()
            browser.close()


class Watch:
    """What is measured of a finder on a page."""

    def __init__(self, page: Any, finder: Any) -> None:
        self.page, self.finder = page, finder
        self.tab, self.kernel = page.page, page.kernel
        self.tab.evaluate(CLICKS)
        self.devtools = page.context.new_cdp_session(self.tab)
        self.devtools.send("Performance.enable")

    def ratios(self, tries: Tries) -> list[Figure]:
        """A watched sweep to a bare loop in the same kernel, in turn."""
        figures = []
        for name, what, steps, target in (
            ("finder", "tiny MLP", tries.steps, 1.15),
            ("images", "CNN", tries.images, 1.03),
        ):
            if name == "images":  # the widget in view is that which runs
                self._show("images")
            ratios, bare = [], []
            self._value(f"bare({name}, {max(2, steps // 10)})")
            for _ in range(tries.laps):
                bare.append(self._value(f"bare({name}, {steps})"))
                ratios.append(self._value(f"watched({name}, {steps})") / bare[-1])
            ms = 1e3 * statistics.median(bare) / steps
            note = f"{ms:.2f} ms a step, {tries.laps} laps, setting up and back too"
            subject = f"{what}, {steps:,} steps"
            ratio = statistics.median(ratios)
            figures.append(
                Figure(subject, "lr_widget", ratio, "x bare", target, note=note)
            )
        self._show("finder")
        return figures

    def noting(self, tries: Tries) -> Figure:
        """What recording and publishing cost a step of the MLP, in the kernel."""
        steps = 2 * tries.steps  # opening the marks of a new curve is in it, once
        costs = [self._value(f"noting(finder, {steps})") for _ in range(tries.laps)]
        us = 1e6 * _median(costs) / steps
        subject = f"tiny MLP, {steps:,} steps"
        note = "CPU time of the run's thread, to record and to publish"
        return Figure(subject, "lr_widget", us, "us a step", 5.0, note=note)

    def messages(self, tries: Tries) -> list[Figure]:
        """Messages and bytes, counted where the page receives them."""
        figures = []
        for length in LENGTHS:
            self._stream(length, tries.seconds)
            self.tab.evaluate(COUNT, True)
            begun = time.monotonic()
            self.tab.wait_for_timeout(1e3 * tries.seconds * 0.8)
            received = self.tab.evaluate("window.received")
            seconds = time.monotonic() - begun
            self._settle()
            subject = f"{length:,} steps"
            rate = len(received) / seconds
            figures += [
                Figure(subject, "lr_widget", rate, "messages/s", 15.0),
                Figure(subject, "lr_widget", _median(received) / 1e3, "kB a frame"),
            ]
        return figures

    def main_thread(self, tries: Tries) -> list[Figure]:
        """Milliseconds of the page's main thread for each frame while it streams.

        Without what the page is busy with anyway, such as the blinking of a cursor.
        """
        figures = []
        idle, seconds = self._work(), 2.0
        self.tab.evaluate("window.received = []")
        self.tab.wait_for_timeout(1e3 * seconds)
        anyway = (self._work()[0] - idle[0]) / seconds
        for length in (LENGTHS[0], LENGTHS[-1]):
            self._stream(length, tries.seconds)
            self.tab.evaluate(COUNT, False)
            tasks, scripts = [], []
            before, at = self._work(), time.monotonic()
            until = at + tries.seconds * 0.8
            while time.monotonic() < until:
                self.tab.wait_for_timeout(800)
                after, now = self._work(), time.monotonic()
                frames = after[2] - before[2]
                if frames:
                    busy = after[0] - before[0] - anyway * (now - at)
                    tasks.append(1e3 * busy / frames)
                    scripts.append(1e3 * (after[1] - before[1]) / frames)
                before, at = after, now
            self._settle()
            subject = f"{length:,} steps"
            note = f"script {_median(scripts):.1f} ms; median of {len(tasks)} windows;"
            note += f" besides, the page takes {1e3 * anyway:.0f} ms a second"
            ms = _median(tasks)
            figures.append(
                Figure(subject, "lr_widget", ms, "ms a frame", 16.0, note=note)
            )
        return figures

    def answers(self, tries: Tries) -> list[Figure]:
        """How long a person waits for the kernel while a sweep of the MLP runs."""
        self._start()
        asked = []
        for _ in range(tries.asks):
            begun = time.perf_counter()
            self.kernel.exec("1+1")
            asked.append(1e3 * (time.perf_counter() - begun))
        places = [0.2 + 0.6 * i / tries.clicks for i in range(tries.clicks)]
        clicked = [self._pick(place) for place in places]
        stopped = [self._stop()]
        for _ in range(tries.stops - 1):
            self._start()
            stopped.append(self._stop())
        who, n = "lr_widget", len
        return [
            Figure("1+1, p50", who, _median(asked), "ms", note=f"{n(asked)} times"),
            Figure("1+1, p95", who, _high(asked), "ms", 50.0),
            Figure("click to lr, p50", who, _median(clicked), "ms"),
            Figure("click to lr, p95", who, _high(clicked), "ms", 150.0),
            Figure(
                "Stop to stopped, longest",
                who,
                max(stopped),
                "ms",
                200.0,
                note=f"{n(stopped)} times; the weights are as before each",
            ),
        ]

    def _value(self, expression: str) -> Any:
        """Its value; the kernel may be busy with it for minutes."""
        return self.kernel.eval(expression, timeout=600)

    def _show(self, name: str) -> None:
        """Have the widget of this finder in view."""
        self.page.add_cell_and_run(name)
        cell = self.page.cell(-1)
        cell.scroll_into_view_if_needed()
        cell.locator(".lr-widget").wait_for()

    def _stream(self, length: int, seconds: float) -> None:
        self.finder.root.scroll_into_view_if_needed()
        # What it takes to make the curve comes before; a second for it to be drawn.
        self.kernel.exec(f"run = stream({length}, {seconds + 1})", timeout=120)
        self.page.wait_for_kernel("len(finder.curve) > 0 and run.active")
        self.tab.wait_for_timeout(1000)

    def _settle(self) -> None:
        self.kernel.exec("run.settle(); clear()", timeout=120)
        self.tab.evaluate("window.uncount()")

    def _work(self) -> tuple[float, float, int]:
        """Seconds of all tasks and of scripts so far, and frames that have come."""
        found = self.devtools.send("Performance.getMetrics")["metrics"]
        seconds = {metric["name"]: metric["value"] for metric in found}
        frames = self.tab.evaluate("window.received.length")
        return seconds["TaskDuration"], seconds["ScriptDuration"], frames

    def _start(self) -> None:
        """A long sweep of the MLP, and a copy of what it must put back."""
        self.kernel.exec(
            "clear()\n"
            "before = [p.detach().clone() for p in finder.task.model.parameters()]"
        )
        self.kernel.exec("run = finder.range_test(num_iter=1_000_000, stop_div=False)")
        self.finder.root.scroll_into_view_if_needed()
        self.page.wait_for_kernel("len(finder.curve) > 100")

    def _pick(self, across: float) -> float:
        """Milliseconds from a click to `finder.lr`."""
        self.tab.evaluate("window.clicks = []")
        count = self.page.kernel_eval("len(picked)", subshell=True)
        self.finder.click_plot(across)
        self.page.wait_for_kernel(f"len(picked) > {count}")
        at = self.page.kernel_eval("picked[-1]", subshell=True)
        return 1e3 * at - self._clicked("pointerup")

    def _stop(self) -> float:
        """Milliseconds from a press of Stop to a finder that has put all back."""
        self.tab.evaluate("window.clicks = []")
        count = self.page.kernel_eval("len(ended)", subshell=True)
        self.finder.press("Stop")
        self.page.wait_for_kernel(f"len(ended) > {count}")
        same = "all(map(torch.equal, before, finder.task.model.parameters()))"
        if not self.page.kernel_eval(same, subshell=True):
            raise RuntimeError("Stop has left other weights than before the sweep")
        at = self.page.kernel_eval("ended[-1]", subshell=True)
        return 1e3 * at - self._clicked("click")

    def _clicked(self, kind: str) -> float:
        clicks = self.tab.evaluate("window.clicks")
        return next(at for type_, at in clicks if type_ == kind)


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def _high(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[max(0, -(-95 * len(values) // 100) - 1)]
