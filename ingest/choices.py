"""What owners' choices within a batch change for the messages after them."""

from collections.abc import Mapping, Sequence

import psycopg
from psycopg.rows import TupleRow

from ingest import topics
from ingest.events import decode_consent
from ingest.gate import Gate, Standing
from ingest.inbox import Message
from ingest.other_rows import store_choices
from ingest.reports import ChoiceReport

Standings = Mapping[str, Standing | None]


def standings_after_choices(
    conn: psycopg.Connection[TupleRow], messages: Sequence[Message], standings: Standings
) -> dict[int, dict[str, Standing]]:
    """Return by position of a choice the standing of its car from there on; only where more of the car follows.

    The choices are stored, asked about and taken back: which one is in force, ``pii.consent_now`` alone says.
    """
    found: dict[int, dict[str, Standing]] = {}
    # Nearly every batch is without.
    reports = _choices(messages, standings) if any(m.topic.endswith("/consent") for m in messages) else {}
    if not reports:
        return found
    with conn.transaction(force_rollback=True), conn.cursor() as cursor:
        for place, report in reports.items():
            try:
                with conn.transaction():
                    store_choices(cursor, [report])
            except (psycopg.DataError, psycopg.IntegrityError):
                # It becomes a dead letter when it is stored in earnest.
                continue
            after = Gate(remember_s=0).standings(conn, [report.vin])[report.vin]
            if after is not None:
                found[place] = {report.vin: after}
    return found


def _choices(messages: Sequence[Message], standings: Standings) -> dict[int, ChoiceReport]:
    choices: dict[int, ChoiceReport] = {}
    last: dict[str, int] = {}
    for place, message in enumerate(messages):
        try:
            topic = topics.parse(message.topic)
            last[topic.vin] = place
            standing = standings.get(topic.vin)
            if topic.kind == "consent" and standing is not None:
                received_ms = message.received_ms if topic.received_ms is None else topic.received_ms
                choice = decode_consent(message.payload)
                choices[place] = ChoiceReport(standing.vehicle_id, topic.vin, received_ms, choice)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            # Not a choice; sorting says what is wrong with it.
            continue
    return choices if any(last[choice.vin] > place for place, choice in choices.items()) else {}
