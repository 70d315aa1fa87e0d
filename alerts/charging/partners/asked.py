"""Which stops were asked of whom: what a partner answers later names its session, or comes after we gave up."""

import threading
import uuid
from collections import OrderedDict

# An hour of stops, each asked twice, on the worst day there may be.
_MOST = 20_000


class Asked:
    """Stops that were asked of partners, by action and by session. For several threads."""

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._operator: OrderedDict[uuid.UUID, str] = OrderedDict()
        self._of_session: OrderedDict[tuple[str, str], uuid.UUID] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, action_id: uuid.UUID, operator: str | None, session_id: str | None) -> None:
        """Remember that this operator is asked to end this session."""
        with self._lock:
            self._operator[action_id] = operator or ""
            if session_id is not None:
                self._of_session[(operator or "", session_id)] = action_id
            for known in (self._operator, self._of_session):
                while len(known) > self._most:
                    known.popitem(last=False)

    def is_of(self, action_id: uuid.UUID, operator: str) -> bool:
        """Say whether this stop was asked of this operator."""
        with self._lock:
            return self._operator.get(action_id) == operator

    def of_session(self, operator: str, session_id: str) -> uuid.UUID | None:
        """Return the stop that was asked last for this session."""
        with self._lock:
            return self._of_session.get((operator, session_id))
