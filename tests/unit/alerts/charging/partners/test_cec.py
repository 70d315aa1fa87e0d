"""T/CEC 102's envelope, by the example of the standard and by a second encoder written from the text."""

import base64
import hashlib
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from alerts.charging.partners.cec import (
    Keys,
    decrypt,
    encrypt,
    is_signed,
    read_answer,
    read_envelope,
    seal_answer,
    seal_request,
)
from alerts.charging.partners.refusals import NotUnderstood, WronglyEncrypted

# T/CEC 102.4, annex B.
STANDARD = Keys(
    operator_secret="1234567890abcdef",
    data_secret="1234567890abcdef",
    data_secret_iv="1234567890abcdef",
    sig_secret="1234567890abcdef",
)
STANDARD_BODY = (
    b'{"OperatorID":"123456789","Data":"il7B0BSEjFdzpyKzfOFpvg/Se1CP802RItKYFPfSLRxJ3jf0bVl9hvYOEktPAYW2nd7S8MBcyHYyac'
    b"HKbISq5iTmDzG+ivnR+SZJv3USNTYVMz9rCQVSxd0cLlqsJauko79NnwQJbzDTyLooYoIwz75qBOH2/xOMirpeEqRJrF/EQjWekJmGk9RtboXePu"
    b"2rka+Xm51syBPhiXJAq0GfbfaFu9tNqs/e2Vjja/ltE1M0lqvxfXQ6da6HrThsm5id4ClZFIi0acRfrsPLRixS/IQYtksxghvJwbqOsbIsITail9"
    b'Ayy4tKcogeEZiOO+4Ed264NSKmk7l3wKwJLAFjCFogBx8GE3OBz4pqcAn/ydA=","TimeStamp":"20160729142400","Seq":"0001",'
    b'"Sig":"745166E8C43C84D37FFEC0F529C4136F"}'
)
KEYS = Keys(
    operator_secret="operatorsecret00",
    data_secret="datasecret000000",
    data_secret_iv="dataiv0000000000",
    sig_secret="sigsecret0000000",
)
AT = datetime(2026, 11, 26, 6, 30, 5, tzinfo=UTC)


def test_the_standards_example_is_signed_and_decrypts():
    envelope = read_envelope(STANDARD_BODY)
    assert is_signed(envelope, STANDARD)
    assert envelope.at == datetime(2016, 7, 29, 6, 24, tzinfo=UTC)
    # Its object ends with a comma.
    assert isinstance(decrypt(envelope.data, STANDARD), dict)
    assert not is_signed(envelope, KEYS)


def _md5_hmac(key: bytes, text: bytes) -> str:
    # RFC 2104 by hand.
    block = key.ljust(64, b"\0")
    inner = hashlib.md5(bytes(byte ^ 0x36 for byte in block) + text).digest()
    return hashlib.md5(bytes(byte ^ 0x5C for byte in block) + inner).hexdigest().upper()


def _aes_cbc_by_hand(plain: bytes, key: bytes, iv: bytes) -> bytes:
    # Block by block: only the block cipher is another's.
    pad = 16 - len(plain) % 16
    plain += bytes([pad]) * pad
    block_cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    out, before = b"", iv
    for start in range(0, len(plain), 16):
        before = block_cipher.update(bytes(a ^ b for a, b in zip(plain[start : start + 16], before, strict=True)))
        out += before
    return out


@given(content=st.dictionaries(st.text(max_size=8), st.text(max_size=30) | st.integers(-(2**53), 2**53), max_size=5))
def test_a_second_encoder_says_the_same(content):
    plain = json.dumps(content, ensure_ascii=False).encode()
    data = base64.b64encode(_aes_cbc_by_hand(plain, KEYS.data_secret.encode(), KEYS.data_secret_iv.encode())).decode()
    assert decrypt(data, KEYS) == content
    body = json.loads(seal_request(content, KEYS, operator_id="MA1234567", at=AT, seq=7))
    assert body["TimeStamp"] == "20261126143005"
    assert body["Seq"] == "0007"
    signed = body["OperatorID"] + body["Data"] + body["TimeStamp"] + body["Seq"]
    assert body["Sig"] == _md5_hmac(KEYS.sig_secret.encode(), signed.encode())


def test_an_answer_is_signed_over_ret_msg_and_data():
    body = json.loads(seal_answer({"Status": 0}, KEYS, ret=0, message="ok"))
    assert body["Sig"] == _md5_hmac(KEYS.sig_secret.encode(), f"0ok{body['Data']}".encode())
    assert read_answer(json.dumps(body).encode(), KEYS).content == {"Status": 0}
    body["Ret"] = 500
    with pytest.raises(NotUnderstood, match="Sig"):
        read_answer(json.dumps(body).encode(), KEYS)


def test_who_has_shown_no_key_gets_nothing_encrypted():
    assert json.loads(seal_answer({"Status": 1}, None, ret=4001, message="no")) == {
        "Ret": 4001,
        "Msg": "no",
        "Data": "",
        "Sig": "",
    }


@pytest.mark.parametrize(
    "data",
    [
        "not base64 !",
        base64.b64encode(b"15 bytes, no blk").decode()[:-4],
        base64.b64encode(bytes(32)).decode(),
        encrypt({"a": 1}, STANDARD),
    ],
)
def test_what_was_not_encrypted_with_our_keys_is_wrongly_encrypted(data):
    with pytest.raises(WronglyEncrypted):
        decrypt(data, KEYS)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "cut off"),
        (STANDARD_BODY[:-20], "cut off"),
        (b"[]", "OperatorID"),
        (b'{"OperatorID":"1"}', "Data, TimeStamp, Seq, Sig is missing"),
        (b'{"OperatorID":"1","Data":{"a":1},"TimeStamp":"1","Seq":"1","Sig":"1"}', "not encrypted"),
        (b"\xff\xfe", "cut off"),
        (b'{"a":' * 5000, "cut off"),
    ],
)
def test_a_body_that_is_no_request_says_what_is_wrong(body, named):
    with pytest.raises(NotUnderstood, match=named):
        read_envelope(body)


def test_names_of_the_envelope_may_be_spelt_otherwise_and_numbers_be_numbers():
    body = json.loads(STANDARD_BODY)
    other = {
        "operatorId": int(body["OperatorID"]),
        "data": body["Data"],
        "Timestamp": body["TimeStamp"],
        "seq": body["Seq"],
        "sig": body["Sig"].lower(),
    }
    assert is_signed(read_envelope(json.dumps(other).encode()), STANDARD)


def test_keys_of_another_length_are_refused():
    with pytest.raises(ValueError, match="data_secret is 16"):
        Keys(operator_secret="a", data_secret="short", data_secret_iv="1234567890abcdef", sig_secret="b")
