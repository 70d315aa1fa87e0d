"""The watch over charging put together: what judges, and the server for partners beside it."""

import threading

from alerts.charging.partners.measuring import pile_readings
from alerts.charging.partners.serving import partner_side
from alerts.charging.process import run_charging
from config.settings import Settings


def run_watch(settings: Settings, *, stop: threading.Event) -> None:
    """Judge what charging cars, piles and partners send until ``stop`` is set.

    settings : with the servers they reach
    Raises   : UserMistake, when a server cannot be had
    """
    assert settings.database.dsn is not None
    with partner_side(settings, dsn=settings.database.dsn) as side, pile_readings(settings.mqtt) as measured:
        run_charging(
            settings,
            stop=stop,
            partners=side.registry,
            bindings=side.sessions,
            beside=lambda desk: side.serve(desk, measured=measured),
        )
