"""A server of a test: something that is done with each connection that comes in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable


def serve_each(listener: socket.socket, act: Callable[[socket.socket], None]) -> threading.Thread:
    """Do something with each connection, in a thread that ends when the listener is shut down."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            act(connection)

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    return serving
