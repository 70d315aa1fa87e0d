"""The envelope of T/CEC 102: signed, encrypted, answered. Pure functions.

Source: T/CEC 102.4-2021 (interconnection of charging and swapping services, part 4: data transmission and security),
and published systems that speak it: Data is JSON, AES-128-CBC with PKCS#7 padding, in Base64; Sig is the upper-case
HMAC-MD5 over OperatorID+Data+TimeStamp+Seq of a request, over Ret+Msg+Data of an answer.
"""

import base64
import binascii
import hmac
import re
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from alerts.charging.partners.refusals import Incomplete, NotUnderstood, WronglyEncrypted
from alerts.charging.partners.spelling import CHINA, by_name, instant, text

Ret = Literal[0, -1, 4001, 4002, 4003, 4004, 500]
OK: Final[Ret] = 0
BUSY: Final[Ret] = -1
BAD_SIGNATURE: Final[Ret] = 4001
BAD_TOKEN: Final[Ret] = 4002
BAD_PARAMETERS: Final[Ret] = 4003
BAD_CONTENT: Final[Ret] = 4004
SYSTEM_ERROR: Final[Ret] = 500

# A string, which stays as it is, or a comma before the end of an object or list, which goes.
_COMMA = re.compile(rb'("(?:[^"\\]|\\.)*")|,(\s*[}\]])')
_BLOCK_BITS = 128
_KEY_BYTES = 16

# What is longer is cut off, and does not fit its signature any more.
_LONGEST = {"OperatorID": 60, "Data": 1_000_000, "TimeStamp": 20, "Seq": 20, "Sig": 64}


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What two ends of T/CEC 102 share. Keys are 16 ASCII characters, used as bytes."""

    operator_secret: str
    data_secret: str
    data_secret_iv: str
    sig_secret: str

    def __post_init__(self) -> None:
        for name in ("data_secret", "data_secret_iv"):
            if len(getattr(self, name).encode()) != _KEY_BYTES:
                raise ValueError(f"{name} is {_KEY_BYTES} characters long: AES-128")
        if not self.operator_secret or not self.sig_secret:
            raise ValueError("operator_secret and sig_secret are not empty")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it comes; ``data`` is Base64 of what is encrypted."""

    operator_id: str
    data: str
    time_stamp: str
    seq: str
    sig: str

    @property
    def at(self) -> datetime | None:
        """Return the instant of TimeStamp (China's time), None when it is none."""
        return instant(self.time_stamp, zone=CHINA) if len(self.time_stamp) == 14 else None


_PARTS = ("OperatorID", "Data", "TimeStamp", "Seq", "Sig")


def read_envelope(body: bytes) -> Envelope:
    """Return the envelope of a request.

    Raises : NotUnderstood, when it is no JSON object; Incomplete, when a part is missing
    """
    try:
        wire = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood("the body is no JSON: was it cut off?") from error
    if not isinstance(wire, dict):
        raise NotUnderstood(f"the body is no JSON object with {', '.join(_PARTS)}")
    found = by_name(wire, _PARTS)
    if isinstance(found.get("Data"), dict):
        raise Incomplete("Data is not encrypted")
    # Some senders write numbers where the text has strings.
    parts = {name: text(found.get(name), longest=_LONGEST[name]) for name in _PARTS}
    missing = [name for name, value in parts.items() if value is None]
    if missing:
        raise Incomplete(f"{', '.join(missing)} is missing")
    return Envelope(
        operator_id=parts["OperatorID"] or "",
        data=parts["Data"] or "",
        time_stamp=parts["TimeStamp"] or "",
        seq=parts["Seq"] or "",
        sig=parts["Sig"] or "",
    )


def is_signed(envelope: Envelope, keys: Keys) -> bool:
    """Say whether the request was signed with these keys; small letters in the signature are accepted."""
    signed = envelope.operator_id + envelope.data + envelope.time_stamp + envelope.seq
    return hmac.compare_digest(_sig(signed, keys).encode(), envelope.sig.upper().encode())


def decrypted(envelope: Envelope, keys: Keys) -> dict[str, Any]:
    """Return what the request carries; its signature has been verified.

    Raises : WronglyEncrypted, NotUnderstood
    """
    return decrypt(envelope.data, keys)


def encrypt(content: Any, keys: Keys) -> str:
    """Return ``content`` as JSON, encrypted, in Base64."""
    padder = PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(msgspec.json.encode(content)) + padder.finalize()
    encryptor = _cipher(keys).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt(data: str, keys: Keys) -> dict[str, Any]:
    """Return what was encrypted.

    Raises : WronglyEncrypted; NotUnderstood, when it is no JSON object
    """
    try:
        decryptor = _cipher(keys).decryptor()
        padded = decryptor.update(base64.b64decode(data, validate=True)) + decryptor.finalize()
        unpadder = PKCS7(_BLOCK_BITS).unpadder()
        plain = unpadder.update(padded) + unpadder.finalize()
    except (ValueError, binascii.Error) as error:
        raise WronglyEncrypted("Data is not AES-128-CBC with PKCS#7 padding in Base64, by the keys agreed") from error
    try:
        content = _decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Padding fits by chance once in 256: what is no text was as likely encrypted with another key.
        raise WronglyEncrypted("Data decrypts to something that is no JSON: is it the right key?") from error
    if not isinstance(content, dict):
        raise NotUnderstood("Data is no JSON object")
    return content


def seal_request(content: Any, keys: Keys, *, operator_id: str, at: datetime, seq: int) -> bytes:
    """Return the body of a request.

    at  : aware; seq : 1 to 9999, another one for each request of the same second
    """
    data, time_stamp, number = encrypt(content, keys), at.astimezone(CHINA).strftime("%Y%m%d%H%M%S"), f"{seq:04d}"
    return msgspec.json.encode(
        {
            "OperatorID": operator_id,
            "Data": data,
            "TimeStamp": time_stamp,
            "Seq": number,
            "Sig": _sig(operator_id + data + time_stamp + number, keys),
        }
    )


def seal_answer(content: Any, keys: Keys | None, *, ret: Ret = OK, message: str = "") -> bytes:
    """Return the body of an answer; without keys, to somebody who has shown none, it carries nothing."""
    data = encrypt(content, keys) if keys is not None else ""
    sig = _sig(f"{ret}{message}{data}", keys) if keys is not None else ""
    return msgspec.json.encode({"Ret": ret, "Msg": message, "Data": data, "Sig": sig})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was read; ``content`` is empty when the answer carries nothing."""

    ret: int
    message: str
    content: dict[str, Any]


class _WireAnswer(msgspec.Struct, rename="pascal"):
    ret: int | str
    msg: str | None = ""
    data: Any = ""
    sig: str | None = ""


def read_answer(body: bytes, keys: Keys) -> Answer:
    """Return what an answer says, its signature verified when it carries content.

    Raises : NotUnderstood, WronglyEncrypted
    """
    try:
        wire = msgspec.json.decode(body, type=_WireAnswer)
        ret = int(wire.ret)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise NotUnderstood("the answer is no JSON object with Ret, Msg, Data and Sig") from error
    message = wire.msg or ""
    if not isinstance(wire.data, str) or not wire.data:
        return Answer(ret=ret, message=message, content={})
    if not hmac.compare_digest(
        _sig(f"{wire.ret}{message}{wire.data}", keys).encode(), (wire.sig or "").upper().encode()
    ):
        raise NotUnderstood("the answer's Sig is not made of Ret, Msg and Data by the keys agreed")
    return Answer(ret=ret, message=message, content=decrypt(wire.data, keys))


def _decode(plain: bytes) -> Any:
    try:
        return msgspec.json.decode(plain)
    except msgspec.DecodeError:
        # The standard's own example (102.4, annex B) ends its object with a comma, and is copied.
        return msgspec.json.decode(_COMMA.sub(lambda found: found[1] or found[2], plain))


def _cipher(keys: Keys) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(keys.data_secret.encode()), modes.CBC(keys.data_secret_iv.encode()))


def _sig(signed: str, keys: Keys) -> str:
    # The standard asks for MD5; in an HMAC its collisions do not matter.
    return hmac.new(keys.sig_secret.encode(), signed.encode(), "md5").hexdigest().upper()
