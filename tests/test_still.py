"""Still: one picture in a saved notebook, the newest, and none where nobody looks."""

import threading
from types import SimpleNamespace

import IPython
import IPython.display
import nbformat
import pytest
from driving import LONG, gated_finder
from nbclient import NotebookClient

from lr_widget.still import Still

SETUP = """
import torch
from torch import nn
from lr_widget import LRFinder

torch.manual_seed(0)
x = torch.randn(64, 8)
batches = [(x, x @ torch.randn(8, 1))]
model = nn.Linear(8, 1)
finder = LRFinder(model, batches, nn.MSELoss(), torch.optim.SGD(model.parameters()))
"""


def executed(*cells):
    """The outputs of each cell, as nbconvert, papermill and CI run a notebook."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, *cells)]
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    return [cell.outputs for cell in notebook.cells[1:]]


@pytest.fixture(scope="module")
def picked():
    return executed("finder", "finder.range_test().wait()", "finder.lr = 1e-2")


def test_without_a_person_the_cell_has_one_picture_with_the_pick_and_no_widget(picked):
    kinds = [set(output.data) for output in picked[0]]
    assert kinds == [{"text/plain"}, {"image/svg+xml", "image/png", "text/plain"}]
    picture = picked[0][1].data
    assert "lr 1e-2" in picture["image/svg+xml"]
    assert "lr=1e-2" in picture["text/plain"]


def test_every_text_is_short(picked):
    texts = [out.data["text/plain"] for outs in picked for out in outs if "data" in out]
    assert texts
    assert max(map(len, texts)) < 110


def test_a_finder_that_never_ran_has_no_picture():
    (outputs,) = executed("finder")
    assert "application/vnd.jupyter.widget-view+json" in outputs[0].data
    assert outputs[1].data["text/html"] == '<span class="lr-widget-picture"></span>'


def test_a_finder_shown_after_its_run_has_the_picture_at_once():
    _, outputs = executed("finder.range_test().wait()", "finder")
    assert "image/svg+xml" in outputs[1].data


def test_a_picture_that_cannot_be_drawn_is_told_and_does_not_fail_the_run():
    _, _, outputs = executed(
        "finder._board.poster = lambda: 1 / 0; finder",
        "run = finder.range_test().wait()",
        "print(run.state, 'ZeroDivisionError' in finder._panel._error.value)",
    )
    assert outputs[0].text.split()[1] == "True"
    assert outputs[0].text.split()[0] in ("done", "diverged")


def test_in_voila_the_live_widget_stays_since_people_come_later(monkeypatch):
    monkeypatch.setenv("VOILA_KERNEL_ID", "1")
    outputs, _ = executed("finder", "finder.range_test().wait()")
    assert "application/vnd.jupyter.widget-view+json" in outputs[0].data


class TerminalInteractiveShell:
    """As much of IPython's as is looked at here; it is known by its name."""


class Notebook:
    """A shell that shows what is displayed, and what is put in its place."""


@pytest.fixture
def shown(monkeypatch):
    """What a shell shows, which is a notebook unless it is made a terminal."""
    shown = []

    def show(data, **_):
        shown.append(data)

    monkeypatch.setattr(IPython, "get_ipython", Notebook)
    monkeypatch.setattr(IPython.display, "display", show)
    monkeypatch.setattr(IPython.display, "update_display", show)
    return shown


def test_a_terminal_shows_a_line_and_is_not_written_to_later(shown, monkeypatch):
    monkeypatch.setattr(IPython, "get_ipython", TerminalInteractiveShell)
    still = Still("key", pytest.fail)
    still.show({}, "a line")
    still.update(lambda: ("<svg/>", None), "another")
    assert shown == [{"text/plain": "a line"}]


def test_of_many_pictures_in_a_row_one_is_drawn_at_a_time_and_the_last_is_shown(shown):
    began, go, done = threading.Event(), threading.Event(), threading.Event()
    threads = set()

    def first():
        began.set()
        assert go.wait(LONG)
        threads.update(threading.enumerate())
        return SimpleNamespace(svg=lambda: "<svg>first</svg>", png=lambda: None)

    def last():
        done.set()
        return SimpleNamespace(svg=lambda: "<svg>last</svg>", png=lambda: None)

    still = Still("key", pytest.fail)
    still.show({}, "a line")
    before = {*threading.enumerate()}
    still.update(first, "first")
    assert began.wait(LONG)
    for _ in range(50):
        still.update(last, "last")
    go.set()
    assert done.wait(LONG)
    (drawer,) = threads - before
    drawer.join(LONG)
    assert [data["text/plain"] for data in shown[2:]] == ["first", "last"]


def test_a_closed_finder_is_shown_as_a_line(shown):
    with gated_finder(num_iter=5) as (finder, _):
        finder.close()
        finder._ipython_display_()
    assert shown[0] == {"text/plain": repr(finder)}
