"""Asks a partner's server something, within a time, and takes no more of an answer than an answer needs."""

import time
from collections.abc import Callable, Mapping

import httpx
import msgspec

_MOST_BYTES = 64 * 1024
_LONGEST_DETAIL = 200


class NotReached(Exception):
    """The partner's server did not answer."""


class Reply(msgspec.Struct, frozen=True):
    """What it answered."""

    status: int
    body: bytes


def new_client() -> httpx.Client:
    """Return a client that keeps connections open: a danger does not wait for a handshake."""
    # Whoever answers for the partner is whom it named: a redirect could lead anywhere.
    return httpx.Client(
        follow_redirects=False,
        trust_env=False,
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=300),
    )


def post(
    client: httpx.Client,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    deadline_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Reply:
    """Post a body and return the answer.

    deadline_s : on ``clock``
    Raises     : NotReached, with why
    """
    return _ask(client, "POST", url, body, headers, deadline_s=deadline_s, clock=clock)


def get(
    client: httpx.Client,
    url: str,
    headers: Mapping[str, str],
    *,
    deadline_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Reply:
    """Return what is at an address.

    deadline_s : on ``clock``
    Raises     : NotReached, with why
    """
    return _ask(client, "GET", url, None, headers, deadline_s=deadline_s, clock=clock)


def _ask(
    client: httpx.Client,
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    deadline_s: float,
    clock: Callable[[], float],
) -> Reply:
    left_s = deadline_s - clock()
    if left_s <= 0:
        raise NotReached("there was no time left to ask")
    try:
        with client.stream(method, url, content=body, headers=dict(headers), timeout=left_s) as response:
            taken = bytearray()
            for part in response.iter_bytes():
                taken += part
                if len(taken) > _MOST_BYTES:
                    raise NotReached(f"the answer is larger than {_MOST_BYTES} bytes")
                if clock() > deadline_s:
                    raise NotReached("the answer took too long")
            return Reply(response.status_code, bytes(taken))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        kind = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error) or type(error).__name__
        raise NotReached(kind[:_LONGEST_DETAIL]) from error


def short(detail: str) -> str:
    """Return what a partner says as far as a line on the safety desk takes it."""
    return " ".join(detail.split())[:_LONGEST_DETAIL]
