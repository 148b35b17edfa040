"""The kernel behind a notebook, asked directly: no cell, no browser."""

from __future__ import annotations

import ast
import base64
import pickle
import time
from pathlib import Path
from typing import Any

from jupyter_client import BlockingKernelClient


class Kernel:
    """A second client of a running kernel, beside the browser's."""

    def __init__(self, connection_file: Path) -> None:
        self._client = BlockingKernelClient()
        self._client.load_connection_file(str(connection_file))
        self._client.start_channels(iopub=False, stdin=False, hb=False)
        self._subshell: str | None = None

    def eval(
        self, expression: str, *, subshell: bool = False, timeout: float = 30
    ) -> Any:
        """The value of an expression, pickled over; a subshell answers a busy kernel.

        Like any request it becomes the "latest cell" of threads without one: what they
        print from then on shows in no cell.
        """
        value = f"__import__('pickle').dumps(({expression}))"
        value = f"__import__('base64').b64encode({value}).decode()"
        reply = self._execute("", {"value": value}, subshell, timeout)
        answer = reply["user_expressions"]["value"]
        if answer["status"] != "ok":
            raise RuntimeError(
                f"{expression!r} in the kernel: {answer['ename']}: {answer['evalue']}"
            )
        text = ast.literal_eval(answer["data"]["text/plain"])
        return pickle.loads(base64.b64decode(text))

    def exec(self, code: str, *, subshell: bool = False, timeout: float = 30) -> None:
        """Run statements silently: no output, no execution count."""
        self._execute(code, {}, subshell, timeout)

    def wait_for(self, expression: str, *, timeout: float = 30) -> Any:
        """The first true value of an expression; asks a subshell, so cells may run."""
        deadline = time.monotonic() + timeout
        while not (value := self.eval(expression, subshell=True)):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{expression!r} is still {value!r} after {timeout} s"
                )
            time.sleep(0.02)
        return value

    def close(self) -> None:
        """Leave the kernel as it is and close the sockets."""
        self._client.stop_channels()

    def _execute(
        self, code: str, expressions: dict[str, str], subshell: bool, timeout: float
    ) -> dict[str, Any]:
        content = {
            "code": code,
            "silent": True,
            "store_history": False,
            "user_expressions": expressions,
            "allow_stdin": False,
            "stop_on_error": False,
        }
        header = {"subshell_id": self._own_subshell(timeout)} if subshell else {}
        reply = self._ask("shell", "execute_request", content, header, timeout)
        while reply["status"] == "aborted":  # it came in just behind an interrupt
            reply = self._ask("shell", "execute_request", content, header, timeout)
        if reply["status"] != "ok":
            traceback = "\n".join(reply.get("traceback", []))
            raise RuntimeError(f"{reply['ename']}: {reply['evalue']}\n{traceback}")
        return reply

    def _own_subshell(self, timeout: float) -> str:
        if self._subshell is None:
            reply = self._ask("control", "create_subshell_request", {}, {}, timeout)
            self._subshell = reply["subshell_id"]
        return self._subshell

    def _ask(
        self, channel: str, kind: str, content: Any, header: Any, timeout: float
    ) -> dict[str, Any]:
        socket = getattr(self._client, f"{channel}_channel")
        message = self._client.session.msg(kind, content)
        message["header"].update(header)
        socket.send(message)
        deadline = time.monotonic() + timeout
        while True:
            reply = socket.get_msg(timeout=max(0.0, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]
