"""A Jupyter server: JupyterLab or Notebook 7."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Literal

import nbformat

Frontend = Literal["lab", "notebook"]

MODULES = {"lab": "jupyterlab", "notebook": "notebook"}

SETTINGS = {
    # Every cell stays in the page, so a test can find any of them.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


# Its stdin is a pipe from us: when we stop it, or die of anything, the server ends too.
WHILE_STDIN_IS_OPEN = '"$@" </dev/null & read _; kill $!; wait'


class JupyterServer:
    """A server with a root, settings and kernels of its own, all below `home`.

    One per front end, as users start them: Jupyter's cache of static files mixes up
    equal names of two front ends in one server and answers 403.
    """

    def __init__(self, home: Path, frontend: Frontend) -> None:
        self.home = home
        self.frontend = frontend
        self.root = home / "root"
        self.runtime = home / "runtime"
        self.log = home / "server.log"
        self.token = uuid.uuid4().hex
        config = home / "config"
        for folder in (self.root, self.runtime, config / "labconfig"):
            folder.mkdir(parents=True)
        overrides = config / "labconfig" / "default_setting_overrides.json"
        overrides.write_text(json.dumps(SETTINGS))
        env = {key: val for key, val in os.environ.items() if key != "JUPYTER_PATH"}
        env.update(
            HOME=str(home),
            IPYTHONDIR=str(home / "ipython"),
            JUPYTER_CONFIG_DIR=str(config),
            JUPYTER_DATA_DIR=str(home / "data"),
            JUPYTER_RUNTIME_DIR=str(self.runtime),
            JUPYTER_PREFER_ENV_PATH="1",
        )
        command = [
            *("sh", "-c", WHILE_STDIN_IS_OPEN, "sh"),
            *(sys.executable, "-m", MODULES[frontend], "--no-browser", "--allow-root"),
            f"--ServerApp.root_dir={self.root}",
            f"--IdentityProvider.token={self.token}",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port=0",
            "--expose-app-in-browser",
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                env=env,
                cwd=self.root,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def add_notebook(self, source: list[str] | Path) -> str:
        """Put cell sources or a copy of a notebook file in the root; its name there."""
        if isinstance(source, Path):
            name = f"{source.stem}-{uuid.uuid4().hex[:8]}.ipynb"
            shutil.copy(source, self.root / name)
            return name
        name = f"test-{uuid.uuid4().hex[:8]}.ipynb"
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in source],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, self.root / name)
        return name

    def request(self, method: str, path: str) -> Any:
        """Ask the server's REST API; None where it answers with nothing."""
        request = urllib.request.Request(
            f"{self.base}/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            body = response.read()
        return json.loads(body) if body else None

    def connection_file(self, kernel_id: str) -> Path:
        """The file with the addresses and the key of a running kernel."""
        return self.runtime / f"kernel-{kernel_id}.json"

    def shut_down_kernel(self, kernel_id: str) -> None:
        """Stop one kernel, if it still runs."""
        try:
            self.request("DELETE", f"api/kernels/{kernel_id}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise

    def stop(self) -> None:
        """End the server; its kernels end with it, or notice that it has gone."""
        try:
            self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _wait_until_it_answers(self, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                [info] = self.runtime.glob("jpserver-*.json")
                self.base = f"http://127.0.0.1:{json.loads(info.read_text())['port']}"
                self.request("GET", "api/status")
            except (OSError, ValueError):  # not there yet, or half written
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"jupyter did not start:\n{self.log.read_text()[-4000:]}")
