"""Where Chromium is; `python -m tests.browser.chromium` tells the Makefile."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable(playwright: Playwright) -> str:
    """Chromium's path: $CHROMIUM, else the PATH, else Playwright's own copy."""
    if chosen := os.environ.get("CHROMIUM"):
        if path := shutil.which(chosen):
            return path
        raise FileNotFoundError(f"CHROMIUM={chosen} is not a program that runs")
    for path in filter(None, map(shutil.which, NAMES)):
        return path
    if Path(path := playwright.chromium.executable_path).exists():
        return path
    raise FileNotFoundError("no Chromium: install one, or set CHROMIUM to its path")


if __name__ == "__main__":
    with sync_playwright() as playwright:
        try:
            print("Chromium:", executable(playwright))
        except FileNotFoundError as error:
            sys.exit(str(error))
