"""HTTP as cheap as Python gives it: a thread per connection, an answer in one system call, in a process of its own.

Knows no path and no object: what is answered is a function of method, target and body. Run by what stands beside it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

Parts: TypeAlias = "Sequence[bytes | memoryview]"
Answerer: TypeAlias = Callable[[str, str, bytes], "tuple[HTTPStatus, Parts]"]
"""Method, target, body -> status, and the body in parts."""
SEND_BUFFER = 4_194_304
"""Bytes: a page fits, so that the server is done with it before the client has read it."""


def converse(connection: socket.socket, answer: Answerer) -> None:
    """Serve one keep-alive connection until the client closes it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    with connection, connection.makefile("rb") as incoming:
        while line := incoming.readline():
            method, target, _ = line.decode("ascii").split(" ", 2)
            length = 0
            while (header := incoming.readline()) not in (b"\r\n", b""):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            status, parts = answer(method, target, incoming.read(length))
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
                f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {sum(map(len, parts))}\r\n\r\n"
            )
            _send(connection, [head.encode(), *parts])


def _send(connection: socket.socket, parts: Parts) -> None:
    """All parts in one system call where the kernel takes them, which it mostly does."""
    sent = connection.sendmsg(parts)
    for part in parts:
        if sent < len(part):
            connection.sendall(memoryview(part)[sent:])
        sent = max(sent - len(part), 0)


def serve(answer: Answerer) -> None:
    """Print the port, then serve until standard input closes, which it does when the parent goes."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_accept, args=(listener, answer), daemon=True).start()
    sys.stdin.read()


def _accept(listener: socket.socket, answer: Answerer) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_quietly, args=(connection, answer), daemon=True).start()


def _quietly(connection: socket.socket, answer: Answerer) -> None:
    try:
        converse(connection, answer)
    except ConnectionError:
        return  # the client went away in the middle, as a client under measurement may


@contextmanager
def start(module: str, *arguments: str) -> Iterator[str]:
    """Run a module of this folder that calls `serve`, and give its origin: `http://127.0.0.1:PORT`."""
    command = [sys.executable, "-m", f"floors.{module}", *arguments]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
