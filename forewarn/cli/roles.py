"""Roles and scopes as options name them: ``--help`` stays quick without what they open."""

from enum import StrEnum


class RoleName(StrEnum):
    """What somebody does; alerts.access.roles.Role says the same."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    SAFETY = "safety"
    DEALER = "dealer"


class ScopeName(StrEnum):
    """What a key opens; alerts.access.roles.Scope says the same."""

    ALERTS_READ = "alerts:read"
    ALERTS_PHONES = "alerts:phones"
    COUPONS_REDEEM = "coupons:redeem"
