"""The interface for programs, version 1: call list, coupons, findings; described at /api/v1/openapi.json."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from alerts import call_list
from alerts.access.audit import actor_of, record_cases
from alerts.access.roles import Role, Scope
from alerts.calls import MARK, Filter, other_leads, read_mark
from alerts.case_dealers import dealers_for_call
from alerts.coupons import CouponMisread
from alerts.phones import MOST_REASON, phones_of
from alerts.web.case_page import open_call
from alerts.web.dealer import record_finding
from alerts.web.forms import NO_NUL
from alerts.web.guard import Allowed, allowed, caller_of, declarations
from alerts.web.rendering import language_of
from alerts.web.state import now_of, pages_of, pool_of
from alerts.work import redeeming
from alerts.work.findings import FindingRefused, Report
from config.i18n import LANGUAGES

router = APIRouter(prefix="/api/v1", tags=["call centre"])
_READ = allowed(Role.AGENT, Role.SUPERVISOR, scope=Scope.ALERTS_READ)
_REDEEM = allowed(Role.DEALER, scope=Scope.COUPONS_REDEEM)
MOST_ROWS = 10_000
EXPORTED = "phones exported"
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_Id = Annotated[str, Field(min_length=1, max_length=redeeming.MOST_REQUEST_ID, pattern=r"^[\x21-\x7e]+$")]
_Text = Annotated[str, Field(pattern=NO_NUL)]


class _Body(BaseModel):
    """JSON, and nothing but what is known."""

    model_config = ConfigDict(extra="forbid")


class Redemption(_Body):
    """A coupon at the counter. request_id is the dealer's own: the same again answers the same."""

    request_id: _Id
    bearer: _Text | None = Field(None, max_length=100, description="Who carried it, when it was not the owner.")


class TakingBack(_Body):
    """A redemption that is taken back."""

    request_id: _Id
    reason: _Text = Field(min_length=1, max_length=500)


class CouponState(_Body):
    """A coupon. Times are ISO 8601 UTC."""

    code: str
    campaign: str
    issuer: str
    percent_off: int | None
    yuan_off: int | None
    most_yuan: int | None
    driver: str | None
    valid_until: datetime
    redeemed_at: datetime | None


class DealerChoice(_Body):
    """A dealer to offer. distance_km is as the crow flies; open_now is null where nobody told the hours."""

    dealer_id: str
    name_zh: str
    name_en: str
    phone: str
    distance_km: float
    pick_up: bool
    open_now: bool | None
    next_slot_at: datetime | None


class FindingReport(_Body):
    """What a workshop found about a case."""

    request_id: _Id
    result: Literal["confirmed", "other", "nothing"]
    fault_mode: _Text | None = Field(None, max_length=60)
    parts: list[Annotated[_Text, Field(min_length=1, max_length=100)]] = Field([], max_length=100)
    odometer_km: float | None = Field(None, ge=0, lt=5_000_000)
    note: _Text = Field("", max_length=2000)


class Recorded(_Body):
    """The number of a finding."""

    finding_id: int


class Refusal(BaseModel):
    """Why not, in words; of what was asked in a wrong way, each place; of a coupon, why beside the words."""

    detail: str | dict[str, str] | list[dict[str, Any]]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe what every operation may answer, and ``statuses`` besides."""
    said = {
        400: "the body is no JSON",
        401: "no key, or one that is not known",
        403: "the key may not do this",
        404: "there is no such thing, or it may not be shown",
        409: "it was done, or ended, before",
        413: "the body is too large",
        422: "not understood",
        503: "the database does not answer: nothing is lost, try again in a moment",
    }
    return {status: {"model": Refusal, "description": said[status]} for status in (401, 403, 422, 503, *statuses)}


# Of the list in its formats; what a line holds is added to the description.
_LIST: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the list",
        "headers": {"Next-After": {"description": "after of the next page", "schema": {"type": "string"}}},
        "content": {
            "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/CallRow"}}},
            **{type_.partition(";")[0]: {"schema": {"type": "string"}} for type_ in _TYPES.values()},
        },
    },
    **_refusals(),
}


@router.get("/alerts", dependencies=[_READ], response_class=Response, responses=_LIST)
def list_alerts(
    request: Request,
    format: Literal["json", "csv", "xlsx"] = "json",
    fault_mode: Annotated[str | None, Query(max_length=60, pattern=NO_NUL)] = None,
    city: Annotated[str | None, Query(max_length=60, pattern=NO_NUL)] = None,
    severity: Annotated[int | None, Query(ge=1, le=3)] = None,
    source: Annotated[Literal["prediction", "lamp", "anomaly", "service", "dormant", "loyalty"] | None, Query()] = None,
    after: Annotated[str | None, Query(pattern=MARK)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    language: Annotated[str | None, Query(pattern="^(zh_CN|en)$")] = None,
    phones: bool = False,
    reason: Annotated[str | None, Query(max_length=MOST_REASON, pattern=NO_NUL)] = None,
) -> Response:
    """Return the call list, most urgent first; the header ``Next-After`` is ``after`` of the next page.

    Telephone numbers are masked. In full they are given to a key of the scope alerts:phones, and to a supervisor who
    says why; each case whose number was given is on record.
    """
    caller, pages = caller_of(request), pages_of(request)
    has_reason = caller.role is Role.SUPERVISOR and bool((reason or "").strip())
    if phones and not (has_reason or Scope.ALERTS_PHONES in caller.scopes):
        raise HTTPException(403, "numbers in full need a key of the scope alerts:phones, or a supervisor and a reason")
    now = pages.clock()
    spoken = language if language in LANGUAGES else (language_of(request) or pages.language)
    wanted = Filter(
        fault_mode=fault_mode,
        city=city,
        severity=severity,
        source=source,
        after=read_mark(after) if after else None,
    )
    with pool_of(request).connection() as conn:
        lines, next_after = call_list.page(conn, wanted=wanted, language=spoken, limit=limit, now=now)
        if phones:
            numbers = phones_of(conn, [line.case_id for line in lines])
            lines = [call_list.unmasked(line, numbers.get(line.case_id)) for line in lines]
            seen = [line.case_id for line in lines if line.phone is not None]
            record_cases(conn, actor_of(caller), EXPORTED, now=now, case_ids=seen, reason=reason)
    headers = {"Next-After": next_after} if next_after else {}
    if format == "json":
        return Response(call_list.to_json(lines), media_type="application/json", headers=headers)
    content = call_list.to_csv(lines).encode("utf-8-sig") if format == "csv" else call_list.to_xlsx(lines)
    headers["Content-Disposition"] = f'attachment; filename="call-list.{format}"'
    return Response(content, media_type=_TYPES[format], headers=headers)


@router.get(
    "/cases/{case_id}/dealers", dependencies=[_READ], response_model=list[DealerChoice], responses=_refusals(404)
)
def nearest_dealers(request: Request, case_id: Annotated[int, Path(ge=1, lt=2**63)]) -> Any:
    """Return the three nearest dealers that can do the work of an open case and have time for it."""
    now = now_of(request)
    with pool_of(request).connection() as conn:
        call = open_call(conn, case_id, now=now)
        near = dealers_for_call(conn, call, other_leads(conn, call), now=now)
    return [
        DealerChoice(
            dealer_id=choice.dealer.dealer_id,
            name_zh=choice.dealer.name_zh,
            name_en=choice.dealer.name_en,
            phone=choice.dealer.phone,
            distance_km=round(choice.distance_km, 1),
            pick_up=choice.pick_up,
            open_now=choice.open_now,
            next_slot_at=choice.next_slot_at,
        )
        for choice in near.choices
    ]


@router.get("/coupons/{code}", dependencies=[_REDEEM], response_model=CouponState, responses=_refusals(404))
def show_coupon(request: Request, code: str) -> Any:
    """Return what a coupon is worth and whether it is redeemed."""
    with pool_of(request).connection() as conn:
        return _state(_asked(lambda: redeeming.look_up(conn, code)))


@router.post(
    "/coupons/{code}/redeem",
    dependencies=[_REDEEM],
    response_model=CouponState,
    responses=_refusals(400, 404, 409, 413),
)
def redeem_coupon(request: Request, code: str, body: Redemption) -> Any:
    """Redeem a coupon, once; the same ``request_id`` again answers the same."""
    asked = _request(request, body.request_id, bearer=body.bearer)
    with pool_of(request).connection() as conn:
        _asked(lambda: redeeming.redeem(conn, code, asked, now=now_of(request)))
        return _state(redeeming.look_up(conn, code))


@router.post(
    "/coupons/{code}/roll-back",
    dependencies=[_REDEEM],
    response_model=CouponState,
    responses=_refusals(400, 404, 409, 413),
)
def roll_back_coupon(request: Request, code: str, body: TakingBack) -> Any:
    """Take a redemption of this dealer back."""
    asked = _request(request, body.request_id, reason=body.reason)
    with pool_of(request).connection() as conn:
        _asked(lambda: redeeming.roll_back(conn, code, asked, now=now_of(request)))
        return _state(redeeming.look_up(conn, code))


@router.post(
    "/cases/{case_id}/findings",
    dependencies=[_REDEEM],
    response_model=Recorded,
    responses=_refusals(400, 404, 409, 413),
)
def report_finding(request: Request, case_id: Annotated[int, Path(ge=1, lt=2**63)], body: FindingReport) -> Any:
    """Report what the workshop found about a case that it has a visit or coupon of."""
    report = Report(
        result=body.result,
        fault_mode=body.fault_mode,
        parts=tuple(body.parts),
        odometer_km=body.odometer_km,
        note=body.note,
        request_id=body.request_id,
    )
    try:
        with pool_of(request).connection() as conn:
            number = record_finding(conn, case_id, report, dealer_id=_dealer_id(request), request=request)
    except FindingRefused as error:
        raise HTTPException(422, str(error)) from error
    return Recorded(finding_id=number)


@router.get("/openapi.json", dependencies=[_READ], include_in_schema=False)
def describe(request: Request) -> JSONResponse:
    """Return the description of this interface."""
    described = get_openapi(
        title="Forewarn call centre",
        version="1",
        routes=router.routes,
    )
    _, known = msgspec.json.schema_components([call_list.CallRow], ref_template="#/components/schemas/{name}")
    described["components"]["schemas"] |= known
    described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for declared in declarations(request.app):
        scope = declared.access.scope if isinstance(declared.access, Allowed) else None
        for method, operation in described["paths"].get(declared.path, {}).items():
            if method.upper() in declared.methods and scope is not None:
                operation["security"] = [{"key": [scope.value]}]
    return JSONResponse(described)


def _asked(ask: Any) -> Any:
    try:
        return ask()
    except CouponMisread as error:
        raise HTTPException(422, str(error)) from error
    except redeeming.CouponRefused as error:
        raise HTTPException(404 if error.why == "unknown" else 409, {"why": error.why, "text": str(error)}) from error


def _request(
    request: Request, request_id: str, *, bearer: str | None = None, reason: str | None = None
) -> redeeming.Request:
    dealer_id, by = _dealer_id(request), caller_of(request).name
    return redeeming.Request(dealer_id=dealer_id, request_id=request_id, by=by, bearer=bearer, reason=reason)


def _state(coupon: redeeming.Coupon) -> CouponState:
    return CouponState(**{name: getattr(coupon, name) for name in CouponState.model_fields})


def _dealer_id(request: Request) -> str:
    dealer_id = caller_of(request).dealer_id
    if dealer_id is None:
        raise HTTPException(403, "this key speaks for no dealer")
    return dealer_id
