"""Which car is on which pile, as far as piles have said it themselves: an alarm that names its car."""

import time
from collections import OrderedDict
from collections.abc import Callable

from alerts.charging.stopping import Bindings

# A session is over by then; until then the newest word about a place counts.
_GOOD_FOR_S = 6 * 3600.0
_MOST = 100_000

_Place = tuple[str, str | None, str | None, str | None]


class SaidByPiles:
    """Remembers which car piles named, and asks ``further`` where they named none. For several threads."""

    def __init__(self, further: Bindings | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._further = further
        self._clock = clock
        self._vins: OrderedDict[tuple[str | None, ...], tuple[float, str, str | None]] = OrderedDict()
        self._places: OrderedDict[str, tuple[float, _Place]] = OrderedDict()

    def note(self, vin: str, operator: str, station: str | None, connector: str | None, session_id: str | None) -> None:
        """Remember that the car is there now."""
        now = self._clock()
        self._places[vin] = (now, (operator, station, connector, session_id))
        if station is not None:
            self._vins[(operator, station, connector)] = (now, vin, session_id)
        for known in (self._places, self._vins):
            while len(known) > _MOST:
                known.popitem(last=False)

    def vin_at(self, operator: str, station: str | None, connector: str | None, session_id: str | None) -> str | None:
        known = self._vins.get((operator, station, connector))
        at_s, said, session = known if known is not None else (0.0, None, None)
        if known is not None and self._clock() - at_s >= _GOOD_FOR_S:
            said = session = None
        # Of this very session the pile has said it; else a session that goes on is newer than an alarm of hours ago.
        if said is not None and session is not None and session == session_id:
            return said
        if self._further is not None:
            further = self._further.vin_at(operator, station, connector, session_id)
            if further is not None:
                return further
        # Another session is another car.
        return said if session_id is None or session is None else None

    def place_of(self, vin: str) -> _Place | None:
        if self._further is not None and (place := self._further.place_of(vin)) is not None:
            return place
        known = self._places.get(vin)
        return known[1] if known is not None and self._clock() - known[0] < _GOOD_FOR_S else None
