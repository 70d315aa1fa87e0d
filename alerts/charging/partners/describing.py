"""Describes the server in OpenAPI, and the description as a page that needs no script.

Requests are verified byte by byte before they are read, so their schemas are written here and not taken from code.
What is not required is whatever a partner sends: an optional field of the wrong type is left aside, since a danger
must not be lost to it.
"""

from html import escape
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from config.i18n import translator

Schema = dict[str, Any]

PROBLEM: Schema = {
    "type": "object",
    "required": ["reason", "detail"],
    "properties": {"reason": {"type": "string"}, "detail": {"type": "string"}},
}
_WORDS = {
    400: "The message cannot be read",
    401: "The signature or token is none of this partner's, or its time is more than 5 minutes off",
    403: "It speaks of what is another partner's",
    404: "Nothing to read",
    409: "This very message was taken before, or its id with other content",
    413: "Too large",
    415: "Not JSON",
    429: "More than agreed, and nothing new in it",
    503: "Acted on, but the database is away: send it again",
}
WEBHOOK_HEADERS: list[Schema] = [
    {
        "name": "webhook-id",
        "in": "header",
        "required": True,
        "description": "Id of the message, the same for every attempt to send it",
        "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
    },
    {
        "name": "webhook-timestamp",
        "in": "header",
        "required": True,
        "description": "Epoch seconds of this attempt",
        "schema": {"type": "string", "pattern": "^[0-9]{1,12}$"},
    },
    {
        "name": "webhook-signature",
        "in": "header",
        "required": True,
        "description": "v1, and the Base64 of HMAC-SHA256 over id.timestamp.body; several, apart by a space",
        "schema": {"type": "string", "pattern": "^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$"},
    },
]
_EVENT: Schema = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 400, "pattern": "^[^\\u0000]+$"},
        "source": {"type": "string", "minLength": 1, "maxLength": 400, "pattern": "^[^\\u0000]+$"},
        "time": {"type": "string", "format": "date-time"},
    },
}


def _event(kind: str, required: list[str], properties: Schema, description: str) -> Schema:
    data = {"type": "object", "required": required, "properties": properties}
    return {
        **_EVENT,
        "title": kind,
        "description": description,
        "properties": {**_EVENT["properties"], "type": {"const": kind}, "data": data},
    }


# A name of ours; a station's own names are a partner's to choose.
_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$"}
_ANY: Schema = {}
_EVENTS: list[Schema] = [
    _event(
        "forewarn.charging.anomaly.v1",
        ["id", "station", "code", "severity"],
        {
            "id": {**_NAME, "description": "Of the anomaly: the same when it gets worse and when it goes off"},
            "station": _NAME,
            "connector": {"description": "As you call it", **_ANY},
            "session_id": _ANY,
            "vin": {"description": "As the station read it from the car", **_ANY},
            "code": {**_NAME, "description": "As you call it; any code is kept"},
            "severity": {
                "type": "integer",
                "enum": [1, 2, 3],
                "description": "1 personal safety, 2 equipment, 3 notice",
            },
            "state": {"type": "string", "enum": ["on", "off"], "default": "on"},
            "text": _ANY,
            "measures": {"description": "What was measured, by name", **_ANY},
        },
        "Something abnormal at a connector. Whether and what is stopped follows from what was agreed.",
    ),
    _event(
        "forewarn.charging.session.v1",
        ["session_id", "station", "connector", "state", "started_at"],
        {
            "session_id": _NAME,
            "station": _NAME,
            "connector": _NAME,
            "state": {"type": "string", "enum": ["starting", "charging", "ended", "failed"]},
            "started_at": {"type": "string", "format": "date-time"},
            "vin": {"description": "As the station read it from the car", **_ANY},
            "reason": _ANY,
        },
        "A session that begins, goes on or ends: binds a car to a connector.",
    ),
    _event(
        "forewarn.charging.measurement.v1",
        ["station", "connector", "signals"],
        {
            "station": _NAME,
            "connector": _NAME,
            "session_id": _ANY,
            "signals": {
                "type": "object",
                "required": ["SoC"],
                "properties": {"SoC": {"type": "number", "minimum": 0, "maximum": 100}},
                "description": "By OCPP measurand: Voltage (V), Current.Import (A), SoC (%), …",
            },
        },
        "What a connector measures.",
    ),
    _event(
        "forewarn.charging.stop_result.v1",
        ["action_id", "result"],
        {
            "action_id": {"type": "string", "format": "uuid"},
            "result": {"type": "string", "enum": ["accepted", "confirmed", "refused", "failed"]},
            "detail": _ANY,
        },
        "What became of a stop that we asked for.",
    ),
    _event(
        "forewarn.ocpp16.call.v1",
        ["station", "call"],
        {
            "station": {**_NAME, "description": "Identity of the charging station"},
            "call": {
                "type": "array",
                "minItems": 4,
                "maxItems": 4,
                "prefixItems": [{"const": 2}, {"type": "string"}, {"const": "Heartbeat"}, {"type": "object"}],
                "description": "The call as the station sent it",
                "examples": [
                    [
                        2,
                        "7",
                        "StatusNotification",
                        {"connectorId": 1, "errorCode": "HighTemperature", "status": "Faulted"},
                    ]
                ],
            },
            "result": {"description": "Your answer to it: StartTransaction's transactionId", **_ANY},
        },
        "An OCPP 1.6 call, forwarded: StatusNotification, MeterValues, StartTransaction, StopTransaction.",
    ),
    _event(
        "forewarn.ocpp201.call.v1",
        ["station", "call"],
        {
            "station": {**_NAME, "description": "Identity of the charging station"},
            "call": {
                "type": "array",
                "minItems": 4,
                "maxItems": 4,
                "prefixItems": [{"const": 2}, {"type": "string"}, {"const": "Heartbeat"}, {"type": "object"}],
                "description": "The call as the station sent it",
            },
        },
        "An OCPP 2.0.1 call, forwarded: NotifyEvent, TransactionEvent, StatusNotification, MeterValues.",
    ),
]
EVENT_BODY: Schema = {
    "required": True,
    "content": {"application/cloudevents+json": {"schema": {"oneOf": _EVENTS}}},
}
CEC_BODY: Schema = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "description": (
                    "OperatorID; Data (JSON, AES-128-CBC with PKCS#7 padding, Base64); TimeStamp (yyyyMMddHHmmss,"
                    " China's time); Seq (0001 to 9999); Sig (HMAC-MD5 over the four, capitals). What is missing or"
                    " wrong is answered with its Ret."
                ),
            },
            "example": {
                "OperatorID": "MA0000001",
                "Data": "il7B0BSEjFdzpyKzfOFpvg==",
                "TimeStamp": "20261126143005",
                "Seq": "0001",
                "Sig": "745166E8C43C84D37FFEC0F529C4136F",
            },
        }
    },
}
CEC_ANSWER: Schema = {
    "type": "object",
    "required": ["Ret", "Msg", "Data", "Sig"],
    "properties": {
        "Ret": {"type": "integer", "enum": [0, -1, 4001, 4002, 4003, 4004, 500]},
        "Msg": {"type": "string"},
        "Data": {"type": "string"},
        "Sig": {"type": "string"},
    },
}
OCPI_SESSION: Schema = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["status", "start_date_time", "location_id"],
                "properties": {
                    "status": {"type": "string", "enum": ["ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"]},
                    "start_date_time": {"type": "string", "format": "date-time"},
                    "location_id": _NAME,
                    "evse_uid": _ANY,
                    "vin": {"description": "An extension: without it the car cannot be read", **_ANY},
                },
                "description": "A session object; PATCH takes any part of it.",
            }
        }
    },
}
OCPI_CREDENTIALS: Schema = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["token", "url", "roles"],
                "properties": {
                    "token": {
                        "type": "string",
                        "pattern": "^[!-~]{1,255}$",
                        "description": "Yours, by which you know us from now on",
                    },
                    "url": {"type": "string", "format": "uri", "description": "Of your versions; asked at once"},
                    "roles": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["role", "country_code", "party_id"],
                            "properties": {
                                "role": {"type": "string", "description": "CPO, of one of them at least"},
                                "country_code": {"type": "string", "pattern": "^[A-Za-z]{2}$"},
                                "party_id": {"type": "string", "pattern": "^[A-Za-z0-9]{3}$"},
                            },
                        },
                    },
                },
            }
        }
    },
}
OCPI_RESULT: Schema = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["result"],
                "properties": {"result": {"type": "string", "enum": ["ACCEPTED", "FAILED", "REJECTED", "TIMEOUT"]}},
            }
        }
    },
}
OCPI_ANSWER: Schema = {
    "type": "object",
    "required": ["status_code", "timestamp"],
    "properties": {
        "data": {},
        "status_code": {"type": "integer"},
        "status_message": {"type": "string"},
        "timestamp": {"type": "string"},
    },
}
_VALUES = (
    "soc_pct",
    "pack_v",
    "pack_a",
    "cell_min_v",
    "cell_max_v",
    "battery_min_c",
    "battery_max_c",
    "insulation_kohm",
)
CAR_STATE: Schema = {
    "type": "object",
    "required": ["session_id", "operator", "as_of", *_VALUES],
    "properties": {
        "session_id": {"type": "string"},
        "operator": {"type": "string"},
        "station": {"type": ["string", "null"]},
        "connector": {"type": ["string", "null"]},
        "as_of": {"type": "string", "format": "date-time"},
        **{name: {"type": ["number", "null"]} for name in _VALUES},
    },
}
_SECURITY: Schema = {
    "webhook": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks, see the headers",
    },
    "read": {"type": "http", "scheme": "bearer", "description": "A key of kind read"},
    "ocpi": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Token, a space, and the Base64 of a key of kind ocpi; of kind ocpi_register to register",
    },
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of refusals."""
    content = {"application/json": {"schema": PROBLEM}}
    return {status: {"description": _WORDS[status], "content": content} for status in statuses}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of the application, made once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title="Forewarn for charging partners",
            version=app.version,
            description="What charging operators push in and read back. The guide: docs/partners.md.",
            routes=app.routes,
        )
        found.setdefault("components", {})["securitySchemes"] = _SECURITY
        for path in found["paths"].values():
            for operation in path.values():
                # FastAPI lists a refusal of its own that no route here makes.
                if "422" in operation["responses"]:
                    del operation["responses"]["422"]
        found["components"].pop("schemas", None)
        app.openapi_schema = found
    return app.openapi_schema


def docs_page(request: Request) -> Response:
    """Serve the description as a page."""
    language = request.query_params.get("lang") or request.app.state.language
    t = translator(language if language in ("zh_CN", "en") else "en")
    found = describe(request.app)
    rows = [
        f"<tr><td><code>{method.upper()}</code></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(operation.get('summary', ''))}</td>"
        f"<td>{escape(', '.join(operation['responses']))}</td></tr>"
        for path, operations in found["paths"].items()
        for method, operation in operations.items()
    ]
    events = [
        f"<tr><td><code>{escape(event['title'])}</code></td><td>{escape(event['description'])}</td>"
        f"<td><code>{escape(', '.join(event['properties']['data']['required']))}</code></td></tr>"
        for event in _EVENTS
    ]
    page = (
        f'<!doctype html><html lang="{"zh-CN" if language == "zh_CN" else "en"}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(t('Interfaces for charging partners'))}</title>"
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse}td,th{border:1px solid #ccd;padding:.3rem .6rem;text-align:left}</style>"
        f"<h1>{escape(t('Interfaces for charging partners'))}</h1>"
        f"<p>{escape(t('The whole description:'))} <a href='/openapi.json'>/openapi.json</a></p>"
        f"<table><tr><th>{escape(t('Method'))}<th>{escape(t('Address'))}<th>{escape(t('What it does'))}"
        f"<th>{escape(t('Answers'))}</tr>{''.join(rows)}</table>"
        f"<h2>{escape(t('Events'))}</h2><table><tr><th>type<th>{escape(t('What it does'))}"
        f"<th>{escape(t('Required'))}</tr>{''.join(events)}</table></html>"
    )
    return Response(page, media_type="text/html; charset=utf-8")
