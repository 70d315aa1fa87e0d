"""A TCP proxy on 127.0.0.1 that does to a link what networks do: cut, stall, delay, refuse, forget one side."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_CHUNK_BYTES = 64 * 1024
# With this linger time close sends RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections to ``upstream_port``. Every method acts on all connections there are and on later ones.

    before_forward : sees every piece from the client on its way (connection number, bytes) and may block or cut
    """

    def __init__(self, upstream_port: int, *, before_forward: Callable[[int, bytes], None] | None = None) -> None:
        self._upstream_port = upstream_port
        self._before_forward = before_forward
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._delay_s = 0.0
        self._refusing = False
        self._closed = False
        self._lock = threading.Lock()
        self._links: dict[int, tuple[socket.socket, socket.socket]] = {}
        self._threads: list[threading.Thread] = []
        # How many connections were asked for, those that were refused included.
        self.accepted = 0
        self._start(self._accept)

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for number in list(self._links):
            self._drop(number)

    def abandon(self) -> None:
        """Reset every connection towards the client only: the server is told nothing, as when a machine loses power."""
        with self._lock:
            for client, _ in self._links.values():
                _close(client)

    def stall(self) -> None:
        """Forward nothing; the connections stay."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def delay(self, seconds: float) -> None:
        """Hold every piece for so long."""
        self._delay_s = seconds

    def refuse(self) -> None:
        """Cut, and from here on accept connections only to reset them, as a load balancer without a server does."""
        self._refusing = True
        self.cut()

    def admit(self) -> None:
        self._refusing = False

    def close(self) -> None:
        self._closed = True
        self._flowing.set()
        # Wakes accept up; closing alone does not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._refusing:
                _close(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream_port))
            except OSError:
                _close(client)
                continue
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = self.accepted
            with self._lock:
                self._links[number] = (client, server)
            self._start(self._pump, number, client, server, True)
            self._start(self._pump, number, server, client, False)

    def _pump(self, number: int, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        while True:
            try:
                piece = source.recv(_CHUNK_BYTES)
            except OSError:
                piece = b""
            if from_client and piece and self._before_forward is not None:
                self._before_forward(number, piece)
            if self._delay_s:
                time.sleep(self._delay_s)
            self._flowing.wait()
            if not piece:
                break
            try:
                target.sendall(piece)
            except OSError:
                break
        if source.fileno() != -1 or not from_client:
            self._drop(number)

    def _drop(self, number: int) -> None:
        with self._lock:
            link = self._links.pop(number, None)
        for sock in link or ():
            _close(sock)

    def _start(self, body: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=body, args=arguments, name="proxy", daemon=True)
        self._threads.append(thread)
        thread.start()


def _close(sock: socket.socket) -> None:
    # shutdown wakes up a thread that reads; close alone would leave it there.
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


@contextmanager
def proxy(upstream_port: int, *, before_forward: Callable[[int, bytes], None] | None = None) -> Iterator[Proxy]:
    """Yield a proxy and close it with all its connections."""
    running = Proxy(upstream_port, before_forward=before_forward)
    try:
        yield running
    finally:
        running.close()
