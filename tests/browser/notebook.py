"""A notebook in a browser, driven the way a user does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, expect

from .kernel import Kernel
from .server import JupyterServer

# Console errors which are the front end's own; each value says why it is harmless.
NOISE = {
    r"reading 'schema'.*/static/(lab|notebook)/": (
        "the shortcuts plugin hears of a setting before that plugin's schema is loaded"
    ),
    r"^Could not restore the debugger state: Canceled future": (
        "the page is left while the front end still asks about its debugger"
    ),
    r"^Command 'filebrowser:open-path' not registered\.": (
        "Notebook 7 opens a notebook without the file browser of JupyterLab"
    ),
    r"^Error: <rect> attribute \w+: A negative value is not valid.*/bqplot/static/": (
        "a chart that appears in a cell out of view has no size until it is seen"
    ),
}

TIMEOUT = 60_000  # ms; a cold kernel on a small machine needs most of it

PANEL = """
const panel = (() => {
  const widget = window.jupyterapp?.shell.currentWidget;
  return widget?.sessionContext && widget.content?.widgets ? widget : null;
})();
"""

CONNECTED = f"""statuses => {{
  {PANEL}
  const kernel = panel?.sessionContext.session?.kernel;
  return panel?.context.isReady && kernel?.connectionStatus === 'connected'
    && statuses.includes(kernel.status) && panel.content.widgets.length > 0;
}}"""


class NotebookPage:
    """One notebook open in a fresh browser profile, in JupyterLab or Notebook 7."""

    def __init__(
        self,
        chromium: Browser,
        server: JupyterServer,
        path: str,
        **context: Any,
    ) -> None:
        self.server = server
        self.frontend = server.frontend
        self.path = path
        self.console_errors: list[str] = []
        self._kernel: Kernel | None = None
        self.kernel_id = ""
        context = {"viewport": {"width": 1280, "height": 960}, **context}
        self.context = chromium.new_context(**context)
        self.context.set_default_timeout(TIMEOUT)
        self.page = self.context.new_page()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda e: self._on_error(e.message, e.stack or ""))
        self.page.on("dialog", lambda dialog: dialog.accept())

    def open(self) -> None:
        """Load the notebook and wait until its kernel is idle."""
        # A workspace is kept by the server: one each, or tests see each other's tabs.
        place = "notebooks"
        if self.frontend == "lab":
            place = f"lab/workspaces/{Path(self.path).stem}/tree"
        server = self.server
        self.page.goto(f"{server.base}/{place}/{self.path}?token={server.token}")
        self._wait_until_connected(["idle"])

    # -- cells -----------------------------------------------------------------

    def cell(self, index: int) -> Locator:
        """The cell at an index, negative from the end."""
        return self.page.locator(".jp-NotebookPanel .jp-Notebook .jp-Cell").nth(index)

    def output(self, index: int) -> Locator:
        """The output area of a cell."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def output_text(self, index: int) -> str:
        """The text a cell shows below its code now."""
        outputs = self.output(index).locator(".jp-OutputArea-output")
        return "\n".join(outputs.all_inner_texts()).strip()

    def wait_for_output(self, index: int, text: str | re.Pattern[str]) -> None:
        """Wait until a cell's output contains a text."""
        expect(self.output(index)).to_contain_text(text, timeout=TIMEOUT)

    def run_cell(self, index: int, *, wait: bool = True) -> None:
        """Click into a cell and press Control+Enter; `wait` for its end."""
        self.page.evaluate(
            f"""index => {{
              {PANEL}
              const {{model}} = panel.content.widgets.at(index);
              const look = (_, {{name, newValue}}) => {{
                if (name === 'executionState' && newValue === 'idle') {{
                  model.stateChanged.disconnect(look);
                  window.cellHasEnded = true;
                }}
              }};
              window.cellHasEnded = false;
              model.stateChanged.connect(look);
            }}""",
            index,
        )
        self.cell(index).locator(".jp-InputArea-editor .cm-content").click()
        self.page.keyboard.press("Control+Enter")
        if wait:
            self.page.wait_for_function("window.cellHasEnded")

    def run_all(self, *, wait: bool = True) -> None:
        """Run every cell; `wait` until the last has ended."""
        self.command("notebook:run-all-cells", wait=wait)

    def add_cell_and_run(self, code: str, *, wait: bool = True) -> int:
        """Add a cell at the end and run it; its index."""
        index = self._cell_count()
        self.page.evaluate(
            f"""code => {{
              {PANEL}
              const {{sharedModel}} = panel.content.model;
              sharedModel.addCell({{cell_type: 'code', source: code}});
            }}""",
            code,
        )
        self.run_cell(index, wait=wait)
        return index

    # -- the page --------------------------------------------------------------

    def command(self, name: str, *, wait: bool = True, **args: Any) -> None:
        """Run a command of the front end; `wait` until it has finished."""
        self.page.evaluate(
            """([name, args]) => {
              window.commandHasEnded = false;
              window.jupyterapp.commands.execute(name, args)
                .finally(() => { window.commandHasEnded = true; });
            }""",
            [name, args],
        )
        if wait:
            self.page.wait_for_function("window.commandHasEnded")

    def change_theme(self, theme: str) -> None:
        """Switch to the theme of that name, and wait until all of it is over.

        JupyterLab covers the page meanwhile, and takes the cover away 200 ms late; a
        switch before that has it taken away twice, which is an error in the console.
        """
        self.command("apputils:change-theme", theme=theme)
        self.page.wait_for_function(
            "theme => document.body.dataset.jpThemeName === theme", arg=theme
        )
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def wait_for_idle(self) -> None:
        """Wait until no cell runs and the kernel has nothing to do."""
        # The kernel alone won't do: a subshell says idle while the main shell sleeps.
        self.page.wait_for_function(
            f"""() => {{
              {PANEL}
              return panel.sessionContext.session.kernel.status === 'idle'
                && panel.content.widgets.every(
                  ({{model}}) => (model.executionState ?? 'idle') === 'idle');
            }}"""
        )

    def save(self) -> None:
        """Write the notebook, outputs and all, to its file."""
        self.command("docmanager:save")

    def reload(self) -> None:
        """Save, reload the page, wait until notebook and kernel are back."""
        self.save()
        self.page.reload()
        self._wait_until_connected(["idle", "busy"])

    def close_tab_and_reopen(self) -> None:
        """Save, leave the notebook as people do, and come back; the kernel lives."""
        self.save()
        address = self.page.url
        if self.frontend == "lab":
            self.command("application:close")
            self.page.wait_for_function(f"() => {{ {PANEL} return panel === null }}")
            self.command("docmanager:open", path=self.path)
        else:
            self.page.goto("about:blank")
            self.page.goto(address)
        self._wait_until_connected(["idle", "busy"])

    def restart_kernel(self) -> None:
        """Restart the kernel, and say yes when asked."""
        self.command("kernelmenu:restart", wait=False)
        dialog = self.page.locator(".jp-Dialog")
        dialog.get_by_role("button", name=re.compile("^(Confirm|Restart)")).click()
        self.page.wait_for_function("window.commandHasEnded")
        if self._kernel is not None:  # what it knew of subshells is gone
            self._kernel.close()
            self._kernel = None

    def screenshot(self, path: Path) -> None:
        """Write the page as a picture."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)

    # -- the kernel ------------------------------------------------------------

    @property
    def kernel(self) -> Kernel:
        """A direct line to this notebook's kernel."""
        if self._kernel is None:
            self._kernel = Kernel(self.server.connection_file(self.kernel_id))
        return self._kernel

    def kernel_eval(self, expression: str, *, subshell: bool = False) -> Any:
        """The value of an expression in the kernel; `subshell` while a cell runs."""
        return self.kernel.eval(expression, subshell=subshell)

    def wait_for_kernel(self, expression: str, *, timeout: float = 30) -> Any:
        """Wait until an expression is true in the kernel, busy or not; its value."""
        return self.kernel.wait_for(expression, timeout=timeout)

    def close(self) -> None:
        """Close the browser profile and stop the kernel."""
        if self._kernel is not None:
            self._kernel.close()
        self.context.close()
        if self.kernel_id:
            self.server.shut_down_kernel(self.kernel_id)

    # -- inside ----------------------------------------------------------------

    def _cell_count(self) -> int:
        return self.page.evaluate(
            f"() => {{ {PANEL} return panel.content.widgets.length }}"
        )

    def _wait_until_connected(self, statuses: list[str]) -> None:
        self.page.wait_for_function(CONNECTED, arg=statuses)
        kernel_id = self.page.evaluate(
            f"() => {{ {PANEL} return panel.sessionContext.session.kernel.id }}"
        )
        if kernel_id != self.kernel_id and self._kernel is not None:
            self._kernel.close()
            self._kernel = None
        self.kernel_id = kernel_id

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._on_error(message.text, message.location.get("url", ""))

    def _on_error(self, text: str, where: str) -> None:
        text = f"{text} [{where}]"
        if not any(re.search(noise, text, re.DOTALL) for noise in NOISE):
            self.console_errors.append(text)
