"""What people and machines may do."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What somebody does here; each account has one."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    SAFETY = "safety"
    DEALER = "dealer"


class Scope(StrEnum):
    """What a machine's key opens."""

    ALERTS_READ = "alerts:read"
    # Telephone numbers in full, for a dialler.
    ALERTS_PHONES = "alerts:phones"
    COUPONS_REDEEM = "coupons:redeem"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: a person with a role, or a machine with scopes.

    name      : of the account, or the number of the key, as the audit trail writes it
    dealer_id : whose dealer it is, for dealers and keys of dealers
    csrf      : what a form of this session has to carry; None for a machine, whose key no browser sends by itself
    """

    kind: str
    name: str
    role: Role | None = None
    scopes: frozenset[Scope] = frozenset()
    dealer_id: str | None = None
    account_id: int | None = None
    csrf: str | None = None
