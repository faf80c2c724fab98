"""Execute the blocks of pages, each page in a process of its own.

A page takes less time than NumPy and Matplotlib take to load. So one process, the server, has them loaded and is copied
for each page; it runs for as long as the process that asks.
"""

import atexit
import contextlib
import importlib
import io
import json
import os
import select
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import cache
from pathlib import Path

from stages.shared.errors import UserError

ROOT = Path(__file__).parents[1]

Blocks = list[tuple[int, str, bool]]  # of each its line, its code and whether it draws

_starting = threading.Lock()


def execute(page: str, blocks: Blocks) -> list[str]:
    """Return what each block of a page prints or draws; they share their names.

    Raises
    ------
    UserError
        If one raises, with the traceback, or ends the process.
    """
    if not blocks:
        return []
    with _starting:
        address = _serve()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        with client.makefile("rw", encoding="utf-8") as stream:
            stream.write(json.dumps([page, blocks]) + "\n")
            stream.flush()
            answer = stream.readline()
    if not answer:
        raise UserError(f"{page}: a block ended the process that executes it")
    outputs, error = json.loads(answer)
    if error:
        raise UserError(error)
    return list(outputs)


@cache
def _serve() -> str:
    """Start the server, and return its address."""
    server = subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},  # a printed set has one order
        stdin=subprocess.PIPE,  # it ends with its input, however this process ends
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(server.communicate)
    assert server.stdout
    return server.stdout.readline().strip()


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 100

    def service_actions(self) -> None:
        super().service_actions()
        if select.select([sys.stdin], [], [], 0)[0]:
            sys.exit()


class _Page(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        answer = _run(*json.loads(self.rfile.readline()))
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def _run(page: str, blocks: Blocks) -> tuple[list[str], str]:
    """Return what blocks print or draw, and the traceback of the one that raises."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    outputs = []
    for line, code, draws in blocks:
        if draws:
            from publishing import drawing

            namespace["figure"] = figure = drawing.new()
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()):
            try:
                exec(compile("\n" * line + code, page, "exec"), namespace)  # noqa: S102 (the pages are our own)
            except Exception as error:  # noqa: BLE001 (whatever it is, its traceback is the message)
                of_block = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
                told = f"error: {page}: the block from line {line} on raised {type(error).__name__}"
                return [], "".join([*traceback.format_exception(of_block), told])
        outputs.append(drawing.svg(figure) if draws else printed.getvalue())
    return outputs, ""


def main() -> None:
    """Serve, and print the address."""
    if sys.platform == "linux":  # elsewhere a copy of a process with these libraries may not run
        importlib.import_module("publishing.drawing")
    with tempfile.TemporaryDirectory() as folder, _Server(f"{folder}/socket", _Page) as server:
        print(server.server_address, flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what programs of blocks print
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
