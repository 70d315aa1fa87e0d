"""Decodes telemetry payload v1, a pure function from bytes to samples.

A message whose signals are all known and well typed is decoded in one go by msgspec. Only when that refuses is the
message read again, sample by sample, to say what is wrong and to keep what is right.
"""

import json
import math
from types import GenericAlias
from typing import Annotated, Any

import msgspec

from ingest.layout import Layout, layout
from ingest.quality import Quality
from ingest.rejected import FrameRejected

MAX_SAMPLES = 1000
_BAD_TEXT = "a text with NUL or half a surrogate in it, or a number beyond double precision"
# As JSON spells it: PostgreSQL has no text with it.
_NUL = b"\\u0000"
# What is larger is said to be wrong when the message is read with care; the database has no column for it.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Oddity(msgspec.Struct, frozen=True):
    """What a sample carried that is no column: values by path, and the flags that say why."""

    extra: dict[str, Any]
    quality: int


class BadSample(msgspec.Struct, frozen=True):
    """A sample that cannot be stored; ``payload`` is a message of its own that can be replayed after a fix."""

    reason: str
    detail: str
    payload: bytes


class Decoded(msgspec.Struct, frozen=True):
    """What a telemetry message says.

    samples  : the usable ones, each with ``ts`` (epoch ms), ``seq`` and ``signals``
    oddities : by index into ``samples``
    bad      : the unusable ones
    """

    samples: list[Any]
    oddities: dict[int, Oddity]
    bad: list[BadSample]


class TelemetryDecoder:
    """Decodes messages of one signal layout."""

    def __init__(self, signals: Layout | None = None) -> None:
        self._layout = signals or layout()
        self._sample: Any = msgspec.defstruct(
            "Sample", [("ts", Int64), ("signals", self._layout.Signals), ("seq", Int64, 0)], gc=False
        )
        samples = GenericAlias(list, (self._sample,))
        message: Any = msgspec.defstruct("Message", [("samples", samples), ("vin", str | None, None)])
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(message)

    def decode(self, payload: bytes, *, vin: str) -> Decoded:
        """Return the samples of a telemetry message of the car ``vin``.

        Raises : FrameRejected, when nothing in the message can be used
        """
        try:
            message = self._decoder.decode(payload)
        except msgspec.DecodeError:
            return self._decode_with_care(payload, vin)
        except (UnicodeDecodeError, RecursionError) as error:
            raise FrameRejected("not_json", str(error)) from error
        if _NUL in payload:
            return self._decode_with_care(payload, vin)
        samples: list[Any] = message.samples
        if message.vin is not None and message.vin != vin:
            raise _foreign_vin()
        if not 1 <= len(samples) <= MAX_SAMPLES:
            raise _wrong_count(len(samples))
        return Decoded(samples, {}, [])

    def _decode_with_care(self, payload: bytes, vin: str) -> Decoded:
        try:
            message = msgspec.json.decode(payload)
            is_storable = _NUL not in payload
        except msgspec.DecodeError as error:
            message = _decode_what_no_column_holds(payload, error)
            is_storable = False
        except (UnicodeDecodeError, RecursionError) as error:
            raise FrameRejected("not_json", str(error)) from error
        if not isinstance(message, dict) or not isinstance(message.get("samples"), list):
            raise FrameRejected("no_samples", 'the message is not {"samples": [...]}')
        if message.get("vin", vin) not in (vin, None):
            raise _foreign_vin()
        raw_samples = message["samples"]
        if not 1 <= len(raw_samples) <= MAX_SAMPLES:
            raise _wrong_count(len(raw_samples))
        samples: list[Any] = []
        oddities: dict[int, Oddity] = {}
        bad: list[BadSample] = []
        for raw in raw_samples:
            try:
                if not is_storable and _is_unstorable(raw):
                    raise FrameRejected("bad_text", _BAD_TEXT)
                sample, oddity = self._decode_sample(raw)
            except FrameRejected as rejection:
                bad.append(BadSample(rejection.reason, rejection.detail, _encode_sample(raw)))
                continue
            if oddity is not None:
                oddities[len(samples)] = oddity
            samples.append(sample)
        return Decoded(samples, oddities, bad)

    def _decode_sample(self, raw: Any) -> tuple[Any, Oddity | None]:
        if not isinstance(raw, dict):
            raise FrameRejected("bad_sample", "a sample is an object with ts, seq and signals")
        ts, seq, signals = raw.get("ts"), raw.get("seq", 0), raw.get("signals")
        if not _is_int64(ts):
            raise FrameRejected("bad_time", f"ts is epoch milliseconds as an integer, not {ts!r:.60}")
        if not _is_int64(seq):
            raise FrameRejected("bad_seq", f"seq is an integer, not {seq!r:.60}")
        if not isinstance(signals, dict):
            raise FrameRejected("bad_sample", "signals is an object from signal path to value")
        fields: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        quality = Quality(0)
        for path, value in signals.items():
            signal = self._layout.by_path.get(path)
            if signal is None:
                extra[path] = value
                quality |= Quality.UNKNOWN_SIGNAL
                continue
            try:
                fields[signal.column] = msgspec.convert(value, self._layout.field_type(signal))
            except msgspec.ValidationError:
                extra[path] = value
                quality |= Quality.WRONG_TYPE
        sample = self._sample(ts=ts, seq=seq, signals=self._layout.Signals(**fields))
        return sample, Oddity(extra, int(quality)) if extra else None


def encode_sample(sample: Any, oddity: Oddity | None) -> bytes:
    """Return a decoded sample as a message of its own, with what was odd about it."""
    values = msgspec.to_builtins(sample.signals)
    measured = {path: value for path, value in values.items() if value is not None and value == value}
    signals = measured | (oddity.extra if oddity else {})
    return msgspec.json.encode({"samples": [{"ts": sample.ts, "seq": sample.seq, "signals": signals}]})


def _foreign_vin() -> FrameRejected:
    # The letter is kept under this car, so it names no other.
    return FrameRejected("foreign_vin", "the payload claims another car than the topic")


def _is_int64(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _decode_what_no_column_holds(payload: bytes, error: msgspec.DecodeError) -> Any:
    """Read what may be JSON all the same: halves of surrogates, and numbers that no float holds."""
    try:
        return json.loads(payload, parse_float=_number, parse_int=_number, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise FrameRejected("not_json", str(error)) from error


def _number(digits: str) -> int | float | msgspec.Raw:
    value = float(digits)
    if not math.isfinite(value):
        # As it came, so that what is kept of it is what was sent.
        return msgspec.Raw(digits)
    return int(digits) if digits.lstrip("-").isdecimal() else value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_unstorable(raw: object) -> bool:
    """Say whether PostgreSQL has no text or no number for something in this sample."""
    # No recursion: how deep a sample may be is its sender's choice.
    waiting = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, msgspec.Raw):
            return True
        if isinstance(value, str):
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                return True
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
    return False


def _encode_sample(raw: Any) -> bytes:
    try:
        return msgspec.json.encode({"samples": [raw]})
    except UnicodeEncodeError:
        return json.dumps(
            {"samples": [raw]}, separators=(",", ":"), default=lambda number: bytes(number).decode()
        ).encode()


def _wrong_count(count: int) -> FrameRejected:
    if count == 0:
        return FrameRejected("empty", "the message holds no sample")
    return FrameRejected("too_many_samples", f"the message holds {count} samples, at most {MAX_SAMPLES} are allowed")
