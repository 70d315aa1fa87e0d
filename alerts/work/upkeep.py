"""What has to be seen to every minute: buttons, messages, reminders, missed visits, leads that no model gives."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from alerts.charging.channels import Channel
from alerts.sources import Gathered, gather
from alerts.work.appointments import no_shows
from alerts.work.messages import Sent, send_due, write_reminders
from alerts.work.tasks import finish_charged, tasks_of_buttons
from config.service import service

Connection = psycopg.Connection[Any]
# What arrived while nothing ran is seen to afterwards; of what is older somebody has heard otherwise.
_BUTTONS_SINCE = timedelta(days=1)


class Upkeep(msgspec.Struct, frozen=True):
    """What was done: tasks of buttons, power deliveries closed, visits missed, reminders, messages, leads."""

    buttons: int
    charged: int
    missed: int
    reminders: int
    messages: Sent
    gathered: Gathered


def keep_up(conn: Connection, channels: Sequence[Channel], *, public_url: str | None, now: datetime) -> Upkeep:
    """Do all of it once, role "alerts", outside a transaction. Running it again does nothing twice."""
    return Upkeep(
        # The owner who pressed a button comes before anything that can take long.
        buttons=tasks_of_buttons(conn, since=now - _BUTTONS_SINCE, now=now),
        charged=finish_charged(conn, soc=service().power_soc, now=now),
        missed=no_shows(conn, now=now),
        reminders=write_reminders(conn, now=now),
        messages=send_due(conn, channels, public_url=public_url, now=now),
        gathered=gather(conn, now=now),
    )
