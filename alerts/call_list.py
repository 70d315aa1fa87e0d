"""The call list for people and programs: a table, CSV and JSON with columns that stay."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from alerts import wording
from alerts.calls import Call, Filter, mark_of, open_calls
from config.i18n import translator

if TYPE_CHECKING:
    from rich.table import Table


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the call list. The field names are the columns of CSV and the keys of JSON, in this order.

    People are masked; ``phone`` is in full, and empty unless somebody asked for it who may. ``horizon_d`` and
    ``days_to_lamp`` are in days, ``distance_km`` as the crow flies, times are ISO 8601 UTC; ``fault``, ``why`` and
    ``dealer`` are in the language that was asked for; what is not known is empty (JSON null).
    """

    case_id: int
    priority: int
    vehicle_id: int
    model: str
    vin_masked: str
    city: str | None
    fault_mode: str | None
    fault: str
    severity: int
    probability: float | None
    horizon_d: int | None
    why: str
    owner_masked: str
    phone_masked: str | None
    dealer_id: str | None
    dealer: str | None
    distance_km: float | None
    coupon: str | None
    percent_off: int | None
    coupon_valid_until: str | None
    opened_at: str
    days_to_lamp: float | None = None
    days_to_lamp_low: float | None = None
    days_to_lamp_high: float | None = None
    source: str = "prediction"
    claimed_by: str | None = None
    due_at: str | None = None
    yuan_off: int | None = None
    phone: str | None = None


COLUMNS: tuple[str, ...] = CallRow.__struct_fields__


def rows(conn: psycopg.Connection[Any], *, language: str, limit: int = 50) -> list[CallRow]:
    """Return the call list, most urgent first, role "alerts"."""
    return [row(call, language) for call in open_calls(conn, wanted=Filter(), limit=limit)]


def page(
    conn: psycopg.Connection[Any], *, wanted: Filter, language: str, limit: int, now: datetime
) -> tuple[list[CallRow], str | None]:
    """Return some of the call list, and where the next page begins as ``after`` has it; None at the end."""
    calls = open_calls(conn, wanted=wanted, limit=limit + 1, now=now)
    some = calls[:limit]
    after = mark_of(some[-1]) if len(calls) > limit else None
    return [row(call, language) for call in some], after


def unmasked(line: CallRow, phone: str | None) -> CallRow:
    """Return a line with the number in full."""
    return msgspec.structs.replace(line, phone=phone)


def row(call: Call, language: str) -> CallRow:
    """Return one line of the list in ``language``."""
    lead, offer, coupon = call.lead, call.offer, call.coupon
    mode = lead.mode
    return CallRow(
        case_id=call.case_id,
        priority=call.priority,
        vehicle_id=call.vehicle_id,
        model=call.model,
        vin_masked=call.vin_masked,
        city=call.city,
        fault_mode=lead.fault_mode,
        fault=mode.name(language) if mode else (lead.fault_mode or wording.source(lead.source, language)),
        severity=lead.severity,
        probability=None if lead.probability is None else round(lead.probability, 3),
        horizon_d=mode.horizon_d if mode and lead.source == "prediction" else None,
        why=wording.why(lead.why, mode, language, source=lead.source),
        owner_masked=call.owner_masked,
        phone_masked=call.phone_masked,
        dealer_id=offer.dealer_id if offer else None,
        dealer=offer.name(language) if offer else None,
        distance_km=round(offer.distance_km, 1) if offer else None,
        coupon=coupon.code if coupon else None,
        percent_off=coupon.percent_off if coupon else None,
        coupon_valid_until=coupon.valid_until.isoformat() if coupon else None,
        opened_at=call.opened_at.isoformat(),
        days_to_lamp=_tenths(lead.days_to_lamp),
        days_to_lamp_low=_tenths(lead.days_to_lamp_low),
        days_to_lamp_high=_tenths(lead.days_to_lamp_high),
        source=lead.source,
        claimed_by=call.claimed_by,
        due_at=call.due_at.isoformat() if call.due_at else None,
        yuan_off=coupon.yuan_off if coupon else None,
    )


def _tenths(days: float | None) -> float | None:
    return None if days is None else round(days, 1)


def to_csv(lines: Iterable[CallRow]) -> str:
    """Return the list as CSV (RFC 4180) with a header of ``COLUMNS``.

    A text that a spreadsheet would take for a formula is given a leading apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow([_harmless(getattr(line, column)) for column in COLUMNS])
    return text.getvalue()


def to_xlsx(lines: Iterable[CallRow]) -> bytes:
    """Return the list as a workbook of one sheet with a header of ``COLUMNS``; no text is a formula."""
    # Slow to import, and only this format needs it.
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet("calls")
    sheet.freeze_panes = "A2"
    sheet.append(COLUMNS)
    for line in lines:
        cells = []
        for column in COLUMNS:
            value = getattr(line, column)
            is_text = isinstance(value, str)
            # One character that XML has not would cost everybody the list.
            cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", value) if is_text else value)
            if is_text:
                cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def to_json(lines: Sequence[CallRow]) -> str:
    """Return the list as a JSON array of objects with the keys of ``COLUMNS``."""
    return msgspec.json.format(msgspec.json.encode(lines), indent=2).decode()


def to_table(lines: Iterable[CallRow], *, language: str) -> "Table":
    """Return the list as a table for a terminal."""
    # Rich is slow to import and only this format needs it.
    from rich.markup import escape
    from rich.table import Table

    t = translator(language)
    table = Table(show_lines=True, header_style="bold")
    table.add_column(t("Priority"), justify="right", style="bold")
    for heading in ("Vehicle", "Expected to fail, and why", "Owner", "Dealer", "Coupon"):
        table.add_column(t(heading), overflow="fold", no_wrap=heading == "Coupon")
    for line in lines:
        likely = "" if line.probability is None else t("%(percent)s %% likely", percent=round(100 * line.probability))
        within = "" if line.horizon_d is None else t("within %(days)s days", days=line.horizon_d)
        days = (line.days_to_lamp, line.days_to_lamp_low, line.days_to_lamp_high)
        expected = ", ".join(part for part in (likely, within, wording.days_to_lamp(*days, language)) if part)
        table.add_row(
            str(line.priority),
            f"{escape(line.model)}\n{line.vin_masked}\n#{line.vehicle_id}",
            f"[bold]{escape(line.fault)}[/bold]{f' ({expected})' if expected else ''}\n{escape(line.why)}",
            f"{line.owner_masked}\n{line.phone_masked or t('no number')}",
            t("none can do this work") if line.dealer is None else f"{escape(line.dealer)}\n{line.distance_km} km",
            "—" if line.coupon is None else "\n".join(part for part in (line.coupon, _less(line, language)) if part),
        )
    return table


def _less(line: CallRow, language: str) -> str:
    """Return what a coupon takes off; nothing for one that takes nothing off."""
    if line.percent_off is not None:
        return f"−{line.percent_off} %"
    return "" if line.yuan_off is None else translator(language)("−%(yuan)s yuan", yuan=line.yuan_off)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
