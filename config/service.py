"""What the call centre promises and what it leaves alone, read from ``service.toml``."""

from functools import cache

import msgspec

from config._files import read_toml


class Calling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When owners may be called. hours : as ``alerts.opening_hours`` reads them"""

    hours: str


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names end in their unit: _min, _h (hours), _d (days), _km; see ``service.toml`` for what each means."""

    hours: str
    country: str
    time_zone: str
    answer_h: float
    complaint_h: float
    close_months: int
    lease_min: int
    contacts: int
    contacts_d: int
    again_after_h: float
    most_unanswered: int
    declined_quiet_d: int
    repaired_quiet_d: int
    reopen_d: int
    settle_d: int
    calm_d: int
    survey_after_h: int
    low_score: int
    manager_h: float
    remind_h: int
    no_show_h: int
    receipt_min: int
    power_h: float
    power_soc: float
    agent_cases_a_day: int
    service_km: float
    service_d: int
    service_ahead_km: float
    service_ahead_d: int
    dormant_d: int
    loyalty_d: int
    calling: Calling
    explains: dict[str, tuple[str, ...]]


@cache
def service() -> Service:
    """Return the rules that ship with this version."""
    return msgspec.convert(read_toml("service.toml"), Service)
