"""Compares what was sent with what is stored, key by key, and the counters with both."""

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg

from tests.fault.load import Batch, Key

_READINGS = """
    SELECT vin, (extract(epoch FROM ts) * 1000)::bigint, seq, soc_pct::float8
    FROM telemetry.vehicle_reading JOIN pii.vehicle_identity USING (vehicle_id)
"""
_CELLS = """
    SELECT vin, (extract(epoch FROM ts) * 1000)::bigint, seq
    FROM telemetry.cell_reading JOIN pii.vehicle_identity USING (vehicle_id)
"""
_OUTCOMES = """
    SELECT coalesce(sum(received), 0), coalesce(sum(stored), 0), coalesce(sum(duplicate), 0), coalesce(sum(dead), 0),
           coalesce(sum(refused), 0), coalesce(bool_and(received = stored + duplicate + dead + refused), true)
    FROM telemetry.outcome
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What became of a load, in samples."""

    sent: int
    lost: int
    doubled: int
    foreign: int
    altered: int
    cells_lost: int
    rows: int
    events: int
    received: int
    stored: int
    duplicate: int
    dead: int
    refused: int
    letters: int
    every_epoch_balances: bool

    def check(self) -> "Ledger":
        """Fail unless nothing is lost, doubled or changed and the counters balance."""
        assert (self.lost, self.doubled, self.foreign, self.altered, self.cells_lost) == (0, 0, 0, 0, 0), self
        assert self.every_epoch_balances, self
        assert self.received == self.stored + self.duplicate + self.dead + self.refused, self
        assert self.stored == self.rows + self.events, self
        assert self.dead == self.letters, self
        return self

    def __str__(self) -> str:
        return (
            f"sent {self.sent:,} lost {self.lost} doubled {self.doubled}, received {self.received:,} ="
            f" stored {self.stored:,} + duplicate {self.duplicate:,} + dead {self.dead:,} + refused {self.refused:,}"
        )


def read_ledger(dsn: str, sent: Iterable[Batch]) -> Ledger:
    """Return what the database says about a load whose messages ``sent`` were acknowledged to their publisher."""
    expected: dict[Key, float] = {}
    cells: set[Key] = set()
    for batch in sent:
        expected |= batch.soc_pct
        cells |= batch.with_cells
    with psycopg.connect(dsn) as conn:
        rows = conn.execute(_READINGS).fetchall()
        stored_cells = [Key(*row) for row in conn.execute(_CELLS).fetchall()]
        events = _number(conn, "SELECT count(*) FROM telemetry.vehicle_event WHERE source = 'event'")
        letters = _number(conn, "SELECT coalesce(sum(samples), 0) FROM pii.dead_letter")
        outcome = conn.execute(_OUTCOMES).fetchone()
    assert outcome is not None
    stored = {Key(vin, ts_ms, seq): soc_pct for vin, ts_ms, seq, soc_pct in rows}
    return Ledger(
        sent=len(expected),
        lost=len(expected.keys() - stored.keys()),
        doubled=len(rows) - len(stored) + len(stored_cells) - len(set(stored_cells)),
        foreign=len(stored.keys() - expected.keys()),
        altered=sum(1 for key, value in expected.items() if key in stored and abs(stored[key] - value) > 0.01),
        cells_lost=len(cells - set(stored_cells)),
        rows=len(rows),
        events=events,
        letters=letters,
        **dict(zip(("received", "stored", "duplicate", "dead", "refused"), map(int, outcome[:5]), strict=True)),
        every_epoch_balances=outcome[5],
    )


def _number(conn: psycopg.Connection[tuple[object, ...]], query: str) -> int:
    row = conn.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return int(row[0])
