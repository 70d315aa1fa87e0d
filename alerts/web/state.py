"""What every page needs of its application: connections, templates, the time."""

from datetime import datetime
from typing import Any

from fastapi import Request

from alerts.web.rendering import Pages


def pool_of(request: Request) -> Any:
    """Return the connections, of role "alerts"."""
    return request.app.state.pool


def pages_of(request: Request) -> Pages:
    """Return what makes pages of values."""
    pages: Pages = request.app.state.pages
    return pages


def now_of(request: Request) -> datetime:
    """Return the time, UTC."""
    return pages_of(request).clock()
