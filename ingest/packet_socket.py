"""The socket under paho: large reads, large writes, and PUBLISH packets taken out before paho sees them.

paho spends some 30 microseconds of Python on a received message: three calls of ``recv`` (two of them for one byte),
a message object with a lock, a search among topic callbacks. ``Client.tls_set_context`` is the one place in its public
surface where the socket can be changed, since paho reads and writes what the context's ``wrap_socket`` returns. So the
context here wraps, with or without TLS, into a socket from which ``take_published`` takes the messages in bulk, while
paho goes on to speak the protocol: connecting, subscribing, acknowledging, keeping alive.
"""

import socket
import ssl
from typing import Any

from ingest.packets import MalformedPacket, split_packets

_READ_BYTES = 256 * 1024


class PacketSocket:
    """Wraps a connected socket. Nothing is sent before ``flush`` and nothing is read but by ``take_published``."""

    def __init__(self, inner: socket.socket) -> None:
        self.version_5 = False
        self._inner = inner
        self._unsplit = b""
        self._for_paho = b""
        self._ended = False
        self._unsent = bytearray()

    def take_published(self) -> list[tuple[bytes, bytes, int]]:
        """Read what has arrived and return the messages in it, each as (topic, payload, packet identifier).

        Other packets, and the end of the connection, are kept for paho: ask ``has_news``.
        """
        try:
            data = self._inner.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return []
        except OSError:
            data = b""
        self._ended = not data
        unsplit = self._unsplit + data if self._unsplit else data
        try:
            published, others, used = split_packets(unsplit, version_5=self.version_5)
        except MalformedPacket:
            self._ended = True
            return []
        self._unsplit = unsplit[used:]
        self._for_paho += others
        return published

    @property
    def has_news(self) -> bool:
        """Whether paho has something to read."""
        return bool(self._for_paho) or self._ended

    @property
    def has_more(self) -> bool:
        """Whether bytes wait that will not make the socket readable: TLS decrypts a record at a time."""
        return isinstance(self._inner, ssl.SSLSocket) and self._inner.pending() > 0

    def recv(self, size: int) -> bytes:
        """Give paho what is not a message; an empty answer ends the connection."""
        if not self._for_paho and not self._ended:
            raise BlockingIOError
        piece, self._for_paho = self._for_paho[:size], self._for_paho[size:]
        return piece

    def send(self, data: bytes) -> int:
        self._unsent += data
        return len(data)

    def flush(self) -> None:
        """Send what was written, as far as the socket takes it; raises OSError when the connection is gone."""
        while self._unsent:
            try:
                sent = self._inner.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._unsent[:sent]

    @property
    def wants_write(self) -> bool:
        return bool(self._unsent)

    def pending(self) -> int:
        return len(self._for_paho)

    def do_handshake(self) -> None:
        if isinstance(self._inner, ssl.SSLSocket):
            self._inner.do_handshake()

    def __getattr__(self, name: str) -> Any:
        # settimeout, setblocking, fileno, close, getpeercert and whatever else paho asks of a socket
        return getattr(self._inner, name)


class PacketContext(ssl.SSLContext):
    """A TLS context whose sockets are ``PacketSocket``; without ``tls`` they are plain."""

    tls: ssl.SSLContext | None = None

    @classmethod
    def around(cls, tls: ssl.SSLContext | None) -> "PacketContext":
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.tls = tls
        return context

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> Any:
        return PacketSocket(sock if self.tls is None else self.tls.wrap_socket(sock, *args, **options))
