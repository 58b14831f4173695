"""A server that keeps a caller waiting without ever being silent."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def a_trickling_server(head: bytes) -> Generator[str, None, None]:
    """Sends `head` at once, then a byte every 10 ms for ever, as no read timeout would notice."""
    ended, server = Event(), socket.create_server(("127.0.0.1", 0))

    def serve(line: socket.socket) -> None:
        with line:
            try:
                line.sendall(head)
                while not ended.wait(0.01):
                    line.sendall(b"x")
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            Thread(target=serve, args=(line,), daemon=True).start()

    Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
