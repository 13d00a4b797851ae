"""A TCP proxy on loopback whose line a test can cut, freeze, or make deaf in one direction."""

from __future__ import annotations

import select
import socket
import threading
from typing import Literal

Mode = Literal["open", "cut", "frozen", "mute", "thawed"]


class Proxy:
    """Forwards connections to a server.

    `open` forwards, `cut` refuses and closes, `frozen` accepts but passes nothing on, `mute` passes on what the client
    says and keeps the server's answers back, `thawed` forwards what it has kept back and all that follows.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._mode: Mode = "open"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = self._listen(0)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._stopping = False
        threading.Thread(target=self._run, daemon=True).start()

    def be(self, mode: Mode) -> None:
        """Change the line; connections made so far are closed when it is cut or opened again."""
        self._mode = mode
        if mode in ("cut", "open"):
            self._close_all()

    def close(self) -> None:
        """Stop."""
        self._stopping = True
        self._close_all()
        self._listener.close()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        listener.setblocking(False)
        return listener

    def _close_all(self) -> None:
        for pair in list(self._pairs):
            self._drop(pair)

    def _drop(self, pair: tuple[socket.socket, socket.socket]) -> None:
        if pair in self._pairs:
            self._pairs.remove(pair)
        for side in pair:
            side.close()

    def _run(self) -> None:
        while not self._stopping:
            sides = {side: pair for pair in list(self._pairs) for side in pair if side.fileno() >= 0}
            try:
                ready, _, _ = select.select([self._listener, *sides], [], [], 0.02)
            except (OSError, ValueError):
                continue
            for side in ready:
                if side is self._listener:
                    self._accept()
                elif side in sides:
                    self._forward(side, sides[side])

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        if self._mode == "cut":
            client.close()
            return
        pair = (client, socket.create_connection(self._target))
        self._pairs.append(pair)
        if self._mode == "cut":  # meanwhile
            self._drop(pair)

    def _forward(self, side: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        if self._mode == "frozen" or (self._mode == "mute" and side is server):
            threading.Event().wait(0.01)
            return
        try:
            data = side.recv(65_536)
            if not data:
                self._drop(pair)
            else:
                (server if side is client else client).sendall(data)
        except OSError:
            self._drop(pair)
