"""Against the package of the specification's authors, which knows nothing of ours."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from alerts.charging.partners.refusals import NotAuthentic
from alerts.charging.partners.webhooks import headers_for, is_signed, read_headers, secret_of, sign, text_of

SECRET = bytes(range(32))
OTHER = bytes(reversed(range(32)))
AT = 1_780_000_000


def _given(signature: str, body: bytes, *, secrets=(SECRET,), message_id="msg_1") -> bool:
    return is_signed(secrets, message_id=message_id, timestamp=AT, signature=signature, body=body)


@given(body=st.text().map(str.encode), message_id=st.from_regex(r"[a-z0-9_]{1,40}", fullmatch=True))
def test_what_the_reference_signs_is_accepted(body, message_id):
    # The reference takes naive times as UTC.
    when = datetime.fromtimestamp(AT, UTC).replace(tzinfo=None)
    signature = Webhook(text_of(SECRET)).sign(message_id, when, body.decode())
    assert _given(signature, body, message_id=message_id)
    assert not _given(signature, body + b" ", message_id=message_id)


def test_the_reference_accepts_what_we_sign():
    now = int(datetime.now(UTC).timestamp())
    headers = headers_for([OTHER, SECRET], message_id="msg_2", timestamp=now, body=b'{"a":1}')
    assert Webhook(text_of(SECRET)).verify(b'{"a":1}', headers) == {"a": 1}
    assert Webhook(text_of(OTHER)).verify(b'{"a":1}', headers) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(text_of(b"x" * 32)).verify(b'{"a":1}', headers)


def test_one_signature_of_several_and_one_key_of_several_are_enough():
    body = b"{}"
    forged, good = (
        sign(OTHER, message_id="msg_1", timestamp=AT, body=body),
        sign(SECRET, message_id="msg_1", timestamp=AT, body=body),
    )
    assert _given(f"{forged} {good}", body)
    assert _given(good, body, secrets=(OTHER, SECRET))
    assert not _given(forged, body)
    assert not _given("", body)
    assert not _given(good.replace("v1,", "v1a,"), body)
    assert not _given(good, body, secrets=())


def test_a_secret_is_read_as_it_was_shown():
    assert secret_of(text_of(SECRET)) == SECRET
    for wrong in ("", "whsec_", "whsec_not base64!"):
        with pytest.raises(ValueError, match="whsec_"):
            secret_of(wrong)


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({}, "webhook-id"),
        ({"webhook-id": "a b"}, "webhook-id"),
        ({"webhook-id": "x" * 201}, "webhook-id"),
        ({"webhook-id": "x"}, "webhook-timestamp"),
        ({"webhook-id": "x", "webhook-timestamp": "1e9"}, "webhook-timestamp"),
        ({"webhook-id": "x", "webhook-timestamp": "-5"}, "webhook-timestamp"),
        ({"webhook-id": "x", "webhook-timestamp": "٣"}, "webhook-timestamp"),
        ({"webhook-id": "x", "webhook-timestamp": "5"}, "webhook-signature"),
    ],
)
def test_a_header_that_is_missing_or_none_is_named(headers, named):
    with pytest.raises(NotAuthentic, match=named):
        read_headers(headers)
