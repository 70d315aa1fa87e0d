"""Makes sightings: of what a pile reports over MQTT, of what a car says in a frame, of what our own rules find."""

from array import array
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from math import nan
from typing import Any, Literal, cast

from alerts.charging.anomaly import Kind, Severity, Sighting
from alerts.charging.rules import CarSample
from alerts.charging.watch import Finding, PileSample, pile_sample
from config.dangers import Table, meaning
from ingest.charging import Alarm, ChargerSample, charger_row
from ingest.topics import Connector


def instant(epoch_ms: int) -> datetime:
    """Return an epoch time in ms as an aware UTC instant."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def car_sample(ts_ms: int, signals: Any) -> CarSample:
    """Return what rules need of a decoded sample's signals (``ingest.layout.Layout.Signals``)."""
    return CarSample(
        ts_ms=ts_ms,
        cell_v=_values(signals.cell_v),
        probe_c=_values(signals.probe_c),
        cell_min_v=_value(signals.cell_min_v),
        cell_max_v=_value(signals.cell_max_v),
        probe_min_c=_value(signals.battery_min_c),
        probe_max_c=_value(signals.battery_max_c),
        pack_v=_value(signals.pack_v),
        pack_a=_value(signals.pack_a),
        soc_pct=_value(signals.soc_pct),
        insulation_kohm=_value(signals.insulation_kohm),
        warning_level=None if (level := _value(signals.battery_warning_level)) is None else int(level),
        is_charging=None if (charging := _value(signals.is_charging)) is None else bool(charging),
    )


def _value(value: float | None) -> float | None:
    # NaN is how a layout says "not measured"; it is not equal to itself.
    return None if value is None or value != value else float(value)


def _values(values: Iterable[float | None] | None) -> "array[float] | None":
    if values is None:
        return None
    # Single precision is finer than any sensor, and half the memory.
    found = array("f", [nan if value is None else value for value in values])
    return found if len(found) else None


def pile_columns(sample: ChargerSample) -> PileSample:
    """Return what rules need of a connector's sample; values that no working sensor reports are left out."""
    return pile_sample(sample.ts, charger_row(sample))


def of_alarm(at: Connector, alarm: Alarm, *, received_ms: int) -> Sighting:
    """Return what a pile's alarm says. Its operator's grading counts, unless the table knows the code to be worse."""
    kind, severity = pile_meaning(alarm.code, alarm.severity)
    return Sighting(
        source="pile",
        channel="mqtt_alarm",
        source_id=f"{at.station}/{at.connector}/{alarm.id}",
        operator=at.operator,
        station=at.station,
        connector=at.connector,
        session_id=alarm.session_id,
        vin=alarm.vin,
        ts=instant(alarm.ts),
        received_at=instant(received_ms),
        code=alarm.code,
        kind=kind,
        severity=severity,
        state=alarm.state,
        text=alarm.text,
        measures={
            name: float(value) if isinstance(value, int | float) else value
            for name, value in alarm.measures.items()
            if value is not None
        },
    )


def pile_meaning(code: str, severity: Severity) -> tuple[Kind, Severity]:
    """Return kind and severity of a code on the alarm topic, whose dialect nobody says: numbers are T/CEC's."""
    table: Table = "tcec" if code.isdigit() else "ocpp16"
    kind, graded = meaning(table, code, level=severity if table == "tcec" else None)
    # Of what the table has no kind for, the pile itself knows best how bad it is.
    return cast(Kind, kind), severity if kind == "other" else min(graded, severity)


def of_finding(
    finding: Finding,
    *,
    vin: str | None,
    at: Connector | None = None,
    session_id: str | None = None,
    received_ms: int,
    code: str | None = None,
    source: Literal["car", "forewarn"] = "forewarn",
) -> Sighting:
    """Return what our rules found in samples of a car or, with ``at``, of a connector.

    code : of the car's own alarm; None is our rule's name
    """
    where = f"{at.operator}/{at.station}/{at.connector}" if at is not None else vin or ""
    # A digest: ids are written where VINs must not be.
    digest = blake2b(where.encode(), digest_size=12).hexdigest()
    return Sighting(
        source=source,
        channel="car_1hz" if at is None else "pile_telemetry",
        source_id=f"{digest}/{code or finding.kind}/{finding.began_ms}",
        operator=at.operator if at is not None else None,
        station=at.station if at is not None else None,
        connector=at.connector if at is not None else None,
        session_id=session_id,
        vin=vin,
        ts=instant(finding.ts_ms),
        received_at=instant(received_ms),
        code=code or finding.kind,
        kind=finding.kind,
        severity=finding.severity,
        state="off" if finding.change == "off" else "on",
        text=finding.why,
        measures=finding.measures,
    )
