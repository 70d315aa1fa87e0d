"""How charging operators do: starts that fail and anomalies, by operator."""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg.rows import class_row

from config import sql
from config.i18n import translator

if TYPE_CHECKING:
    from rich.table import Table

# Two-sided 95 %.
_Z = 1.959963984540054


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """One operator in a stretch of time.

    told     : sessions that the operator told us of, starts that failed among them
    measured : further sessions, known from readings alone: whether their start failed nobody says
    personal, equipment, notice : anomalies by the worst severity each came to
    """

    operator: str
    told: int
    failed: int
    measured: int
    personal: int
    equipment: int
    notice: int

    @property
    def sessions(self) -> int:
        return self.told + self.measured

    @property
    def failed_share(self) -> float | None:
        return self.failed / self.told if self.told else None

    @property
    def anomalies_per_100(self) -> float | None:
        found = self.personal + self.equipment + self.notice
        return 100 * found / self.sessions if self.sessions else None


def rates(conn: psycopg.Connection[Any], *, since: datetime, until: datetime) -> Sequence[Rates]:
    """Return every operator that said something in a half open stretch of time, role "alerts"."""
    with conn.cursor(row_factory=class_row(Rates)) as cursor:
        return cursor.execute(sql.load(__package__, "rates"), {"since": since, "until": until}).fetchall()


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Source : Wilson 1927; unlike the textbook's it holds for few sessions and for shares near 0.
    """
    if of == 0:
        return 0.0, 1.0
    share, z2 = hits / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def to_json(found: Sequence[Rates], *, days: int) -> str:
    """Return the report as one JSON object."""
    rows = []
    for one in found:
        low, high = wilson(one.failed, one.told)
        rows.append(
            {
                "operator": one.operator,
                "sessions": one.sessions,
                "failed_starts": one.failed,
                "failed_share": one.failed_share,
                "failed_share_95": [low, high] if one.told else None,
                "anomalies": {"personal": one.personal, "equipment": one.equipment, "notice": one.notice},
                "anomalies_per_100_sessions": one.anomalies_per_100,
            }
        )
    return json.dumps({"days": days, "operators": rows}, ensure_ascii=False, indent=2)


def to_table(found: Sequence[Rates], *, language: str) -> "Table":
    """Return the report as a table for people."""
    from rich.table import Table

    t = translator(language)
    table = Table()
    for heading in ("operator", "sessions", "failed starts", "95 %", "personal", "equipment", "notice", "per 100"):
        table.add_column(t(heading), justify="left" if heading == "operator" else "right")
    for one in found:
        low, high = wilson(one.failed, one.told)
        share, anomalies = one.failed_share, one.anomalies_per_100
        table.add_row(
            one.operator,
            f"{one.sessions:,}",
            "–" if share is None else f"{one.failed:,} ({share:.1%})",
            "–" if share is None else f"{low:.1%}–{high:.1%}",
            f"{one.personal:,}",
            f"{one.equipment:,}",
            f"{one.notice:,}",
            "–" if anomalies is None else f"{anomalies:.1f}",
        )
    return table
