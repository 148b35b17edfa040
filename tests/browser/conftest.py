"""Fixtures of the browser tests: a Chromium, a Jupyter server, notebooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from .chromium import FLAGS, executable
from .notebook import NotebookPage
from .server import Frontend, JupyterServer

PICTURES = Path(__file__).parents[2] / ".test"

PAGES = pytest.StashKey[list[NotebookPage]]()

OpenNotebook = Callable[..., NotebookPage]


# Package, not session: Playwright keeps an event loop in this thread while it lives,
# and the tests of other folders have loops of their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A headless Chromium, found as the Makefile finds it."""
    with sync_playwright() as playwright:
        try:
            path = executable(playwright)
        except FileNotFoundError as error:
            pytest.fail(str(error), pytrace=False)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package", params=["lab", "notebook"])
def frontend(request: pytest.FixtureRequest) -> Frontend:
    """The front end under test: JupyterLab, then Notebook 7."""
    return request.param


@pytest.fixture(scope="package")
def jupyter(
    frontend: Frontend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterServer]:
    """A server of the front end under test, with an empty root and fresh settings."""
    server = JupyterServer(tmp_path_factory.mktemp(frontend), frontend)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def open_notebook(
    chromium: Browser, jupyter: JupyterServer, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """Open cells, a notebook file, or a page's notebook again, in a fresh profile.

    Keywords go to the browser context, `color_scheme="dark"` for one.
    """
    pages: list[NotebookPage] = []

    def open_(source: list[str] | Path | NotebookPage, **context: Any) -> NotebookPage:
        if isinstance(source, NotebookPage):
            path = source.path
        else:
            path = jupyter.add_notebook(source)
        page = NotebookPage(chromium, jupyter, path, **context)
        pages.append(page)
        page.open()
        return page

    request.node.stash[PAGES] = pages
    yield open_
    for page in reversed(pages):
        page.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of every page of a test that failed, under the test's name."""
    report = yield
    if report.when == "call" and report.failed:
        name = re.sub(r"[^\w-]+", "-", item.nodeid).strip("-")
        for number, page in enumerate(item.stash.get(PAGES, [])):
            path = PICTURES / f"{name}-{number}.png"
            try:
                page.screenshot(path)
            except Error as error:  # the page has crashed, or hangs
                path = error
            errors = "\n".join(page.console_errors) or "none"
            report.sections.append(("screenshot", str(path)))
            report.sections.append(("browser console errors", errors))
    return report
