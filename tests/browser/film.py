"""Takes the README's pictures: a still and a short film of the quickstart.

python -m tests.browser.film notebooks
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from .chromium import FLAGS, executable
from .notebook import NotebookPage
from .server import JupyterServer
from .widget import FinderWidget

ROOT = Path(__file__).parents[2]
WIDTH = 640  # of the film, in pixels

# So slow that a person sees the curve grow.
SLOW = """
import time
finder.task.model.register_forward_hook(lambda *_: time.sleep(0.03))
"""


class Film:
    """Pictures of a part of a page, with how long each is shown."""

    def __init__(self, widget: FinderWidget) -> None:
        self._widget = widget
        self._frames: list[tuple[float, Image.Image]] = []

    def take(self) -> None:
        """Take a picture."""
        pixels = self._widget.root.screenshot()
        self._frames.append((time.monotonic(), Image.open(io.BytesIO(pixels))))

    def take_until(self, expression: str, timeout: float = 60) -> None:
        """Take pictures until an expression is true in the kernel."""
        page, end = self._widget.page, time.monotonic() + timeout
        while not page.kernel_eval(expression, subshell=True):
            assert time.monotonic() < end, f"never: {expression}"
            self.take()
        self.take()

    def save(self, path: Path, hold: float = 2.0) -> None:
        """Write the film; the last picture is held for some seconds."""
        times, pictures = zip(*self._frames, strict=True)
        ends = [*times[1:], times[-1] + hold]
        pace = [round(1000 * (b - a)) for a, b in zip(times, ends, strict=True)]
        tall = max(picture.height for picture in pictures)
        frames = [_fitted(picture, tall) for picture in pictures]
        first, *rest = frames
        first.save(path, save_all=True, append_images=rest, duration=pace, loop=0)


def _fitted(picture: Image.Image, tall: int) -> Image.Image:
    """All of one size, in the colours that the page has: a small file."""
    sheet = Image.new("RGB", (picture.width, tall), "white")
    sheet.paste(picture)
    counts = sorted(sheet.getcolors(sheet.width * sheet.height), reverse=True)
    colors = Image.new("P", (1, 1))
    colors.putpalette([part for _, color in counts[:256] for part in color])
    size = WIDTH, round(tall * WIDTH / picture.width)
    small = sheet.resize(size, Image.Resampling.LANCZOS)
    return small.quantize(palette=colors, dither=Image.Dither.NONE)


def shoot(page: NotebookPage, folder: Path) -> None:
    """Run, hover, drag, plan and fit, before the camera."""
    page.run_all()
    widget = FinderWidget(page)
    page.kernel.exec(SLOW, subshell=True)
    film = Film(widget)
    widget.press("Run")
    film.take_until("finder.state in ('done', 'diverged')")
    mouse = page.page.mouse
    for across in (0.3, 0.35, 0.4, 0.45, 0.5):
        mouse.move(*widget.place(across, 0.4))
        film.take()
    mouse.down()
    for across in (0.53, 0.56, 0.58, 0.56, 0.55):
        mouse.move(*widget.place(across, 0.4))
        film.take()
    mouse.up()
    page.wait_for_kernel("finder.lr")
    film.take()
    widget.press("Fit")
    film.take_until("finder.state == 'done' and finder.history.epochs[2:]")
    mouse.move(0, 0)
    widget.root.screenshot(path=folder / "quickstart.png")
    film.take()
    film.save(folder / "quickstart.gif")


def main(folder: Path) -> None:
    """Open the quickstart and write both pictures into the folder."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = JupyterServer(Path(home), "lab")
        browser = playwright.chromium.launch(
            executable_path=executable(playwright), args=FLAGS
        )
        try:
            path = server.add_notebook(ROOT / "notebooks" / "quickstart.ipynb")
            viewport = {"width": 1280, "height": 1560}
            page = NotebookPage(browser, server, path, viewport=viewport)
            page.open()
            shoot(page, folder)
            page.close()
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
