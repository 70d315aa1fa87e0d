"""A browser without a network: requests go straight into an application, cookies are kept as a browser keeps them."""

import asyncio
import threading
from typing import Any

import httpx
from fastapi import FastAPI

_TIMEOUT_S = 60
_loop: asyncio.AbstractEventLoop | None = None
_starting = threading.Lock()


class Client:
    """Sends requests to an application and waits for the answers; redirects are answers."""

    def __init__(self, app: FastAPI, *, base_url: str = "http://127.0.0.1", headers: dict[str, str] | None = None):
        transport = httpx.ASGITransport(app=app)
        self._client = httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers or {})

    @property
    def cookies(self) -> httpx.Cookies:
        return self._client.cookies

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        sent = asyncio.run_coroutine_threadsafe(self._client.request(method, path, **options), _running_loop())
        return sent.result(_TIMEOUT_S)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="asgi", daemon=True).start()
        return _loop
