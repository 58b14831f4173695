"""A proxy between a client and a server that cuts the connection at a chosen message."""

import socket
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread


class CutProxy:
    """Forwards to a socket of PostgreSQL, and cuts once a client has sent `at`.

    `delivered` says whether the server still gets that message; its reply never arrives. Where
    `after` is set, `at` counts only once a client has sent that. `is_last`: it accepts no more.
    """

    def __init__(self, server: Path) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.at: bytes | None = None
        self.after: bytes | None = None
        self.delivered = False
        self.is_last = False
        self.cuts = 0
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                is_cut = Event()
                Thread(target=self._up, args=(client, server, is_cut), daemon=True).start()
                Thread(target=_down, args=(server, client, is_cut), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, is_cut: Event) -> None:
        with suppress(OSError), client, server:
            while data := client.recv(65536):
                if self.after is not None and self.after in data:
                    self.after = None
                if self.after is None and self.at is not None and self.at in data:
                    self.at, self.cuts = None, self.cuts + 1
                    is_cut.set()
                    if self.is_last:
                        self.close()
                    if not self.delivered:
                        server.shutdown(socket.SHUT_RDWR)
                        return
                server.sendall(data)


def _down(server: socket.socket, client: socket.socket, is_cut: Event) -> None:
    with suppress(OSError):
        while (data := server.recv(65536)) and not is_cut.is_set():
            client.sendall(data)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
