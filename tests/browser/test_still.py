"""The static picture: what is left of the widget when nothing is alive."""

import base64
import re
import subprocess
import sys
import zlib

import nbformat
import pytest
from playwright.sync_api import expect

from .digits import SETUP
from .widget import FinderWidget

pytestmark = pytest.mark.browser

#: A picture in a cell's output, as SVG or as PNG.
PICTURE = "svg.lr-widget-picture, img[src^='data:image/']"

TEXT = {
    "without a widget": "a live widget when the cell is run",
    "without a model": "Error displaying widget",
    "while it loads": "Loading widget",
}

#: The colour of the pick, as a PDF strokes with it.
PICK_IN_PDF = rb"\.835\d* \.36[89]\d* 0 RG"


def seen(locator):
    """How many of them a person sees."""
    return locator.evaluate_all(
        "nodes => nodes.filter(n => n.checkVisibility()).length"
    )


def saved_outputs(page):
    """The outputs of the finder's cell in the saved file."""
    page.save()
    notebook = nbformat.read(page.server.root / page.path, as_version=4)
    return notebook.cells[1].outputs


def convert(notebook, folder, *flags):
    """The notebook as HTML, made by nbconvert."""
    command = [sys.executable, "-m", "nbconvert", "--to", "html", *flags]
    command += [str(notebook), "--output-dir", str(folder), "--output", "export"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder / "export.html"


@pytest.fixture
def finished(open_notebook):
    """A page with a finder after a sweep and a pick."""
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    finder.sweep()
    page.add_cell_and_run("finder.lr = 0.0123")
    picture = page.output(1).locator(PICTURE)
    expect(picture).to_have_attribute("src", re.compile("lr%201.23e-2"))
    return page


@pytest.fixture
def reader(chromium):
    """A browser page without a network, for files."""
    context = chromium.new_context(
        offline=True, viewport={"width": 1000, "height": 900}
    )
    yield context.new_page()
    context.close()


def expect_one_picture(reader, html):
    """Open an exported page: one picture with the pick is there, no broken widget."""
    reader.goto(html.as_uri())
    picture = reader.locator(PICTURE)
    expect(picture).to_have_count(1)
    expect(picture).to_be_visible()
    address = picture.get_attribute("src")
    assert "lr 1.23e-2" in base64.b64decode(address.partition(",")[2]).decode()
    assert picture.evaluate("image => image.naturalWidth") == 720
    assert reader.locator(".jupyter-widgets, .lr-widget").count() == 0
    for text in (TEXT["without a model"], TEXT["while it loads"]):
        assert text not in reader.locator("body").inner_text()


def test_the_picture_is_in_the_file_and_out_of_sight_while_the_widget_lives(
    open_notebook,
):
    page = open_notebook([SETUP, "finder"])
    page.run_all()
    finder = FinderWidget(page)
    parts = page.output(1).locator(".jp-OutputArea-child")
    assert seen(parts) == 1, "the place of the picture takes no room"

    finder.sweep()
    page.add_cell_and_run("finder.lr = 0.0123")
    picture = page.output(1).locator(PICTURE)
    expect(picture).to_have_attribute("src", re.compile("lr%201.23e-2"))
    assert seen(parts) == 1
    assert seen(page.page.locator(".lr-widget")) == 1

    view, still = saved_outputs(page)
    assert "application/vnd.jupyter.widget-view+json" in view.data
    assert "lr 1.23e-2" in still.data["image/svg+xml"]
    assert still.data["image/png"].startswith("iVBORw0KGgo")
    assert not any(kind.startswith("image/") for kind in view.data)
    for output in (view, still):
        assert 0 < len(output.data["text/plain"]) < 110
    assert page.console_errors == []


def test_without_its_kernel_a_saved_notebook_shows_the_picture_until_it_is_run(
    finished, open_notebook
):
    finished.save()
    finished.server.shut_down_kernel(finished.kernel_id)
    page = open_notebook(finished)
    picture = page.output(1).locator(PICTURE)
    expect(picture).to_be_visible()
    expect(page.output(1).get_by_text(TEXT["without a model"])).not_to_be_visible()
    assert TEXT["without a widget"] not in page.output_text(1)
    assert picture.evaluate("image => image.naturalWidth") == 720

    page.run_all()
    finder = FinderWidget(page)
    expect(picture).to_have_count(0)
    finder.sweep()
    expect(picture).to_have_count(1)
    expect(picture).not_to_be_visible()
    assert seen(page.page.locator(".lr-widget")) == 1


def test_after_a_restart_of_the_kernel_the_live_widget_replaces_the_picture(finished):
    page = finished
    page.restart_kernel()
    page.run_all()
    finder = FinderWidget(page)
    assert finder.value("state") == "idle"
    picture = page.output(1).locator(PICTURE)
    expect(picture).to_have_count(0)
    finder.sweep()
    expect(picture).to_have_count(1)
    assert seen(page.output(1).locator(".jp-OutputArea-child")) == 1
    assert len(saved_outputs(page)) == 2


def test_the_saved_notebook_as_html_and_as_pdf_has_exactly_one_picture(
    finished, reader, tmp_path
):
    finished.save()
    html = convert(finished.server.root / finished.path, tmp_path)
    expect_one_picture(reader, html)
    drawn = strokes(reader.pdf())
    assert re.search(PICK_IN_PDF, drawn), "the pick is drawn"
    assert len(re.findall(rb" l\n", drawn)) > 90, "the curve is drawn"


def strokes(pdf):
    """What a PDF draws, as text."""
    packed = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    texts = []
    for part in packed:
        try:
            texts.append(zlib.decompress(part))
        except zlib.error:  # a font, or a picture in pixels
            continue
    return b"\n".join(texts)


def test_a_notebook_executed_by_nbconvert_shows_exactly_one_picture(reader, tmp_path):
    cells = [SETUP, "finder", "finder.range_test().wait()", "finder.lr = 0.0123"]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    path = tmp_path / "executed.ipynb"
    nbformat.write(notebook, path)
    html = convert(path, tmp_path, "--execute")
    expect_one_picture(reader, html)
