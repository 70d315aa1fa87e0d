"""What realism found worst and what was done about it, and what is known to be off still."""

from typing import NamedTuple


class Closed(NamedTuple):
    """A figure that was among the worst: section, recording and measure; its values before; what was changed."""

    key: tuple[str, str, str]
    recorded: float
    before: float
    change: str


CLOSED: tuple[Closed, ...] = ()
KNOWN: tuple[str, ...] = ()
