"""Chooses what stops the piles of a partner."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import msgspec

from alerts.charging.partners.asked import Asked
from alerts.charging.partners.partner import KeyKind, Partner, cec_keys
from alerts.charging.partners.stop_cec import CecStopper
from alerts.charging.partners.stop_ocpi import OcpiStopper
from alerts.charging.partners.stop_webhook import WebhookStopper
from alerts.charging.stopping import PileStopper

RESULT_PATH = "/ocpi/emsp/2.2.1/commands/STOP_SESSION"


class OurSide(msgspec.Struct, frozen=True, kw_only=True):
    """How partners know us.

    operator_id : our OperatorID of T/CEC 102
    party       : our country code and party id of OCPI
    public_url  : where partners reach our server
    """

    operator_id: str
    party: tuple[str, str]
    public_url: str


def stopper_maker(
    ours: OurSide,
    client: httpx.Client,
    session_at: Callable[[str, str | None, str | None], str | None],
    asked: Asked,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Callable[[Partner], PileStopper | None]:
    """Return what makes the stopper of a partner."""

    def response_url(action_id: uuid.UUID) -> str:
        return f"{ours.public_url.rstrip('/')}{RESULT_PATH}/{action_id}"

    def secrets(partner: Partner, kind: KeyKind) -> list[bytes]:
        return [key.secret for key in partner.valid(kind, clock())]

    def make(partner: Partner) -> PileStopper | None:
        if partner.stop_by is None or partner.stop_url is None:
            return None
        if partner.stop_by == "webhook":
            return WebhookStopper(
                partner.stop_url,
                secrets(partner, "webhook"),
                client=client,
                session_at=session_at,
                asked=asked,
                clock=clock,
            )
        if partner.stop_by == "ocpi":
            tokens = secrets(partner, "ocpi_out")
            return OcpiStopper(
                partner.stop_url,
                tokens[0].decode() if tokens else None,
                response_url=response_url,
                party=ours.party,
                client=client,
                session_at=session_at,
                asked=asked,
            )
        # Most operators agree on one set of keys for both ways.
        keys = partner.valid("tcec102_out", clock()) or partner.valid("tcec102", clock())
        return CecStopper(
            partner.stop_url,
            cec_keys(keys[0]) if keys else None,
            operator_id=ours.operator_id,
            client=client,
            session_at=session_at,
            asked=asked,
            clock=clock,
        )

    return make
